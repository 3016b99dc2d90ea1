#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;

fn checker(height: usize, width: usize) -> StateChecker {
    let params = json!({"height": height, "width": width});
    let spec = Registry::default().make("Puzzle", &params).unwrap();
    StateChecker::new(&*spec, &Interrupt::default()).unwrap()
}

fn read_text(text: &[u8], checker: &mut StateChecker) -> Result<Vec<Instance>, String> {
    parse(Path::new("file"), text, checker).map_err(|error| error.to_string())
}

/// A state, the length of its shortest solution and its line.
type Read = (Vec<f64>, Option<u32>, String);

fn rows(instances: Vec<Instance>) -> Vec<Read> {
    let line = |place: &str| place.split([',']).next().unwrap_or_default().to_owned();
    instances.into_iter().map(|i| (i.state, i.optimal, line(&i.place))).collect()
}

const A: [f64; 4] = [1., 0., 2., 3.];
const B: [f64; 4] = [2., 1., 0., 3.];

/// The text, the lengths and the lines.
type File = (&'static str, [Option<u32>; 2], [usize; 2]);

/// Files of 2 x 2 boards: A and B with the lengths and the lines given.
#[rustfmt::skip]
const FILES: &[File] = &[
    // JSON.
    ("[[1,0,2,3],[2,1,0,3]]", [None, None], [1, 1]),
    ("[[1,0,2,3],\n [2,1,0,3]]\n", [None, None], [1, 2]),
    ("\n# boards\n[\n{\"state\": [1,0,2,3], \"optimal\": 20.0},\n{\"state\": [2,1,0,3]}\n]", [Some(20), None], [4, 5]),
    ("{\"note\": \"[{\", \"instances\": [[[1,0],[2,3]],\n[[2,1],[0,3]]], \"width\": 2}", [None, None], [1, 2]),
    ("{\"instances\": [[[1,0,2,3], 1], {\"state\": [[2,1],[0,3]], \"optimal\": null, \"x\": []}]}", [Some(1), None], [1, 1]),
    ("{\"states\": [[1,0,2,3],[2,1,0,3]], \"optimal\": [1, null]}", [Some(1), None], [1, 1]),
    ("[{\"state\": \"1 0 2 3\"}, \"2,1,0,3\"]", [None, None], [1, 1]),
    // JSON Lines.
    ("[1,0,2,3]\n[2,1,0,3]\n", [None, None], [1, 2]),
    ("[[1,0],[2,3]]\n\n[[2,1],[0,3]]", [None, None], [1, 3]),
    ("{\"state\": [1,0,2,3], \"optimal\": 1}\r\n{\"state\": [2,1,0,3], \"optimal\": 5}\r\n", [Some(1), Some(5)], [1, 2]),
    // Tables with a header.
    ("state,optimal\n\"1,0,2,3\",1\n\"[2, 1, 0, 3]\",\n", [Some(1), None], [2, 3]),
    ("id;board;optimal_length\n7;1 0 2 3;20.0\n9;2 1 0 3;-\n", [Some(20), None], [2, 3]),
    ("state\n1 0 2 3\n2, 1, 0, 3\n", [None, None], [2, 3]),
    ("state optimal\n1,0,2,3 1\n2,1,0,3 5", [Some(1), Some(5)], [2, 3]),
    ("Optimal\tt0\tt1\tt2\tt3\tname\n1\t1\t0\t2\t3\tx\n5\t2\t1\t0\t3\ty", [Some(1), Some(5)], [2, 3]),
    ("t4,t3,t2,t1\n3,2,0,1\n3,0,1,2\n", [None, None], [2, 3]),
    ("r0c0,r0c1,r1c0,r1c1,optimal\n1,0,2,3,1\n2,1,0,3,5\n", [Some(1), Some(5)], [2, 3]),
    (",0,1,2,3\n0,1,0,2,3\n1,2,1,0,3\n", [None, None], [2, 3]),
    ("a1,b1,c1,d1,optimal\n1,0,2,3,1\n\n# no more\n2,1,0,3,nan\n", [Some(1), None], [2, 5]),
    ("nw,ne,sw,se\n1,0,2,3\n2,1,0,3\n", [None, None], [2, 3]),
    ("\"state\",\"optimal\"\n\"[1 0\n 2 3]\",\"1\"\n\"2 1 0 3\",\"5\"\n", [Some(1), Some(5)], [2, 4]),
    // Text.
    ("1 0 2 3\n2 1 0 3\n", [None, None], [1, 2]),
    ("1,0,2,3\r2, 1, 0,3\r", [None, None], [1, 2]),
    ("1;0;2;3\n2\t1\t0\t3", [None, None], [1, 2]),
    ("# boards\n\n1 0 2 3 # first\n% more\n// and more\n2 1 0 3\n", [None, None], [3, 6]),
    ("(1, 0, 2, 3)\n[2, 1, 0, 3]\n", [None, None], [1, 2]),
    ("\u{feff}1 0 2 3\n2.0 1e0 0 3.\n", [None, None], [1, 2]),
    ("1 1 0 2 3\n2 2 1 0 3\n", [None, None], [1, 2]),
    ("1: 1 0 2 3\n2: 2 1 0 3\n", [None, None], [1, 2]),
    ("1 0 2 3 1\n2 1 0 3 2\n", [Some(1), Some(2)], [1, 2]),
    ("1 0 2 3, 1\n2 1 0 3, 5\n", [Some(1), Some(5)], [1, 2]),
    ("7 1 0 2 3 1\n9 2 1 0 3 5\n", [Some(1), Some(5)], [1, 2]),
    ("\"1,0,2,3\",1\n\"2,1,0,3\",5\n", [Some(1), Some(5)], [1, 2]),
    ("1 0 2 3\n2 1 0 3 5\n", [None, Some(5)], [1, 2]),
    // Rows of boards.
    ("1 0\n2 3\n\n2 1\n0 3\n", [None, None], [1, 4]),
    ("2\n1 0\n2 3\n2\n2 1\n0 3\n", [None, None], [1, 4]),
    ("[[1 0]\n [2 3]]\n[[2 1]\n [0 3]]\n", [None, None], [1, 3]),
    ("[[1 0 2 3]\n [2 1 0 3]]\n", [None, None], [1, 2]),
    ("[\n(1, 0, 2, 3),\n(2, 1, 0, 3),\n]", [None, None], [2, 3]),
];

#[test]
fn the_formats_in_which_people_have_states_are_read() {
    let mut checker = checker(2, 2);
    for (text, optimal, lines) in FILES {
        let expected: Vec<Read> = [A, B]
            .into_iter()
            .zip(optimal.iter().zip(lines))
            .map(|(state, (optimal, line))| (state.to_vec(), *optimal, format!("line {line}")))
            .collect();
        let found = read_text(text.as_bytes(), &mut checker).map(rows);
        assert_eq!(found, Ok(expected), "{text}");
    }
}

#[test]
fn one_state_is_read_flat_and_in_rows() {
    let mut checker = checker(3, 3);
    for text in [
        "[[1,2,3],[4,5,0],[7,8,6]]",
        "[1,2,3,4,5,0,7,8,6]",
        "{\"state\": [[1,2,3],[4,5,0],[7,8,6]]}",
        "1 2 3\n4 5 0\n7 8 6\n",
        "3\n1 2 3\n4 5 0\n7 8 6\n",
        "3 3\n1 2 3\n4 5 0\n7 8 6\n",
        "1 2 3 4 5 0 7 8 6",
        "1\n2\n3\n4\n5\n0\n7\n8\n6",
        "{\"instances\": [\"1 2 3, 4 5 0, 7 8 6\"]}",
    ] {
        let found = read_text(text.as_bytes(), &mut checker).map(rows);
        let state = [1., 2., 3., 4., 5., 0., 7., 8., 6.].to_vec();
        assert_eq!(found, Ok(vec![(state, None, "line 1".to_owned())]), "{text}");
    }
}

/// Files of one line that holds A, the length of its shortest solution as the same number as its first tile, and an index:
/// the numbers alone do not tell an index from a length.
#[test]
fn one_line_ends_with_a_length_unless_punctuation_sets_an_index_off() {
    let mut checker = checker(2, 2);
    let a = |optimal| Ok(vec![(A.to_vec(), optimal, "line 1".to_owned())]);
    for (text, optimal) in [
        ("1 0 2 3", None),
        ("1 0 2 3 1", Some(1)),
        ("1,0,2,3,1", Some(1)),
        ("1\t0\t2\t3\t1\n", Some(1)),
        ("1 0 2 3, 1", Some(1)),
        ("1 0 2 3; 1", Some(1)),
        ("1 0 2 3\t1", Some(1)),
        ("[1 0 2 3] 1", Some(1)),
        ("(1, 0, 2, 3), 1", Some(1)),
        ("\"1,0,2,3\",1", Some(1)),
        ("\"1,0,2,3\",\"1\"", Some(1)),
        ("7 1 0 2 3", None),
        ("7, 1 0 2 3", None),
        ("1: 1 0 2 3", None),
        ("7 1 0 2 3 1", Some(1)),
        ("1: 1 0 2 3 1", Some(1)),
        ("1) [1 0 2 3], 1", Some(1)),
        ("7;\"1,0,2,3\";1", Some(1)),
        ("[1,0,2,3]", None),
        ("[[1,0],[2,3]]", None),
        ("[[1,0,2,3]]", None),
        ("[[1,0,2,3], 1]", Some(1)),
        ("[[[1,0,2,3], 1]]", Some(1)),
        ("{\"state\": [1,0,2,3], \"optimal\": 1}", Some(1)),
        ("{\"states\": [[1,0,2,3]], \"optimal\": [1]}", Some(1)),
        ("{\"instances\": [{\"state\": [1,0,2,3], \"optimal\": 1}]}", Some(1)),
    ] {
        assert_eq!(read_text(text.as_bytes(), &mut checker).map(rows), a(optimal), "{text}");
    }
    // Without its first number this line is a board as well: only punctuation makes that an index.
    let other = vec![(vec![0., 2., 3., 1.], None, "line 1".to_owned())];
    for text in ["1: 0 2 3 1", "1, 0 2 3 1", "1; 0,2,3,1", "1 [0 2 3 1]", "1,\"0,2,3,1\""] {
        let found = read_text(text.as_bytes(), &mut checker).map(rows);
        assert_eq!(found.as_ref(), Ok(&other), "{text}");
    }
}

/// The first instances of Korf's list of 1985, with their optimal lengths.
#[test]
fn korfs_list_is_read_with_indices_and_lengths() {
    const KORF: [(&str, u32); 4] = [
        ("14 13 15 7 11 12 9 5 6 0 2 1 4 8 10 3", 57),
        ("13 5 4 10 9 12 8 14 2 3 7 1 0 15 11 6", 55),
        ("14 7 8 2 13 11 10 4 9 12 5 0 3 6 1 15", 59),
        ("5 12 10 7 15 11 14 0 8 2 1 13 3 4 9 6", 56),
    ];
    let mut checker = checker(4, 4);
    let states = KORF.map(|(state, _)| super::one(state).unwrap());
    for (index, optimal) in [(true, false), (false, true), (true, true), (false, false)] {
        let line = |(i, (state, moves)): (usize, &(&str, u32))| match (index, optimal) {
            (true, false) => format!("{} {state}\n", i + 1),
            (false, true) => format!("{state} {moves}\n"),
            (true, true) => format!("{} {state} {moves}\n", i + 1),
            (false, false) => format!("{state}\n"),
        };
        let text: String = KORF.iter().enumerate().map(line).collect();
        let found = read_text(text.as_bytes(), &mut checker).unwrap();
        for ((found, state), (_, moves)) in found.iter().zip(&states).zip(KORF) {
            assert_eq!(&found.state, state, "{text}");
            assert_eq!(found.optimal, optimal.then_some(moves), "{text}");
        }
        assert_eq!(found.len(), 4);
    }
    // A line that is a board by its first and by its last 16 numbers: lines that count from 1 have an index.
    let twice = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0 1\n";
    let found = read_text(twice.as_bytes(), &mut checker).unwrap_err();
    assert!(found.contains("blank_last"), "{found}");
    let boards =
        "14 13 15 7 11 12 9 5 6 0 2 1 4 8 10 3 14\n13 5 4 10 9 12 8 14 2 3 7 1 0 15 11 6 13\n";
    let found = rows(read_text(boards.as_bytes(), &mut checker).unwrap());
    assert_eq!(found[0], (states[0].clone(), Some(14), "line 1".to_owned()));
}

#[test]
fn the_shared_files_of_boards_are_read() {
    let text = include_bytes!("../../../../../../tests/data/puzzle15_optimal.json");
    let found = read_text(text, &mut checker(4, 4)).unwrap();
    assert_eq!((found[0].optimal, found[0].place.as_str()), (Some(38), "line 4, instances[0]"));
}

#[test]
#[rustfmt::skip]
fn errors_name_the_line_and_no_type_of_the_implementation() {
    let mut checker = checker(2, 2);
    for (text, message) in [
        ("", "expected at least one state, found none"),
        ("# none\n\n", "expected at least one state, found none"),
        ("[]", "expected at least one state, found none"),
        ("{\"boards\": []}", "expected an object with the list `instances`, or a list of states, found an object without that list"),
        ("{\"instances\": 3}", "instances: expected a list of states, found 3"),
        ("[[1,0,2,3],\n[2,1,\"x\",3]]", "line 2, [1][2]: expected a number, found \"x\""),
        ("{\"instances\":\n[{\"state\": 3}]}", "line 2, instances[0].state: expected a list of numbers, or an object with `state`, found 3"),
        ("[{\"state\": [1,0,2,3],\n\"state\": []}]", "line 2: expected each key once, found `[0].state` twice"),
        ("[1,0,2,3]\n{\"state\": 1, \"state\": []}", "line 2: expected each key once, found `state` twice"),
        ("[{}]", "line 1, [0]: expected an object with `state`, found one without it"),
        ("[{\"state\": [1,0,2,3], \"optimal\": -1}]", "line 1, [0].optimal: expected a whole number of moves, 0 or more, found -1"),
        ("[{\"state\": [1,0,2,3], \"optimal\": 1.5}]", "found 1.5"),
        ("[{\"state\": [1,0,2,3], \"optimal\": \"x\"}]", "found \"x\""),
        ("[[1,0,2,3]] x", "line 1, column 13: expected JSON, found expected value"),
        ("[[1,0,2,3],\n[NaN,0,2,3]]", "line 2: expected finite numbers, found NaN"),
        ("[[1,0,2,3],\n[2,1,0,0]]", "line 2, [1]: expected each tile once, found 0 at positions 2 and 3"),
        ("[1,0,2,3]\n[2,1,0]\n", "line 2: expected 4 tiles of a 2 x 2 board, found 3"),
        ("{\"states\": [[1,0,2,3]], \"optimal\": []}", "optimal: expected a list of 1, one for each state, found another value"),
        ("1 0 2 3\n\n2 1 0 4\n", "line 3: expected whole numbers from 0 to 3, found 4 at position 3"),
        ("1 0 2 3\n2 1 0\n", "line 2: expected 4 tiles of a 2 x 2 board, found 3"),
        ("1 0 2 3\n2 1 0 3 5 7 9\n", "line 2: expected 4 tiles of a 2 x 2 board, found 7"),
        ("1 0 2 3\n2 1 x 3\n", "line 2: expected numbers separated by blanks or commas, found \"x\""),
        ("1,0,2,3\n2,,0,3\n", "line 2: expected numbers separated by blanks or commas, found nothing in place of value 2"),
        ("1 0 2 3 1\n2 1 0 3 -5\n", "line 2: expected 4 tiles of a 2 x 2 board, found 5"),
        ("state,optimal\n\"1,0,2,3\",1\n\"2,1,0\",5\n", "line 3: expected 4 tiles of a 2 x 2 board, found 3"),
        ("state,optimal\n1 0 2 3,x\n", "line 2: expected a whole number of moves, 0 or more, in the column of optimal lengths, found \"x\""),
        ("state,optimal\n1,0,2,3,1\n", "line 2: expected 2 columns, as in the header, found 5"),
        ("name,optimal\nx,1\n", "line 1: expected a header with a column `state`, or with one numbered column for each of the 4 numbers of a state, found `name`, `optimal`"),
        ("state,board\n1,2\n", "line 1: expected one such column, found `state` and `board`"),
        ("t0,t1,t2,t3\n1,0,,3\n", "line 2: expected a number, found \"\" in column 3"),
    ] {
        let found = read_text(text.as_bytes(), &mut checker).unwrap_err();
        assert!(found.contains(message), "{text:?}: {found}");
        for word in ["f64", "u32", "usize", "sequence", "invalid type"] {
            assert!(!found.contains(word), "{text:?}: {found}");
        }
    }
    for (bytes, message) in [
        (&b"1 0 2 3\n\xFF"[..], "line 2: expected text in UTF-8, found bytes that are not UTF-8"),
        (b"\xFF\xFE1\x00", "expected text in UTF-8, found UTF-16 (save the file as UTF-8)"),
        (b"\x93NUMPY\x01", "expected text in UTF-8, found an array of NumPy"),
    ] {
        let found = read_text(bytes, &mut checker).unwrap_err();
        assert!(found.contains(message), "{found}");
    }
    for text in ["[".repeat(100_000), format!("{{\"x\": {}", "[".repeat(100_000)), "null".into()] {
        read_text(text.as_bytes(), &mut checker).unwrap_err();
    }
}

/// Files of three boards of which the second is broken, with its line and the numbers that were read of it.
#[rustfmt::skip]
const BROKEN: &[(&str, &str, &str, &[f64])] = &[
    ("1 0 2 3\n2 1 0 0\n2 1 0 3\n", "line 2", "expected each tile once", &[2., 1., 0., 0.]),
    ("1 0 2 3\n2 x 0 3\n2 1 0 3\n", "line 2", "expected numbers separated by blanks or commas, found \"x\"", &[]),
    ("1 0 2 3\n2 1\n2 1 0 3\n", "line 2", "expected 4 tiles of a 2 x 2 board, found 2", &[2., 1.]),
    ("1 1 0 2 3\n2 2 1 0 0\n3 2 1 0 3\n", "line 2", "expected each tile once", &[2., 1., 0., 0.]),
    ("7 1 0 2 3\n9 2 1 0 x\n8 2 1 0 3\n", "line 2", "found \"x\"", &[]),
    ("1 0\n2 3\n2 x\n0 3\n2 1\n0 3\n", "line 3", "found \"x\"", &[]),
    ("1 0\n2 3\n2 2\n0 3\n2 1\n0 3\n", "line 3", "expected each tile once", &[2., 2., 0., 3.]),
    ("state,optimal\n1 0 2 3,\n2 1 0 3,x\n2 1 0 3,\n", "line 3", "in the column of optimal lengths", &[]),
    ("state,id\n1 0 2 3,1\n2 1 0 3\n2 1 0 3,3\n", "line 3", "expected 2 columns", &[]),
    ("[[1,0,2,3],\n{\"board\": 1},\n[2,1,0,3]]", "line 2, [1]", "expected an object with `state`", &[]),
    ("[1,0,2,3]\n[2,1,\n[2,1,0,3]\n", "line 2, column 5", "expected JSON", &[]),
    ("{\"state\": [1,0,2,3]}\n{\"state\": [2,1,NaN,3]}\n{\"state\": [2,1,0,3]}", "line 2", "found NaN", &[]),
    ("[1,0,2,3]\n{\"state\": [1], \"state\": []}\n[2,1,0,3]\n", "line 2", "expected each key once", &[]),
];

#[test]
fn a_broken_state_is_refused_in_its_place_and_no_other_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("states");
    let mut checker = checker(2, 2);
    for (text, place, reason, state) in BROKEN {
        fs::write(&path, text).unwrap();
        let found = read_each(&path, &mut checker).unwrap();
        let [Ok(first), Err(refusal), Ok(last)] = &found[..] else { panic!("{text}: {found:?}") };
        assert_eq!((&first.state[..], &last.state[..]), (&A[..], &B[..]), "{text}");
        assert_eq!((refusal.place.as_str(), &refusal.state[..]), (*place, *state), "{text}");
        let message = refusal.clone().of(Path::new("file")).to_string();
        assert!(message.contains(reason), "{text}: {message}");
        // Where all states are needed, the file is refused for it.
        assert_eq!(read_text(text.as_bytes(), &mut checker), Err(message));
    }
}

#[test]
fn an_error_names_all_refused_states_but_at_most_ten_more_than_the_first() {
    let mut checker = checker(2, 2);
    let refused = |text: &str, checker: &mut StateChecker| {
        read_text(text.as_bytes(), checker).unwrap_err().split_once("; ").unwrap().1.to_owned()
    };
    let (good, bad) = ("1 0 2 3\n", "2 1 0 0\n");
    let [two, four] = [[good, bad, bad, good].concat(), [bad, bad, good, bad, bad].concat()];
    assert_eq!(refused(&two, &mut checker), "1 more state refused: line 3");
    assert_eq!(refused(&four, &mut checker), "3 more states refused: lines 2, 4, 5");
    assert_eq!(
        refused(&bad.repeat(12), &mut checker),
        "11 more states refused: lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ..."
    );
    let json = "[[1,0,2,3], [1], [2], [3]]";
    assert_eq!(refused(json, &mut checker), "2 more states refused: line 1, [2]; line 1, [3]");
}

#[test]
fn places_begin_with_the_number_of_a_line() {
    for (place, number) in [
        ("line 3", Some(3)),
        ("line 12, instances[0].state", Some(12)),
        ("optimal", None),
        ("", None),
    ] {
        assert_eq!(line(place), number, "{place}");
    }
}

#[test]
fn files_are_bounded_and_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("states.json");
    let mut checker = checker(2, 2);
    let mut refusal = || read(&path, &mut checker).unwrap_err().to_string();
    assert!(refusal().ends_with("states.json: expected a file of states, found nothing"));
    fs::File::create(&path).unwrap().set_len(MAX_STATES + 1).unwrap();
    assert!(refusal().ends_with("expected a file of at most 32 MiB, found 33554433 bytes"));
}

proptest! {
    #[test]
    fn junk_never_panics(
        text in r#"([\[\]{},:;#\n\t ]|"state"|state|"optimal"|"instances"|-?[0-9.e]{1,4}|1 0 2 3|null|"){0,24}"#,
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut checker = checker(2, 2);
        let _ = read_text(text.as_bytes(), &mut checker);
        let _ = read_text(&bytes, &mut checker);
    }
}
