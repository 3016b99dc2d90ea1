use super::*;
use proptest::prelude::*;

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
pub(super) fn paths(value: &Value, prefix: &str, out: &mut Vec<String>) {
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

/// A resolved config of each algorithm.
pub(super) fn resolved() -> [Value; 4] {
    AlgorithmClass::ALL.map(|(class, _)| {
        let config = json!({"env_cls": "Puzzle", "algorithm_cls": class, "num_iterations": 1000});
        parse(config).to_value()
    })
}

/// The path of a value that is in only one of two configs, or is another.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let [mut ours, mut theirs] = [Vec::new(), Vec::new()];
    paths(one, "", &mut ours);
    paths(other, "", &mut theirs);
    ours.into_iter().chain(theirs).find(|path| {
        let pointer = format!("/{}", path.replace('.', "/"));
        one.pointer(&pointer) != other.pointer(&pointer)
    })
}

proptest! {
    /// Any field of any algorithm, in the config of any algorithm: it is used, or refused by its path.
    #[test]
    fn a_field_is_used_or_refused_never_dropped(
        (class, from) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        pick in any::<prop::sample::Index>(),
    ) {
        let configs = resolved();
        let (own, other) = (class.get(&configs), from.get(&configs));
        let mut all = Vec::new();
        paths(other, "", &mut all);
        let at = |path: &String| other.pointer(&format!("/{}", path.replace('.', "/"))).unwrap();
        all.retain(|path| !at(path).is_object());
        let path = pick.get::<String>(&all);
        let value = at(path).clone();
        let mut changed = own.clone();
        Override::new(path, value).unwrap().apply(&mut changed).unwrap();
        match RunConfig::read(changed.clone()) {
            Ok((config, ignored)) => {
                prop_assert_eq!(ignored, []);
                prop_assert_eq!(difference(&changed, &config.to_value()), None);
            }
            Err(error) => {
                let text = error.to_string();
                // The default of one algorithm may be too many nodes for the tree searches of another.
                let nodes = "num_episodes x num_mcts_searches x max_expand_depth of at most";
                let refused = text.contains("does not use this field")
                    || path.starts_with("algorithm_cls")
                    || (path.starts_with("algorithm.collecting.") && text.contains(nodes));
                prop_assert!(refused, "{}: {}", path, text);
            }
        }
    }

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
        class in any::<prop::sample::Index>(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..4),
    ) {
        let mut value = class.get(&resolved()).clone();
        let mut all = Vec::new();
        paths(&value, "", &mut all);
        for (pick, replacement) in picks {
            let change = Override::new(pick.get::<String>(&all), replacement).unwrap();
            let _ = change.apply(&mut value);
        }
        match RunConfig::from_value(value) {
            Ok(config) => prop_assert_eq!(parse(config.to_value()), config),
            Err(error) => prop_assert!(
                matches!(error, Error::Core(twisterl_core::Error::Config { .. })),
                "{}",
                error
            ),
        }
    }

    #[test]
    fn junk_never_panics(value in any_json(), text in ".{0,64}") {
        let _ = RunConfig::from_value(value);
        for mut config in resolved() {
            if let Ok(change) = Override::parse(&text) {
                let _ = change.apply(&mut config);
            }
            let _ = RunConfig::from_value(config);
        }
    }
}
