use super::*;

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
fn unknown_keys_are_named_with_their_path_and_the_nearest_known_one() {
    let message = refusal_of("algorithm.training.ent_coeff", json!(0.1));
    assert!(message.starts_with(
        "algorithm.training.ent_coeff: expected one of the keys `num_epochs`, `vf_coef`, `ent_coef`"
    ));
    assert!(
        message.ends_with("found unknown key `ent_coeff` (did you mean `ent_coef`?)"),
        "{message}"
    );
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

// long function: a table of cases
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
            "algorithm.collecting.num_episodes: expected at least 1 and at most 1048576, found -1",
        ),
        (
            "algorithm.collecting.num_envs",
            json!(1.5),
            "algorithm.collecting.num_envs: expected a whole number, 0 or more, found 1.5",
        ),
        (
            "algorithm.collecting.lambda",
            json!(null),
            "algorithm.collecting.lambda: expected a number, found null",
        ),
        (
            "algorithm.logging.tensorboard",
            json!(1),
            "algorithm.logging.tensorboard: expected true or false, found 1",
        ),
        (
            "algorithm.optimizer.betas",
            json!([0.9]),
            "algorithm.optimizer.betas: expected a list of 2 values, found a list of 1",
        ),
        (
            "algorithm.training",
            json!([5, 0.5]),
            "algorithm.training: expected an object, found a list",
        ),
        (
            "algorithm.collecting.starts",
            json!([]),
            "algorithm.collecting.starts: expected an object, found a list",
        ),
        (
            "seed",
            json!(-3),
            "seed: expected a whole number from 0 to 18446744073709551615, found -3",
        ),
        ("algorithm.evals", json!([]), "algorithm.evals: expected an object, found a list"),
        ("algorithm.evals.a", json!(3), "algorithm.evals.a: expected an object, found 3"),
        ("algorithm.device", json!("cuda"), "algorithm.device: expected `cpu`, found `cuda`"),
        (
            "algorithm.optimizer.schedule",
            json!("step"),
            "algorithm.optimizer.schedule: expected one of `constant`, `linear`, `cosine`, `exponential`, found `step`",
        ),
        (
            "algorithm.optimizer.schedule",
            json!(3),
            "algorithm.optimizer.schedule: expected a name, found 3",
        ),
        (
            "policy.activation",
            json!("selu"),
            "policy.activation: expected one of `relu`, `tanh`, `gelu`, `silu`, found `selu` (did you mean `relu`?)",
        ),
        (
            "policy_cls",
            json!("twisterl.nn.Conv3dPolicy"),
            "policy_cls: expected BasicPolicy, Mlp or Conv1dPolicy, found \"twisterl.nn.Conv3dPolicy\" (did you mean `Conv1dPolicy`?)",
        ),
        (
            "policy.layers",
            json!({"common": [{"type": "linear", "outputs": 8}, {"type": "dense"}]}),
            "policy.layers.common[1].type: expected one of `activation`, `attention`, `conv1d`, `conv2d`, `embedding`, `flatten`, `layer_norm`, `linear`, `pool`, `positions`, `reshape`, `residual`, `transpose`, found `dense` (did you mean `linear`?)",
        ),
        (
            "policy.layers",
            json!({"value": [{"type": "linear", "outputs": "many"}]}),
            "policy.layers.value[0].outputs: expected a whole number, 0 or more, found string \"many\"",
        ),
        (
            "policy.layers",
            json!({"common": [{"type": "residual", "layers": [{"type": "linear", "width": 8}]}]}),
            "policy.layers.common[0].layers[0].width: expected one of the keys `inputs`, `outputs`, `activation`, found unknown key `width`",
        ),
        (
            "algorithm_cls",
            json!("twisterl.rl.SAC"),
            "algorithm_cls: expected PPO, AZ, BackwardScramble or ES, found \"twisterl.rl.SAC\"",
        ),
        (
            "algorithm_cls",
            json!("A2C"),
            "algorithm_cls: expected PPO, AZ, BackwardScramble or ES, found \"A2C\"",
        ),
        ("algorithm_cls", json!(["A2C"]), "algorithm_cls: expected a string, found a list"),
    ] {
        assert_eq!(refusal_of(path, value), message);
    }
    assert_eq!(refusal(json!({})), "env_cls: expected a value, found none");
    assert_eq!(refusal(json!(3)), "config: expected an object, found 3");
    assert_eq!(refusal(json!([])), "config: expected an object, found a list");
}

// long function: a table of cases
#[test]
fn values_out_of_range_are_refused_with_path_expected_and_found() {
    for (path, value, message) in [
        ("env_cls", json!(""), "env_cls: expected the name of an environment, found an empty one"),
        (
            "policy.embedding_size",
            json!(0),
            "policy.embedding_size: expected at least 1 and at most 65536, found 0",
        ),
        (
            "policy.value_layers",
            json!([8, 65537]),
            "policy.value_layers[1]: expected at least 1 and at most 65536, found 65537",
        ),
        (
            "policy.common_layers",
            json!(vec![1; 65]),
            "policy.common_layers: expected at most 64 values, found 65",
        ),
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
        (
            "algorithm.collecting.gamma",
            json!(1.5),
            "algorithm.collecting.gamma: expected at least 0 and at most 1, found 1.5",
        ),
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
        (
            "algorithm.collecting.starts.probe_every",
            json!(0),
            "algorithm.collecting.starts.probe_every: expected at least 1, found 0",
        ),
        (
            "algorithm.training.clip_ratio",
            json!(0),
            "algorithm.training.clip_ratio: expected more than 0 and at most 1000000, found 0",
        ),
        (
            "algorithm.training.max_grad_norm",
            json!(-0.5),
            "algorithm.training.max_grad_norm: expected more than 0 and at most 1000000000, found -0.5",
        ),
        (
            "algorithm.training.ent_coef_final",
            json!(0.0),
            "num_iterations: expected the number of iterations after which algorithm.training.ent_coef_final is reached, found none",
        ),
        (
            "algorithm.optimizer.lr",
            json!(-1),
            "algorithm.optimizer.lr: expected at least 0 and at most 1000, found -1",
        ),
        (
            "algorithm.optimizer.lr",
            json!(1e300),
            "algorithm.optimizer.lr: expected at least 0 and at most 1000, found 1e+300",
        ),
        (
            "algorithm.optimizer.lr_final",
            json!(0.0),
            "num_iterations: expected the number of iterations after which algorithm.optimizer.lr_final is reached, found none",
        ),
        (
            "algorithm.optimizer.schedule",
            json!("cosine"),
            "algorithm.optimizer.lr_final: expected the learning rate at which the schedule ends, found none",
        ),
        (
            "algorithm.optimizer.amsgrad",
            json!(true),
            "algorithm.optimizer.amsgrad: expected false, found true",
        ),
        (
            "algorithm.optimizer.betas",
            json!([0.9, 1.0]),
            "algorithm.optimizer.betas[1]: expected at least 0 and at most 0.999999, found 1.0",
        ),
        (
            "algorithm.learning.diff_metric",
            json!("mcts_10"),
            "algorithm.learning.diff_metric: expected `rollout` or the name of one of algorithm.evals \
             (`ppo_deterministic`, `ppo_1`, `ppo_10`, `mcts_100`), found \"mcts_10\" (did you mean `mcts_100`?)",
        ),
        (
            "algorithm.learning",
            json!({"diff_start": 5, "diff_max": 3}),
            "algorithm.learning.diff_start: expected at most diff_max, which is 3, found 5",
        ),
        (
            "algorithm.evals.mcts.num_mcts_searches",
            json!(70_000),
            "algorithm.evals.mcts.num_mcts_searches: expected at least 0 and at most 65536, found 70000",
        ),
        (
            "algorithm.evals.mcts",
            json!({"num_mcts_searches": 65536, "max_expand_depth": 2}),
            "algorithm.evals.mcts: expected num_mcts_searches x max_expand_depth of at most 65536, found 131072",
        ),
        (
            "algorithm.evals.ppo_1.every",
            json!(0),
            "algorithm.evals.ppo_1.every: expected at least 1, found 0",
        ),
        (
            "algorithm.evals.rollout",
            json!({}),
            "algorithm.evals.rollout: expected a name of 1 to 64 bytes other than `rollout`, found \"rollout\"",
        ),
        (
            "algorithm.logging.checkpoint_seconds",
            json!(0),
            "algorithm.logging.checkpoint_seconds: expected more than 0 and at most 1000000000, found 0",
        ),
    ] {
        assert_eq!(refusal_of(path, value), message);
    }
}

#[test]
fn overrides_reach_every_place_and_say_where_they_cannot() {
    let set = |texts: &[&str]| {
        let overrides: Vec<_> = texts.iter().map(|t| Override::parse(t).unwrap()).collect();
        let loaded = RunConfig::load(&peer("ppo_puzzle8"), &overrides);
        loaded.map(|(config, _)| config).map_err(|e| e.to_string())
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
    assert_eq!(ppo(&config).training.ent_coef, 0.02);
    assert_eq!(config.policy.common_layers, [64]);
    assert_eq!(config.policy.value_layers, [32, 16]);
    assert_eq!((&config.env["width"], &config.env["title"]), (&json!(4), &json!("a b=c")));
    assert_eq!(ppo(&config).collecting.starts.uniform, 0.25);
    assert_eq!(config.num_iterations, Some(8), "the last one holds");
    for (text, message) in [
        ("policy.common_layers.1=64", "policy.common_layers: expected a position below 1, found 1"),
        ("env.width.x=1", "env.width: expected an object or a list, found 3"),
        (
            "seed=x",
            "seed: expected a whole number from 0 to 18446744073709551615, found string \"x\"\n |\n = note: set by \
             the override `seed=x`",
        ),
    ] {
        assert_eq!(set(&[text]).unwrap_err(), message);
    }
    for (text, message) in [
        ("seed", "override: expected PATH=VALUE, found \"seed\""),
        ("=3", "override: expected 1 to 32 keys joined by dots, found \"\""),
        ("a..b=3", "override: expected 1 to 32 keys joined by dots, found \"a..b\""),
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
    assert!(message.starts_with("expected JSON, found trailing comma\n --> "), "{message}");
    assert!(message.contains("comma.json:3:1\n"), "{message}");
    assert!(message.ends_with("help: remove the comma before it"), "{message}");
    assert!(load("empty.json", b"").contains("expected JSON, found EOF"));
    assert!(
        load("deep.json", &b"[".repeat(1_000_000))
            .contains("expected JSON, found recursion limit exceeded")
    );
    let deep = format!(
        "{{\"env_cls\":\"a\",\"env\":{}1{}}}",
        "{\"a\":".repeat(100_000),
        "}".repeat(100_000)
    );
    assert!(load("object.json", deep.as_bytes()).contains("recursion limit exceeded"));
    assert!(load("utf8.json", b"{\"env_cls\": \"\xff\"}").contains("expected JSON"));
    assert!(load("large.json", &vec![b' '; (1 << 20) + 1]).contains("a file of at most 1 MiB"));
    let twice = br#"{"env_cls": "Puzzle", "env": {"width": 2, "height": 3, "width": 3}}"#;
    let message = load("twice.json", twice);
    assert!(message.starts_with("expected each key once, found `env.width` twice"), "{message}");
    assert!(message.contains("twice.json:1:56\n"), "{message}");
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(
        load("utf16.json", &utf16)
            .ends_with("utf16.json: expected JSON in UTF-8, found UTF-16 (save the file as UTF-8)")
    );
    let long = format!("{{\"env_cls\": \"a\", \"seed\": \"{}\"}}", "x".repeat(1_000_000));
    assert!(load("long.json", long.as_bytes()).len() < 1200, "a message quotes little");
    let long = format!("{{\"env_cls\": \"a\", \"{}\": 1}}", "x".repeat(1_000_000));
    assert!(load("key.json", long.as_bytes()).len() < 1200, "a message quotes little");
    let missing = RunConfig::load(&folder.path().join("none.json"), &[]).unwrap_err().to_string();
    assert!(missing.contains("none.json: expected a config file, found nothing"), "{missing}");
    assert!(RunConfig::load(folder.path(), &[]).is_err(), "a folder");
    let hole = folder.path().join("hole.json");
    std::fs::File::create(&hole).unwrap().set_len(1 << 42).unwrap();
    let message = RunConfig::load(&hole, &[]).unwrap_err().to_string();
    assert!(message.ends_with("a file of at most 1 MiB, found 4398046511104 bytes"), "{message}");
}

#[test]
fn byte_order_marks_of_utf8_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marked.json");
    std::fs::write(&path, "\u{feff}{\"env_cls\": \"Puzzle\", \"seed\": 7}").unwrap();
    assert_eq!(RunConfig::load(&path, &[]).unwrap().0.seed, 7);
}

#[test]
fn overrides_with_repeated_keys_are_refused() {
    let refusal = |text: &str| Override::parse(text).unwrap_err().to_string();
    let repeated = r#"env={"width": 2, "a": {"b": 1, "b": 2}}"#;
    assert_eq!(refusal(repeated), "env.a.b: expected each key once, found `a.b` twice");
    // Text that is no JSON is a string, as before.
    assert!(Override::parse("env_cls={Puzzle").is_ok());
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
