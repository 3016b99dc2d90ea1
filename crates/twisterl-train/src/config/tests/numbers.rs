//! Numbers at the limits of what fields can hold.

use super::properties::{paths, resolved};
use super::*;

fn with(path: &str, value: Value) -> Result<RunConfig, String> {
    let mut config = json!({"env_cls": "Puzzle", "num_iterations": 5});
    Override::new(path, value).unwrap().apply(&mut config).unwrap();
    RunConfig::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn bounds_on_threads_are_numbers_or_all_processors() {
    for path in ["algorithm.collecting.num_cores", "algorithm.evals.x.num_cores"] {
        let set = |value: Value| {
            let mut config = json!({"env_cls": "Puzzle", "algorithm": {
                "evals": {"x": {}}, "learning": {"diff_metric": "x"},
            }});
            Override::new(path, value).unwrap().apply(&mut config).unwrap();
            let config = RunConfig::from_value(config).map_err(|error| error.to_string())?;
            let pointer = format!("/{}", path.replace('.', "/"));
            Ok::<_, String>(config.to_value().pointer(&pointer).unwrap().clone())
        };
        for all in [json!(0), json!(-1), Value::Null] {
            assert_eq!(set(all), Ok(json!(0)));
        }
        for bound in [1, 32, 4096] {
            assert_eq!(set(json!(bound)), Ok(json!(bound)));
        }
        for (value, expected) in [
            (json!(-2), "expected at least -1 and at most 4096, found -2"),
            (json!(4097), "expected at least -1 and at most 4096, found 4097"),
            (
                json!(1.5),
                "expected a whole number from -1 to 4096 (0 and -1: all processors), found 1.5",
            ),
            (json!("all"), "(0 and -1: all processors), found string \"all\""),
        ] {
            let error = set(value).unwrap_err();
            assert!(error.starts_with(path) && error.ends_with(expected), "{error}");
        }
    }
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(NumCores::ALL.threads(), processors);
    assert_eq!("1".parse::<NumCores>().unwrap().threads(), 1);
    assert_eq!("-1".parse::<NumCores>().unwrap(), NumCores::ALL);
}

#[test]
fn seeds_have_64_bits() {
    for seed in [0, 1 << 63, u64::MAX] {
        assert_eq!(with("seed", json!(seed)).unwrap().seed, seed);
    }
    for (text, found) in [
        ("-1", "-1"),
        ("18446744073709551616", "18446744073709551616"),
        ("1.5", "1.5"),
        ("true", "true"),
    ] {
        let error = with("seed", serde_json::from_str(text).unwrap()).unwrap_err();
        let expected = "seed: expected a whole number from 0 to 18446744073709551615, found ";
        assert_eq!(error, format!("{expected}{found}"));
    }
}

#[test]
fn numbers_that_vanish_in_single_precision_are_refused() {
    let expected =
        "expected a number that is not 0 in single precision, such as 1.1754944e-38, found 1e-50";
    for path in ["optimizer.eps", "optimizer.lr", "training.max_grad_norm", "training.clip_ratio"] {
        let path = format!("algorithm.{path}");
        assert_eq!(with(&path, json!(1e-50)).unwrap_err(), format!("{path}: {expected}"));
        assert!(with(&path, json!(1e-30)).is_ok());
    }
    let error = with("algorithm.optimizer.lr_final", json!(1e-50)).unwrap_err();
    assert_eq!(error, format!("algorithm.optimizer.lr_final: {expected}"));
    assert!(with("algorithm.optimizer.lr", json!(0.0)).is_ok());
}

#[test]
fn numbers_in_text_that_are_not_finite_are_named_with_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    for found in ["NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"] {
        for (value, place) in [(found.to_owned(), ""), (format!("[0.5, {found}]"), "[1]")] {
            let text = format!(
                "{{\"env_cls\": \"Puzzle\",\n\"algorithm\": {{\"optimizer\": {{\"lr\":{value}}}}}}}"
            );
            std::fs::write(&path, text).unwrap();
            let error = RunConfig::load(&path, &[]).unwrap_err().to_string();
            let expected =
                format!("algorithm.optimizer.lr{place}: expected a finite number, found {found}\n");
            assert!(error.starts_with(&expected), "{error}");
            let column = 34 + value.len() - found.len() - usize::from(value != found);
            assert!(error.contains(&format!("config.json:2:{column}\n")), "{error}");
            assert!(error.contains(&format!(" {} expected", "^".repeat(found.len()))), "{error}");
        }
    }
    std::fs::write(&path, "{\"a\": no}").unwrap();
    let error = RunConfig::load(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("config.json:1:7\n"), "{error}");
    assert!(error.starts_with("expected JSON, found expected ident\n --> "), "{error}");
}

#[test]
fn no_message_names_a_type_of_the_implementation() {
    let wrong = [
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!("x"),
        json!(true),
        json!([]),
        json!([[1]]),
        json!({"x": 1}),
        json!(u64::MAX),
    ];
    let types = [
        "f64", "f32", "u64", "u32", "u16", "u8", "i64", "i32", "usize", "isize", "bool", "str",
        "struct", "seq", "sequence", "map", "unit", "invalid", "integer", "floating",
    ];
    let (mut all, registry) = (Vec::new(), twisterl_core::envs::registry::Registry::default());
    let check = |error: String| {
        let words = error.split(|c: char| !c.is_alphanumeric());
        assert!(!words.into_iter().any(|word| types.contains(&word)), "{error}");
    };
    for config in resolved() {
        all.clear();
        paths(&config, "", &mut all);
        for (path, value) in
            all.iter().flat_map(|path| wrong.iter().map(move |value| (path, value)))
        {
            let mut changed = config.clone();
            Override::new(path, value.clone()).unwrap().apply(&mut changed).unwrap();
            let _ = RunConfig::from_value(changed).map_err(|error| check(error.to_string()));
        }
    }
    for name in registry.names() {
        let params = registry.make(name, &json!({})).unwrap().params().clone();
        for key in params.as_object().unwrap().keys() {
            for value in &wrong {
                let _ = registry
                    .make(name, &json!({key: value}))
                    .map_err(|error| check(error.to_string()));
            }
        }
    }
}
