//! Normalisation of dense observations.

use crate::space::{ObservationSpace, Observations};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The normalisation of dense observations, `clamp((x - mean) / std, -clip, clip)` elementwise. It is part of the
/// policy and is applied by the executor; only training changes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// The number of observations that the statistics are over; 0: none yet.
    pub count: u64,
    /// The mean, `[values]`.
    pub mean: Vec<f32>,
    /// The standard deviation, `[values]`.
    pub std: Vec<f32>,
    /// The bound on the magnitude of the result.
    pub clip: f32,
}

impl Scaling {
    /// Returns a scaling of `width` values that only clips.
    pub fn identity(width: usize, clip: f32) -> Self {
        Self { count: 0, mean: vec![0.0; width], std: vec![1.0; width], clip }
    }

    /// Checks that the scaling is sound and fits observations of `space`.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self, space: &ObservationSpace) -> Result<()> {
        let width = space.values().unwrap_or(0);
        let broken = |field: &str, expected: &str, found: String| {
            Err(Error::config(format!("policy.scaling.{field}"), expected, found))
        };
        for (field, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != width {
                return broken(field, &format!("{width} numbers"), values.len().to_string());
            }
        }
        if let Some(mean) = self.mean.iter().find(|mean| !mean.is_finite()) {
            return broken("mean", "finite numbers", mean.to_string());
        }
        if let Some(std) = self.std.iter().find(|&&std| !(std.is_normal() && std > 0.0)) {
            return broken("std", "finite numbers above 0", std.to_string());
        }
        match self.clip > 0.0 {
            true => Ok(()),
            false => broken("clip", "a number above 0", self.clip.to_string()),
        }
    }

    /// Writes the scaled `observations` to `room` and returns it.
    pub fn scaled<'a>(
        &self,
        observations: &Observations,
        room: &'a mut Observations,
    ) -> &'a Observations {
        room.clear();
        room.extend(observations);
        self.apply(room);
        room
    }

    /// Scales all rows of `observations` in place. They must be of the space given to [`check`](Self::check).
    pub fn apply(&self, observations: &mut Observations) {
        for row in observations.dense_mut().chunks_exact_mut(self.mean.len().max(1)) {
            for ((x, mean), std) in row.iter_mut().zip(&self.mean).zip(&self.std) {
                *x = ((*x - mean) / std).clamp(-self.clip, self.clip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_shifted_scaled_and_clipped() {
        let scaling = Scaling { count: 9, mean: vec![1.0, -2.0], std: vec![2.0, 0.5], clip: 3.0 };
        let mut rows = Observations::new();
        rows.push_with(|row| row.values(&[2.0, -2.25]));
        rows.push_with(|row| row.values(&[-9.0, 1e9]));
        scaling.apply(&mut rows);
        assert_eq!(rows.dense(), [0.5, -0.5, -3.0, 3.0]);
    }

    #[test]
    fn unsound_scalings_are_refused_by_field() {
        let space = ObservationSpace::Dense { shape: vec![2] };
        let good = Scaling::identity(2, 10.0);
        good.check(&space).unwrap();
        let found = |change: fn(&mut Scaling)| {
            let mut scaling = good.clone();
            change(&mut scaling);
            scaling.check(&space).unwrap_err().to_string()
        };
        assert!(found(|s| s.mean.truncate(1)).starts_with("policy.scaling.mean: expected 2"));
        assert!(found(|s| s.mean[0] = f32::NAN).starts_with("policy.scaling.mean: expected fin"));
        assert!(found(|s| s.std[1] = 0.0).starts_with("policy.scaling.std: expected finite"));
        assert!(found(|s| s.clip = f32::NAN).starts_with("policy.scaling.clip: expected a num"));
        let bits = ObservationSpace::SparseBinary { shape: vec![2] };
        assert!(good.check(&bits).is_err());
    }
}
