//! Options of solving as keyword arguments.

use crate::convert::numbers::kind;
use crate::error::refuse;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::str::FromStr;
use twisterl_core::error::OptionError;
use twisterl_core::solve::{BeamScore, SolveOptions, SolvePlan};

/// The keyword arguments of `Policy.solve_batch`.
const KEYWORDS: &str = "search, deterministic, backtracking, num_searches, num_mcts_searches, C, max_expand_depth, \
                        temperature, gamma, leaves, score, twists, nodes, seconds, max_steps, seed, num_cores";
/// The largest bound on threads.
const MAX_CORES: usize = 4096;
/// The longest part of a value that an error repeats, in characters.
const MAX_QUOTE: usize = 100;

/// Converts keyword arguments and resolves them. Without a method, it is the best of `default_searches` samples. Returns
/// the plan, and the maximum number of threads.
///
/// # Errors
/// `UsageError` if a keyword is unknown, a value is of a wrong type or out of range, or two do not go together.
pub fn solve_plan(
    keywords: &Bound<'_, PyDict>,
    default_searches: usize,
) -> PyResult<(SolvePlan, Option<usize>)> {
    let py = keywords.py();
    let (mut options, mut num_cores) = (SolveOptions::default(), None);
    for (name, value) in keywords {
        let name: String = name.extract()?;
        let argument = Argument { name: &name, value: &value };
        match name.as_str() {
            "search" => options.search = argument.parsed()?,
            "deterministic" => options.greedy = argument.flag()?.unwrap_or(false),
            "backtracking" => options.no_backtracking = !argument.flag()?.unwrap_or(true),
            "num_searches" => options.num_searches = argument.whole()?,
            "num_mcts_searches" => options.num_mcts_searches = argument.whole()?,
            "C" => options.exploration = argument.number()?,
            "max_expand_depth" => options.max_expand_depth = argument.whole()?,
            "temperature" => options.temperature = argument.number()?,
            "gamma" => options.gamma = argument.number()?,
            "leaves" => options.leaves = argument.whole()?,
            "score" if value.is_instance_of::<PyString>() => options.score = argument.parsed()?,
            "score" => {
                let weight = argument.extract("a number, policy or value")?;
                options.score = weight.map(|weight| BeamScore::Blend { weight });
            }
            "twists" => options.twists = argument.parsed()?.unwrap_or_default(),
            "nodes" => options.nodes = argument.extract("a whole number from 1 on")?,
            "seconds" => options.seconds = argument.number()?,
            "max_steps" => options.max_steps = argument.whole()?,
            "seed" => options.seed = argument.extract("a whole number, 0 or more")?.unwrap_or(0),
            "num_cores" => num_cores = argument.whole()?,
            _ => return Err(argument.refused(&format!("one of the arguments {KEYWORDS}"))),
        }
    }
    if let Some(cores) = num_cores.filter(|cores| !(1..=MAX_CORES).contains(cores)) {
        let expected = format!("a whole number from 1 to {MAX_CORES}");
        return Err(refuse(py, "UsageError", "num_cores", &expected, &cores.to_string()));
    }
    let plan = options.resolve(default_searches).map_err(|error| {
        let OptionError { option, expected, found } = error;
        refuse(py, "UsageError", keyword(option), &expected, &found)
    })?;
    Ok((plan, num_cores))
}

/// Returns the keyword argument of an option.
fn keyword(option: &'static str) -> &'static str {
    match option {
        "greedy" => "deterministic",
        "no_backtracking" => "backtracking",
        "exploration" => "C",
        other => other,
    }
}

/// A keyword argument. `None` counts as not given.
struct Argument<'a, 'py> {
    name: &'a str,
    value: &'a Bound<'py, PyAny>,
}

impl<'py> Argument<'_, 'py> {
    fn refused(&self, expected: &str) -> PyErr {
        let found = self.value.repr().map_or_else(|_| kind(self.value), |text| text.to_string());
        let found: String = found.chars().take(MAX_QUOTE).collect();
        refuse(self.value.py(), "UsageError", self.name, expected, &found)
    }

    fn extract<T>(&self, expected: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        match self.value.is_none() {
            true => Ok(None),
            false => self.value.extract().map(Some).map_err(|_| self.refused(expected)),
        }
    }

    fn whole(&self) -> PyResult<Option<usize>> {
        self.extract("a whole number, 0 or more")
    }

    fn number<T>(&self) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        self.extract("a number")
    }

    /// Returns whether the value is true, for any type that has a truth value.
    fn flag(&self) -> PyResult<Option<bool>> {
        match self.value.is_none() {
            true => Ok(None),
            false => self.value.is_truthy().map(Some).map_err(|_| self.refused("True or False")),
        }
    }

    /// Parses text.
    fn parsed<T: FromStr<Err = OptionError>>(&self) -> PyResult<Option<T>> {
        let Some(text) = self.extract::<String>("text")? else { return Ok(None) };
        let parsed = text.parse().map_err(|OptionError { expected, .. }| self.refused(&expected));
        parsed.map(Some)
    }
}
