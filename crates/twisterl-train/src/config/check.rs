//! The ranges of all values, and what they must be to each other.

use super::ROLLOUT_METRIC;
use super::evals::Evals;
use super::explain::{place, shorten};
use super::{AlgorithmClass, RunConfig, SCHEMA, Schedule};
use crate::{Error, Result};
use serde_json::{Number, Value, json};

/// The most steps an iteration that `num_envs` and `rollout_length` may ask for.
const MAX_STEPS: usize = 1 << 24;
/// The most weights between hidden layers: half a gigabyte, four times that with gradients and moments.
const MAX_WEIGHTS: usize = 1 << 27;
/// The most nodes that one move may add to a tree.
const MAX_GROWTH: usize = 1 << 16;
/// The most nodes that one move of all games in lock step may add: a gigabyte or two for small environments.
const MAX_NODES: usize = 1 << 22;
/// The longest name of an evaluation, in bytes.
const MAX_NAME: usize = 64;

impl RunConfig {
    /// Whether the values fit each other, and those without a range in the schema are sound.
    pub(super) fn check(&self) -> Result<()> {
        if self.env_cls.is_empty() {
            return Err(Error::config("env_cls", "the name of an environment", "an empty one"));
        }
        if !self.env.is_object() {
            let found = shorten(&self.env.to_string());
            return Err(Error::config("env", "an object", found));
        }
        self.check_policy()?;
        self.check_collecting()?;
        self.check_es()?;
        check_evals(&self.algorithm.evals)?;
        self.check_learning()?;
        self.check_schedules()
    }

    fn check_policy(&self) -> Result<()> {
        let policy = &self.policy;
        let features = policy.common_layers.last().unwrap_or(&policy.embedding_size);
        let weights = |first: usize, layers: &[usize]| {
            layers
                .iter()
                .zip(std::iter::once(&first).chain(layers))
                .map(|(a, b)| a * b)
                .sum::<usize>()
        };
        let total = weights(policy.embedding_size, &policy.common_layers)
            + weights(*features, &policy.policy_layers)
            + weights(*features, &policy.value_layers);
        if total > MAX_WEIGHTS {
            let expected = format!("at most {MAX_WEIGHTS} weights between hidden layers");
            return Err(Error::config("policy", expected, total));
        }
        Ok(())
    }

    fn check_collecting(&self) -> Result<()> {
        let path = "algorithm.collecting";
        let collecting = &self.algorithm.collecting;
        let steps = collecting.num_envs.unwrap_or(0).saturating_mul(collecting.rollout_length);
        if steps > MAX_STEPS {
            let expected = format!("num_envs x rollout_length of at most {MAX_STEPS}");
            return Err(Error::config(path, expected, steps));
        }
        let starts = &collecting.starts;
        let share = starts.uniform + starts.mixed + starts.failures;
        if share > 1.0 + 1e-9 {
            let expected = "shares uniform + mixed + failures of at most 1";
            return Err(Error::config(format!("{path}.starts"), expected, share));
        }
        if self.algorithm_cls != AlgorithmClass::Ppo {
            for (name, given) in [
                ("policy.normalize_observations", self.policy.normalize_observations),
                ("algorithm.collecting.normalize_rewards", collecting.normalize_rewards),
                ("algorithm.collecting.reward_scale", collecting.reward_scale != 1.0),
            ] {
                if given {
                    let class = String::from(self.algorithm_cls);
                    let expected = format!("its default, which {class} needs");
                    return Err(Error::config(name, expected, "another value"));
                }
            }
        }
        if self.algorithm_cls == AlgorithmClass::AlphaZero {
            let most = collecting.most_simulations();
            let growth = check_growth(path, most, collecting.max_expand_depth)?;
            let nodes = collecting.num_episodes.saturating_mul(growth);
            if nodes > MAX_NODES {
                let product = "num_episodes x num_mcts_searches x max_expand_depth";
                let expected = format!("{product} of at most {MAX_NODES}");
                return Err(Error::config(path, expected, nodes));
            }
        }
        Ok(())
    }

    fn check_es(&self) -> Result<()> {
        let (path, es) = ("algorithm.es", &self.algorithm.es);
        if !es.population.is_multiple_of(2) {
            let expected = "an even number, of pairs of members";
            return Err(Error::config(format!("{path}.population"), expected, es.population));
        }
        let episodes = es.population.saturating_mul(es.num_episodes);
        if episodes > MAX_STEPS {
            let expected = format!("population x num_episodes of at most {MAX_STEPS}");
            return Err(Error::config(path, expected, episodes));
        }
        let failures = self.algorithm.collecting.starts.failures;
        if self.algorithm_cls == AlgorithmClass::Es && failures > 0.0 {
            let path = "algorithm.collecting.starts.failures";
            return Err(Error::config(
                path,
                "0 for ES, which does not look for failures",
                failures,
            ));
        }
        Ok(())
    }

    fn check_learning(&self) -> Result<()> {
        let learning = &self.algorithm.learning;
        let (metric, evals) = (&learning.diff_metric, &self.algorithm.evals);
        if metric != ROLLOUT_METRIC && evals.get(metric).is_none() {
            let names: Vec<_> = evals.keys().map(|name| format!("`{name}`")).collect();
            return Err(Error::config(
                "algorithm.learning.diff_metric",
                format!(
                    "`{ROLLOUT_METRIC}` or the name of one of algorithm.evals ({})",
                    names.join(", ")
                ),
                format!("{:?}", shorten(metric)),
            ));
        }
        if let (Some(start), Some(max)) = (learning.diff_start, learning.diff_max)
            && start > max
        {
            let path = "algorithm.learning.diff_start";
            return Err(Error::config(path, format!("at most diff_max, which is {max}"), start));
        }
        Ok(())
    }

    fn check_schedules(&self) -> Result<()> {
        let optimizer = &self.algorithm.optimizer;
        let path = "algorithm.optimizer";
        if optimizer.amsgrad {
            return Err(Error::config(format!("{path}.amsgrad"), "false", "true"));
        }
        match (optimizer.schedule(), optimizer.lr_final) {
            (Schedule::Constant, Some(_)) => {
                let expected = "`linear`, `cosine` or `exponential` with lr_final";
                return Err(Error::config(format!("{path}.schedule"), expected, "`constant`"));
            }
            (Schedule::Exponential, Some(last)) if optimizer.lr <= 0.0 || last <= 0.0 => {
                let expected = "rates above 0 for an exponential schedule";
                let found = format!("{} and {last}", optimizer.lr);
                return Err(Error::config(format!("{path}.lr_final"), expected, found));
            }
            (Schedule::Linear | Schedule::Cosine | Schedule::Exponential, None) => {
                let expected = "the learning rate at which the schedule ends";
                return Err(Error::config(format!("{path}.lr_final"), expected, "none"));
            }
            _ => {}
        }
        let scheduled = [
            (optimizer.lr_final, "algorithm.optimizer.lr_final"),
            (self.algorithm.training.ent_coef_final, "algorithm.training.ent_coef_final"),
            (self.algorithm.es.sigma_final, "algorithm.es.sigma_final"),
        ];
        for (value, name) in scheduled {
            if value.is_some() && self.num_iterations.is_none() {
                let expected = format!("the number of iterations after which {name} is reached");
                return Err(Error::config("num_iterations", expected, "none"));
            }
        }
        Ok(())
    }
}

fn check_evals(evals: &Evals) -> Result<()> {
    for (name, eval) in evals.iter() {
        let path = format!("algorithm.evals.{}", shorten(name));
        if name.is_empty() || name.len() > MAX_NAME || name == ROLLOUT_METRIC {
            let expected = format!("a name of 1 to {MAX_NAME} bytes other than `{ROLLOUT_METRIC}`");
            return Err(Error::config(path, expected, format!("{:?}", shorten(name))));
        }
        check_growth(&path, eval.num_mcts_searches, eval.max_expand_depth)?;
    }
    Ok(())
}

/// The nodes that a move may add to a tree.
pub(super) fn check_growth(path: &str, simulations: usize, depth: usize) -> Result<usize> {
    match simulations.saturating_mul(depth) {
        growth if growth <= MAX_GROWTH => Ok(growth),
        growth => {
            let expected = format!("num_mcts_searches x max_expand_depth of at most {MAX_GROWTH}");
            Err(Error::config(path, expected, growth))
        }
    }
}

/// Checks a config as it was given, before serde sees it, against the ranges and lengths of the schema. Of types it
/// sees only what serde would let pass: a list in place of an object, its values taken for fields in order.
pub(super) fn ranges(config: &Value) -> Result<()> {
    in_schema(&SCHEMA, config, "")
}

/// Checks a part of a config, whose type is `definition` in the schema, in the same way.
pub(super) fn ranges_of(definition: &str, value: &Value) -> Result<()> {
    in_schema(&json!({"$ref": format!("#/$defs/{definition}")}), value, "")
}

fn in_schema(schema: &Value, value: &Value, path: &str) -> Result<()> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = name.strip_prefix('#').and_then(|pointer| SCHEMA.pointer(pointer))
    {
        in_schema(target, value, path)?;
    }
    match value {
        Value::Number(number) => in_range(schema, number, path),
        Value::Array(_) if schema.get("properties").is_some() => {
            Err(Error::config(place(path), "an object", "a list"))
        }
        Value::Array(items) => {
            at_most(schema.get("maxItems"), items.len(), "values", path)?;
            let Some(schema) = schema.get("items") else { return Ok(()) };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, item)| in_schema(schema, item, &format!("{path}[{i}]")))
        }
        Value::Object(map) => {
            at_most(schema.get("maxProperties"), map.len(), "entries", path)?;
            let dot = if path.is_empty() { "" } else { "." };
            let known = schema.get("properties");
            let other = schema.get("additionalProperties").filter(|s| s.is_object());
            for (key, item) in map {
                if let Some(schema) = known.and_then(|s| s.get(key)).or(other) {
                    in_schema(schema, item, &format!("{path}{dot}{}", shorten(key)))?;
                }
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn at_most(max: Option<&Value>, len: usize, what: &str, path: &str) -> Result<()> {
    match max.and_then(Value::as_u64) {
        Some(max) if len as u64 > max => {
            Err(Error::config(path, format!("at most {max} {what}"), len))
        }
        _ => Ok(()),
    }
}

fn in_range(schema: &Value, number: &Number, path: &str) -> Result<()> {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let (min, max) = (bound("minimum"), bound("maximum"));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let value = number.as_f64().unwrap_or(f64::NAN);
    let fits = value.is_finite()
        && min.is_none_or(|b| value >= b)
        && max.is_none_or(|b| value <= b)
        && above.is_none_or(|b| value > b)
        && below.is_none_or(|b| value < b);
    if fits {
        return Ok(());
    }
    let expected: Vec<String> =
        [("at least", min), ("more than", above), ("at most", max), ("less than", below)]
            .into_iter()
            .filter_map(|(words, bound)| bound.map(|b| format!("{words} {b}")))
            .collect();
    Err(Error::config(path, expected.join(" and "), number))
}
