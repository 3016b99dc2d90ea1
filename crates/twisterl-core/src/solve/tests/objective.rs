//! The fewest actions, or the greatest return.

use super::*;
use crate::env::{Environment, Step};
use crate::envs::registry::Registry;
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use serde::{Deserialize, Serialize};

const FARTHEST: usize = 12;
const TURNS: usize = 4;

/// A way home: a step of one costs 1, a ride of three costs 4, and turning around costs nothing and leads nowhere. The best
/// return walks all the way, the fewest actions ride.
#[derive(Debug, Clone)]
struct Toll {
    params: TollParams,
    distance: usize,
    turn: usize,
    left: u32,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct TollParams {
    /// The environment knows the best return.
    bound: bool,
}

impl Environment for Toll {
    const NAME: &'static str = "Toll";
    type Params = TollParams;

    fn new(&params: &TollParams) -> Result<Self> {
        Ok(Self { params, distance: 0, turn: 0, left: 0 })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: vec![(FARTHEST + 1) * TURNS] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(3)
    }

    fn reset(&mut self, _rng: &mut Rng) {
        (self.distance, self.turn, self.left) = (FARTHEST, 0, 40);
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let cost = match action.index() {
            0 => {
                self.turn = (self.turn + 1) % TURNS;
                0.0
            }
            1 => {
                self.distance -= self.distance.min(1);
                1.0
            }
            _ => {
                self.distance -= self.distance.min(3);
                4.0
            }
        };
        self.left = self.left.saturating_sub(1);
        let solved = self.solved();
        Step { reward: -cost, terminated: solved, truncated: !solved && self.left == 0 }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.ones(std::iter::once(self.distance * TURNS + self.turn));
    }

    fn solved(&self) -> bool {
        self.distance == 0
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend([self.distance as f64, self.turn as f64]);
    }

    fn best_return(&self) -> Option<f32> {
        self.params.bound.then_some(-(self.distance as f32))
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        (self.distance, self.turn, self.left) = (state[0] as usize, state[1] as usize, 40);
        Ok(())
    }
}

fn toll(bound: bool) -> Arc<dyn EnvSpec> {
    Registry::empty().register::<Toll>().make("Toll", &json!({ "bound": bound })).unwrap()
}

fn distances_home() -> Vec<(Vec<f64>, usize)> {
    (0..=FARTHEST).map(|distance| (vec![distance as f64, 0.0], distance)).collect()
}

fn outcomes(
    bound: bool,
    (method, objective): (&str, Objective),
    nodes: Option<u64>,
) -> Vec<Solution> {
    let (spec, uniform, states) = (toll(bound), Mock::uniform(3), distances_home());
    let budget = Budget { nodes, ..Budget::unlimited() };
    let solver = Solver { objective, budget, ..solver(&*spec, &uniform, method) };
    solver.run(&starts(&states)).unwrap()
}

#[test]
fn the_objective_decides_between_few_actions_and_a_great_return() {
    for bound in [false, true] {
        // A bound above the return of the first solution lets any beam go on.
        for method in ["beam=100", "widening=100"] {
            for (distance, found) in
                outcomes(bound, (method, Objective::Return), None).into_iter().enumerate()
            {
                assert!(found.solved);
                assert_eq!(found.total, -(distance as f32), "{method}");
            }
        }
        for method in ["mcts=300", "gumbel=300", "best-of=3000"] {
            let [fewest, greatest] = [Objective::Length, Objective::Return]
                .map(|objective| outcomes(bound, (method, objective), None));
            for (distance, (one, other)) in fewest.iter().zip(&greatest).enumerate().take(7) {
                assert!(other.total >= one.total, "{method}: {one:?} {other:?}");
                assert_eq!(other.total, -(distance as f32), "{method}");
            }
        }
    }
    for (distance, found) in
        outcomes(false, ("beam=100", Objective::Length), None).iter().enumerate()
    {
        assert_eq!(found.length, distance.div_ceil(3));
    }
}

#[test]
fn moves_that_cost_nothing_do_not_keep_a_search_going() {
    // There are 13 x 4 states, and none is reached at a better return more than twice for each ride.
    for found in outcomes(false, ("beam=1000", Objective::Return), None) {
        assert!(found.nodes <= 3 * 13 * 4, "{found:?}");
    }
}

#[test]
fn more_nodes_never_cost_a_return() {
    let mut last: Option<Vec<Solution>> = None;
    for nodes in [4, 8, 16, 32, 64, 200] {
        let now = outcomes(false, ("widening=64", Objective::Return), Some(nodes));
        assert!(now.iter().all(|found| found.nodes <= nodes));
        for (last, now) in last.iter().flatten().zip(&now) {
            assert!(!last.solved || now.solved && now.total >= last.total, "{last:?} {now:?}");
        }
        last = Some(now);
    }
    assert!(last.unwrap().iter().all(|found| found.solved));
}

#[test]
fn the_greatest_return_depends_on_no_threads() {
    let spec = puzzle(3, 3);
    let executor = Executor::of(&random_policy(&*spec)).unwrap();
    for method in ["beam=100", "widening=200", "mcts=20", "best-of=20"] {
        for score in [None, Some(BeamScore::Value), Some(BeamScore::Mixed)] {
            let mut solver = Solver {
                objective: Objective::Return,
                max_steps: Some(60),
                ..solver(&*spec, &executor, method)
            };
            if let (Method::Beam { width, .. }, Some(score)) = (solver.method, score) {
                solver.method = Method::Beam { width, score };
            }
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| solver.run(&scrambles(3)).unwrap())
            };
            let one = run(1);
            assert_eq!(one, run(2), "{method}");
            assert_eq!(one, run(3), "{method}");
        }
    }
}
