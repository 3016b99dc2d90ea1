#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::path::PathBuf;

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../tests/configs/{name}_v1.peer.json"))
}

fn parse(value: Value) -> RunConfig {
    RunConfig::from_value(value).unwrap()
}

fn refusal(value: Value) -> String {
    RunConfig::from_value(value).unwrap_err().to_string()
}

/// The message for a config in which only `path` is set, beside the environment.
fn refusal_of(path: &str, value: Value) -> String {
    let mut config = json!({"env_cls": "Puzzle"});
    Override::new(path, value).unwrap().apply(&mut config).unwrap();
    refusal(config)
}

#[test]
fn the_peers_configs_keep_their_meaning() {
    for (name, env_cls, diff_max) in [
        ("ppo_puzzle8", "twisterl.envs.Puzzle", 32),
        ("ppo_puzzle15", "twisterl.envs.Puzzle", 128),
        ("ppo_grid_world_5x5", "grid_world.GridWorld", 10),
    ] {
        let config = RunConfig::load(&peer(name), &[]).unwrap();
        let algorithm = &config.algorithm;
        assert_eq!(config.env_cls, env_cls);
        assert_eq!(config.env["difficulty"], 1);
        assert_eq!((config.seed, config.num_iterations), (0, None));
        assert_eq!(config.policy_cls, PolicyClass::BasicPolicy);
        assert_eq!(algorithm.collecting.num_episodes, 1024);
        assert_eq!((algorithm.collecting.gae_lambda, algorithm.collecting.gamma), (0.995, 0.995));
        assert_eq!(algorithm.collecting.num_envs, None, "whole episodes");
        assert_eq!(algorithm.training.minibatch_size, None, "full batch");
        assert!(algorithm.training.normalize_advantage);
        assert_eq!(algorithm.learning.diff_max, Some(diff_max));
        assert_eq!(algorithm.learning.diff_metric, "ppo_1");
        assert_eq!(algorithm.optimizer.lr, 0.00015);
        assert_eq!(algorithm.optimizer.schedule(), Schedule::Constant);
        let evals: Vec<_> = algorithm.evals.iter().collect();
        let (one, ten) = (evals[0].1, evals[1].1);
        assert_eq!((evals[0].0.as_str(), evals[1].0.as_str(), evals.len()), ("ppo_1", "ppo_10", 2));
        assert_eq!((one.deterministic, one.num_searches, one.num_episodes), (false, 1, 100));
        assert_eq!((ten.deterministic, ten.num_searches, ten.num_episodes), (false, 10, 100));
    }
    assert_eq!(RunConfig::load(&peer("ppo_puzzle15"), &[]).unwrap().env["width"], 4);
}

/// The numbers are those of the peer's `defaults.py` (version 0.5.1).
#[test]
fn defaults_are_the_peers() {
    let config = parse(json!({"env_cls": "Puzzle"}));
    assert_eq!(config.env, json!({}));
    let value = config.to_value();
    let is = |pointer: &str, expected: Value| assert_eq!(value.pointer(pointer), Some(&expected));
    is("/policy/embedding_size", json!(512));
    is("/policy/common_layers", json!([256]));
    is("/policy/policy_layers", json!([]));
    is("/policy/value_layers", json!([]));
    is("/policy/activation", json!("relu"));
    is("/algorithm/device", json!("cpu"));
    is("/algorithm/collecting/num_cores", json!(32));
    is("/algorithm/collecting/num_episodes", json!(16384));
    is("/algorithm/collecting/lambda", json!(0.995));
    is("/algorithm/collecting/gamma", json!(0.995));
    is("/algorithm/training/num_epochs", json!(10));
    is("/algorithm/training/vf_coef", json!(0.8));
    is("/algorithm/training/ent_coef", json!(0.01));
    is("/algorithm/training/clip_ratio", json!(0.1));
    is("/algorithm/training/normalize_advantage", json!(false));
    is("/algorithm/optimizer/lr", json!(0.0003));
    is("/algorithm/optimizer/betas", json!([0.9, 0.999]));
    is("/algorithm/optimizer/eps", json!(1e-8));
    is("/algorithm/learning/diff_threshold", json!(0.85));
    is("/algorithm/learning/diff_metric", json!("ppo_deterministic"));
    is("/algorithm/logging/log_freq", json!(1));
    is("/algorithm/logging/checkpoint_freq", json!(10));
    let base = json!({
        "num_episodes": 100, "deterministic": true, "num_searches": 1, "num_mcts_searches": 0, "seed": 0,
        "num_cores": 32, "C": 1.41, "max_expand_depth": 1,
    });
    for (name, deterministic, searches) in
        [("ppo_deterministic", true, 1), ("ppo_1", false, 1), ("ppo_10", false, 10)]
    {
        let eval = &value["algorithm"]["evals"][name];
        for (key, expected) in base.as_object().unwrap() {
            match key.as_str() {
                "deterministic" => assert_eq!(eval[key], deterministic),
                "num_searches" => assert_eq!(eval[key], searches),
                _ => assert_eq!(&eval[key], expected),
            }
        }
    }
    let evals: Vec<_> = config.algorithm.evals.keys().collect();
    assert_eq!(evals, ["ppo_deterministic", "ppo_1", "ppo_10"]);
}

#[test]
fn defaults_merge_deeply_but_given_evals_replace_the_default_ones() {
    let config = parse(json!({
        "env_cls": "Puzzle",
        "algorithm": {
            "training": {"ent_coef": 0.5},
            "learning": {"diff_metric": "z"},
            "evals": {"z": {"num_searches": 3}, "a": {}}
        }
    }));
    assert_eq!(config.algorithm.training.ent_coef, 0.5);
    assert_eq!(config.algorithm.training.vf_coef, 0.8);
    assert_eq!(config.algorithm.evals.keys().collect::<Vec<_>>(), ["z", "a"], "in the order given");
    let z = config.algorithm.evals.get("z").unwrap();
    assert_eq!((z.num_searches, z.deterministic, z.num_episodes), (3, true, 100));
}

#[test]
fn short_and_long_class_names_mean_the_same() {
    let config = |policy, algorithm| {
        parse(json!({"env_cls": "Puzzle", "policy_cls": policy, "algorithm_cls": algorithm}))
    };
    let short = config("BasicPolicy", "PPO");
    assert_eq!(short, config("twisterl.nn.BasicPolicy", "twisterl.rl.PPO"));
    assert_eq!(short, config("Mlp", "PPO"));
}

#[test]
fn the_peers_tuple_lists_and_ignored_keys_are_understood() {
    let config = parse(json!({
        "env_cls": "Puzzle",
        "env": {"gates": {"__tuple_list__": true, "list": [["CX", [0, 1]], ["H", [0]]]}},
        "algorithm": {"device": "cpu", "policy": {"embedding_size": 512}},
    }));
    assert_eq!(config.env, json!({"gates": [["CX", [0, 1]], ["H", [0]]]}));
}

#[test]
fn unknown_keys_are_named_with_their_path_and_the_nearest_known_one() {
    let message = refusal_of("algorithm.training.ent_coeff", json!(0.1));
    assert!(message.starts_with(
        "algorithm.training.ent_coeff: expected one of the keys `num_epochs`, `vf_coef`, `ent_coef`"
    ));
    assert!(message.ends_with("found unknown key `ent_coeff` (did you mean `ent_coef`?)"), "{message}");
    let message = refusal_of("algorithm.training.zzzzzzzzzz", json!(0.1));
    assert!(message.ends_with("found unknown key `zzzzzzzzzz`"), "{message}");
    let message = refusal_of("algoritm", json!({}));
    assert!(message.starts_with("algoritm: expected one of the keys `env_cls`"), "{message}");
    assert!(message.ends_with("(did you mean `algorithm`?)"), "{message}");
    let message = refusal_of("algorithm.evals.a.episodes", json!(1));
    assert!(message.starts_with("algorithm.evals.a.episodes: "), "{message}");
    let hostile = refusal(json!({"env_cls": "Puzzle", "a`, expected one of `b": 1}));
    assert!(hostile.contains("unknown key `a`, expected one of `b`"), "{hostile}");
}

#[test]
fn wrong_types_are_refused_with_path_expected_and_found() {
    for (path, value, message) in [
        ("env_cls", json!(5), "env_cls: expected a string, found 5"),
        ("env", json!([1]), "env: expected an object, found [1]"),
        ("policy", json!("big"), "policy: expected an object, found string \"big\""),
        (
            "policy.common_layers",
            json!([256, "x"]),
            "policy.common_layers[1]: expected a whole number, 0 or more, found string \"x\"",
        ),
        (
            "algorithm.collecting.num_episodes",
            json!(-1),
            "algorithm.collecting.num_episodes: expected a whole number, 0 or more, found -1",
        ),
        (
            "algorithm.collecting.num_envs",
            json!(1.5),
            "algorithm.collecting.num_envs: expected a whole number, 0 or more, found 1.5",
        ),
        ("algorithm.collecting.lambda", json!(null), "algorithm.collecting.lambda: expected a number, found null"),
        ("algorithm.training.twists", json!(1), "algorithm.training.twists: expected true or false, found 1"),
        ("algorithm.optimizer.betas", json!([0.9]), "algorithm.optimizer.betas: expected a list of 2 values, found length 1"),
        ("algorithm.evals", json!([]), "algorithm.evals: expected an object, found a list"),
        ("algorithm.evals.a", json!(3), "algorithm.evals.a: expected an object, found 3"),
        ("algorithm.device", json!("cuda"), "algorithm.device: expected `cpu`, found `cuda`"),
        (
            "algorithm.optimizer.schedule",
            json!("step"),
            "algorithm.optimizer.schedule: expected one of `constant`, `linear`, `cosine`, found `step`",
        ),
        ("algorithm.optimizer.schedule", json!(3), "algorithm.optimizer.schedule: expected a name, found 3"),
        ("policy.activation", json!("gelu"), "policy.activation: expected `relu` or `tanh`, found `gelu`"),
        (
            "policy_cls",
            json!("twisterl.nn.Conv1dPolicy"),
            "policy_cls: expected BasicPolicy, found \"twisterl.nn.Conv1dPolicy\", which is not supported yet",
        ),
        (
            "algorithm_cls",
            json!("twisterl.rl.AZ"),
            "algorithm_cls: expected PPO, found \"twisterl.rl.AZ\", which is not supported yet",
        ),
        ("algorithm_cls", json!("A2C"), "algorithm_cls: expected PPO, found \"A2C\""),
        ("algorithm_cls", json!(["A2C"]), "algorithm_cls: expected a string, found a list"),
    ] {
        assert_eq!(refusal_of(path, value), message);
    }
    assert_eq!(refusal(json!({})), "env_cls: expected a value, found none");
    assert_eq!(refusal(json!(3)), "config: expected an object, found 3");
    assert_eq!(refusal(json!([])), "env_cls: expected a value, found none");
}

#[test]
fn values_out_of_range_are_refused_with_path_expected_and_found() {
    for (path, value, message) in [
        ("env_cls", json!(""), "env_cls: expected the name of an environment, found an empty one"),
        ("policy.embedding_size", json!(0), "policy.embedding_size: expected at least 1 and at most 65536, found 0"),
        (
            "policy.value_layers",
            json!([8, 65537]),
            "policy.value_layers[1]: expected at least 1 and at most 65536, found 65537",
        ),
        ("policy.common_layers", json!(vec![1; 65]), "policy.common_layers: expected at most 64 values, found 65"),
        (
            "policy.common_layers",
            json!([65536, 65536]),
            "policy: expected at most 134217728 weights between hidden layers, found 4328521728",
        ),
        (
            "algorithm.collecting.num_episodes",
            json!(10_000_000_000_u64),
            "algorithm.collecting.num_episodes: expected at least 1 and at most 1048576, found 10000000000",
        ),
        ("algorithm.collecting.gamma", json!(1.5), "algorithm.collecting.gamma: expected at least 0 and at most 1, found 1.5"),
        (
            "algorithm.collecting.num_envs",
            json!(1_000_000),
            "algorithm.collecting: expected num_envs x rollout_length of at most 16777216, found 32000000",
        ),
        (
            "algorithm.collecting.starts",
            json!({"uniform": 0.5, "mixed": 0.5, "failures": 0.5}),
            "algorithm.collecting.starts: expected shares uniform + mixed + failures of at most 1, found 1.5",
        ),
        ("algorithm.collecting.starts.probe_every", json!(0), "algorithm.collecting.starts.probe_every: expected at least 1, found 0"),
        ("algorithm.training.clip_ratio", json!(0), "algorithm.training.clip_ratio: expected more than 0 and at most 1000000, found 0"),
        ("algorithm.training.max_grad_norm", json!(-0.5), "algorithm.training.max_grad_norm: expected more than 0 and at most 1000000000, found -0.5"),
        ("algorithm.training.ent_coef_final", json!(0.0), "num_iterations: expected the number of iterations after which algorithm.training.ent_coef_final is reached, found none"),
        ("algorithm.optimizer.lr", json!(-1), "algorithm.optimizer.lr: expected at least 0 and at most 1000, found -1"),
        ("algorithm.optimizer.lr", json!(1e300), "algorithm.optimizer.lr: expected at least 0 and at most 1000, found 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"),
        ("algorithm.optimizer.lr_final", json!(0.0), "num_iterations: expected the number of iterations after which algorithm.optimizer.lr_final is reached, found none"),
        ("algorithm.optimizer.schedule", json!("cosine"), "algorithm.optimizer.lr_final: expected the learning rate at which the schedule ends, found none"),
        ("algorithm.optimizer.amsgrad", json!(true), "algorithm.optimizer.amsgrad: expected false, found true"),
        ("algorithm.optimizer.betas", json!([0.9, 1.0]), "algorithm.optimizer.betas[1]: expected at least 0 and at most 0.999999, found 1"),
        (
            "algorithm.learning.diff_metric",
            json!("mcts_100"),
            "algorithm.learning.diff_metric: expected `rollout` or the name of one of algorithm.evals \
             (`ppo_deterministic`, `ppo_1`, `ppo_10`), found \"mcts_100\"",
        ),
        ("algorithm.learning", json!({"diff_start": 5, "diff_max": 3}), "algorithm.learning.diff_start: expected at most diff_max, which is 3, found 5"),
        ("algorithm.evals.mcts.num_mcts_searches", json!(100), "algorithm.evals.mcts.num_mcts_searches: expected 0, as there is no tree search yet, found 100"),
        ("algorithm.evals.ppo_1.every", json!(0), "algorithm.evals.ppo_1.every: expected at least 1, found 0"),
        ("algorithm.evals.rollout", json!({}), "algorithm.evals.rollout: expected a name of 1 to 64 bytes other than `rollout`, found \"rollout\""),
        ("algorithm.logging.checkpoint_seconds", json!(0), "algorithm.logging.checkpoint_seconds: expected more than 0 and at most 1000000000, found 0"),
    ] {
        assert_eq!(refusal_of(path, value), message);
    }
}

#[test]
fn overrides_reach_every_place_and_say_where_they_cannot() {
    let set = |texts: &[&str]| {
        let overrides: Vec<_> = texts.iter().map(|t| Override::parse(t).unwrap()).collect();
        RunConfig::load(&peer("ppo_puzzle8"), &overrides).map_err(|e| e.to_string())
    };
    let config = set(&[
        "algorithm.training.ent_coef=0.02",
        "policy.common_layers[0]=64",
        "policy.value_layers=[32, 16]",
        "env.width=4",
        "env.title=a b=c",
        "algorithm.collecting.starts.uniform=0.25",
        "num_iterations=7",
        "num_iterations=8",
    ])
    .unwrap();
    assert_eq!(config.algorithm.training.ent_coef, 0.02);
    assert_eq!(config.policy.common_layers, [64]);
    assert_eq!(config.policy.value_layers, [32, 16]);
    assert_eq!((&config.env["width"], &config.env["title"]), (&json!(4), &json!("a b=c")));
    assert_eq!(config.algorithm.collecting.starts.uniform, 0.25);
    assert_eq!(config.num_iterations, Some(8), "the last one holds");
    for (text, message) in [
        ("policy.common_layers.1=64", "policy.common_layers: expected a position below 1, found 1"),
        ("env.width.x=1", "env.width: expected an object or a list, found 3"),
        ("seed=x", "seed: expected a whole number, 0 or more, found string \"x\""),
    ] {
        assert_eq!(set(&[text]).unwrap_err(), message);
    }
    for (text, message) in [
        ("seed", "--set: expected PATH=VALUE, found \"seed\""),
        ("=3", "--set: expected 1 to 32 keys joined by dots, found \"\""),
        ("a..b=3", "--set: expected 1 to 32 keys joined by dots, found \"a..b\""),
    ] {
        assert_eq!(Override::parse(text).unwrap_err().to_string(), message);
    }
    assert!(Override::parse(&format!("{}=1", vec!["a"; 100_000].join("."))).is_err());
}

#[test]
fn hostile_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        RunConfig::load(&path, &[]).unwrap_err().to_string()
    };
    let message = load("comma.json", b"{\n  \"env_cls\": \"Puzzle\",\n}");
    assert!(message.contains("comma.json:3:1: expected JSON, found trailing comma"), "{message}");
    assert!(load("empty.json", b"").contains(":1:0: expected JSON, found EOF"));
    assert!(load("deep.json", &b"[".repeat(1_000_000)).contains("expected JSON, found recursion limit exceeded"));
    let deep = format!("{{\"env_cls\":\"a\",\"env\":{}1{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert!(load("object.json", deep.as_bytes()).contains("recursion limit exceeded"));
    assert!(load("utf8.json", b"{\"env_cls\": \"\xff\"}").contains("expected JSON"));
    assert!(load("large.json", &vec![b' '; (1 << 20) + 1]).contains("a file of at most 1 MB"));
    let long = format!("{{\"env_cls\": \"a\", \"seed\": \"{}\"}}", "x".repeat(1_000_000));
    assert!(load("long.json", long.as_bytes()).len() < 300, "a message quotes little");
    let long = format!("{{\"env_cls\": \"a\", \"{}\": 1}}", "x".repeat(1_000_000));
    assert!(load("key.json", long.as_bytes()).len() < 600, "a message quotes little");
    let missing = RunConfig::load(&folder.path().join("none.json"), &[]).unwrap_err().to_string();
    assert!(missing.contains("none.json: cannot read: "), "{missing}");
    assert!(RunConfig::load(folder.path(), &[]).is_err(), "a folder");
}

#[test]
fn values_nested_too_deeply_are_refused_before_they_exhaust_the_stack() {
    let mut deep = json!(1);
    for _ in 0..2000 {
        deep = Value::Array(vec![deep]);
    }
    let message = refusal(json!({"env_cls": "a", "env": {"x": deep}}));
    assert_eq!(message, "config: expected at most 192 nested levels, found more");
}

#[test]
fn the_schema_describes_every_key_and_its_range() {
    let schema = RunConfig::schema();
    assert_eq!(schema["required"], json!(["env_cls"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let training = &schema["$defs"]["TrainingConfig"]["properties"];
    assert_eq!(training["vf_coef"]["minimum"], json!(0));
    assert_eq!(training["vf_coef"]["default"], json!(0.8));
    for (name, part) in schema["$defs"].as_object().unwrap() {
        for (key, property) in part["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
}

/// Any JSON, small.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0u64..100).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof!["linear", "ppo_1", "rollout", "tanh"].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Every path of a resolved config.
fn paths(value: &Value, prefix: &str, out: &mut Vec<String>) {
    let mut add = |key: &str, inner: &Value| {
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        paths(inner, &path, out);
        out.push(path);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| add(key, inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| add(&i.to_string(), v)),
        _ => {}
    }
}

fn resolved() -> Value {
    let mut value = RunConfig::load(&peer("ppo_puzzle8"), &[]).unwrap().to_value();
    value["num_iterations"] = json!(1000);
    value
}

proptest! {
    #[test]
    fn resolved_configs_read_back_the_same(
        (seed, iterations) in (any::<u64>(), prop::option::of(any::<u64>())),
        (embedding, layers) in (1usize..=1000, prop::collection::vec(1usize..=1000, 0..5)),
        (lambda, gamma, lr) in (0.0..=1.0, 0.0..=1.0, 0.0..=1e3),
        (envs, minibatch, clip) in (
            prop::option::of(1usize..=4096),
            prop::option::of(1usize..=1 << 24),
            prop::option::of(1e-9..=1e9),
        ),
        (uniform, mixed) in (0.0..=0.5, 0.0..=0.5),
        names in prop::collection::hash_set("[a-z_]{1,5}[0-9]", 0..4),
    ) {
        let evals: serde_json::Map<_, _> =
            names.into_iter().enumerate().map(|(i, n)| (n, json!({"num_episodes": i + 1}))).collect();
        let config = parse(json!({
            "env_cls": "Puzzle",
            "env": {"width": 3},
            "policy": {"embedding_size": embedding, "common_layers": layers},
            "algorithm": {
                "collecting": {
                    "lambda": lambda, "gamma": gamma, "num_envs": envs,
                    "starts": {"uniform": uniform, "mixed": mixed},
                },
                "training": {"minibatch_size": minibatch, "max_grad_norm": clip},
                "optimizer": {"lr": lr},
                "learning": {"diff_metric": "rollout"},
                "evals": evals,
            },
            "seed": seed,
            "num_iterations": iterations,
        }));
        prop_assert_eq!(&parse(config.to_value()), &config);
        let text: Value = serde_json::from_str(&config.to_pretty()).unwrap();
        prop_assert_eq!(&parse(text), &config);
    }

    #[test]
    fn mutated_configs_never_panic_and_errors_say_where(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..4),
    ) {
        let mut value = resolved();
        let mut all = Vec::new();
        paths(&value, "", &mut all);
        for (pick, replacement) in picks {
            let change = Override::new(pick.get::<String>(&all), replacement).unwrap();
            let _ = change.apply(&mut value);
        }
        match RunConfig::from_value(value) {
            Ok(config) => prop_assert_eq!(parse(config.to_value()), config),
            Err(error) => prop_assert!(matches!(error, Error::Config { .. }), "{}", error),
        }
    }

    #[test]
    fn junk_never_panics(value in any_json(), text in ".{0,64}") {
        let _ = RunConfig::from_value(value);
        let mut config = resolved();
        if let Ok(change) = Override::parse(&text) {
            let _ = change.apply(&mut config);
        }
        let _ = RunConfig::from_value(config);
    }
}
