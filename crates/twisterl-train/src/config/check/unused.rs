//! Fields that the algorithm of a config does not use.
//!
//! In a config of ours such a field is an error: whoever wrote it expects it to do something. Two kinds of configs are
//! read all the same, without these fields:
//!
//! - configs written for the peer, the PyPI package `twisterl`: those that name both `algorithm_cls` and `policy_cls` by
//!   the peer's paths, such as `twisterl.rl.PPO` and `twisterl.nn.BasicPolicy`, as it requires. Each field gives a note.
//! - configs that older versions wrote into run folders, in which all fields of all algorithms stand. Fields with their
//!   default values are dropped, others give notes.

use super::join;
use crate::config::{AlgorithmClass, schema};
use crate::{Error, Result};
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use twisterl_core::error::from_serde::describe;

/// The classes of the peer by their paths.
const PEER_ALGORITHMS: [&str; 4] =
    ["twisterl.rl.PPO", "twisterl.rl.AZ", "twisterl.rl.ppo.PPO", "twisterl.rl.az.AZ"];
const PEER_POLICIES: [&str; 4] = [
    "twisterl.nn.BasicPolicy",
    "twisterl.nn.Conv1dPolicy",
    "twisterl.nn.policy.BasicPolicy",
    "twisterl.nn.policy.Conv1dPolicy",
];
/// Fields of the peer, or that older versions wrote for its sake, which no algorithm here uses.
const PEER_FIELDS: [&str; 5] = [
    "algorithm.policy",
    "algorithm.collecting.seed",
    "algorithm.learning.threshold_min",
    "algorithm.learning.warmup",
    "algorithm.learning.final_diff_is_none",
];
/// Fields that older versions wrote for every algorithm and that nobody has a reason to write.
const WRITTEN_OUT: [&str; 3] = [
    "/algorithm/collecting/seed",
    "/algorithm/optimizer/amsgrad",
    "/algorithm/logging/tensorboard",
];

/// A field of a config that was ignored, since the algorithm does not use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredField {
    /// JSON path of the field.
    pub path: String,
    /// The algorithm that does not use it.
    pub algorithm: AlgorithmClass,
}

impl Display for IgnoredField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { path, algorithm } = self;
        write!(f, "{path}: ignored, since {algorithm} does not use this field")
    }
}

/// The author of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A user of this package.
    User,
    /// A user of the peer.
    Peer,
    /// An older version of this package, which wrote all fields of all algorithms.
    OlderVersion,
}

impl Origin {
    fn of(config: &Value) -> Self {
        let named = |key: &str, names: &[&str]| {
            config.get(key).and_then(Value::as_str).is_some_and(|name| names.contains(&name))
        };
        if WRITTEN_OUT.iter().all(|pointer| config.pointer(pointer).is_some()) {
            Self::OlderVersion
        } else if named("algorithm_cls", &PEER_ALGORITHMS) && named("policy_cls", &PEER_POLICIES) {
            Self::Peer
        } else {
            Self::User
        }
    }
}

/// A field that the algorithm does not use.
struct Unused {
    keys: Vec<String>,
    path: String,
    /// The algorithms that use it, with their schemas of the field; none if only the peer knows it.
    users: Vec<(AlgorithmClass, &'static Value)>,
    value: Value,
}

impl Unused {
    /// The paths of the fields in it that deserve a note, if all or only those without a default value do.
    fn noted(&self, all: bool) -> Vec<String> {
        let schemas: Vec<_> = self.users.iter().map(|(_, schema)| *schema).collect();
        let mut paths = Vec::new();
        add_noted(&self.path, &self.value, &schemas, all, &mut paths);
        paths
    }

    fn remove_from(&self, config: &mut Value) {
        let Some((last, parents)) = self.keys.split_last() else { return };
        let parent = parents.iter().try_fold(config, |place, key| place.get_mut(key));
        if let Some(fields) = parent.and_then(Value::as_object_mut) {
            fields.shift_remove(last);
        }
    }
}

/// Removes the fields that the algorithm `class` does not use, and returns those that deserve a note.
///
/// # Errors
/// [`twisterl_core::Error::Config`] if there are some in a config of ours.
pub(in crate::config) fn remove(
    config: &mut Value,
    class: AlgorithmClass,
) -> Result<Vec<IgnoredField>> {
    let origin = Origin::of(config);
    let mut unused = Vec::new();
    collect(config, schema::of(class), (class, origin), &mut Vec::new(), &mut unused);
    if let (Origin::User, [first, ..]) = (origin, unused.as_slice()) {
        return Err(refusal(first, class));
    }
    unused.iter().for_each(|field| field.remove_from(config));
    let noted = unused.iter().flat_map(|field| field.noted(origin == Origin::Peer));
    Ok(noted.map(|path| IgnoredField { path, algorithm: class }).collect())
}

/// Adds the unused fields of `value`, which is at `keys`, to `unused`. Keys that nobody knows are left alone.
fn collect(
    value: &Value,
    schema: &'static Value,
    (class, origin): (AlgorithmClass, Origin),
    keys: &mut Vec<String>,
    unused: &mut Vec<Unused>,
) {
    let Value::Object(fields) = value else { return };
    for (key, value) in fields {
        keys.push(key.clone());
        match schema::field(schema, key) {
            Some(schema) => collect(value, schema, (class, origin), keys, unused),
            None => {
                let path = keys.iter().fold(String::new(), |path, key| join(&path, key));
                let users = users(keys);
                let of_peer = origin != Origin::User && PEER_FIELDS.contains(&path.as_str());
                if !users.is_empty() || of_peer {
                    unused.push(Unused { keys: keys.clone(), path, users, value: value.clone() });
                }
            }
        }
        keys.pop();
    }
}

/// The algorithms that use the field at `keys`, with its schemas.
fn users(keys: &[String]) -> Vec<(AlgorithmClass, &'static Value)> {
    let of = |(_, class): (_, AlgorithmClass)| {
        let field =
            keys.iter().try_fold(schema::of(class), |schema, key| schema::field(schema, key));
        field.map(|field| (class, field))
    };
    AlgorithmClass::ALL.into_iter().filter_map(of).collect()
}

fn refusal(first: &Unused, class: AlgorithmClass) -> Error {
    let users: Vec<_> = first.users.iter().map(|(class, _)| class.name()).collect();
    let does = if users.len() == 1 { "does" } else { "do" };
    let users = users.join(", ");
    let expected = format!("no value, since {class} does not use this field ({users} {does})");
    Error::config(&first.path, expected, describe(&first.value))
}

fn add_noted(path: &str, value: &Value, schemas: &[&Value], all: bool, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) if schemas.iter().any(|s| schema::properties(s).is_some()) => {
            for (key, value) in fields {
                let schemas: Vec<_> =
                    schemas.iter().filter_map(|s| schema::field(s, key)).collect();
                add_noted(&join(path, key), value, &schemas, all, paths);
            }
        }
        // Without a schema it is a field of the peer, which older versions wrote without ever reading it.
        _ if all || !schemas.is_empty() && !schemas.iter().any(|s| is_default(value, s)) => {
            paths.push(path.to_owned());
        }
        _ => {}
    }
}

fn is_default(value: &Value, schema: &Value) -> bool {
    let default = schema.get("default");
    match (value.as_f64(), default.and_then(Value::as_f64)) {
        (Some(value), Some(default)) => value == default,
        _ => default == Some(value),
    }
}
