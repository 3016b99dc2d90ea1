//! Records of solved problems: one for each state of a file, as JSON, CSV or text.

use crate::system::files::states::{self, Instance, Refusal};
use crate::{Error, Result};
use serde_json::{Value, json};
use twisterl_core::env::batch::VecEnv;
use twisterl_core::solve::{Record, Solution};

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

/// Returns the record of a problem that was played. `env` knows the names of the actions.
pub(super) fn played(
    index: usize,
    instance: &Instance,
    solution: &Solution,
    env: (&dyn VecEnv, bool),
) -> Record {
    // To the nanosecond, which is what the clock tells.
    let seconds = Some((solution.seconds * 1e9).round() / 1e9);
    Record { seconds, ..of_instance(index, instance).played(solution, env) }
}

/// Returns the record of a problem that could not be played.
pub(super) fn failed(index: usize, instance: &Instance, error: String) -> Record {
    Record { error: Some(error), ..of_instance(index, instance) }
}

/// Returns the record of a state that was refused.
pub(super) fn refused(index: usize, refusal: &Refusal) -> Record {
    let Refusal { place, expected, found, state } = refusal;
    let error = Some(format!("expected {expected}, found {found}"));
    Record { error, seconds: Some(0.0), ..Record::new(index, states::line(place), state) }
}

fn of_instance(index: usize, instance: &Instance) -> Record {
    let record = Record::new(index, states::line(&instance.place), &instance.state);
    Record { optimal: instance.optimal, seconds: Some(0.0), ..record }
}

/// Returns a record in a format, with a newline; the first of a table below its header.
///
/// # Errors
/// If it cannot be written, which is a bug.
pub(super) fn text(record: &Record, format: Format) -> Result<String> {
    Ok(match format {
        Format::Text => record.sentence(),
        Format::Json => format!("{}\n", json!(record)),
        Format::Csv => {
            let mut table = csv::Writer::from_writer(Vec::new());
            if record.index == 0 {
                table.write_record(COLUMNS).map_err(unwritten)?;
            }
            table.write_record(row(record)).map_err(unwritten)?;
            String::from_utf8_lossy(&table.into_inner().map_err(unwritten)?).into_owned()
        }
    })
}

/// Returns the line of a table.
fn row(record: &Record) -> [String; COLUMNS.len()] {
    let joined = |values: &[Value]| values.iter().map(cell).collect::<Vec<_>>().join(" ");
    let optional = |value: Option<String>| value.unwrap_or_default();
    [
        record.index.to_string(),
        optional(record.line.map(|line| line.to_string())),
        joined(&record.state),
        optional(record.solved.map(|solved| solved.to_string())),
        optional(record.length.map(|length| length.to_string())),
        optional(record.optimal.map(|optimal| optimal.to_string())),
        optional(record.gap.map(|gap| gap.to_string())),
        optional(record.reward.map(|reward| reward.to_string())),
        record.moves.join("; "),
        joined(&record.actions),
        record.nodes.to_string(),
        record.simulations.to_string(),
        optional(record.seconds.map(|seconds| seconds.to_string())),
        optional(record.error.clone()),
    ]
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
        super::played(index, &instance("line 4, [1]", optimal), &solution, env)
    }

    #[test]
    fn without_a_measure_of_success_there_is_a_length_and_nothing_is_unsolved() {
        let spec = Registry::default().make("CartPole-v1", &json!({})).unwrap();
        let solution = Solution { length: 9, total: 9.0, ..Solution::default() };
        let env = (&*spec.batch(1), spec.measures_success());
        let record = super::played(0, &instance("", None), &solution, env);
        assert_eq!((record.solved, record.length), (None, Some(9)));
        assert_eq!(text(&record, Format::Text).unwrap(), "return 9 after 0 moves\n");
    }

    #[test]
    fn records_are_json_with_the_same_fields() {
        let parse = |record: Record| -> Value {
            let text = text(&record, Format::Json).unwrap();
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
        let refused = parse(refused(0, &refusal));
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
        let first = rows(text(&played(0, true, None), Format::Csv).unwrap());
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
        let failed = failed(1, &instance("", None), "it said \"no\",\nthen left".into());
        let second = rows(text(&failed, Format::Csv).unwrap());
        assert_eq!((second.len(), second[0][13].as_str()), (1, "it said \"no\",\nthen left"));
    }

    #[test]
    fn records_are_sentences_for_people() {
        let text = |record: Record| text(&record, Format::Text).unwrap();
        assert_eq!(
            text(played(0, true, Some(2))),
            "line 4: solved after 2 moves (optimal 2): left, right\n"
        );
        assert_eq!(text(played(0, false, None)), "line 4: not solved after 2 moves: left, right\n");
        let failed = failed(0, &instance("", None), "no\nroom".into());
        assert_eq!(text(failed), "error: no\\nroom\n");
    }

    #[test]
    fn components_of_an_action_are_separated_by_commas_in_a_table() {
        assert_eq!(cell(&json!([3, 1, 0.5])), "3,1,0.5");
    }
}
