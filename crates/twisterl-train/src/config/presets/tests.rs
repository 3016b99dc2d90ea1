#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::RunConfig;

fn completed(value: Value) -> (Value, Option<Preset>) {
    let mut config = value;
    let used = complete(&mut config, &[], None, &Registry::default()).unwrap();
    (config, used.map(|(preset, _)| preset))
}

fn read_with(value: Value, overrides: &[&str], steps: Option<u64>) -> ReadConfig {
    let overrides: Vec<_> = overrides.iter().map(|text| Override::parse(text).unwrap()).collect();
    read(value, &overrides, steps, &Registry::default()).unwrap()
}

#[test]
fn every_built_in_environment_has_a_valid_preset_for_each_algorithm_that_can_learn_it() {
    let registry = Registry::default();
    for name in registry.names() {
        for (class, algorithm) in AlgorithmClass::ALL {
            let (config, preset) = completed(json!({"env_cls": name, "algorithm_cls": class}));
            assert_eq!(preset.unwrap().algorithm, algorithm);
            let (read, ignored) =
                RunConfig::read(config).unwrap_or_else(|e| panic!("{name} {class}: {e}"));
            assert!(ignored.is_empty() && read.num_iterations.is_some());
        }
    }
}

#[test]
fn problems_are_told_apart_by_their_spaces_and_starts() {
    let kinds = [
        ("Puzzle", Problem::Goal, Inputs::Bits),
        ("LightsOut", Problem::Goal, Inputs::Image),
        ("Maze", Problem::Goal, Inputs::Image),
        ("CartPole-v1", Problem::Reward, Inputs::Numbers),
        ("Pendulum-v1", Problem::Reward, Inputs::Numbers),
        ("Journey", Problem::Reward, Inputs::Bits),
    ];
    for (name, problem, inputs) in kinds {
        let preset = completed(json!({"env_cls": name})).1.unwrap();
        assert_eq!((preset.problem, preset.inputs), (problem, inputs), "{name}");
    }
}

#[test]
fn returns_are_learned_as_observations_and_actions_ask_for() {
    // Name; epochs, final entropy bonus, environments, gamma, gain of the logits, distribution of the last action.
    let kinds = [
        ("CartPole-v1", json!([10, null, 16, 0.99, null, null])),
        (
            "Pendulum-v1",
            json!([10, null, 16, 0.999, null, {"type": "gaussian", "log_std_init": 0.5}]),
        ),
        ("Journey", {
            let state = json!({"type": "gaussian", "log_std": "state", "log_std_init": -1.0});
            json!([4, null, 64, 0.999, null, state])
        }),
    ];
    for (name, expected) in kinds {
        let config = completed(json!({"env_cls": name})).0;
        let (policy, algorithm) = (&config["policy"], &config["algorithm"]);
        let last = policy["distribution"].as_array().and_then(|parts| parts.last());
        let found = json!([
            algorithm["training"]["num_epochs"],
            algorithm["training"]["ent_coef_final"],
            algorithm["collecting"]["num_envs"],
            algorithm["collecting"]["gamma"],
            policy["init"]["action_gain"],
            last,
        ]);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn given_fields_go_before_those_of_the_preset() {
    let policy = json!({"common_layers": [32, 16]});
    let given = json!({"env_cls": "CartPole-v1", "policy": policy, "seed": 3, "num_iterations": 7});
    let (config, _) = completed(given);
    assert_eq!(config["policy"]["common_layers"], json!([32, 16]));
    assert_eq!(config["policy"]["activation"], "tanh");
    assert_eq!((&config["seed"], &config["num_iterations"]), (&json!(3), &json!(7)));
}

#[test]
fn configs_with_an_algorithm_and_those_of_the_peer_stay_as_they_are() {
    for config in [
        json!({"env_cls": "CartPole-v1", "algorithm": {}}),
        json!({"env_cls": "twisterl.envs.Puzzle", "algorithm_cls": "twisterl.rl.PPO"}),
        json!({"env_cls": "twisterl.envs.Puzzle", "policy_cls": "twisterl.nn.BasicPolicy"}),
        json!({"policy": {}}),
        json!([]),
    ] {
        assert_eq!(completed(config.clone()), (config, None));
    }
}

#[test]
fn wrong_names_and_parameters_are_errors() {
    let error = |mut config: Value| {
        complete(&mut config, &[], None, &Registry::default()).map(drop).unwrap_err().to_string()
    };
    assert!(error(json!({"env_cls": "CartPol-v1"})).contains("unknown environment"));
    assert!(error(json!({"env_cls": "Puzzle", "env": {"width": 99}})).contains("env.width"));
    assert!(error(json!({"env_cls": "Puzzle", "algorithm_cls": "DQN"})).contains("algorithm_cls"));
}

#[test]
fn steps_become_iterations() {
    let config = completed(json!({"env_cls": "CartPole-v1"})).0;
    assert_eq!(iterations(&config, 4096).unwrap(), 1);
    assert_eq!(iterations(&config, 200_000).unwrap(), 49);
    let config = completed(json!({"env_cls": "CartPole-v1", "algorithm_cls": "ES"})).0;
    assert_eq!(
        iterations(&config, 7).unwrap_err().to_string(),
        "--steps: expected --num-steps, a number of iterations, since an iteration of this algorithm has no fixed number of \
         steps, found 7"
    );
}

#[test]
fn overrides_choose_the_algorithm_and_change_the_preset() {
    let sets = ["algorithm_cls=ES", "algorithm.es.population=64", "policy.common_layers.0=32"];
    let ReadConfig { config, notes, .. } =
        read_with(json!({"env_cls": "CartPole-v1"}), &sets, None);
    let value = config.to_value();
    assert_eq!(
        (&value["algorithm_cls"], &value["policy"]["common_layers"]),
        (&json!("ES"), &json!([32]))
    );
    assert_eq!(value["algorithm"]["es"]["population"], 64);
    assert_eq!(value["algorithm"]["es"]["num_episodes"], 2, "the rest is the preset's");
    assert!(notes[0].contains("ES, 100 iterations, network 64-32 (tanh)"), "{notes:?}");
}

#[test]
fn null_stands_for_what_is_not_given() {
    let config = json!({"env_cls": "CartPole-v1", "env": null, "policy": null, "algorithm": null, "num_iterations": null});
    assert_eq!(completed(config).0, completed(json!({"env_cls": "CartPole-v1"})).0);
}

#[test]
fn the_number_of_evaluations_does_not_depend_on_the_length_of_the_run() {
    let every = |config: Value, overrides: &[&str], steps| {
        let value = read_with(config, overrides, steps).config.to_value();
        (
            value["num_iterations"].as_u64().unwrap(),
            value["algorithm"]["evals"]["greedy"]["every"].as_u64().unwrap(),
        )
    };
    let cart_pole = || json!({"env_cls": "CartPole-v1"});
    assert_eq!(every(cart_pole(), &[], None), (100, 5));
    assert_eq!(every(cart_pole(), &["num_iterations=1000"], None), (1000, 50));
    assert_eq!(every(cart_pole(), &["num_iterations=3"], None), (3, 1));
    assert_eq!(every(cart_pole(), &[], Some(81_920)), (20, 1));
    assert_eq!(every(cart_pole(), &["algorithm.evals.greedy.every=7"], Some(81_920)), (20, 7));
}

#[test]
fn the_reasons_are_told_in_two_lines() {
    let notes = |env_cls: &str| read_with(json!({"env_cls": env_cls}), &[], None).notes;
    assert_eq!(
        notes("CartPole-v1"),
        [
            "preset to maximize the return: PPO, 100 iterations, network 64-64 (tanh), observations normalized",
            "chosen for CartPole-v1, which has no adjustable difficulty: in each step, the policy sees 4 numbers and \
             chooses 1 of 2 actions; for settings of your own, add a section `algorithm` to the config",
        ]
    );
    assert!(
        notes("Puzzle")[0]
            .starts_with("preset to reach the goal: PPO, 4,000 iterations, network 128-128 (relu)")
    );
    assert!(
        notes("Journey")[1].contains("chooses 1 of 3 values and 1 number;"),
        "{:?}",
        notes("Journey")
    );
    assert!(read_with(json!({"env_cls": "Puzzle", "algorithm": {}}), &[], None).notes.is_empty());
}
