//! The policy of a bundle at work.

mod answer;
mod numbers;
mod request;

#[cfg(test)]
mod tests;

pub(crate) use numbers::{Numbers, Outputs};
pub(crate) use request::MAX_REQUEST;
pub use request::Problem;

use crate::bundle::payload::{Description, Payload, check_options};
use crate::bundle::self_test::SelfTest;
use request::Request;
use serde_json::{Map, Value};
use std::str::FromStr;
use std::sync::Arc;
use twisterl_core::error::OptionError;
use twisterl_core::error::from_serde;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::weights::PolicyHeader;
use twisterl_core::registry::{EnvSpec, Registry};
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{
    BeamScore, Invert, Method, Objective, SOLVE_SEARCHES, Solution, SolveOptions, SolvePlan,
    SymmetryUse,
};
use twisterl_core::{Error, Result};

/// Options that choose a method. A request that has one takes neither these nor the [`SETTINGS`] from the bundle.
pub(crate) const METHODS: [&str; 4] = ["search", "greedy", "num_searches", "num_mcts_searches"];
/// Options that are settings of a method.
pub(crate) const SETTINGS: [&str; 7] = [
    "score",
    "no_backtracking",
    "exploration",
    "max_expand_depth",
    "gamma",
    "temperature",
    "leaves",
];

/// A policy that solves problems and evaluates states, in portable arithmetic: the same request has the same answer on every
/// host.
#[derive(Debug)]
pub struct Agent {
    header: PolicyHeader,
    env: Result<Arc<dyn EnvSpec>>,
    executor: Executor,
    description: Description,
    self_test: SelfTest,
    checksum: u64,
}

/// A problem that was played.
#[derive(Debug)]
pub struct Played {
    /// The solution, or the best attempt.
    pub solution: Solution,
    /// True if it counts as a failure: the problem was not solved, and the environment tells success from failure.
    pub failed: bool,
}

impl Agent {
    /// Opens the payload of a bundle ([`payload_of`](crate::bundle::payload_of)). The policy of an environment that `registry`
    /// does not have evaluates observations, but solves nothing.
    ///
    /// # Errors
    /// If the payload is damaged, its policy does not fit its environment, or the [self-test](Self::self_test) fails.
    pub fn open(payload: &[u8], registry: &Registry) -> Result<Self> {
        let agent = Self::open_untested(payload, registry)?;
        agent.self_test()?;
        Ok(agent)
    }

    /// Opens the payload of a bundle as [`open`](Self::open) does, without its self-test.
    pub(crate) fn open_untested(payload: &[u8], registry: &Registry) -> Result<Self> {
        let payload = Payload::read(payload)?;
        let mut policy = payload.policy()?;
        registry.complete(&mut policy.network)?;
        let env = match registry.make(&policy.env_cls, &policy.env) {
            Err(
                error @ (Error::UnknownEnvironment { .. } | Error::UntrustedEnvironment { .. }),
            ) => Err(error),
            made => Ok(made?),
        };
        if let Ok(spec) = &env {
            let fits = spec.check_network(&policy.network);
            fits.map_err(|(expected, found)| Error::bundle("policy", expected, found))?;
        }
        let executor = Executor::of(&policy)?;
        let self_test = payload.self_test()?;
        let Payload { description, checksum, .. } = payload;
        let header = policy.header();
        let agent = Self { header, env, executor, description, self_test, checksum };
        agent.plan(&Map::new())?;
        Ok(agent)
    }

    /// Answers a request: JSON text for JSON text. An error is an answer, too: `{"error": "..."}`.
    pub fn answer(&self, request: &[u8]) -> String {
        let answer = Request::read(request).and_then(|request| self.answer_to(request));
        let answer = answer.unwrap_or_else(|error| error_answer(&error));
        // Values that serde_json made can be written.
        serde_json::to_string(&answer).unwrap_or_default()
    }

    /// Repeats the self-test of the bundle on this host.
    ///
    /// # Errors
    /// If a result differs in a bit from that of the machine that wrote it.
    pub fn self_test(&self) -> Result<()> {
        self.self_test.check(&self.executor, self.env.as_deref().ok())
    }

    /// Makes solving fail once `interrupt` is set.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.executor.interrupt_by(interrupt);
    }

    /// Returns the environment.
    ///
    /// # Errors
    /// If the program beside the policy does not have it.
    pub fn env(&self) -> Result<&dyn EnvSpec> {
        match &self.env {
            Ok(spec) => Ok(&**spec),
            Err(error) => Err(error.clone()),
        }
    }

    /// The name of the environment that the policy plays, and its parameters.
    pub(crate) fn env_of_policy(&self) -> (&str, &Value) {
        (&self.header.env_cls, &self.header.env)
    }

    /// Solves a problem. `options` are fields of [`SolveOptions`]; those of the bundle apply where it gives no others.
    ///
    /// # Errors
    /// If an option is out of range, the start is refused, or the environment fails.
    pub fn solve(&self, problem: &Problem, options: &Map<String, Value>) -> Result<Played> {
        let (plan, spec) = (self.plan(options)?, self.env()?);
        let starts = [problem.start(spec)?];
        let key = |number| plan.key(number, Purpose::Solve);
        let solver = plan.solver(spec, &self.executor, &|| 0.0, Purpose::Solve);
        let mut solutions = solver.run_tries(&starts, plan.tries, key)?;
        let solution = solutions.pop();
        let solution = solution.ok_or_else(|| Error::internal("no solution of one start"))?;
        let failed = !solution.solved && spec.measures_success();
        Ok(Played { solution, failed })
    }

    /// Resolves the options of a request.
    fn plan(&self, options: &Map<String, Value>) -> Result<SolvePlan> {
        let own_method = METHODS.iter().any(|name| options.contains_key(*name));
        let kept =
            |name: &str| !own_method || !(METHODS.contains(&name) || SETTINGS.contains(&name));
        let defaults = self.description.solve.iter().filter(|(name, _)| kept(name));
        let mut merged: Map<String, Value> =
            defaults.map(|(name, value)| (name.clone(), value.clone())).collect();
        merged.extend(options.iter().map(|(name, value)| (name.clone(), value.clone())));
        // These say themselves what they accept.
        check_text::<Method>(&merged, "search")?;
        check_text::<BeamScore>(&merged, "score")?;
        check_text::<SymmetryUse>(&merged, "twists")?;
        check_text::<Objective>(&merged, "objective")?;
        check_text::<Invert>(&merged, "invert")?;
        let options: SolveOptions = from_serde::read(Value::Object(merged))?;
        check_options(&options)?;
        options.resolve(SOLVE_SEARCHES).map_err(|error| error.below(""))
    }

    fn evaluator(&self) -> &dyn Evaluator {
        &self.executor
    }
}

/// Checks an option, if it is there as text.
fn check_text<T: FromStr<Err = OptionError>>(
    options: &Map<String, Value>,
    name: &str,
) -> Result<()> {
    match options.get(name) {
        Some(Value::String(text)) => text.parse::<T>().map(drop).map_err(|error| error.below("")),
        _ => Ok(()),
    }
}

/// Returns the answer that tells an error.
pub(crate) fn error_answer(error: &Error) -> Value {
    Value::Object(Map::from_iter([("error".to_owned(), error.to_string().into())]))
}
