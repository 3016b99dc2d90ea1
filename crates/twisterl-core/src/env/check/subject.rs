//! The environment that is checked.

use super::rule;
use crate::env::batch::{EnvBatch, VecEnv};
use crate::env::episode_limits::EpisodeLimits;
use crate::env::{Environment, StartKinds};
use crate::space::symmetry::Twist;
use crate::space::{ActionSpace, ObservationSpace};
use crate::{Error, Result};

/// An environment to check: what it declares, and the maker of its batches.
pub struct Subject<'a> {
    /// The name of the environment, for messages.
    pub name: &'a str,
    /// The observation space.
    pub observations: ObservationSpace,
    /// The action space.
    pub actions: ActionSpace,
    /// The symmetries of the problem, without the identity.
    pub twists: Vec<Twist>,
    /// The action that undoes each action of a single discrete component, `[actions]`; see [`Environment::inverse`].
    pub inverses: Vec<Option<usize>>,
    /// The difficulty of the parameters.
    pub difficulty: usize,
    /// The ways in which episodes may start.
    pub starts: StartKinds,
    /// The lengths at which training and play truncate episodes.
    pub limits: EpisodeLimits,
    /// The rules that the environment is held to.
    pub rules: Rules,
    /// The meaning of states.
    pub states: States,
    /// Returns a batch of as many environments.
    pub batch: &'a dyn Fn(usize) -> Box<dyn VecEnv>,
}

/// The rules that an environment is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rules {
    /// The contract of [`Environment`].
    #[default]
    Contract,
    /// The rules that training relies on, for interfaces that promise less: an episode need not end by itself, nothing is
    /// said of it once it has ended, a masked action may be refused, success need not end an episode, and a budget may
    /// terminate.
    Training,
}

/// The meaning of the states that an environment tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum States {
    /// Everything that the rest of the episode depends on, except the steps left.
    #[default]
    Positions,
    /// The start of the episode and the actions since.
    Histories,
    /// None: states are not told, and can at most be set.
    Untold,
}

impl<'a> Subject<'a> {
    /// Returns the environment `prototype`; `batch` makes copies of it.
    pub(super) fn of<E: Environment>(
        prototype: &E,
        batch: &'a dyn Fn(usize) -> Box<dyn VecEnv>,
    ) -> Self {
        let actions = prototype.action_space();
        let choices = actions.single_discrete().unwrap_or(0);
        Self {
            name: E::NAME,
            observations: prototype.observation_space(),
            inverses: (0..choices).map(|action| prototype.inverse(action)).collect(),
            actions,
            twists: prototype.twists(),
            difficulty: prototype.difficulty(),
            starts: StartKinds::of(prototype),
            limits: EpisodeLimits::NATIVE,
            rules: Rules::Contract,
            states: States::Positions,
            batch,
        }
    }

    /// Returns the error for a broken rule.
    pub(super) fn broken(&self, rule: &str, found: impl ToString) -> Error {
        let found = found.to_string();
        let advice = match self.rules {
            Rules::Contract => rule::advice(rule),
            Rules::Training => rule::advice_for_played(rule),
        };
        match advice {
            Some(advice) => Error::contract(self.name, rule, format!("found {found}; {advice}")),
            None => Error::contract(self.name, rule, format!("found {found}")),
        }
    }

    /// Requires that a rule holds.
    pub(super) fn require<S: ToString>(
        &self,
        holds: bool,
        rule: &str,
        found: impl FnOnce() -> S,
    ) -> Result<()> {
        if holds { Ok(()) } else { Err(self.broken(rule, found())) }
    }

    /// Returns the error for a call that failed, in which a rule is broken; failures of other kinds stay what they are.
    pub(super) fn refused(&self, rule: &str, error: Error) -> Error {
        match error {
            Error::State { .. } | Error::Action { .. } | Error::Raised { .. } => {
                self.broken(rule, error)
            }
            error => error,
        }
    }
}

/// Returns a maker of batches of `prototype`.
pub(super) fn batches<E: Environment>(prototype: &E) -> impl Fn(usize) -> Box<dyn VecEnv> {
    let prototype = prototype.clone();
    move |len| Box::new(EnvBatch::new(&prototype, len))
}
