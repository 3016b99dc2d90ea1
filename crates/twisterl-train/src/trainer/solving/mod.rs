//! Problems solved by a policy, and the figures of an evaluation.

mod in_order;

pub use in_order::solve_in_order;

use crate::Result;
use crate::config::NumCores;
use crate::trainer::threads::in_pool;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Solution, SolvePlan, Solver, Verification};

/// Solves every start on a new pool of at most `num_cores` threads.
///
/// # Errors
/// If a start is refused, the environment fails, or the method cannot search its actions.
pub fn solve(
    plan: &SolvePlan,
    num_cores: Option<NumCores>,
    (spec, evaluator): (&dyn EnvSpec, &dyn Evaluator),
    purpose: Purpose,
    starts: &[Start<'_>],
) -> Result<Vec<Solution>> {
    let begun = Instant::now();
    let clock = || begun.elapsed().as_secs_f64();
    let solver = solver(plan, (spec, evaluator), &clock, purpose);
    let key = |number| plan.key(number, purpose);
    in_pool(num_cores, || Ok(solver.run_tries(starts, plan.tries, key)?))
}

/// Builds the solver of a plan.
fn solver<'a>(
    plan: &SolvePlan,
    (spec, evaluator): (&'a dyn EnvSpec, &'a dyn Evaluator),
    clock: &'a (dyn Fn() -> f64 + Sync),
    purpose: Purpose,
) -> Solver<'a> {
    // Figures may be those of an environment that does not repeat itself; solutions that are returned may not.
    let verification = match purpose {
        Purpose::Solve => Verification::Strict,
        _ => Verification::Lenient,
    };
    Solver { verification, ..plan.solver(spec, evaluator, clock, purpose) }
}

/// Returns the figures of an evaluation, in the order in which they are printed:
///
/// - `solved` of `count` problems, and their quotient `success`; `null` without a measure of success;
/// - `mean_length`: mean number of moves of the solved problems, or of all without a measure of success; `null` if there are
///   none;
/// - `mean_reward`: mean undiscounted return of all problems;
/// - `mean_optimal`, if lengths of shortest solutions are known: their mean over the solved problems;
/// - `optimal_fraction`, if they are known: the share of these problems that were solved in as few moves;
/// - `nodes_per_state`: mean number of states evaluated;
/// - `simulations_per_state`, for tree search: mean number of simulations;
/// - `seconds_per_state`: wall-clock time divided by `count`.
///
/// `optimal` holds the lengths of shortest solutions that are known, `[problem]`, or is empty.
pub fn figures(
    solutions: &[Solution],
    optimal: &[Option<u32>],
    seconds: f64,
    measures_success: bool,
) -> Map<String, Value> {
    let mean = |sum: f64, n: usize| if n == 0 { Value::Null } else { json!(sum / n as f64) };
    let count = solutions.len();
    let solved: Vec<_> = solutions.iter().filter(|s| s.solved).collect();
    let measured = measures_success || !solved.is_empty();
    let finished = if measured { solved.clone() } else { solutions.iter().collect() };
    let moves: usize = finished.iter().map(|s| s.length).sum();
    let reward: f64 = solutions.iter().map(|s| f64::from(s.total)).sum();
    let mut figures = vec![
        ("solved", json!(measured.then_some(solved.len()))),
        ("count", json!(count)),
        ("success", if measured { mean(solved.len() as f64, count) } else { Value::Null }),
        ("mean_length", mean(moves as f64, finished.len())),
        ("mean_reward", mean(reward, count)),
    ];
    let known: Vec<_> =
        solutions.iter().zip(optimal).filter_map(|(s, best)| best.map(|best| (s, best))).collect();
    if !known.is_empty() {
        let solved: Vec<_> = known.iter().filter(|(s, _)| s.solved).collect();
        let best: f64 = solved.iter().map(|(_, best)| f64::from(*best)).sum();
        let shortest =
            solved.iter().filter(|(s, best)| s.length as u64 <= u64::from(*best)).count();
        figures.push(("mean_optimal", mean(best, solved.len())));
        figures.push(("optimal_fraction", mean(shortest as f64, known.len())));
    }
    let nodes: u64 = solutions.iter().map(|s| s.nodes).sum();
    figures.push(("nodes_per_state", mean(nodes as f64, count)));
    let simulations: u64 = solutions.iter().map(|s| s.simulations).sum();
    if simulations > 0 {
        figures.push(("simulations_per_state", mean(simulations as f64, count)));
    }
    figures.push(("seconds_per_state", mean(seconds, count)));
    figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns how far solutions are from shortest ones, over the solved problems whose shortest solution is known; nothing if
/// there are none:
///
/// - `mean_gap`: mean number of moves above the shortest;
/// - `relative_gap`: all moves divided by those of shortest solutions, minus 1.
pub fn gaps(solutions: &[Solution], optimal: &[Option<u32>]) -> Map<String, Value> {
    let known = solutions.iter().zip(optimal).filter(|(solution, _)| solution.solved);
    let (mut count, mut above, mut best) = (0, 0.0, 0.0);
    for (solution, optimal) in known {
        let Some(optimal) = optimal else { continue };
        count += 1;
        above += solution.length as f64 - f64::from(*optimal);
        best += f64::from(*optimal);
    }
    let mut gaps = Map::new();
    if count > 0 {
        gaps.insert("mean_gap".into(), json!(above / f64::from(count)));
    }
    if best > 0.0 {
        gaps.insert("relative_gap".into(), json!(above / best));
    }
    gaps
}

/// Returns a histogram of solution lengths: a list of `{"length", "optimal", "count"}`. `length` is `null` for problems
/// that were not solved, `optimal` for those whose shortest solution is not known.
pub fn lengths(solutions: &[Solution], optimal: &[Option<u32>]) -> Value {
    let mut counts = BTreeMap::new();
    for (i, solution) in solutions.iter().enumerate() {
        let length = solution.solved.then_some(solution.length);
        *counts.entry((length, optimal.get(i).copied().flatten())).or_insert(0_u64) += 1;
    }
    let row =
        |((length, optimal), count)| json!({"length": length, "optimal": optimal, "count": count});
    counts.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_means_over_the_problems_they_name() {
        let solution = |solved, length| Solution {
            solved,
            length,
            total: 1.0,
            nodes: 7,
            ..Solution::default()
        };
        let solutions =
            [solution(true, 4), solution(true, 8), solution(false, 9), solution(true, 3)];
        let optimal = [Some(4), Some(6), Some(2), None];
        let figures = Value::Object(figures(&solutions, &optimal, 2.0, true));
        assert_eq!(
            figures,
            json!({
                "solved": 3, "count": 4, "success": 0.75, "mean_length": 5.0, "mean_reward": 1.0,
                "mean_optimal": 5.0, "optimal_fraction": 1.0 / 3.0, "nodes_per_state": 7.0, "seconds_per_state": 0.5,
            })
        );
    }

    #[test]
    fn gaps_are_means_over_solved_problems_with_a_known_optimum() {
        let solution = |solved, length| Solution { solved, length, ..Solution::default() };
        let solutions =
            [solution(true, 4), solution(true, 9), solution(false, 9), solution(true, 3)];
        let found = Value::Object(gaps(&solutions, &[Some(4), Some(6), Some(2), None]));
        assert_eq!(found, json!({"mean_gap": 1.5, "relative_gap": 0.3}));
        assert!(gaps(&solutions, &[]).is_empty() && gaps(&solutions[2..3], &[Some(2)]).is_empty());
        let begins_solved = Value::Object(gaps(&[solution(true, 0)], &[Some(0)]));
        assert_eq!(begins_solved, json!({"mean_gap": 0.0}));
    }

    #[test]
    fn lengths_are_counted_with_the_optimal_ones() {
        let solution = |solved, length| Solution { solved, length, ..Solution::default() };
        let solutions =
            [solution(true, 4), solution(true, 4), solution(false, 9), solution(true, 3)];
        let row = |length: Option<u32>, optimal: Option<u32>, count| json!({"length": length, "optimal": optimal, "count": count});
        assert_eq!(
            lengths(&solutions, &[Some(4), Some(4), Some(2), None]),
            json!([row(None, Some(2), 1), row(Some(3), None, 1), row(Some(4), Some(4), 2)])
        );
        assert_eq!(lengths(&solutions[..1], &[]), json!([row(Some(4), None, 1)]));
    }

    #[test]
    fn without_solutions_there_is_no_mean_length() {
        let solutions = [Solution::default()];
        let figures = Value::Object(figures(&solutions, &[], 1.0, true));
        assert_eq!(figures["mean_length"], Value::Null);
        assert_eq!(figures.get("mean_optimal"), None);
    }

    #[test]
    fn without_a_measure_of_success_lengths_are_those_of_all_episodes() {
        let episode = |length| Solution { length, total: length as f32, ..Solution::default() };
        let figures = Value::Object(figures(&[episode(200), episode(400)], &[], 1.0, false));
        assert_eq!((&figures["solved"], &figures["success"]), (&Value::Null, &Value::Null));
        assert_eq!(
            (&figures["mean_length"], &figures["mean_reward"]),
            (&json!(300.0), &json!(300.0))
        );
    }
}
