//! Changes that mend frequent mistakes in configs.

use serde_json::Value;
use twisterl_core::Error;

/// Returns the change that mends a mistake, if it is known. `given` is the value that the error is about.
pub(super) fn of(error: &Error, given: Option<&Value>) -> Option<String> {
    let Error::Config { path, expected, .. } = error else { return None };
    let given = given?;
    match (path.as_str(), given) {
        ("env", Value::String(name)) => {
            Some(format!("the name of the environment is the value of `env_cls`: {name:?}"))
        }
        ("policy", Value::String(_)) => {
            Some("the kind of policy is the value of `policy_cls`".into())
        }
        ("algorithm", Value::String(_)) => {
            Some("the name of the algorithm is the value of `algorithm_cls`".into())
        }
        (_, Value::String(text)) => of_text(expected, text.trim()),
        (_, Value::Number(number)) => of_number(expected, number.as_f64()?),
        (_, Value::Null) if expected != "no value" => {
            Some("leave the field out for its default".into())
        }
        (_, Value::Array(items)) => match items.as_slice() {
            [item @ Value::Number(_)] if is_number(expected) => Some(format!("write {item}")),
            _ => None,
        },
        _ => None,
    }
}

fn is_number(expected: &str) -> bool {
    ["a number", "a whole number", "at least", "more than"]
        .iter()
        .any(|word| expected.starts_with(word))
}

fn of_text(expected: &str, text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if expected == "true or false" {
        return match lower.as_str() {
            "true" | "yes" | "on" | "1" => Some("write true, without quotes".into()),
            "false" | "no" | "off" | "0" => Some("write false, without quotes".into()),
            _ => None,
        };
    }
    if is_number(expected) && matches!(lower.as_str(), "none" | "null" | "auto" | "default" | "") {
        return Some("leave the field out for its default".into());
    }
    let number = text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite())?;
    let number = serde_json::Number::from_f64(number)?;
    let number = number.to_string();
    let number = number.strip_suffix(".0").unwrap_or(&number);
    is_number(expected).then(|| format!("write {number}, without quotes"))
}

fn of_number(expected: &str, number: f64) -> Option<String> {
    match expected {
        "true or false" if number == 0.0 => Some("write false".into()),
        "true or false" if number == 1.0 => Some("write true".into()),
        "a list" if number.fract() == 0.0 => Some(format!("write [{number}]")),
        _ if expected.starts_with("a whole number")
            && number.fract() == 0.0
            && number.abs() < 1e15 =>
        {
            (number >= 0.0).then(|| format!("write {number}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn frequent_mistakes_are_mended() {
        let advice = |path: &str, expected: &str, given: Value| {
            of(&Error::config(path, expected, "it"), Some(&given))
        };
        for (path, expected, given, help) in [
            ("lr", "a number", json!("1e-3"), "write 0.001, without quotes"),
            ("n", "a whole number, 0 or more", json!("1_000"), "write 1000, without quotes"),
            ("n", "a whole number, 0 or more", json!(1e6), "write 1000000"),
            ("b", "true or false", json!("True"), "write true, without quotes"),
            ("b", "true or false", json!(0), "write false"),
            ("layers", "a list", json!(64), "write [64]"),
            ("n", "a whole number, 0 or more", json!(null), "leave the field out for its default"),
            (
                "env",
                "an object",
                json!("Maze"),
                "the name of the environment is the value of `env_cls`: \"Maze\"",
            ),
        ] {
            assert_eq!(advice(path, expected, given).as_deref(), Some(help));
        }
        assert_eq!(advice("lr", "a number", json!("fast")), None);
        assert_eq!(advice("n", "a whole number, 0 or more", json!(1.5)), None);
    }
}
