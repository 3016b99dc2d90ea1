//! Candle custom ops for the layers of the hot path: each fuses several passes of candle into one, and has its own
//! backward pass.
//!
//! They run on the calling thread, whatever the size, because the learner is parallel over shards of the batch.
//! Candle's own elementwise operations on 64 Ki values or more go through one process-wide pool that serialises
//! its callers; micro-batches are so small that no activation is that large (see [`crate::gradient::model`]), and the
//! gradients of parameters go into a [`Sink`] instead of candle's gradient store.

pub mod activate;
pub mod attention;
pub mod embedding_bag;
pub mod gather;
pub(crate) mod kernels;
pub mod linear;
pub mod norm;
pub mod product;
pub mod tap;

use candle_core::{CpuStorage, Layout, Result, Storage, StorageRef, Tensor, bail};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A flat gradient, `[parameters]`, that the backward pass of a micro-batch adds to.
pub type Gradient = Arc<Mutex<Vec<f32>>>;

/// The place to which a layer adds the gradients of its parameters.
///
/// Without one, an op returns them as tensors, which candle's gradient store copies and adds.
#[derive(Debug, Clone)]
pub struct Sink {
    gradient: Gradient,
    place: Range<usize>,
}

impl Sink {
    /// Adds to `place` of the flat `gradient`, which is that of the layer's parameters: weight, then bias.
    pub fn new(gradient: Gradient, place: Range<usize>) -> Self {
        Self { gradient, place }
    }

    /// Calls `add` with the gradients of the parameters, of which there are `count`.
    fn add(&self, count: usize, add: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
        // A poisoned gradient is that of a step that failed; the next one clears it first.
        let mut gradient = self.gradient.lock().unwrap_or_else(PoisonError::into_inner);
        match gradient.get_mut(self.place.clone()) {
            Some(place) if place.len() == count => add(place),
            _ => bail!("sink: expected room for {count} gradients at {:?}", self.place),
        }
    }
}

/// Calls `add` with the places for the gradients of a weight and a bias: those of the sink, or new tensors of the shapes of
/// `weight` and `bias`, which are returned. A bias that is not a variable is not a parameter: it has no place in the sink,
/// and that for its gradient is empty.
fn parameter_gradients(
    sink: Option<&Sink>,
    weight: &Tensor,
    bias: &Tensor,
    add: impl FnOnce(&mut [f32], &mut [f32]) -> Result<()>,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let weights = weight.elem_count();
    let biases = if bias.track_op() { bias.elem_count() } else { 0 };
    if let Some(sink) = sink {
        sink.add(weights + biases, |place| {
            let (weight, bias) = place.split_at_mut(weights);
            add(weight, bias)
        })?;
        return Ok((None, None));
    }
    let biases = bias.elem_count();
    let (mut dw, mut db) = (vec![0.0; weights], vec![0.0; biases]);
    add(&mut dw, &mut db)?;
    Ok((
        Some(Tensor::from_vec(dw, weight.shape(), weight.device())?),
        Some(Tensor::from_vec(db, bias.shape(), bias.device())?),
    ))
}

/// Returns the values of an op's argument.
pub(crate) fn values<'a>(op: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("{op}: expected contiguous tensors")
    };
    match storage.as_slice::<f32>()?.get(start..end) {
        Some(values) => Ok(values),
        None => bail!("{op}: a layout beyond its storage"),
    }
}

/// Access to the values of a contiguous tensor of f32 on the CPU.
pub(crate) struct Values<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

impl<'a> Values<'a> {
    /// Locks the tensor for reading.
    pub(crate) fn of(tensor: &'a Tensor) -> Self {
        let (storage, layout) = tensor.storage_and_layout();
        Self { storage, layout }
    }

    /// The values.
    pub(crate) fn get(&self) -> Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => values("values", storage, self.layout),
            _ => bail!("expected a tensor on the CPU"),
        }
    }
}
