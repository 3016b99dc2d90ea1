//! The fields of a config that may change while its run is stopped.
//!
//! The length of the run, the goals of its curriculum, its evaluations, logs, checkpoints, threads and engine stand around
//! the iterations: a run resumes with new ones. Weights, the optimizer, episodes under way and random streams depend on
//! everything else, which therefore stays as it was.

use crate::config::RunConfig;
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use twisterl_core::error::from_serde::shorten;

/// Fields and sections that may change.
const FREE: [&str; 12] = [
    "num_iterations",
    "engine",
    "env_sandbox",
    "algorithm.collecting.num_cores",
    "algorithm.collecting.workers",
    "algorithm.evals",
    "algorithm.learning.diff_max",
    "algorithm.learning.diff_metric",
    "algorithm.learning.diff_step",
    "algorithm.learning.diff_threshold",
    "algorithm.learning.diff_warmup",
    "algorithm.logging",
];

/// A field of a run's config that was changed since its last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedField {
    /// JSON path of the field.
    pub path: String,
    /// The value with which the run was trained, `null` if it had none.
    pub before: Value,
    /// The value now, `null` if it has none.
    pub now: Value,
}

impl Display for ChangedField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = |value: &Value| match value {
            Value::Null => "none".to_owned(),
            value => shorten(&value.to_string()),
        };
        write!(f, "{}: {}, now {}", self.path, value(&self.before), value(&self.now))
    }
}

impl ChangedField {
    /// Returns true if a run may be resumed with this change.
    pub(crate) fn is_free(&self) -> bool {
        FREE.iter().any(|free| {
            let rest = self.path.strip_prefix(free);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

impl RunConfig {
    /// Returns the fields that differ from those of `before`, in their order.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<ChangedField> {
        let mut changes = Vec::new();
        add_changes(String::new(), Some(&before.to_value()), Some(&self.to_value()), &mut changes);
        changes
    }
}

/// Adds the fields in which two values at `path` differ.
fn add_changes(
    path: String,
    before: Option<&Value>,
    now: Option<&Value>,
    changes: &mut Vec<ChangedField>,
) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (before, now) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            let known = changes.len();
            for key in old.keys().chain(added) {
                add_changes(below(key), old.get(key), new.get(key), changes);
            }
            // Evaluations are made in their order.
            if known == changes.len() && !old.keys().eq(new.keys()) {
                let names =
                    |map: &serde_json::Map<_, _>| map.keys().cloned().collect::<Vec<String>>();
                changes.push(ChangedField {
                    path,
                    before: names(old).into(),
                    now: names(new).into(),
                });
            }
        }
        (before, now) if before == now => {}
        (before, now) => {
            let value = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
            changes.push(ChangedField { path, before: value(before), now: value(now) });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Override;
    use serde_json::json;

    fn config(change: &str) -> RunConfig {
        let mut value = json!({
            "env_cls": "Puzzle",
            "env": {"width": 2, "height": 2},
            "algorithm": {"evals": {"a": {}, "b": {}}, "learning": {"diff_metric": "a"}},
        });
        if !change.is_empty() {
            Override::parse(change).unwrap().apply(&mut value).unwrap();
        }
        RunConfig::from_value(value).unwrap()
    }

    #[test]
    fn changes_are_found_by_field_and_allowed_by_section() {
        for (change, expected, free) in [
            ("num_iterations=7", "num_iterations: none, now 7", true),
            ("algorithm.logging.log_freq=3", "algorithm.logging.log_freq: 1, now 3", true),
            ("algorithm.collecting.num_cores=1", "algorithm.collecting.num_cores: 32, now 1", true),
            ("algorithm.collecting.workers=2", "algorithm.collecting.workers: 1, now 2", true),
            ("engine=processes:2", "engine: none, now \"processes:2\"", true),
            ("algorithm.evals.b.every=9", "algorithm.evals.b.every: 1, now 9", true),
            ("algorithm.learning.diff_max=4", "algorithm.learning.diff_max: none, now 4", true),
            (
                "algorithm.learning.diff_start=4",
                "algorithm.learning.diff_start: none, now 4",
                false,
            ),
            ("seed=5", "seed: 0, now 5", false),
            ("env.width=3", "env.width: 2, now 3", false),
            ("env.difficulty=3", "env.difficulty: none, now 3", false),
            ("algorithm.optimizer.lr=0.5", "algorithm.optimizer.lr: 0.0003, now 0.5", false),
            ("algorithm.collecting.gamma=0.5", "algorithm.collecting.gamma: 0.995, now 0.5", false),
            ("policy.common_layers=[8]", "policy.common_layers: [256], now [8]", false),
            ("env_cls=Other", "env_cls: \"Puzzle\", now \"Other\"", false),
        ] {
            let changes = config(change).changes_since(&config(""));
            let found: Vec<_> = changes.iter().map(|c| (c.to_string(), c.is_free())).collect();
            assert_eq!(found, [(expected.to_owned(), free)]);
        }
        assert_eq!(config("").changes_since(&config("")), []);
    }

    #[test]
    fn another_algorithm_and_another_order_of_evaluations_are_changes() {
        let changes = config("algorithm_cls=ES").changes_since(&config(""));
        assert!(changes.iter().any(|c| c.path == "algorithm_cls" && !c.is_free()));
        let evals = r#"algorithm.evals={"b": {}, "a": {}}"#;
        let [change] = &config(evals).changes_since(&config(""))[..] else { unreachable!() };
        assert_eq!(change.to_string(), r#"algorithm.evals: ["a","b"], now ["b","a"]"#);
        assert!(change.is_free());
    }
}
