#![allow(clippy::unwrap_used)]

use super::*;
use crate::env::check::check_env;
use crate::rng::{Purpose, stream};
use crate::space::Observations;
use proptest::prelude::*;
use std::collections::HashSet;

fn puzzle(height: usize, width: usize) -> Puzzle {
    with_goal(height, width, PuzzleGoal::BlankFirst)
}

fn with_goal(height: usize, width: usize, goal: PuzzleGoal) -> Puzzle {
    Puzzle::new(&PuzzleParams { height, width, goal, ..PuzzleParams::default() }).unwrap()
}

const GOALS: [PuzzleGoal; 2] = [PuzzleGoal::BlankFirst, PuzzleGoal::BlankLast];

fn state(puzzle: &Puzzle) -> Vec<f64> {
    let mut out = Vec::new();
    puzzle.state(&mut out);
    out
}

fn mask(puzzle: &Puzzle) -> [bool; 4] {
    let mut mask = [true; 4];
    puzzle.action_mask(&mut mask);
    mask
}

#[test]
fn moves_take_the_blank_left_up_right_down() {
    let mut p = puzzle(2, 3);
    assert_eq!(mask(&p), [false, false, true, true]);
    for (action, board) in [
        (2, [1, 0, 2, 3, 4, 5]),
        (3, [1, 4, 2, 3, 0, 5]),
        (0, [1, 4, 2, 0, 3, 5]),
        (1, [0, 4, 2, 1, 3, 5]),
        (1, [0, 4, 2, 1, 3, 5]), // off the board: nothing moves
    ] {
        p.step(action.into());
        assert_eq!(state(&p), board.map(f64::from));
    }
    assert_eq!(
        [0, 1, 2, 3, 7].map(|a: usize| p.action_name(a.into())),
        ["left", "up", "right", "down", "7"]
    );
}

#[test]
fn the_last_move_of_the_budget_solves_or_truncates() {
    let params = PuzzleParams { max_depth: 2, ..PuzzleParams::default() };
    let mut p = Puzzle::new(&params).unwrap();
    let start = [1., 0., 2., 3., 4., 5., 6., 7., 8.];
    let after = |reward, terminated, truncated| Step { reward, terminated, truncated };

    p.set_state(&start).unwrap();
    assert_eq!(p.step(1.into()), after(-0.25, false, false), "an illegal move uses one, too");
    assert_eq!(p.step(0.into()), after(1.0, true, false));
    assert!(p.solved());

    p.set_state(&start).unwrap();
    assert_eq!(p.step(2.into()), after(-0.25, false, false));
    assert_eq!(p.step(3.into()), after(-0.5, false, true));
}

#[test]
fn rewards_can_be_chosen() {
    let params =
        r#"{"solved_reward": 2, "failed_reward": -1, "move_reward": -0.05, "max_depth": 3}"#;
    let mut p = Puzzle::new(&serde_json::from_str(params).unwrap()).unwrap();
    p.set_state(&[1., 2., 0., 3., 4., 5., 6., 7., 8.]).unwrap();
    assert_eq!([2, 0, 0].map(|a: usize| p.step(a.into()).reward), [-0.05, -0.05, 2.0]);
    p.set_state(&[1., 2., 0., 3., 4., 5., 6., 7., 8.]).unwrap();
    assert_eq!([2, 2, 2].map(|a: usize| p.step(a.into()).reward), [-0.05, -0.05, -1.0]);
}

#[test]
fn the_budget_grows_with_the_difficulty_up_to_its_bound() {
    let budget = |difficulty, depth_slope, depth_offset| {
        let params = PuzzleParams { difficulty, depth_slope, depth_offset, ..Default::default() };
        Puzzle::new(&params).unwrap().episode_budget()
    };
    assert_eq!(budget(5, 2, 0), 10);
    assert_eq!(budget(5, 2, 10), 20);
    assert_eq!(budget(100, 2, 0), 128);
    assert_eq!(budget(0, 2, 0), 1);
    assert_eq!(budget(LIMIT, usize::MAX, usize::MAX), 128);
}

#[test]
fn a_given_board_has_the_greatest_budget_until_it_is_limited() {
    let mut p = puzzle(2, 2);
    p.set_state(&[1., 0., 2., 3.]).unwrap();
    assert_eq!(p.budget, 128);
    p.set_difficulty(3);
    p.limit_budget();
    assert_eq!(p.budget, 6);
    p.set_difficulty(5);
    p.limit_budget();
    assert_eq!(p.budget, 6, "a limit never adds moves");
}

#[test]
fn a_scramble_is_as_many_random_moves_as_the_difficulty() {
    let mut p = puzzle(3, 3);
    let mut rng = stream(1, Purpose::Start, 0, 0);
    for (difficulty, boards) in [(0, 1), (1, 3), (2, 7)] {
        p.set_difficulty(difficulty);
        let mut seen = HashSet::new();
        for _ in 0..500 {
            p.reset(&mut rng);
            seen.insert(p.board);
        }
        // From the corner: stay, or two moves; from each of these back, or one or two new boards.
        assert_eq!(seen.len(), boards, "difficulty {difficulty}");
    }
}

#[test]
fn uniform_starts_reach_every_solvable_board_equally() {
    // 6! / 2 = 360 boards; 100 draws each have standard deviation 10.
    let mut p = puzzle(2, 3);
    let mut rng = stream(1, Purpose::Start, 0, 0);
    let mut counts = std::collections::HashMap::new();
    for _ in 0..36_000 {
        assert!(p.reset_uniform(&mut rng));
        *counts.entry(p.board).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 360);
    assert!(counts.values().all(|n| (50..=150).contains(n)));
}

#[test]
fn exactly_half_of_all_boards_are_solvable() {
    // Breadth-first search from the goal against the parity rule.
    let sizes = [(2, 2, 12), (2, 3, 360), (3, 2, 360)];
    for ((height, width, reachable), goal) in
        sizes.into_iter().flat_map(|size| GOALS.map(|g| (size, g)))
    {
        let p = with_goal(height, width, goal);
        let mut seen = HashSet::from([p.board]);
        let mut frontier = vec![p];
        while let Some(p) = frontier.pop() {
            for action in 0..4 {
                let mut next = p.clone();
                next.slide(action);
                if seen.insert(next.board) {
                    assert!(next.solvable(&next.board, usize::from(next.blank), goal));
                    frontier.push(next);
                }
            }
        }
        assert_eq!(seen.len(), reachable);
    }
}

#[test]
fn impossible_boards_are_refused_with_the_reason() {
    let mut p = puzzle(2, 2);
    p.set_state(&[1., 0., 2., 3.]).unwrap();
    for (state, message) in [
        (vec![0., 1., 2.], "expected 4 tiles of a 2 x 2 board, found 3"),
        (vec![0., 1., 2., 4.], "expected whole numbers from 0 to 3, found 4 at position 3"),
        (vec![0., 1., -2., 3.], "found -2 at position 2"),
        (vec![0., 0.5, 2., 3.], "found 0.5 at position 1"),
        (vec![f64::NAN, 1., 2., 3.], "found NaN at position 0"),
        (vec![1., 1., 2., 3.], "expected each tile once, found 1 at positions 0 and 1"),
        (vec![0., 2., 1., 3.], "found [0, 2, 1, 3], which is one swap of two tiles off"),
    ] {
        let error = p.set_state(&state).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(self::state(&p), [1., 0., 2., 3.]);
    }
}

#[test]
fn boards_print_as_boxes() {
    assert_eq!(puzzle(2, 2).render(), "┌───┬───┐\n│   │ 1 │\n├───┼───┤\n│ 2 │ 3 │\n└───┴───┘");
    let large = puzzle(4, 3).render();
    assert_eq!(large.lines().nth(1), Some("│    │  1 │  2 │"));
    assert_eq!(large.lines().nth(7), Some("│  9 │ 10 │ 11 │"));
}

/// A uniformly random board of these sides, and moves on it.
fn boards(
    sides: impl Strategy<Value = (usize, usize)>,
) -> impl Strategy<Value = (Puzzle, Vec<usize>)> {
    (sides, prop::sample::select(&GOALS), prop::collection::vec(0usize..4, 0..200), any::<u64>())
        .prop_map(|((height, width), goal, moves, seed)| {
            let mut p = with_goal(height, width, goal);
            p.reset_uniform(&mut stream(seed, Purpose::Start, 0, 0));
            (p, moves)
        })
}

fn any_sides() -> impl Strategy<Value = (usize, usize)> {
    (MIN_SIDE..=MAX_SIDE, MIN_SIDE..=MAX_SIDE)
}

fn square() -> impl Strategy<Value = (usize, usize)> {
    (MIN_SIDE..=MAX_SIDE).prop_map(|side| (side, side))
}

proptest! {
    #[test]
    fn any_moves_keep_a_board_solvable_and_a_permutation((mut p, moves) in boards(any_sides())) {
        for &action in &moves {
            let legal = mask(&p)[action];
            let before = p.board;
            p.step(action.into());
            prop_assert_eq!(legal, p.board != before);
            prop_assert_eq!(p.board[usize::from(p.blank)], 0);
            prop_assert!(p.solvable(&p.board, usize::from(p.blank), p.goal));
            let mut tiles = state(&p);
            // The blank is written as 0 and is the largest number of the other goal.
            if p.goal == PuzzleGoal::BlankLast {
                tiles.iter_mut().filter(|t| **t == 0.0).for_each(|t| *t = f64::INFINITY);
            }
            prop_assert_eq!(p.solved(), tiles.is_sorted());
        }
        let distinct: HashSet<_> = p.board.iter().collect();
        prop_assert_eq!(distinct.len(), MAX_CELLS);
    }

    #[test]
    fn a_board_can_be_set_again((p, _) in boards(any_sides())) {
        let mut copy = with_goal(usize::from(p.height), usize::from(p.width), p.goal);
        copy.set_state(&state(&p)).unwrap();
        prop_assert_eq!((copy.board, copy.blank), (p.board, p.blank));
    }

    #[test]
    fn swapping_two_tiles_makes_a_board_unsolvable((mut p, _) in boards(any_sides())) {
        let mut swapped = state(&p);
        let tiles: Vec<usize> = (0..swapped.len()).filter(|&c| swapped[c] != 0.0).collect();
        swapped.swap(tiles[0], tiles[1]);
        prop_assert!(p.set_state(&swapped).is_err());
    }

    #[test]
    fn the_transposed_board_plays_the_transposed_game((p, moves) in boards(square())) {
        let twist = &p.twists()[0];
        let (mut here, mut there) = (p.clone(), p.clone());
        there.set_state(&p.twisted_state(0).unwrap()).unwrap();
        here.set_state(&state(&p)).unwrap();
        for &action in &moves {
            let step = here.step(action.into());
            prop_assert_eq!(step, there.step((twist.action[action] as usize).into()));
            let mut seen = Observations::new();
            seen.push_with(|row| here.observe(row));
            seen.push_with(|row| there.observe(row));
            let image: HashSet<_> =
                seen.ones(0).iter().map(|&bit| twist.observation[bit as usize]).collect();
            prop_assert_eq!(image, seen.ones(1).iter().copied().collect());
            prop_assert_eq!(here.twisted_state(0).unwrap(), state(&there));
        }
    }
}

#[test]
fn different_boards_have_different_keys() {
    // Two keys agree by chance once in 2^64; a key that ignored a tile would soon repeat.
    for (height, width) in [(2, 2), (2, 3), (3, 3), (4, 4), (5, 5), (6, 6)] {
        let mut p = puzzle(height, width);
        let (mut keys, mut boards) = (HashSet::new(), HashSet::new());
        for index in 0..3000 {
            if index % 100 == 0 {
                p.reset_uniform(&mut stream(3, Purpose::Start, 0, index));
            }
            p.step(((index * 7 + index / 5) as usize % 4).into());
            keys.insert(p.state_key(&mut Vec::new()));
            boards.insert(p.board);
        }
        assert_eq!(keys.len(), boards.len(), "{height} x {width}");
        assert!(boards.len() >= 12);
    }
}

#[test]
fn no_board_returns_more_than_its_bound() {
    let mut p = puzzle(2, 2);
    p.set_state(&[1., 0., 2., 3.]).unwrap();
    assert_eq!(p.best_return(), Some(1.0));
    assert_eq!(p.step(0.into()).reward, 1.0);
    assert_eq!(p.best_return(), Some(0.0));
    let paid = PuzzleParams { move_reward: Some(0.1), ..PuzzleParams::default() };
    assert_eq!(Puzzle::new(&paid).unwrap().best_return(), None);
}

#[test]
fn the_goal_may_have_the_blank_last() {
    let params = r#"{"width": 3, "height": 2, "goal": "blank_last", "max_depth": 4}"#;
    let mut p = Puzzle::new(&serde_json::from_str(params).unwrap()).unwrap();
    assert_eq!(state(&p), [1., 2., 3., 4., 5., 0.]);
    assert!(p.solved());
    assert_eq!(mask(&p), [true, true, false, false]);
    p.set_state(&[1., 2., 3., 0., 4., 5.]).unwrap();
    assert_eq!([2, 2].map(|a: usize| p.step(a.into()).reward), [-0.125, 1.0]);
    p.set_difficulty(0);
    p.reset(&mut stream(1, Purpose::Start, 0, 0));
    assert!(p.solved());
    // The sorted board of 2 x 3: a cycle of 6, which is odd, and the blank at an odd distance from its place.
    p.set_state(&[0., 1., 2., 3., 4., 5.]).unwrap();
    assert!(!p.solved());
    for name in ["blank_first", "blank_last"] {
        let params: PuzzleParams =
            serde_json::from_str(&format!(r#"{{"goal": "{name}"}}"#)).unwrap();
        assert_eq!(params.goal.name(), name);
    }
    assert!(serde_json::to_value(PuzzleParams::default()).unwrap().get("goal").is_none());
}

#[test]
fn a_board_of_the_other_goal_is_refused_with_advice() {
    // 15 tiles: a cycle of 16 is odd, and 6 moves of the blank are even. So each board has one of the two goals.
    let last: Vec<f64> = (1..16).chain([0]).map(f64::from).collect();
    let first: Vec<f64> = (0..16).map(f64::from).collect();
    for (goal, board, name) in [(GOALS[0], &last, "blank_last"), (GOALS[1], &first, "blank_first")]
    {
        let mut p = with_goal(4, 4, goal);
        let error = p.set_state(board).unwrap_err().to_string();
        let advice = format!("off (moves lead to the goal of \"goal\": \"{name}\")");
        assert!(error.ends_with(&advice), "{error}");
    }
    // 3 x 3: neither goal.
    let error = puzzle(3, 3).set_state(&[0., 2., 1., 3., 4., 5., 6., 7., 8.]).unwrap_err();
    assert!(error.to_string().ends_with("two tiles off"), "{error}");
}

#[test]
fn every_size_of_either_goal_keeps_the_contract() {
    for ((height, width), goal) in
        [(2, 2), (2, 3), (3, 3), (4, 4)].into_iter().flat_map(|size| GOALS.map(|goal| (size, goal)))
    {
        let mut p = with_goal(height, width, goal);
        p.set_difficulty(20);
        assert_eq!(check_env(&p, 0).unwrap().twists, usize::from(height == width));
    }
}
