//! The self-test of a bundle: steps of its policy in its environment, whose results are known to the bit.
//!
//! All numbers are kept as their bits, so that neither a rounding nor a reader of JSON can hide a difference.

use serde::{Deserialize, Serialize};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::decision::Decision;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::evaluator::{Evaluation, Evaluator};
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::{Purpose, RngExt, StreamKey};
use twisterl_core::space::{ObservationSpace, Observations};
use twisterl_core::{Error, Result};

/// The number of steps.
const STEPS: u64 = 8;
/// The most ones of an observation that is drawn.
const MAX_ONES: usize = 32;

/// Steps with their results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    steps: Vec<TestStep>,
}

/// One step, from an observation or, where the environment is known, from a state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TestStep {
    /// The state; `None` if the environment is not known, and the observation is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Vec<u64>>,
    ones: Vec<u32>,
    values: Vec<u32>,
    /// The outputs of the policy, as it sees the state.
    outputs: Vec<u32>,
    value: u32,
    /// A sampled action, and what the environment makes of it; empty in a state that is the last of its episode.
    discrete: Vec<u32>,
    continuous: Vec<u32>,
    reward: u32,
    next: Vec<u64>,
}

impl SelfTest {
    /// Returns the results of a policy on this machine. `spec` is its environment if that is known.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other, or the environment fails.
    pub fn of(policy: &Policy, spec: Option<&dyn EnvSpec>) -> Result<Self> {
        let executor = Executor::of(policy)?;
        let steps = (0..STEPS).map(|number| match spec {
            Some(spec) => {
                let state = scramble(spec, number)?;
                TestStep::played(&executor, spec, number, state)
            }
            None => {
                let (ones, values) = observation(&policy.network.observation, number);
                TestStep::evaluated(&executor, ones, values)
            }
        });
        Ok(Self { steps: steps.collect::<Result<_>>()? })
    }

    /// Repeats the steps and compares their results.
    ///
    /// # Errors
    /// If a result differs, or a step needs an environment and `spec` is `None`.
    pub fn check(&self, executor: &Executor, spec: Option<&dyn EnvSpec>) -> Result<()> {
        if self.steps.is_empty() {
            return Err(Error::bundle("self-test", "at least one step", "none"));
        }
        for (number, expected) in self.steps.iter().enumerate() {
            let found = match (&expected.state, spec) {
                (Some(state), Some(spec)) => {
                    let state = state.iter().copied().map(f64::from_bits).collect();
                    TestStep::played(executor, spec, number as u64, state)?
                }
                (Some(_), None) => {
                    return Err(Error::bundle("self-test", "the environment of its steps", "none"));
                }
                (None, _) => {
                    let (ones, values) = (expected.ones.clone(), floats(&expected.values));
                    TestStep::evaluated(executor, ones, values)?
                }
            };
            if let Some(difference) = expected.difference(&found) {
                let place = format!("self-test, step {number}");
                let found = format!("{difference} that differ");
                return Err(Error::bundle(
                    place,
                    "the results of the machine that wrote it",
                    found,
                ));
            }
        }
        Ok(())
    }
}

impl TestStep {
    /// Evaluates an observation.
    fn evaluated(executor: &Executor, ones: Vec<u32>, values: Vec<f32>) -> Result<Self> {
        let mut observations = Observations::new();
        observations.push_with(|row| {
            row.ones(ones.iter().map(|one| *one as usize));
            row.values(&values);
        });
        let mut evaluation = Evaluation::default();
        executor.evaluate(&observations, &mut evaluation)?;
        Ok(Self {
            ones,
            values: bits(&values),
            outputs: bits(&evaluation.actions),
            value: evaluation.values.first().copied().unwrap_or_default().to_bits(),
            ..Self::default()
        })
    }

    /// Observes a state, evaluates it, samples an action and takes it.
    fn played(
        executor: &Executor,
        spec: &dyn EnvSpec,
        number: u64,
        state: Vec<f64>,
    ) -> Result<Self> {
        let mut env = spec.play_batch(1, executor.backtracking())?;
        let mut rng = key(number).stream();
        env.begin(0, Start::State { state: &state, difficulty: None }, &mut rng)?;
        let mut decision = Decision::new(&spec.action_space());
        decision.evaluated.observe(&mut *env, &[0])?;
        let mut step = Self {
            state: Some(state.iter().map(|number| number.to_bits()).collect()),
            ones: decision.evaluated.observations.ones(0).to_vec(),
            values: bits(decision.evaluated.observations.values(0)),
            ..Self::default()
        };
        decision.evaluated.evaluate(executor)?;
        step.outputs = bits(decision.evaluated.parameters());
        step.value = decision.evaluated.value(0).to_bits();
        if env.solved(0) {
            return Ok(step);
        }
        decision.evaluated.check_choices(&*env, &[0], |_| true)?;
        decision.choose(executor, Choice::Sample, &mut rng)?;
        let mut taken = Vec::new();
        env.step(&[0], &decision.actions, &mut taken)?;
        let mut next = Vec::new();
        env.state(0, &mut next)?;
        step.discrete.clone_from(&decision.actions.discrete);
        step.continuous = bits(&decision.actions.continuous);
        step.reward = taken.first().map_or(0.0, |taken| taken.reward).to_bits();
        step.next = next.iter().map(|number| number.to_bits()).collect();
        Ok(step)
    }

    /// Returns the name of the first results that differ.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let results = [
            ("observations", self.ones == other.ones && self.values == other.values),
            ("outputs of the policy", self.outputs == other.outputs),
            ("values", self.value == other.value),
            ("actions", self.discrete == other.discrete && self.continuous == other.continuous),
            ("rewards", self.reward == other.reward),
            ("states", self.state == other.state && self.next == other.next),
        ];
        results.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }
}

fn key(number: u64) -> StreamKey {
    StreamKey::new(0, Purpose::SelfTest).at(number)
}

/// Returns the state that a scramble begins in.
fn scramble(spec: &dyn EnvSpec, number: u64) -> Result<Vec<f64>> {
    let mut env = spec.batch(1);
    let mut state = Vec::new();
    env.begin(0, Start::Scramble { difficulty: spec.difficulty() }, &mut key(number).stream())?;
    env.state(0, &mut state)?;
    Ok(state)
}

/// Draws an observation.
fn observation(space: &ObservationSpace, number: u64) -> (Vec<u32>, Vec<f32>) {
    let mut rng = key(number).stream();
    let bits = space.bits().unwrap_or(0).min(u32::MAX as usize) as u32;
    let count = (bits as usize / 4).clamp(1, MAX_ONES);
    let mut ones: Vec<u32> = match bits {
        0 => Vec::new(),
        bits => (0..count).map(|_| rng.random_range(0..bits)).collect(),
    };
    ones.sort_unstable();
    ones.dedup();
    let values = (0..space.values().unwrap_or(0)).map(|_| rng.random_range(-1.0..1.0)).collect();
    (ones, values)
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn floats(bits: &[u32]) -> Vec<f32> {
    bits.iter().copied().map(f32::from_bits).collect()
}
