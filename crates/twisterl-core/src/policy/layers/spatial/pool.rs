//! Pooling over tokens.

use crate::Result;
use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::{Forward, LayerKind, misfit, size, vectors};
use serde::{Deserialize, Serialize};

/// Reduces all feature vectors to one, `[..., features]` to `[features]`, independent of their order. With linear
/// layers before and after it: deep sets (Zaheer et al., "Deep sets", 2017).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pool {
    /// The reduction.
    pub by: PoolBy,
}

/// A reduction of the values of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolBy {
    /// The mean.
    #[default]
    Mean,
    /// The sum.
    Sum,
    /// The maximum.
    Max,
}

impl LayerKind for Pool {
    const TYPE: &'static str = "pool";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        match input {
            [_, .., width] => Ok(vec![*width]),
            _ => Err(misfit("an input of two or more axes, [..., features]", input)),
        }
    }

    fn forward(&self, input: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        let (_, width) = vectors(input);
        Ok(Some(Box::new(Pooling { by: self.by, inputs: size(input), width })))
    }
}

#[derive(Debug, Clone)]
struct Pooling {
    by: PoolBy,
    inputs: usize,
    width: usize,
}

impl Forward for Pooling {
    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        let share = self.width as f32 / self.inputs as f32;
        let rows = x.chunks_exact(self.inputs).zip(out.chunks_exact_mut(self.width));
        for (x, out) in rows {
            let mut tokens = x.chunks_exact(self.width);
            if let Some(first) = tokens.next() {
                out.copy_from_slice(first);
            }
            for token in tokens {
                let pairs = out.iter_mut().zip(token);
                match self.by {
                    PoolBy::Max => pairs.for_each(|(y, &x)| *y = y.max(x)),
                    PoolBy::Mean | PoolBy::Sum => pairs.for_each(|(y, &x)| *y += x),
                }
            }
            if self.by == PoolBy::Mean {
                out.iter_mut().for_each(|y| *y *= share);
            }
        }
    }
}
