//! A dense layer with bias and activation as one op.

use super::kernels::{Combine, Dots, activation_gradient};
use super::product::{Matrix, add_product};
use super::{Sink, Values, parameter_gradients, values};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use twisterl_core::policy::network::Activation;

/// Up to this many outputs, as heads have, plain loops are faster than a product that packs its arguments.
const NARROW: usize = 8;

/// `y = f(x W^T + b)` of `x`, `[rows, inputs]`, `W`, `[outputs, inputs]`, and `b`, `[outputs]`; `y` is `[rows, outputs]`.
/// The inputs of `W` may have several axes.
#[derive(Debug, Clone)]
pub struct Linear {
    /// The function `f`, whose derivative must be a function of its output: not GELU, not SiLU.
    pub activation: Activation,
    /// The sink for the gradients of `W` and `b`.
    pub sink: Option<Sink>,
}

impl Linear {
    /// Applies the layer to a batch.
    ///
    /// # Errors
    /// If the shapes do not fit each other.
    pub fn apply(self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        x.apply_op3(weight, bias, self)
    }
}

/// Returns (rows, inputs, outputs), if the three shapes agree.
fn sizes(x: &Shape, weight: &Shape, bias: &Shape) -> Result<(usize, usize, usize)> {
    let (rows, inputs) = x.dims2()?;
    match *weight.dims() {
        [outputs, ..] if inputs * outputs == weight.elem_count() && bias.dims() == [outputs] => {
            Ok((rows, inputs, outputs))
        }
        _ => bail!("linear: x {x:?}, weight {weight:?} and bias {bias:?} do not fit"),
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs, outputs) =
            sizes(x_layout.shape(), weight_layout.shape(), bias_layout.shape())?;
        let x = values("linear", x, x_layout)?;
        let weight = values("linear", weight, weight_layout)?;
        let bias = values("linear", bias, bias_layout)?;
        let mut y = bias.repeat(rows);
        if outputs <= NARROW {
            Dots { out: &mut y, a: x, b: weight, width: inputs }.run();
        } else {
            let weight = Matrix::new(weight, outputs, inputs)?;
            add_product(&mut y, Matrix::new(x, rows, inputs)?, weight.t())?;
        }
        self.activation.apply(&mut y);
        Ok((CpuStorage::F32(y), Shape::from((rows, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (rows, inputs, outputs) = sizes(x.shape(), weight.shape(), bias.shape())?;
        let dy = dy.contiguous()?;
        let dz =
            activation_gradient(self.activation, Values::of(y).get()?, Values::of(&dy).get()?)?;
        let (x_values, weight_values) = (Values::of(x), Values::of(weight));
        let (x_values, weight_values) = (x_values.get()?, weight_values.get()?);
        let narrow = outputs <= NARROW;
        let (dw, db) = parameter_gradients(self.sink.as_ref(), weight, bias, |dw, db| {
            Combine { out: db, rows: &dz, width: outputs, terms: |_| (0..rows).map(|r| (r, 1.0)) }
                .run();
            if narrow {
                let column = |o| dz.iter().skip(o).step_by(outputs).copied().enumerate();
                Combine { out: dw, rows: x_values, width: inputs, terms: column }.run();
                return Ok(());
            }
            let dz = Matrix::new(&dz, rows, outputs)?;
            add_product(dw, dz.t(), Matrix::new(x_values, rows, inputs)?)
        })?;
        // Observations need no gradient.
        if !x.track_op() {
            return Ok((None, dw, db));
        }
        let mut dx = vec![0.0; rows * inputs];
        if narrow {
            let row = |r: usize| dz.iter().skip(r * outputs).take(outputs).copied().enumerate();
            Combine { out: &mut dx, rows: weight_values, width: inputs, terms: row }.run();
        } else {
            let weight = Matrix::new(weight_values, outputs, inputs)?;
            add_product(&mut dx, Matrix::new(&dz, rows, outputs)?, weight)?;
        }
        Ok((Some(Tensor::from_vec(dx, (rows, inputs), x.device())?), dw, db))
    }
}
