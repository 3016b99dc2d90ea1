//! `bench`: measures single hot paths, for the records in benches/.

use crate::Result;
use crate::bench::population::bench_population;
use crate::bench::workloads;
use crate::cli::{Output, count};
use crate::config::NumCores;
use crate::system::plugins;
use crate::trainer::threads::in_pool;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::sync::Arc;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_wasm::{EngineName, Sandbox};

/// Measure one hot path and print one JSON object.
#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    #[command(subcommand)]
    part: Part,
    /// Minimum duration of the measurement, in seconds.
    #[arg(long, global = true, value_name = "N", default_value_t = 3, value_parser = count(600))]
    seconds: usize,
    /// Maximum number of threads.
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value = "2",
        allow_negative_numbers = true
    )]
    num_cores: NumCores,
    /// Width of the first layer.
    #[arg(long, global = true, value_name = "N", default_value_t = 512, value_parser = count(65536))]
    embedding_size: usize,
    /// Widths of the layers that the heads share.
    #[arg(long, global = true, value_delimiter = ',', default_value = "256", value_parser = count(65536))]
    common_layers: Vec<usize>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Samples per second of optimizer steps on one-hot boards.
    Learner {
        /// Samples per optimizer step.
        #[arg(long, value_name = "N", default_value_t = 1024, value_parser = count(1 << 20))]
        minibatch: usize,
        /// Cells of the board.
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = count(64))]
        cells: usize,
    },
    /// Environment steps per second of collection with an initial policy.
    Collection {
        #[command(flatten)]
        problem: Problem,
        /// Number of environments.
        #[arg(long, value_name = "N", default_value_t = 512, value_parser = count(1 << 20))]
        num_envs: usize,
        /// Steps per environment between two updates.
        #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(1 << 14))]
        rollout_length: usize,
    },
    /// Environment steps per second of an ES population, of one policy, and of members that play one by one.
    Population {
        #[command(flatten)]
        problem: Problem,
        /// Number of members, which play one episode each.
        #[arg(long, value_name = "N", default_value_t = 1024, value_parser = count(1 << 20))]
        population: usize,
        /// Rank of the perturbations.
        #[arg(long, value_name = "R", default_value_t = 1, value_parser = count(256))]
        rank: usize,
    },
}

/// The environment to play.
#[derive(Debug, Args)]
struct Problem {
    /// Name of the environment.
    #[arg(long, default_value = "Puzzle")]
    env: String,
    /// Parameters of the environment, as JSON.
    #[arg(long, default_value = "{}", value_parser = |text: &str| twisterl_core::error::json::parse::<Value>(text.as_bytes()))]
    params: Value,
    /// Difficulty of the scrambles.
    #[arg(long, value_name = "D", default_value_t = 32, value_parser = count(1_000_000))]
    difficulty: usize,
    /// Engine of an environment in a WebAssembly module: wasmi or wasmtime.
    #[arg(long, default_value = "wasmi", value_parser = engine)]
    engine: EngineName,
}

impl Problem {
    fn spec(&self, registry: &Registry) -> Result<Arc<dyn EnvSpec>> {
        let sandbox = Sandbox { engine: self.engine, ..Sandbox::default() };
        let registry = plugins::bounded(registry, Some(sandbox)).with_trust(Trust::Code);
        Ok(registry.make(&self.env, &self.params)?)
    }
}

/// Reads the name of an engine.
fn engine(text: &str) -> Result<EngineName, serde_json::Error> {
    serde_json::from_value(text.into())
}

impl BenchArgs {
    pub(in crate::cli) fn run(self, registry: &Registry, interrupt: &Interrupt) -> Result<Output> {
        let sizes = workloads::sizes(self.embedding_size, &self.common_layers);
        let seconds = self.seconds as f64;
        let figures = in_pool(Some(self.num_cores), || match &self.part {
            &Part::Learner { minibatch, cells } => {
                let mut learner = workloads::learner(&sizes, cells, minibatch)?;
                let rate = learner.rate(seconds, interrupt)?;
                Ok(json!({"samples_per_second": rate, "minibatch": minibatch}))
            }
            Part::Collection { problem, num_envs, rollout_length } => {
                let (spec, shape) = (problem.spec(registry)?, (*num_envs, *rollout_length));
                let mut collection =
                    workloads::collection(&*spec, &sizes, problem.difficulty, shape)?;
                let rate = collection.rate(seconds, interrupt)?;
                Ok(json!({"steps_per_second": rate, "num_envs": num_envs}))
            }
            Part::Population { problem, population, rank } => {
                let (spec, size) = (problem.spec(registry)?, (*population, *rank));
                let rates = bench_population(&*spec, &sizes, problem.difficulty, size, seconds)?;
                Ok(json!({
                    "population": rates.population, "plain": rates.plain,
                    "full_rank": rates.full_rank, "one_by_one": rates.one_by_one,
                    "of_plain": rates.population / rates.plain,
                    "times_one_by_one": rates.population / rates.one_by_one,
                    "members": population, "rank": rank
                }))
            }
        })?;
        Ok(format!("{figures}\n").into())
    }
}
