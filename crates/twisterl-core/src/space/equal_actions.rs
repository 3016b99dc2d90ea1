//! Actions that have the same effect, and symmetries that map several of them to one.
//!
//! Environments of the published package declare a gate twice where their coupling map has both directions of an edge, as
//! most maps of Qiskit do. A symmetry of theirs then maps both to one of the two, which is no permutation of the actions.

use super::symmetry::{Twist, is_identity};

/// Makes the maps of the actions permutations, where only the choice among actions of the same effect keeps them from it.
///
/// Two actions have the same effect if a twist maps one to the other and leaves the observation as it is. Where a map of the
/// actions takes a set of such actions to one as large, the actions of both are matched in their order. A twist for which this
/// gives no permutation stays as it is, so that [`Twist::check`] refuses it.
pub fn permute_equal_actions(twists: &mut [Twist]) {
    let count = twists.iter().map(|twist| twist.action.len()).max().unwrap_or(0);
    let sets = equal_actions(twists, count);
    for twist in twists {
        if let Some(action) = permutation(&twist.action, &sets) {
            twist.action = action;
        }
    }
}

/// Returns the sets of actions with the same effect: for each action the set that it is in, in ascending order.
fn equal_actions(twists: &[Twist], count: usize) -> Vec<Vec<u32>> {
    let mut sets: Vec<Vec<u32>> = (0..count as u32).map(|action| vec![action]).collect();
    for twist in twists.iter().filter(|twist| is_identity(&twist.observation)) {
        for (action, &image) in twist.action.iter().enumerate() {
            if sets.get(image as usize).is_none_or(|set| set.contains(&(action as u32))) {
                continue;
            }
            let mut both = sets[action].clone();
            both.extend_from_slice(&sets[image as usize]);
            both.sort_unstable();
            for &member in &both {
                sets[member as usize].clone_from(&both);
            }
        }
    }
    sets
}

/// Returns the permutation that maps the sets as `map` does; `None` if there is none, or `map` is one already.
fn permutation(map: &[u32], sets: &[Vec<u32>]) -> Option<Vec<u32>> {
    let images = map.iter().enumerate().map(|(action, &image)| {
        let (from, to) = (sets.get(action)?, sets.get(image as usize)?);
        let together = from
            .iter()
            .all(|&other| map.get(other as usize).is_some_and(|image| to.contains(image)));
        let place = from.iter().position(|&other| other == action as u32)?;
        to.get(place).copied().filter(|_| together && from.len() == to.len())
    });
    let images: Vec<u32> = images.collect::<Option<_>>()?;
    let mends = map.len() == sets.len() && !is_permutation(map) && is_permutation(&images);
    mends.then_some(images)
}

fn is_permutation(map: &[u32]) -> bool {
    let mut sorted = map.to_vec();
    sorted.sort_unstable();
    is_identity(&sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand::seq::SliceRandom as _;

    fn twist(observation: &[u32], action: &[u32]) -> Twist {
        Twist { observation: observation.to_vec(), action: action.to_vec() }
    }

    /// SWAPs 0-1, 1-0, 1-2 and 2-1 of a line of three qubits, as the published package declares them.
    #[test]
    fn gates_of_both_directions_are_matched() {
        let mut twists = [twist(&[0, 1, 2], &[1, 1, 3, 3]), twist(&[2, 1, 0], &[3, 3, 1, 1])];
        permute_equal_actions(&mut twists);
        assert!(twists[0].is_identity());
        assert_eq!(twists[1], twist(&[2, 1, 0], &[2, 3, 0, 1]));
    }

    #[test]
    fn other_maps_stay_as_they_are() {
        for (first, second) in [
            // Nothing says that actions 0 and 1 have the same effect.
            (twist(&[1, 0], &[0, 1, 2]), twist(&[1, 0], &[1, 1, 2])),
            // Sets of different sizes.
            (twist(&[0, 1], &[1, 1, 2]), twist(&[1, 0], &[2, 2, 2])),
            // Actions of one set to two.
            (twist(&[0, 1], &[1, 1, 2, 3]), twist(&[1, 0], &[2, 1, 0, 0])),
            // Actions that do not exist, and too few.
            (twist(&[0, 1], &[9, 1, 2]), twist(&[1, 0], &[u32::MAX, 1, 2])),
            (twist(&[0, 1], &[1, 1, 2, 3]), twist(&[1, 0], &[1, 1])),
        ] {
            let mut twists = [first, second.clone()];
            permute_equal_actions(&mut twists);
            assert_eq!(twists[1], second);
        }
        permute_equal_actions(&mut []);
    }

    proptest! {
        #[test]
        fn permutations_stay(seed in any::<u64>(), actions in 2usize..12, bits in 2usize..5) {
            let mut rng = stream(seed, Purpose::Start, 0, 0);
            let mut permuted = |count: usize| {
                let mut order: Vec<u32> = (0..count as u32).collect();
                order.shuffle(&mut rng);
                order
            };
            let twists: Vec<Twist> =
                (0..3).map(|_| twist(&permuted(bits), &permuted(actions))).collect();
            let mut after = twists.clone();
            permute_equal_actions(&mut after);
            prop_assert_eq!(after, twists);
        }
    }
}
