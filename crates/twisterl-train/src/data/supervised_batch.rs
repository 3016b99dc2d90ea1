//! States with target policies and values, and their form in a checkpoint.

use crate::Result;
use crate::data::observation_arrays;
use crate::record::snapshot::{ArrayData, Arrays};
use twisterl_core::space::Observations;

/// States with target policies and values, as a structure of arrays: one row per state. For one discrete action.
#[derive(Debug, Clone, Default)]
pub struct SupervisedBatch {
    /// The observations, `[rows]`.
    pub observations: Observations,
    /// The allowed actions, `[rows, actions]`.
    pub masks: Vec<bool>,
    /// Target policies, `[rows, actions]`; 0 where masked.
    pub policies: Vec<f32>,
    /// Targets of the value, `[rows]`.
    pub values: Vec<f32>,
}

impl SupervisedBatch {
    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.policies.clear();
        self.values.clear();
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.observations.len()
    }

    /// Returns `true` if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
    }

    /// Adds the rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.observations.extend(&other.observations);
        self.masks.extend_from_slice(&other.masks);
        self.policies.extend_from_slice(&other.policies);
        self.values.extend_from_slice(&other.values);
    }

    /// Adds row `row` of `other`, which must have that many.
    pub fn push_row(&mut self, other: &Self, row: usize) {
        let width = other.masks.len() / other.len().max(1);
        let columns = row * width..(row + 1) * width;
        self.observations.push_row(&other.observations, row);
        self.masks.extend_from_slice(&other.masks[columns.clone()]);
        self.policies.extend_from_slice(&other.policies[columns]);
        self.values.push(other.values[row]);
    }

    /// Appends these examples as arrays, whose names begin with `name`.
    pub fn save(&self, name: &str, arrays: &mut Vec<(String, ArrayData)>) {
        observation_arrays::save(&self.observations, name, arrays);
        let masks = self.masks.iter().map(|&mask| u32::from(mask));
        for (part, data) in [
            ("masks", ArrayData::U32(masks.collect())),
            ("policies", ArrayData::F32(self.policies.clone())),
            ("values", ArrayData::F32(self.values.clone())),
        ] {
            arrays.push((format!("{name}.{part}"), data));
        }
    }

    /// Reads the arrays of [`save`](Self::save).
    ///
    /// # Errors
    /// If an array is missing, or their lengths do not fit each other.
    pub fn load(name: &str, arrays: Arrays<'_>) -> Result<Self> {
        let named = |part: &str| format!("{name}.{part}");
        let examples = Self {
            observations: observation_arrays::load(name, arrays)?,
            masks: arrays.whole(&named("masks"))?.iter().map(|&mask| mask != 0).collect(),
            policies: arrays.floats(&named("policies"))?.to_vec(),
            values: arrays.floats(&named("values"))?.to_vec(),
        };
        let rows = examples.observations.len();
        if examples.values.len() != rows
            || examples.masks.len() != examples.policies.len()
            || !examples.masks.len().is_multiple_of(rows.max(1))
        {
            return Err(arrays.wrong(&named("values"), &format!("arrays of {rows} rows")));
        }
        Ok(examples)
    }

    /// Removes the first `rows` rows and returns them.
    #[must_use]
    pub fn take_first(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.len());
        let width = self.masks.len() / self.len().max(1);
        let mut first = Self::default();
        let mut rest = Self::default();
        for row in 0..self.len() {
            let to = if row < rows { &mut first } else { &mut rest };
            to.observations.push_row(&self.observations, row);
        }
        first.masks = self.masks.drain(..rows * width).collect();
        first.policies = self.policies.drain(..rows * width).collect();
        first.values = self.values.drain(..rows).collect();
        self.observations = rest.observations;
        first
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn saved_examples_come_back_and_come_apart() {
        let mut all = SupervisedBatch::default();
        for row in 0..5u32 {
            all.observations.push_ones(&[row, row + 7]);
            all.masks.extend([true, row % 2 == 0]);
            all.policies.extend([0.25, 0.75 * row as f32]);
            all.values.push(row as f32);
        }
        let mut arrays = Vec::new();
        all.save("replay", &mut arrays);
        let mut loaded =
            SupervisedBatch::load("replay", Arrays { place: "x", arrays: &arrays }).unwrap();
        assert_eq!(loaded.observations, all.observations);
        assert_eq!((&loaded.masks, &loaded.policies), (&all.masks, &all.policies));
        let mut together = loaded.take_first(2);
        assert_eq!(
            (together.len(), loaded.len(), &loaded.values[..]),
            (2, 3, &[2.0, 3.0, 4.0][..])
        );
        together.extend(&loaded);
        assert_eq!((together.observations, together.policies), (all.observations, all.policies));

        arrays.pop();
        let error = SupervisedBatch::load("replay", Arrays { place: "x", arrays: &arrays })
            .unwrap_err()
            .to_string();
        assert!(error.contains("replay.values"), "{error}");
        arrays.push(("replay.values".into(), ArrayData::F32(vec![0.0])));
        assert!(SupervisedBatch::load("replay", Arrays { place: "x", arrays: &arrays }).is_err());
    }
}
