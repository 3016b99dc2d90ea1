//! The flags of commands that solve many problems.

use super::count;
use crate::Result;
use crate::system::files::states::{self, Instance, StateChecker};
use clap::Args;
use std::path::PathBuf;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::counts::{counted, grouped};
use twisterl_core::error::escape::escape_controls;
use twisterl_core::error::interrupt::Interrupt;

/// The problems to solve: states from a file, or scrambles.
#[derive(Debug, Args)]
pub(super) struct ProblemFlags {
    /// States to solve, as JSON (`{"instances": [{"state": [...], "optimal": 38}, ...]}`, or a list of states), JSON Lines,
    /// a table with a header, or text with one state a line; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["num_episodes", "difficulty"])]
    pub(super) states: Option<PathBuf>,
    /// Number of scrambles to solve.
    #[arg(long, alias = "num_episodes", value_name = "N", default_value_t = 1000, allow_negative_numbers = true, value_parser = count(10_000_000))]
    pub(super) num_episodes: usize,
    /// Difficulty of the scrambles; by default that of the environment's parameters.
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = count(1_000_000))]
    difficulty: Option<usize>,
}

impl ProblemFlags {
    /// Reads the states of the file; there are none for scrambles.
    ///
    /// # Errors
    /// If the file cannot be read or has a state that `spec` refuses, and after an interruption.
    pub(super) fn instances(
        &self,
        spec: &dyn EnvSpec,
        interrupt: &Interrupt,
    ) -> Result<Vec<Instance>> {
        match &self.states {
            Some(file) => states::read(file, &mut StateChecker::new(spec, interrupt)?),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the starts of the episodes: the [instances](Self::instances) or scrambles.
    pub(super) fn starts<'a>(
        &self,
        spec: &dyn EnvSpec,
        instances: &'a [Instance],
    ) -> Vec<Start<'a>> {
        if self.states.is_some() {
            return instances.iter().map(Instance::start).collect();
        }
        vec![Start::Scramble { difficulty: self.difficulty(spec) }; self.num_episodes]
    }

    /// Returns the number and the kind of the problems in words, such as `1,000 scrambles of difficulty 2`.
    pub(super) fn describe(&self, spec: &dyn EnvSpec, instances: &[Instance]) -> String {
        if let Some(file) = &self.states {
            let path = states::name(file);
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            return format!("{} of {}", counted(instances.len(), "state"), escape_controls(&name));
        }
        if !spec.starts().curriculum {
            return counted(self.num_episodes, "episode");
        }
        let scrambles = counted(self.num_episodes, "scramble");
        format!("{scrambles} of difficulty {}", grouped(self.difficulty(spec)))
    }

    /// Returns the difficulty of the scrambles.
    pub(super) fn difficulty(&self, spec: &dyn EnvSpec) -> usize {
        self.difficulty.unwrap_or_else(|| spec.difficulty())
    }
}
