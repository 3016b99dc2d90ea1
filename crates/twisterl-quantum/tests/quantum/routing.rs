use super::{env, set, state};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use twisterl_core::env::Environment;
use twisterl_core::rng::{Purpose, RngExt as _, stream};
use twisterl_core::space::{Action, Observations};
use twisterl_quantum::Routing;

fn routing(params: Value) -> Routing {
    env(params)
}

fn ones(env: &Routing) -> Vec<u32> {
    let mut observations = Observations::new();
    observations.push_with(|row| env.observe(row));
    let mut ones = observations.ones(0).to_vec();
    ones.sort_unstable();
    ones
}

fn mask(env: &Routing) -> Vec<bool> {
    let mut mask = vec![true; env.gates().len()];
    env.action_mask(&mut mask);
    mask
}

#[test]
fn gates_are_executed_in_order_as_soon_as_their_qubits_are_neighbours() {
    let mut env = routing(json!({"num_qubits": 4, "num_layers": 2}));
    // On the line 0-1-2-3, the first gate is executed at once, and the others wait for the second.
    set(&mut env, &[0, 1, 2, 3, 0, 1, 0, 3, 0, 1, 2, 3]).unwrap();
    assert_eq!(state(&env), [0, 1, 2, 3, 0, 3, 0, 1, 2, 3]);
    // Pairs (0, 3) in the front layer; (0, 1) and (2, 3) in the next one.
    assert_eq!(ones(&env), [3, 6, 6 + 5]);
    assert_eq!(env.render(), "3 gates left\n0-3\n0-1  2-3");
    assert_eq!(mask(&env), [true, false, true]);
    assert_eq!(env.action_name(2.into()), "swap 2 3");
    let step = env.step(2.into());
    assert_eq!(state(&env), [0, 1, 3, 2, 0, 3, 0, 1, 2, 3]);
    assert!((step.reward + 0.03).abs() < 1e-6 && !step.done());
    // The gates on (0, 3) and (2, 3) are executed, and with them that on (0, 1) is not: 0 has moved to 1, and 1 to 0.
    let step = env.step(0.into());
    assert_eq!(state(&env), [1, 0, 3, 2]);
    assert!((step.reward - (1.0 - 0.03 + 3.0 * 0.01)).abs() < 1e-6 && step.terminated);
    assert!(env.solved() && mask(&env) == [true; 3]);
}

#[test]
fn a_circuit_has_each_gate_once_on_neighbours_and_in_the_order_of_its_qubits() {
    let map = json!([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0]]);
    let env = routing(json!({"coupling_map": map, "difficulty": 30}));
    for index in 0..20 {
        let mut rng = stream(4, Purpose::Start, 0, index);
        let mut played = env.clone();
        let gates: Vec<_> = (0..30)
            .map(|_| {
                let a = rng.random_range(0..5u32);
                [a, (a + rng.random_range(1..5u32)) % 5]
            })
            .collect();
        let mut at = vec![2, 0, 4, 1, 3];
        let start = [&at[..], gates.as_flattened()].concat();
        set(&mut played, &start).unwrap();
        let mut actions = Vec::new();
        while !played.solved() {
            let mask = mask(&played);
            let action = rng.random_range(0..5u32) as usize;
            if mask[action] {
                actions.push(action);
                played.step(action.into());
            }
        }
        let start: Vec<f64> = start.into_iter().map(f64::from).collect();
        let mut waiting: Vec<VecDeque<usize>> = vec![VecDeque::new(); 5];
        for (index, gate) in gates.iter().enumerate() {
            gate.iter().for_each(|&qubit| waiting[qubit as usize].push_back(index));
        }
        let mut swaps = 0;
        for operation in env.circuit(&start, &actions).unwrap() {
            let [a, b] = operation.qubits[..] else { panic!("{operation:?}") };
            assert!(a.abs_diff(b) == 1 || a.abs_diff(b) == 4, "{operation:?}");
            let Some(index) = operation.index else {
                swaps += 1;
                for at in &mut at {
                    *at = if *at as usize == a {
                        b
                    } else if *at as usize == b {
                        a
                    } else {
                        *at as usize
                    } as u32;
                }
                continue;
            };
            assert_eq!(gates[index].map(|qubit| at[qubit as usize] as usize), [a, b]);
            for qubit in gates[index] {
                assert_eq!(waiting[qubit as usize].pop_front(), Some(index));
            }
        }
        assert_eq!(swaps, actions.len());
        assert!(waiting.iter().all(VecDeque::is_empty));
        assert_eq!(state(&played), at);
    }
}

#[test]
fn a_set_of_swaps_moves_each_qubit_once() {
    let mut env = routing(json!({"num_qubits": 5, "parallel": true, "gate_reward": 0.0}));
    set(&mut env, &[0, 1, 2, 3, 4, 0, 4]).unwrap();
    let mut mask = vec![true; 8];
    env.action_mask(&mut mask);
    assert_eq!(mask, [true, true, true, false, true, false, true, true]);
    let action = |bits: &'static [u32]| Action::Parts { discrete: bits, continuous: &[] };
    assert_eq!(env.action_name(action(&[1, 0, 0, 1])), "swap 0 1, swap 3 4");
    // The second SWAP is on a qubit that was moved.
    let step = env.step(action(&[1, 1, 0, 1]));
    assert_eq!(state(&env), [1, 0, 2, 4, 3, 0, 4]);
    assert!((step.reward + 0.06).abs() < 1e-6 && !step.done());
    assert_eq!(env.step(action(&[0, 0, 0, 0])).reward, 0.0);
    assert!(env.step(action(&[0, 1, 0, 0])).terminated);
}

/// The fewest SWAPs of random circuits by breadth-first search, which no bound exceeds.
#[test]
fn returns_stay_below_their_bound_and_equal_keys_mean_equal_ways() {
    let mut improved = 0;
    for index in 0..20 {
        let mut start = routing(json!({"difficulty": 6, "max_depth": 50}));
        start.reset(&mut stream(2, Purpose::Start, 0, index));
        let key = |env: &Routing| env.class_key(&mut Vec::new());
        let mut seen = HashSet::from([key(&start)]);
        let mut queue = VecDeque::from([(start.clone(), 0.0)]);
        let bound = start.best_return().unwrap();
        while let Some((env, sum)) = queue.pop_front() {
            if env.solved() {
                assert!(sum <= bound, "{sum} {bound}");
                improved += u32::from(bound - sum > 0.02);
                break;
            }
            for action in 0..4usize {
                let mut next = env.clone();
                let step = next.step(action.into());
                if seen.insert(key(&next)) {
                    queue.push_back((next, sum + step.reward));
                }
            }
        }
    }
    assert!((1..20).contains(&improved), "{improved}");
}

#[test]
fn rewards_for_distances_add_a_constant_to_the_returns_of_solved_episodes() {
    let play = |distance_reward: f64, seed: u64| {
        let mut env = routing(json!({"num_qubits": 5, "distance_reward": distance_reward}));
        // At distances 4 and 2 in the front layer, and 3 in the next: 3 + 1 + 2/2 steps to go.
        set(&mut env, &[0, 3, 1, 4, 2, 0, 3, 1, 2, 3, 2]).unwrap();
        let (mut total, mut rng) = (0.0, stream(seed, Purpose::Start, 0, 0));
        while !env.solved() {
            let action = rng.random_range(0..4u32) as usize;
            let bound = env.best_return().unwrap();
            let step = env.step(action.into());
            assert!(env.best_return().unwrap() + step.reward <= bound + 1e-4);
            total += step.reward;
        }
        total
    };
    for seed in 0..10 {
        let difference = play(0.1, seed) - play(0.0, seed);
        assert!((difference - 0.1 * 5.0).abs() < 1e-4, "{difference}");
    }
}

#[test]
fn keys_of_classes_ignore_qubits_without_gates_and_the_order_of_independent_gates() {
    let key = |entries: &[u32]| {
        let mut env = routing(json!({}));
        set(&mut env, entries).unwrap();
        env.class_key(&mut Vec::new())
    };
    let mut keys = HashMap::new();
    for (class, entries) in [
        (0, vec![0, 1, 2, 3, 4, 0, 2, 1, 3]),
        (0, vec![0, 1, 2, 3, 4, 1, 3, 0, 2]),
        (1, vec![0, 1, 2, 3, 4, 0, 2, 2, 4, 0, 2]),
        (2, vec![0, 1, 2, 3, 4, 0, 2, 0, 2, 2, 4]),
        (3, vec![0, 1, 2, 3, 4, 0, 2]),
        (3, vec![0, 3, 2, 4, 1, 0, 2]),
        (4, vec![0, 1, 3, 2, 4, 0, 2]),
    ] {
        assert_eq!(*keys.entry(key(&entries)).or_insert(class), class, "{entries:?}");
    }
    assert_eq!(keys.len(), 5);
}

/// Executing a long circuit needs no stack, and a large one little time.
#[test]
fn large_circuits_are_executed() {
    let mut env = routing(json!({"num_qubits": 256, "difficulty": 65536, "num_layers": 64}));
    env.reset(&mut stream(0, Purpose::Start, 0, 0));
    assert!(!env.solved() && !ones(&env).is_empty());
    let mut entries: Vec<u32> = (0..256).collect();
    entries.extend((0..65_536).flat_map(|_| [3, 4]));
    set(&mut env, &entries).unwrap();
    assert!(env.solved());
    entries.extend([3, 4]);
    assert!(set(&mut env, &entries).is_err());
}
