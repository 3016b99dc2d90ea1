//! A template for your own environment: an agent walks over a grid to a goal.
//!
//! To write another environment, change in this order: the parameters, the fields, `reset`, `step`, `observe`, and
//! `state`/`set_state`. Methods with a default in [`Environment`] can wait. Then run [`check_env`], as the first test
//! does, to find violations of the contract.
//!
//! [`check_env`]: twisterl_plugin::core::env::check::check_env

use serde::{Deserialize, Serialize};
use twisterl_plugin::core::env::{Environment, Step, whole_numbers};
use twisterl_plugin::core::error::in_range;
use twisterl_plugin::core::rng::{Rng, RngExt};
use twisterl_plugin::core::space::symmetry::Twist;
use twisterl_plugin::core::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use twisterl_plugin::core::{Error, Result};

/// The parameters, given by configs under `env`. Every field has a default, and an unknown field is an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GridWorldParams {
    /// Rows, 2 to 64.
    pub height: usize,
    /// Columns, 2 to 64.
    pub width: usize,
    /// Steps from the start to the goal; the largest distance on the grid if that is smaller.
    pub difficulty: usize,
    /// Steps after which an episode is truncated, 1 to 10,000.
    pub max_steps: usize,
}

impl Default for GridWorldParams {
    fn default() -> Self {
        Self { height: 5, width: 5, difficulty: 1, max_steps: 64 }
    }
}

/// The names of the actions.
const ACTIONS: [&str; 4] = ["left", "up", "right", "down"];

/// An agent that walks over a grid to a goal. Cells are numbered row by row.
#[derive(Debug, Clone)]
pub struct GridWorld {
    params: GridWorldParams,
    agent: usize,
    goal: usize,
    steps_left: usize,
}

impl GridWorld {
    fn cells(&self) -> usize {
        self.params.height * self.params.width
    }

    /// Returns the row and the column of a cell.
    fn position(&self, cell: usize) -> (usize, usize) {
        (cell / self.params.width, cell % self.params.width)
    }

    /// Returns the number of steps from `cell` to the goal.
    fn distance(&self, cell: usize) -> usize {
        let ((r, c), (goal_r, goal_c)) = (self.position(cell), self.position(self.goal));
        r.abs_diff(goal_r) + c.abs_diff(goal_c)
    }

    /// Returns the cell that an action leads to, `None` if it is not on the grid.
    fn target(&self, action: usize) -> Option<usize> {
        let (r, c) = self.position(self.agent);
        match action {
            0 if c > 0 => Some(self.agent - 1),
            1 if r > 0 => Some(self.agent - self.params.width),
            2 if c + 1 < self.params.width => Some(self.agent + 1),
            3 if r + 1 < self.params.height => Some(self.agent + self.params.width),
            _ => None,
        }
    }

    /// Returns the image of a cell under a reflection: left to right for twist 0, upside down for twist 1.
    fn image(&self, twist: usize, cell: usize) -> usize {
        let (r, c) = self.position(cell);
        match twist {
            0 => r * self.params.width + (self.params.width - 1 - c),
            _ => (self.params.height - 1 - r) * self.params.width + c,
        }
    }
}

impl Environment for GridWorld {
    const NAME: &'static str = "GridWorld"; // `env_cls` in configs
    type Params = GridWorldParams;

    fn new(params: &GridWorldParams) -> Result<Self> {
        in_range("height", params.height, 2..=64)?;
        in_range("width", params.width, 2..=64)?;
        in_range("max_steps", params.max_steps, 1..=10_000)?;
        Ok(Self { params: params.clone(), agent: 0, goal: 0, steps_left: params.max_steps })
    }

    /// Two planes of the grid: the cell of the agent, and the cell of the goal.
    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: vec![2, self.params.height, self.params.width] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(ACTIONS.len())
    }

    /// Draws a goal and a start. `rng` is the only source of randomness, so that equal seeds give equal runs.
    fn reset(&mut self, rng: &mut Rng) {
        self.goal = rng.random_range(0..self.cells() as u32) as usize;
        let distances: Vec<usize> = (0..self.cells()).map(|cell| self.distance(cell)).collect();
        let farthest = distances.iter().fold(0, |farthest, &distance| farthest.max(distance));
        let distance = self.params.difficulty.min(farthest);
        let starts: Vec<usize> =
            (0..self.cells()).filter(|&cell| distances[cell] == distance).collect();
        // Distances up to the largest all occur, so that there is a start.
        self.agent = starts[rng.random_range(0..starts.len() as u32) as usize];
        self.steps_left = self.params.max_steps;
    }

    /// Makes a step. A step off the grid is masked; if it is made anyway, it counts, but the agent stays in its cell.
    fn step(&mut self, action: Action<'_>) -> Step {
        self.agent = self.target(action.index()).unwrap_or(self.agent);
        self.steps_left = self.steps_left.saturating_sub(1);
        let solved = self.solved();
        Step {
            reward: if solved { 1.0 } else { -0.5 / self.params.max_steps as f32 },
            terminated: solved,                         // the problem has ended
            truncated: !solved && self.steps_left == 0, // the budget has run out
        }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.ones([self.agent, self.cells() + self.goal]);
    }

    fn action_mask(&self, mask: &mut [bool]) {
        for (action, legal) in mask.iter_mut().enumerate() {
            *legal = self.target(action).is_some();
        }
    }

    fn solved(&self) -> bool {
        self.agent == self.goal
    }

    /// Appends everything that determines the future, except the steps left.
    fn state(&self, out: &mut Vec<f64>) {
        out.extend([self.agent as f64, self.goal as f64]);
    }

    /// Sets the state. States come from users and files: impossible ones are refused and change nothing.
    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let cells = whole_numbers(state, self.cells()).collect::<Result<Vec<_>>>()?;
        let [agent, goal] = cells[..] else {
            return Err(Error::state("2 cells, agent and goal", cells.len()));
        };
        (self.agent, self.goal, self.steps_left) = (agent, goal, self.params.max_steps);
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.params.difficulty
    }

    fn set_difficulty(&mut self, difficulty: usize) {
        self.params.difficulty = difficulty;
    }

    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        let cells = self.cells() as u32;
        self.agent = rng.random_range(0..cells) as usize;
        self.goal = rng.random_range(0..cells) as usize;
        self.steps_left = self.params.max_steps;
        true
    }

    /// Returns the symmetries, which let training learn more from each sample. `check_env` verifies them with
    /// `twisted_state`.
    fn twists(&self) -> Vec<Twist> {
        let cells = self.cells();
        let twist = |index, action: [u32; 4]| Twist {
            observation: (0..2 * cells)
                .map(|bit| (bit / cells * cells + self.image(index, bit % cells)) as u32)
                .collect(),
            action: action.to_vec(),
        };
        vec![twist(0, [2, 1, 0, 3]), twist(1, [0, 3, 2, 1])]
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        Some([self.agent, self.goal].map(|cell| self.image(index, cell) as f64).to_vec())
    }

    fn render(&self) -> String {
        let symbol = |cell| match (cell == self.agent, cell == self.goal) {
            (true, true) => '*',
            (true, false) => 'A',
            (false, true) => 'G',
            (false, false) => '.',
        };
        let row = |r| (r * self.params.width..(r + 1) * self.params.width).map(symbol).collect();
        (0..self.params.height).map(row).collect::<Vec<String>>().join("\n")
    }

    fn action_name(&self, action: Action<'_>) -> String {
        let index = action.index();
        ACTIONS.get(index).map_or_else(|| index.to_string(), ToString::to_string)
    }
}

// The environment as a WebAssembly module, a native library and, with the feature `python`, a class of a Python extension.
// A template of bundles exports the environment of its policy itself.
#[cfg(not(all(feature = "bundle", target_arch = "wasm32")))]
twisterl_plugin::export_environment!(GridWorld);

#[cfg(feature = "bundle")]
twisterl_agent::export!(|| {
    let mut registry = twisterl_plugin::core::registry::Registry::default();
    registry.register::<GridWorld>();
    registry
});

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use twisterl_plugin::core::env::check::check_env;
    use twisterl_plugin::core::envs::registry::Registry;
    use twisterl_plugin::core::rng::{Purpose, stream};

    fn grid(height: usize, width: usize) -> GridWorld {
        GridWorld::new(&GridWorldParams { height, width, ..Default::default() }).unwrap()
    }

    #[test]
    fn it_keeps_the_contract() {
        for (height, width) in [(2, 2), (5, 5), (3, 7)] {
            assert_eq!(check_env(&grid(height, width), 1).unwrap().twists, 2);
        }
    }

    #[test]
    fn episodes_start_at_the_distance_of_the_difficulty() {
        let mut env = grid(3, 4);
        for difficulty in 0..8 {
            env.set_difficulty(difficulty);
            env.reset(&mut stream(1, Purpose::Start, 0, difficulty as u64));
            let farthest = (0..12).map(|cell| env.distance(cell)).max().unwrap();
            assert_eq!(env.distance(env.agent), difficulty.min(farthest));
        }
    }

    #[test]
    fn the_goal_is_rewarded_and_rendered() {
        let mut env = grid(2, 3);
        env.set_state(&[0.0, 5.0]).unwrap();
        assert_eq!(env.render(), "A..\n..G");
        let rewards = [2, 3, 2].map(|action: usize| env.step(action.into()).reward);
        assert_eq!(rewards, [-0.5 / 64.0, -0.5 / 64.0, 1.0]);
        assert_eq!((env.render().as_str(), env.solved()), ("...\n..*", true));
    }

    #[test]
    fn configs_create_it_by_name() {
        let mut registry = Registry::default();
        registry.register::<GridWorld>();
        let config: serde_json::Value =
            serde_json::from_str(include_str!("../config.json")).unwrap();
        let env_cls = config["env_cls"].as_str().unwrap();
        assert_eq!(registry.make(env_cls, &config["env"]).unwrap().name(), "GridWorld");
        let wrong = serde_json::json!({"max_steps": 0});
        let error = registry.make("GridWorld", &wrong).unwrap_err().to_string();
        assert_eq!(error, "env.max_steps: expected 1 to 10000, found 0");
    }
}
