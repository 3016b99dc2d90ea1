//! Bundles of policies.

use super::Policy;
use super::options::{solve_options, solve_plan};
use crate::enter::Enter as _;
use crate::error::refuse;
use crate::registry::registry;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use twisterl_core::solve::SOLVE_SEARCHES;
use twisterl_train::record::bundle::{BundleOptions, bundle};

impl Policy {
    /// Writes the bundle of the policy from a template, or from one in a folder. Returns false if it cannot be played.
    pub(super) fn bundle(
        &self,
        py: Python<'_>,
        output: PathBuf,
        (template, templates): (Option<PathBuf>, Option<PathBuf>),
        options: &Bound<'_, PyDict>,
    ) -> PyResult<bool> {
        // Refused in the words of the arguments.
        solve_plan(options, SOLVE_SEARCHES)?;
        let (solve, num_cores) = solve_options(options)?;
        if num_cores.is_some() {
            let expected = "none (bundles use one thread)";
            return Err(refuse(py, "UsageError", "num_cores", expected, "one"));
        }
        let env = self.env.clone().ok();
        let written = py.enter(|| {
            let options = BundleOptions {
                template: template.as_deref(),
                templates: templates.as_deref(),
                solve: &solve,
            };
            bundle(&self.policy, env, &output, options, registry())
        })?;
        Ok(written.plays)
    }
}
