//! Inference: the executor of a network description in plain Rust.

use super::network::{Activation, Layer, Network};
use super::product::{PackedLinear, embedding_bag};
use crate::evaluator::{Evaluation, Evaluator};
use crate::interrupt::Interrupt;
use crate::policy::Policy;
use crate::space::Observations;
use crate::symmetry::{Symmetry, Twist};
use crate::{Error, Result};
use ndarray::ArrayView2;
use pulp::Arch;

/// Rows that go through all layers together, so that their activations stay in the cache. A multiple of the tile
/// of the product.
const BLOCK: usize = 48;

/// A network with its weights laid out for inference. Several threads may share one.
#[derive(Debug, Clone)]
pub struct Executor {
    network: Network,
    arch: Arch,
    first: First,
    common: Vec<PackedLinear>,
    heads: Heads,
    action_width: usize,
    widest: usize,
    twists: Vec<Twist>,
    interrupt: Interrupt,
}

#[derive(Debug, Clone)]
enum First {
    Embedding { bits: usize, activation: Activation, weights: Vec<f32>, bias: Vec<f32> },
    Linear(PackedLinear),
}

/// Both heads; as one product where each is a single layer on the same features.
#[derive(Debug, Clone)]
enum Heads {
    Fused(PackedLinear),
    Separate { action: Vec<PackedLinear>, value: Vec<PackedLinear> },
}

impl Executor {
    /// The executor of a policy, with what the policy does with symmetries.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other.
    pub fn of(policy: &Policy) -> Result<Self> {
        policy.check()?;
        let mut executor = Self::new(&policy.network, &policy.parameters)?;
        if policy.symmetry == Symmetry::Canonical {
            executor.twists.clone_from(&policy.twists);
        }
        Ok(executor)
    }

    /// Lays out `parameters`, which are in the order and layout of [`Network::parameters`].
    ///
    /// # Errors
    /// If the network is inconsistent or the number of parameters is not that of the network.
    pub fn new(network: &Network, parameters: &[f32]) -> Result<Self> {
        network.check()?;
        let pack = |layers: &[Layer]| {
            layers
                .iter()
                .map(|l| PackedLinear::new(l.shape().0, l.shape().1, l.activation()))
                .collect::<Vec<_>>()
        };
        let Some((first, rest)) = network.common.split_first() else {
            return Err(Error::config("policy.common", "at least one layer", 0));
        };
        let (inputs, outputs) = first.shape();
        let first = match first {
            Layer::Embedding { activation, .. } => First::Embedding {
                bits: inputs,
                activation: *activation,
                weights: vec![0.0; inputs * outputs],
                bias: vec![0.0; outputs],
            },
            Layer::Linear { activation, .. } => {
                First::Linear(PackedLinear::new(inputs, outputs, *activation))
            }
        };
        let heads = match (&network.action[..], &network.value[..]) {
            ([action], [value]) if action.activation() == value.activation() => {
                let (inputs, outputs) = action.shape();
                Heads::Fused(PackedLinear::new(inputs, outputs + 1, action.activation()))
            }
            (action, value) => Heads::Separate { action: pack(action), value: pack(value) },
        };
        let mut executor = Self {
            arch: Arch::new(),
            first,
            common: pack(rest),
            heads,
            action_width: network.action_outputs(),
            widest: network.layers().map(|l| l.shape().1).max().unwrap_or(0) + 1,
            network: network.clone(),
            twists: Vec::new(),
            interrupt: Interrupt::default(),
        };
        executor.load(parameters)?;
        Ok(executor)
    }

    /// From now on, `interrupt` makes evaluations fail.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    /// Replaces the weights; allocates nothing.
    ///
    /// # Errors
    /// If the number of parameters is not that of the network.
    pub fn load(&mut self, parameters: &[f32]) -> Result<()> {
        let count = self.network.parameter_count();
        if parameters.len() != count {
            return Err(Error::weights("all", format!("{count} parameters"), parameters.len()));
        }
        let mut cursor = Cursor { rest: parameters };
        match &mut self.first {
            First::Embedding { weights, bias, .. } => {
                cursor.copy(weights)?;
                cursor.copy(bias)?;
            }
            First::Linear(layer) => {
                let shape = self.network.common.first().map_or((0, 0), Layer::shape);
                cursor.load(layer, 0, shape)?;
            }
        }
        for (layer, description) in self.common.iter_mut().zip(self.network.common.iter().skip(1)) {
            cursor.load(layer, 0, description.shape())?;
        }
        let descriptions = || self.network.action.iter().chain(&self.network.value);
        match &mut self.heads {
            Heads::Fused(layer) => {
                let mut first = 0;
                for description in descriptions() {
                    cursor.load(layer, first, description.shape())?;
                    first += description.shape().1;
                }
            }
            Heads::Separate { action, value } => {
                for (layer, description) in action.iter_mut().chain(value).zip(descriptions()) {
                    cursor.load(layer, 0, description.shape())?;
                }
            }
        }
        Ok(())
    }

    /// Rows `start..start + rows` through all layers.
    fn block(
        &self,
        observations: &Observations,
        start: usize,
        rows: usize,
        out: &mut Evaluation,
    ) -> Result<()> {
        let Evaluation { actions, values, scratch, scratch2, .. } = out;
        let (mut from, mut to) = (&mut scratch[..], &mut scratch2[..]);
        let mut width = self.embed(observations, start, rows, from)?;
        let run = |layer: &PackedLinear, width: &mut usize, from: &[f32], to: &mut [f32]| {
            let n = layer.outputs();
            layer.apply(self.arch, &from[..rows * *width], &mut to[..rows * n]);
            *width = n;
        };
        for layer in &self.common {
            run(layer, &mut width, from, to);
            std::mem::swap(&mut from, &mut to);
        }
        let actions = &mut actions[start * self.action_width..(start + rows) * self.action_width];
        let values = &mut values[start..start + rows];
        match &self.heads {
            Heads::Fused(layer) => {
                run(layer, &mut width, from, to);
                let split = actions.chunks_exact_mut(self.action_width).zip(values);
                for ((action, value), row) in split.zip(to.chunks_exact(width)) {
                    action.copy_from_slice(&row[..self.action_width]);
                    *value = row[self.action_width];
                }
            }
            Heads::Separate { action, value } => {
                // The features in `from` must survive the first head: its hidden layers work in halves of `to`.
                let features = width;
                for (layers, target) in [(action, actions), (value, values)] {
                    let (mut a, mut b) = to.split_at_mut(BLOCK * self.widest);
                    let mut width = features;
                    for (i, layer) in layers.iter().enumerate() {
                        run(layer, &mut width, if i == 0 { from } else { a }, b);
                        std::mem::swap(&mut a, &mut b);
                    }
                    target.copy_from_slice(&a[..target.len()]);
                }
            }
        }
        Ok(())
    }

    fn embed(
        &self,
        observations: &Observations,
        start: usize,
        rows: usize,
        out: &mut [f32],
    ) -> Result<usize> {
        match &self.first {
            First::Embedding { bits, activation, weights, bias } => {
                let width = bias.len();
                for (row, out) in (start..start + rows).zip(out.chunks_exact_mut(width)) {
                    let ones = observations.ones(row);
                    if let Some(index) = ones.iter().find(|&&i| i as usize >= *bits) {
                        return Err(Error::observation(format!("indices below {bits}"), index));
                    }
                    embedding_bag(self.arch, weights, bias, ones, *activation, out);
                }
                Ok(width)
            }
            First::Linear(layer) => {
                let inputs = self.network.common.first().map_or(0, |l| l.shape().0);
                let found = observations.dense().len();
                let wanted = observations.len() * inputs;
                if found != wanted {
                    return Err(Error::observation(
                        format!("{inputs} values a row"),
                        format!("{found} values in {} rows", observations.len()),
                    ));
                }
                let x = &observations.dense()[start * inputs..(start + rows) * inputs];
                layer.apply(self.arch, x, &mut out[..rows * layer.outputs()]);
                Ok(layer.outputs())
            }
        }
    }
}

impl Evaluator for Executor {
    fn action_width(&self) -> usize {
        self.action_width
    }

    fn twists(&self) -> &[Twist] {
        &self.twists
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        let rows = observations.len();
        out.actions.resize(rows * self.action_width, 0.0);
        out.values.resize(rows, 0.0);
        out.scratch.resize(2 * BLOCK * self.widest, 0.0);
        out.scratch2.resize(2 * BLOCK * self.widest, 0.0);
        self.interrupt.check()?;
        for start in (0..rows).step_by(BLOCK) {
            self.block(observations, start, BLOCK.min(rows - start), out)?;
        }
        Ok(())
    }
}

struct Cursor<'a> {
    rest: &'a [f32],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [f32]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(|| {
            Error::weights("all", format!("{n} more parameters"), self.rest.len())
        })?;
        self.rest = rest;
        Ok(head)
    }

    fn copy(&mut self, to: &mut [f32]) -> Result<()> {
        to.copy_from_slice(self.take(to.len())?);
        Ok(())
    }

    fn load(
        &mut self,
        layer: &mut PackedLinear,
        first: usize,
        shape: (usize, usize),
    ) -> Result<()> {
        let (inputs, outputs) = shape;
        let weights = ArrayView2::from_shape((outputs, inputs), self.take(inputs * outputs)?)
            .map_err(|e| Error::weights("all", "a matrix", e))?;
        layer.load(first, weights, self.take(outputs)?);
        Ok(())
    }
}
