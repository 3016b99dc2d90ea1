//! Running means and variances.

use crate::record::snapshot::ArrayData;
use crate::{Error, Result};

/// Added to variances before their root is taken, as Gymnasium's and SB3's wrappers do.
const EPSILON: f64 = 1e-8;

/// Mean and variance of each column of all rows so far. Each batch is summed in two passes, mean and squared deviations,
/// which avoids cancellation, and joined to the batches before by the formulas of Chan, Golub and LeVeque (1983,
/// "Algorithms for computing the sample variance", equations 2.1). Sums run in the order of the rows, in double
/// precision.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningStatistics {
    count: f64,
    /// The mean of each column, `[columns]`.
    mean: Vec<f64>,
    /// Sums of squared deviations from the mean, `[columns]`.
    squares: Vec<f64>,
}

impl RunningStatistics {
    /// Creates the statistics of rows of `width` numbers, before the first row.
    pub fn new(width: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Returns the statistics of `count` rows that had these means and standard deviations, `[columns]`.
    pub fn of(count: u64, mean: &[f32], std: &[f32]) -> Self {
        let count = count as f64;
        let square = |&std: &f32| count * (f64::from(std).powi(2) - EPSILON).max(0.0);
        Self {
            count,
            mean: mean.iter().map(|&x| f64::from(x)).collect(),
            squares: std.iter().map(square).collect(),
        }
    }

    /// The number of rows.
    pub fn count(&self) -> u64 {
        self.count as u64
    }

    /// The mean of each column, `[columns]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of each column, `[columns]`.
    pub fn std(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.squares.len()).map(|column| self.deviation(column))
    }

    /// The standard deviation of a column, which must exist: slightly above 0 if it is constant, and 1 before the first
    /// row.
    pub fn deviation(&self, column: usize) -> f64 {
        match self.count > 0.0 {
            true => (self.squares[column] / self.count + EPSILON).sqrt(),
            false => 1.0,
        }
    }

    /// Adds rows, `[rows, columns]`.
    pub fn extend<T: Copy + Into<f64>>(&mut self, values: &[T]) {
        let width = self.mean.len();
        let Some(added @ 1..) = values.len().checked_div(width) else { return };
        let added = added as f64;
        let rows = || values.chunks_exact(width);
        let (mut mean, mut squares) = (vec![0.0; width], vec![0.0; width]);
        for row in rows() {
            mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x.into());
        }
        mean.iter_mut().for_each(|sum| *sum /= added);
        for row in rows() {
            for ((sum, mean), &x) in squares.iter_mut().zip(&mean).zip(row) {
                *sum += (x.into() - mean).powi(2);
            }
        }
        let total = self.count + added;
        let all = self.mean.iter_mut().zip(&mut self.squares).zip(mean.iter().zip(&squares));
        for ((mean, squares), (added_mean, added_squares)) in all {
            let delta = added_mean - *mean;
            *mean += delta * added / total;
            *squares += added_squares + delta * delta * self.count * added / total;
        }
        self.count = total;
    }

    /// Returns the array of a checkpoint: the number of rows, means, sums of squares.
    pub fn to_array(&self) -> ArrayData {
        let numbers = std::iter::once(&self.count).chain(&self.mean).chain(&self.squares);
        ArrayData::F64(numbers.copied().collect())
    }

    /// Continues from an array of a checkpoint, which is called `name` there.
    ///
    /// # Errors
    /// If it has not the same width, or its numbers are invalid.
    pub fn restore(&mut self, name: &str, array: Option<&ArrayData>) -> Result<()> {
        let width = self.mean.len();
        let broken = |found: String| {
            let expected = format!("the f64 array {name:?} of {} valid numbers", 2 * width + 1);
            Err(Error::checkpoint("train.safetensors", expected, found))
        };
        let Some(ArrayData::F64(numbers)) = array else { return broken("none".into()) };
        let Some((&count, rest)) = numbers.split_first().filter(|(_, r)| r.len() == 2 * width)
        else {
            return broken(format!("one of {}", numbers.len()));
        };
        let (mean, squares) = rest.split_at(width);
        let sound = count >= 0.0
            && numbers.iter().all(|x| x.is_finite())
            && squares.iter().all(|&x| x >= 0.0);
        if !sound {
            return broken("invalid ones".into());
        }
        *self = Self { count, mean: mean.to_vec(), squares: squares.to_vec() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_of_any_size_give_the_moments_of_all_rows(
            values in proptest::collection::vec(-1e3f32..1e3, 2..200),
            cuts in proptest::collection::vec(1usize..40, 1..20),
        ) {
            let values = &values[..values.len() / 2 * 2];
            let mut moments = RunningStatistics::new(2);
            let mut rest = values;
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (batch, others) = rest.split_at((2 * cut).min(rest.len()));
                moments.extend(batch);
                rest = others;
            }
            let n = (values.len() / 2) as f64;
            for (column, (mean, std)) in moments.mean().iter().zip(moments.std()).enumerate() {
                let column = || values.iter().skip(column).step_by(2).map(|&x| f64::from(x));
                let expected = column().sum::<f64>() / n;
                let variance = column().map(|x| (x - expected).powi(2)).sum::<f64>() / n;
                prop_assert!((mean - expected).abs() < 1e-9 * 1e3);
                prop_assert!((std - (variance + EPSILON).sqrt()).abs() < 1e-9 * 1e3);
            }
            prop_assert_eq!(moments.count(), values.len() as u64 / 2);
            let mut again = RunningStatistics::new(2);
            again.restore("m", Some(&moments.to_array())).unwrap();
            prop_assert_eq!(again, moments);
        }
    }

    #[test]
    fn small_deviations_of_large_numbers_do_not_cancel() {
        let mut moments = RunningStatistics::new(1);
        for _ in 0..1000 {
            moments.extend(&[1e9 - 1.0, 1e9 + 1.0]);
        }
        assert_eq!(moments.mean(), [1e9]);
        assert!((moments.std().next().unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn saved_moments_that_are_invalid_are_refused() {
        let mut moments = RunningStatistics::new(1);
        for bad in [vec![], vec![1.0, 2.0], vec![1.0, 2.0, -3.0], vec![1.0, f64::NAN, 3.0]] {
            let error = moments.restore("m", Some(&ArrayData::F64(bad))).unwrap_err().to_string();
            assert!(error.contains("array \"m\" of 3 valid numbers"), "{error}");
        }
        assert!(moments.restore("m", None).is_err());
        assert_eq!(moments, RunningStatistics::new(1));
    }
}
