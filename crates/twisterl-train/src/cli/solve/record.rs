//! Records of solved problems: one for each state of a file, as JSON, CSV or text.

use crate::system::files::states::{self, Instance, Refusal};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::error::counts::counted;
use twisterl_core::error::escape::escape_controls;
use twisterl_core::solve::Solution;
use twisterl_core::space::Action;

/// The form of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A line of text for each problem.
    Text,
    /// JSON Lines: one object for each problem, on a line of its own.
    Json,
    /// A table with a header.
    Csv,
}

/// The result of one problem. All records have the same fields, in this order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    /// The number of the problem, from 0.
    index: usize,
    /// The line of the file on which it begins, from 1.
    line: Option<usize>,
    /// The numbers of the state; empty if they cannot be read.
    state: Vec<Value>,
    /// True if the problem was solved; nothing if the environment has no measure of success.
    solved: Option<bool>,
    /// The number of moves of the solution, if it was solved; of the episode without a measure of success.
    length: Option<usize>,
    /// The number of moves of a shortest solution, if the file tells it.
    optimal: Option<u32>,
    /// `length` minus `optimal`.
    gap: Option<i64>,
    /// The sum of the rewards of the best attempt.
    reward: Option<f64>,
    /// The names of the actions of the best attempt.
    moves: Vec<String>,
    /// The actions of the best attempt: each its number, or a list if it has several components.
    actions: Vec<Value>,
    /// The number of states evaluated.
    nodes: u64,
    /// The number of simulations of tree search.
    simulations: u64,
    /// The time until the solution was found.
    seconds: f64,
    /// The reason why this problem could not be played.
    error: Option<String>,
}

impl Record {
    /// Returns the record of a problem that was played. `env` knows the names of the actions.
    pub(super) fn played(
        index: usize,
        instance: &Instance,
        solution: &Solution,
        (env, measures_success): (&dyn VecEnv, bool),
    ) -> Self {
        let measured = measures_success || solution.solved;
        let length = (solution.solved || !measured).then_some(solution.length);
        let optimal = instance.optimal;
        let rows = || (0..solution.actions.len()).map(|i| solution.actions.row(i));
        Self {
            length,
            gap: length.zip(optimal).map(|(length, optimal)| length as i64 - i64::from(optimal)),
            optimal,
            solved: measured.then_some(solution.solved),
            reward: Some(shortest(solution.total)),
            moves: rows().map(|action| env.action_name(action)).collect(),
            actions: rows().map(action).collect(),
            nodes: solution.nodes,
            simulations: solution.simulations,
            // To the nanosecond, which is what the clock tells.
            seconds: (solution.seconds * 1e9).round() / 1e9,
            ..Self::new(index, &instance.place, &instance.state)
        }
    }

    /// Returns the record of a problem that could not be played.
    pub(super) fn failed(index: usize, instance: &Instance, error: String) -> Self {
        let optimal = instance.optimal;
        Self { error: Some(error), optimal, ..Self::new(index, &instance.place, &instance.state) }
    }

    /// Returns the record of a state that was refused.
    pub(super) fn refused(index: usize, refusal: &Refusal) -> Self {
        let Refusal { place, expected, found, state } = refusal;
        let error = Some(format!("expected {expected}, found {found}"));
        Self { error, ..Self::new(index, place, state) }
    }

    fn new(index: usize, place: &str, state: &[f64]) -> Self {
        Self {
            index,
            line: states::line(place),
            state: state.iter().copied().map(number).collect(),
            solved: Some(false),
            length: None,
            optimal: None,
            gap: None,
            reward: None,
            moves: Vec::new(),
            actions: Vec::new(),
            nodes: 0,
            simulations: 0,
            seconds: 0.0,
            error: None,
        }
    }

    /// Returns the reason why the problem could not be played.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns the record in a format, with a newline; the first of a table below its header.
    ///
    /// # Errors
    /// If it cannot be written, which is a bug.
    pub(super) fn text(&self, format: Format) -> Result<String> {
        Ok(match format {
            Format::Text => self.sentence(),
            Format::Json => format!("{}\n", json!(self)),
            Format::Csv => {
                let mut table = csv::Writer::from_writer(Vec::new());
                if self.index == 0 {
                    table.write_record(COLUMNS).map_err(unwritten)?;
                }
                table.write_record(self.row()).map_err(unwritten)?;
                String::from_utf8_lossy(&table.into_inner().map_err(unwritten)?).into_owned()
            }
        })
    }

    fn sentence(&self) -> String {
        let mut text = match self.line {
            Some(line) => format!("line {line}: "),
            None => String::new(),
        };
        if let Some(error) = &self.error {
            let _ = writeln!(text, "error: {}", escape_controls(error));
            return text;
        }
        let (count, moves) = (counted(self.moves.len(), "move"), self.moves.join(", "));
        let _ = match (self.solved, self.reward) {
            (None, Some(reward)) => write!(text, "return {reward} after {count}"),
            (Some(true), _) => write!(text, "solved after {count}"),
            _ => write!(text, "not solved after {count}"),
        };
        if let Some(optimal) = self.optimal {
            let _ = write!(text, " (optimal {optimal})");
        }
        let gap = if moves.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "{gap}{}", escape_controls(&moves));
        text
    }

    /// Returns the line of a table.
    fn row(&self) -> [String; COLUMNS.len()] {
        let joined = |values: &[Value]| values.iter().map(cell).collect::<Vec<_>>().join(" ");
        let optional = |value: Option<String>| value.unwrap_or_default();
        [
            self.index.to_string(),
            optional(self.line.map(|line| line.to_string())),
            joined(&self.state),
            optional(self.solved.map(|solved| solved.to_string())),
            optional(self.length.map(|length| length.to_string())),
            optional(self.optimal.map(|optimal| optimal.to_string())),
            optional(self.gap.map(|gap| gap.to_string())),
            optional(self.reward.map(|reward| reward.to_string())),
            self.moves.join("; "),
            joined(&self.actions),
            self.nodes.to_string(),
            self.simulations.to_string(),
            self.seconds.to_string(),
            optional(self.error.clone()),
        ]
    }
}

/// The header of a table: the fields of a record.
const COLUMNS: [&str; 14] = [
    "index",
    "line",
    "state",
    "solved",
    "length",
    "optimal",
    "gap",
    "reward",
    "moves",
    "actions",
    "nodes",
    "simulations",
    "seconds",
    "error",
];

/// Returns a number of single precision without the digits that double precision adds.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// Returns a number, without a fraction if it is whole.
fn number(number: f64) -> Value {
    // Up to here every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        json!(number as i64)
    } else {
        json!(number)
    }
}

fn action(action: Action<'_>) -> Value {
    match action {
        Action::Discrete(index) => json!(index),
        Action::Parts { discrete, continuous } => {
            let discrete = discrete.iter().map(|value| json!(value));
            discrete.chain(continuous.iter().map(|value| json!(value))).collect()
        }
    }
}

/// Returns the error of a table in memory.
fn unwritten(cause: impl ToString) -> Error {
    twisterl_core::Error::Internal { what: format!("a table: {}", cause.to_string()) }.into()
}

/// Returns a value in a list of a table; the components of an action are separated by commas.
fn cell(value: &Value) -> String {
    match value {
        Value::Array(parts) => parts.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use twisterl_core::envs::registry::Registry;

    fn instance(place: &str, optimal: Option<u32>) -> Instance {
        Instance { state: vec![1.0, 0.0, 2.0, 3.5], optimal, place: place.into() }
    }

    /// Returns the record of the actions 0 and 2 of a 2 x 2 puzzle.
    fn played(index: usize, solved: bool, optimal: Option<u32>) -> Record {
        let spec = Registry::default().make("Puzzle", &json!({"width": 2, "height": 2})).unwrap();
        let mut actions = twisterl_core::space::Actions::new(&spec.action_space());
        actions.push(0.into());
        actions.push(2.into());
        let solution = Solution {
            solved,
            length: 2,
            total: -0.26,
            actions,
            nodes: 7,
            seconds: 0.5,
            ..Solution::default()
        };
        let env = (&*spec.batch(1), true);
        Record::played(index, &instance("line 4, [1]", optimal), &solution, env)
    }

    #[test]
    fn without_a_measure_of_success_there_is_a_length_and_nothing_is_unsolved() {
        let spec = Registry::default().make("CartPole-v1", &json!({})).unwrap();
        let solution = Solution { length: 9, total: 9.0, ..Solution::default() };
        let env = (&*spec.batch(1), spec.measures_success());
        let record = Record::played(0, &instance("", None), &solution, env);
        assert_eq!((record.solved, record.length), (None, Some(9)));
        assert_eq!(record.text(Format::Text).unwrap(), "return 9 after 0 moves\n");
    }

    #[test]
    fn records_are_json_with_the_same_fields() {
        let parse = |record: Record| -> Value {
            let text = record.text(Format::Json).unwrap();
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(
            parse(played(1, true, Some(1))),
            json!({
                "index": 1, "line": 4, "state": [1, 0, 2, 3.5], "solved": true, "length": 2, "optimal": 1, "gap": 1,
                "reward": -0.26, "moves": ["left", "right"], "actions": [0, 2], "nodes": 7, "simulations": 0,
                "seconds": 0.5, "error": null,
            })
        );
        let unsolved = parse(played(0, false, Some(1)));
        assert_eq!(
            [&unsolved["solved"], &unsolved["length"], &unsolved["gap"], &unsolved["optimal"]],
            [&json!(false), &json!(null), &json!(null), &json!(1)]
        );
        let refusal = Refusal {
            place: "line 2".into(),
            expected: "4 tiles".into(),
            found: "1".into(),
            state: vec![1.0],
        };
        let refused = parse(Record::refused(0, &refusal));
        assert_eq!(
            [&refused["line"], &refused["state"], &refused["error"]],
            [&json!(2), &json!([1]), &json!("expected 4 tiles, found 1")]
        );
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&refused), fields(&unsolved));
        assert_eq!(fields(&refused).len(), COLUMNS.len());
        assert!(COLUMNS.iter().all(|name| refused.get(name).is_some()));
    }

    #[test]
    fn the_first_line_of_a_table_is_its_header() {
        let rows = |text: String| {
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            reader
                .records()
                .map(|row| row.unwrap().iter().map(str::to_owned).collect())
                .collect::<Vec<Vec<_>>>()
        };
        let first = rows(played(0, true, None).text(Format::Csv).unwrap());
        assert_eq!(first[0], COLUMNS);
        let cells = [
            "0",
            "4",
            "1 0 2 3.5",
            "true",
            "2",
            "",
            "",
            "-0.26",
            "left; right",
            "0 2",
            "7",
            "0",
            "0.5",
            "",
        ];
        assert_eq!(first[1], cells);
        let failed = Record::failed(1, &instance("", None), "it said \"no\",\nthen left".into());
        let second = rows(failed.text(Format::Csv).unwrap());
        assert_eq!((second.len(), second[0][13].as_str()), (1, "it said \"no\",\nthen left"));
    }

    #[test]
    fn records_are_sentences_for_people() {
        let text = |record: Record| record.text(Format::Text).unwrap();
        assert_eq!(
            text(played(0, true, Some(2))),
            "line 4: solved after 2 moves (optimal 2): left, right\n"
        );
        assert_eq!(text(played(0, false, None)), "line 4: not solved after 2 moves: left, right\n");
        let failed = Record::failed(0, &instance("", None), "no\nroom".into());
        assert_eq!(text(failed), "error: no\\nroom\n");
    }

    #[test]
    fn actions_of_several_components_are_lists() {
        let parts = Action::Parts { discrete: &[3, 1], continuous: &[0.5] };
        assert_eq!(action(parts), json!([3, 1, 0.5]));
        assert_eq!(cell(&action(parts)), "3,1,0.5");
    }
}
