//! Statistics of losses.

/// Sums over rows, from which the reported means are computed. Fields that a loss does not use are 0. Sums are added in a
/// fixed order, so that they do not depend on the number of threads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LossStatistics {
    /// Number of rows.
    pub rows: u64,
    /// Number of optimizer steps.
    pub steps: u64,
    /// Loss of the policy.
    pub policy: f64,
    /// Squared error of the value.
    pub value: f64,
    /// Entropy of the policy, in nats.
    pub entropy: f64,
    /// The whole loss.
    pub total: f64,
    /// `(r - 1) - ln r` of the probability ratios of PPO.
    pub kl: f64,
    /// Rows whose probability ratio of PPO was clipped.
    pub clipped: f64,
    /// The target probability of the policy's first choice, in supervised learning.
    pub agreement: f64,
    /// Norm of the gradient of each step, before clipping.
    pub grad_norm: f64,
}

impl LossStatistics {
    /// Adds the sums of further rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.steps += other.steps;
        for (sum, x) in [
            (&mut self.policy, other.policy),
            (&mut self.value, other.value),
            (&mut self.entropy, other.entropy),
            (&mut self.total, other.total),
            (&mut self.kl, other.kl),
            (&mut self.clipped, other.clipped),
            (&mut self.agreement, other.agreement),
            (&mut self.grad_norm, other.grad_norm),
        ] {
            *sum += x;
        }
    }

    /// Counts an optimizer step whose gradient had this norm before clipping.
    pub fn count_step(&mut self, grad_norm: f64) {
        self.steps += 1;
        self.grad_norm += grad_norm;
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.rows.max(1) as f64
    }

    /// Mean loss of the policy.
    pub fn policy_loss(&self) -> f64 {
        self.mean(self.policy)
    }

    /// Mean squared error of the value.
    pub fn value_loss(&self) -> f64 {
        self.mean(self.value)
    }

    /// Mean entropy in nats.
    pub fn entropy(&self) -> f64 {
        self.mean(self.entropy)
    }

    /// Mean of the whole loss.
    pub fn total_loss(&self) -> f64 {
        self.mean(self.total)
    }

    /// Mean of `(r - 1) - ln r`, an estimate of the Kullback-Leibler divergence from the acting to the new policy that
    /// is never negative (Schulman 2020, "Approximating KL divergence").
    pub fn approx_kl(&self) -> f64 {
        self.mean(self.kl)
    }

    /// The share of rows whose ratio was further than `clip_ratio` from 1.
    pub fn clip_fraction(&self) -> f64 {
        self.mean(self.clipped)
    }

    /// Mean target probability of the policy's first choice.
    pub fn agreement(&self) -> f64 {
        self.mean(self.agreement)
    }

    /// Mean norm of the gradient of a step, before clipping.
    pub fn grad_norm(&self) -> f64 {
        self.grad_norm / self.steps.max(1) as f64
    }
}
