//! The layers from the observation to the action, with the weights shared by all members of a population.

use super::correction::{Correction, Input};
use crate::Result;
use crate::evaluator::Evaluation;
use crate::policy::arithmetic::Arithmetic;
use crate::policy::executor::{BranchInput, block_rows};
use crate::policy::layers::{Activation, Embedding, Forward, Layer, LayerKind as _, Linear};
use crate::policy::network::Network;
use crate::policy::population::perturbation::{Layout, Part};
use crate::space::Observations;
use pulp::Arch;

/// The layers laid out for inference. Activations are applied after the corrections of the members have been added to
/// the products with the shared weights.
#[derive(Debug, Clone)]
pub(super) struct SharedBase {
    source: BranchInput,
    /// The correction of the embedding, if the network begins with one.
    embedding: Option<Open>,
    steps: Vec<SharedLayer>,
    /// The width of the action head.
    actions: usize,
    /// The state-independent distribution parameters and their perturbation; empty if there are none.
    shared: Vec<f32>,
    shared_part: Option<Part>,
    /// The largest layer output, in values per row.
    widest: usize,
    /// The scratch memory of a layer, in values per row.
    work: usize,
}

/// A layer on values.
#[derive(Debug, Clone)]
struct SharedLayer {
    forward: Box<dyn Forward>,
    /// The output size, in values per row.
    outputs: usize,
    /// The correction to be added; `None` if the layer has no weights.
    open: Option<Open>,
}

/// A layer with weights: its perturbed tensors and the activation that follows the correction.
#[derive(Debug, Clone)]
struct Open {
    /// The matrix and the bias that follows it.
    parts: [Part; 2],
    /// The numbers of inputs and outputs.
    shape: (usize, usize),
    activation: Activation,
}

impl SharedBase {
    /// Lays out a network; `None` if the path to the action has layers with weights other than embedding and linear
    /// layers, or if the perturbations have full rank.
    ///
    /// # Errors
    /// If a layer does not fit.
    pub(super) fn new(
        network: &Network,
        layout: &Layout,
        arithmetic: Arithmetic,
    ) -> Result<Option<Self>> {
        let layers = || network.common().iter().chain(network.action());
        if layout.rank() == 0 || !layers().all(is_known) {
            return Ok(None);
        }
        let (parts, rest) = layout.parts().as_chunks::<2>();
        let mut parts = parts.iter();
        let mut open = |shape, activation| {
            parts.next().map(|parts| Open { parts: parts.clone(), shape, activation })
        };
        let first = layers().next();
        let first = first.and_then(|layer| Some((layer.kind::<Embedding>()?, layer.shape())));
        let sums = first.map(|(embedding, _)| Embedding {
            activation: Activation::Identity,
            ..embedding.clone()
        });
        let mut base = Self {
            source: BranchInput::of(&network.observation, sums.as_ref()),
            embedding: first.and_then(|(embedding, shape)| open(shape, embedding.activation)),
            steps: Vec::new(),
            actions: network.action_outputs(),
            shared: vec![0.0; network.shared_parameters()],
            shared_part: rest.first().cloned(),
            widest: 0,
            work: 0,
        };
        base.widest = base.source.width();
        for layer in layers().skip(usize::from(first.is_some())) {
            let (forward, open) = match layer.kind::<Linear>() {
                Some(linear) => {
                    let sums = Linear { activation: Activation::Identity, ..linear.clone() };
                    let shape = (linear.width(layer.input()), linear.outputs);
                    (sums.forward(layer.input(), arithmetic)?, open(shape, linear.activation))
                }
                None => (layer.forward(arithmetic)?, None),
            };
            let (inputs, outputs) = layer.shape();
            base.widest = base.widest.max(inputs).max(outputs);
            if let Some(forward) = forward {
                base.work = base.work.max(forward.scratch());
                base.steps.push(SharedLayer { forward, outputs, open });
            }
        }
        Ok(Some(base))
    }

    /// Replaces the weights.
    pub(super) fn load(&mut self, parameters: &[f32]) {
        if let (BranchInput::Bag(bag), Some(open)) = (&mut self.source, &self.embedding) {
            bag.load(open.weights(parameters));
        }
        for step in &mut self.steps {
            if let Some(open) = &step.open {
                step.forward.load(open.weights(parameters));
            }
        }
        if let Some(own) = self.shared_part.as_ref().and_then(|p| parameters.get(p.weights.clone()))
        {
            self.shared.copy_from_slice(own);
        }
    }

    /// Evaluates all rows; `member` returns the noise of a row's perturbation and its scale.
    pub(super) fn evaluate<'n>(
        &self,
        observations: &Observations,
        out: &mut Evaluation,
        layout: &Layout,
        member: impl Fn(usize) -> Result<(&'n [f32], f32)>,
    ) -> Result<()> {
        let (rows, arch) = (observations.len(), Arch::new());
        let size = block_rows(self.widest.max(self.work));
        let Evaluation { actions, scratch, scratch2, .. } = out;
        let all = self.actions + self.shared.len();
        actions.resize(rows * all, 0.0);
        scratch.resize(2 * size * self.widest, 0.0);
        scratch2.resize(size * self.work, 0.0);
        for start in (0..rows).step_by(size) {
            let block = start..rows.min(start + size);
            let (mut x, mut y) = scratch.split_at_mut(size * self.widest);
            let mut width = self.source.width();
            self.source.write(observations, block.clone(), &mut x[..block.len() * width])?;
            if let Some(open) = &self.embedding {
                for (row, y) in block.clone().zip(x.chunks_exact_mut(width)) {
                    let correction = Correction::of(&open.parts, member(row)?, layout);
                    let seen = Input::Sparse(observations.ones(row), observations.values(row));
                    correction.apply(arch, seen, y, open.activation);
                }
            }
            for SharedLayer { forward, outputs, open } in &self.steps {
                let (from, to) = (&x[..block.len() * width], &mut y[..block.len() * outputs]);
                forward.apply(from, to, scratch2);
                if let Some(Open { parts, shape, activation }) = open {
                    let rows = from.chunks_exact(width).zip(to.chunks_exact_mut(*outputs));
                    for (row, (from, to)) in block.clone().zip(rows) {
                        let correction = Correction::of(parts, member(row)?, layout);
                        let vectors = from.chunks_exact(shape.0).zip(to.chunks_exact_mut(shape.1));
                        for (x, y) in vectors {
                            correction.apply(arch, Input::Values(x), y, *activation);
                        }
                    }
                }
                width = *outputs;
                std::mem::swap(&mut x, &mut y);
            }
            let to = actions[block.start * all..block.end * all].chunks_exact_mut(all.max(1));
            let from = x[..block.len() * self.actions].chunks_exact(self.actions.max(1));
            for ((row, to), from) in block.zip(to).zip(from) {
                let (head, shared) = to.split_at_mut(self.actions);
                head.copy_from_slice(from);
                if let Some(part) = &self.shared_part {
                    let (noise, scale) = member(row)?;
                    let own = self.shared.iter().zip(&noise[part.noise.clone()]);
                    shared.iter_mut().zip(own).for_each(|(to, (mean, e))| *to = mean + scale * e);
                }
            }
        }
        Ok(())
    }
}

impl Open {
    /// Returns the weights of the layer.
    fn weights<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        let [matrix, bias] = &self.parts;
        parameters.get(matrix.weights.start..bias.weights.end).unwrap_or_default()
    }
}

/// Returns true if the layer has no weights or is one that members can correct.
fn is_known(layer: &Layer) -> bool {
    layer.parameter_count() == 0
        || layer.kind::<Linear>().is_some()
        || layer.kind::<Embedding>().is_some()
}
