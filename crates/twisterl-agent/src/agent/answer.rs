//! Answers to requests.

use super::Agent;
use super::request::{Call, Problem, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twisterl_core::env::Start;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::error::from_serde;
use twisterl_core::evaluator::Evaluation;
use twisterl_core::evaluator::decision::Decision;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::rng::{Purpose, Rng, StreamKey};
use twisterl_core::solve::{Record, action, number, shortest};
use twisterl_core::space::{Action, Actions, ObservationSpace, Observations};
use twisterl_core::{Error, Result};

/// The evaluation of a state or an observation.
#[derive(Debug, Serialize)]
struct Evaluated {
    /// The outputs of the policy: logits of choices, parameters of distributions over numbers.
    logits: Vec<f64>,
    /// The value.
    value: f64,
    /// The choices that are allowed; of an observation, nothing is known about them.
    mask: Option<Vec<bool>>,
    /// The logarithm of the probability of each action, where an action is one choice; nothing for actions that are not
    /// allowed.
    log_probs: Option<Vec<Option<f64>>>,
    /// The most probable action; nothing in a solved state, where no action is left.
    action: Option<Value>,
    /// Its name.
    name: Option<String>,
}

/// An observation as requests give it, in parts; a list has the indices of ones or the values, whichever the space has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    #[serde(default)]
    ones: Vec<f64>,
    #[serde(default)]
    values: Vec<f64>,
}

impl Agent {
    pub(super) fn answer_to(&self, mut request: Request) -> Result<Value> {
        match request.call {
            Call::Solve => {
                let (problem, optimal) = (request.take_problem()?, request.take("optimal")?);
                let played = self.solve(&problem, &request.into_rest())?;
                to_json(&self.record(&problem, optimal, &played.solution)?)
            }
            Call::Evaluate => self.evaluate(request),
            Call::Step => self.step(request),
            Call::Describe => {
                request.finish(&["call"])?;
                self.describe()
            }
            Call::Render => {
                let state = request.required_state()?;
                request.finish(&["call", "state"])?;
                Ok(json!({"text": self.begin(&state)?.0.render(0)?}))
            }
            Call::Scramble => self.scramble(request),
        }
    }

    /// Returns the record of a problem that was played, whose shortest solution has `optimal` moves.
    ///
    /// # Errors
    /// If the program beside the policy does not have its environment.
    pub fn record(
        &self,
        problem: &Problem,
        optimal: Option<u32>,
        solution: &twisterl_core::solve::Solution,
    ) -> Result<Record> {
        let spec = self.env()?;
        let state = match problem {
            Problem::State(state) => state,
            Problem::Scramble(_) => &solution.start,
        };
        let env = spec.batch(1);
        let record = Record { optimal, ..Record::new(0, None, state) };
        Ok(record.played(solution, (&*env, spec.measures_success())))
    }

    /// Begins an episode in a state.
    fn begin(&self, state: &[f64]) -> Result<(Box<dyn VecEnv>, Rng)> {
        let mut env = self.env()?.play_batch(1, self.evaluator().backtracking())?;
        let mut rng = StreamKey::new(0, Purpose::Solve).stream();
        env.begin(0, Start::State { state, difficulty: None }, &mut rng)?;
        Ok((env, rng))
    }

    fn evaluate(&self, mut request: Request) -> Result<Value> {
        let (state, observation) = (request.take_state()?, request.take("observation")?);
        request.finish(&["call", "state", "observation"])?;
        let evaluated = match (state, observation) {
            (Some(state), None) => self.evaluate_state(&state)?,
            (None, Some(observation)) => self.evaluate_observation(observation)?,
            (state, _) => {
                let found = if state.is_some() { "both" } else { "neither" };
                return Err(Error::config("state", "a state or an observation", found));
            }
        };
        to_json(&evaluated)
    }

    fn evaluate_state(&self, state: &[f64]) -> Result<Evaluated> {
        let (spec, evaluator) = (self.env()?, self.evaluator());
        let (mut env, mut rng) = self.begin(state)?;
        let mut decision = Decision::new(&spec.action_space());
        decision.evaluated.observe(&mut *env, &[0])?;
        let mask = decision.evaluated.masks.clone();
        decision.evaluated.evaluate(evaluator)?;
        let mut evaluated = Evaluated {
            logits: list(decision.evaluated.parameters()),
            value: shortest(decision.evaluated.value(0)),
            log_probs: None,
            action: None,
            name: None,
            mask: None,
        };
        if spec.action_space().leaves_a_choice(&mask) {
            decision.choose(evaluator, Choice::Greedy, &mut rng)?;
            let chosen = decision.actions.row(0);
            evaluated.name = Some(env.action_name(chosen));
            evaluated.action = Some(action(chosen));
            if spec.action_space().single_discrete().is_some() {
                let mut again = Decision::new(&spec.action_space()).evaluated;
                again.observe(&mut *env, &[0])?;
                again.evaluate_log_probs(evaluator)?;
                let finite = |log: &f32| log.is_finite().then(|| shortest(*log));
                evaluated.log_probs = Some(again.log_probs(0).iter().map(finite).collect());
            }
        }
        evaluated.mask = Some(mask);
        Ok(evaluated)
    }

    fn evaluate_observation(&self, observation: Value) -> Result<Evaluated> {
        let space = &self.header.network.observation;
        let is_list = observation.is_array();
        let key = match space {
            ObservationSpace::SparseBinary { .. } => "ones",
            ObservationSpace::Dense { .. } => "values",
            ObservationSpace::Mixed { .. } if is_list => {
                let expected = "an object with ones and values";
                return Err(Error::config("observation", expected, "a list"));
            }
            ObservationSpace::Mixed { .. } => "",
        };
        let parts = if is_list { json!({ key: observation }) } else { observation };
        let read = from_serde::read(parts).map_err(|error| error.below("observation"));
        let Parts { ones, values } = read?;
        let bits = space.bits().unwrap_or(0);
        let mut checked = Vec::with_capacity(ones.len());
        for one in ones {
            if !(one.fract() == 0.0 && (0.0..bits as f64).contains(&one)) {
                let expected = format!("indices of ones below {bits}");
                return Err(Error::observation(expected, one));
            }
            checked.push(one as usize);
        }
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        let mut observations = Observations::new();
        observations.push_with(|row| {
            row.ones(checked.iter().copied());
            row.values(&values);
        });
        observations.check(space)?;
        let mut evaluation = Evaluation::default();
        self.evaluator().evaluate(&observations, &mut evaluation)?;
        Ok(Evaluated {
            value: shortest(evaluation.values.first().copied().unwrap_or_default()),
            logits: list(&evaluation.actions),
            mask: None,
            log_probs: None,
            action: None,
            name: None,
        })
    }

    fn step(&self, mut request: Request) -> Result<Value> {
        let (state, taken) = (request.required_state()?, request.take("action")?);
        request.finish(&["call", "state", "action"])?;
        let space = self.env()?.action_space();
        let (discrete, continuous) = numbers_of(taken, &space)?;
        let chosen = match discrete[..] {
            [index] if space.single_discrete().is_some() => Action::Discrete(index as usize),
            _ => Action::Parts { discrete: &discrete, continuous: &continuous },
        };
        space.check(chosen)?;
        let (mut env, _) = self.begin(&state)?;
        let (mut actions, mut steps, mut next) = (Actions::new(&space), Vec::new(), Vec::new());
        actions.push(chosen);
        env.step(&[0], &actions, &mut steps)?;
        env.state(0, &mut next)?;
        let step = steps.first().copied().unwrap_or_default();
        Ok(json!({
            "state": next.into_iter().map(number).collect::<Vec<_>>(),
            "reward": shortest(step.reward),
            "terminated": step.terminated,
            "truncated": step.truncated,
            "solved": env.solved(0),
        }))
    }

    fn scramble(&self, mut request: Request) -> Result<Value> {
        let problem = Problem::Scramble(request.take("difficulty")?);
        let seed = request.take("seed")?.unwrap_or(0);
        request.finish(&["call", "difficulty", "seed"])?;
        let spec = self.env()?;
        let mut env = spec.batch(1);
        let mut rng = twisterl_core::solve::start_stream(StreamKey::new(seed, Purpose::Solve), 0);
        env.begin(0, problem.start(spec)?, &mut rng)?;
        let mut state = Vec::new();
        env.state(0, &mut state)?;
        Ok(json!({"state": state.into_iter().map(number).collect::<Vec<_>>()}))
    }

    fn describe(&self) -> Result<Value> {
        let header = &self.header;
        let mut description = json!({
            "arithmetic": header.arithmetic.name(),
            "version": env!("CARGO_PKG_VERSION"),
            "checksum": format!("{:016x}", self.checksum),
            "env_cls": header.env_cls,
            "env": header.env,
            "observation": header.network.observation,
            "actions": header.network.actions,
            "parameters": header.network.parameter_count(),
            "solve": self.description.solve,
            "spaces": header.spaces,
        });
        let spec = match self.env() {
            Ok(spec) => spec,
            Err(error) => {
                description["env_error"] = error.to_string().into();
                return Ok(description);
            }
        };
        let (env, space) = (spec.batch(1), spec.action_space());
        let name = |index| env.action_name(Action::Discrete(index));
        description["action_names"] =
            space.single_discrete().map(|n| (0..n).map(name).collect::<Vec<_>>()).into();
        description["difficulty"] = spec.difficulty().into();
        description["measures_success"] = spec.measures_success().into();
        description["symmetries"] = spec.twists().len().into();
        Ok(description)
    }
}

/// Returns the choices and the numbers of an action in a request: a number, or a list of the components.
fn numbers_of(
    written: Option<Value>,
    space: &twisterl_core::space::ActionSpace,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let refused = |found: String| Error::config("action", "a number or a list of numbers", found);
    let written = written.ok_or_else(|| refused("none".into()))?;
    let list = match written {
        Value::Array(list) => list,
        one => vec![one],
    };
    let choices = space.discrete_width();
    let (mut discrete, mut continuous) = (Vec::new(), Vec::new());
    for (i, value) in list.iter().enumerate() {
        let described = || refused(twisterl_core::error::from_serde::describe(value));
        if i < choices {
            let whole = value.as_u64().and_then(|whole| u32::try_from(whole).ok());
            discrete.push(whole.ok_or_else(described)?);
        } else {
            continuous.push(value.as_f64().ok_or_else(described)? as f32);
        }
    }
    let expected = (choices, space.continuous_width());
    if (discrete.len(), continuous.len()) != expected {
        let expected = format!("{} numbers", expected.0 + expected.1);
        return Err(Error::config("action", expected, list.len()));
    }
    Ok((discrete, continuous))
}

/// Returns numbers of single precision without the digits that double precision adds.
fn list(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().copied().map(shortest).collect()
}

fn to_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::internal(format!("an answer: {error}")))
}
