//! Solving problems: one pass of the policy, the best of many tries, or a search, within a budget.
//!
//! [`Solver`] is the way in. [`Play`] is what it uses to play many problems in lock step, as evaluations in
//! training do.

mod method;
mod play;
mod replay;
#[cfg(test)]
mod tests;
mod trees;

pub use crate::search::{BeamScore, Budget};
pub use method::Method;
pub use play::{Play, Solution};
pub use replay::{Replay, indices, replay};

use crate::env::Start;
use crate::envs::registry::EnvSpec;
use crate::evaluator::distribution::Choice;
use crate::evaluator::{Evaluator, Twisted};
use crate::parallel;
use crate::rng::StreamKey;
use crate::search::{ActionPath, Beam, BeamConfig, Threads};
use crate::space::Actions;
use crate::{Error, Result};

/// A widening beam grows by this factor, so that all narrower ones together cost a third of the last.
const GROWTH: usize = 4;

/// How the symmetries of the problem are used. A policy that is canonical is symmetric by itself, and ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SymmetryUse {
    /// Not at all.
    #[default]
    None,
    /// Each evaluation is the mean over the state and all its images.
    Average,
    /// The problem and each of its images are solved, each with an equal share of the budget, and the best solution counts.
    Each,
}

/// How problems are solved.
#[derive(Clone, Copy)]
pub struct Solver<'a> {
    /// The problem.
    pub spec: &'a dyn EnvSpec,
    /// The policy.
    pub evaluator: &'a dyn Evaluator,
    /// The way.
    pub method: Method,
    /// Bounds for each problem.
    pub budget: Budget<'a>,
    /// Whether images are looked at, too.
    pub images: SymmetryUse,
    /// The longest solution; `None`: as long as the environment allows.
    pub max_steps: Option<usize>,
    /// Key of the streams of the starts and of the actions, which have indices of their own.
    pub key: StreamKey,
}

impl Solver<'_> {
    /// Solves every start, on the threads of the current rayon pool. The outcomes, seconds aside, depend neither on
    /// their number nor on whether the starts come together or alone, unless time runs out. They carry start states
    /// and actions, and each has been played again and found true.
    ///
    /// # Errors
    /// If a start is refused, the environment fails, or the method cannot search its actions.
    pub fn run(&self, starts: &[Start<'_>]) -> Result<Vec<Solution>> {
        let twists = self.spec.twists();
        let symmetric = twists.is_empty() || !self.evaluator.twists().is_empty();
        let mut outcomes = match self.images {
            SymmetryUse::Average if !symmetric => {
                let evaluator = Twisted::average(self.evaluator, &twists);
                Solver { evaluator: &evaluator, ..*self }.solve(starts)?
            }
            SymmetryUse::Each if !symmetric => {
                let solver = Solver { budget: self.budget.share(1 + twists.len()), ..*self };
                let mut best = solver.solve(starts)?;
                for twist in &twists {
                    let evaluator = Twisted::image(self.evaluator, twist);
                    let outcomes = Solver { evaluator: &evaluator, ..solver }.solve(starts)?;
                    for (best, other) in best.iter_mut().zip(outcomes) {
                        let nodes = best.nodes + other.nodes;
                        let simulations = best.simulations + other.simulations;
                        let seconds = best.seconds + other.seconds;
                        if other.better_than(best) {
                            *best = other;
                        }
                        *best = Solution { nodes, simulations, seconds, ..std::mem::take(best) };
                    }
                }
                best
            }
            _ => self.solve(starts)?,
        };
        self.verify(starts, &mut outcomes)?;
        Ok(outcomes)
    }

    fn solve(&self, starts: &[Start<'_>]) -> Result<Vec<Solution>> {
        match self.method {
            Method::Greedy => self.play(Choice::Greedy, 1).run_within(starts, &self.budget),
            Method::Sample => self.play(Choice::Sample, 1).run_within(starts, &self.budget),
            Method::BestOf(n) => self.play(Choice::Sample, n).run_within(starts, &self.budget),
            Method::Tree(config) => self.trees(config, starts),
            Method::Beam { width, score } => self.beams(width..=width, score, starts),
            Method::Widening { width, score } => self.beams(1..=width, score, starts),
        }
    }

    fn play(&self, choice: Choice, searches: usize) -> Play<'_> {
        Play {
            spec: self.spec,
            evaluator: self.evaluator,
            choice,
            searches,
            max_steps: self.max_steps,
            key: self.key,
            record: true,
        }
    }

    /// Beams of all widths in the range, each [`GROWTH`] times as wide as the one before: over the starts where there
    /// are enough of them for all threads, and otherwise one after the other on all threads.
    fn beams(
        &self,
        widths: std::ops::RangeInclusive<usize>,
        score: BeamScore,
        starts: &[Start<'_>],
    ) -> Result<Vec<Solution>> {
        let widths: Vec<_> = std::iter::successors(Some(*widths.start()), |width| {
            (width < widths.end()).then(|| width.saturating_mul(GROWTH).min(*widths.end()))
        })
        .collect();
        let configs: Vec<_> = widths
            .into_iter()
            .map(|width| BeamConfig { width, score, max_steps: self.max_steps })
            .collect();
        let many = starts.len() >= parallel::threads().max(2);
        let starts = starts.iter().copied().enumerate();
        if many {
            let solve = |beams: &mut Vec<Beam>, start: (usize, Start<'_>)| {
                self.widen(beams, &configs, start, Threads::One)
            };
            return parallel::try_map_init(starts, Vec::new, solve);
        }
        let mut beams = Vec::new();
        starts.map(|start| self.widen(&mut beams, &configs, start, Threads::All)).collect()
    }

    /// Runs one beam after the other, each in search of what is better than what those before it found.
    fn widen(
        &self,
        beams: &mut Vec<Beam>,
        configs: &[BeamConfig],
        (index, start): (usize, Start<'_>),
        spread: Threads,
    ) -> Result<Solution> {
        let limit = self.budget.begin(1);
        let (mut found, mut nodes) = (ActionPath::default(), 0);
        for (level, config) in configs.iter().enumerate() {
            if level > 0 && (limit.expired() || nodes >= limit.nodes) {
                break;
            }
            if beams.len() == level {
                beams.push(Beam::new(self.spec, *config)?);
            }
            let Some(beam) = beams.get_mut(level) else { continue };
            let limit = limit.after(nodes);
            let mut rng = self.play(Choice::Greedy, 1).start_stream(index as u64);
            let (path, used) =
                beam.run(start, &mut rng, self.evaluator, &limit, (&found, spread))?;
            nodes += used;
            found = path;
        }
        Ok(self.outcome(found, nodes, limit.elapsed()))
    }

    /// Plays every outcome again from its start, and fills in the start state.
    fn verify(&self, starts: &[Start<'_>], outcomes: &mut [Solution]) -> Result<()> {
        let mut env = self.spec.batch(1);
        let play = self.play(Choice::Greedy, 1);
        let mut one = Actions::new(&self.spec.action_space());
        let mut steps = Vec::new();
        for (index, (start, outcome)) in starts.iter().zip(outcomes).enumerate() {
            env.begin(0, *start, &mut play.start_stream(index as u64))?;
            outcome.start.clear();
            env.state(0, &mut outcome.start)?;
            steps.clear();
            for i in 0..outcome.actions.len() {
                one.clear();
                one.push(outcome.actions.row(i));
                env.step(&[0], &one, &mut steps)?;
            }
            let total = steps.iter().fold(0.0, |total: f32, step| total + step.reward);
            let (solved, length) = (env.solved(0), steps.len());
            if (solved, length) != (outcome.solved, outcome.length)
                || total.to_bits() != outcome.total.to_bits()
            {
                return Err(Error::Contract {
                    name: self.spec.name().into(),
                    rule: "the same start and actions give the same episode".into(),
                    found: format!(
                        "solved {} with a return of {}, and played again solved {solved} with {total}",
                        outcome.solved, outcome.total
                    ),
                });
            }
        }
        Ok(())
    }
}
