//! Action spaces: choices, bits, real numbers, or several of these at once.

use crate::error::counts::counted;
use crate::error::tagged_enum;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The maximum number of bits of one component.
const MAX_BITS: usize = 1 << 24;

tagged_enum! {
    /// One component of an action.
    #[derive(Debug, Clone, PartialEq)]
    pub enum ActionComponent {
        /// One of `n` choices.
        Discrete {
            /// The number of choices.
            n: usize,
        },
        /// `n` independent bits.
        Binary {
            /// The number of bits.
            n: usize,
        },
        /// An array of real numbers within bounds, which may be infinite.
        Continuous {
            /// Lower bound of each value, `[product of shape]`.
            #[serde(with = "bounds")]
            low: Vec<f32>,
            /// Upper bound of each value, `[product of shape]`.
            #[serde(with = "bounds")]
            high: Vec<f32>,
            /// Shape of the array.
            shape: Vec<usize>,
        },
    }
}

impl ActionComponent {
    /// Returns the numbers of discrete and of continuous values.
    pub fn widths(&self) -> (usize, usize) {
        match self {
            Self::Discrete { .. } => (1, 0),
            Self::Binary { n } => (*n, 0),
            Self::Continuous { low, .. } => (0, low.len()),
        }
    }

    /// Returns the width in an action mask: the number of choices of all discrete values.
    pub fn mask_width(&self) -> usize {
        match self {
            Self::Discrete { n } => *n,
            Self::Binary { n } => n.saturating_mul(2),
            Self::Continuous { .. } => 0,
        }
    }
}

/// The action space of an environment: one or more components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionSpace {
    components: Vec<ActionComponent>,
}

impl ActionSpace {
    /// Returns a space of these components.
    ///
    /// # Errors
    /// If there is no component, a discrete one has no choices, or bounds do not fit their shape or are not ordered.
    pub fn new(components: Vec<ActionComponent>) -> Result<Self> {
        if components.is_empty() {
            return Err(Error::config("action_space", "at least one component", "none"));
        }
        for (i, component) in components.iter().enumerate() {
            let path = format!("action_space[{i}]");
            match component {
                ActionComponent::Discrete { n } if *n == 0 || *n > u32::MAX as usize => {
                    return Err(Error::config(path, "1 to 2^32-1 choices", n));
                }
                ActionComponent::Binary { n } if *n == 0 || *n > MAX_BITS => {
                    return Err(Error::config(path, format!("1 to {MAX_BITS} bits"), n));
                }
                ActionComponent::Discrete { .. } | ActionComponent::Binary { .. } => {}
                ActionComponent::Continuous { low, high, shape } => {
                    let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
                    if size != Some(low.len()) || low.len() != high.len() || low.is_empty() {
                        return Err(Error::config(
                            path,
                            format!("as many bounds as the shape {shape:?} has values"),
                            format!("{} lower, {} upper", low.len(), high.len()),
                        ));
                    }
                    if let Some((l, h)) =
                        low.iter().zip(high).find(|(l, h)| l.is_nan() || h.is_nan() || l >= h)
                    {
                        return Err(Error::config(path, "lower < upper", format!("{l} and {h}")));
                    }
                }
            }
        }
        Ok(Self { components })
    }

    /// Returns the common space of one choice among `n` (at least 1).
    pub fn discrete(n: usize) -> Self {
        Self { components: vec![ActionComponent::Discrete { n: n.max(1) }] }
    }

    /// Returns a space of one vector of real numbers, each within its bounds `(low, high)`.
    pub fn continuous(bounds: &[(f32, f32)]) -> Self {
        let (low, high) = bounds.iter().copied().unzip();
        let shape = vec![bounds.len()];
        Self { components: vec![ActionComponent::Continuous { low, high, shape }] }
    }

    /// Returns the space of the components of this space followed by those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.components.extend(other.components);
        self
    }

    /// The components, in order.
    pub fn components(&self) -> &[ActionComponent] {
        &self.components
    }

    /// Returns the number of choices if the space is a single discrete component.
    pub fn single_discrete(&self) -> Option<usize> {
        match self.components[..] {
            [ActionComponent::Discrete { n }] => Some(n),
            _ => None,
        }
    }

    /// Returns the number of choices of each discrete value of an action, in order; a bit has two.
    pub fn choices(&self) -> impl Iterator<Item = usize> + '_ {
        self.components.iter().flat_map(|component| {
            let (choices, count) = match component {
                ActionComponent::Discrete { n } => (*n, 1),
                ActionComponent::Binary { n } => (2, *n),
                ActionComponent::Continuous { .. } => (0, 0),
            };
            std::iter::repeat_n(choices, count)
        })
    }

    /// Returns the lower and upper bound of each continuous value of an action, in order.
    pub fn bounds(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        self.components.iter().flat_map(|component| {
            let (low, high) = match component {
                ActionComponent::Discrete { .. } | ActionComponent::Binary { .. } => {
                    (&[][..], &[][..])
                }
                ActionComponent::Continuous { low, high, .. } => (&low[..], &high[..]),
            };
            low.iter().copied().zip(high.iter().copied())
        })
    }

    /// The number of discrete values: one for each discrete component, one for each bit.
    pub fn discrete_width(&self) -> usize {
        self.components.iter().map(|component| component.widths().0).sum()
    }

    /// The number of continuous values over all components.
    pub fn continuous_width(&self) -> usize {
        self.components.iter().map(|component| component.widths().1).sum()
    }

    /// The number of choices over all discrete values: the width of an action mask.
    pub fn mask_width(&self) -> usize {
        self.components.iter().map(ActionComponent::mask_width).sum()
    }

    /// Returns true if `mask`, `[mask width]`, allows at least one choice of each discrete value.
    pub fn leaves_a_choice(&self, mask: &[bool]) -> bool {
        let mut rest = mask;
        self.choices().all(|n| {
            let (these, others) = rest.split_at(n.min(rest.len()));
            rest = others;
            these.contains(&true)
        })
    }

    /// Returns `Ok` if `action` is an element of the space.
    ///
    /// # Errors
    /// The first value that is not.
    pub fn check(&self, action: Action<'_>) -> Result<()> {
        let single;
        let (discrete, continuous) = match action {
            Action::Discrete(index) => {
                single = [u32::try_from(index).unwrap_or(u32::MAX)]; // which is never a choice
                (&single[..], &[][..])
            }
            Action::Parts { discrete, continuous } => (discrete, continuous),
        };
        if discrete.len() != self.discrete_width() || continuous.len() != self.continuous_width() {
            return Err(Error::action(
                format!(
                    "{} discrete and {} continuous values",
                    self.discrete_width(),
                    self.continuous_width()
                ),
                format!("{} and {}", discrete.len(), continuous.len()),
            ));
        }
        for (&choice, n) in discrete.iter().zip(self.choices()) {
            if choice as usize >= n {
                return Err(Error::action(format!("0 to {}", n - 1), choice));
            }
        }
        for (value, (low, high)) in continuous.iter().zip(self.bounds()) {
            if !(low..=high).contains(value) {
                return Err(Error::action(format!("{low} to {high}"), value));
            }
        }
        Ok(())
    }
}

/// An action as an environment takes it. A `usize` converts into the single discrete case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// The choice of a space with one discrete component.
    Discrete(usize),
    /// The values of all components, in the order of the components.
    Parts {
        /// Choices, and bits as 0 or 1, `[discrete values]`.
        discrete: &'a [u32],
        /// Real numbers, `[continuous values]`.
        continuous: &'a [f32],
    },
}

impl From<usize> for Action<'_> {
    fn from(index: usize) -> Self {
        Self::Discrete(index)
    }
}

impl Action<'_> {
    /// Returns the first (often only) discrete choice.
    ///
    /// # Panics
    /// If the action space has no discrete values.
    #[inline]
    pub fn index(&self) -> usize {
        match self {
            Self::Discrete(index) => *index,
            Self::Parts { discrete, .. } => discrete[0] as usize,
        }
    }

    /// Returns continuous value `i`.
    ///
    /// # Panics
    /// If the action space does not have as many.
    #[inline]
    pub fn value(&self, i: usize) -> f32 {
        let values = match self {
            Self::Discrete(_) => &[],
            Self::Parts { continuous, .. } => *continuous,
        };
        values[i]
    }
}

/// A batch of actions as flat arrays. Rows are actions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actions {
    /// Choices and bits, `[rows, discrete values]`.
    pub discrete: Vec<u32>,
    /// Real numbers, `[rows, continuous values]`.
    pub continuous: Vec<f32>,
    discrete_width: usize,
    continuous_width: usize,
}

impl Actions {
    /// Returns an empty batch of actions of `space`.
    pub fn new(space: &ActionSpace) -> Self {
        Self {
            discrete_width: space.discrete_width(),
            continuous_width: space.continuous_width(),
            ..Self::default()
        }
    }

    /// Returns recorded actions of `space`, `[length]`.
    ///
    /// # Errors
    /// [`Error::State`] if there are not as many values, [`Error::Action`] if one is not of `space`.
    pub fn recorded(
        space: &ActionSpace,
        discrete: Vec<u32>,
        continuous: Vec<f32>,
        length: usize,
    ) -> Result<Self> {
        let widths = [space.discrete_width(), space.continuous_width()];
        let expected = widths.map(|width| length.saturating_mul(width));
        if [discrete.len(), continuous.len()] != expected {
            let found = counted(discrete.len(), "discrete value");
            return Err(Error::state(format!("actions of {}", counted(length, "step")), found));
        }
        let actions = Self { discrete, continuous, ..Self::new(space) };
        (0..length).try_for_each(|t| space.check(actions.row(t)))?;
        Ok(actions)
    }

    /// Returns the numbers of discrete and of continuous values of a row.
    pub fn widths(&self) -> (usize, usize) {
        (self.discrete_width, self.continuous_width)
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.discrete.clear();
        self.continuous.clear();
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match self.discrete_width {
            0 => self.continuous.len().checked_div(self.continuous_width).unwrap_or(0),
            width => self.discrete.len() / width,
        }
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a row.
    pub fn push(&mut self, action: Action<'_>) {
        match action {
            Action::Discrete(index) => self.discrete.push(index as u32),
            Action::Parts { discrete, continuous } => {
                self.discrete.extend_from_slice(discrete);
                self.continuous.extend_from_slice(continuous);
            }
        }
    }

    /// Appends all rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.discrete.extend_from_slice(&other.discrete);
        self.continuous.extend_from_slice(&other.continuous);
    }

    /// Returns row `i`.
    ///
    /// # Panics
    /// If there are not as many rows.
    #[inline]
    pub fn row(&self, i: usize) -> Action<'_> {
        if self.discrete_width == 1 && self.continuous_width == 0 {
            return Action::Discrete(self.discrete[i] as usize);
        }
        let part = |width: usize| i * width..(i + 1) * width;
        Action::Parts {
            discrete: &self.discrete[part(self.discrete_width)],
            continuous: &self.continuous[part(self.continuous_width)],
        }
    }
}

/// Bounds in JSON, which has no infinite numbers: they are written as `"inf"` and `"-inf"`.
mod bounds {
    use crate::error::from_serde::describe;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Bound {
        Finite(f32),
        Infinite(Infinite),
    }

    #[derive(Serialize)]
    enum Infinite {
        #[serde(rename = "inf")]
        Above,
        #[serde(rename = "-inf")]
        Below,
    }

    pub(super) fn serialize<S: Serializer>(
        bounds: &[f32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(bounds.iter().map(|&bound| match bound {
            f32::INFINITY => Bound::Infinite(Infinite::Above),
            f32::NEG_INFINITY => Bound::Infinite(Infinite::Below),
            finite => Bound::Finite(finite),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f32>, D::Error> {
        let bound = |value: Value| match (value.as_f64(), value.as_str()) {
            (Some(finite), _) => Ok(finite as f32),
            (_, Some("inf")) => Ok(f32::INFINITY),
            (_, Some("-inf")) => Ok(f32::NEG_INFINITY),
            _ => {
                let found = describe(&value);
                Err(D::Error::custom(format!(
                    "expected a number, \"inf\" or \"-inf\", found {found}"
                )))
            }
        };
        Vec::<Value>::deserialize(deserializer)?.into_iter().map(bound).collect()
    }
}

#[cfg(test)]
mod tests;
