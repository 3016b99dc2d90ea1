//! Solutions and evaluations.

use super::Policy;
use super::options::solve_plan;
use crate::convert::actions::{action_object, push_action};
use crate::convert::json;
use crate::convert::numbers::rows;
use crate::convert::states::{batch, state, state_object};
use crate::enter::Enter as _;
use crate::error::refuse;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use twisterl_core::Error as CoreError;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::OptionError;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::error::json as json_text;
use twisterl_core::evaluator::{Evaluator, Interruptible};
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{SOLVE_SEARCHES, Solution, replay};
use twisterl_core::space::Actions;
use twisterl_train::algorithms::Iteration;
use twisterl_train::config::{EvalConfig, EvalStart};
use twisterl_train::system::files::states::{self, StateChecker};
use twisterl_train::trainer::evaluation::Evaluation;
use twisterl_train::trainer::reached_limit;
use twisterl_train::trainer::solving;
use twisterl_train::trainer::threads::in_pool;
use twisterl_train::{Error, Result};

/// The result of a problem: solved (`None` without a measure of success), reward, actions, start, nodes, simulations, seconds,
/// the solution that the environment reports, and true if the solution is that of the inverse problem.
pub type Solved<'py> = (
    Option<bool>,
    f32,
    Vec<Bound<'py, PyAny>>,
    Bound<'py, PyAny>,
    u64,
    u64,
    f64,
    Option<Vec<u64>>,
    bool,
);

/// States, and the lengths of shortest solutions that are known.
pub type States = (Vec<Vec<f64>>, Vec<Option<u32>>);

/// Frames of a solution: the board at the start, then (action's name, board) for each action.
type Frames = (String, Vec<(String, String)>);

/// Reads an evaluation from JSON. Invalid fields are errors of the argument of `evaluate`.
fn eval_config(json: &str) -> Result<EvalConfig> {
    let value = json_text::parse(json.as_bytes())
        .map_err(|e| Error::usage("evaluate", e.expected, e.found))?;
    EvalConfig::from_value(value).map_err(|error| match error {
        Error::Core(twisterl_core::Error::Config { path, expected, found }) => {
            Error::usage(format!("evaluate: {path}"), expected, found)
        }
        other => other,
    })
}

impl Policy {
    pub(super) fn solve_from<'py>(
        &self,
        states: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Vec<Solved<'py>>> {
        let py = states.py();
        let states = batch(states)?;
        let (solutions, _) =
            self.play(py, options, Problems::States(states), (Purpose::Solve, SOLVE_SEARCHES))?;
        solutions.iter().map(|solution| self.solved(py, solution)).collect()
    }

    pub(super) fn solve_drawn<'py>(
        &self,
        py: Python<'py>,
        (count, difficulty): (usize, Option<usize>),
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Vec<Solved<'py>>> {
        let problems = self.drawn(py, EvalStart::Scramble, count, difficulty)?;
        let (solutions, _) = self.play(py, options, problems, (Purpose::Solve, SOLVE_SEARCHES))?;
        solutions.iter().map(|solution| self.solved(py, solution)).collect()
    }

    pub(super) fn figures(
        &self,
        py: Python<'_>,
        (states, optimal): (Option<&Bound<'_, PyAny>>, &[Option<u32>]),
        (count, start, difficulty): &(usize, String, Option<usize>),
        options: &Bound<'_, PyDict>,
    ) -> PyResult<String> {
        let states = states.map(batch).transpose()?.unwrap_or_default();
        let start = start.parse().map_err(|error| refused_option(py, error))?;
        let problems = match states.is_empty() {
            true => self.drawn(py, start, *count, *difficulty)?,
            false => Problems::States(states),
        };
        let (solutions, seconds) = self.play(py, options, problems, (Purpose::Evaluate, 1))?;
        let measured = self.env(py)?.measures_success();
        let figures = solving::figures(&solutions, optimal, seconds, measured);
        Ok(serde_json::Value::Object(figures).to_string())
    }

    /// Reads a file of states.
    pub(super) fn states_of(&self, py: Python<'_>, path: PathBuf) -> PyResult<States> {
        let (env, interrupt) = (self.env(py)?, Interrupt::default());
        let heeded = interrupt.clone();
        let instances = py.enter_interruptible(&interrupt, move || {
            states::read(&path, &mut StateChecker::new(&*env, &heeded)?)
        })?;
        Ok(instances.into_iter().map(|instance| (instance.state, instance.optimal)).unzip())
    }

    pub(super) fn evaluate_one(
        &self,
        py: Python<'_>,
        entry: &str,
        difficulty: usize,
    ) -> PyResult<(f64, f64)> {
        let env = self.env(py)?;
        let interrupt = Interrupt::default();
        let (executor, heeded) = (Arc::clone(&self.executor), interrupt.clone());
        let entry = entry.to_owned();
        let result = py.enter_interruptible(&interrupt, move || -> Result<_> {
            let evaluator = Interruptible { evaluator: &*executor, interrupt: &heeded };
            let config = eval_config(&entry)?;
            let iteration = Iteration { number: 0, difficulty, progress: 0.0 };
            let evaluation = Evaluation::new(&config, 0, &*env, &iteration, 0)?;
            in_pool(Some(config.num_cores), || evaluation.run(&evaluator))
        })?;
        if let Some(limit) = result.reached_limit {
            json::warn_of(py, &reached_limit("evaluate: max_steps", limit))?;
        }
        Ok((result.success, result.reward))
    }

    pub(super) fn frames(
        &self,
        start: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
    ) -> PyResult<Frames> {
        let py = start.py();
        let env = self.env(py)?;
        let space = env.action_space();
        let mut batch = Actions::new(&space);
        for action in rows(actions, "actions")? {
            push_action(&mut batch, &action, &space, self.codec.as_ref())?;
        }
        let start_state = state(start)?;
        let work = move || replay(&*env, &start_state, &batch);
        let replay = py.enter_interruptible(&Interrupt::default(), work)?;
        Ok((replay.first, replay.moves))
    }

    fn drawn(
        &self,
        py: Python<'_>,
        start: EvalStart,
        count: usize,
        difficulty: Option<usize>,
    ) -> PyResult<Problems> {
        let env = self.env(py)?;
        let start = start.draw(&*env, difficulty).map_err(|error| refused_option(py, error))?;
        Ok(Problems::Drawn { start, count })
    }

    /// Returns a solution as Python sees it.
    fn solved<'py>(&self, py: Python<'py>, solution: &Solution) -> PyResult<Solved<'py>> {
        let Solution {
            solved,
            total,
            start,
            actions,
            reported,
            inverted,
            nodes,
            simulations,
            seconds,
            ..
        } = solution;
        let actions = (0..actions.len())
            .map(|i| action_object(py, actions.row(i), self.actions(), self.codec.as_ref()))
            .collect::<PyResult<_>>()?;
        let solved = (*solved || self.env(py)?.measures_success()).then_some(*solved);
        let start = state_object(py, start)?;
        let reported = reported.clone();
        Ok((solved, *total, actions, start, *nodes, *simulations, *seconds, reported, *inverted))
    }

    /// Plays each problem. Returns the solutions and the seconds taken.
    fn play(
        &self,
        py: Python<'_>,
        options: &Bound<'_, PyDict>,
        problems: Problems,
        (purpose, default_searches): (Purpose, usize),
    ) -> PyResult<(Vec<Solution>, f64)> {
        let (plan, num_cores) = solve_plan(options, default_searches)?;
        let env = self.env(py)?;
        let begun = Instant::now();
        let interrupt = Interrupt::default();
        let (executor, heeded) = (Arc::clone(&self.executor), interrupt.clone());
        let (solutions, reached) = py.enter_interruptible(&interrupt, move || -> Result<_> {
            let evaluator = Interruptible { evaluator: &*executor, interrupt: &heeded };
            let (problem, starts) = ((&*env, &evaluator as &dyn Evaluator), problems.starts());
            let solutions = solving::solve(&plan, num_cores, problem, purpose, &starts)
                .map_err(|error| numbered(error, &starts, &*env, &heeded))?;
            let reached = plan.reached_default_limit(&*env, &solutions);
            Ok((solutions, reached))
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        if let Some(limit) = reached {
            json::warn_of(py, &reached_limit("max_steps", limit))?;
        }
        Ok((solutions, seconds))
    }
}

/// Adds the position of the refused start to the error, if there are several.
fn numbered(error: Error, starts: &[Start<'_>], env: &dyn EnvSpec, interrupt: &Interrupt) -> Error {
    if starts.len() == 1 || !matches!(error, Error::Core(CoreError::State { .. })) {
        return error;
    }
    let Ok(mut checker) = StateChecker::new(env, interrupt) else { return error };
    let refused = starts.iter().enumerate().find_map(|(i, start)| match start {
        Start::State { state, .. } => Some((i, checker.check(state).err()?)),
        _ => None,
    });
    match refused {
        Some((i, CoreError::State { expected, found })) => {
            CoreError::state(expected, format!("{found}, in states[{i}]")).into()
        }
        _ => error,
    }
}

/// Returns the error of an argument.
fn refused_option(py: Python<'_>, OptionError { option, expected, found }: OptionError) -> PyErr {
    refuse(py, "UsageError", option, &expected, &found)
}

/// The problems to solve.
enum Problems {
    /// These states, with the full budget.
    States(Vec<Vec<f64>>),
    /// This many scrambles or random states.
    Drawn { start: Start<'static>, count: usize },
}

impl Problems {
    fn starts(&self) -> Vec<Start<'_>> {
        match self {
            Self::States(states) => {
                states.iter().map(|state| Start::State { state, difficulty: None }).collect()
            }
            &Self::Drawn { start, count } => vec![start; count],
        }
    }
}
