//! The layers from the observation to the action, with the weights that all members of a population share.

use super::correction::{Correction, Input};
use crate::Result;
use crate::evaluator::Evaluation;
use crate::policy::executor::{BranchInput, block_rows};
use crate::policy::layers::{Activation, Embedding, Forward, Layer, LayerKind as _, Linear};
use crate::policy::network::Network;
use crate::policy::population::perturbation::{Layout, Part};
use crate::space::Observations;
use pulp::Arch;

/// The layers laid out for inference. The sums of those with weights are left open for the corrections of members:
/// their activations come after those.
#[derive(Debug, Clone)]
pub(super) struct SharedBase {
    source: BranchInput,
    /// What members correct of what an embedding read.
    embedding: Option<Open>,
    steps: Vec<SharedLayer>,
    /// Values a row that the action head has.
    actions: usize,
    /// What all rows of a member share behind those, and its perturbation; empty where nothing is.
    shared: Vec<f32>,
    shared_part: Option<Part>,
    /// The most values a row between layers.
    widest: usize,
    /// The most values a row that a layer needs in between.
    work: usize,
}

/// A layer that reads values.
#[derive(Debug, Clone)]
struct SharedLayer {
    forward: Box<dyn Forward>,
    /// Values a row that it gives.
    outputs: usize,
    /// Where it has weights: what members correct.
    open: Option<Open>,
}

/// What is left to be done to the sums of a layer.
#[derive(Debug, Clone)]
struct Open {
    /// Its matrix and its bias, which follows it.
    parts: [Part; 2],
    /// Values that it reads at once, and those that it makes of them.
    shape: (usize, usize),
    activation: Activation,
}

impl SharedBase {
    /// Room for a network; none if it has layers with weights before the action that are neither embedding nor linear
    /// ones, or the perturbations are full.
    ///
    /// # Errors
    /// If a layer does not fit.
    pub(super) fn new(network: &Network, layout: &Layout) -> Result<Option<Self>> {
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
                    (sums.forward(layer.input())?, open(shape, linear.activation))
                }
                None => (layer.forward()?, None),
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

    /// Evaluates all rows; `member` gives the numbers of a row's perturbation and its scale.
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
    /// The weights of the layer.
    fn weights<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        let [matrix, bias] = &self.parts;
        parameters.get(matrix.weights.start..bias.weights.end).unwrap_or_default()
    }
}

/// Whether a layer has no weights, or those of which members correct the sums.
fn is_known(layer: &Layer) -> bool {
    layer.parameter_count() == 0
        || layer.kind::<Linear>().is_some()
        || layer.kind::<Embedding>().is_some()
}
