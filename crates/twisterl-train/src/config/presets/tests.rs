#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::RunConfig;

fn completed(value: Value) -> (Value, Option<Preset>) {
    let mut config = value;
    let preset = complete(&mut config, &[], &Registry::default()).unwrap();
    (config, preset)
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
        complete(&mut config, &[], &Registry::default()).unwrap_err().to_string()
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
    assert!(iterations(&config, 1).unwrap_err().to_string().contains("num_steps"));
}
