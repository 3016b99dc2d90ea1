#![allow(clippy::unwrap_used)]
use super::*;
use crate::bench::{synthetic_batch, synthetic_parameters};
use crate::data::batch::Batch;
use crate::gradient::loss::ppo::{Ppo, PpoLossConfig};
use crate::gradient::model::forward;
use crate::gradient::optimizer::AdamConfig;
use twisterl_core::evaluator::distribution::Sample;
use twisterl_core::policy::network::{Activation, MlpSizes};
use twisterl_core::space::{ActionComponent, ActionSpace, ObservationSpace};

const LOSS: PpoLossConfig = PpoLossConfig { clip_ratio: 0.2, vf_coef: 0.5, ent_coef: 0.01 };

fn network(actions: ActionSpace, hidden: usize) -> Network {
    let sizes = MlpSizes {
        embedding_size: hidden,
        common_layers: vec![24],
        policy_layers: vec![],
        value_layers: vec![12],
        activation: Activation::Relu,
    };
    Network::mlp(ObservationSpace::SparseBinary { shape: vec![9, 9] }, actions, &sizes).unwrap()
}

/// A choice, bits, and numbers of both kinds.
fn mixed() -> ActionSpace {
    let numbers = |low: f32, high: f32| ActionComponent::Continuous {
        low: vec![low; 2],
        high: vec![high; 2],
        shape: vec![2],
    };
    ActionSpace::new(vec![
        numbers(-1.0, f32::INFINITY),
        ActionComponent::Discrete { n: 3 },
        ActionComponent::Binary { n: 2 },
        numbers(0.0, 1.0),
    ])
    .unwrap()
}

fn learner(network: &Network) -> (Learner, TrainState) {
    let state = TrainState::new(synthetic_parameters(network), AdamConfig::default());
    (Learner::new(network).unwrap(), state)
}

fn clipped(lr: f32) -> StepSize {
    StepSize { lr, max_grad_norm: Some(0.5) }
}

fn unclipped(lr: f32) -> StepSize {
    StepSize { lr, max_grad_norm: None }
}

fn ppo(batch: &Batch) -> Ppo<'_> {
    Ppo { batch, config: LOSS }
}

fn indices(rows: usize) -> Vec<u32> {
    (0..rows as u32).rev().collect()
}

#[test]
fn any_number_of_threads_gives_the_same_weights() {
    for actions in [ActionSpace::discrete(4), mixed()] {
        any_number_of_threads(actions);
    }
}

fn any_number_of_threads(actions: ActionSpace) {
    let network = network(actions, 300);
    let batch = synthetic_batch(&network, 2000, 9);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut learner, mut state) = learner(&network);
            let mut stats = LossStatistics::default();
            for rows in [2000, 1999, 700, 100, 1] {
                let step = learner.step(&mut state, &ppo(&batch), &indices(rows), clipped(1e-3));
                stats.merge(&step.unwrap());
            }
            (state, stats)
        })
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn the_gradient_is_that_of_one_graph_of_all_rows() {
    let network = network(mixed(), 300);
    let batch = synthetic_batch(&network, 1000, 9);
    let (mut learner, mut state) = learner(&network);
    let model = Model::of(&network, state.weights()).unwrap();
    let whole = Gradient::new(vec![0.0; network.parameter_count()].into());
    let (observations, loss) = ppo(&batch).gather(&learner.shape, &indices(1000)).unwrap();
    let (logits, values) = model.forward(observations, Some(&whole)).unwrap();
    let (value, _) = LossOp::apply(loss, 1e-3, &logits, &values).unwrap();
    value.backward().unwrap();
    let stats = learner.step(&mut state, &ppo(&batch), &indices(1000), unclipped(0.0)).unwrap();
    let value = f64::from(value.to_scalar::<f32>().unwrap());
    assert!((stats.total_loss() - value).abs() < 1e-6 * value.abs());
    let whole = lock(&whole);
    let norm = sum_of_squares(&whole).sqrt();
    assert!((stats.grad_norm() - norm).abs() < 1e-5 * norm);
    for (a, b) in learner.gradient.iter().zip(&*whole) {
        assert!((a - b).abs() < 1e-5 * norm as f32, "{a} {b}");
    }
}

#[test]
fn long_gradients_are_cut_to_the_norm_asked_for() {
    let network = network(ActionSpace::discrete(4), 32);
    let batch = synthetic_batch(&network, 64, 9);
    let moment = |max_grad_norm: Option<f32>| {
        let (mut learner, mut state) = learner(&network);
        let size = StepSize { lr: 1e-3, max_grad_norm };
        let stats = learner.step(&mut state, &ppo(&batch), &indices(64), size).unwrap();
        // After the first step the first moment is (1 - beta1) times the clipped gradient.
        (10.0 * sum_of_squares(&state.adam().m).sqrt(), stats.grad_norm())
    };
    let (free, norm) = moment(None);
    assert!((free - norm).abs() < 1e-4 * norm);
    let limit = norm / 4.0;
    let (cut, reported) = moment(Some(limit as f32));
    assert!((cut - limit).abs() < 1e-4 * limit, "{cut} {limit}");
    assert_eq!(reported, norm);
    assert!((moment(Some(1e3)).0 - norm).abs() < 1e-4 * norm);
}

#[test]
fn a_saved_state_continues_bit_identically() {
    let network = network(ActionSpace::discrete(4), 32);
    let batch = synthetic_batch(&network, 300, 9);
    let (mut first, mut whole) = learner(&network);
    let (mut second, mut resumed) = learner(&network);
    let step = |learner: &mut Learner, state: &mut TrainState| {
        learner.step(state, &ppo(&batch), &indices(300), clipped(1e-3)).unwrap()
    };
    step(&mut first, &mut whole);
    resumed.restore(whole.weights().to_vec(), whole.adam().clone()).unwrap();
    assert_eq!(step(&mut first, &mut whole), step(&mut second, &mut resumed));
    assert_eq!(whole, resumed);
    let mut other = TrainState::new(vec![0.0; 3], AdamConfig::default());
    let error = first.step(&mut other, &ppo(&batch), &indices(300), clipped(1e-3)).unwrap_err();
    assert!(error.to_string().contains("parameters, found 3"), "{error}");
}

#[test]
fn a_step_that_diverges_is_an_error_and_changes_nothing() {
    let network = network(ActionSpace::discrete(4), 32);
    let mut batch = synthetic_batch(&network, 300, 9);
    let (mut learner, mut state) = learner(&network);
    let before = state.clone();
    batch.returns[299] = 1e38;
    let config = PpoLossConfig { vf_coef: 1e10, ..LOSS };
    let wild = Ppo { batch: &batch, config };
    let error = learner.step(&mut state, &wild, &indices(300), unclipped(1e-3)).unwrap_err();
    assert!(error.to_string().starts_with("training diverged"), "{error}");
    assert_eq!(state, before);
    batch.returns[299] = 0.0;
    learner.step(&mut state, &ppo(&batch), &indices(300), unclipped(1e-3)).unwrap();
}

#[test]
fn it_learns_what_it_is_rewarded_for() {
    // Choice = position of the first cell's one modulo 4, value = whether the second cell's one is below 5.
    let network = network(ActionSpace::discrete(4), 32);
    let mut batch = synthetic_batch(&network, 256, 9);
    let (mut learner, mut state) = learner(&network);
    for row in 0..256 {
        let ones = batch.observations.ones(row).to_vec();
        batch.actions.discrete[row] = ones[0] % 4;
        batch.returns[row] = if ones[1] < 14 { 1.0 } else { 0.0 };
    }
    batch.masks.fill(true);
    batch.advantages.fill(1.0);
    // An acting policy so unlikely to have chosen right that the ratio is never clipped... is clipped at once; one
    // that always did is not before the new policy does so, too.
    batch.log_probs.fill(0.0);
    let mut last = LossStatistics::default();
    let config = PpoLossConfig { ent_coef: 0.0, ..LOSS };
    let objective = Ppo { batch: &batch, config };
    for _ in 0..300 {
        last = learner.step(&mut state, &objective, &indices(256), clipped(3e-3)).unwrap();
    }
    assert!(last.policy_loss() < -0.98, "{last:?}");
    assert!(last.value_loss() < 0.01, "{last:?}");
}

#[test]
fn it_learns_each_part_of_an_action() {
    // Choice and bits by the first two cells, numbers by the third; all are worth the same.
    let network = network(mixed(), 32);
    let mut batch = synthetic_batch(&network, 256, 9);
    let (mut learner, mut state) = learner(&network);
    batch.actions.discrete.clear();
    batch.actions.continuous.clear();
    for row in 0..256 {
        let [a, b, c, ..] = batch.observations.ones(row)[..] else { panic!() };
        batch.actions.discrete.extend([a % 3, b % 2, a % 2]);
        let x = if c % 2 == 0 { 1.0 } else { -0.5 };
        batch.actions.continuous.extend([x, 2.0 * x, -x, 0.0]);
    }
    batch.masks.fill(true);
    batch.advantages.fill(1.0);
    let distribution = network.action_distribution().unwrap();
    let mut scratch = vec![0.0; distribution.scratch_width()];
    for _ in 0..400 {
        // The acting policy is always the last one, so that the gradient is that of the likelihood.
        let (rows, _) = forward(&network, state.weights(), &batch.observations).unwrap();
        batch.log_probs.clear();
        for (i, row) in rows.chunks_exact(distribution.width()).enumerate() {
            let mask = &batch.masks[i * distribution.mask_width()..][..distribution.mask_width()];
            let sample = Sample {
                choices: &batch.actions.discrete[3 * i..3 * i + 3],
                values: &batch.actions.continuous[4 * i..4 * i + 4],
            };
            let score = distribution.score(row, mask, sample, &mut scratch);
            batch.log_probs.push(score.log_prob as f32);
        }
        let config = PpoLossConfig { ent_coef: 0.0, vf_coef: 0.0, ..LOSS };
        let objective = Ppo { batch: &batch, config };
        learner.step(&mut state, &objective, &indices(256), clipped(3e-3)).unwrap();
    }
    // A bit that is not learned costs 0.7; what is left is the width of the numbers.
    let worst = batch.log_probs.iter().copied().fold(f32::INFINITY, f32::min);
    assert!(worst > -1.0, "{worst}");
}
