//! The learning algorithms: a config of its own for each.
//!
//! The structs mirror the JSON below `algorithm`, beside the sections that all algorithms share
//! ([`SharedConfig`](super::SharedConfig)).

mod alphazero;
mod backward_scramble;
mod es;
mod ppo;
mod starts;
mod supervised;

pub use alphazero::{AlphaZeroCollecting, AlphaZeroConfig, SelectionName};
pub use backward_scramble::{BackwardScrambleCollecting, BackwardScrambleConfig, ExpertsConfig};
pub use es::{CommonName, EsCollecting, EsConfig, EsOptimizer, EvolutionConfig, Fitness, Shaping};
pub use ppo::{PpoCollecting, PpoConfig, PpoStarts, PpoTraining};
pub use starts::StartsConfig;
pub use supervised::SupervisedTraining;

use super::json::{from_json, overlay, to_json};
use super::names::class;
use crate::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter};

/// The learning algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlgorithmClass {
    /// Proximal policy optimisation.
    #[default]
    Ppo,
    /// AlphaZero: learning from tree search.
    AlphaZero,
    /// Learning to undo walks away from solved states.
    BackwardScramble,
    /// Evolution strategies: learning from how well random perturbations of the weights do.
    Es,
}

impl AlgorithmClass {
    /// All algorithms by the names that configs give.
    pub const ALL: [(&'static str, Self); 4] = [
        ("PPO", Self::Ppo),
        ("AZ", Self::AlphaZero),
        ("BackwardScramble", Self::BackwardScramble),
        ("ES", Self::Es),
    ];

    /// The name that configs give.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ppo => "PPO",
            Self::AlphaZero => "AZ",
            Self::BackwardScramble => "BackwardScramble",
            Self::Es => "ES",
        }
    }

    /// Returns the algorithm of a name, whose module path is ignored: `twisterl.rl.PPO` is `PPO`.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(name: &str) -> Result<Self> {
        class::parse("algorithm_cls", name, &Self::ALL)
    }
}

impl Display for AlgorithmClass {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The learning algorithm of a run with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum AlgorithmConfig {
    /// Proximal policy optimisation.
    Ppo(Box<PpoConfig>),
    /// AlphaZero.
    AlphaZero(Box<AlphaZeroConfig>),
    /// Learning to undo walks away from solved states.
    BackwardScramble(Box<BackwardScrambleConfig>),
    /// Evolution strategies.
    Es(Box<EsConfig>),
}

impl AlgorithmConfig {
    /// The algorithm.
    pub fn class(&self) -> AlgorithmClass {
        match self {
            Self::Ppo(_) => AlgorithmClass::Ppo,
            Self::AlphaZero(_) => AlgorithmClass::AlphaZero,
            Self::BackwardScramble(_) => AlgorithmClass::BackwardScramble,
            Self::Es(_) => AlgorithmClass::Es,
        }
    }

    /// Reads the parameters of an algorithm from the section `algorithm`; those not given have their defaults.
    ///
    /// # Errors
    /// [`twisterl_core::Error::Config`] for the first value of a wrong type.
    pub(super) fn read(class: AlgorithmClass, given: Option<Value>) -> Result<Self> {
        Ok(match class {
            AlgorithmClass::Ppo => Self::Ppo(read(given)?),
            AlgorithmClass::AlphaZero => Self::AlphaZero(read(given)?),
            AlgorithmClass::BackwardScramble => Self::BackwardScramble(read(given)?),
            AlgorithmClass::Es => Self::Es(read(given)?),
        })
    }

    /// Returns the parameters as they stand in the section `algorithm`.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Ppo(ppo) => to_json(ppo),
            Self::AlphaZero(alphazero) => to_json(alphazero),
            Self::BackwardScramble(backward) => to_json(backward),
            Self::Es(es) => to_json(es),
        }
    }

    /// The values that a schedule reaches at the end of the run, by their paths.
    pub(super) fn final_values(&self) -> Vec<(&'static str, Option<f64>)> {
        match self {
            Self::Ppo(ppo) => {
                vec![("algorithm.training.ent_coef_final", ppo.training.ent_coef_final)]
            }
            Self::AlphaZero(_) | Self::BackwardScramble(_) => Vec::new(),
            Self::Es(es) => vec![("algorithm.es.sigma_final", es.es.sigma_final)],
        }
    }

    /// Checks values that must fit each other.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Ppo(ppo) => ppo.check(),
            Self::AlphaZero(alphazero) => alphazero.check(),
            Self::BackwardScramble(backward) => backward.check(),
            Self::Es(es) => es.check(),
        }
    }
}

fn read<A: Default + Serialize + DeserializeOwned>(given: Option<Value>) -> Result<Box<A>> {
    #[derive(Deserialize)]
    struct Config<A> {
        algorithm: Box<A>,
    }

    // Over the defaults of the algorithm, since those of a struct that several share may be others.
    let mut algorithm = to_json(&A::default());
    if let Some(given) = given {
        overlay(&mut algorithm, given);
    }
    from_json::<Config<A>>(json!({"algorithm": algorithm})).map(|config| config.algorithm)
}
