//! Each algorithm has its own fields; those of others are refused in our own configs, and ignored with a note in those
//! of the peer and of older versions.

use super::*;

const CLASSES: [&str; 4] = ["PPO", "AZ", "BackwardScramble", "ES"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The JSON files of a folder and the folders in it, if their names have this ending.
fn files(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, out);
        } else if path.to_string_lossy().ends_with(ending) {
            out.push(path);
        }
    }
}

fn default_of(class: &str) -> RunConfig {
    let config = json!({"env_cls": "Puzzle", "algorithm_cls": class});
    parse(config)
}

/// A config with this algorithm and one value set. With `peer`, the classes have the peer's paths.
fn with(class: &str, peer: bool, path: &str, value: Value) -> Value {
    let mut config = match peer {
        true => json!({
            "env_cls": "twisterl.envs.Puzzle",
            "policy_cls": "twisterl.nn.BasicPolicy",
            "algorithm_cls": format!("twisterl.rl.{class}"),
        }),
        false => json!({"env_cls": "Puzzle", "algorithm_cls": class}),
    };
    Override::new(path, value).unwrap().apply(&mut config).unwrap();
    config
}

fn notes(value: Value) -> Vec<String> {
    let (_, ignored) = RunConfig::read(value).unwrap();
    ignored.iter().map(ToString::to_string).collect()
}

// long function: a table of cases
#[test]
fn fields_of_other_algorithms_are_refused_by_path() {
    for (class, path, value, message) in [
        (
            "AZ",
            "algorithm.collecting.starts.failures",
            json!(0.3),
            "algorithm.collecting.starts.failures: expected no value, since AZ does not use this field (PPO does), found 0.3",
        ),
        (
            "AZ",
            "algorithm.training.clip_ratio",
            json!(0.1),
            "algorithm.training.clip_ratio: expected no value, since AZ does not use this field (PPO does), found 0.1",
        ),
        (
            "AZ",
            "policy.normalize_observations",
            json!(true),
            "policy.normalize_observations: expected no value, since AZ does not use this field (PPO does), found true",
        ),
        (
            "PPO",
            "algorithm.collecting.num_mcts_searches",
            json!(8),
            "algorithm.collecting.num_mcts_searches: expected no value, since PPO does not use this field (AZ does), found 8",
        ),
        (
            "PPO",
            "algorithm.es",
            json!({}),
            "algorithm.es: expected no value, since PPO does not use this field (ES does), found an object",
        ),
        (
            "BackwardScramble",
            "algorithm.collecting.starts.uniform",
            json!(1),
            "algorithm.collecting.starts: expected no value, since BackwardScramble does not use this field (PPO, AZ, ES do), found an object",
        ),
        (
            "ES",
            "algorithm.collecting.starts.failures",
            json!(0.1),
            "algorithm.collecting.starts.failures: expected no value, since ES does not use this field (PPO does), found 0.1",
        ),
        (
            "ES",
            "algorithm.training",
            json!({"num_epochs": 3}),
            "algorithm.training: expected no value, since ES does not use this field (PPO, AZ, BackwardScramble do), found an object",
        ),
        (
            "AZ",
            "algorithm.training",
            json!({"num_epochs": 3, "ent_coef": 0.1, "target_kl": null, "clip_ratio": 0.2}),
            "algorithm.training.ent_coef: expected no value, since AZ does not use this field (PPO does), found 0.1",
        ),
    ] {
        let error = RunConfig::read(with(class, false, path, value)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    // Fields that only the peer knows are unknown in configs of ours.
    let error = RunConfig::read(with("AZ", false, "algorithm.collecting.seed", json!(123)));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("found unknown key `seed`"), "{error}");
}

#[test]
fn fields_of_other_algorithms_give_notes_in_configs_of_the_peer() {
    let value = with(
        "AZ",
        true,
        "algorithm",
        json!({
            "collecting": {"num_episodes": 64, "lambda": 0.9, "seed": 123, "starts": {"failures": 0.2}},
            "training": {"num_epochs": 3, "clip_ratio": 0.1},
            "learning": {"threshold_min": 0.8, "diff_max": 9},
            "policy": {"embedding_size": 512}
        }),
    );
    assert_eq!(
        notes(value.clone()),
        [
            "algorithm.collecting.lambda: ignored, since AZ does not use this field",
            "algorithm.collecting.seed: ignored, since AZ does not use this field",
            "algorithm.collecting.starts.failures: ignored, since AZ does not use this field",
            "algorithm.training.clip_ratio: ignored, since AZ does not use this field",
            "algorithm.learning.threshold_min: ignored, since AZ does not use this field",
            "algorithm.policy: ignored, since AZ does not use this field",
        ]
    );
    let config = parse(value);
    let AlgorithmConfig::AlphaZero(alphazero) = &config.algorithm else { panic!("{config:?}") };
    assert_eq!((alphazero.collecting.num_episodes, alphazero.training.num_epochs), (64, 3));
    assert_eq!(config.shared.learning.diff_max, Some(9));
    assert_eq!(notes(config.to_value()), [""; 0], "resolved, it has the fields of AZ only");
    // The peer has no ES, and names both classes by their paths; and what nobody knows stays an error.
    for value in [
        with("ES", true, "algorithm.training", json!({})),
        with("PPO", false, "algorithm.es", json!({})),
        with("AZ", true, "algorithm.collecting.num_games", json!(3)),
        with("AZ", true, "algorithm.training.vf_coeff", json!(3)),
    ] {
        assert!(RunConfig::read(value).is_err());
    }
    let mut value = with("AZ", true, "algorithm.training.ent_coef", json!(0.1));
    assert_eq!(notes(value.clone()).len(), 1);
    value["policy_cls"] = json!("BasicPolicy");
    assert!(RunConfig::read(value).is_err());
}

#[test]
fn configs_that_older_versions_wrote_out_lose_the_fields_of_other_algorithms() {
    let mut paths = Vec::new();
    files(&root().join("tests/data/runs_of_0_1"), "/config.json", &mut paths);
    files(&root().join("benches/runs"), "_config.json", &mut paths);
    let mut classes = Vec::new();
    for path in paths {
        let (config, ignored) = RunConfig::load(&path, &[]).unwrap();
        let ignored: Vec<_> = ignored.iter().map(|field| field.path.as_str()).collect();
        // All runs of the fixture were given this section.
        let expected = match config.algorithm.class() {
            AlgorithmClass::Es => ["num_epochs", "vf_coef", "minibatch_size", "max_grad_norm"]
                .map(|key| format!("algorithm.training.{key}"))
                .to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(ignored, expected, "{}", path.display());
        assert_eq!(notes(config.to_value()), [""; 0]);
        classes.push(config.algorithm.class().name());
    }
    for class in CLASSES {
        assert!(classes.contains(&class), "{class} is not among {classes:?}");
    }
    // What was set, and dropped in silence, gives a note.
    let path = root().join("tests/data/runs_of_0_1/az/config.json");
    let set = Override::parse("algorithm.collecting.starts.failures=0.25").unwrap();
    let (_, ignored) = RunConfig::load(&path, &[set]).unwrap();
    let paths: Vec<_> = ignored.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["algorithm.collecting.starts.failures"]);
    // The file has every field of the other algorithms, so none of them is accepted for another reason.
    let value = json::read_text(&path).unwrap().1;
    assert!(value.pointer("/algorithm/training/clip_ratio").is_some());
    assert!(value.pointer("/algorithm/collecting/num_walks").is_some());
    assert!(value.pointer("/algorithm/es/population").is_some());
}

#[test]
fn every_config_of_the_repository_is_valid_without_notes() {
    let mut paths = Vec::new();
    files(&root().join("examples"), ".json", &mut paths);
    files(&root().join("tests/configs"), ".json", &mut paths);
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let (config, ignored) = RunConfig::load(&path, &[]).unwrap();
        assert_eq!(ignored, [], "{}", path.display());
        assert_eq!(parse(config.to_value()), config);
        if path.starts_with(root().join("examples")) {
            // Our own are read strictly.
            let mut value = json::read_text(&path).unwrap().1;
            value["algorithm"]["policy"] = json!({});
            assert!(RunConfig::read(value).is_err(), "{}", path.display());
        }
    }
}

/// The paths of all fields of a resolved config with their values, in order.
fn leaves(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), out));
        }
        _ => out.push((path.to_owned(), value.clone())),
    }
}

/// The paths of all fields of a schema with their defaults, in order.
fn defaults(schema: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    match schema.get("properties").and_then(Value::as_object) {
        Some(fields) if schema.get("default").is_none() => {
            assert_eq!(schema["additionalProperties"], json!(false), "{path}");
            for (key, field) in fields {
                assert!(field["description"].is_string(), "{path}/{key}");
                defaults(field, &format!("{path}/{key}"), out);
            }
        }
        _ => leaves(&schema["default"], path, out),
    }
}

#[test]
fn the_schema_has_exactly_the_fields_of_each_algorithm_with_their_defaults() {
    let schema = RunConfig::schema();
    for class in CLASSES {
        let (mut resolved, mut described) = (Vec::new(), Vec::new());
        leaves(&default_of(class).to_value(), "", &mut resolved);
        defaults(&schema["$defs"][class], "", &mut described);
        for (path, value) in &mut described {
            match path.as_str() {
                "/env_cls" => *value = json!("Puzzle"),
                "/algorithm_cls" => *value = json!(class),
                "/num_iterations" => assert!(value.is_null()),
                _ => {}
            }
        }
        // Written where they are given.
        described.retain(|(path, _)| path != "/env_sandbox" && path != "/engine");
        assert_eq!(described, resolved, "{class}");
    }
    let has = |class: &str, path: &str| {
        let pointer = path.replace('.', "/properties/");
        schema.pointer(&format!("/$defs/{class}/properties/{pointer}")).is_some()
    };
    for (path, users) in [
        ("algorithm.collecting.num_cores", "PPO AZ BackwardScramble ES"),
        ("algorithm.collecting.workers", "PPO AZ BackwardScramble ES"),
        ("algorithm.collecting.gamma", "PPO AZ BackwardScramble"),
        ("algorithm.collecting.starts.mixed", "PPO AZ ES"),
        ("algorithm.collecting.starts.failures", "PPO"),
        ("algorithm.collecting.C", "AZ"),
        ("algorithm.collecting.num_walks", "BackwardScramble"),
        ("algorithm.training.vf_coef", "PPO AZ BackwardScramble"),
        ("algorithm.training.ent_coef", "PPO"),
        ("algorithm.es.sigma", "ES"),
        ("algorithm.optimizer.lr", "PPO AZ BackwardScramble ES"),
        ("policy.symmetry", "PPO AZ BackwardScramble ES"),
        ("policy.clip_observations", "PPO"),
    ] {
        let found: Vec<_> = CLASSES.into_iter().filter(|class| has(class, path)).collect();
        assert_eq!(found.join(" "), users, "{path}");
    }
}

#[test]
fn algorithms_have_defaults_of_their_own() {
    let value = |class: &str, pointer: &str| {
        let config = json!({"env_cls": "Puzzle", "algorithm_cls": class, "algorithm": {"training": {"num_epochs": 2}}});
        parse(config).to_value().pointer(pointer).cloned()
    };
    // Those of PPO and AZ are the peer's.
    assert_eq!(value("PPO", "/algorithm/collecting/num_episodes"), Some(json!(16384)));
    assert_eq!(value("AZ", "/algorithm/collecting/num_episodes"), Some(json!(512)));
    assert_eq!(value("PPO", "/algorithm/training/vf_coef"), Some(json!(0.8)));
    assert_eq!(value("AZ", "/algorithm/training/vf_coef"), Some(json!(1.0)));
    assert_eq!(value("BackwardScramble", "/algorithm/training/vf_coef"), Some(json!(0.8)));
    assert_eq!(value("BackwardScramble", "/algorithm/training/num_epochs"), Some(json!(2)));
}

// long function: a table of cases
#[test]
fn limits_hold_for_the_algorithm_that_has_them() {
    for (class, path, value, message) in [
        (
            "AZ",
            "algorithm.collecting",
            json!({"num_episodes": 65536, "num_mcts_searches": 65}),
            "algorithm.collecting: expected num_episodes x num_mcts_searches x max_expand_depth of at most 4194304, found 4259840",
        ),
        (
            "AZ",
            "algorithm.collecting",
            json!({"num_mcts_searches_start": 65536, "max_expand_depth": 2}),
            "algorithm.collecting: expected num_mcts_searches x max_expand_depth of at most 65536, found 131072",
        ),
        (
            "AZ",
            "algorithm.collecting.starts",
            json!({"uniform": 0.75, "mixed": 0.5}),
            "algorithm.collecting.starts: expected shares uniform + mixed of at most 1, found 1.25",
        ),
        (
            "BackwardScramble",
            "algorithm.collecting",
            json!({"num_walks": 65536, "walk_length": 257}),
            "algorithm.collecting: expected num_walks x walk_length of at most 16777216, found 16842752",
        ),
        (
            "BackwardScramble",
            "algorithm.collecting.experts.after",
            json!(1.5),
            "algorithm.collecting.experts.after: expected at least 0 and at most 1, found 1.5",
        ),
        (
            "BackwardScramble",
            "algorithm.collecting.experts.beams",
            json!(1),
            "algorithm.collecting.experts.beams: expected one of the keys `after`, `num_problems`, `beam`, \
             `value_weight`, `window`, `label_window`, `memory`, `num_solutions`, `invert`, found unknown key `beams` (did you mean `beam`?)",
        ),
        (
            "ES",
            "algorithm.es.population",
            json!(7),
            "algorithm.es.population: expected an even number, since members come in pairs, found 7",
        ),
        (
            "ES",
            "algorithm.es",
            json!({"population": 1_048_576, "num_episodes": 17}),
            "algorithm.es: expected population x num_episodes of at most 16777216, found 17825792",
        ),
        (
            "ES",
            "algorithm.es.sigma_final",
            json!(0.01),
            "num_iterations: expected the number of iterations after which algorithm.es.sigma_final is reached, found none",
        ),
    ] {
        let error = RunConfig::read(with(class, false, path, value)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
