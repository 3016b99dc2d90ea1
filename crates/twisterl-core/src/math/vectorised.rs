//! Branch-free elementary functions that vectorise. They consist of exactly rounded operations only, so that results
//! are identical on every machine and for any vector width.

use std::f32::consts::LOG2_E;

/// The bound on the argument of [`exp`], just below overflow and underflow.
const LIMIT: f32 = 87.0;
/// `ln 2` in two parts, the first so short that its products with the exponents of floats are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Returns `e^x` with a relative error below 2e-7 for `x` in [-87, 87], to which `x` is clamped.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest whole number in the last bits of the sum.
    const WHOLE: f32 = 12_582_912.0;
    let x = x.clamp(-LIMIT, LIMIT);
    let shifted = x * LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    // x = n ln 2 + r, |r| <= ln 2 / 2; Taylor's series of e^r.
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let high = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let series = r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * high)));
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (1.0 + (r + series)) * power
}

/// Returns `e^x` for weights of a softmax, where `x` is at most 0: as [`exp`], and 0 where that would be less than 2e-38.
#[inline(always)]
pub(crate) fn exp_or_zero(x: f32) -> f32 {
    if x < -LIMIT { 0.0 } else { exp(x) }
}

/// Returns the hyperbolic tangent with a relative error below 2e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let (size, square) = (x.abs(), x * x);
    // Near 0 the first terms of Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))), which avoid the
    // cancellation of 1 - 2 / (e^2x + 1).
    let above = 10_395.0 + square * (1_260.0 + square * 21.0);
    let below = 10_395.0 + square * (4_725.0 + square * (210.0 + square));
    let near = x * (above / below);
    let far = (1.0 - 2.0 / (exp(2.0 * size) + 1.0)).copysign(x);
    if size < 0.6 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(range: f32) -> impl Iterator<Item = f32> {
        (0..=400_000).map(move |i| (i as f32 / 200_000.0 - 1.0) * range)
    }

    #[test]
    fn both_are_those_of_the_standard_library() {
        for x in sweep(87.0) {
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 2e-7, "exp {x}");
        }
        for x in sweep(10.0).chain(sweep(1.0)).chain(sweep(1e-3)).filter(|x| *x != 0.0) {
            let expected = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) / expected - 1.0).abs() < 2e-7, "tanh {x}");
        }
    }

    #[test]
    fn what_is_not_usual_stays_in_bounds() {
        assert_eq!((exp(0.0), tanh(0.0), tanh(-0.0).to_bits()), (1.0, 0.0, (-0.0f32).to_bits()));
        for x in [100.0, 1e30, f32::INFINITY] {
            assert_eq!((exp(x), exp(-x)), (exp(87.0), exp(-87.0)));
            assert_eq!((tanh(x), tanh(-x)), (1.0, -1.0));
        }
        assert!(
            exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && exp_or_zero(f32::NAN).is_nan()
        );
        assert_eq!([f32::NEG_INFINITY, -1e30, -87.1].map(exp_or_zero), [0.0; 3]);
        assert_eq!([-87.0, -1.0, 0.0].map(exp_or_zero), [-87.0, -1.0, 0.0].map(exp));
    }
}
