//! Playing with a policy as options say: the same for the commands that play and for bindings.

use crate::{Error, Result};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::{Evaluator, WithoutBacktracking};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::search::{SearchConfig, Selection};
use twisterl_core::solve::{BeamScore, Budget, Method, Solution, Solver, SymmetryUse};

/// How problems are solved.
#[derive(Debug, Clone, Default, Args)]
pub struct PlayArgs {
    /// How to solve: greedy, sample, best-of=N, mcts=N or gumbel=N (N simulations a move), beam=W, or widening=W (beams
    /// of width 1, 4, 16, ... up to W).
    #[arg(long, value_name = "METHOD", conflicts_with_all = ["greedy", "num_searches", "num_mcts_searches"])]
    pub search: Option<Method>,
    /// Take the most likely move each time, instead of drawing moves from the policy.
    #[arg(long, conflicts_with_all = ["num_searches", "num_mcts_searches"])]
    pub greedy: bool,
    /// Never take the last move back, in greedy, sample and best-of: for environments that declare the inverse of each action.
    #[arg(long, alias = "no_backtracking")]
    pub no_backtracking: bool,
    /// Tries at each problem, of which the best counts.
    #[arg(long, alias = "num_searches", value_name = "N", value_parser = count(65536))]
    pub num_searches: Option<usize>,
    /// Simulations a move; the same as --search mcts=N.
    #[arg(long, alias = "num_mcts_searches", value_name = "N", value_parser = count(65536), conflicts_with = "num_searches")]
    pub num_mcts_searches: Option<usize>,
    /// Weight of exploration in mcts, against values between 0 and 1.
    #[arg(long, alias = "C", value_name = "C", value_parser = not_negative)]
    pub exploration: Option<f32>,
    /// Nodes that one simulation adds in mcts and gumbel, each below the one before.
    #[arg(long, alias = "max_expand_depth", value_name = "N", value_parser = count(1024))]
    pub max_expand_depth: Option<usize>,
    /// Discount of a step in mcts and gumbel; 1 if not given.
    #[arg(long, value_name = "G", value_parser = not_negative)]
    pub gamma: Option<f32>,
    /// Temperature of the choice among the visit counts of mcts; 0, the most visited move, if not given.
    #[arg(long, value_name = "T", value_parser = not_negative)]
    pub temperature: Option<f32>,
    /// Leaves of one tree that mcts and gumbel evaluate together.
    #[arg(long, value_name = "N", value_parser = count(1024))]
    pub leaves: Option<usize>,
    /// What ranks the states of a beam: policy, value, or a number W for policy + W * value.
    #[arg(long, value_name = "SCORE", value_parser = parse_score, allow_hyphen_values = true)]
    pub score: Option<BeamScore>,
    /// Use of the problem's symmetries: average (each evaluation over all images), or each (solve all images, keep the best).
    #[arg(long, value_name = "USE", value_parser = parse_symmetry_use)]
    pub twists: Option<SymmetryUse>,
    /// States evaluated for a problem, at most.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub nodes: Option<u64>,
    /// Seconds for a problem, at most; the best solution so far counts.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// The longest episode; as long as the environment allows if not given.
    #[arg(long, alias = "max_steps", value_name = "N", value_parser = count(1_000_000))]
    pub max_steps: Option<usize>,
    /// Seed of all randomness.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Upper bound on threads; the results do not depend on their number.
    #[arg(long, alias = "num_cores", value_name = "N", value_parser = count(4096))]
    pub num_cores: Option<usize>,
}

/// What ranks the states of a beam, as `--score` writes it.
///
/// # Errors
/// If it is none.
pub fn parse_score(text: &str) -> Result<BeamScore, String> {
    match (text, text.parse::<f32>()) {
        ("policy", _) => Ok(BeamScore::Policy),
        ("value", _) => Ok(BeamScore::Value),
        (_, Ok(weight)) if weight.is_finite() => Ok(BeamScore::Blend { weight }),
        _ => Err("expected policy, value, or a number".into()),
    }
}

/// A use of symmetries, as `--twists` writes it.
///
/// # Errors
/// If it is none.
pub fn parse_symmetry_use(text: &str) -> Result<SymmetryUse, String> {
    match text {
        "none" => Ok(SymmetryUse::None),
        "average" => Ok(SymmetryUse::Average),
        "each" => Ok(SymmetryUse::Each),
        _ => Err("expected none, average or each".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("expected a number above 0".into()),
    }
}

fn not_negative(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number from 0 on".into()),
    }
}

/// What clap needs to read options alone.
#[derive(Debug, Parser)]
#[command(name = "options", no_binary_name = true)]
struct Alone {
    #[command(flatten)]
    play: PlayArgs,
}

impl PlayArgs {
    /// The options of these names and values, as the command line writes them but for the leading dashes; the value of a
    /// flag is empty.
    ///
    /// # Errors
    /// [`Error::Usage`] if a name is unknown, a value is out of range, or two do not go together.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let written = pairs.into_iter().map(|(name, value)| {
            let name = name.replace('_', "-");
            if value.is_empty() { format!("--{name}") } else { format!("--{name}={value}") }
        });
        match Alone::try_parse_from(written) {
            Ok(alone) => Ok(alone.play),
            Err(error) => {
                let text = error.to_string();
                let text = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                Err(Error::usage(text))
            }
        }
    }

    /// Whether a search was asked for by name, so that its effort is of interest.
    pub fn is_search(&self) -> bool {
        self.search.is_some() || self.num_mcts_searches.is_some()
    }

    /// The method that is asked for; the best of `tries` samples where none is.
    fn method(&self, tries: usize) -> Result<Method> {
        let mut method = match (self.search, self.num_mcts_searches, self.num_searches) {
            (Some(method), _, _) => method,
            (_, Some(n), _) => format!("mcts={n}").parse()?,
            _ if self.greedy => Method::Greedy,
            (.., searches) => Method::BestOf(searches.unwrap_or(tries)),
        };
        let name = method.to_string();
        let refuse = |flags: &str, methods: &str| {
            Err(Error::usage(format!("{flags}: expected search {methods} with it, found {name}")))
        };
        let of_tree = [self.max_expand_depth, self.leaves].iter().any(Option::is_some)
            || [self.gamma, self.temperature].iter().any(Option::is_some);
        match &mut method {
            Method::Beam { score, .. } | Method::Widening { score, .. } => {
                *score = self.score.unwrap_or(*score);
            }
            _ if self.score.is_some() => return refuse("score", "beam=W or widening=W"),
            _ => {}
        }
        if self.no_backtracking
            && !matches!(method, Method::Greedy | Method::Sample | Method::BestOf(_))
        {
            return refuse("no-backtracking", "greedy, sample or best-of=N");
        }
        match &mut method {
            Method::Tree(config) => {
                config.max_expand_depth = self.max_expand_depth.unwrap_or(config.max_expand_depth);
                config.leaves = self.leaves.unwrap_or(config.leaves);
                config.gamma = self.gamma.unwrap_or(config.gamma);
                config.temperature = self.temperature.unwrap_or(config.temperature);
            }
            _ if of_tree => {
                let flags = "max-expand-depth, leaves, gamma and temperature";
                return refuse(flags, "mcts=N or gumbel=N");
            }
            _ => {}
        }
        match (&mut method, self.exploration) {
            (_, None) => {}
            (Method::Tree(SearchConfig { selection: Selection::Puct(puct), .. }), Some(c)) => {
                puct.exploration = c;
            }
            _ => return refuse("exploration", "mcts=N"),
        }
        Ok(method)
    }

    /// Solves `starts` of `spec` as these arguments say, by the best of `tries` samples where they do not.
    pub fn solve(
        &self,
        spec: &dyn EnvSpec,
        evaluator: &dyn Evaluator,
        (purpose, tries): (Purpose, usize),
        starts: &[Start<'_>],
    ) -> Result<Vec<Solution>> {
        let begun = Instant::now();
        let clock = || begun.elapsed().as_secs_f64();
        let without_backtracking = WithoutBacktracking(evaluator);
        let solver = Solver {
            spec,
            evaluator: if self.no_backtracking { &without_backtracking } else { evaluator },
            method: self.method(tries)?,
            budget: Budget { nodes: self.nodes, seconds: self.seconds, clock: &clock },
            images: self.twists.unwrap_or_default(),
            max_steps: self.max_steps,
            key: StreamKey::new(self.seed, purpose),
        };
        in_pool(self.num_cores, || Ok(solver.run(starts)?))
    }
}

/// The figures of an evaluation, in the order in which they are printed:
///
/// - `solved` of `count` problems, and `success`, their quotient;
/// - `mean_length`: moves, over the solved problems; `null` where there is none;
/// - `mean_reward`: undiscounted return, over all;
/// - where shortest solutions are known, `mean_optimal`: their length, over the solved problems of known length;
///   `optimal_fraction`: the share of all problems of known length that were solved in as few moves;
/// - `nodes_per_state`: mean number of states evaluated;
/// - of tree search, `simulations_per_state`: mean number of simulations;
/// - `seconds_per_state`: wall-clock time by `count`.
pub fn figures(outcomes: &[Solution], optimal: &[Option<u32>], seconds: f64) -> Map<String, Value> {
    let mean = |sum: f64, n: usize| if n == 0 { Value::Null } else { json!(sum / n as f64) };
    let count = outcomes.len();
    let solved: Vec<_> = outcomes.iter().filter(|o| o.solved).collect();
    let moves: usize = solved.iter().map(|o| o.length).sum();
    let reward: f64 = outcomes.iter().map(|o| f64::from(o.total)).sum();
    let mut figures = vec![
        ("solved", json!(solved.len())),
        ("count", json!(count)),
        ("success", mean(solved.len() as f64, count)),
        ("mean_length", mean(moves as f64, solved.len())),
        ("mean_reward", mean(reward, count)),
    ];
    let known: Vec<_> =
        outcomes.iter().zip(optimal).filter_map(|(o, best)| best.map(|best| (o, best))).collect();
    if !known.is_empty() {
        let solved: Vec<_> = known.iter().filter(|(o, _)| o.solved).collect();
        let best: f64 = solved.iter().map(|(_, best)| f64::from(*best)).sum();
        let shortest =
            solved.iter().filter(|(o, best)| o.length as u64 <= u64::from(*best)).count();
        figures.push(("mean_optimal", mean(best, solved.len())));
        figures.push(("optimal_fraction", mean(shortest as f64, known.len())));
    }
    let nodes: u64 = outcomes.iter().map(|o| o.nodes).sum();
    figures.push(("nodes_per_state", mean(nodes as f64, count)));
    let simulations: u64 = outcomes.iter().map(|o| o.simulations).sum();
    if simulations > 0 {
        figures.push(("simulations_per_state", mean(simulations as f64, count)));
    }
    figures.push(("seconds_per_state", mean(seconds, count)));
    figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How many problems were solved in `length` moves that take `optimal`, for a histogram: a list of
/// `{"length", "optimal", "count"}`, where `length` is `null` for what was not solved, `optimal` for what is not known.
pub fn lengths(outcomes: &[Solution], optimal: &[Option<u32>]) -> Value {
    let mut counts = BTreeMap::new();
    for (i, outcome) in outcomes.iter().enumerate() {
        let length = outcome.solved.then_some(outcome.length);
        *counts.entry((length, optimal.get(i).copied().flatten())).or_insert(0_u64) += 1;
    }
    let row =
        |((length, optimal), count)| json!({"length": length, "optimal": optimal, "count": count});
    counts.into_iter().map(row).collect()
}

/// Accepts whole numbers from 1 to `max`.
pub(crate) fn count(max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=max)
}

/// The number of threads: at most `bound`, and no more than there are processors.
pub(crate) fn threads(bound: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(bound)
}

/// Does `work` on a pool of at most `num_cores` threads, made for it.
///
/// # Errors
/// Those of `work`, or if no threads can be started.
pub fn in_pool<T: Send>(
    num_cores: Option<usize>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads(num_cores.unwrap_or(usize::MAX)))
        .build()
        .map_err(|e| Error::threads(&e))?
        .install(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_over_the_problems_they_name() {
        let outcome = |solved, length| Solution {
            solved,
            length,
            total: 1.0,
            nodes: 7,
            ..Solution::default()
        };
        let outcomes = [outcome(true, 4), outcome(true, 8), outcome(false, 9), outcome(true, 3)];
        let optimal = [Some(4), Some(6), Some(2), None];
        let figures = Value::Object(figures(&outcomes, &optimal, 2.0));
        assert_eq!(
            figures,
            json!({
                "solved": 3, "count": 4, "success": 0.75, "mean_length": 5.0, "mean_reward": 1.0,
                "mean_optimal": 5.0, "optimal_fraction": 1.0 / 3.0, "nodes_per_state": 7.0, "seconds_per_state": 0.5,
            })
        );
    }

    #[test]
    fn lengths_are_counted_beside_the_optimal_ones() {
        let outcome = |solved, length| Solution { solved, length, ..Solution::default() };
        let outcomes = [outcome(true, 4), outcome(true, 4), outcome(false, 9), outcome(true, 3)];
        let row = |length: Option<u32>, optimal: Option<u32>, count| json!({"length": length, "optimal": optimal, "count": count});
        assert_eq!(
            lengths(&outcomes, &[Some(4), Some(4), Some(2), None]),
            json!([row(None, Some(2), 1), row(Some(3), None, 1), row(Some(4), Some(4), 2)])
        );
        assert_eq!(lengths(&outcomes[..1], &[]), json!([row(Some(4), None, 1)]));
    }

    #[test]
    fn nothing_solved_has_no_mean_length() {
        let outcomes = [Solution::default()];
        let figures = Value::Object(figures(&outcomes, &[], 1.0));
        assert_eq!(figures["mean_length"], Value::Null);
        assert_eq!(figures.get("mean_optimal"), None);
    }
}
