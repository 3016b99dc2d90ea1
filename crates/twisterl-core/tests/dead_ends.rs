//! A native environment that forbids every action in a state that is not the last is refused by everything that plays it.

#![allow(clippy::unwrap_used)]

use serde_json::json;
use twisterl_core::env::{Environment, Start, Step};
use twisterl_core::envs::registry::Registry;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::rng::{Purpose, Rng, StreamKey};
use twisterl_core::rollout::{Collection, Collector, Horizon, Starts};
use twisterl_core::solve::Solver;
use twisterl_core::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use twisterl_core::{Error, Result};

/// A corridor of four steps, whose last state is solved. At `blocked`, nothing is allowed.
#[derive(Clone)]
struct Corridor {
    blocked: usize,
    place: usize,
}

impl Environment for Corridor {
    const NAME: &'static str = "Corridor";
    type Params = usize;

    fn new(blocked: &usize) -> Result<Self> {
        Ok(Self { blocked: *blocked, place: 0 })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![1] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(2)
    }

    fn reset(&mut self, _: &mut Rng) {
        self.place = 0;
    }

    fn step(&mut self, _: Action<'_>) -> Step {
        self.place += 1;
        Step { reward: 1.0, terminated: self.place >= 4, truncated: false }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&[self.place as f32]);
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask.fill(self.place != self.blocked);
    }

    fn solved(&self) -> bool {
        self.place >= 4
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.push(self.place as f64);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        self.place = state.first().map_or(0, |place| *place as usize);
        Ok(())
    }
}

/// Plays corridors that are blocked at a place in every way, and returns the errors, by way.
fn play(blocked: usize) -> Vec<(String, Option<Error>)> {
    let mut registry = Registry::default();
    registry.register::<Corridor>();
    let spec = registry.make("Corridor", &json!(blocked)).unwrap();
    let sizes = MlpSizes {
        embedding_size: 8,
        common_layers: vec![],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let executor = Executor::new(&network, &vec![0.01; network.parameter_count()]).unwrap();
    let mut ended = Vec::new();
    for method in ["greedy", "best-of=3", "mcts=20", "gumbel=20", "beam=4"] {
        let key = StreamKey::new(1, Purpose::Solve);
        let solver = Solver::new(&*spec, &executor, method.parse().unwrap(), key);
        let solved = solver.run(&[Start::Scramble { difficulty: 1 }]);
        ended.push((method.to_owned(), solved.err()));
    }
    let starts = Starts { difficulty: 1, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] };
    for horizon in [Horizon::Steps(9), Horizon::Episodes] {
        let collection = Collection {
            evaluator: &executor,
            starts,
            key: StreamKey::new(1, Purpose::Act),
            horizon,
            max_steps: 1000,
        };
        let collected = Collector::new(&*spec, 4).collect(&collection);
        ended.push((format!("{horizon:?}"), collected.err()));
    }
    ended
}

#[test]
fn a_dead_end_is_refused_by_every_way_to_play() {
    for (way, error) in play(2) {
        let error = error.map(|e| e.to_string()).unwrap_or_default();
        assert!(
            error.starts_with("environment Corridor: a state that is not the last"),
            "{way} {error}"
        );
    }
}

#[test]
fn the_last_state_may_forbid_everything() {
    for (way, error) in play(4) {
        assert!(error.is_none(), "{way} {error:?}");
    }
}
