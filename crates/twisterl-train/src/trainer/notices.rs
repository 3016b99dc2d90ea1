//! Warnings of a run, each given once.

use crate::algorithms::IterationOutput;
use crate::config::{AlgorithmConfig, Fitness, LearningConfig, RunConfig};
use crate::trainer::evaluation::EvaluationResult;
use std::collections::BTreeSet;

/// The warnings of a run.
#[derive(Debug, Default)]
pub(super) struct Notices {
    given: BTreeSet<String>,
    new: Vec<String>,
}

impl Notices {
    /// Adds a warning, unless there was the same before.
    pub(super) fn add(&mut self, text: String) {
        if self.given.insert(text.clone()) {
            self.new.push(text);
        }
    }

    /// Returns the warnings since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }

    /// Warns of episodes under way that could not be continued when the run was resumed.
    pub(super) fn add_lost_episodes(&mut self, lost: usize) {
        if lost > 0 {
            self.add(format!(
                "{lost} of the episodes under way begin afresh, since the environment did not repeat them: its randomness \
                 does not all come from the seed of reset()"
            ));
        }
    }

    /// Warns of evaluations whose episodes reached the default limit.
    pub(super) fn add_long_evaluations(&mut self, results: &[(String, EvaluationResult)]) {
        for (name, result) in results {
            if let Some(limit) = result.reached_limit {
                self.add(reached_limit(&format!("algorithm.evals.{name}.max_steps"), limit));
            }
        }
    }

    /// Warns of settings that need a measure of success, which no episode has shown so far, by their paths.
    pub(super) fn add_missing_success(
        &mut self,
        config: &RunConfig,
        difficulty: usize,
        curriculum: bool,
    ) {
        let missing = "but no episode was solved so far, and the environment does not tell if one is: info[\"is_success\"] \
                       in Gymnasium, a method success() or solved() elsewhere";
        let learning = &config.shared.learning;
        let default = LearningConfig {
            diff_metric: learning.diff_metric.clone(),
            ..LearningConfig::default()
        };
        let rises =
            learning.diff_threshold > 0.0 && learning.diff_max.is_none_or(|max| max > difficulty);
        if rises && (curriculum || *learning != default) {
            self.add(format!(
                "algorithm.learning.diff_metric: the difficulty goes up with success, {missing}; it stays at {difficulty}"
            ));
        }
        if let AlgorithmConfig::Es(config) = &config.algorithm
            && config.es.fitness == Fitness::Success
        {
            self.add(format!(
                "algorithm.es.fitness: the fitness is success, {missing}; \"return\" needs none"
            ));
        }
    }

    /// Warns of training episodes that reached the default limit, which holds because a field is not set.
    pub(super) fn add_long_episodes(
        &mut self,
        output: &IterationOutput,
        default: Option<(&str, usize)>,
    ) {
        if let Some((field, limit)) = default
            && output.episodes.iter().any(|e| !e.solved && e.length >= limit)
        {
            self.add(reached_limit(field, limit));
        }
    }
}

/// Returns the warning that an episode reached the default limit, which holds because `field` is not set.
pub fn reached_limit(field: &str, limit: usize) -> String {
    format!(
        "{field}: an episode did not end within {limit} steps, the default limit, and was truncated; set {field} to choose \
         the limit"
    )
}
