//! Observation and action spaces, and the batches that hold their elements.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What an environment shows of its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ObservationSpace {
    /// Zeros and ones, given as the indices of the ones in the flattened `shape`.
    SparseBinary {
        /// Shape; the number of bits is its product.
        shape: Vec<usize>,
    },
    /// Real numbers of a fixed `shape`, row-major.
    Dense {
        /// Shape; the number of values is its product.
        shape: Vec<usize>,
    },
}

impl ObservationSpace {
    /// The shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::SparseBinary { shape } | Self::Dense { shape } => shape,
        }
    }

    /// The number of bits or values; 0 for an empty shape, `None` where the product overflows.
    pub fn size(&self) -> Option<usize> {
        match self.shape() {
            [] => Some(0),
            shape => shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)),
        }
    }
}

/// One part of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ActionComponent {
    /// One of `n` choices.
    Discrete {
        /// The number of choices.
        n: usize,
    },
    /// A real vector or array within bounds.
    Continuous {
        /// Lower bound of each value, as many as the shape's product.
        low: Vec<f32>,
        /// Upper bound of each value.
        high: Vec<f32>,
        /// Shape of the array.
        shape: Vec<usize>,
    },
}

/// What an action is made of: one or more components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionSpace {
    components: Vec<ActionComponent>,
}

impl ActionSpace {
    /// A space of these components.
    ///
    /// # Errors
    /// If there is none, a discrete one has no choices, or bounds do not fit their shape or are not ordered.
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
                ActionComponent::Discrete { .. } => {}
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

    /// The common case: one choice among `n` (at least 1).
    pub fn discrete(n: usize) -> Self {
        Self { components: vec![ActionComponent::Discrete { n: n.max(1) }] }
    }

    /// Real numbers alone, each from a lower to an upper bound `(low, high)`; as one component, a vector.
    pub fn continuous(bounds: &[(f32, f32)]) -> Self {
        let (low, high) = bounds.iter().copied().unzip();
        let shape = vec![bounds.len()];
        Self { components: vec![ActionComponent::Continuous { low, high, shape }] }
    }

    /// The components, in order.
    pub fn components(&self) -> &[ActionComponent] {
        &self.components
    }

    /// The number of choices if the space is a single discrete component.
    pub fn single_discrete(&self) -> Option<usize> {
        match self.components[..] {
            [ActionComponent::Discrete { n }] => Some(n),
            _ => None,
        }
    }

    /// The number of discrete components.
    pub fn discrete_width(&self) -> usize {
        self.components.iter().filter(|c| matches!(c, ActionComponent::Discrete { .. })).count()
    }

    /// The number of continuous values over all components.
    pub fn continuous_width(&self) -> usize {
        self.components
            .iter()
            .map(|c| match c {
                ActionComponent::Discrete { .. } => 0,
                ActionComponent::Continuous { low, .. } => low.len(),
            })
            .sum()
    }

    /// The number of choices over all discrete components: the width of an action mask.
    pub fn mask_width(&self) -> usize {
        self.components
            .iter()
            .map(|c| match c {
                ActionComponent::Discrete { n } => *n,
                ActionComponent::Continuous { .. } => 0,
            })
            .sum()
    }

    /// Whether `action` is an element of the space.
    ///
    /// # Errors
    /// Says which component does not fit.
    pub fn check(&self, action: Action<'_>) -> Result<()> {
        let single;
        let (discrete, continuous) = match action {
            Action::Discrete(index) => {
                single = [u32::try_from(index).unwrap_or(u32::MAX)];
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
        let (mut choices, mut values) = (discrete.iter(), continuous.iter());
        for component in &self.components {
            match component {
                ActionComponent::Discrete { n } => {
                    if let Some(&a) = choices.next().filter(|&&a| a as usize >= *n) {
                        return Err(Error::action(format!("0 to {}", n - 1), a));
                    }
                }
                ActionComponent::Continuous { low, high, .. } => {
                    for (l, h) in low.iter().zip(high) {
                        if let Some(&v) = values.next().filter(|&v| !(l <= v && v <= h)) {
                            return Err(Error::action(format!("{l} to {h}"), v));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// An action handed to an environment. A `usize` converts into the single discrete case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// The choice of a space with one discrete component.
    Discrete(usize),
    /// One choice for each discrete component and the continuous values, each in the components' order.
    Parts {
        /// The choices.
        discrete: &'a [u32],
        /// The values.
        continuous: &'a [f32],
    },
}

impl From<usize> for Action<'_> {
    fn from(index: usize) -> Self {
        Self::Discrete(index)
    }
}

impl Action<'_> {
    /// The first (often only) discrete choice; 0 where there is none.
    #[inline]
    pub fn index(&self) -> usize {
        match self {
            Self::Discrete(index) => *index,
            Self::Parts { discrete, .. } => discrete.first().map_or(0, |&i| i as usize),
        }
    }

    /// Continuous value `i`; 0 where there is none.
    #[inline]
    pub fn value(&self, i: usize) -> f32 {
        match self {
            Self::Discrete(_) => 0.0,
            Self::Parts { continuous, .. } => continuous.get(i).copied().unwrap_or(0.0),
        }
    }
}

/// A batch of actions as flat arrays, one row an action.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actions {
    /// Choices, rows x discrete components.
    pub discrete: Vec<u32>,
    /// Values, rows x continuous values.
    pub continuous: Vec<f32>,
    discrete_width: usize,
    continuous_width: usize,
}

impl Actions {
    /// An empty batch for this space.
    pub fn new(space: &ActionSpace) -> Self {
        Self {
            discrete_width: space.discrete_width(),
            continuous_width: space.continuous_width(),
            ..Self::default()
        }
    }

    /// Drops all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.discrete.clear();
        self.continuous.clear();
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self.discrete_width {
            0 => self.continuous.len().checked_div(self.continuous_width).unwrap_or(0),
            width => self.discrete.len() / width,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a row.
    pub fn push(&mut self, action: Action<'_>) {
        match action {
            Action::Discrete(index) => self.discrete.push(index as u32),
            Action::Parts { discrete, continuous } => {
                self.discrete.extend_from_slice(discrete);
                self.continuous.extend_from_slice(continuous);
            }
        }
    }

    /// Adds all rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.discrete.extend_from_slice(&other.discrete);
        self.continuous.extend_from_slice(&other.continuous);
    }

    /// Row `i`; the default action where it is out of range.
    #[inline]
    pub fn row(&self, i: usize) -> Action<'_> {
        if self.discrete_width == 1 && self.continuous_width == 0 {
            return Action::Discrete(self.discrete.get(i).map_or(0, |&a| a as usize));
        }
        let part = |width: usize| i * width..(i + 1) * width;
        Action::Parts {
            discrete: self.discrete.get(part(self.discrete_width)).unwrap_or(&[]),
            continuous: self.continuous.get(part(self.continuous_width)).unwrap_or(&[]),
        }
    }
}

/// A batch of observations: ones of sparse rows as offsets and indices, values of dense rows row-major.
/// A batch is of one kind; the arrays of the other stay empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observations {
    rows: usize,
    offsets: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Observations {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Drops all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.offsets.clear();
        self.indices.clear();
        self.values.clear();
    }

    /// Adds a row that `write` fills.
    #[inline]
    pub fn push_with(&mut self, write: impl FnOnce(&mut ObservationRow<'_>)) {
        write(&mut ObservationRow { indices: &mut self.indices, values: &mut self.values });
        self.offsets.push(self.indices.len() as u32);
        self.rows += 1;
    }

    /// Adds a sparse row of these ones.
    pub fn push_ones(&mut self, ones: &[u32]) {
        self.push_with(|row| row.ones(ones.iter().map(|&i| i as usize)));
    }

    /// Adds all rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        let base = self.indices.len() as u32;
        self.rows += other.rows;
        self.offsets.extend(other.offsets.iter().map(|o| o + base));
        self.indices.extend_from_slice(&other.indices);
        self.values.extend_from_slice(&other.values);
    }

    /// Adds row `i` of `other`, if it has it.
    pub fn push_row(&mut self, other: &Self, i: usize) {
        if i < other.rows {
            self.indices.extend_from_slice(other.ones(i));
            self.values.extend_from_slice(other.values(i));
            self.offsets.push(self.indices.len() as u32);
            self.rows += 1;
        }
    }

    /// The ones of row `i`.
    #[inline]
    pub fn ones(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.offsets.get(i - 1).map_or(0, |&o| o as usize) };
        let end = self.offsets.get(i).map_or(start, |&o| o as usize);
        self.indices.get(start..end).unwrap_or(&[])
    }

    /// The ones of row `i`, to be replaced by as many others.
    pub(crate) fn ones_mut(&mut self, i: usize) -> &mut [u32] {
        let start = if i == 0 { 0 } else { self.offsets.get(i - 1).map_or(0, |&o| o as usize) };
        let end = self.offsets.get(i).map_or(start, |&o| o as usize);
        self.indices.get_mut(start..end).unwrap_or(&mut [])
    }

    /// The dense values of row `i`.
    #[inline]
    pub fn values(&self, i: usize) -> &[f32] {
        let width = self.values.len().checked_div(self.rows).unwrap_or(0);
        self.values.get(i * width..(i + 1) * width).unwrap_or(&[])
    }

    /// All indices of ones, row after row.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// All dense values, row-major.
    pub fn dense(&self) -> &[f32] {
        &self.values
    }

    /// Some dense rows of `size` values each, row-major.
    ///
    /// # Errors
    /// If the rows are not of this size.
    pub(crate) fn dense_rows(&self, rows: Range<usize>, size: usize) -> Result<&[f32]> {
        let values = self.values.get(rows.start * size..rows.end * size);
        values.filter(|_| self.values.len() == self.rows * size).ok_or_else(|| {
            let found = format!("{} values in {} rows", self.values.len(), self.rows);
            Error::observation(format!("{size} values a row"), found)
        })
    }

    /// Writes some sparse rows of `size` bits each as zeros and ones, row-major.
    ///
    /// # Errors
    /// If an index is out of range.
    pub fn write_bits(&self, rows: Range<usize>, size: usize, out: &mut [f32]) -> Result<()> {
        out.fill(0.0);
        for (row, out) in rows.zip(out.chunks_exact_mut(size.max(1))) {
            for &one in self.ones(row) {
                match out.get_mut(one as usize) {
                    Some(bit) => *bit = 1.0,
                    None => return Err(Error::observation(format!("indices below {size}"), one)),
                }
            }
        }
        Ok(())
    }

    /// Whether every row is an element of `space`.
    ///
    /// # Errors
    /// Says which index is out of range or what number of values does not fit.
    pub fn check(&self, space: &ObservationSpace) -> Result<()> {
        let size = space.size().unwrap_or(0);
        match space {
            ObservationSpace::SparseBinary { .. } => {
                if let Some(index) = self.indices.iter().find(|&&i| i as usize >= size) {
                    return Err(Error::observation(format!("indices below {size}"), index));
                }
                if !self.values.is_empty() {
                    return Err(Error::observation("indices of ones", "dense values"));
                }
            }
            ObservationSpace::Dense { .. } => {
                if !self.indices.is_empty() {
                    return Err(Error::observation("dense values", "indices of ones"));
                }
                if self.values.len() != size * self.rows {
                    return Err(Error::observation(
                        format!("{size} values a row"),
                        format!("{} values in {} rows", self.values.len(), self.rows),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The row of a batch that an environment writes its observation to.
#[derive(Debug)]
pub struct ObservationRow<'a> {
    indices: &'a mut Vec<u32>,
    values: &'a mut Vec<f32>,
}

impl ObservationRow<'_> {
    /// Sets one bit.
    #[inline]
    pub fn one(&mut self, index: usize) {
        self.indices.push(index as u32);
    }

    /// Sets several bits.
    #[inline]
    pub fn ones(&mut self, indices: impl IntoIterator<Item = usize>) {
        self.indices.extend(indices.into_iter().map(|i| i as u32));
    }

    /// Appends dense values.
    #[inline]
    pub fn values(&mut self, values: &[f32]) {
        self.values.extend_from_slice(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> ActionSpace {
        ActionSpace::new(vec![
            ActionComponent::Discrete { n: 3 },
            ActionComponent::Continuous {
                low: vec![-1.0, 0.0],
                high: vec![1.0, 2.0],
                shape: vec![2],
            },
            ActionComponent::Discrete { n: 2 },
        ])
        .unwrap()
    }

    #[test]
    fn mixed_actions_are_one_case() {
        let space = mixed();
        assert_eq!(
            (space.discrete_width(), space.continuous_width(), space.mask_width()),
            (2, 2, 5)
        );
        assert_eq!(space.single_discrete(), None);
        let mut actions = Actions::new(&space);
        actions.discrete.extend([2, 1, 0, 0]);
        actions.continuous.extend([0.5, 1.5, -1.0, 0.0]);
        for i in 0..2 {
            space.check(actions.row(i)).unwrap();
        }
        assert_eq!(actions.row(0).index(), 2);
    }

    #[test]
    fn actions_outside_of_the_space_are_refused() {
        let space = mixed();
        let bad = |discrete: &[u32], continuous: &[f32]| {
            space.check(Action::Parts { discrete, continuous }).unwrap_err().to_string()
        };
        assert_eq!(bad(&[3, 0], &[0.0, 0.0]), "action: expected 0 to 2, found 3");
        assert_eq!(bad(&[0, 0], &[0.0, f32::NAN]), "action: expected 0 to 2, found NaN");
        assert!(bad(&[0], &[0.0, 0.0]).contains("2 discrete"));
        assert!(ActionSpace::discrete(4).check(4.into()).is_err());
        assert!(ActionSpace::new(vec![]).is_err());
        assert!(ActionSpace::new(vec![ActionComponent::Discrete { n: 0 }]).is_err());
    }

    #[test]
    fn sparse_rows_read_back_as_written() {
        let mut batch = Observations::new();
        batch.push_ones(&[1, 5]);
        batch.push_ones(&[]);
        batch.push_ones(&[7]);
        assert_eq!((batch.ones(0), batch.ones(1), batch.ones(2)), (&[1, 5][..], &[][..], &[7][..]));
        let mut twice = batch.clone();
        twice.extend(&batch);
        assert_eq!((twice.len(), twice.ones(3), twice.ones(5)), (6, &[1, 5][..], &[7][..]));
        batch.check(&ObservationSpace::SparseBinary { shape: vec![2, 4] }).unwrap();
        assert!(batch.check(&ObservationSpace::SparseBinary { shape: vec![7] }).is_err());
    }

    #[test]
    fn dense_rows_read_back_as_written() {
        let mut batch = Observations::new();
        batch.push_with(|row| row.values(&[1.0, 2.0]));
        batch.push_with(|row| row.values(&[3.0, 4.0]));
        assert_eq!(batch.values(1), &[3.0, 4.0]);
        batch.check(&ObservationSpace::Dense { shape: vec![2] }).unwrap();
        assert!(batch.check(&ObservationSpace::Dense { shape: vec![3] }).is_err());
    }
}
