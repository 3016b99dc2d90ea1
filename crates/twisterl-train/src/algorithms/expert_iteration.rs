//! Solutions that a beam search found with the policy, for the policy to learn from (expert iteration: Anthony et al.
//! 2017, "Thinking Fast and Slow with Deep Learning and Tree Search").

use crate::Result;
use crate::config::ExpertsConfig;
use rand::RngExt as _;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::{Rng, StreamKey};
use twisterl_core::solve::{BeamScore, Method, Solver};

/// A way from a state to a solved one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SolvedProblem {
    /// The state.
    pub start: Vec<f64>,
    /// The way.
    pub actions: Vec<u32>,
}

/// A ring of solutions: new ones replace the oldest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Experts {
    solutions: Vec<SolvedProblem>,
    next: usize,
}

/// What the searches of one iteration came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Searched {
    /// Share of the problems solved.
    pub success: f64,
    /// Mean length of the solutions, 0 where there is none.
    pub length: f64,
}

impl Experts {
    /// Solves new problems with `evaluator` and remembers the solutions, shortened.
    ///
    /// # Errors
    /// If the environment fails or cannot be searched.
    pub fn search(
        &mut self,
        config: &ExpertsConfig,
        (spec, evaluator): (&dyn EnvSpec, &dyn Evaluator),
        difficulty: usize,
        key: StreamKey,
    ) -> Result<Searched> {
        let mut env = spec.batch(1);
        let mut states = Vec::with_capacity(config.num_problems);
        for index in 0..config.num_problems {
            let mut rng = key.at(index as u64).stream();
            env.begin(0, Start::Uniform { difficulty }, &mut rng)?;
            let mut state = Vec::new();
            env.state(0, &mut state)?;
            states.push(state);
        }
        let starts: Vec<Start<'_>> =
            states.iter().map(|state| Start::State { state, difficulty: None }).collect();
        let score = match config.value_weight {
            0.0 => BeamScore::Policy,
            weight => BeamScore::Blend { weight: weight as f32 },
        };
        let method = Method::Beam { width: config.beam, score };
        let solver = Solver::new(spec, evaluator, method, key.iteration(0));
        let found: Vec<_> = solver.run(&starts)?.into_iter().filter(|o| o.solved).collect();
        let solutions = found.into_par_iter().map_init(
            || spec.walker(),
            |walker, outcome| {
                let mut solution =
                    SolvedProblem { start: outcome.start, actions: outcome.actions.discrete };
                if let Ok(walker) = walker {
                    walker.shorten(&solution.start, &mut solution.actions, config.window)?;
                }
                Ok(solution)
            },
        );
        // All results are looked at in order, so that the error of a run does not depend on threads.
        let solutions: Vec<Result<SolvedProblem>> = solutions.collect();
        let (mut solved, mut length) = (0, 0);
        for solution in solutions {
            let solution = solution?;
            solved += 1;
            length += solution.actions.len();
            if !solution.actions.is_empty() {
                self.remember(solution, config.memory);
            }
        }
        Ok(Searched {
            success: f64::from(solved) / config.num_problems.max(1) as f64,
            length: length as f64 / f64::from(solved.max(1)),
        })
    }

    fn remember(&mut self, solution: SolvedProblem, capacity: usize) {
        if self.solutions.len() < capacity {
            self.solutions.push(solution);
        } else if let Some(old) = self.solutions.get_mut(self.next) {
            *old = solution;
            self.next = (self.next + 1) % capacity;
        }
    }

    /// One of the solutions.
    pub fn draw(&self, rng: &mut Rng) -> Option<&SolvedProblem> {
        let index = rng.random_range(0..self.solutions.len().max(1) as u32);
        self.solutions.get(index as usize)
    }
}
