//! Solutions of least cost, against breadth-first searches over whole groups.

use super::{State, costs, full, line, make};
use serde_json::{Value, json};
use twisterl_core::env::{Environment, Start};
use twisterl_core::evaluator::Mock;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{Invert, Objective, Solution, Solver};
use twisterl_quantum::{Clifford, LinearFunction, Permutation};

/// The states of a group with their least costs, in thousandths, in order.
fn optima<E: Environment>(params: &Value) -> Vec<(State, u64)> {
    let mut optima: Vec<_> = costs(&super::env::<E>(params.clone())).into_iter().collect();
    optima.sort_unstable();
    optima
}

/// Solves states with a policy that knows nothing.
pub(super) fn solve(
    env_cls: &str,
    params: &Value,
    states: &[State],
    (method, objective, invert): (&str, Objective, Invert),
) -> Vec<Solution> {
    let spec = make(env_cls, params).unwrap();
    let uniform = Mock::uniform(spec.action_space().single_discrete().unwrap());
    let states: Vec<Vec<f64>> =
        states.iter().map(|state| state.iter().copied().map(f64::from).collect()).collect();
    let starts: Vec<_> =
        states.iter().map(|state| Start::State { state, difficulty: None }).collect();
    let key = StreamKey::new(0, Purpose::Solve);
    let solver = Solver {
        objective,
        invert,
        max_steps: Some(24),
        ..Solver::new(&*spec, &uniform, method.parse().unwrap(), key)
    };
    solver.run(&starts).unwrap()
}

/// The cost of a solution, in thousandths; a solved start costs nothing and pays nothing.
fn paid(solution: &Solution) -> u64 {
    let bonus = f32::from(u8::from(solution.length > 0));
    (f64::from(bonus - solution.total) * 1000.0).round() as u64
}

/// Solves every `step`-th state of a group for the greatest return.
fn check<E: Environment>(params: &Value, step: usize) -> f64 {
    let all = optima::<E>(params);
    let (states, least): (Vec<State>, Vec<u64>) = all.into_iter().step_by(step).unzip();
    for invert in [Invert::Never, Invert::Both] {
        let setting = ("beam=30000", Objective::Return, invert);
        for ((state, least), solution) in
            states.iter().zip(&least).zip(solve(E::NAME, params, &states, setting))
        {
            assert!(solution.solved, "{state:?}");
            assert_eq!(paid(&solution), *least, "{} {params} {state:?} {invert:?}", E::NAME);
        }
    }
    least.iter().sum::<u64>() as f64 / 1000.0 / least.len() as f64
}

#[test]
fn an_exhaustive_beam_finds_the_least_cost_of_each_state() {
    let cnots = json!({"n_cnots": 1.0, "n_gates": 0.0});
    let basis = ["H", "S", "CX"];
    let clifford = json!({"num_qubits": 2, "basis_gates": basis, "metrics_weights": cnots});
    assert_eq!(check::<Clifford>(&clifford, 1), 1.5);
    let both = json!({"num_qubits": 2, "metrics_weights": {"n_cnots": 0.3, "n_gates": 0.01}});
    check::<Clifford>(&both, 7);
    let linear = json!({"num_qubits": 3, "coupling_map": line(3), "metrics_weights": {"n_cnots": 1.0, "n_gates": 0.0}});
    check::<LinearFunction>(&linear, 1);
    let swaps = json!({"num_qubits": 4, "coupling_map": full(4), "metrics_weights": {"n_cnots": 0.5, "n_gates": 0.0}});
    check::<Permutation>(&swaps, 1);
}

/// The optima of a line of 4 qubits, mean 9.1185 over all 20,160 matrices, from an independent breadth-first search.
#[test]
fn both_ends_are_solved_within_one_budget_and_the_better_solution_counts() {
    let params = json!({"num_qubits": 4, "basis_gates": ["CX"], "metrics_weights": {"n_cnots": 1.0, "n_gates": 0.0}});
    let all = optima::<LinearFunction>(&params);
    let mean = all.iter().map(|(_, cost)| *cost as f64 / 1000.0).sum::<f64>() / all.len() as f64;
    assert!((mean - 9.1185).abs() < 1e-4, "{mean}");
    let (states, least): (Vec<State>, Vec<u64>) = all.into_iter().step_by(97).unzip();
    for method in ["beam=50", "widening=64", "best-of=64", "mcts=200", "gumbel=64"] {
        for objective in [Objective::Length, Objective::Return] {
            let run =
                |invert| solve("LinearFunction", &params, &states, (method, objective, invert));
            let (one, both) = (run(Invert::Never), run(Invert::Both));
            let (mut better, mut other_side) = (0, 0);
            for ((one, both), least) in one.iter().zip(&both).zip(&least) {
                let alike =
                    (one.solved, one.length, one.total) == (both.solved, both.length, both.total);
                assert!(alike || both.inverted || !both.solved, "{method}: {one:?} {both:?}");
                assert!(!both.inverted || both.solved);
                assert!(!both.solved || paid(both) >= *least);
                assert!(one.nodes == 0 || both.nodes > one.nodes, "{method}");
                let cost = |s: &Solution| if s.solved { paid(s) } else { u64::MAX };
                assert!(cost(both) <= cost(one), "{method}: {one:?} {both:?}");
                better += usize::from(cost(both) < cost(one));
                other_side += usize::from(both.inverted);
            }
            assert!(better > 0 && other_side >= better, "{method}: {better} of {}", states.len());
        }
    }
}

#[test]
fn inverse_problems_of_all_groups_have_the_solutions_backwards() {
    let line = |basis: Value| json!({"num_qubits": 5, "basis_gates": basis});
    for (env_cls, params) in [
        ("Permutation", json!({"num_qubits": 9, "coupling_map": full(9)})),
        ("LinearFunction", line(json!(["CX", "SWAP"]))),
        ("Clifford", line(json!(["H", "S", "SX", "CX", "CZ", "SWAP"]))),
        ("Clifford", json!({"num_qubits": 3, "metrics_weights": {"n_layers": 1.0}})),
    ] {
        let spec = make(env_cls, &params).unwrap();
        let mut env = spec.batch(2);
        for index in 0..20 {
            let mut rng = StreamKey::new(index, Purpose::Start).stream();
            env.begin(0, Start::Scramble { difficulty: 2 }, &mut rng).unwrap();
            let (mut state, mut back) = (Vec::new(), Vec::new());
            env.state(0, &mut state).unwrap();
            let inverse = env.inverse_state(0).unwrap().unwrap();
            env.begin(1, Start::State { state: &inverse, difficulty: None }, &mut rng).unwrap();
            let again = env.inverse_state(1).unwrap().unwrap();
            back.extend(again);
            assert_eq!(state[..back.len()], back, "{env_cls}");
        }
        let states: Vec<State> = (0..20)
            .map(|index| {
                let mut rng = StreamKey::new(index, Purpose::Start).stream();
                env.begin(0, Start::Scramble { difficulty: 2 }, &mut rng).unwrap();
                let mut state = Vec::new();
                env.state(0, &mut state).unwrap();
                state.into_iter().map(|number| number as u32).collect()
            })
            .collect();
        let setting = ("beam=1000", Objective::Return, Invert::Both);
        assert!(solve(env_cls, &params, &states, setting).iter().all(|solution| solution.solved));
    }
}

#[test]
fn environments_without_inverse_problems_refuse_to_invert() {
    let registry = twisterl_core::registry::Registry::default();
    let spec = registry.make("Puzzle", &json!({})).unwrap();
    let uniform = Mock::uniform(4);
    let key = StreamKey::new(0, Purpose::Solve);
    let solver = Solver {
        invert: Invert::Both,
        ..Solver::new(&*spec, &uniform, "greedy".parse().unwrap(), key)
    };
    let error = solver.run(&[Start::Scramble { difficulty: 3 }]).unwrap_err().to_string();
    assert_eq!(
        error,
        "invert: expected never, since Puzzle tells no inverse problem of the state, found both"
    );
}
