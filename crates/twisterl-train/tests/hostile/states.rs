//! Files of states in all formats, with what they say.

use crate::inputs::pick;
use rand::RngExt;
use serde_json::{Value, json};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::rng::Rng;

/// States, with the lengths of shortest solutions that are known.
pub type Known = Vec<(Vec<f64>, Option<u32>)>;

/// Returns some boards of `spec`, with lengths for some of them or for none. Those of several boards are no tiles: in text,
/// lengths that count the lines would be indices.
pub fn boards(rng: &mut Rng, spec: &dyn EnvSpec) -> Known {
    let mut batch = spec.batch(1);
    let with_lengths = rng.random::<bool>();
    let count = rng.random_range(1..6);
    (0..count)
        .map(|_| {
            batch.begin(0, Start::Uniform { difficulty: 1 }, rng).unwrap();
            let mut state = Vec::new();
            batch.state(0, &mut state).unwrap();
            let length = rng.random_range(if count == 1 { 0 } else { 40 }..90);
            (state, (with_lengths && rng.random_range(0..4) > 0).then_some(length))
        })
        .collect()
}

/// Writes boards with rows of `width` in a format drawn from `rng`. Returns the text and what it says.
pub fn file(rng: &mut Rng, mut boards: Known, width: usize) -> (String, Known) {
    let format = rng.random_range(0..6);
    if format >= 3 {
        // Text has the length behind all boards, or behind none.
        let with_lengths = boards.iter().all(|(_, length)| length.is_some()) && format != 5;
        boards.iter_mut().filter(|_| !with_lengths).for_each(|(_, length)| *length = None);
    }
    let text = match format {
        0 => list(rng, &boards, width),
        1 => json_lines(rng, &boards, width),
        2 => table(rng, &boards),
        3 | 4 => lines(rng, &boards),
        _ => rows(rng, &boards, width),
    };
    (decorated(rng, text, format > 0), boards)
}

fn words(numbers: &[f64], rng: &mut Rng, separator: &str) -> String {
    let word = |number: &f64| match rng.random_range(0..40) {
        0 => format!("{number:.1}"),
        _ => format!("{number}"),
    };
    numbers.iter().map(word).collect::<Vec<_>>().join(separator)
}

fn state(rng: &mut Rng, state: &[f64], width: usize) -> Value {
    let whole: Vec<u64> = state.iter().map(|&tile| tile as u64).collect();
    match rng.random_range(0..3) {
        0 => json!(whole.chunks(width).collect::<Vec<_>>()),
        1 => json!(words(state, rng, ", ")),
        _ => json!(whole),
    }
}

fn instance(rng: &mut Rng, (numbers, length): &(Vec<f64>, Option<u32>), width: usize) -> Value {
    let value = state(rng, numbers, width);
    match length {
        None if rng.random() && !value.is_string() => value,
        None => json!({"state": value}),
        Some(length) if rng.random() => {
            json!({"optimal": f64::from(*length), "state": value, "x": [{}]})
        }
        Some(length) => json!({"state": value, "optimal": length}),
    }
}

fn list(rng: &mut Rng, boards: &Known, width: usize) -> String {
    let items: Vec<_> = boards.iter().map(|board| instance(rng, board, width)).collect();
    let value = match rng.random_range(0..3) {
        0 => json!({"note": "[{", "instances": items, "width": width}),
        1 => {
            let states: Vec<_> = boards.iter().map(|(board, _)| state(rng, board, width)).collect();
            json!({"states": states, "optimal": boards.iter().map(|(_, length)| length).collect::<Vec<_>>()})
        }
        _ => json!(items),
    };
    if rng.random() { value.to_string() } else { format!("{value:#}") }
}

fn json_lines(rng: &mut Rng, boards: &Known, width: usize) -> String {
    boards.iter().map(|board| format!("{}\n", instance(rng, board, width))).collect()
}

fn table(rng: &mut Rng, boards: &Known) -> String {
    let delimiter = *pick(rng, &[",", ";", "\t"]);
    let cells = boards[0].0.len();
    let (single, quoted) = (rng.random::<bool>(), rng.random::<bool>());
    let mut header: Vec<String> = match single {
        true => vec![(*pick(rng, &["state", "board", "Tiles"])).to_owned()],
        false => (0..cells).map(|cell| format!("t{}", cell + usize::from(quoted))).collect(),
    };
    let order: Vec<usize> = match rng.random() {
        true => (0..header.len()).rev().collect(),
        false => (0..header.len()).collect(),
    };
    header = order.iter().map(|&column| header[column].clone()).collect();
    header.insert(0, "id".into());
    header.push("optimal".into());
    let mut text = format!("{}\n", header.join(delimiter));
    for (i, (board, length)) in boards.iter().enumerate() {
        let columns: Vec<String> = match single {
            true => vec![format!("\"{}\"", words(board, rng, if quoted { ", " } else { " " }))],
            false => order.iter().map(|&column| words(&board[column..=column], rng, "")).collect(),
        };
        let length = length.map_or_else(String::new, |length| length.to_string());
        text += &format!("{}{delimiter}{}{delimiter}{length}\n", i + 7, columns.join(delimiter));
    }
    text
}

fn lines(rng: &mut Rng, boards: &Known) -> String {
    let separator = *pick(rng, &[" ", "  ", ",", ", ", ";", "\t"]);
    // A single number more on a single line is a length.
    let index = rng.random_range(0..3) == 0 && (boards.len() > 1 || boards[0].1.is_some());
    let bracket = rng.random_range(0..4) == 0 && !index && separator.contains(',');
    let line = |(i, (board, length)): (usize, &(Vec<f64>, Option<u32>))| {
        let mut text = words(board, rng, separator);
        if bracket {
            text = format!("({text})");
        }
        if index {
            text = format!("{}{separator}{text}", i + 1);
        }
        if let Some(length) = length {
            text = format!("{text}{separator}{length}");
        }
        format!("{text}\n")
    };
    boards.iter().enumerate().map(line).collect()
}

fn rows(rng: &mut Rng, boards: &Known, width: usize) -> String {
    let (sides, gap) = (rng.random::<bool>(), rng.random::<bool>());
    let mut text = String::new();
    for (board, _) in boards {
        if sides {
            text += &format!("{} {width}\n", board.len() / width);
        }
        for row in board.chunks(width) {
            text += &format!("{}\n", words(row, rng, " "));
        }
        text += if gap { "\n" } else { "" };
    }
    text
}

/// Adds what does not matter: comments, blank lines, ends of lines of other systems, a byte-order mark.
fn decorated(rng: &mut Rng, text: String, blank_lines: bool) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if rng.random() {
        lines.insert(0, *pick(rng, &["# boards", "", "// 1 2 3", "% x"]));
    }
    if blank_lines && rng.random() {
        let at = rng.random_range(0..lines.len());
        lines.insert(at, *pick(rng, &["# no, more", "  "]));
    }
    let mark = if rng.random_range(0..5) == 0 { "\u{feff}" } else { "" };
    format!("{mark}{}", lines.join(*pick(rng, &["\n", "\r\n", "\r"])))
}
