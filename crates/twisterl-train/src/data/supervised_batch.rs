//! States with target policies and values, and their form in a checkpoint.

use crate::record::snapshot::ArrayData;
use crate::{Error, Result};
use twisterl_core::space::Observations;

/// States with target policies and values, as a structure of arrays: one row per state. For one discrete action.
#[derive(Debug, Clone, Default)]
pub struct SupervisedBatch {
    /// The observations, `[rows]`.
    pub observations: Observations,
    /// The allowed actions, `[rows, actions]`.
    pub masks: Vec<bool>,
    /// Target distributions, `[rows, actions]`; 0 where masked.
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

    /// Appends the arrays of a checkpoint, whose names begin with `name`.
    pub fn save(&self, name: &str, arrays: &mut Vec<(String, ArrayData)>) {
        let observations = &self.observations;
        let counts = (0..observations.len()).map(|row| observations.ones(row).len() as u32);
        let masks = self.masks.iter().map(|&mask| u32::from(mask));
        for (part, data) in [
            ("counts", ArrayData::U32(counts.collect())),
            ("indices", ArrayData::U32(observations.indices().to_vec())),
            ("dense", ArrayData::F32(observations.dense().to_vec())),
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
    pub fn load(name: &str, arrays: &[(String, ArrayData)]) -> Result<Self> {
        let find = |part: &str| {
            let name = format!("{name}.{part}");
            let found = arrays.iter().find(|(n, _)| *n == name).map(|(_, data)| data);
            found.ok_or_else(|| {
                Error::checkpoint("train.safetensors", format!("an array {name:?}"), "none")
            })
        };
        let whole = |part: &str| match find(part)? {
            ArrayData::U32(values) => Ok(values.as_slice()),
            _ => Err(wrong(part, "whole numbers")),
        };
        let real = |part: &str| match find(part)? {
            ArrayData::F32(values) => Ok(values.as_slice()),
            _ => Err(wrong(part, "numbers of single precision")),
        };
        let (mut indices, dense, counts) = (whole("indices")?, real("dense")?, whole("counts")?);
        let width = dense.len() / counts.len().max(1);
        let mut examples = Self {
            observations: Observations::new(),
            masks: whole("masks")?.iter().map(|&mask| mask != 0).collect(),
            policies: real("policies")?.to_vec(),
            values: real("values")?.to_vec(),
        };
        let rows = counts.len();
        if examples.values.len() != rows
            || examples.masks.len() != examples.policies.len()
            || width * rows != dense.len()
            || !examples.masks.len().is_multiple_of(rows.max(1))
        {
            return Err(wrong("values", &format!("arrays of {rows} rows")));
        }
        for (row, &count) in counts.iter().enumerate() {
            let Some((ones, rest)) = indices.split_at_checked(count as usize) else {
                return Err(wrong("indices", "as many as the counts say"));
            };
            indices = rest;
            let values = &dense[row * width..(row + 1) * width];
            examples.observations.push_with(|row| {
                row.ones(ones.iter().map(|&one| one as usize));
                row.values(values);
            });
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

fn wrong(part: &str, expected: &str) -> Error {
    Error::checkpoint("train.safetensors", format!("in {part:?}: {expected}"), "others")
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
        let mut loaded = SupervisedBatch::load("replay", &arrays).unwrap();
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
        let error = SupervisedBatch::load("replay", &arrays).unwrap_err().to_string();
        assert!(error.contains("replay.values"), "{error}");
        arrays.push(("replay.values".into(), ArrayData::F32(vec![0.0])));
        assert!(SupervisedBatch::load("replay", &arrays).is_err());
    }
}
