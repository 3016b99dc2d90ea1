//! The first layer on sparse binary observations, with or without dense values: an embedding-bag with bias and activation
//! as one op.

use super::kernels::{Combine, activation_gradient};
use super::{Sink, Values, parameter_gradients, values};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use twisterl_core::policy::network::Activation;
use twisterl_core::space::Observations;

/// `y = f(sum of the rows of W at the ones + b)` of `W`, `[bits, outputs]`, and `b`, `[outputs]`; `y` is `[rows, outputs]`.
/// Equal to a dense product with the one-hot rows, for a fraction of the work. If rows have dense values, `W` has another
/// row for each, `[bits + values, outputs]`, which is multiplied by the value.
#[derive(Debug, Clone)]
pub struct EmbeddingBag {
    /// The sparse rows with their dense values.
    pub rows: Observations,
    /// The function `f`, whose derivative must be a function of its output: not GELU, not SiLU.
    pub activation: Activation,
    /// The sink for the gradients of `W` and `b`.
    pub sink: Option<Sink>,
}

impl EmbeddingBag {
    /// Applies the layer to its rows.
    ///
    /// # Errors
    /// If the shapes do not fit each other or an index is out of range.
    pub fn apply(self, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        weight.apply_op2(bias, self)
    }

    /// The number of dense values in each row.
    fn values(&self) -> usize {
        self.rows.dense().len() / self.rows.len().max(1)
    }
}

/// Returns (bits, outputs), if both shapes agree, and there is a row of the weight for each of the dense `values`.
fn sizes(weight: &Shape, bias: &Shape, values: usize) -> Result<(usize, usize)> {
    let (rows, outputs) = weight.dims2()?;
    match rows.checked_sub(values) {
        Some(bits) if bias.dims() == [outputs] => Ok((bits, outputs)),
        _ => bail!("embedding-bag: weight {weight:?} and bias {bias:?} do not fit {values} values"),
    }
}

impl CustomOp2 for EmbeddingBag {
    fn name(&self) -> &'static str {
        "embedding-bag"
    }

    fn cpu_fwd(
        &self,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (bits, outputs) = sizes(weight_layout.shape(), bias_layout.shape(), self.values())?;
        if let Some(one) = self.rows.indices().iter().find(|&&i| i as usize >= bits) {
            bail!("embedding-bag: expected indices below {bits}, found {one}")
        }
        let weight = values("embedding-bag", weight, weight_layout)?;
        let bias = values("embedding-bag", bias, bias_layout)?;
        let mut y = bias.repeat(self.rows.len());
        if self.values() == 0 {
            let ones = |r| self.rows.ones(r).iter().map(|&i| (i as usize, 1.0));
            Combine { out: &mut y, rows: weight, width: outputs, terms: ones }.run();
        } else {
            let both = |r| {
                let values = self.rows.values(r).iter().enumerate();
                let ones = self.rows.ones(r).iter().map(|&i| (i as usize, 1.0));
                ones.chain(values.map(|(i, &x)| (bits + i, x)))
            };
            Combine { out: &mut y, rows: weight, width: outputs, terms: both }.run();
        }
        self.activation.apply(&mut y);
        Ok((CpuStorage::F32(y), Shape::from((self.rows.len(), outputs))))
    }

    fn bwd(
        &self,
        weight: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (bits, outputs) = sizes(weight.shape(), bias.shape(), self.values())?;
        let dy = dy.contiguous()?;
        let dz =
            activation_gradient(self.activation, Values::of(y).get()?, Values::of(&dy).get()?)?;
        let rows = self.rows.len();
        let users = Users::of(&self.rows, bits);
        parameter_gradients(self.sink.as_ref(), weight, bias, |dw, db| {
            let (dw, scaled) = dw.split_at_mut(bits * outputs);
            let column = |i: usize| (0..rows).map(move |r| (r, self.rows.values(r)[i]));
            Combine { out: scaled, rows: &dz, width: outputs, terms: column }.run();
            let user = |bit| users.of_bit(bit).iter().map(|&r| (r as usize, 1.0));
            Combine { out: dw, rows: &dz, width: outputs, terms: user }.run();
            Combine { out: db, rows: &dz, width: outputs, terms: |_| (0..rows).map(|r| (r, 1.0)) }
                .run();
            Ok(())
        })
    }
}

/// The rows in which each bit is set: the transpose of the sparse batch. With it, each row of the weight's gradient is a
/// sum in registers, where scattering would read and write it for every one.
struct Users {
    /// The end of each bit's rows in `rows`, `[bits]`.
    ends: Vec<usize>,
    /// Rows, `[ones]`.
    rows: Vec<u32>,
}

impl Users {
    /// Sorts the ones by bit, stably, by counting. All indices are below `bits`.
    fn of(batch: &Observations, bits: usize) -> Self {
        let mut ends = vec![0; bits];
        for &bit in batch.indices() {
            ends[bit as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let mut rows = vec![0; start];
        for row in 0..batch.len() {
            for &bit in batch.ones(row) {
                let end = &mut ends[bit as usize];
                rows[*end] = row as u32;
                *end += 1;
            }
        }
        Self { ends, rows }
    }

    /// The rows in which `bit` is set, in ascending order.
    fn of_bit(&self, bit: usize) -> &[u32] {
        let start = if bit == 0 { 0 } else { self.ends[bit - 1] };
        &self.rows[start..self.ends[bit]]
    }
}
