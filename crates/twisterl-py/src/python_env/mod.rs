//! Environments written in Python as those of core: one call into `twisterl._internal.adapter` a batch.

mod batch;
mod native;
mod observed;
#[cfg(unix)]
pub mod workers;

use crate::convert::actions::{Component, component};
use crate::convert::codec::Codec;
use crate::enter::calls::{EnvCall, call_env, is_interruption};
use batch::PythonEnvBatch;
use pyo3::prelude::*;
use serde_json::Value;
use std::any::Any;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::OnceLock;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::check::Rules;
use twisterl_core::env::episode_limits::EpisodeLimits;
use twisterl_core::envs::registry::{EnvSpec, StartKinds};
use twisterl_core::error::Raised;
use twisterl_core::space::declared::DeclaredSpaces;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionSpace, ObservationSpace};
use twisterl_core::{Error, Result};
#[cfg(unix)]
use workers::{Crew, WorkersBatch};

/// An environment written in Python, with its parameters: its spaces, and the factory of its batches.
pub struct PythonEnvSpec {
    name: String,
    params: Value,
    factory: Factory,
    /// `twisterl._internal.adapter.Problem`.
    problem: Py<PyAny>,
    codec: Codec,
    declared: Option<DeclaredSpaces>,
    observation_space: ObservationSpace,
    /// The number of values of an observation, at least 1.
    size: usize,
    action_space: ActionSpace,
    twists: Vec<Twist>,
    difficulty: usize,
    /// The difficulty can be set.
    curriculum: bool,
    limits: EpisodeLimits,
    /// The processes in which environments are stepped, if it is not this one.
    #[cfg(unix)]
    crew: OnceLock<Arc<Crew>>,
    /// States are histories of episodes.
    histories: bool,
}

/// The default limits on the length of episodes, for environments that may never end one.
const LIMITS: EpisodeLimits =
    EpisodeLimits { rollout: 10_000, play: 10_000, search: 1_000, endless: false };

/// Returns the limits of an environment that declares its longest episode, or 0 if it does not tell; or that it limits none.
fn limits(declared: usize, endless: bool) -> EpisodeLimits {
    let EpisodeLimits { rollout, play, search, .. } = LIMITS;
    EpisodeLimits {
        rollout: rollout.max(declared),
        play: play.max(declared),
        search: search.max(declared),
        endless,
    }
}

/// A class or function that makes environments of their parameters.
pub type Factory = Py<PyAny>;

impl PythonEnvSpec {
    /// Makes the environment `name` that `factory` makes of `params`. One that runs natively is run without the interpreter.
    ///
    /// # Errors
    /// Whatever the factory raises, or if the spaces of the environment make no sense.
    pub fn make(name: &str, factory: &Factory, params: &Value) -> Result<Arc<dyn EnvSpec>> {
        let made = call_env(None, |py| {
            let adapter = py.import("twisterl._internal.adapter")?;
            let problem = adapter.call_method1("Problem", (name, factory, params.to_string()))?;
            if let Some(native) = problem.getattr("native")?.extract()? {
                let made = native::make(py, name, native);
                problem.call_method0("retire")?;
                return made;
            }
            let made = Self::of(name, (factory, params), &problem);
            if !matches!(made, Ok(Ok(_))) {
                problem.call_method0("retire")?;
            }
            Ok(made?.map(|spec| Arc::new(spec) as Arc<dyn EnvSpec>))
        });
        made.map_err(|e| raised(name, e))?
    }

    /// Reads what `problem` knows of its environment.
    fn of(
        name: &str,
        (factory, params): (&Factory, &Value),
        problem: &Bound<'_, PyAny>,
    ) -> PyResult<Result<Self>> {
        let factory = factory.clone_ref(problem.py());
        let shape: Vec<usize> = problem.getattr("shape")?.extract()?;
        let observation_space = match problem.getattr("sparse")?.extract()? {
            true => ObservationSpace::SparseBinary { shape },
            false => ObservationSpace::Dense { shape },
        };
        let components = problem.getattr("actions")?.try_iter()?;
        let components = components.map(|part| Ok(component(part?.extract::<Component>()?)));
        let action_space = match ActionSpace::new(components.collect::<PyResult<_>>()?) {
            Ok(space) => space,
            Err(error) => return Ok(Err(error)),
        };
        let (bits, actions): (Vec<Vec<u32>>, Vec<Vec<u32>>) =
            problem.getattr("twists")?.extract()?;
        let twists = bits.into_iter().zip(actions);
        let twists = twists.map(|(observation, action)| Twist { observation, action }).collect();
        let difficulty = problem.getattr("difficulty")?.extract()?;
        let curriculum = problem.getattr("curriculum")?.extract()?;
        let endless = problem.getattr("is_endless")?.extract()?;
        let histories = problem.getattr("has_histories")?.extract()?;
        let limits = limits(problem.getattr("max_steps")?.extract()?, endless);
        let Some(size) = observation_space.size().filter(|&size| size > 0) else {
            let found = format!("{observation_space:?}");
            return Ok(Err(broken(name, "observations have at least one value", found)));
        };
        let (name, params) = (name.to_owned(), params.clone());
        let codec = Codec::new(problem.getattr("codec")?)?;
        let declared = match declared_by(&name, problem)? {
            Ok(declared) => declared,
            Err(error) => return Ok(Err(error)),
        };
        let problem = problem.clone().unbind();
        let spec = Self {
            name,
            params,
            factory,
            problem,
            codec,
            declared,
            observation_space,
            size,
            action_space,
            twists,
            difficulty,
            curriculum,
            limits,
            #[cfg(unix)]
            crew: OnceLock::new(),
            histories,
        };
        Ok(spec.checked())
    }

    /// Returns the specification of an environment written in Python, `None` for any other.
    pub fn of_spec(spec: &dyn EnvSpec) -> Option<&Self> {
        spec.foreign_spec()?.downcast_ref()
    }

    /// The class or function that makes the environment.
    pub fn factory(&self) -> &Factory {
        &self.factory
    }

    /// Encodes observations and decodes actions.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Returns itself if its twists fit its observations and actions.
    fn checked(self) -> Result<Self> {
        let choices = self.action_space.mask_width();
        self.twists.iter().try_for_each(|twist| twist.check(self.size, choices))?;
        Ok(self)
    }

    /// Returns a batch: in this process, or in workers. The slots of one that `is_copied` are copied to each other.
    fn batch_of(&self, len: usize, is_copied: bool) -> Box<dyn VecEnv> {
        #[cfg(unix)]
        if let Some(crew) = self.crew.get() {
            return Box::new(WorkersBatch::new(self, crew, len, is_copied));
        }
        let _ = is_copied;
        Box::new(PythonEnvBatch::new(self, len))
    }
}

impl Drop for PythonEnvSpec {
    /// Closes the environments.
    fn drop(&mut self) {
        end(&self.problem, &self.problem, "retire");
    }
}

/// Calls a method that ends the use of `object`, which is of `problem`. What it raises goes to `sys.unraisablehook`, since nobody waits for it.
/// When the interpreter exits, it has closed the environments already.
fn end(problem: &Py<PyAny>, object: &Py<PyAny>, method: &str) {
    Python::try_attach(|py| {
        let _call = EnvCall::begin(py, Some(problem));
        let object = object.bind(py);
        // An object may be dropped because an exception is being raised.
        let raised = PyErr::take(py);
        if let Err(error) = object.call_method0(method) {
            error.write_unraisable(py, Some(object));
        }
        if let Some(raised) = raised {
            raised.restore(py);
        }
    });
}

/// Returns the error for an environment that raised an exception, or was interrupted.
pub fn raised(name: &str, error: PyErr) -> Error {
    if Python::attach(|py| is_interruption(py, &error)) {
        return Error::Interrupted;
    }
    Error::Raised { name: name.into(), raised: Raised::new(error) }
}

/// Returns the error for an environment that breaks a rule.
fn broken(name: &str, rule: &str, found: impl ToString) -> Error {
    Error::Contract { name: name.into(), rule: rule.into(), found: found.to_string() }
}

/// Reads the spaces that `problem` declares.
fn declared_by(name: &str, problem: &Bound<'_, PyAny>) -> PyResult<Result<Option<DeclaredSpaces>>> {
    let text: Option<String> = problem.getattr("spaces")?.extract()?;
    let read = text.as_deref().map(serde_json::from_str).transpose();
    Ok(read.map_err(|error| broken(name, "declared spaces have a known type", error)))
}

impl EnvSpec for PythonEnvSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Value {
        self.params.clone()
    }

    fn observation_space(&self) -> ObservationSpace {
        self.observation_space.clone()
    }

    fn action_space(&self) -> ActionSpace {
        self.action_space.clone()
    }

    fn declared_spaces(&self) -> Option<DeclaredSpaces> {
        self.declared.clone()
    }

    fn twists(&self) -> Vec<Twist> {
        self.twists.clone()
    }

    fn difficulty(&self) -> usize {
        self.difficulty
    }

    fn starts(&self) -> StartKinds {
        StartKinds { curriculum: self.curriculum, uniform: false }
    }

    fn measures_success(&self) -> bool {
        // The environment may say so later, or not at all: a fault of reading one's own attribute is no success.
        let known = call_env(Some(&self.problem), |py| {
            self.problem.bind(py).getattr("measures_success")?.extract()
        });
        #[cfg(unix)]
        if self.crew.get().is_some_and(|crew| crew.measures_success()) {
            return true;
        }
        known.unwrap_or(false)
    }

    fn episode_limits(&self) -> EpisodeLimits {
        self.limits
    }

    fn states_are_histories(&self) -> bool {
        self.histories
    }

    fn rules(&self) -> Rules {
        Rules::Training
    }

    fn foreign_spec(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self)
    }

    fn check_replay(&self) -> Result<Option<String>> {
        let differs = call_env(Some(&self.problem), |py| {
            self.problem.bind(py).call_method0("check_replay")?.extract::<Option<String>>()
        });
        differs.map_err(|e| raised(&self.name, e))
    }

    fn batch(&self, len: usize) -> Box<dyn VecEnv> {
        self.batch_of(len, false)
    }

    fn search_batch(&self, len: usize) -> Box<dyn VecEnv> {
        self.batch_of(len, true)
    }

    #[cfg(unix)]
    fn in_workers(self: Arc<Self>, workers: usize) -> Result<Arc<dyn EnvSpec>> {
        let crew = Crew::start(&self.name, &self.factory, &self.params, workers)?;
        if self.crew.set(Arc::new(crew)).is_err() {
            return Err(Error::internal(format!("{} has workers already", self.name)));
        }
        Ok(self)
    }

    #[cfg(not(unix))]
    fn in_workers(self: Arc<Self>, workers: usize) -> Result<Arc<dyn EnvSpec>> {
        let expected = "1 on this system";
        Err(Error::config("algorithm.collecting.workers", expected, workers))
    }
}
