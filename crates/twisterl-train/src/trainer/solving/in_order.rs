//! Many problems on all threads, whose results are passed on one by one in the order of the problems.

use super::solver;
use crate::Result;
use crate::config::NumCores;
use crate::trainer::threads::pool;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::{Evaluator, Interruptible};
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Solution, SolvePlan, Solver};
use twisterl_core::{Error as CoreError, Result as CoreResult};

/// The number of a problem, and its solution or the error of its episode.
type Solved = (usize, CoreResult<Solution>);

/// Solves every start on a new pool of at most `num_cores` threads, and passes each result to `emit` as soon as those
/// before it are known. The solutions are those of [`solve`](super::solve). An error in the episode of one start is its
/// result. If `emit` returns false, nothing more is solved.
///
/// # Errors
/// If the method cannot search the actions, or the environment cannot be played at all; that of `emit`; or the
/// interruption.
pub fn solve_in_order(
    plan: &SolvePlan,
    num_cores: Option<NumCores>,
    (spec, evaluator): (&dyn EnvSpec, &dyn Evaluator),
    purpose: Purpose,
    starts: &[Start<'_>],
    mut emit: impl FnMut(usize, CoreResult<Solution>) -> Result<bool>,
) -> Result<()> {
    let begun = Instant::now();
    let clock = || begun.elapsed().as_secs_f64();
    let stop = Interrupt::default();
    let evaluator = Interruptible { evaluator, interrupt: &stop };
    let solver = solver(plan, (spec, &evaluator), &clock, purpose);
    let work = Work { plan, purpose, solver, starts, next: AtomicUsize::new(0), stop: &stop };
    let pool = pool(num_cores.unwrap_or(NumCores::ALL).threads())?;
    let (sender, results) = channel();
    pool.in_place_scope(|scope| {
        for _ in 0..pool.current_num_threads() {
            let (work, sender) = (&work, sender.clone());
            scope.spawn(move |_| work.run(&sender));
        }
        drop(sender);
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        let mut pass_on = |(number, result): Solved| -> Result<bool> {
            if let Err(error) = &result
                && !concerns_one(error)
            {
                return Err(error.clone().into());
            }
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&next) {
                if !emit(next, result)? {
                    return Ok(false);
                }
                next += 1;
            }
            Ok(true)
        };
        let mut end = Ok(());
        for solved in results {
            // After the end the rest of the results are those of the threads that are about to stop.
            if stop.is_set() {
                continue;
            }
            match pass_on(solved) {
                Ok(true) => {}
                Ok(false) => stop.set(),
                Err(error) => {
                    stop.set();
                    end = Err(error);
                }
            }
        }
        end
    })
}

/// Returns whether an error may be that of a single problem.
fn concerns_one(error: &CoreError) -> bool {
    matches!(
        error,
        CoreError::State { .. }
            | CoreError::Action { .. }
            | CoreError::Observation { .. }
            | CoreError::Contract { .. }
            | CoreError::NonFinite { .. }
            | CoreError::Raised { .. }
    )
}

/// Problems that threads take from the front, so that the first are solved first.
struct Work<'a> {
    plan: &'a SolvePlan,
    purpose: Purpose,
    solver: Solver<'a>,
    starts: &'a [Start<'a>],
    next: AtomicUsize,
    stop: &'a Interrupt,
}

impl Work<'_> {
    /// Solves problems until there are none left, and sends their results.
    fn run(&self, sender: &Sender<Solved>) {
        let together = self.plan.method.together();
        while !self.stop.is_set() {
            let first = self.next.fetch_add(together, Ordering::Relaxed);
            let Some(rest) = self.starts.get(first..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            let starts = &rest[..together.min(rest.len())];
            let results = match self.solve(first, starts) {
                Ok(solutions) => solutions.into_iter().map(Ok).collect(),
                Err(error) if starts.len() == 1 || !concerns_one(&error) => vec![Err(error)],
                Err(_) => {
                    let one = |(i, start)| self.solve(first + i, std::slice::from_ref(start));
                    let one = |start| Ok(one(start)?.into_iter().next().unwrap_or_default());
                    starts.iter().enumerate().map(one).collect()
                }
            };
            for (i, result) in results.into_iter().enumerate() {
                if sender.send((first + i, result)).is_err() {
                    return;
                }
            }
        }
    }

    fn solve(&self, first: usize, starts: &[Start<'_>]) -> CoreResult<Vec<Solution>> {
        let key = |number| self.plan.key(number, self.purpose);
        Solver { first, ..self.solver }.run_tries(starts, self.plan.tries, key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trainer::solving::solve;
    use serde_json::json;
    use std::sync::Arc;
    use twisterl_core::envs::registry::Registry;
    use twisterl_core::policy::Policy;
    use twisterl_core::policy::executor::Executor;
    use twisterl_core::policy::network::{Activation, MlpSizes, Network};
    use twisterl_core::solve::SolveOptions;

    fn plan(search: &str) -> SolvePlan {
        let search = Some(search.parse().unwrap());
        let options =
            SolveOptions { search, seed: 3, max_steps: Some(20), ..SolveOptions::default() };
        options.resolve(1).unwrap()
    }

    /// Returns a 2 x 3 puzzle with an untrained policy.
    fn problem() -> (Arc<dyn EnvSpec>, Executor) {
        let spec = Registry::default().make("Puzzle", &json!({"height": 2, "width": 3})).unwrap();
        let sizes = MlpSizes {
            embedding_size: 16,
            common_layers: vec![],
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Tanh,
        };
        let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
        let policy = Policy::initial(network, "Puzzle", spec.params(), spec.twists(), 0).unwrap();
        let executor = Executor::of(&policy).unwrap();
        (spec, executor)
    }

    fn scrambles(count: usize) -> Vec<Start<'static>> {
        vec![Start::Scramble { difficulty: 6 }; count]
    }

    fn plain(solution: Solution) -> Solution {
        Solution { seconds: 0.0, ..solution }
    }

    #[test]
    fn solutions_are_those_of_one_batch_in_their_order() {
        let (spec, executor) = problem();
        let problem = (&*spec, &executor as &dyn Evaluator);
        for (search, count) in [("greedy", 150), ("best-of=20", 10), ("mcts=4", 40), ("beam=8", 12)]
        {
            let (plan, starts) = (plan(search), scrambles(count));
            let batch = solve(&plan, None, problem, Purpose::Solve, &starts).unwrap();
            for threads in [1, 3] {
                let (cores, mut found) = (NumCores::new(threads), Vec::new());
                solve_in_order(&plan, cores, problem, Purpose::Solve, &starts, |i, result| {
                    assert_eq!(i, found.len());
                    found.push(plain(result.unwrap()));
                    Ok(true)
                })
                .unwrap();
                let batch: Vec<_> = batch.iter().cloned().map(plain).collect();
                assert_eq!(found, batch, "{search} with {threads} threads");
            }
        }
    }

    #[test]
    fn a_start_that_fails_is_a_result_and_loses_no_other() {
        let (spec, executor) = problem();
        let problem = (&*spec, &executor as &dyn Evaluator);
        let (solved, broken) = ([1., 0., 2., 3., 4., 5.], [1., 1., 2., 3., 4., 5.]);
        let starts: Vec<_> = (0..70)
            .map(|i| if i == 33 { &broken[..] } else { &solved[..] })
            .map(|state| Start::State { state, difficulty: None })
            .collect();
        for search in ["greedy", "mcts=2", "beam=2"] {
            let mut failed = Vec::new();
            solve_in_order(&plan(search), None, problem, Purpose::Solve, &starts, |i, result| {
                if let Err(error) = result {
                    failed.push((i, matches!(error, CoreError::State { .. })));
                }
                Ok(true)
            })
            .unwrap();
            assert_eq!(failed, [(33, true)], "{search}");
        }
    }

    #[test]
    fn nothing_is_solved_when_no_result_is_wanted_any_more() {
        let (spec, executor) = problem();
        let problem = (&*spec, &executor as &dyn Evaluator);
        let mut seen = 0;
        solve_in_order(
            &plan("beam=64"),
            None,
            problem,
            Purpose::Solve,
            &scrambles(100_000),
            |_, _| {
                seen += 1;
                Ok(seen < 3)
            },
        )
        .unwrap();
        assert_eq!(seen, 3);
    }

    #[test]
    fn an_interruption_ends_all_of_it() {
        let (spec, mut executor) = problem();
        let interrupt = Interrupt::default();
        executor.interrupt_by(&interrupt);
        let problem = (&*spec, &executor as &dyn Evaluator);
        let starts = scrambles(100_000);
        let result =
            solve_in_order(&plan("beam=64"), None, problem, Purpose::Solve, &starts, |_, _| {
                interrupt.set();
                Ok(true)
            });
        assert!(result.unwrap_err().is_interrupted());
    }
}
