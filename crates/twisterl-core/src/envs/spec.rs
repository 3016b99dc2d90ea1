//! Environments with their parameters, as training, search and policies see them.

use crate::env::Environment;
pub use crate::env::StartKinds;
use crate::env::batch::{EnvBatch, VecEnv};
#[cfg(feature = "training")]
use crate::env::check::{Report, Rules, States, Subject, check};
use crate::env::episode_limits::EpisodeLimits;
use crate::env::no_backtracking::NoBacktracking;
use crate::env::walk;
use crate::error::from_serde;
use crate::space::declared::DeclaredSpaces;
use crate::space::symmetry::Twist;
use crate::space::{ActionSpace, ObservationSpace};
use crate::{Error, Result};
use serde_json::Value;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// An environment with its parameters: its spaces and symmetries, and the maker of its batches.
pub trait EnvSpec: Send + Sync + 'static {
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

    /// Returns true if a state lists the start of its episode and the actions since, so that the same position may have
    /// different states, and a state that was set is played again.
    fn states_are_histories(&self) -> bool {
        false
    }

    /// The rules that [`check`](Self::check) holds the environment to.
    #[cfg(feature = "training")]
    fn rules(&self) -> Rules {
        Rules::Contract
    }

    /// Returns false if [`VecEnv::state`] is an error: states can at most be set.
    fn tells_states(&self) -> bool {
        true
    }

    /// Returns false if the environment draws at random by itself, so that neither its starts nor its steps can be repeated.
    fn is_deterministic(&self) -> bool {
        true
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

    /// Returns a batch of `len` environments that are copied to each other, as search does.
    fn search_batch(&self, len: usize) -> Box<dyn VecEnv> {
        self.batch(len)
    }

    /// Returns this environment with its batches spread over `workers` processes.
    ///
    /// # Errors
    /// If it is written in Rust, whose batches are spread over threads, or the processes cannot be started.
    fn in_workers(self: Arc<Self>, workers: usize) -> Result<Arc<dyn EnvSpec>> {
        let expected = format!(
            "1, since {} is not written in Python (num_cores is the number of threads)",
            self.name()
        );
        Err(Error::config("algorithm.collecting.workers", expected, workers))
    }

    /// Returns the action that undoes `action`, see [`Environment::inverse`].
    fn inverse(&self, action: usize) -> Option<usize> {
        let _ = action;
        None
    }

    /// Returns the action that undoes each action, `[actions]`.
    ///
    /// # Errors
    /// If the environment does not declare the inverse of each action.
    fn inverses(&self) -> Result<Vec<u32>> {
        walk::inverses(self.name(), &self.action_space(), |action| self.inverse(action))
    }

    /// Returns a maker of random walks away from solved states.
    ///
    /// # Errors
    /// If the environment neither declares the inverse of each action nor steps back.
    #[cfg(feature = "training")]
    fn walker(self: Arc<Self>) -> Result<Box<dyn walk::Walk>> {
        let (actions, inverses) = (self.action_space(), self.inverses());
        walk::over(&actions, inverses, move |len| self.batch(len))
    }

    /// Tests the environment against its contract, see [`check`].
    ///
    /// # Errors
    /// The first broken rule, with the observed behaviour.
    #[cfg(feature = "training")]
    fn check(&self, seed: u64) -> Result<Report> {
        let actions = self.action_space();
        let choices = actions.single_discrete().unwrap_or(0);
        let name = self.name();
        let subject = Subject {
            name,
            observations: self.observation_space(),
            inverses: (0..choices).map(|action| self.inverse(action)).collect(),
            actions,
            twists: self.twists(),
            difficulty: self.difficulty(),
            starts: self.starts(),
            limits: self.episode_limits(),
            rules: self.rules(),
            states: match (self.tells_states(), self.states_are_histories()) {
                (false, _) => States::Untold,
                (true, true) => States::Histories,
                (true, false) => States::Positions,
            },
            batch: &|len| self.batch(len),
        };
        check(&subject, seed)
    }
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
        StartKinds::of(&self.prototype)
    }

    fn measures_success(&self) -> bool {
        self.prototype.measures_success() || self.starts().curriculum
    }

    fn batch(&self, len: usize) -> Box<dyn VecEnv> {
        Box::new(EnvBatch::new(&self.prototype, len))
    }

    fn inverse(&self, action: usize) -> Option<usize> {
        self.prototype.inverse(action)
    }

    #[cfg(feature = "training")]
    fn walker(self: Arc<Self>) -> Result<Box<dyn walk::Walk>> {
        // Compiled for the environment.
        let (actions, inverses) = (self.action_space(), self.inverses());
        walk::over(&actions, inverses, move |len| EnvBatch::new(&self.prototype, len))
    }
}
