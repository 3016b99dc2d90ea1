//! The public test of an environment against the contract of [`Environment`].
//!
//! Every rule is tested on random episodes from scrambles and from uniform starts, with allowed actions and with all.
//! Panics of the environment are not caught.

use crate::env::{Environment, Start, Step};
use crate::error::counts::counted;
use crate::rng::{Purpose, Rng, StreamKey};
use crate::space::{Action, ActionSpace, Actions, ObservationSpace, Observations};
use crate::{Error, Result};
use rand::RngExt;
use std::fmt::{self, Display, Formatter};

mod advice;
mod inverses;
mod sample;
#[cfg(test)]
mod tests;
mod twists;

/// The number of episodes, and again for each twist.
const EPISODES: u64 = 32;
/// The maximum length of an episode.
const MAX_STEPS: usize = 100_000;
/// The first steps of an episode, which are all probed; of later ones every so many.
const PROBED_STEPS: usize = 32;
/// The number of steps after a state was set.
const REPLAYED_STEPS: usize = 8;

/// The names of the rules in errors.
mod rule {
    pub(super) const SPACES: &str = "spaces have a size";
    pub(super) const DIFFICULTY: &str = "a difficulty that was set is kept";
    pub(super) const UNIFORM: &str = "reset_uniform that returns false does nothing";
    pub(super) const SAME: &str = "the same start and actions give the same episode";
    pub(super) const CLONES: &str = "clones share nothing";
    pub(super) const OBSERVATIONS: &str = "observations fit their space";
    pub(super) const MASKS: &str = "masks leave a choice";
    pub(super) const REWARDS: &str = "rewards are finite";
    pub(super) const ENDS: &str = "a step terminates or truncates, not both";
    pub(super) const SOLVED: &str = "solved means terminated";
    pub(super) const BOUND: &str = "episodes end";
    pub(super) const BUDGET: &str = "an exhausted budget truncates and never terminates";
    pub(super) const LIMIT: &str = "limit_budget changes nothing but the budget";
    pub(super) const FINITE: &str = "states are finite numbers";
    pub(super) const STATES: &str = "a state can be set again";
    pub(super) const WRONG: &str = "wrong states are refused";
    pub(super) const UNCHANGED: &str = "a refused state changes nothing";
    pub(super) const TWISTS: &str = "twists are permutations";
    pub(super) const TWISTED: &str = "a twist has its twisted_state";
    pub(super) const INVERSES: &str = "an inverse undoes its action";
    pub(super) const DIFFICULTY_0: &str = "where all actions have inverses, difficulty 0 is solved";
    pub(super) const SYMMETRY: &str = "twists are symmetries";
}

/// The amount of work of [`check_env`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of episodes.
    pub episodes: usize,
    /// The number of steps.
    pub steps: usize,
    /// The number of twists that are symmetries.
    pub twists: usize,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [episodes, steps, twists] = [
            counted(self.episodes, "episode"),
            counted(self.steps, "step"),
            counted(self.twists, "symmetry"),
        ];
        write!(f, "{episodes}, {steps}, {twists}")
    }
}

/// Plays clones of `prototype` and tests each rule of the contract:
///
/// - spaces have a size, observations are elements of theirs (sparse ones without duplicates, dense ones finite),
///   and a mask leaves a choice of each discrete component;
/// - the same start and actions give the same episode, whatever was played before, and clones share nothing;
/// - rewards are finite, no step both terminates and truncates, a step that solves terminates, and episodes end
///   within 100,000 steps;
/// - a state can be set again, has the same key, and continues as before with the full budget; states of another length
///   or with entries that are not finite are refused, and a refused state changes nothing;
/// - a difficulty that was set is kept, or clamped to bounds of the environment;
/// - each twist is a pair of permutations other than the identity, and the twisted state has the twisted observations and
///   masks and gives the same rewards and ends, step by step;
/// - an inverse undoes its action, and is undone by it; if all actions have inverses, difficulty 0 begins solved.
///
/// # Errors
/// [`Error::Contract`] with the first broken rule.
pub fn check_env<E: Environment>(prototype: &E, seed: u64) -> Result<Report> {
    let mut check = Check {
        prototype,
        seed,
        observations: prototype.observation_space(),
        actions: prototype.action_space(),
        report: Report::default(),
    };
    check.spaces()?;
    check.difficulties()?;
    check.uniform()?;
    let mut veteran = prototype.clone();
    for episode in 0..EPISODES {
        check.episode(episode, &mut veteran)?;
    }
    check.inverses()?;
    for (index, twist) in prototype.twists().iter().enumerate() {
        check.twist(index, twist)?;
    }
    Ok(check.report)
}

/// Everything observable of an environment between two steps.
#[derive(Debug, PartialEq)]
struct View {
    observation: Observations,
    mask: Vec<bool>,
    solved: bool,
    state: Vec<f64>,
    key: u64,
}

struct Check<'e, E> {
    prototype: &'e E,
    seed: u64,
    observations: ObservationSpace,
    actions: ActionSpace,
    report: Report,
}

fn broken<E: Environment>(rule: &str, found: impl ToString) -> Error {
    let found = found.to_string();
    match advice::of(rule) {
        Some(advice) => Error::contract(E::NAME, rule, format!("found {found}; {advice}")),
        None => Error::contract(E::NAME, rule, format!("found {found}")),
    }
}

fn require<E: Environment, S: ToString>(
    holds: bool,
    rule: &str,
    found: impl FnOnce() -> S,
) -> Result<()> {
    if holds { Ok(()) } else { Err(broken::<E>(rule, found())) }
}

/// Requires that two views are equal; the error names the first difference.
fn same<E: Environment>(rule: &str, a: &View, b: &View) -> Result<()> {
    require::<E, _>(a == b, rule, || {
        if a.observation != b.observation {
            format!("observations {} and {}", shown(&a.observation), shown(&b.observation))
        } else if a.mask != b.mask {
            format!("masks {:?} and {:?}", a.mask, b.mask)
        } else if a.state != b.state {
            format!("states {:?} and {:?}", a.state, b.state)
        } else if a.key != b.key {
            format!("keys {} and {}", a.key, b.key)
        } else {
            format!("solved {} and {}", a.solved, b.solved)
        }
    })
}

fn shown(row: &Observations) -> String {
    if row.dense().is_empty() {
        format!("{:?}", row.indices())
    } else {
        format!("{:?}", row.dense())
    }
}

impl<E: Environment> Check<'_, E> {
    fn spaces(&self) -> Result<()> {
        let size = self.observations.size();
        require::<E, _>(size.is_some_and(|n| n > 0), rule::SPACES, || {
            format!("an observation of shape {:?}", self.observations.shape())
        })
    }

    fn difficulties(&self) -> Result<()> {
        let mut env = self.prototype.clone();
        let first = env.difficulty();
        for asked in [first, first.saturating_add(1), first.saturating_add(2), first] {
            env.set_difficulty(asked);
            let kept = env.difficulty();
            // An environment may have an upper bound, or a single difficulty.
            require::<E, _>((first..=asked).contains(&kept), rule::DIFFICULTY, || {
                format!("{kept} after {asked} was set")
            })?;
            env.reset(&mut self.stream(Purpose::Start, 0));
            require::<E, _>(env.difficulty() == kept, rule::DIFFICULTY, || {
                format!("{} after a reset at {kept}", env.difficulty())
            })?;
        }
        Ok(())
    }

    fn uniform(&self) -> Result<()> {
        let mut env = self.prototype.clone();
        env.reset(&mut self.stream(Purpose::Start, 0));
        let before = self.view(&env)?;
        if env.reset_uniform(&mut self.stream(Purpose::Start, 1)) {
            return Ok(());
        }
        same::<E>(rule::UNIFORM, &before, &self.view(&env)?)
    }

    /// Plays one episode twice, in a fresh environment and in one that has played other episodes.
    fn episode(&mut self, episode: u64, veteran: &mut E) -> Result<()> {
        let mut env = self.prototype.clone();
        self.begin(&mut env, episode)?;
        self.begin(veteran, episode)?;
        let mut rng = self.stream(Purpose::Act, episode);
        let mut view = self.view(&env)?;
        same::<E>(rule::SAME, &view, &self.view(veteran)?)?;
        self.report.episodes += 1;
        for made in 0..MAX_STEPS {
            if made < PROBED_STEPS || made % PROBED_STEPS == 0 {
                self.probe(&env, &view, &mut rng)?;
            }
            let action = self.draw(self.mask(episode, &view), &mut rng);
            let before = (env.clone(), view);
            let step = self.step(&mut env, action.row(0))?;
            let again = self.step(veteran, action.row(0))?;
            require::<E, _>(step == again, rule::SAME, || format!("{step:?} and {again:?}"))?;
            view = self.view(&env)?;
            same::<E>(rule::SAME, &view, &self.view(veteran)?)?;
            if step.done() {
                self.set_again(&env, &view, env.clone())?;
                let (env, view) = before;
                let (fresh, used) = self.set_again(&env, &view, env.clone())?;
                self.step_alike(&mut (env, fresh, used), action.row(0))?;
                return Ok(());
            }
        }
        Err(broken::<E>(rule::BOUND, format!("an episode of {MAX_STEPS} steps")))
    }

    /// Makes all calls that must not disturb the episode of `env`.
    fn probe(&mut self, env: &E, view: &View, rng: &mut Rng) -> Result<()> {
        let mut used = env.clone();
        self.step(&mut used, self.draw(None, rng).row(0))?;
        used.reset(rng);
        same::<E>(rule::CLONES, view, &self.view(env)?)?;

        let mut limited = env.clone();
        limited.limit_budget();
        same::<E>(rule::LIMIT, view, &self.view(&limited)?)?;

        let set = self.set_again(env, view, used)?;
        self.replay(env.clone(), set, rng)?;
        self.wrong_states(env, view, rng)
    }

    /// Sets the state of `env` in a new environment and in a `used` one, and returns both.
    fn set_again(&self, env: &E, view: &View, mut used: E) -> Result<(E, E)> {
        let mut fresh = self.prototype.clone();
        for other in [&mut fresh, &mut used] {
            other.set_difficulty(env.difficulty()); // the full budget may depend on it
            other.set_state(&view.state).map_err(|e| broken::<E>(rule::STATES, e))?;
            same::<E>(rule::STATES, view, &self.view(other)?)?;
        }
        Ok((fresh, used))
    }

    /// Takes the same random actions in the original and in the two environments that were set to its state.
    fn replay(&mut self, original: E, set: (E, E), rng: &mut Rng) -> Result<()> {
        let mut envs = (original, set.0, set.1);
        for _ in 0..REPLAYED_STEPS {
            let action = self.draw(None, rng);
            if self.step_alike(&mut envs, action.row(0))? {
                break;
            }
        }
        Ok(())
    }

    /// Takes one action in an original and in two environments that were set to its state, and returns true if an episode is
    /// over. The latter two must agree; the budget of the original differs, and with it perhaps reward and truncation.
    fn step_alike(&mut self, envs: &mut (E, E, E), action: Action<'_>) -> Result<bool> {
        let (original, fresh, used) = envs;
        let old = self.step(original, action)?;
        let new = self.step(fresh, action)?;
        let again = self.step(used, action)?;
        let view = self.view(fresh)?;
        require::<E, _>(new == again, rule::SAME, || format!("{new:?} and {again:?}"))?;
        same::<E>(rule::SAME, &view, &self.view(used)?)?;
        same::<E>(rule::STATES, &self.view(original)?, &view)?;
        let cut = old.truncated || new.truncated;
        require::<E, _>(cut || old.terminated == new.terminated, rule::BUDGET, || {
            format!("{old:?} in an episode, {new:?} with the full budget")
        })?;
        Ok(old.done() || new.done())
    }

    fn wrong_states(&mut self, env: &E, view: &View, rng: &mut Rng) -> Result<()> {
        let state = &view.state;
        let mut wrong = vec![("one entry too many", [&state[..], &[0.0]].concat())];
        if let Some((last, others)) = state.split_last() {
            wrong.push(("one entry too few", others.to_vec()));
            let at = rng.random_range(0..state.len() as u32) as usize;
            let with = |value| {
                let mut state = state.clone();
                state[at] = value;
                state
            };
            wrong.push(("an entry that is not a number", with(f64::NAN)));
            wrong.push(("an infinite entry", with(f64::INFINITY)));
            let odd = [-1.0, 0.5, 1e300, -1e300, 9_007_199_254_740_992.0, state[at] + 1.0, *last];
            let odd = odd[rng.random_range(0..odd.len() as u32) as usize];
            self.odd_state(env, view, &with(odd), rng)?;
        }
        for (what, state) in wrong {
            let mut copy = env.clone();
            require::<E, _>(copy.set_state(&state).is_err(), rule::WRONG, || what)?;
            self.unchanged(env, view, copy, rng)?;
        }
        Ok(())
    }

    /// Sets a state that only the environment can judge: it must be refused, or playable.
    fn odd_state(&mut self, env: &E, view: &View, state: &[f64], rng: &mut Rng) -> Result<()> {
        let mut copy = env.clone();
        if copy.set_state(state).is_err() {
            return self.unchanged(env, view, copy, rng);
        }
        self.view(&copy)?;
        for _ in 0..REPLAYED_STEPS {
            let done = self.step(&mut copy, self.draw(None, rng).row(0))?.done();
            self.view(&copy)?;
            if done {
                break;
            }
        }
        Ok(())
    }

    /// Requires that `copy`, which refused a state, still equals `env`, now and after a step.
    fn unchanged(&mut self, env: &E, view: &View, mut copy: E, rng: &mut Rng) -> Result<()> {
        same::<E>(rule::UNCHANGED, view, &self.view(&copy)?)?;
        let action = self.draw(None, rng);
        let mut env = env.clone();
        let (before, after) = (env.step(action.row(0)), copy.step(action.row(0)));
        require::<E, _>(before == after, rule::UNCHANGED, || format!("{before:?} and {after:?}"))
    }

    /// Returns the view of an environment, and requires that it is valid.
    fn view(&self, env: &E) -> Result<View> {
        let mut observation = Observations::new();
        observation.push_with(|row| env.observe(row));
        observation.check(&self.observations).map_err(|e| broken::<E>(rule::OBSERVATIONS, e))?;
        let mut ones = observation.indices().to_vec();
        ones.sort_unstable();
        let twice = ones.windows(2).find(|pair| pair[0] == pair[1]);
        require::<E, _>(twice.is_none(), rule::OBSERVATIONS, || format!("bits {twice:?} twice"))?;
        let values = observation.dense();
        require::<E, _>(values.iter().all(|v| v.is_finite()), rule::OBSERVATIONS, || {
            format!("{values:?}")
        })?;

        let mut mask = vec![true; self.actions.mask_width()];
        env.action_mask(&mut mask);
        let mut rest = &mask[..];
        for n in self.actions.choices() {
            let (choices, others) = rest.split_at(n);
            require::<E, _>(choices.contains(&true), rule::MASKS, || format!("{mask:?}"))?;
            rest = others;
        }

        let mut state = Vec::new();
        env.state(&mut state);
        require::<E, _>(state.iter().all(|v| v.is_finite()), rule::FINITE, || {
            format!("{state:?}")
        })?;
        let key = env.state_key(&mut Vec::new());
        Ok(View { observation, mask, solved: env.solved(), state, key })
    }

    /// Takes a step, and requires that its result is valid.
    fn step(&mut self, env: &mut E, action: Action<'_>) -> Result<Step> {
        let step = env.step(action);
        self.report.steps += 1;
        require::<E, _>(step.reward.is_finite(), rule::REWARDS, || step.reward)?;
        require::<E, _>(!(step.terminated && step.truncated), rule::ENDS, || format!("{step:?}"))?;
        require::<E, _>(!env.solved() || step.terminated, rule::SOLVED, || format!("{step:?}"))?;
        Ok(step)
    }

    /// Begins episode number `episode`: one of four difficulties, every second one at a uniform start.
    fn begin(&self, env: &mut E, episode: u64) -> Result<()> {
        let difficulty = self.prototype.difficulty().saturating_add((episode / 2 % 4) as usize);
        let start = match episode % 2 {
            0 => Start::Scramble { difficulty },
            _ => Start::Uniform { difficulty },
        };
        start.begin(env, &mut self.stream(Purpose::Start, episode))
    }

    /// Returns the mask for the actions of this episode; the second half of the episodes ignores masks.
    fn mask<'v>(&self, episode: u64, view: &'v View) -> Option<&'v [bool]> {
        (episode < EPISODES / 2).then_some(&view.mask)
    }

    fn draw(&self, mask: Option<&[bool]>, rng: &mut Rng) -> Actions {
        sample::draw(&self.actions, mask, rng)
    }

    fn stream(&self, purpose: Purpose, episode: u64) -> Rng {
        StreamKey::new(self.seed, purpose).iteration(episode).stream()
    }
}
