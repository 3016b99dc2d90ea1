//! The spaces that an environment declares for itself, such as Gymnasium's: plain data, from which whoever has a policy
//! encodes observations and decodes actions as training did. docs/policies.md describes the format.

use super::{ActionComponent, ActionSpace, ObservationSpace};
use crate::error::tagged_enum;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The version of the format that this code writes and reads.
const VERSION: u64 = 1;

/// The observation space and the action space of an environment, as it declares them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSpaces {
    /// The version of the format.
    pub version: u64,
    /// The observation space, without the action mask in it.
    pub observation: DeclaredSpace,
    /// The entry of observations that is their action mask. If only one other entry is left, it is encoded by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// The action space.
    pub action: DeclaredSpace,
}

tagged_enum! {
    /// A space. Arrays are row-major.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum DeclaredSpace {
        /// A whole number from `start` to `start + n - 1`. As an observation, it is one-hot encoded.
        Discrete {
            /// The number of choices.
            n: usize,
            /// The least number.
            #[serde(default)]
            start: i64,
        },
        /// An array of such numbers. As an observation, it is the concatenation of their one-hot encodings.
        MultiDiscrete {
            /// The shape of the array.
            shape: Vec<usize>,
            /// The number of choices of each, `[product of shape]`.
            nvec: Vec<usize>,
            /// The least number of each, `[product of shape]`.
            start: Vec<i64>,
            /// The type of the numbers, such as `int64`.
            dtype: String,
        },
        /// An array of zeros and ones.
        MultiBinary {
            /// The shape of the array.
            shape: Vec<usize>,
        },
        /// An array of numbers.
        Box {
            /// The shape of the array.
            shape: Vec<usize>,
            /// The type of the numbers, such as `float32` or `uint8`.
            dtype: String,
        },
        /// A text. It is encoded as the position of each character, and `characters.len()` after its end.
        Text {
            /// The most characters.
            max_length: usize,
            /// The characters, in the order of their positions.
            characters: Vec<char>,
        },
        /// The indices of the ones among bits, as environments with the peer's methods give them.
        Indices {
            /// The shape of the bits.
            shape: Vec<usize>,
        },
        /// One number for each place of the shape, as such environments give them.
        Values {
            /// The shape of the values.
            shape: Vec<usize>,
        },
        /// Several spaces; encoded one after the other.
        Tuple {
            /// The parts, in order.
            parts: Vec<DeclaredSpace>,
        },
        /// Several spaces by name; encoded one after the other.
        Dict {
            /// The entries, in order.
            entries: Vec<Entry>,
        },
    }
}

/// An entry of a dict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// The space of the entry.
    pub space: DeclaredSpace,
}

impl DeclaredSpaces {
    /// Checks that the spaces are sound, and that they are encoded as these ones.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self, observation: &ObservationSpace, actions: &ActionSpace) -> Result<()> {
        if self.version != VERSION {
            let expected = format!("{VERSION}, the only one that this code reads");
            return Err(Error::config("spaces.version", expected, self.version));
        }
        let encoded = self.encoded();
        if encoded.as_ref() != Some(observation) {
            let expected = format!("a space that is encoded as {observation:?}");
            let found = encoded.map_or("an inconsistent one".into(), |found| format!("{found:?}"));
            return Err(Error::config("spaces.observation", expected, found));
        }
        let mut rest = actions.components();
        if !self.action.takes(&mut rest) || !rest.is_empty() {
            let expected = format!("a space of {} components", actions.components().len());
            return Err(Error::config("spaces.action", expected, "another one"));
        }
        Ok(())
    }

    /// Returns true if observations and actions of `other` have the same meaning: the spaces are equal but for the types of
    /// numbers.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.mask == other.mask
            && self.observation.agrees_with(&other.observation)
            && self.action.agrees_with(&other.action)
    }

    /// Returns the observation space of a policy, `None` if the spaces are inconsistent.
    fn encoded(&self) -> Option<ObservationSpace> {
        let space = match (&self.mask, &self.observation) {
            (None, space) => space,
            (Some(mask), DeclaredSpace::Dict { entries }) => {
                let is_named = entries.iter().any(|entry| entry.key == *mask);
                match entries.as_slice() {
                    _ if is_named => return None,
                    [one] => &one.space,
                    _ => &self.observation,
                }
            }
            (Some(_), _) => return None,
        };
        let size = space.size().filter(|&size| size > 0)?;
        let or_one = |shape: &Vec<usize>| if shape.is_empty() { vec![1] } else { shape.clone() };
        Some(match space {
            DeclaredSpace::Discrete { .. } => ObservationSpace::SparseBinary { shape: vec![size] },
            DeclaredSpace::MultiDiscrete { shape, .. } if shape.len() == 1 => {
                ObservationSpace::SparseBinary { shape: vec![size] }
            }
            DeclaredSpace::MultiBinary { shape } | DeclaredSpace::Indices { shape } => {
                ObservationSpace::SparseBinary { shape: or_one(shape) }
            }
            DeclaredSpace::Box { shape, .. } | DeclaredSpace::Values { shape } => {
                ObservationSpace::Dense { shape: or_one(shape) }
            }
            _ => ObservationSpace::Dense { shape: vec![size] },
        })
    }
}

impl DeclaredSpace {
    /// Returns the number of values of an encoded observation, `None` if the space is inconsistent.
    fn size(&self) -> Option<usize> {
        match self {
            Self::Discrete { n, start } => start.checked_add_unsigned(*n as u64).map(|_| *n),
            Self::MultiDiscrete { dtype, .. } | Self::Box { dtype, .. } if !is_known(dtype) => None,
            Self::MultiDiscrete { shape, nvec, start, .. } => {
                let count = product(shape)?;
                let sound = nvec.len() == count && start.len() == count;
                let fits =
                    |(&start, &n): (&i64, &usize)| start.checked_add_unsigned(n as u64).is_some();
                if !sound || nvec.contains(&0) || !start.iter().zip(nvec).all(fits) {
                    return None;
                }
                sum(nvec.iter().map(|&n| Some(n)))
            }
            Self::MultiBinary { shape }
            | Self::Box { shape, .. }
            | Self::Indices { shape }
            | Self::Values { shape } => product(shape),
            Self::Text { max_length, .. } => Some(*max_length),
            Self::Tuple { parts } => sum(parts.iter().map(Self::size)),
            Self::Dict { entries } => {
                let mut keys = HashSet::new();
                let differ = entries.iter().all(|entry| keys.insert(&entry.key));
                differ.then(|| sum(entries.iter().map(|entry| entry.space.size()))).flatten()
            }
        }
    }

    fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Box { shape, .. }, Self::Box { shape: others, .. }) => shape == others,
            (Self::Tuple { parts }, Self::Tuple { parts: others }) => {
                let same = parts.len() == others.len();
                same && parts.iter().zip(others).all(|(part, other)| part.agrees_with(other))
            }
            (Self::Dict { entries }, Self::Dict { entries: others }) => {
                let agree = |(one, other): (&Entry, &Entry)| {
                    one.key == other.key && one.space.agrees_with(&other.space)
                };
                entries.len() == others.len() && entries.iter().zip(others).all(agree)
            }
            _ => self == other,
        }
    }

    /// Takes the components of an action of this space from the front of `rest`. Returns false if they are others.
    fn takes(&self, rest: &mut &[ActionComponent]) -> bool {
        let mut next = |fits: &dyn Fn(&ActionComponent) -> bool| match rest.split_first() {
            Some((first, others)) if fits(first) => {
                *rest = others;
                true
            }
            _ => false,
        };
        match self {
            _ if self.size().is_none() => false,
            Self::Discrete { n, .. } => {
                next(&|part| matches!(part, ActionComponent::Discrete { n: of } if of == n))
            }
            Self::MultiDiscrete { nvec, .. } => nvec.iter().all(|n| {
                next(&|part| matches!(part, ActionComponent::Discrete { n: of } if of == n))
            }),
            Self::MultiBinary { shape } => next(
                &|part| matches!(part, ActionComponent::Binary { n } if product(shape) == Some(*n)),
            ),
            Self::Box { shape, .. } => next(
                &|part| matches!(part, ActionComponent::Continuous { low, .. } if product(shape) == Some(low.len())),
            ),
            Self::Tuple { parts } => parts.iter().all(|part| part.takes(rest)),
            Self::Dict { entries } => entries.iter().all(|entry| entry.space.takes(rest)),
            Self::Text { .. } | Self::Indices { .. } | Self::Values { .. } => false,
        }
    }
}

/// Returns the number of places of a shape, 1 of an empty one; `None` if it overflows.
fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// Returns true for the name of a type of numbers.
fn is_known(dtype: &str) -> bool {
    const WIDTHS: [&str; 4] = ["8", "16", "32", "64"];
    let width = ["float", "uint", "int"].iter().find_map(|kind| dtype.strip_prefix(kind));
    dtype == "bool" || (dtype != "float8" && width.is_some_and(|width| WIDTHS.contains(&width)))
}

fn sum(mut sizes: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    sizes.try_fold(0usize, |n, size| n.checked_add(size?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    const TICK: &str = r#"{"type": "discrete", "n": 3, "start": 5}"#;

    fn spaces(observation: Value, mask: Value, action: Value) -> DeclaredSpaces {
        let all = json!({"version": 1, "observation": observation, "mask": mask, "action": action});
        serde_json::from_value(all).unwrap()
    }

    fn sparse(shape: &[usize]) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: shape.into() }
    }

    fn dense(shape: &[usize]) -> ObservationSpace {
        ObservationSpace::Dense { shape: shape.into() }
    }

    #[test]
    fn spaces_are_encoded_as_gymnasium_flattens_them() {
        let tick: Value = serde_json::from_str(TICK).unwrap();
        let image = json!({"type": "box", "shape": [8, 8, 3], "dtype": "uint8"});
        let digits = json!({
            "type": "multi_discrete", "shape": [2], "nvec": [2, 3], "start": [0, 1], "dtype": "int64"
        });
        let named = |keys: &[&str]| {
            let entries = keys.iter().map(|key| json!({"key": key, "space": tick}));
            json!({"type": "dict", "entries": entries.collect::<Vec<_>>()})
        };
        let cases = [
            (tick.clone(), Value::Null, Some(sparse(&[3]))),
            (digits.clone(), Value::Null, Some(sparse(&[5]))),
            (image.clone(), Value::Null, Some(dense(&[8, 8, 3]))),
            (
                json!({"type": "box", "shape": [], "dtype": "float32"}),
                Value::Null,
                Some(dense(&[1])),
            ),
            (json!({"type": "multi_binary", "shape": [2, 2]}), Value::Null, Some(sparse(&[2, 2]))),
            (json!({"type": "tuple", "parts": [tick, digits]}), Value::Null, Some(dense(&[8]))),
            (named(&["a", "b"]), Value::Null, Some(dense(&[6]))),
            // An entry that is left beside the mask stands for itself, one without a mask does not.
            (named(&["a"]), json!("mask"), Some(sparse(&[3]))),
            (named(&["a"]), Value::Null, Some(dense(&[3]))),
            (named(&["a", "b"]), json!("mask"), Some(dense(&[6]))),
            // Inconsistent ones.
            (named(&["a", "a"]), Value::Null, None),
            (named(&["a", "mask"]), json!("mask"), None),
            (image, json!("mask"), None),
            (json!({"type": "tuple", "parts": []}), Value::Null, None),
            (
                json!({"type": "box", "shape": [usize::MAX, 2], "dtype": "float32"}),
                Value::Null,
                None,
            ),
            (json!({"type": "discrete", "n": 2, "start": i64::MAX}), Value::Null, None),
            (json!({"type": "box", "shape": [2], "dtype": "float8"}), Value::Null, None),
            (json!({"type": "box", "shape": [2], "dtype": "O"}), Value::Null, None),
        ];
        for (observation, mask, expected) in cases {
            let found = spaces(observation, mask, tick.clone()).encoded();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn spaces_agree_whatever_the_type_of_their_numbers() {
        let named = |key: &str, shape: usize, dtype: &str| {
            let arm = json!({"type": "box", "shape": [shape], "dtype": dtype});
            spaces(
                json!({"type": "dict", "entries": [{"key": key, "space": arm}]}),
                Value::Null,
                arm,
            )
        };
        let own = named("arm", 2, "float32");
        assert!(own.agrees_with(&named("arm", 2, "float64")));
        assert!(!own.agrees_with(&named("leg", 2, "float32")));
        assert!(!own.agrees_with(&named("arm", 3, "float32")));
    }

    #[test]
    fn actions_have_the_components_of_the_policy() {
        let tick: Value = serde_json::from_str(TICK).unwrap();
        let arm = json!({"type": "box", "shape": [2], "dtype": "float32"});
        let both = json!({"type": "dict", "entries": [
            {"key": "arm", "space": arm}, {"key": "tick", "space": tick}
        ]});
        let check = |action: Value, components: &ActionSpace| {
            spaces(tick.clone(), Value::Null, action).check(&sparse(&[3]), components)
        };
        let mixed = ActionSpace::continuous(&[(0.0, 1.0); 2]).and(ActionSpace::discrete(3));
        check(both.clone(), &mixed).unwrap();
        check(tick.clone(), &ActionSpace::discrete(3)).unwrap();
        for (action, components) in [
            (both, ActionSpace::discrete(3)),
            (tick.clone(), ActionSpace::discrete(4)),
            (tick.clone(), ActionSpace::discrete(3).and(ActionSpace::discrete(3))),
            (
                json!({"type": "box", "shape": [3], "dtype": "float32"}),
                ActionSpace::continuous(&[(0.0, 1.0); 2]),
            ),
            (json!({"type": "indices", "shape": [3]}), ActionSpace::discrete(3)),
        ] {
            let message = check(action, &components).unwrap_err().to_string();
            assert!(message.starts_with("spaces.action: expected"), "{message}");
        }
        let mut later = spaces(tick.clone(), Value::Null, tick);
        later.version = 2;
        let message = later.check(&sparse(&[3]), &ActionSpace::discrete(3)).unwrap_err();
        assert!(message.to_string().starts_with("spaces.version: expected 1"));
    }
}
