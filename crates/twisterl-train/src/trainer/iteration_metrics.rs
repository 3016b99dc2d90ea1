//! The metrics of an iteration.

use crate::algorithms::IterationOutput;
use crate::config::{LearningConfig, ROLLOUT_METRIC};
use crate::record::metrics::{fields, names};
use crate::trainer::evaluation::EvaluationResult;
use serde_json::{Map, Value, json};
use twisterl_core::rollout::Episode;

/// The numbers of an iteration that neither its evaluations nor its algorithm report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counters {
    /// The number of the iteration, from 0.
    pub(super) iteration: u64,
    /// Environment steps since the run began.
    pub(super) env_steps: u64,
    /// The difficulty of the iteration's episodes.
    pub(super) difficulty: usize,
    /// The success that the curriculum uses, where this iteration measured it.
    pub(super) success: Option<f64>,
    /// True if episodes are known to be solved or not; if false, success is `null`.
    pub(super) measures_success: bool,
}

/// Returns the metrics of an iteration, in the order in which they are written; those of the evaluations at the end of a run
/// without `output`.
pub(super) fn metrics(
    counters: &Counters,
    results: &[(String, EvaluationResult)],
    output: Option<&IterationOutput>,
    time: Map<String, Value>,
) -> Map<String, Value> {
    let measured = counters.measures_success;
    let evals: Map<_, _> = results
        .iter()
        .map(|(name, result)| (name.clone(), json!(result.to_map(measured))))
        .collect();
    let mut metrics = fields([
        (names::ITERATION, json!(counters.iteration)),
        (names::ENV_STEPS, json!(counters.env_steps)),
        (names::DIFFICULTY, json!(counters.difficulty)),
        (names::SUCCESS, json!(counters.success.filter(|_| measured))),
        (names::EVALS, json!(evals)),
    ]);
    match output {
        Some(output) => metrics.extend(fields([
            (names::ROLLOUT, json!(rollout(&output.episodes, measured))),
            (names::LOSSES, json!(output.losses)),
        ])),
        None => metrics.extend(fields([(names::FINAL, json!(true))])),
    }
    metrics.insert(names::TIME.into(), json!(time));
    metrics
}

/// Returns the means over training episodes; `null` where there are none.
fn rollout(episodes: &[Episode], measures_success: bool) -> Map<String, Value> {
    let solved = episodes.iter().filter(|e| e.solved).count();
    let mean = |sum: f64| (!episodes.is_empty()).then(|| sum / episodes.len() as f64);
    fields([
        (names::EPISODES, json!(episodes.len())),
        (names::SUCCESS, json!(mean(solved as f64).filter(|_| measures_success))),
        (names::REWARD, json!(mean(episodes.iter().map(|e| f64::from(e.total)).sum()))),
        (names::LENGTH, json!(mean(episodes.iter().map(|e| e.length as f64).sum()))),
    ])
}

/// Returns the success that the curriculum uses, where the iteration measured it: that of an evaluation, or the share of
/// its `episodes` at `difficulty` that were solved.
pub(super) fn success(
    learning: &LearningConfig,
    results: &[(String, EvaluationResult)],
    episodes: &[Episode],
    difficulty: usize,
) -> Option<f64> {
    let metric = &learning.diff_metric;
    if metric != ROLLOUT_METRIC {
        return results.iter().find(|(name, _)| name == metric).map(|(_, r)| r.success);
    }
    let hard: Vec<_> = episodes.iter().filter(|e| e.difficulty == Some(difficulty)).collect();
    let solved = hard.iter().filter(|e| e.solved).count();
    (!hard.is_empty()).then(|| solved as f64 / hard.len() as f64)
}
