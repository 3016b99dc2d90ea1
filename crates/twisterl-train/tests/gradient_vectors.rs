//! One update of PPO and one of imitation against tests/vectors/updates.json, which other implementations reproduce as
//! well: samples, the loss before the step, its gradient, and the weights after a step of Adam.
//!
//! `TWISTERL_WRITE_VECTORS=1 cargo test -p twisterl-train --test gradient_vectors` rewrites the file.
#![allow(clippy::unwrap_used)]

use rand::{Rng as _, RngExt};
use serde_json::{Value, json};
use twisterl_core::policy::Policy;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::space::{Action, ActionSpace, ObservationSpace};
use twisterl_train::data::batch::Batch;
use twisterl_train::data::supervised_batch::SupervisedBatch;
use twisterl_train::gradient::learner::{Learner, StepSize};
use twisterl_train::gradient::loss::Objective;
use twisterl_train::gradient::loss::imitation::{Imitation, PolicyTargets};
use twisterl_train::gradient::loss::ppo::{Ppo, PpoLossConfig};
use twisterl_train::gradient::optimizer::{AdamConfig, TrainState};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/updates.json");
const CELLS: usize = 4;
const ACTIONS: usize = 4;
const ROWS: usize = 150;
const LR: f32 = 0.01;
/// The decay of Adam's first moment, from which the test computes the gradient of the first step.
const BETA: f64 = 0.9;
const LOSS: PpoLossConfig = PpoLossConfig { clip_ratio: 0.2, vf_coef: 0.5, ent_coef: 0.03 };

/// Returns every fifth weight and the last one: enough to find a mistake in any layer.
fn some(values: &[f32]) -> Vec<f32> {
    values.iter().step_by(5).chain(values.last()).copied().collect()
}

/// Makes one step from the initial weights of seed 1.
fn update(network: &Network, objective: &impl Objective) -> Value {
    let policy = Policy::initial(network.clone(), "Puzzle", json!({}), vec![], 1).unwrap();
    let adam = AdamConfig { eps: 1e-3, weight_decay: 0.01, ..AdamConfig::default() };
    let mut learner = Learner::new(network).unwrap();
    let mut plain = TrainState::new(policy.parameters.clone(), AdamConfig::default());
    let rows: Vec<u32> = (0..ROWS as u32).collect();
    let size = StepSize { lr: 0.0, max_grad_norm: None };
    let stats = learner.step(&mut plain, objective, &rows, size).unwrap();
    let gradient: Vec<f32> =
        plain.adam().m.iter().map(|m| (f64::from(*m) / (1.0 - BETA)) as f32).collect();
    let mut state = TrainState::new(policy.parameters, adam);
    let size = StepSize { lr: LR, max_grad_norm: Some(0.1) };
    learner.step(&mut state, objective, &rows, size).unwrap();
    let total = stats.total_loss();
    json!({"loss": total, "gradient": some(&gradient), "after": some(state.weights())})
}

/// Returns random samples and the updates with them.
fn vectors(activation: Activation, value_layers: Vec<usize>) -> Value {
    let sizes = MlpSizes {
        embedding_size: 10,
        common_layers: vec![7],
        policy_layers: vec![],
        value_layers: value_layers.clone(),
        activation,
    };
    let observation = ObservationSpace::SparseBinary { shape: vec![CELLS; 2] };
    let space = ActionSpace::discrete(ACTIONS);
    let network = Network::mlp(observation, space.clone(), &sizes).unwrap();
    let mut rng = stream(9, Purpose::Act, 0, 0);
    let (mut batch, mut examples) = (Batch::new(&space), SupervisedBatch::default());
    let mut rows = Vec::new();
    for _ in 0..ROWS {
        let ones: Vec<u32> =
            (0..CELLS as u32).map(|cell| cell * CELLS as u32 + rng.random_range(0..4u32)).collect();
        let action = rng.random_range(0..4u32);
        let bits = rng.next_u32();
        let mask: Vec<bool> = (0..4).map(|a| a == action || bits >> a & 1 == 1).collect();
        let legal = mask.iter().filter(|m| **m).count() as f32;
        let policy: Vec<f32> = mask.iter().map(|&m| if m { 1.0 / legal } else { 0.0 }).collect();
        let [log_prob, advantage, value] = [(); 3].map(|()| 2.0 * rng.random::<f32>() - 1.0);
        batch.observations.push_ones(&ones);
        examples.observations.push_ones(&ones);
        batch.masks.extend(&mask);
        examples.masks.extend(&mask);
        batch.actions.push(Action::Discrete(action as usize));
        batch.log_probs.push(log_prob - 1.2);
        batch.advantages.push(advantage);
        batch.returns.push(value);
        examples.policies.extend(&policy);
        examples.values.push(value);
        rows.push(json!({
            "ones": ones, "action": action, "mask": mask, "log_prob": log_prob - 1.2, "advantage": advantage,
            "policy": policy, "value": value
        }));
    }
    let imitation =
        Imitation { examples: &examples, targets: PolicyTargets::Distribution, vf_coef: 0.7 };
    json!({
        "activation": activation,
        "value_layers": value_layers,
        "parameters": network.parameter_count(),
        "ppo": update(&network, &Ppo { batch: &batch, config: LOSS }),
        "imitation": update(&network, &imitation),
        "rows": rows,
    })
}

fn assert_close(found: &Value, expected: &Value, path: &str) {
    match (found, expected) {
        (Value::Object(f), Value::Object(e)) => {
            assert!(f.keys().eq(e.keys()), "{path}");
            f.iter().zip(e).for_each(|((k, f), (_, e))| assert_close(f, e, &format!("{path}.{k}")));
        }
        (Value::Array(f), Value::Array(e)) => {
            assert_eq!(f.len(), e.len(), "{path}");
            f.iter().zip(e).for_each(|(f, e)| assert_close(f, e, path));
        }
        (Value::Number(f), Value::Number(e)) => {
            let (f, e) = (f.as_f64().unwrap(), e.as_f64().unwrap());
            assert!((f - e).abs() <= 1e-5, "{path}: {f} instead of {e}");
        }
        _ => assert_eq!(found, expected, "{path}"),
    }
}

#[test]
fn updates_match_the_recorded_vectors() {
    let found = json!([vectors(Activation::Relu, vec![]), vectors(Activation::Tanh, vec![5])]);
    if std::env::var_os("TWISTERL_WRITE_VECTORS").is_some() {
        // One line per record.
        let mut text = serde_json::to_string(&found).unwrap();
        for part in ["{\"activation\"", "\"ppo\":", "\"imitation\":", "\"rows\":", "{\"ones\""] {
            text = text.replace(part, &format!("\n{part}"));
        }
        std::fs::write(FILE, text + "\n").unwrap();
    }
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    // The last digits depend on the vector instructions of the processor.
    assert_close(&found, &recorded, "");
}
