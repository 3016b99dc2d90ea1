//! Scores as integers that sort.

/// Returns a key that sorts by score, the highest first, and equal scores by index. NaN sorts last.
pub(super) fn rank_key(score: f32, index: usize) -> u64 {
    let bits = if score.is_nan() { f32::NEG_INFINITY } else { score }.to_bits();
    // The bits of positive floats are in their order, those of negative ones in reverse.
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!ascending) << 32 | index as u64
}

/// Returns the index in a key.
pub(super) fn rank_index(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// Sorts the first `n` of `keys` to the front, and returns them and the rest, which is unsorted.
pub(super) fn best_first(keys: &mut [u64], n: usize) -> (&[u64], &mut [u64]) {
    if n > 0 && n < keys.len() {
        keys.select_nth_unstable(n - 1);
    }
    let (best, rest) = keys.split_at_mut(n.min(keys.len()));
    best.sort_unstable();
    (best, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_best_keys_come_first_and_ties_keep_their_order(
            scores in proptest::collection::vec(-5i8..5, 0..60),
            n in 0usize..70,
        ) {
            let scores: Vec<_> = scores.into_iter().map(|s| f32::from(s) / 2.0).collect();
            let keys = scores.iter().enumerate().map(|(i, &s)| rank_key(s, i));
            let mut keys: Vec<_> = keys.collect();
            let mut sorted: Vec<usize> = (0..scores.len()).collect();
            sorted.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            sorted.truncate(n);
            let (first, rest) = best_first(&mut keys, n);
            prop_assert_eq!(first.iter().map(|&k| rank_index(k)).collect::<Vec<_>>(), sorted);
            prop_assert_eq!(first.len() + rest.len(), scores.len());
        }
    }

    #[test]
    fn nan_sorts_last() {
        let score = [f32::INFINITY, 1.0, 0.0, -1.0, f32::NEG_INFINITY, f32::NAN];
        let keys: Vec<_> = score.iter().enumerate().map(|(i, &s)| rank_key(s, i)).collect();
        assert!(keys.is_sorted());
    }
}
