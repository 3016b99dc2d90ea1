//! Many problems on all threads, whose results are passed on one by one in the order of the problems.

use super::solver;
use crate::Result;
use crate::config::NumCores;
use crate::trainer::threads::pool;
use rayon::Scope;
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
            scope.spawn(move |scope| work.run(scope, sender));
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
    /// Solves the next problems, sends their results, and leaves the rest to a new task. A loop over all of them would
    /// delay the problem of another task: a thread that waits for a part of a search may run this task meanwhile.
    fn run<'scope>(&'scope self, scope: &Scope<'scope>, sender: Sender<Solved>) {
        let together = self.plan.method.together();
        if self.stop.is_set() {
            return;
        }
        let first = self.next.fetch_add(together, Ordering::Relaxed);
        let Some(rest) = self.starts.get(first..).filter(|rest| !rest.is_empty()) else {
            return;
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
        scope.spawn(move |scope| self.run(scope, sender));
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
    use twisterl_core::evaluator::Evaluation;
    use twisterl_core::evaluator::distribution::ActionDistribution;
    use twisterl_core::policy::Policy;
    use twisterl_core::policy::executor::Executor;
    use twisterl_core::policy::network::{Activation, MlpSizes, Network};
    use twisterl_core::solve::SolveOptions;
    use twisterl_core::space::Observations;

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

    /// Runs other tasks of the pool whenever it is asked, as the loops of a large network do while they wait.
    struct Waiting<'a>(&'a Executor);

    impl Evaluator for Waiting<'_> {
        fn distribution(&self) -> &ActionDistribution {
            self.0.distribution()
        }

        fn evaluate(&self, rows: &Observations, out: &mut Evaluation) -> CoreResult<()> {
            rayon::yield_now();
            self.0.evaluate(rows, out)
        }
    }

    #[test]
    fn a_problem_is_not_delayed_by_all_of_those_after_it() {
        let (spec, executor) = problem();
        let (plan, starts, stop) = (plan("beam=4"), scrambles(200), Interrupt::default());
        let (evaluator, clock) = (Waiting(&executor), || 0.0);
        let solver = solver(&plan, (&*spec, &evaluator), &clock, Purpose::Solve);
        let next = AtomicUsize::new(0);
        let work = Work {
            plan: &plan,
            purpose: Purpose::Solve,
            solver,
            starts: &starts,
            next,
            stop: &stop,
        };
        let (sender, results) = channel();
        // Two tasks on one thread: each runs whenever the other one waits.
        pool(1).unwrap().in_place_scope(|scope| {
            for sender in [sender.clone(), sender] {
                scope.spawn(|scope| work.run(scope, sender));
            }
        });
        let numbers: Vec<_> = results.iter().map(|(number, _)| number).collect();
        let first = numbers.iter().position(|&number| number == 0).unwrap();
        assert_eq!(numbers.len(), 200);
        // One problem for each of its at most 20 steps.
        assert!(first <= 20, "the first problem ended as number {first}");
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
