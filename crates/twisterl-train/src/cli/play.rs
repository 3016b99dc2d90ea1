//! What the commands that play have in common.

use super::{count, in_pool};
use crate::{Error, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::fmt::Write as _;
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::Policy;
use twisterl_core::policy::forward::Executor;
use twisterl_core::registry::{EnvSpec, Registry};
use twisterl_core::rng::Purpose;
use twisterl_core::search::{SearchConfig, Selection};
use twisterl_core::solve::{Budget, Images, Method, Outcome, Replay, Score, Solver, replay};

/// The width of the page on which boards are printed, in characters.
const PAGE: usize = 100;
/// Between boards beside each other.
const GAP: usize = 3;

/// Scrambles among which [`solve_scramble`] looks for one that is not solved as it stands.
const SCRAMBLES: usize = 16;

/// How problems are solved.
#[derive(Debug, Clone, Args)]
pub(super) struct PlayArgs {
    /// How to solve: greedy, sample, best-of=N, mcts=N or gumbel=N (N simulations a move), beam=W, or widening=W (beams
    /// of width 1, 4, 16, ... up to W).
    #[arg(long, value_name = "METHOD", conflicts_with_all = ["greedy", "num_searches", "num_mcts_searches"])]
    search: Option<Method>,
    /// Take the most likely move each time, instead of drawing moves from the policy.
    #[arg(long, conflicts_with_all = ["num_searches", "num_mcts_searches"])]
    greedy: bool,
    /// Tries at each problem, of which the best counts.
    #[arg(long, alias = "num_searches", value_name = "N", value_parser = count(65536))]
    num_searches: Option<usize>,
    /// Simulations a move; the same as --search mcts=N.
    #[arg(long, alias = "num_mcts_searches", value_name = "N", value_parser = count(65536), conflicts_with = "num_searches")]
    num_mcts_searches: Option<usize>,
    /// Weight of exploration in mcts, against values between 0 and 1.
    #[arg(long, alias = "C", value_name = "C", value_parser = not_negative)]
    exploration: Option<f32>,
    /// Nodes that one simulation adds in mcts and gumbel, each below the one before.
    #[arg(long, alias = "max_expand_depth", value_name = "N", value_parser = count(1024))]
    max_expand_depth: Option<usize>,
    /// Discount of a step in mcts and gumbel; 1 if not given.
    #[arg(long, value_name = "G", value_parser = not_negative)]
    gamma: Option<f32>,
    /// Leaves of one tree that mcts and gumbel evaluate together.
    #[arg(long, value_name = "N", value_parser = count(1024))]
    leaves: Option<usize>,
    /// What ranks the states of a beam: policy, value, or a number W for policy + W * value.
    #[arg(long, value_name = "SCORE", value_parser = score, allow_hyphen_values = true)]
    score: Option<Score>,
    /// Use of the problem's symmetries: average (each evaluation over all images), or each (solve all images, keep the best).
    #[arg(long, value_name = "USE", value_parser = images)]
    twists: Option<Images>,
    /// States evaluated for a problem, at most.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    nodes: Option<u64>,
    /// Seconds for a problem, at most; the best solution so far counts.
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// The longest episode; as long as the environment allows if not given.
    #[arg(long, alias = "max_steps", value_name = "N", value_parser = count(1_000_000))]
    max_steps: Option<usize>,
    /// Seed of all randomness.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Upper bound on threads; the results do not depend on their number.
    #[arg(long, alias = "num_cores", value_name = "N", value_parser = count(4096))]
    num_cores: Option<usize>,
}

fn score(text: &str) -> Result<Score, String> {
    match (text, text.parse::<f32>()) {
        ("policy", _) => Ok(Score::Policy),
        ("value", _) => Ok(Score::Value),
        (_, Ok(weight)) if weight.is_finite() => Ok(Score::Blend { weight }),
        _ => Err("expected policy, value, or a number".into()),
    }
}

fn images(text: &str) -> Result<Images, String> {
    match text {
        "none" => Ok(Images::None),
        "average" => Ok(Images::Average),
        "each" => Ok(Images::Each),
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

impl PlayArgs {
    /// `tries` samples, and nothing else out of the ordinary.
    fn best_of(tries: usize) -> Self {
        Self {
            search: Some(Method::BestOf(tries)),
            greedy: false,
            num_searches: None,
            num_mcts_searches: None,
            exploration: None,
            max_expand_depth: None,
            gamma: None,
            leaves: None,
            score: None,
            twists: None,
            nodes: None,
            seconds: None,
            max_steps: None,
            seed: 0,
            num_cores: None,
        }
    }

    /// Whether a search was asked for by name, so that its effort is of interest.
    pub(super) fn is_search(&self) -> bool {
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
            Err(Error::usage(format!("{flags}: expected --search {methods} with it, found {name}")))
        };
        let of_tree = [self.max_expand_depth, self.leaves].iter().any(Option::is_some)
            || self.gamma.is_some();
        match &mut method {
            Method::Beam { score, .. } | Method::Widening { score, .. } => {
                *score = self.score.unwrap_or(*score);
            }
            _ if self.score.is_some() => return refuse("--score", "beam=W or widening=W"),
            _ => {}
        }
        match &mut method {
            Method::Tree(config) => {
                config.max_expand_depth = self.max_expand_depth.unwrap_or(config.max_expand_depth);
                config.leaves = self.leaves.unwrap_or(config.leaves);
                config.gamma = self.gamma.unwrap_or(config.gamma);
            }
            _ if of_tree => {
                let flags = "--max-expand-depth, --leaves and --gamma";
                return refuse(flags, "mcts=N or gumbel=N");
            }
            _ => {}
        }
        match (&mut method, self.exploration) {
            (_, None) => {}
            (Method::Tree(SearchConfig { selection: Selection::Puct(puct), .. }), Some(c)) => {
                puct.exploration = c;
            }
            _ => return refuse("--exploration", "mcts=N"),
        }
        Ok(method)
    }

    /// Solves `starts` of `spec` as these arguments say, by the best of `tries` samples where they do not.
    pub(super) fn solve(
        &self,
        spec: &dyn EnvSpec,
        evaluator: &dyn Evaluator,
        (purpose, tries): (Purpose, usize),
        starts: &[Start<'_>],
    ) -> Result<Vec<Outcome>> {
        let begun = Instant::now();
        let clock = || begun.elapsed().as_secs_f64();
        let solver = Solver {
            spec,
            evaluator,
            method: self.method(tries)?,
            budget: Budget { nodes: self.nodes, seconds: self.seconds, clock: &clock },
            images: self.twists.unwrap_or_default(),
            max_steps: self.max_steps,
            seed: self.seed,
            purpose,
            iteration: 0,
        };
        in_pool(self.num_cores, || Ok(solver.run(starts)?))
    }
}

/// Scrambles a problem, plays it and prints the best of `tries`.
pub(super) fn solve_scramble(
    policy: &Policy,
    difficulty: usize,
    tries: usize,
    registry: &Registry,
) -> Result<String> {
    let spec = registry.make(&policy.env_cls, &policy.env)?;
    let executor = Executor::of(policy)?;
    let starts = [Start::Scramble { difficulty }; SCRAMBLES];
    let args = PlayArgs::best_of(tries);
    let outcomes = args.solve(&*spec, &executor, (Purpose::Solve, tries), &starts)?;
    let unsolved = outcomes.iter().find(|outcome| outcome.length > 0);
    unsolved.or(outcomes.first()).map_or_else(|| Ok(String::new()), |o| print(&*spec, o))
}

/// The episode as text: the board at the start and after each move, and how it ended.
pub(super) fn print(spec: &dyn EnvSpec, outcome: &Outcome) -> Result<String> {
    let replay = replay(spec, &outcome.start, &outcome.actions)?;
    let mut text = film(&replay);
    let moves = replay.moves.len();
    let (end, s) =
        (if replay.solved { "solved" } else { "not solved" }, if moves == 1 { "" } else { "s" });
    let _ = writeln!(text, "{end} after {moves} move{s}");
    Ok(text)
}

/// The boards of an episode, each under the move that led to it, as many beside each other as fit on the page.
fn film(replay: &Replay) -> String {
    let start = ("start".to_owned(), &replay.first);
    let moves = replay.moves.iter().enumerate();
    let moves = moves.map(|(i, (name, board))| (format!("{} {name}", i + 1), board));
    let frames: Vec<Vec<String>> = std::iter::once(start)
        .chain(moves)
        .map(|(title, board)| {
            std::iter::once(title).chain(board.lines().map(str::to_owned)).collect()
        })
        .collect();
    let length = |line: &String| line.chars().count();
    let width = frames.iter().flatten().map(length).max().unwrap_or(0) + GAP;
    let mut text = String::new();
    for row in frames.chunks((PAGE / width).max(1)) {
        for i in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for frame in row {
                let part = frame.get(i).map_or("", String::as_str);
                let _ = write!(line, "{part:width$}");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_stand_beside_each_other_under_their_moves() {
        let replay = Replay {
            first: "1 0\n2 3".into(),
            moves: vec![("left".into(), "0 1\n2 3".into())],
            solved: true,
        };
        assert_eq!(film(&replay), "start    1 left\n1 0      0 1\n2 3      2 3\n\n");
    }

    #[test]
    fn a_long_film_goes_on_in_the_next_row() {
        let board = "x".repeat(60);
        let replay = Replay {
            first: board.clone(),
            moves: vec![("up".into(), board.clone())],
            solved: false,
        };
        assert_eq!(film(&replay), format!("start\n{board}\n\n1 up\n{board}\n\n"));
    }
}
