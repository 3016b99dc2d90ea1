//! Numbers: elementary functions and random streams that are the same on every machine.
//!
//! `f64::exp` and the like are those of the platform: C libraries differ in the last bit of 3 to 12 % of the results, and some
//! choose an implementation by processor. All of this crate computes with the functions below, which consist of exactly
//! rounded operations in a fixed order, so that a policy and an environment give the same bytes on every host. Environments
//! that are to be bundled use them too. `clippy.toml` refuses those of the standard library.

pub mod rng;
#[cfg(feature = "policies")]
pub(crate) mod vectorised;

pub use libm::{
    atan2, cos, cosf, exp, expf, log, log1p, logf, pow, powf, sin, sinf, tan, tanh, tanhf,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, normal, stream};

    /// Returns a checksum of the bits of the results (FNV-1a).
    fn checksum(results: impl Iterator<Item = u64>) -> u64 {
        results.fold(0xcbf2_9ce4_8422_2325, |sum, bits| (sum ^ bits).wrapping_mul(0x100_0000_01b3))
    }

    /// These sums are what `portable-1` means: a change here is a change of every answer, and needs another name of
    /// [`Arithmetic`](crate::policy::Arithmetic).
    #[test]
    fn results_have_the_bits_of_portable_1() {
        let arguments = || (-40_000..=40_000).map(|i| f64::from(i) * 7.1e-4);
        let positive = || arguments().map(|x| x + 28.5);
        let double = |f: fn(f64) -> f64| checksum(arguments().map(|x| f(x).to_bits()));
        let single =
            |f: fn(f32) -> f32| checksum(arguments().map(|x| f(x as f32).to_bits().into()));
        let mut rng = stream(1, Purpose::Act, 2, 3);
        let found = [
            ("exp", double(exp)),
            ("expf", single(expf)),
            ("sin", double(sin)),
            ("cos", double(cos)),
            ("tanh", double(tanh)),
            ("tanhf", single(tanhf)),
            ("log", checksum(positive().map(|x| log(x).to_bits()))),
            ("logf", checksum(positive().map(|x| logf(x as f32).to_bits().into()))),
            ("log1p", checksum(positive().map(|x| log1p(x).to_bits()))),
            ("pow", checksum(positive().map(|x| pow(x, 0.3).to_bits()))),
            ("powf", checksum(positive().map(|x| powf(x as f32, 0.3).to_bits().into()))),
            ("vectorised exp", single(vectorised::exp)),
            ("vectorised tanh", single(vectorised::tanh)),
            ("normal", checksum((0..10_000).map(|_| normal(&mut rng).to_bits()))),
        ];
        let expected = [
            ("exp", 0xb6a89c9ccfa287e),
            ("expf", 0x73ebdedba517eeec),
            ("sin", 0x1234b0dc3dac5197),
            ("cos", 0xed410086c625183f),
            ("tanh", 0x4bf2e2564a941e77),
            ("tanhf", 0xd932ea3b1659889f),
            ("log", 0x1a1f0e94fea2b268),
            ("logf", 0xabb4780d4968f701),
            ("log1p", 0xdb6cf023c186a8d0),
            ("pow", 0x42c8f060b461770d),
            ("powf", 0xf31e6f3fe91ceb00),
            ("vectorised exp", 0x9beec59f87c0e156),
            ("vectorised tanh", 0x7772b049eb797a67),
            ("normal", 0x3c029b7f74a06887),
        ];
        assert_eq!(found, expected);
    }
}
