//! Members of populations beside executors of their weights, for networks of every kind.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::policy::layers::{Layer, LayerSpec};
use crate::policy::network::{Activation, Decides, Layers, MlpSizes};
use crate::space::{ActionSpace, ObservationSpace};
use serde_json::{Value, json};

const DRAW: PerturbationKey = PerturbationKey::new(1, 2, 0.3);

fn sparse() -> ObservationSpace {
    ObservationSpace::SparseBinary { shape: vec![9, 9] }
}

fn dense() -> ObservationSpace {
    ObservationSpace::Dense { shape: vec![3] }
}

fn mixed() -> ObservationSpace {
    ObservationSpace::Mixed { bits: vec![9, 9], values: vec![3] }
}

fn policy(network: Network) -> Policy {
    Policy::initial(network, "Puzzle", json!({}), vec![], 3).unwrap()
}

fn mlp(observation: ObservationSpace, activation: Activation, heads: &[usize]) -> Policy {
    mlp_for(observation, ActionSpace::discrete(5), activation, heads)
}

fn mlp_for(
    observation: ObservationSpace,
    decides: impl Into<Decides>,
    activation: Activation,
    heads: &[usize],
) -> Policy {
    let sizes = MlpSizes {
        embedding_size: 40,
        common_layers: vec![70, 33],
        policy_layers: heads.to_vec(),
        value_layers: vec![5],
        activation,
    };
    policy(Network::mlp(observation, decides, &sizes).unwrap())
}

fn layered(observation: ObservationSpace, common: Value, action: Value) -> Policy {
    let specs = |value: Value| -> Vec<LayerSpec> { serde_json::from_value(value).unwrap() };
    let layers = Layers { common: specs(common), action: specs(action), value: vec![] };
    policy(Network::hidden(observation, ActionSpace::discrete(5), &layers).unwrap())
}

/// 100 rows of bits, values or both, which belong to the members 3 to 8 in turn.
fn rows(observation: &ObservationSpace) -> (Observations, Vec<u32>) {
    let mut rows = Observations::new();
    for i in 0..100 {
        rows.push_with(|row| {
            if observation.bits() != Some(0) {
                row.ones((0..9).map(|cell| cell * 9 + (cell * i + i) % 9));
            }
            if observation.values() != Some(0) {
                row.values(&[0.1 * i as f32, -1.0, (i as f32).sin()]);
            }
        });
    }
    (rows, (0..100).map(|i| i % 6).collect())
}

/// Returns the output of an executor of the perturbed weights for each row.
fn expected(policy: &Policy, rank: usize) -> Vec<f32> {
    let (observations, members) = rows(&policy.network.observation);
    let layout = Layout::of(&policy.network, rank);
    let mut all = Vec::new();
    for (row, &member) in members.iter().enumerate() {
        let (mut noise, mut weights) = (Vec::new(), policy.parameters.clone());
        let member = u64::from(member) + 3;
        layout.draw(DRAW.key.at(member / 2), &mut noise);
        let sign = if member % 2 == 0 { 1.0 } else { -1.0 };
        layout.perturb(&noise, sign * DRAW.sigma, &mut weights).unwrap();
        let (mut one, mut out) = (Observations::new(), Evaluation::default());
        one.push_row(&observations, row);
        let executor = Executor::of(&Policy { parameters: weights, ..policy.clone() }).unwrap();
        executor.evaluate(&one, &mut out).unwrap();
        all.extend_from_slice(&out.actions);
    }
    all
}

/// All members agree with [`expected`]. Returns whether they share the base product.
fn agrees(policy: &Policy, rank: usize) -> bool {
    let population = Population::new(policy, rank).unwrap();
    let (observations, rows) = rows(&policy.network.observation);
    let members = population.members(DRAW, 3..9).unwrap();
    let mut out = Evaluation::default();
    members.rows(&rows).evaluate(&observations, &mut out).unwrap();
    let expected = expected(policy, rank);
    assert_eq!(out.actions.len(), expected.len());
    for (found, expected) in out.actions.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4, "rank {rank}: {found} {expected}");
    }
    assert_eq!(out.values, vec![0.0; 100]);
    population.shares_base()
}

#[test]
fn every_member_is_an_executor_of_its_perturbed_weights() {
    for rank in [0, 1, 2, 5] {
        for observation in [sparse(), dense(), mixed()] {
            for (activation, heads) in [(Activation::Relu, &[][..]), (Activation::Tanh, &[7])] {
                let policy = mlp(observation.clone(), activation, heads);
                assert_eq!(agrees(&policy, rank), rank > 0);
            }
        }
    }
}

#[test]
fn networks_by_their_layers_share_what_is_linear() {
    let linear = json!({"type": "linear", "outputs": 12, "activation": "gelu"});
    let stacks = [
        (sparse(), json!([linear, {"type": "transpose", "axes": [1, 0]}, linear]), true),
        (
            sparse(),
            json!([{"type": "embedding", "outputs": 8, "activation": "silu"}, linear]),
            true,
        ),
        (
            dense(),
            json!([{"type": "reshape", "shape": [3, 1]}, linear, {"type": "pool", "by": "mean"}]),
            true,
        ),
        (sparse(), json!([linear, {"type": "layer_norm"}]), false),
        (sparse(), json!([linear, {"type": "attention", "heads": 2}]), false),
        (
            sparse(),
            json!([{"type": "reshape", "shape": [9, 3, 3]}, {"type": "conv2d", "channels": 4, "kernel": 2}]),
            false,
        ),
        (dense(), json!([linear, {"type": "residual", "layers": [linear]}]), false),
    ];
    for (observation, common, shares) in stacks {
        let policy = layered(observation, common.clone(), json!([]));
        for rank in [0, 1, 3] {
            assert_eq!(agrees(&policy, rank), shares && rank > 0, "{common}");
        }
    }
}

#[test]
fn heads_without_a_trunk_are_perturbed_too() {
    let head = json!([{"type": "embedding", "outputs": 8}]);
    let layers = |head: &Value| -> Vec<LayerSpec> { serde_json::from_value(head.clone()).unwrap() };
    let layers = Layers { common: vec![], action: layers(&head), value: layers(&head) };
    let network = Network::hidden(sparse(), ActionSpace::discrete(5), &layers).unwrap();
    assert!(agrees(&policy(network), 1));
}

#[test]
fn what_all_rows_share_and_the_scale_of_observations_are_those_of_the_policy() {
    for observation in [dense(), mixed()] {
        let actions = ActionSpace::discrete(2).and(ActionSpace::continuous(&[(-1.0, 1.0); 3]));
        let mut policy = mlp_for(observation, actions, Activation::Tanh, &[]);
        assert_eq!(policy.network.shared_parameters(), 3);
        let layers: usize = policy.network.layers().map(Layer::parameter_count).sum();
        assert_eq!(policy.network.parameter_count(), layers + 3);
        policy.scaling =
            Some(Scaling { count: 9, mean: vec![1.0; 3], std: vec![2.0; 3], clip: 2.0 });
        for rank in [0, 1, 2] {
            assert_eq!(agrees(&policy, rank), rank > 0);
        }
    }
}

#[test]
fn a_row_is_judged_alike_in_any_batch() {
    let policy = mlp(sparse(), Activation::Relu, &[]);
    let (observations, rows) = rows(&sparse());
    for rank in [0, 2] {
        let population = Population::new(&policy, rank).unwrap();
        let members = population.members(DRAW, 3..9).unwrap();
        let mut all = Evaluation::default();
        members.rows(&rows).evaluate(&observations, &mut all).unwrap();
        for (row, &member) in rows.iter().enumerate() {
            let (mut one, mut out) = (Observations::new(), Evaluation::default());
            one.push_row(&observations, row);
            let member = u64::from(member) + 3;
            let alone = population.members(DRAW, member..member + 1).unwrap();
            alone.rows(&[0]).evaluate(&one, &mut out).unwrap();
            assert_eq!(out.actions, all.actions[row * 5..(row + 1) * 5], "rank {rank}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let policy = mlp(sparse(), Activation::Relu, &[]);
    for rank in [0, 1] {
        let mut population = Population::new(&policy, rank).unwrap();
        let members = population.members(DRAW, 0..2).unwrap();
        let mut out = Evaluation::default();
        let mut row = Observations::new();
        row.push_ones(&[80]);
        assert!(members.rows(&[2]).evaluate(&row, &mut out).is_err(), "no such member");
        assert!(members.rows(&[0, 1]).evaluate(&row, &mut out).is_err(), "too few rows");
        members.rows(&[1]).evaluate(&row, &mut out).unwrap();
        row.clear();
        row.push_ones(&[81]);
        assert!(members.rows(&[1]).evaluate(&row, &mut out).is_err(), "no such bit");
        assert!(population.load(&[0.0]).is_err());
    }
}
