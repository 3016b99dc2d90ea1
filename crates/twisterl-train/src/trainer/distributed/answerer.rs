//! The worker of a distributed run: answers parts of questions.

use crate::algorithms::alphazero::AlphaZeroAnswers;
use crate::algorithms::backward_scramble::WalkAnswers;
use crate::algorithms::es::Es;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::ppo::PpoAnswers;
use crate::algorithms::spread::{Answers, Asked, Task, config_checksum};
use crate::config::{AlgorithmConfig, RunConfig};
use crate::record::load;
use crate::system::plugins;
use crate::trainer::evaluation::Evaluation;
use crate::{Error, Result};
use std::sync::Arc;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::error::json;

/// Answers questions about a run. An answer depends on config, question and part alone.
pub struct Answerer {
    checksum: u32,
    config: RunConfig,
    spec: Arc<dyn EnvSpec>,
    registry: Registry,
    algorithm: Box<dyn Answers>,
    /// The last question and its bytes.
    asked: Option<(Vec<u8>, Asked)>,
    interrupt: Interrupt,
}

impl Answerer {
    /// Prepares for questions about the run that `config` (JSON) describes. The name of its environment may lead to
    /// [code](Trust::Code).
    ///
    /// # Errors
    /// If the config does not fit the environment.
    pub fn new(config: &str, registry: &Registry) -> Result<Self> {
        let checksum = config_checksum(config);
        let value = json::parse(config.as_bytes())
            .map_err(|error| Error::config("config", "JSON", error))?;
        let config = RunConfig::from_value(value)?;
        let registry = plugins::bounded(registry, config.env_sandbox);
        let spec = registry.with_trust(Trust::Code).make(&config.env_cls, &config.env)?;
        let interrupt = Interrupt::default();
        let algorithm = answers(&config, Arc::clone(&spec), &registry, &interrupt)?;
        Ok(Self { checksum, config, spec, registry, algorithm, asked: None, interrupt })
    }

    /// Stops an answer once it is set.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Returns the answer to a part of a question, on the threads of the current rayon pool.
    ///
    /// # Errors
    /// If the question is damaged or about another run, there is no such part, or the environment fails.
    pub fn answer(&mut self, question: &[u8], part: usize) -> Result<Vec<u8>> {
        if self.asked.as_ref().is_none_or(|(bytes, _)| bytes != question) {
            self.asked = None;
            let registry = &self.registry;
            let complete = |policy: &mut twisterl_core::policy::Policy| {
                Ok(registry.complete(&mut policy.network)?)
            };
            let asked = Asked::read(question, self.checksum, complete, &self.interrupt)?;
            if asked.task == Task::Collect {
                self.algorithm.begin(&asked)?;
            }
            self.asked = Some((question.to_vec(), asked));
        }
        let Some((_, asked)) = &self.asked else {
            return Err(Error::config("question", "one that was read", "none"));
        };
        let answer = match asked.task {
            Task::Collect => self.algorithm.collect(asked, part)?,
            Task::Search => self.algorithm.search(asked, part)?,
            Task::Evaluate { position } => {
                let evals = &self.config.shared.evals;
                let Some((_, eval)) = evals.iter().nth(position) else {
                    let expected = format!("one of {} evaluations", evals.len());
                    return Err(Error::config("question", expected, position));
                };
                let (spec, seed) = (&*self.spec, self.config.seed);
                let evaluation = Evaluation::new(eval, position, spec, &asked.iteration, seed)?;
                evaluation.answer(&asked.executor, part)?
            }
        };
        asked.reply(part, answer)
    }
}

/// Returns what answers for the algorithm that `config` names.
fn answers(
    config: &RunConfig,
    spec: Arc<dyn EnvSpec>,
    registry: &Registry,
    interrupt: &Interrupt,
) -> Result<Box<dyn Answers>> {
    let seed = config.seed;
    Ok(match &config.algorithm {
        AlgorithmConfig::Ppo(ppo) => Box::new(PpoAnswers::new(ppo, seed, spec)),
        AlgorithmConfig::AlphaZero(az) => Box::new(AlphaZeroAnswers::new(az, seed, spec)),
        AlgorithmConfig::BackwardScramble(walks) => Box::new(WalkAnswers::new(walks, seed, spec)?),
        AlgorithmConfig::Es(es) => {
            let policy = load::initial_policy(config, &*spec, registry)?;
            let mut policy = PolicyInTraining::new(&config.shared.optimizer, policy, interrupt)?;
            Box::new(Es::new(es, seed, spec, &mut policy)?)
        }
    })
}
