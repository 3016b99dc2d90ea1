//! Play without backtracking: the action that undoes the last one is masked wherever another action is allowed.
//!
//! A greedy policy that says "left" in one state and "right" in the next oscillates forever. Nearly all failures of greedy
//! play on puzzles are such pairs of states, and no shortest solution undoes its last action. [`Play`](crate::solve::Play)
//! and the members of a population play without backtracking if the policy asks for it
//! ([`Policy::backtracking`](crate::policy::Policy::backtracking)). Training with values does not: a value that sees only the
//! state cannot know which action is forbidden there.

use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::rng::Rng;
use crate::space::{Action, Actions, Observations};

/// A batch whose masks forbid undoing the last action wherever another action is allowed.
pub struct NoBacktracking {
    env: Box<dyn VecEnv>,
    inverses: Vec<u32>,
    /// The last action of the episode in each slot, `[slots]`.
    last: Vec<Option<u32>>,
}

impl NoBacktracking {
    /// Wraps `env`; `inverses`, `[actions]`, holds the action that undoes each action.
    pub fn new(env: Box<dyn VecEnv>, inverses: Vec<u32>) -> Self {
        let last = vec![None; env.len()];
        Self { env, inverses, last }
    }

    /// Returns the action that would undo the last one in `slot`.
    fn back(&self, slot: usize) -> Option<usize> {
        self.last[slot].map(|last| self.inverses[last as usize] as usize)
    }
}

impl VecEnv for NoBacktracking {
    fn name(&self) -> &str {
        self.env.name()
    }

    fn len(&self) -> usize {
        self.env.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        self.last[slot] = None;
        self.env.begin(slot, start, rng)
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let first = masks.len();
        self.env.observe(slots, observations, masks)?;
        let rows = masks[first..].chunks_exact_mut(self.inverses.len());
        for (&slot, mask) in slots.iter().zip(rows) {
            let Some(back) = self.back(slot) else { continue };
            if mask.iter().enumerate().any(|(action, &allowed)| allowed && action != back) {
                mask[back] = false;
            }
        }
        Ok(())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        for (row, &slot) in slots.iter().enumerate() {
            self.last[slot] = Some(actions.row(row).index() as u32);
        }
        self.env.step(slots, actions, steps)
    }

    fn solved(&self, slot: usize) -> bool {
        self.env.solved(slot)
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        self.env.state(slot, out)
    }

    fn best_return(&self, slot: usize) -> Option<f32> {
        self.env.best_return(slot)
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        self.env.inverse_state(slot)
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        self.env.invert_solution(slot, actions)
    }

    fn reported_solution(&self, slot: usize) -> Result<Option<Vec<u64>>> {
        self.env.reported_solution(slot)
    }

    fn render(&self, slot: usize) -> Result<String> {
        self.env.render(slot)
    }

    fn action_name(&self, action: Action<'_>) -> String {
        self.env.action_name(action)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::envs::registry::{EnvSpec, Registry};
    use crate::rng::{Purpose, stream};
    use serde_json::json;

    fn masks(env: &mut dyn VecEnv) -> Vec<bool> {
        let (mut observations, mut masks) = (Observations::new(), Vec::new());
        env.observe(&[0], &mut observations, &mut masks).unwrap();
        masks
    }

    fn step(env: &mut dyn VecEnv, spec: &dyn EnvSpec, action: usize) {
        let mut actions = Actions::new(&spec.action_space());
        actions.push(action.into());
        env.step(&[0], &actions, &mut Vec::new()).unwrap();
    }

    #[test]
    fn the_last_action_cannot_be_undone_until_the_episode_ends() {
        let spec = Registry::default().make("Puzzle", &json!({})).unwrap();
        let mut env = spec.play_batch(1, false).unwrap();
        let (state, mut rng) =
            ([1., 4., 2., 3., 0., 5., 6., 7., 8.], stream(0, Purpose::Start, 0, 0));
        let start = Start::State { state: &state, difficulty: None };
        env.begin(0, start, &mut rng).unwrap();
        assert_eq!(masks(&mut *env), [true; 4]); // blank in the middle: left, up, right, down
        step(&mut *env, &*spec, 2);
        assert_eq!(masks(&mut *env), [false, true, false, true]); // right is the border, left is back
        step(&mut *env, &*spec, 1);
        assert_eq!(masks(&mut *env), [true, false, false, false]); // a corner
        env.begin(0, start, &mut rng).unwrap();
        assert_eq!(masks(&mut *env), [true; 4]);
    }

    #[test]
    fn backtracking_is_allowed_in_a_dead_end() {
        let spec = Registry::default().make("Maze", &json!({"width": 3, "height": 2})).unwrap();
        let mut env = spec.play_batch(1, false).unwrap();
        // Walker, goal, walls: all cells of the second row but that of the goal at its left end.
        let start = Start::State { state: &[1., 3., 0., 0., 0., 0., 1., 1.], difficulty: None };
        env.begin(0, start, &mut stream(0, Purpose::Start, 0, 0)).unwrap();
        assert_eq!(masks(&mut *env), [true, false, true, false]);
        step(&mut *env, &*spec, 2);
        assert_eq!(masks(&mut *env), [true, false, false, false]);
        step(&mut *env, &*spec, 0);
        assert_eq!(masks(&mut *env), [true, false, false, false]); // in the middle, right is back
    }

    #[test]
    fn environments_without_inverses_are_refused() {
        let spec = Registry::default().make("CartPole-v1", &json!({})).unwrap();
        let message = spec.play_batch(1, false).err().unwrap().to_string();
        assert!(
            message.contains("policy.backtracking") && message.contains("CartPole"),
            "{message}"
        );
    }
}
