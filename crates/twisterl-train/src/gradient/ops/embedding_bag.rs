//! The first layer on sparse binary input, with numbers beside it if there are any: an embedding-bag with bias and
//! activation as one op.

use super::kernels::{Combine, activation_gradient};
use super::{Sink, Values, parameter_gradients, values};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use twisterl_core::policy::network::Activation;
use twisterl_core::space::Observations;

/// `y = f(sum of the rows of W that are ones + b)` of `W` (bits, outputs) and `b` (outputs); `y` is
/// (rows, outputs). The same numbers as a dense product with the one-hot rows, for a fraction of the work. Where rows have
/// numbers, too, `W` has another row for each, which is added that many times.
#[derive(Debug, Clone)]
pub struct EmbeddingBag {
    /// The sparse rows, and the numbers beside them.
    pub rows: Observations,
    /// The function `f`, one whose derivative follows from its output: not GELU, not SiLU.
    pub activation: Activation,
    /// Where the gradients of `W` and `b` go.
    pub sink: Option<Sink>,
}

impl EmbeddingBag {
    /// The layer applied to its rows.
    ///
    /// # Errors
    /// If the shapes do not fit each other or an index is out of range.
    pub fn apply(self, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        weight.apply_op2(bias, self)
    }

    /// The number of numbers in each row.
    fn numbers(&self) -> usize {
        self.rows.dense().len().checked_div(self.rows.len()).unwrap_or(0)
    }
}

/// (bits, outputs), if both shapes agree.
fn sizes(weight: &Shape, bias: &Shape) -> Result<(usize, usize)> {
    let (bits, outputs) = weight.dims2()?;
    if bias.dims() != [outputs] {
        bail!("embedding-bag: weight {weight:?} and bias {bias:?} do not fit")
    }
    Ok((bits, outputs))
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
        let (bits, outputs) = sizes(weight_layout.shape(), bias_layout.shape())?;
        let bits = bits.saturating_sub(self.numbers());
        if let Some(one) = self.rows.indices().iter().find(|&&i| i as usize >= bits) {
            bail!("embedding-bag: expected indices below {bits}, found {one}")
        }
        let weight = values("embedding-bag", weight, weight_layout)?;
        let bias = values("embedding-bag", bias, bias_layout)?;
        let mut y = bias.repeat(self.rows.len());
        if self.numbers() == 0 {
            let ones = |r| self.rows.ones(r).iter().map(|&i| (i as usize, 1.0));
            Combine { out: &mut y, rows: weight, width: outputs, terms: ones }.run();
        } else {
            let both = |r| {
                let numbers = self.rows.values(r).iter().enumerate();
                let ones = self.rows.ones(r).iter().map(|&i| (i as usize, 1.0));
                ones.chain(numbers.map(|(i, &x)| (bits + i, x)))
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
        let (bits, outputs) = sizes(weight.shape(), bias.shape())?;
        let dy = dy.contiguous()?;
        let dz =
            activation_gradient(self.activation, Values::of(y).get()?, Values::of(&dy).get()?)?;
        let (rows, numbers) = (self.rows.len(), self.numbers());
        let bits = bits.saturating_sub(numbers);
        let users = Users::of(&self.rows, bits);
        parameter_gradients(self.sink.as_ref(), weight, bias, |dw, db| {
            let (dw, scaled) = dw.split_at_mut(bits * outputs);
            let column =
                |i| (0..rows).map(move |r| (r, self.rows.values(r).get(i).copied().unwrap_or(0.0)));
            Combine { out: scaled, rows: &dz, width: outputs, terms: column }.run();
            let user = |bit| users.of_bit(bit).iter().map(|&r| (r as usize, 1.0));
            Combine { out: dw, rows: &dz, width: outputs, terms: user }.run();
            Combine { out: db, rows: &dz, width: outputs, terms: |_| (0..rows).map(|r| (r, 1.0)) }
                .run();
            Ok(())
        })
    }
}

/// For each bit the rows in which it is set: the transpose of the sparse batch. With it, each row of the weight's
/// gradient is one sum that stays in registers, where scattering would read and write it for every one.
struct Users {
    /// End of each bit's rows in `rows`.
    ends: Vec<usize>,
    rows: Vec<u32>,
}

impl Users {
    /// A counting sort by bit, which keeps the order of the rows.
    fn of(batch: &Observations, bits: usize) -> Self {
        let mut ends = vec![0; bits];
        for &bit in batch.indices() {
            if let Some(count) = ends.get_mut(bit as usize) {
                *count += 1;
            }
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let mut rows = vec![0; start];
        for row in 0..batch.len() {
            for &bit in batch.ones(row) {
                let Some(end) = ends.get_mut(bit as usize) else { continue };
                if let Some(place) = rows.get_mut(*end) {
                    *place = row as u32;
                    *end += 1;
                }
            }
        }
        Self { ends, rows }
    }

    /// The rows in which `bit` is set, in ascending order.
    fn of_bit(&self, bit: usize) -> &[u32] {
        let end = |bit: usize| self.ends.get(bit).copied().unwrap_or(0);
        let start = if bit == 0 { 0 } else { end(bit - 1) };
        self.rows.get(start..end(bit)).unwrap_or(&[])
    }
}
