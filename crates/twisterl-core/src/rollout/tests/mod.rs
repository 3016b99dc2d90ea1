#![allow(clippy::unwrap_used, clippy::expect_used)]

mod unusual;

use super::*;
use crate::env::Step;
use crate::envs::registry::Registry;
use crate::policy::executor::Executor;
use crate::policy::network::{Activation, MlpSizes, Network};
use crate::rng::Purpose;
use serde_json::json;
use std::sync::Arc;

fn puzzle() -> Arc<dyn EnvSpec> {
    let params = json!({"width": 3, "height": 3, "max_depth": 30});
    Registry::default().make("twisterl.envs.Puzzle", &params).unwrap()
}

fn executor(spec: &dyn EnvSpec) -> Executor {
    let sizes = MlpSizes {
        embedding_size: 32,
        common_layers: vec![16],
        policy_layers: vec![],
        value_layers: vec![8],
        activation: Activation::Relu,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let parameters: Vec<f32> =
        (0..network.parameter_count()).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
    Executor::new(&network, &parameters).unwrap()
}

fn collection<'a>(evaluator: &'a Executor, iteration: u64, horizon: Horizon) -> Collection<'a> {
    let starts = Starts { difficulty: 6, uniform: 0.2, mixed: 0.2, remembered: 0.0, memory: &[] };
    let key = StreamKey::new(3, Purpose::Act).iteration(iteration);
    Collection { evaluator, key, starts, horizon, max_steps: 1000 }
}

type Gathered = Vec<(Vec<u32>, Vec<f32>, Vec<f32>, Vec<Step>, Vec<f32>, Vec<Episode>)>;

fn gathered(collector: &Collector) -> Gathered {
    let copy = |t: &Trajectory| {
        (
            t.actions.discrete.clone(),
            t.log_probs.clone(),
            t.values.clone(),
            t.steps.clone(),
            t.last_values.clone(),
            t.episodes.clone(),
        )
    };
    collector.trajectories().map(copy).collect()
}

#[test]
fn advantages_are_discounted_sums_of_deltas() {
    // Two slots, three steps; slot 0 is cut at step 1, slot 1 ends at step 2.
    let mut trajectory = Trajectory::new(&ActionSpace::discrete(2));
    let step = |reward, terminated, truncated| Step { reward, terminated, truncated };
    trajectory.steps = vec![
        step(1.0, false, false),
        step(2.0, false, false),
        step(3.0, false, true),
        step(4.0, false, false),
        step(5.0, false, false),
        step(6.0, true, false),
    ];
    trajectory.slots = vec![0, 1, 0, 1, 0, 1];
    trajectory.values = vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    trajectory.cut_values = vec![0.0, 0.0, 7.0, 0.0, 0.0, 0.0];
    trajectory.last_values = vec![8.0, 9.0];
    let (g, l) = (0.9, 0.8);
    let (mut advantages, mut returns) = (Vec::new(), Vec::new());
    trajectory.advantages(g, l, &mut advantages, &mut returns);
    let d0 = 1.0 + g * 0.3 - 0.1;
    let d2 = 3.0 + g * 7.0 - 0.3;
    let d4 = 5.0 + g * 8.0 - 0.5;
    let (d1, d3, d5) = (2.0 + g * 0.4 - 0.2, 4.0 + g * 0.6 - 0.4, 6.0 - 0.6);
    let k = g * l;
    let expected = [d0 + k * d2, d1 + k * d3 + k * k * d5, d2, d3 + k * d5, d4, d5];
    for ((a, e), (r, v)) in
        advantages.iter().zip(expected).zip(returns.iter().zip(&trajectory.values))
    {
        assert!((a - e).abs() < 1e-5, "{a} {e}");
        assert_eq!(*r, a + v);
    }
}

#[cfg(feature = "parallel")]
#[test]
fn the_number_of_threads_does_not_change_the_transitions() {
    let spec = puzzle();
    let executor = executor(&*spec);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut collector = Collector::new(&*spec, 200);
            let mut all = Vec::new();
            for (i, horizon) in
                [Horizon::Steps(9), Horizon::Steps(9), Horizon::Episodes].iter().enumerate()
            {
                collector.collect(&collection(&executor, i as u64, *horizon)).unwrap();
                all.push(gathered(&collector));
            }
            all
        })
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert_eq!(one, run(threads));
    }
}

#[test]
fn a_restored_collector_continues_identically() {
    let spec = puzzle();
    let executor = executor(&*spec);
    let mut first = Collector::new(&*spec, 70);
    first.collect(&collection(&executor, 0, Horizon::Steps(13))).unwrap();
    let live: Vec<LiveEpisode> =
        serde_json::from_str(&serde_json::to_string(&first.live()).unwrap()).unwrap();
    let mut second = Collector::new(&*spec, 70);
    second.restore(live, 3).unwrap();
    for collector in [&mut first, &mut second] {
        collector.collect(&collection(&executor, 1, Horizon::Steps(11))).unwrap();
    }
    assert_eq!(gathered(&first), gathered(&second));
}

#[test]
fn live_episodes_that_do_not_fit_are_refused() {
    let spec = puzzle();
    let executor = executor(&*spec);
    let mut collector = Collector::new(&*spec, 3);
    collector.collect(&collection(&executor, 0, Horizon::Steps(4))).unwrap();
    let live = collector.live();
    assert!(collector.restore(live[..2].to_vec(), 3).is_err());
    for broken in [
        LiveEpisode { length: usize::MAX, ..live[0].clone() },
        LiveEpisode { discrete: vec![9], length: 1, ..live[0].clone() },
        LiveEpisode { discrete: vec![], length: 1, ..live[0].clone() },
        LiveEpisode {
            start: OwnedStart::State { state: vec![f64::NAN], difficulty: 1 },
            ..live[0].clone()
        },
    ] {
        let mut all = live.clone();
        all[1] = broken;
        assert!(collector.restore(all, 3).is_err());
    }
}

#[test]
fn whole_episodes_end_and_are_all_counted() {
    let spec = puzzle();
    let executor = executor(&*spec);
    let mut collector = Collector::new(&*spec, 100);
    collector.collect(&collection(&executor, 0, Horizon::Episodes)).unwrap();
    let episodes: Vec<Episode> =
        collector.trajectories().flat_map(|t| t.episodes.iter().copied()).collect();
    assert_eq!(episodes.len(), 100);
    let steps: usize = collector.trajectories().map(Trajectory::len).sum();
    assert_eq!(steps, episodes.iter().map(|e| e.length).sum::<usize>());
    assert!(episodes.iter().all(|e| e.length >= 1));
    assert!(collector.trajectories().all(|t| t.last_values.iter().all(|&v| v == 0.0)));
}
