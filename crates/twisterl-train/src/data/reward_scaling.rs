//! Reward normalization.

use crate::config::PpoCollecting;
use crate::data::running_statistics::RunningStatistics;
use crate::record::snapshot::ArrayData;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use twisterl_core::env::batch::GROUP_SLOTS;
use twisterl_core::rollout::Trajectory;

const MOMENTS: &str = "rewards.moments";
const RETURNS: &str = "rewards.returns";

/// Multiplies rewards by a constant, and divides them by the running standard deviation of the discounted sum of the
/// rewards of each environment's current episode, as Gymnasium's `NormalizeReward` and SB3's `VecNormalize` do:
/// `r / sqrt(var(R) + 1e-8)`, clipped to ±`clip`. Values and advantages are those of scaled rewards; metrics report the
/// rewards of the environment.
#[derive(Debug)]
pub struct RewardScaler {
    gamma: f64,
    scale: f64,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    clip: f64,
    moments: RunningStatistics,
    /// The discounted sum of each environment, `[slots]`.
    returns: Vec<f64>,
}

impl RewardScaler {
    /// Creates the scaler of `slots` environments.
    pub fn new(config: &PpoCollecting, slots: usize) -> Self {
        let running = config.normalize_rewards.then(|| Running {
            clip: config.clip_rewards,
            moments: RunningStatistics::new(1),
            returns: vec![0.0; slots],
        });
        Self { gamma: config.gamma, scale: config.reward_scale, running }
    }

    /// Adds the rewards of one collection to the statistics, and scales them in place.
    pub fn scale<'a>(&mut self, trajectories: impl Iterator<Item = &'a mut Trajectory>) {
        if self.running.is_none() && self.scale == 1.0 {
            return;
        }
        let trajectories: Vec<_> = trajectories.collect();
        let (mut divisor, mut clip) = (1.0, f64::INFINITY);
        if let Some(running) = &mut self.running {
            for (group, trajectory) in trajectories.iter().enumerate() {
                running.observe(group * GROUP_SLOTS, trajectory, self.gamma, self.scale);
            }
            divisor = running.moments.deviation(0);
            clip = running.clip;
        }
        let factor = self.scale / divisor;
        for step in trajectories.into_iter().flat_map(|trajectory| &mut trajectory.steps) {
            step.reward = (f64::from(step.reward) * factor).clamp(-clip, clip) as f32;
        }
    }

    /// Returns everything that a resumed run needs, as arrays of a checkpoint.
    pub fn arrays(&self) -> Vec<(String, ArrayData)> {
        self.running.as_ref().map_or_else(Vec::new, |Running { moments, returns, .. }| {
            vec![
                (MOMENTS.into(), moments.to_array()),
                (RETURNS.into(), ArrayData::F64(returns.clone())),
            ]
        })
    }

    /// Continues from a snapshot.
    ///
    /// # Errors
    /// If it holds no valid state for as many environments.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        running.moments.restore(MOMENTS, snapshot.array(MOMENTS))?;
        let slots = running.returns.len();
        match snapshot.array(RETURNS) {
            Some(ArrayData::F64(returns))
                if returns.len() == slots && returns.iter().all(|x| x.is_finite()) =>
            {
                running.returns.clone_from(returns);
                Ok(())
            }
            _ => {
                let expected = format!("the f64 array {RETURNS:?} of {slots} finite numbers");
                Err(Error::checkpoint("train.safetensors", expected, "none"))
            }
        }
    }
}

impl Running {
    /// Adds the discounted sums along a trajectory to the statistics. Its slots are numbered from `first`.
    fn observe(&mut self, first: usize, trajectory: &Trajectory, gamma: f64, scale: f64) {
        let mut seen = Vec::with_capacity(trajectory.len());
        for (step, &slot) in trajectory.steps.iter().zip(&trajectory.slots) {
            let sum = &mut self.returns[first + slot as usize];
            *sum = *sum * gamma + f64::from(step.reward) * scale;
            seen.push(*sum);
            if step.done() {
                *sum = 0.0;
            }
        }
        self.moments.extend(&seen);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use twisterl_core::env::Step;
    use twisterl_core::space::ActionSpace;

    fn trajectory(rows: &[(u32, f32, bool)]) -> Trajectory {
        let mut trajectory = Trajectory::new(&ActionSpace::discrete(2));
        for &(slot, reward, terminated) in rows {
            trajectory.slots.push(slot);
            trajectory.steps.push(Step { reward, terminated, truncated: false });
        }
        trajectory
    }

    fn rewards(trajectory: &Trajectory) -> Vec<f32> {
        trajectory.steps.iter().map(|step| step.reward).collect()
    }

    #[test]
    fn rewards_are_divided_by_the_deviation_of_discounted_sums() {
        let config = PpoCollecting {
            gamma: 0.5,
            reward_scale: 2.0,
            normalize_rewards: true,
            clip_rewards: 2.75,
            ..PpoCollecting::default()
        };
        let mut scaler = RewardScaler::new(&config, GROUP_SLOTS + 1);
        let first = [(0, 1.0, false), (1, -1.0, true), (0, 1.0, false), (1, 2.0, false)];
        let mut groups = [trajectory(&first), trajectory(&[(0, 1.0, false)])];
        scaler.scale(groups.iter_mut());
        // Sums, with each reward doubled: 2, -2, 2 + 2 / 2, 4; and 2 in the other group: mean 1.8, variance 4.16.
        let deviation = (4.16f64 + 1e-8).sqrt();
        for (found, reward) in rewards(&groups[0]).iter().zip([2.0, -2.0, 2.0, 4.0]) {
            assert!((f64::from(*found) - reward / deviation).abs() < 1e-6);
        }
        let snapshot = Snapshot { arrays: scaler.arrays(), ..Snapshot::default() };
        let mut resumed = RewardScaler::new(&config, GROUP_SLOTS + 1);
        resumed.restore(&snapshot).unwrap();
        // The sums go on from 3, 4 and 2: 6 + 3 / 2, 0 + 4 / 2 and 10 + 2 / 2. Of the eight the mean is 3.6875 and the
        // variance 13.68359375.
        for scaler in [&mut scaler, &mut resumed] {
            let mut groups =
                [trajectory(&[(0, 3.0, false), (1, 0.0, false)]), trajectory(&[(0, 5.0, false)])];
            scaler.scale(groups.iter_mut());
            let deviation = 13.683_593_75_f64.sqrt();
            assert!((f64::from(rewards(&groups[0])[0]) - 6.0 / deviation).abs() < 1e-6);
            assert!((f64::from(rewards(&groups[1])[0]) - 10.0 / deviation).abs() < 1e-6);
        }
        let mut wild = [trajectory(&[(0, 100.0, false)])];
        scaler.scale(wild.iter_mut());
        assert_eq!(rewards(&wild[0]), [2.75]);
        assert!(RewardScaler::new(&config, 3).restore(&snapshot).is_err());
        assert!(resumed.restore(&Snapshot::default()).is_err());
    }

    #[test]
    fn rewards_stay_as_they_are_where_nothing_is_asked_for() {
        let mut scaler = RewardScaler::new(&PpoCollecting::default(), 2);
        let mut groups = [trajectory(&[(0, 1e9, false), (1, 0.3, true)])];
        scaler.scale(groups.iter_mut());
        assert_eq!(rewards(&groups[0]), [1e9, 0.3]);
        assert!(scaler.arrays().is_empty());
    }
}
