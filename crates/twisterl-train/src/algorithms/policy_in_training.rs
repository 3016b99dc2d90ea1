//! The policy in training, which the trainer owns and lends to its algorithm.

use crate::Result;
use crate::algorithms::Iteration;
use crate::algorithms::weight_average::WeightAverage;
use crate::config::OptimizerConfig;
use crate::data::running_statistics::RunningStatistics;
use crate::gradient::optimizer::{AdamConfig, AdamState, TrainState};
use crate::gradient::schedule;
use crate::record::snapshot::{ArrayData, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::network::Network;
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::space::Observations;

/// The arrays of a checkpoint: Adam's moments; the weights, if the saved policy has averaged weights; and the statistics
/// of observations.
const FIRST_MOMENT: &str = "adam.m";
const SECOND_MOMENT: &str = "adam.v";
const WEIGHTS: &str = "weights";
const OBSERVATIONS: &str = "observations.moments";

/// A policy in training: its weights with the state of their optimizer, the executor that acts during collection, the
/// running average of the weights, and statistics of the observations.
pub struct PolicyInTraining {
    /// The policy that training began with. Its weights and scaling are out of date.
    initial: Policy,
    config: OptimizerConfig,
    state: TrainState,
    acting: Executor,
    average: Option<WeightAverage>,
    /// Statistics of the observations, where the policy scales them.
    observed: Option<RunningStatistics>,
    interrupt: Interrupt,
}

/// The JSON of a checkpoint: the number of steps of Adam, and the algorithm's own state.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizerState {
    /// Version 0.1.0 wrote `steps`, without `algorithm`, for ES.
    #[serde(alias = "steps")]
    adam_steps: u64,
    #[serde(default)]
    algorithm: Value,
}

impl PolicyInTraining {
    /// Starts from `policy`. `interrupt` stops its evaluations and updates.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other.
    pub fn new(config: &OptimizerConfig, policy: Policy, interrupt: &Interrupt) -> Result<Self> {
        let adam = AdamConfig {
            betas: config.betas.into(),
            eps: config.eps as f32,
            weight_decay: config.weight_decay as f32,
        };
        let mut acting = Executor::of(&policy)?;
        acting.interrupt_by(interrupt);
        let observed =
            policy.scaling.as_ref().map(|s| RunningStatistics::of(s.count, &s.mean, &s.std));
        Ok(Self {
            state: TrainState::new(policy.parameters.clone(), adam),
            average: WeightAverage::new(config.averaging, &policy.parameters, &acting),
            observed,
            acting,
            config: config.clone(),
            initial: policy,
            interrupt: interrupt.clone(),
        })
    }

    /// Trains only the first `count` weights. To be called before the first update.
    pub fn train_first(&mut self, count: usize) {
        self.state.train_first(count);
    }

    /// The policy that training began with.
    pub fn initial(&self) -> &Policy {
        &self.initial
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.initial.network
    }

    /// Stops evaluations and updates.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The weights in training, `[weights]`.
    pub fn weights(&self) -> &[f32] {
        self.state.weights()
    }

    /// The weights with the state of their optimizer, for updates. Call [`publish`](Self::publish) after an update.
    pub fn state_mut(&mut self) -> &mut TrainState {
        &mut self.state
    }

    /// The policy that acts during collection.
    pub fn acting(&self) -> &Executor {
        &self.acting
    }

    /// The policy that is evaluated and saved: the average, if there is one.
    pub fn evaluated(&self) -> &Executor {
        self.average.as_ref().map_or(&self.acting, WeightAverage::executor)
    }

    /// The policy that acts during collection, with its weights and scaling.
    pub fn acting_policy(&self) -> Policy {
        Policy {
            parameters: self.weights().to_vec(),
            scaling: self.acting.scaling().cloned(),
            ..self.initial.clone()
        }
    }

    /// The policy that is evaluated and saved, with its weights and scaling.
    pub fn to_policy(&self) -> Policy {
        let average = self.average.as_ref().map(WeightAverage::weights);
        Policy {
            parameters: average.unwrap_or(self.weights()).to_vec(),
            scaling: self.acting.scaling().cloned(),
            ..self.initial.clone()
        }
    }

    /// The learning rate of an iteration.
    pub fn lr(&self, iteration: &Iteration) -> f64 {
        let Self { config, .. } = self;
        let last = config.lr_final.unwrap_or(config.lr);
        schedule::value(config.schedule(), config.lr, last, iteration.progress)
    }

    /// Makes the updated weights those that act, and adds them to the average.
    ///
    /// # Errors
    /// If their number is not that of the network.
    pub fn publish(&mut self, iteration: &Iteration) -> Result<()> {
        self.acting.load(self.state.weights())?;
        if let Some(average) = &mut self.average {
            average.update(self.state.weights(), iteration.number)?;
        }
        Ok(())
    }

    /// Scales observations in the way the acting policy saw them, if it scales them.
    pub fn scale(&self, observations: &mut Observations) {
        if let Some(scaling) = self.acting.scaling() {
            scaling.apply(observations);
        }
    }

    /// Adds unscaled observations to the statistics, if the policy scales them. [`rescale`](Self::rescale) makes these
    /// statistics its scaling.
    pub fn observe(&mut self, observations: &Observations) {
        if let Some(observed) = &mut self.observed {
            observed.extend(observations.dense());
        }
    }

    /// Makes the statistics of all observations so far the scaling of the policy.
    ///
    /// # Errors
    /// If an observation was not finite.
    pub fn rescale(&mut self) -> Result<()> {
        let (Some(observed), Some(now)) = (&self.observed, self.acting.scaling()) else {
            return Ok(());
        };
        let scaling = Scaling {
            count: observed.count(),
            mean: observed.mean().iter().map(|&x| x as f32).collect(),
            std: observed.std().map(|x| x as f32).collect(),
            clip: now.clip,
        };
        self.acting.rescale(&scaling)?;
        if let Some(average) = &mut self.average {
            average.rescale(&scaling)?;
        }
        Ok(())
    }

    /// Returns everything needed to resume, except the saved policy, with the algorithm's own state inside.
    pub fn snapshot(&self, algorithm: Snapshot) -> Snapshot {
        let AdamState { m, v, t } = self.state.adam().clone();
        let mut arrays = vec![
            (FIRST_MOMENT.into(), ArrayData::F32(m)),
            (SECOND_MOMENT.into(), ArrayData::F32(v)),
        ];
        if self.average.is_some() {
            arrays.push((WEIGHTS.into(), ArrayData::F32(self.weights().to_vec())));
        }
        if let Some(observed) = &self.observed {
            arrays.push((OBSERVATIONS.into(), observed.to_array()));
        }
        arrays.extend(algorithm.arrays);
        let state = json!(OptimizerState { adam_steps: t, algorithm: algorithm.state });
        Snapshot { state, arrays }
    }

    /// Continues from a snapshot and the weights of the policy that was saved with it. Returns the snapshot of the
    /// algorithm.
    ///
    /// # Errors
    /// If the snapshot does not fit.
    pub fn restore(&mut self, saved: Vec<f32>, snapshot: Snapshot) -> Result<Snapshot> {
        let state: OptimizerState = snapshot.read_state("the state of an algorithm")?;
        let (m, v) = (snapshot.floats(FIRST_MOMENT)?, snapshot.floats(SECOND_MOMENT)?);
        let weights = match &mut self.average {
            Some(average) => {
                average.restore(&saved)?;
                snapshot.floats(WEIGHTS)?
            }
            None => saved,
        };
        self.acting.load(&weights)?;
        self.state.restore(weights, AdamState { m, v, t: state.adam_steps })?;
        if let Some(observed) = &mut self.observed {
            observed.restore(OBSERVATIONS, snapshot.array(OBSERVATIONS))?;
        }
        self.rescale()?;
        Ok(Snapshot { state: state.algorithm, arrays: snapshot.arrays })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::OptimizerConfig;
    use twisterl_core::evaluator::{Evaluation, Evaluator as _};
    use twisterl_core::policy::network::{Activation, MlpSizes};
    use twisterl_core::space::{ActionSpace, ObservationSpace};

    const FIRST: Iteration = Iteration { number: 0, difficulty: 1, progress: 0.0 };

    /// A policy that scales its observations.
    fn policy(averaging: f64) -> PolicyInTraining {
        let sizes = MlpSizes {
            embedding_size: 4,
            common_layers: vec![3],
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Tanh,
        };
        let observation = ObservationSpace::Dense { shape: vec![2] };
        let network = Network::mlp(observation, ActionSpace::discrete(2), &sizes).unwrap();
        let mut policy = Policy::initial(network, "Line", json!({}), vec![], 1).unwrap();
        let scaling = Scaling { count: 0, mean: vec![0.0; 2], std: vec![1.0; 2], clip: 10.0 };
        policy.scaling = Some(scaling);
        let config = OptimizerConfig { lr: 0.1, averaging, ..OptimizerConfig::default() };
        PolicyInTraining::new(&config, policy, &Interrupt::default()).unwrap()
    }

    fn observations() -> Observations {
        let mut observations = Observations::new();
        observations.push_with(|row| row.values(&[1.0, -3.0]));
        observations.push_with(|row| row.values(&[2.0, 5.0]));
        observations
    }

    /// One update along a gradient that points up everywhere.
    fn update(policy: &mut PolicyInTraining, iteration: &Iteration) {
        policy.observe(&observations());
        let lr = policy.lr(iteration);
        let gradient = vec![1.0; policy.weights().len()];
        policy.state_mut().adam_step(&gradient, 1.0, lr);
        policy.publish(iteration).unwrap();
        policy.rescale().unwrap();
    }

    fn evaluations(policy: &PolicyInTraining) -> [Evaluation; 2] {
        [policy.acting(), policy.evaluated()].map(|executor| {
            let mut evaluation = Evaluation::default();
            executor.evaluate(&observations(), &mut evaluation).unwrap();
            evaluation
        })
    }

    #[test]
    fn a_restored_policy_continues_bit_identically() {
        for averaging in [0.0, 0.9] {
            let mut whole = policy(averaging);
            update(&mut whole, &FIRST);
            let own = Snapshot { state: json!({"own": 7}), arrays: Vec::new() };
            let snapshot = whole.snapshot(own);
            let saved = whole.to_policy();
            let mut restored = policy(averaging);
            let own = restored.restore(saved.parameters.clone(), snapshot).unwrap();
            assert_eq!(own.state, json!({"own": 7}));
            assert_eq!(restored.to_policy(), saved);
            let next = Iteration { number: 1, ..FIRST };
            update(&mut whole, &next);
            update(&mut restored, &next);
            assert_eq!(whole.state, restored.state);
            assert_eq!(whole.to_policy(), restored.to_policy());
            let pairs = evaluations(&whole).into_iter().zip(evaluations(&restored));
            for (a, b) in pairs {
                assert_eq!((a.actions, a.values), (b.actions, b.values));
            }
            assert_eq!(whole.evaluated().scaling().unwrap().count, 4);
        }
    }

    #[test]
    fn the_state_of_es_that_version_0_1_wrote_is_read() {
        let mut policy = policy(0.0);
        let mut snapshot = policy.snapshot(Snapshot::default());
        snapshot.state = json!({"steps": 3});
        let own = policy.restore(policy.weights().to_vec(), snapshot).unwrap();
        assert_eq!((policy.state.adam().t, own.state), (3, Value::Null));
    }

    #[test]
    fn a_snapshot_that_does_not_fit_is_refused() {
        let mut policy = policy(0.9);
        let weights = policy.weights().to_vec();
        let snapshot = policy.snapshot(Snapshot::default());
        for name in [FIRST_MOMENT, SECOND_MOMENT, WEIGHTS, OBSERVATIONS] {
            let mut without = snapshot.clone();
            without.arrays.retain(|(array, _)| array != name);
            let error = policy.restore(weights.clone(), without).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(policy.restore(weights[1..].to_vec(), snapshot).is_err());
    }
}
