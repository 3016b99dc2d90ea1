//! The samples of an iteration, and the division of minibatches into micro-batches.

use crate::Result;
use std::ops::Range;
use std::sync::Arc;
use twisterl_core::Error;
use twisterl_core::evaluator::distribution::ActionDistribution;
use twisterl_core::policy::network::Network;
use twisterl_core::rollout::Trajectory;
use twisterl_core::space::{ActionSpace, Actions, Observations};

/// The samples of an iteration as a structure of arrays: one row per transition.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The observations, `[rows]`.
    pub observations: Observations,
    /// The allowed choices, `[rows, mask width]`.
    pub masks: Vec<bool>,
    /// The actions as samples of the distribution, `[rows]`.
    pub actions: Actions,
    /// The log-probability of each action under the acting policy, among the allowed choices, `[rows]`.
    pub log_probs: Vec<f32>,
    /// Advantages, `[rows]`.
    pub advantages: Vec<f32>,
    /// Targets of the value, `[rows]`.
    pub returns: Vec<f32>,
}

impl Batch {
    /// Creates an empty batch for this action space.
    pub fn new(space: &ActionSpace) -> Self {
        Self { actions: Actions::new(space), ..Self::default() }
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.actions.clear();
        self.log_probs.clear();
        self.advantages.clear();
        self.returns.clear();
    }

    /// Adds the transitions of `trajectory` with their advantages and returns.
    pub fn extend(&mut self, trajectory: &Trajectory, gamma: f32, lambda: f32) {
        self.observations.extend(&trajectory.observations);
        self.masks.extend_from_slice(&trajectory.masks);
        self.actions.extend(&trajectory.actions);
        self.log_probs.extend_from_slice(&trajectory.log_probs);
        trajectory.advantages(gamma, lambda, &mut self.advantages, &mut self.returns);
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.observations.len()
    }

    /// Returns `true` if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
    }
}

/// The rows of a batch that a loss is computed for, without their observations.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// The allowed choices, `[rows, mask width]`.
    pub masks: Vec<bool>,
    /// The choices and bits drawn, `[rows, discrete values]`.
    pub choices: Vec<u32>,
    /// The numbers drawn, `[rows, continuous values]`.
    pub numbers: Vec<f32>,
    /// The log-probability, or log-density, of each sample under the acting policy, `[rows]`.
    pub log_probs: Vec<f32>,
    /// Advantages, `[rows]`.
    pub advantages: Vec<f32>,
    /// Targets of the value, `[rows]`.
    pub returns: Vec<f32>,
}

/// The shape of the rows that a network is trained on.
#[derive(Debug, Clone)]
pub struct RowShape {
    /// The number of choices of each discrete value of an action, `[discrete values]`.
    pub choices: Vec<usize>,
    /// The distribution of actions.
    pub distribution: Arc<ActionDistribution>,
    /// The number of dense values of an observation.
    dense: usize,
}

impl RowShape {
    /// Returns the row shape of `network`.
    ///
    /// # Errors
    /// If the distribution of actions does not fit them, or is not registered.
    pub fn of(network: &Network) -> Result<Self> {
        Ok(Self {
            choices: network.actions.choices().collect(),
            distribution: Arc::new(network.action_distribution()?),
            dense: network.observation.values().ok_or_else(|| {
                Error::internal("an observation space of more values than fit the memory")
            })?,
        })
    }

    /// Returns the row shape of sparse observations and one action of `n` choices.
    #[cfg(test)]
    pub(crate) fn discrete(n: usize) -> Self {
        Self::sparse(&ActionSpace::discrete(n))
    }

    /// Returns the row shape of sparse observations and actions of `space`.
    #[cfg(test)]
    pub(crate) fn sparse(space: &ActionSpace) -> Self {
        #[allow(clippy::unwrap_used)]
        let distribution = Arc::new(ActionDistribution::new(space, &[]).unwrap());
        Self { choices: space.choices().collect(), distribution, dense: 0 }
    }

    /// Checks that all arrays of `batch` have its number of rows.
    ///
    /// # Errors
    /// Names the array that has not.
    pub fn check(&self, batch: &Batch) -> Result<()> {
        let (mask, (choices, numbers)) =
            (self.distribution.mask_width(), self.distribution.sample_widths());
        let arrays = [
            ("batch.masks", batch.masks.len(), mask),
            ("batch.actions.discrete", batch.actions.discrete.len(), choices),
            ("batch.actions.continuous", batch.actions.continuous.len(), numbers),
            ("batch.log_probs", batch.log_probs.len(), 1),
            ("batch.advantages", batch.advantages.len(), 1),
            ("batch.returns", batch.returns.len(), 1),
            ("batch.observations", batch.observations.dense().len(), self.dense),
        ];
        check_lengths(batch.len(), &arrays)
    }

    /// Copies the rows `indices` of a batch that passed [`check`](Self::check).
    ///
    /// # Errors
    /// If there is no such row, its action was not allowed, or one of its numbers is not finite.
    pub fn gather(&self, batch: &Batch, indices: &[u32]) -> Result<(Observations, Targets)> {
        let mut observations = Observations::new();
        let mut targets = Targets::default();
        let (mask_width, (_, numbers)) =
            (self.distribution.mask_width(), self.distribution.sample_widths());
        for &index in indices {
            let row = index as usize;
            if row >= batch.len() {
                let expected = format!("rows below {}", batch.len());
                return Err(Error::config("batch", expected, row).into());
            }
            let place = |width: usize| row * width..(row + 1) * width;
            let mask = &batch.masks[place(mask_width)];
            let choices = &batch.actions.discrete[place(self.choices.len())];
            let numbers = &batch.actions.continuous[place(numbers)];
            let mut first = 0;
            for (&n, &choice) in self.choices.iter().zip(choices) {
                if mask[first..first + n].get(choice as usize) != Some(&true) {
                    return Err(Error::action(format!("one that row {row} allows"), choice).into());
                }
                first += n;
            }
            for (array, values, to) in [
                ("log_probs", &batch.log_probs, &mut targets.log_probs),
                ("advantages", &batch.advantages, &mut targets.advantages),
                ("returns", &batch.returns, &mut targets.returns),
            ] {
                let value = values[row];
                if !value.is_finite() {
                    let path = format!("batch.{array}[{row}]");
                    return Err(Error::config(path, "a finite number", value).into());
                }
                to.push(value);
            }
            if let Some(odd) = numbers.iter().find(|number| !number.is_finite()) {
                return Err(Error::action(format!("finite numbers in row {row}"), odd).into());
            }
            targets.numbers.extend_from_slice(numbers);
            targets.masks.extend_from_slice(mask);
            targets.choices.extend_from_slice(choices);
            observations.push_row(&batch.observations, row);
        }
        Ok((observations, targets))
    }
}

/// Checks that arrays have a length of `rows` times their width, each given as (name, length, width).
///
/// # Errors
/// Names the first that has not.
pub fn check_lengths(rows: usize, arrays: &[(&str, usize, usize)]) -> Result<()> {
    match arrays.iter().find(|(_, length, width)| *length != rows * width) {
        None => Ok(()),
        Some(&(name, length, width)) => {
            Err(Error::config(name, format!("{rows} rows of {width}"), length).into())
        }
    }
}

/// The most shards of a minibatch. More would let more threads work on one minibatch, but each needs a gradient of the
/// size of the network.
const MAX_SHARDS: usize = 8;

/// The division of a minibatch into shards of consecutive micro-batches of (almost) equal size. It depends only on the
/// number of rows, so that sums do not depend on the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    rows: usize,
    /// The number of micro-batches.
    pub pieces: usize,
    /// The number of shards.
    pub shards: usize,
}

impl Cut {
    /// Divides `rows` into micro-batches of at most `largest` rows, equally many in each shard where there are enough.
    pub fn new(rows: usize, largest: usize) -> Self {
        let pieces = rows.div_ceil(largest.max(1));
        let pieces = match pieces {
            0..=MAX_SHARDS => pieces.next_power_of_two(),
            _ => pieces.next_multiple_of(MAX_SHARDS),
        };
        Self { rows, pieces, shards: pieces.min(MAX_SHARDS) }
    }

    /// The micro-batches of a shard, as ranges of rows of the minibatch.
    pub fn shard(self, shard: usize) -> impl Iterator<Item = Range<usize>> {
        let Self { rows, pieces, shards } = self;
        let start = move |piece: usize| piece * rows / pieces;
        (shard * pieces / shards..(shard + 1) * pieces / shards)
            .map(move |piece| start(piece)..start(piece + 1))
            .filter(|piece| !piece.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use twisterl_core::space::ActionComponent;

    proptest! {
        #[test]
        fn the_shards_of_a_cut_are_its_rows_in_order(rows in 0usize..5000, largest in 1usize..300) {
            let cut = Cut::new(rows, largest);
            let pieces: Vec<_> = (0..cut.shards).flat_map(|s| cut.shard(s)).collect();
            prop_assert!(pieces.iter().all(|p| p.len() <= largest));
            prop_assert_eq!(pieces.into_iter().flatten().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_minibatch_that_eight_threads_can_share_is_cut_evenly() {
        let cut = Cut::new(1024, 127);
        assert_eq!((cut.pieces, cut.shards), (16, 8));
        assert!((0..8).all(|s| cut.shard(s).all(|p| p.len() == 64)));
    }

    fn two_rows() -> (RowShape, Batch) {
        let space = ActionSpace::new(vec![
            ActionComponent::Discrete { n: 2 },
            ActionComponent::Discrete { n: 3 },
        ])
        .unwrap();
        let mut batch = Batch::new(&space);
        batch.observations.push_ones(&[1]);
        batch.observations.push_ones(&[0, 2]);
        batch.masks = vec![true, true, true, true, true, false, true, true, true, false];
        batch.actions.discrete = vec![0, 2, 1, 1];
        batch.log_probs = vec![-1.0, -2.0];
        batch.advantages = vec![0.5, -0.5];
        batch.returns = vec![3.0, 4.0];
        (RowShape::sparse(&space), batch)
    }

    #[test]
    fn gathered_rows_are_those_asked_for() {
        let (shape, batch) = two_rows();
        shape.check(&batch).unwrap();
        let (observations, targets) = shape.gather(&batch, &[1, 0, 1]).unwrap();
        assert_eq!((observations.len(), observations.ones(0)), (3, &[0, 2][..]));
        assert_eq!(targets.choices, [1, 1, 0, 2, 1, 1]);
        assert_eq!(targets.returns, [4.0, 3.0, 4.0]);
        assert_eq!(targets.masks[..5], batch.masks[5..]);
    }

    #[test]
    fn rows_that_cannot_be_are_errors() {
        let (shape, good) = two_rows();
        let found = |change: fn(&mut Batch)| {
            let mut batch = good.clone();
            change(&mut batch);
            shape
                .check(&batch)
                .and_then(|()| shape.gather(&batch, &[0, 1]))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            found(|b| b.actions.discrete[2] = 0),
            "action: expected one that row 1 allows, found 0"
        );
        assert!(found(|b| b.actions.discrete[3] = 7).contains("found 7"));
        assert!(
            found(|b| b.returns[1] = f32::NAN).starts_with("batch.returns[1]: expected a finite")
        );
        assert!(found(|b| b.masks.truncate(9)).starts_with("batch.masks: expected 2 rows of 5"));
        assert!(shape.gather(&good, &[2]).unwrap_err().to_string().contains("rows below 2"));
    }
}
