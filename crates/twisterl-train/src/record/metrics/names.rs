//! The names of all metrics, as `metrics.jsonl`, TensorBoard and the plots spell them.

use crate::config::ROLLOUT_METRIC;

// The keys of a record of `metrics.jsonl`.

/// The number of the iteration, from 0.
pub const ITERATION: &str = "iteration";
/// Environment steps since the run began.
pub const ENV_STEPS: &str = "env_steps";
/// The difficulty of the iteration's training episodes.
pub const DIFFICULTY: &str = "difficulty";
/// The share solved that the curriculum uses; `null` where the iteration did not measure it.
pub const SUCCESS: &str = "success";
/// The evaluations of this iteration by name, each with [`SUCCESS`], [`REWARD`] and [`LENGTH`].
pub const EVALS: &str = "evals";
/// True in the record of the evaluations at the end of a run, which has no training episodes and losses.
pub const FINAL: &str = "final";
/// The training episodes that ended: [`EPISODES`], [`SUCCESS`], [`REWARD`] and [`LENGTH`].
pub const ROLLOUT: &str = ROLLOUT_METRIC;
/// The losses and diagnostics of the algorithm.
pub const LOSSES: &str = "losses";
/// Everything that depends on the clock.
pub const TIME: &str = "time";

// Of episodes.

/// The number of episodes.
pub const EPISODES: &str = "episodes";
/// Mean undiscounted return.
pub const REWARD: &str = "reward";
/// Mean number of steps: of solved episodes in evaluations, of all in training.
pub const LENGTH: &str = "length";

// Below `time`, in seconds.

/// Evaluations.
pub const EVALUATE: &str = "evaluate";
/// Collection of episodes.
pub const COLLECT: &str = "collect";
/// Computation of targets.
pub const TARGETS: &str = "targets";
/// Update of the weights.
pub const UPDATE: &str = "update";
/// The whole iteration.
pub const TOTAL: &str = "total";
/// Training since the run began.
pub const ELAPSED: &str = "elapsed";
/// Environment steps per second of the iteration.
pub const STEPS_PER_SECOND: &str = "steps_per_second";

// Below `losses`: of gradient-based algorithms.

/// Mean loss of the policy.
pub const POLICY_LOSS: &str = "policy_loss";
/// Mean squared error of the value.
pub const VALUE_LOSS: &str = "value_loss";
/// Mean entropy of the policy, in nats.
pub const ENTROPY: &str = "entropy";
/// Mean of the whole loss.
pub const TOTAL_LOSS: &str = "total_loss";
/// Mean norm of the gradient before clipping.
pub const GRAD_NORM: &str = "grad_norm";
/// Learning rate.
pub const LR: &str = "lr";

// Below `losses`: of PPO.

/// Approximate Kullback-Leibler divergence from the acting to the new policy.
pub const APPROX_KL: &str = "approx_kl";
/// The share of samples whose probability ratio was clipped.
pub const CLIP_FRACTION: &str = "clip_fraction";
/// Weight of the entropy bonus.
pub const ENT_COEF: &str = "ent_coef";
/// Epochs made.
pub const EPOCHS: &str = "epochs";
/// The share of the variance of the returns that the values explain.
pub const EXPLAINED_VARIANCE: &str = "explained_variance";

// Below `losses`: of supervised updates (AZ, BackwardScramble).

/// Mean target probability of the policy's first choice.
pub const AGREEMENT: &str = "agreement";
/// The share of problems that expert iteration solved.
pub const EXPERT_SUCCESS: &str = "expert_success";
/// Mean length of the solutions of expert iteration.
pub const EXPERT_LENGTH: &str = "expert_length";
/// Length of the longest backward walk.
pub const LONGEST_WALK: &str = "longest_walk";

// Below `losses`: of ES.

/// The smallest fitness of a member.
pub const FITNESS_MIN: &str = "fitness_min";
/// The first quartile of the fitness.
pub const FITNESS_25: &str = "fitness_25";
/// The median of the fitness.
pub const FITNESS_50: &str = "fitness_50";
/// The third quartile of the fitness.
pub const FITNESS_75: &str = "fitness_75";
/// The greatest fitness of a member.
pub const FITNESS_MAX: &str = "fitness_max";
/// Mean fitness.
pub const FITNESS_MEAN: &str = "fitness_mean";
/// Norm of the estimated gradient.
pub const GRADIENT_NORM: &str = "gradient_norm";
/// Cosine of the angle between the gradients that two halves of the population estimate.
pub const GRADIENT_COSINE: &str = "gradient_cosine";
/// Norm of the change of the weights.
pub const UPDATE_NORM: &str = "update_norm";
/// Norm of the trained weights.
pub const WEIGHT_NORM: &str = "weight_norm";
/// Standard deviation of the perturbations.
pub const SIGMA: &str = "sigma";
/// True if members share the product with the mean parameters, which is fast.
pub const SHARED_BASE: &str = "shared_base";
