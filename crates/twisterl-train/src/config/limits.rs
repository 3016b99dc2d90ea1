//! Bounds on what a config may ask for, so that a hostile one is refused before memory is allocated.

use crate::{Error, Result};

/// The most environment steps of an iteration.
pub(crate) const MAX_STEPS: usize = 1 << 24;
/// The most weights between hidden layers: half a gigabyte, four times that with gradients and moments.
pub(super) const MAX_WEIGHTS: usize = 1 << 27;
/// The most nodes that one move may add to a tree.
const MAX_GROWTH: usize = 1 << 16;
/// The most nodes that one move of all games in lock step may add: a gigabyte or two for small environments.
pub(super) const MAX_NODES: usize = 1 << 22;

/// Returns the number of nodes that a move may add to a tree.
///
/// # Errors
/// [`twisterl_core::Error::Config`] at `path` if there are too many.
pub(super) fn tree_growth(path: &str, simulations: usize, depth: usize) -> Result<usize> {
    match simulations.saturating_mul(depth) {
        growth if growth <= MAX_GROWTH => Ok(growth),
        growth => {
            let expected = format!("num_mcts_searches x max_expand_depth of at most {MAX_GROWTH}");
            Err(Error::config(path, expected, growth))
        }
    }
}

/// Checks a product against the most that it may be.
///
/// # Errors
/// [`twisterl_core::Error::Config`] at `path`, which names the factors by `product`, if it is larger.
pub(super) fn at_most(path: &str, product: &str, value: usize, most: usize) -> Result<()> {
    if value > most {
        return Err(Error::config(path, format!("{product} of at most {most}"), value));
    }
    Ok(())
}

/// Returns the error for a number that must not be 0 and is 0 in single precision, in which weights are.
pub(super) fn vanishes(path: &str, number: impl ToString) -> twisterl_core::Error {
    let expected =
        format!("a number that is not 0 in single precision, such as {:e}", f32::MIN_POSITIVE);
    twisterl_core::Error::config(path, expected, number)
}
