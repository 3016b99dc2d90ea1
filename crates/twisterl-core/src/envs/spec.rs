//! Environments with their parameters, as training, search and policies see them.

use crate::env::Environment;
use crate::env::batch::{EnvBatch, VecEnv};
#[cfg(feature = "training")]
use crate::env::check::{Report, check_env};
use crate::env::episode_limits::EpisodeLimits;
use crate::env::no_backtracking::NoBacktracking;
use crate::env::walk::inverses;
#[cfg(feature = "training")]
use crate::env::walk::{Walk, Walker};
use crate::error::from_serde;
use crate::policy::network::Network;
use crate::rng::{Purpose, StreamKey};
use crate::space::declared::DeclaredSpaces;
use crate::space::symmetry::Twist;
use crate::space::{ActionSpace, ObservationSpace};
use crate::{Error, Result};
use serde_json::Value;
use std::any::Any;
use std::fmt;

/// An environment with its parameters: its spaces and symmetries, and the maker of its batches.
pub trait EnvSpec: Send + Sync {
    /// The registered name.
    fn name(&self) -> &str;

    /// The parameters with defaults filled in.
    fn params(&self) -> Value;

    /// The parameters that [`params`](Self::params) leaves out where they have their defaults: name and default, for lists.
    fn unwritten_defaults(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The observation space.
    fn observation_space(&self) -> ObservationSpace;

    /// The action space.
    fn action_space(&self) -> ActionSpace;

    /// The spaces that the environment declares, if they are not those that it observes and acts in.
    fn declared_spaces(&self) -> Option<DeclaredSpaces> {
        None
    }

    /// The symmetries of the problem, without the identity.
    fn twists(&self) -> Vec<Twist>;

    /// The difficulty of the parameters.
    fn difficulty(&self) -> usize;

    /// The ways in which episodes may start.
    fn starts(&self) -> StartKinds;

    /// Returns true if episodes are known to be solved or not; false if they have no more than returns, or none has told yet.
    fn measures_success(&self) -> bool;

    /// The lengths at which episodes are truncated where the user sets no other.
    fn episode_limits(&self) -> EpisodeLimits {
        EpisodeLimits::NATIVE
    }

    /// Returns itself if the environment is not written in Rust, for the binding of its language.
    fn foreign_spec(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Plays an episode twice and returns a warning if the second one differs from the first: of an environment that is not
    /// written in Rust, since those are deterministic by contract.
    ///
    /// # Errors
    /// If it is interrupted.
    fn check_replay(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns a batch of `len` environments.
    fn batch(&self, len: usize) -> Box<dyn VecEnv>;

    /// Returns the action that undoes each action, `[actions]`.
    ///
    /// # Errors
    /// If the environment does not declare the inverse of each action.
    fn inverses(&self) -> Result<Vec<u32>>;

    /// Returns a maker of random walks away from solved states.
    ///
    /// # Errors
    /// If the environment does not declare the inverse of each action.
    #[cfg(feature = "training")]
    fn walker(&self) -> Result<Box<dyn Walk>>;

    /// Tests the environment against its contract.
    ///
    /// # Errors
    /// The first broken rule, with the observed behaviour.
    #[cfg(feature = "training")]
    fn check(&self, seed: u64) -> Result<Report>;
}

/// The ways in which the episodes of an environment may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartKinds {
    /// The difficulty can be set, so that a curriculum can raise it.
    pub curriculum: bool,
    /// From states drawn uniformly from all states ([`Environment::reset_uniform`]).
    pub uniform: bool,
}

impl dyn EnvSpec + '_ {
    /// Returns a batch of `len` environments for play; without `backtracking`, its masks forbid undoing the last action
    /// ([`NoBacktracking`]).
    ///
    /// # Errors
    /// If `backtracking` is false and the environment does not declare the inverse of each action.
    pub fn play_batch(&self, len: usize, backtracking: bool) -> Result<Box<dyn VecEnv>> {
        let env = self.batch(len);
        if backtracking {
            return Ok(env);
        }
        Ok(Box::new(NoBacktracking::new(env, self.required_inverses()?)))
    }

    /// Returns the action that undoes each action, for policies that play without backtracking.
    ///
    /// # Errors
    /// Names `policy.backtracking` if the environment does not declare them.
    pub fn required_inverses(&self) -> Result<Vec<u32>> {
        self.inverses().map_err(|_| {
            let expected =
                "true for an environment that does not declare the inverse of each action";
            Error::config("policy.backtracking", expected, format!("false for {}", self.name()))
        })
    }

    /// Checks that `network` reads the observations of the environment and gives its actions.
    ///
    /// # Errors
    /// The network that is expected, and the one that was found.
    pub fn check_network(&self, network: &Network) -> std::result::Result<(), (String, String)> {
        let (observation, actions) = (self.observation_space(), self.action_space());
        if network.observation == observation && network.actions == actions {
            return Ok(());
        }
        let name = self.name();
        let expected =
            format!("a network for {name} with {observation:?} and {:?}", actions.components());
        Err((expected, format!("{:?} and {:?}", network.observation, network.actions.components())))
    }
}

impl fmt::Debug for dyn EnvSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.params())
    }
}

/// The specification of an environment written in Rust.
pub(super) struct Native<E: Environment> {
    params: Value,
    prototype: E,
}

impl<E: Environment> Native<E> {
    /// Builds the environment, and checks what later code relies on.
    pub(super) fn new(params: &Value) -> Result<Self> {
        let params: E::Params =
            from_serde::read(params.clone()).map_err(|error| error.below("env"))?;
        let prototype = E::new(&params).map_err(|error| error.below("env"))?;
        let params = serde_json::to_value(&params)
            .map_err(|e| Error::contract(E::NAME, "parameters can be written as JSON", e))?;
        let bits = prototype.observation_space().size().unwrap_or(0);
        let actions = prototype.action_space().single_discrete().unwrap_or(0);
        for twist in prototype.twists() {
            let checked = twist.check(bits, actions);
            checked.map_err(|e| Error::contract(E::NAME, "twists are permutations", e))?;
        }
        Ok(Self { params, prototype })
    }
}

impl<E: Environment> EnvSpec for Native<E> {
    fn name(&self) -> &str {
        E::NAME
    }

    fn params(&self) -> Value {
        self.params.clone()
    }

    fn unwritten_defaults(&self) -> &'static [(&'static str, &'static str)] {
        E::UNWRITTEN_DEFAULTS
    }

    fn observation_space(&self) -> ObservationSpace {
        self.prototype.observation_space()
    }

    fn action_space(&self) -> ActionSpace {
        self.prototype.action_space()
    }

    fn twists(&self) -> Vec<Twist> {
        self.prototype.twists()
    }

    fn difficulty(&self) -> usize {
        self.prototype.difficulty()
    }

    fn starts(&self) -> StartKinds {
        let mut tried = self.prototype.clone();
        let difficulty = self.difficulty();
        // The greatest difficulty may be set already.
        let curriculum =
            [difficulty.saturating_add(1), difficulty.saturating_sub(1)].into_iter().any(|other| {
                tried.set_difficulty(other);
                tried.difficulty() != difficulty
            });
        let uniform = tried.reset_uniform(&mut StreamKey::new(0, Purpose::Start).stream());
        StartKinds { curriculum, uniform }
    }

    fn measures_success(&self) -> bool {
        self.prototype.measures_success() || self.starts().curriculum
    }

    fn batch(&self, len: usize) -> Box<dyn VecEnv> {
        Box::new(EnvBatch::new(&self.prototype, len))
    }

    fn inverses(&self) -> Result<Vec<u32>> {
        inverses(&self.prototype)
    }

    #[cfg(feature = "training")]
    fn walker(&self) -> Result<Box<dyn Walk>> {
        Ok(Box::new(Walker::new(&self.prototype)?))
    }

    #[cfg(feature = "training")]
    fn check(&self, seed: u64) -> Result<Report> {
        check_env(&self.prototype, seed)
    }
}
