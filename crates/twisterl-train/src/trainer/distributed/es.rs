//! ES whose iterations are distributed over processes or machines by the caller.

use crate::algorithms::es::{Es, Returns};
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::config::{AlgorithmConfig, RunConfig};
use crate::record::checkpoint::Checkpoint;
use crate::record::load;
use crate::record::metrics::LogLengths;
use crate::system::plugins;
use crate::trainer::iteration_metrics::{Counters, metrics};
use crate::trainer::{Trainer, in_workers};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use twisterl_core::envs::registry::{Registry, Trust};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;

/// A run of ES without its loop. Everyone who takes part makes the same one, plays some members of the population and
/// is told the returns of all, after which all are at the same next iteration with the same weights and curriculum.
/// Nothing else has to be sent.
pub struct DistributedEs {
    trainer: Trainer<Es>,
}

impl DistributedEs {
    /// Returns the beginning of the run that `config` describes, with fresh weights or those that a path leads to. A notice
    /// says if the environment does not repeat its episodes, so that no two who take part agree.
    ///
    /// # Errors
    /// If it is not a run of ES, or as for [`train`](crate::trainer::train).
    pub fn new(config: &RunConfig, weights: Option<&Path>, registry: &Registry) -> Result<Self> {
        let mut run = Self::begin(config, weights, registry)?;
        run.trainer.spec.check_replay()?.into_iter().for_each(|text| run.trainer.notices.add(text));
        Ok(run)
    }

    fn begin(config: &RunConfig, weights: Option<&Path>, registry: &Registry) -> Result<Self> {
        let registry = &plugins::bounded(registry, config.env_sandbox);
        let spec = registry.with_trust(Trust::Code).make(&config.env_cls, &config.env)?;
        let policy = match weights {
            Some(path) => load::weights_for(config, &*spec, path, registry)?,
            None => load::initial_policy(config, &*spec, registry)?,
        };
        let AlgorithmConfig::Es(es) = &config.algorithm else {
            let expected = "ES, whose iterations can be distributed";
            return Err(Error::config("algorithm_cls", expected, config.algorithm.class()));
        };
        let spec = in_workers(spec, config)?;
        let (optimizer, interrupt) = (&config.shared.optimizer, Interrupt::default());
        let mut policy = PolicyInTraining::new(optimizer, policy, &interrupt)?;
        let es = Box::new(Es::new(es, config.seed, Arc::clone(&spec), &mut policy)?);
        Ok(Self { trainer: Trainer::new(config.clone(), spec, policy, es) })
    }

    /// Returns the run with `config` as it was when it wrote the checkpoint in `folder`, by [`save`](Self::save) or by
    /// the trainer.
    ///
    /// # Errors
    /// If there is no such checkpoint, or its network is another.
    pub fn load(config: &RunConfig, folder: &Path, registry: &Registry) -> Result<Self> {
        let mut run = Self::begin(config, None, registry)?;
        let mut checkpoint = Checkpoint::read(folder)?;
        registry.complete(&mut checkpoint.policy.network)?;
        let (policy, found) = (run.trainer.policy.initial(), &checkpoint.policy);
        if (&policy.network, policy.symmetry) != (&found.network, found.symmetry) {
            let expected = "a policy with the network and symmetry of the config";
            return Err(Error::checkpoint(folder, expected, "another"));
        }
        run.trainer.restore(checkpoint)?;
        Ok(run)
    }

    /// Returns the warnings since the last call.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.trainer.notices.take()
    }

    /// Writes a checkpoint of this moment as `folder`.
    ///
    /// # Errors
    /// As for [`Checkpoint::write`].
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.trainer.checkpoint(&LogLengths::default()).write(folder)
    }

    /// Stops asking and telling once it is set. Neither has changed anything then.
    pub fn interrupt(&self) -> &Interrupt {
        self.trainer.policy.interrupt()
    }

    /// The number of the iteration that is asked next, from 0.
    pub fn iteration(&self) -> u64 {
        self.trainer.now().number
    }

    /// The difficulty of its episodes.
    pub fn difficulty(&self) -> usize {
        self.trainer.now().difficulty
    }

    /// The policy as it would be saved now.
    pub fn policy(&self) -> Policy {
        self.trainer.policy.to_policy()
    }

    /// Plays these members: see [`Es::ask_range`].
    ///
    /// # Errors
    /// As for [`Es::ask_range`].
    pub fn ask_range(&self, members: Range<u64>) -> Result<Returns> {
        self.trainer.algorithm.ask_range(&self.trainer.now(), members)
    }

    /// Ends the iteration with the returns of all members, in parts in any order: makes the evaluations that are due,
    /// updates the policy, then advances the curriculum. Returns the metrics of the iteration, as a run logs them,
    /// without times.
    ///
    /// # Errors
    /// As for [`Es::tell`]; nothing has changed then.
    pub fn tell(&mut self, returns: &[Returns]) -> Result<Map<String, Value>> {
        let trainer = &mut self.trainer;
        let now = trainer.now();
        let results = trainer.evaluate(false)?;
        let output = trainer.algorithm.tell(&mut trainer.policy, &now, returns)?;
        let success = trainer.advance(&now, &results, &output);
        let counters = Counters {
            iteration: now.number,
            env_steps: trainer.env_steps,
            difficulty: now.difficulty,
            success,
            measures_success: trainer.measures_success,
        };
        Ok(metrics(&counters, &results, Some(&output), Map::new()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::trainer::{Options, train};
    use serde_json::json;

    /// A puzzle of 2 x 2 with a small population, whose difficulty rises.
    fn config(rank: usize, metric: &str) -> RunConfig {
        RunConfig::from_value(json!({
            "env_cls": "Puzzle",
            "env": {"width": 2, "height": 2, "difficulty": 1, "depth_offset": 4},
            "policy": {"embedding_size": 8, "common_layers": [6], "symmetry": "canonical"},
            "algorithm_cls": "ES",
            "algorithm": {
                "es": {"population": 20, "num_episodes": 3, "rank": rank, "deterministic": false},
                "learning": {"diff_metric": metric, "diff_threshold": 0.3},
                "evals": {"every": {"num_episodes": 20, "every": 2}},
                "optimizer": {"lr": 0.05, "averaging": 0.5}
            },
            "num_iterations": 6
        }))
        .unwrap()
    }

    fn run(rank: usize) -> DistributedEs {
        DistributedEs::new(&config(rank, "rollout"), None, &Registry::default()).unwrap()
    }

    fn bits(run: &DistributedEs) -> Vec<u32> {
        run.trainer.policy.weights().iter().map(|w| w.to_bits()).collect()
    }

    #[test]
    fn any_split_over_any_threads_gives_the_same_weights() {
        for rank in [0, 1] {
            let splits: [&[u64]; 5] =
                [&[0, 20], &[0, 1, 20], &[0, 7, 8, 13, 20], &[0, 10, 20], &[0, 0, 19, 20]];
            let mut ends = Vec::new();
            for (threads, split) in splits.into_iter().enumerate() {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(threads + 1).build().unwrap();
                let (mut everyone, mut metrics) = (vec![run(rank), run(rank)], Vec::new());
                for _ in 0..4 {
                    let parts: Vec<Returns> = split
                        .windows(2)
                        .enumerate()
                        .map(|(i, range)| {
                            let asked = &everyone[i % 2];
                            let part = pool.install(|| asked.ask_range(range[0]..range[1]));
                            Returns::from_bytes(&part.unwrap().to_bytes()).unwrap()
                        })
                        .rev()
                        .collect();
                    metrics.extend(everyone.iter_mut().map(|one| one.tell(&parts).unwrap()));
                }
                assert_eq!(bits(&everyone[0]), bits(&everyone[1]));
                ends.push((bits(&everyone[0]), metrics));
            }
            assert!(ends.windows(2).all(|two| two[0] == two[1]), "rank {rank}");
        }
    }

    #[test]
    fn it_is_the_run_that_the_trainer_makes() {
        for metric in ["rollout", "every"] {
            let folder = tempfile::tempdir().unwrap();
            let (config, registry) = (config(1, metric), Registry::default());
            let path = folder.path().join("run");
            let quiet = Options { quiet: true, ..Options::default() };
            let summary = train(&config, &path, &quiet, &registry).unwrap();
            let mut run = DistributedEs::new(&config, None, &registry).unwrap();
            let mut steps = 0;
            for number in 0..6 {
                // What a checkpoint holds is enough to take over.
                run.save(&folder.path().join("saved")).unwrap();
                run =
                    DistributedEs::load(&config, &folder.path().join("saved"), &registry).unwrap();
                assert_eq!(run.iteration(), number);
                let returns = run.ask_range(0..20).unwrap();
                let metrics = run.tell(&[returns]).unwrap();
                assert_eq!(metrics["iteration"], number);
                steps = metrics["env_steps"].as_u64().unwrap();
            }
            assert_eq!((steps, run.difficulty()), (summary.env_steps, summary.difficulty));
            assert!(summary.difficulty > 1, "the curriculum has moved");
            let last = Checkpoint::read(&path.join("checkpoint_last")).unwrap();
            assert_eq!(last.policy, run.policy());
            let taken =
                DistributedEs::load(&config, &path.join("checkpoint_last"), &registry).unwrap();
            assert_eq!(bits(&taken), bits(&run));
        }
    }

    #[test]
    fn answers_that_do_not_make_a_population_are_refused_and_change_nothing() {
        let mut run = run(1);
        let before = bits(&run);
        let part = |range| run.ask_range(range).unwrap();
        let (low, high, all) = (part(0..10), part(10..20), part(0..20));
        let mut cut = high.clone();
        cut.totals.pop();
        let mut odd = high.clone();
        odd.lengths.push(1);
        let mut stale = high.clone();
        stale.question.iteration = 1;
        let mut strange = high.clone();
        strange.question.weights_checksum ^= 1;
        let mut infinite = all.clone();
        infinite.totals[7] = f32::NAN;
        for (parts, message) in [
            (vec![], "returns: expected all 20 members, found 0"),
            (vec![low.clone()], "expected all 20 members, found 10"),
            (vec![high.clone()], "from 10 on: expected members from 0 on first"),
            (vec![low.clone(), low.clone(), high.clone()], "expected members from 10 on first"),
            (vec![all.clone(), high.clone()], "expected members from 20 on first"),
            (vec![low.clone(), cut], "expected 3 episodes a member, found 29"),
            (vec![low.clone(), odd], "found 30, [31, 30, 30]"),
            (vec![low.clone(), stale], "found Question { iteration: 1"),
            (vec![low.clone(), strange], "expected answers to Question { iteration: 0"),
            (vec![infinite], "the fitness of a member is NaN"),
        ] {
            let error = run.tell(&parts).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert_eq!((bits(&run), run.iteration()), (before, 0));
        for range in [19..21, Range { start: 5, end: 4 }] {
            let error = run.ask_range(range).unwrap_err().to_string();
            assert!(error.contains("expected members among the 20"), "{error}");
        }
        run.tell(&[high, low]).unwrap();
        let error = run.tell(&[all]).unwrap_err().to_string();
        assert!(error.contains("iteration: 0"), "{error}");
    }

    #[test]
    fn other_runs_and_other_checkpoints_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::default();
        let saved = folder.path().join("saved");
        run(1).save(&saved).unwrap();
        let mut wider = config(1, "rollout");
        wider.policy.embedding_size = 9;
        for (error, message) in [
            (
                DistributedEs::load(&wider, &saved, &registry).err(),
                "expected a policy with the network",
            ),
            (
                DistributedEs::load(&wider, folder.path(), &registry).err(),
                "expected a checkpoint folder",
            ),
            (
                DistributedEs::new(
                    &RunConfig { algorithm: AlgorithmConfig::Ppo(Box::default()), ..wider },
                    None,
                    &registry,
                )
                .err(),
                "algorithm_cls: expected ES, whose iterations can be distributed, found PPO",
            ),
        ] {
            let error = error.unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn an_interrupt_leaves_everything_as_it_was() {
        let mut run = run(1);
        let interrupt = run.interrupt().clone();
        let returns = run.ask_range(0..20).unwrap();
        interrupt.set();
        let before = bits(&run);
        assert!(run.ask_range(0..20).unwrap_err().is_interrupted());
        // The evaluation of iteration 0 comes first.
        assert!(run.tell(std::slice::from_ref(&returns)).unwrap_err().is_interrupted());
        assert_eq!(bits(&run), before);
        interrupt.clear();
        assert_eq!(run.ask_range(0..20).unwrap(), returns);
        run.tell(&[returns]).unwrap();
    }
}
