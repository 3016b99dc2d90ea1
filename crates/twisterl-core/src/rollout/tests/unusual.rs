//! Environments that do not repeat their episodes, never end them, or begin solved.

use super::*;
use crate::env::{Environment, Start};
use crate::evaluator::Mock;
use crate::evaluator::distribution::Choice;
use crate::policy::Policy;
use crate::policy::population::{PerturbationKey, Population};
use crate::rng::Rng;
use crate::space::{Action, ObservationRow, ObservationSpace};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the next step of all walks that do not repeat themselves.
static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Kind {
    /// Sees the number of its last step among all walks.
    Unrepeated,
    /// Gets that number as its reward.
    UnrepeatedReward,
    /// Ends at a step that nobody knows beforehand.
    UnrepeatedEnd,
    /// Sees its steps, and never ends.
    Endless,
    /// Is solved at the start.
    Solved,
}

/// A walk with an action that means nothing.
#[derive(Debug, Clone)]
struct Walk {
    kind: Kind,
    seen: f32,
}

impl Environment for Walk {
    const NAME: &'static str = "Walk";
    type Params = Kind;

    fn new(&kind: &Kind) -> crate::Result<Self> {
        Ok(Self { kind, seen: 0.0 })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![1] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(2)
    }

    fn reset(&mut self, rng: &mut Rng) {
        self.seen = rng.next_u32() as f32;
    }

    fn step(&mut self, _: Action<'_>) -> Step {
        assert_ne!(self.kind, Kind::Solved, "a step after the end");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.seen += if self.kind == Kind::Unrepeated { number as f32 } else { 1.0 };
        let reward = if self.kind == Kind::UnrepeatedReward { number as f32 } else { 0.0 };
        let terminated = self.kind == Kind::UnrepeatedEnd && number.is_multiple_of(7);
        Step { reward, terminated, truncated: false }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&[self.seen]);
    }

    fn solved(&self) -> bool {
        self.kind == Kind::Solved
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.push(self.seen.into());
    }

    fn set_state(&mut self, state: &[f64]) -> crate::Result<()> {
        self.seen = state.first().copied().unwrap_or_default() as f32;
        Ok(())
    }
}

fn walk(kind: Kind) -> Arc<dyn EnvSpec> {
    let mut registry = Registry::empty();
    registry.register::<Walk>();
    registry.make("Walk", &json!(kind)).unwrap()
}

fn collect(collector: &mut Collector, iteration: u64, horizon: Horizon, max_steps: usize) {
    let evaluator = Mock::uniform(2);
    let starts = Starts { difficulty: 1, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] };
    let key = StreamKey::new(3, Purpose::Act).iteration(iteration);
    let collection = Collection { evaluator: &evaluator, key, starts, horizon, max_steps };
    collector.collect(&collection).unwrap();
}

fn episodes(collector: &Collector) -> Vec<Episode> {
    collector.trajectories().flat_map(|t| t.episodes.iter().copied()).collect()
}

#[test]
fn episodes_that_are_not_repeated_begin_afresh() {
    for (kind, most) in [
        (Kind::Unrepeated, 70),
        (Kind::UnrepeatedReward, 70),
        (Kind::UnrepeatedEnd, 70),
        (Kind::Endless, 0),
    ] {
        let spec = walk(kind);
        let mut first = Collector::new(&*spec, 70);
        collect(&mut first, 0, Horizon::Steps(10), 1000);
        let live = first.live();
        let mut second = Collector::new(&*spec, 70);
        let lost = second.restore(live.clone(), 3).unwrap();
        assert!(lost <= most && (lost > 0) == (most > 0), "{kind:?} {lost}");
        assert_eq!(second.live(), live, "as long as nothing was collected");
        collect(&mut second, 1, Horizon::Steps(4), 1000);
        let now = second.live();
        let afresh = now.iter().zip(&live).filter(|(now, was)| now.stream != was.stream);
        assert!(afresh.count() >= lost, "{kind:?}");
        assert_eq!(second.trajectories().map(Trajectory::len).sum::<usize>(), 280);
    }
}

#[test]
fn checkpoints_without_keys_of_observations_are_restored_as_before() {
    let spec = walk(Kind::Endless);
    let mut first = Collector::new(&*spec, 3);
    collect(&mut first, 0, Horizon::Steps(5), 1000);
    let mut live = serde_json::to_value(first.live()).unwrap();
    for episode in live.as_array_mut().unwrap() {
        assert!(episode.as_object_mut().unwrap().remove("observed").unwrap().is_u64());
    }
    let live: Vec<LiveEpisode> = serde_json::from_value(live).unwrap();
    assert_eq!(Collector::new(&*spec, 3).restore(live, 3).unwrap(), 0);
}

#[test]
fn episodes_without_an_end_are_truncated() {
    let spec = walk(Kind::Endless);
    let mut collector = Collector::new(&*spec, 3);
    collect(&mut collector, 0, Horizon::Episodes, 9);
    let lengths = |collector: &Collector| -> Vec<usize> {
        episodes(collector).iter().map(|episode| episode.length).collect()
    };
    assert_eq!(lengths(&collector), [9; 3]);
    let last = collector.trajectories().next().unwrap().steps.last().copied();
    assert_eq!(last, Some(Step { reward: 0.0, terminated: false, truncated: true }));
    let mut collector = Collector::new(&*spec, 2);
    collect(&mut collector, 0, Horizon::Steps(6), 9);
    assert!(episodes(&collector).is_empty());
    collect(&mut collector, 1, Horizon::Steps(6), 9);
    assert_eq!(lengths(&collector), [9; 2]);
    assert_eq!(collector.live()[0].length, 3);
}

#[test]
fn starts_that_are_all_solved_are_solved_in_no_steps() {
    let spec = walk(Kind::Solved);
    let solved = Episode { difficulty: Some(1), length: 0, total: 0.0, solved: true };
    for horizon in [Horizon::Steps(5), Horizon::Episodes] {
        let mut collector = Collector::new(&*spec, 70);
        for iteration in 0..2 {
            collect(&mut collector, iteration, horizon, 1000);
            assert_eq!(episodes(&collector), vec![solved; 70]);
            assert!(collector.trajectories().all(Trajectory::is_empty));
        }
        let mut restored = Collector::new(&*spec, 70);
        assert_eq!(restored.restore(collector.live(), 3).unwrap(), 0);
        collect(&mut restored, 2, horizon, 1000);
        assert_eq!(episodes(&restored), vec![solved; 70]);
    }
    let sizes = MlpSizes {
        embedding_size: 4,
        common_layers: vec![],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Tanh,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let policy = Policy::initial(network, "Walk", json!(Kind::Solved), vec![], 0).unwrap();
    let rollout = PopulationRollout {
        spec: &*spec,
        starts: Starts { difficulty: 1, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] },
        episodes: 3,
        common: CommonRandomNumbers::Pair,
        choice: Choice::Greedy,
        max_steps: None,
    };
    let key = PerturbationKey { key: StreamKey::new(1, Purpose::Start), sigma: 0.1 };
    let played = rollout.run(&Population::new(&policy, 1).unwrap(), key, 0..4).unwrap();
    assert_eq!(played, vec![solved; 12]);
    let state = Start::State { state: &[0.0], difficulty: None };
    assert!(
        spec.batch(1).begin(0, state, &mut crate::rng::stream(0, Purpose::Start, 0, 0)).is_ok()
    );
}
