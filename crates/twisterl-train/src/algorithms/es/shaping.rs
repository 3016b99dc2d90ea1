//! Fitness shaping: the values that ES uses in place of raw fitness. Pure functions of the fitness of all members,
//! `[members]`.

use crate::config::Shaping;

/// Returns the shaped fitness of a population.
pub fn shape(shaping: Shaping, fitness: &[f64]) -> Vec<f64> {
    match shaping {
        Shaping::CenteredRanks => centered_ranks(fitness),
        Shaping::Standardized => standardized(fitness),
        Shaping::None => fitness.to_vec(),
    }
}

/// Returns ranks that are spaced evenly from -0.5 (the least fitness) to 0.5 (Salimans et al. 2017). Members of equal
/// fitness share the mean of their ranks, so that a pair of equals has no influence on the update.
pub fn centered_ranks(fitness: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..fitness.len()).collect();
    order.sort_by(|&a, &b| fitness[a].total_cmp(&fitness[b]));
    let last = (fitness.len().max(2) - 1) as f64;
    let mut ranks = vec![0.0; fitness.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| fitness[a] == fitness[b]) {
        let mean = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&member| ranks[member] = mean / last - 0.5);
        first += equal.len();
    }
    ranks
}

/// Returns the fitness shifted and scaled to mean 0 and standard deviation 1; all 0 where all are equal.
pub fn standardized(fitness: &[f64]) -> Vec<f64> {
    let count = fitness.len().max(1) as f64;
    let mean = fitness.iter().sum::<f64>() / count;
    let deviation = (fitness.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / count).sqrt();
    let scale = if deviation > 0.0 { deviation.recip() } else { 0.0 };
    fitness.iter().map(|f| (f - mean) * scale).collect()
}

/// Returns the quantiles 0, 1/4, 1/2, 3/4 and 1, interpolated between values; `None` without members.
pub fn quartiles(fitness: &[f64]) -> Option<[f64; 5]> {
    let mut sorted = fitness.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let place = share * last as f64;
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        low + (high - low) * place.fract()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_fitness_gets_equal_ranks() {
        assert_eq!(centered_ranks(&[3.0, 1.0, 3.0, 9.0, 3.0]), [0.0, -0.5, 0.0, 0.5, 0.0]);
        assert_eq!(centered_ranks(&[7.0; 4]), [0.0; 4]);
        assert_eq!(centered_ranks(&[7.0]), [-0.5]);
        assert!(centered_ranks(&[]).is_empty());
    }

    #[test]
    fn standardized_fitness_is_a_shift_and_a_scale() {
        assert_eq!(standardized(&[1.0, 3.0, 1.0, 3.0]), [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(standardized(&[2.0; 3]), [0.0; 3]);
    }

    #[test]
    fn quartiles_lie_between_the_values() {
        assert_eq!(quartiles(&[4.0, 0.0, 1.0]), Some([0.0, 0.5, 1.0, 2.5, 4.0]));
        assert_eq!(quartiles(&[5.0]), Some([5.0; 5]));
        assert_eq!(quartiles(&[]), None);
    }

    proptest! {
        #[test]
        fn ranks_keep_the_order_sum_to_nothing_and_do_not_see_the_scale(
            fitness in proptest::collection::vec(-50i32..50, 2..40),
        ) {
            let fitness: Vec<f64> = fitness.into_iter().map(f64::from).collect();
            let ranks = centered_ranks(&fitness);
            prop_assert!(ranks.iter().sum::<f64>().abs() < 1e-9);
            for (a, ra) in fitness.iter().zip(&ranks) {
                for (b, rb) in fitness.iter().zip(&ranks) {
                    prop_assert_eq!(a.total_cmp(b), ra.total_cmp(rb));
                }
            }
            let scaled: Vec<f64> = fitness.iter().map(|f| f.powi(3)).collect();
            prop_assert_eq!(centered_ranks(&scaled), ranks);
        }
    }
}
