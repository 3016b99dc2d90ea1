//! Random actions of any action space.

use crate::rng::Rng;
use crate::space::{ActionSpace, Actions};
use rand::RngExt;

/// Draws one action uniformly among those that `mask` allows, or among all. A continuous value is one of its bounds with
/// probability 1/4.
pub(crate) fn draw(space: &ActionSpace, mask: Option<&[bool]>, rng: &mut Rng) -> Actions {
    let mut action = Actions::new(space);
    let mut first = 0;
    for n in space.choices() {
        let legal = |choice: &u32| mask.is_none_or(|m| m[first + *choice as usize]);
        let choices: Vec<u32> = (0..n as u32).filter(legal).collect();
        action.discrete.push(choices[rng.random_range(0..choices.len() as u32) as usize]);
        first += n;
    }
    action.continuous.extend(space.bounds().map(|(low, high)| between(low, high, rng)));
    action
}

/// Draws a value between two bounds. An infinite bound counts as 1,000 beyond the other bound or beyond 0.
fn between(low: f32, high: f32, rng: &mut Rng) -> f32 {
    let l = if low.is_finite() { low } else { high.min(0.0) - 1e3 };
    let h = if high.is_finite() { high } else { l.max(0.0) + 1e3 };
    match rng.random_range(0..8u32) {
        0 => l,
        1 => h,
        _ => {
            let share: f64 = rng.random();
            let value = f64::from(l) * (1.0 - share) + f64::from(h) * share;
            (value as f32).clamp(l, h)
        }
    }
}
