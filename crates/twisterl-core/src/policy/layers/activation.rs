//! Activation functions.

use super::{Forward, LayerKind};
use crate::Result;
use crate::math::vectorised::{exp, tanh};
use crate::policy::arithmetic::Arithmetic;
use pulp::Arch;
use serde::{Deserialize, Serialize};
use std::f32::consts::{FRAC_1_SQRT_2, PI};

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `x Φ(x)` with the normal distribution function `Φ` (Hendrycks and Gimpel, "Gaussian error linear units", 2016).
    Gelu,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `x`: the identity.
    Identity,
}

impl Activation {
    /// Applies the function in place. NaNs are preserved.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => each(values, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Tanh => each(values, tanh),
            Self::Gelu => each(values, |x| x * normal_cdf(x)),
            Self::Silu => each(values, |x| x * sigmoid(x)),
            Self::Identity => {}
        }
    }

    /// Returns the derivative at `x`.
    pub fn derivative(self, x: f32) -> f32 {
        match self {
            Self::Relu => f32::from(u8::from(x > 0.0)),
            Self::Tanh => 1.0 - tanh(x) * tanh(x),
            Self::Gelu => normal_cdf(x) + x * exp(-0.5 * x * x) / (2.0 * PI).sqrt(),
            Self::Silu => {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }
            Self::Identity => 1.0,
        }
    }

    pub(crate) fn is_identity(&self) -> bool {
        *self == Self::Identity
    }

    pub(crate) fn identity() -> Self {
        Self::Identity
    }
}

/// Maps each value in place, with the widest vector instructions available.
#[inline(always)]
fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || values.iter_mut().for_each(|x| *x = f(*x)),
    );
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Returns `Φ(x) = erfc(-x / sqrt(2)) / 2` by Abramowitz and Stegun, formula 7.1.26, within 1e-7.
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = t
        * (0.254_829_6
            + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
    let tail = 0.5 * series * exp(-z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// An activation as a separate layer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// The function.
    pub function: Activation,
}

impl LayerKind for Activate {
    const TYPE: &'static str = "activation";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    fn forward(&self, _: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(Some(Box::new(self.clone())))
    }
}

impl Forward for Activate {
    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        out.copy_from_slice(x);
        self.function.apply(out);
    }
}
