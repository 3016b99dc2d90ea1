//! Inference: the executor of a network description in plain Rust.

use super::arithmetic::Arithmetic;
use super::layers::product::PackedLinear;
use super::layers::{Bag, Embedding, Layer, Linear, Stack, size};
use super::network::Network;
use crate::error::interrupt::Interrupt;
use crate::evaluator::distribution::ActionDistribution;
use crate::evaluator::{Evaluation, Evaluator};
use crate::policy::Policy;
use crate::policy::scaling::Scaling;
use crate::space::symmetry::{Symmetry, Twist};
use crate::space::{ObservationSpace, Observations};
use crate::{Error, Result};
use ndarray::ArrayView2;
use pulp::Arch;
use std::ops::Range;

/// Rows evaluated together, so that their activations stay in the cache. A multiple of the tile of the matrix
/// product.
const BLOCK: usize = 48;
/// The bound on the values of one layer over all rows of a block, unless a single row exceeds it.
const BLOCK_VALUES: usize = 1 << 18;

/// A network with its weights laid out for inference. It can be shared between threads.
#[derive(Debug, Clone)]
pub struct Executor {
    network: Network,
    arithmetic: Arithmetic,
    arch: Arch,
    /// The layers from the observation to the features; `None` if the heads read the observation.
    trunk: Option<Branch>,
    heads: Heads,
    distribution: ActionDistribution,
    /// The state-independent distribution parameters.
    shared: Vec<f32>,
    scaling: Option<Scaling>,
    /// The number of rows of a block.
    block: usize,
    /// The size of each buffer, in values per row.
    widest: usize,
    /// The scratch memory of a layer, in values per row.
    work: usize,
    twists: Vec<Twist>,
    backtracking: bool,
    interrupt: Interrupt,
}

/// Layers that read the observation.
#[derive(Debug, Clone)]
struct Branch {
    source: BranchInput,
    stack: Stack,
}

/// The conversion of an observation into the input of the first layer.
#[derive(Debug, Clone)]
pub(super) enum BranchInput {
    /// Sparse ones, read by an embedding.
    Bag(Bag),
    /// A dense vector of this many values.
    Values(usize),
    /// Bits written out as zeros and ones, followed by values.
    Bits {
        /// The number of bits.
        bits: usize,
        /// The number of values.
        values: usize,
    },
}

/// Both heads; fused into one product if each is a single dense layer on the same features.
#[derive(Debug, Clone)]
enum Heads {
    Fused(PackedLinear),
    Separate {
        action: Stack,
        value: Stack,
    },
    /// Separate heads without a trunk.
    Whole {
        action: Branch,
        value: Branch,
    },
}

impl Executor {
    /// Returns the executor of a policy, with its arithmetic, its use of symmetries and its rule on backtracking.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other.
    pub fn of(policy: &Policy) -> Result<Self> {
        policy.check()?;
        let Policy { network, parameters, arithmetic, .. } = policy;
        let mut executor = Self::of_network(network, parameters, *arithmetic)?;
        if policy.symmetry == Symmetry::Canonical {
            executor.twists.clone_from(&policy.twists);
        }
        executor.backtracking = policy.backtracking;
        executor.scaling.clone_from(&policy.scaling);
        Ok(executor)
    }

    /// Lays out `parameters`, given in the order and layout of [`Network::parameters`], for the fused arithmetic.
    ///
    /// # Errors
    /// If the network is inconsistent or the number of parameters is not that of the network.
    pub fn new(network: &Network, parameters: &[f32]) -> Result<Self> {
        Self::of_network(network, parameters, Arithmetic::Fused)
    }

    /// Lays out `parameters` for an arithmetic.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(super) fn of_network(
        network: &Network,
        parameters: &[f32],
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        network.check()?;
        let path = |layers| Branch::new(&network.observation, layers, arithmetic);
        let trunk = match network.common() {
            [] => None,
            common => Some(path(common)?),
        };
        let (action, value) = (network.action(), network.value());
        let heads = match (&trunk, single_dense(action), single_dense(value)) {
            (None, _, _) => Heads::Whole { action: path(action)?, value: path(value)? },
            (Some(_), Some(a), Some(v)) if a.activation == v.activation => {
                let inputs = size(network.feature_shape());
                let outputs = a.outputs + v.outputs;
                Heads::Fused(PackedLinear::new(inputs, outputs, a.activation, arithmetic))
            }
            _ => Heads::Separate {
                action: Stack::new(action, arithmetic)?,
                value: Stack::new(value, arithmetic)?,
            },
        };
        let (paths, stacks) = match &heads {
            Heads::Fused(_) => (vec![], vec![]),
            Heads::Separate { action, value } => (vec![], vec![action, value]),
            Heads::Whole { action, value } => (vec![action, value], vec![]),
        };
        let paths: Vec<&Branch> = trunk.iter().chain(paths).collect();
        let stacks = paths.iter().map(|path| &path.stack).chain(stacks);
        let work = stacks.map(Stack::scratch).max().unwrap_or(0);
        let input = paths.iter().map(|path| path.width()).max().unwrap_or(0);
        let widest = network.widest().max(input) + 1;
        let mut executor = Self {
            arithmetic,
            arch: Arch::new(),
            distribution: network.action_distribution()?,
            shared: vec![0.0; network.shared_parameters()],
            scaling: None,
            block: block_rows(widest.max(work)),
            widest,
            work,
            trunk,
            heads,
            network: network.clone(),
            twists: Vec::new(),
            backtracking: true,
            interrupt: Interrupt::default(),
        };
        executor.load(parameters)?;
        Ok(executor)
    }

    /// Returns the arithmetic of its products.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Makes evaluations fail once `interrupt` is set.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    /// Returns the scaling of dense observations, if any.
    pub fn scaling(&self) -> Option<&Scaling> {
        self.scaling.as_ref()
    }

    /// Replaces the scaling of observations.
    ///
    /// # Errors
    /// If it does not fit the observations of the network.
    pub fn rescale(&mut self, scaling: &Scaling) -> Result<()> {
        scaling.check(&self.network.observation)?;
        self.scaling.get_or_insert_with(|| scaling.clone()).clone_from(scaling);
        Ok(())
    }

    /// Replaces the weights. Does not allocate.
    ///
    /// # Errors
    /// If the number of parameters is not that of the network.
    pub fn load<'a>(&mut self, parameters: &'a [f32]) -> Result<()> {
        let count = self.network.parameter_count();
        if parameters.len() != count {
            return Err(Error::weights("all", format!("{count} parameters"), parameters.len()));
        }
        let rest = match &mut self.trunk {
            Some(trunk) => trunk.load(parameters),
            None => parameters,
        };
        let shared = &mut self.shared;
        let mut share = |rest: &'a [f32]| {
            let (own, rest) = rest.split_at(shared.len());
            shared.copy_from_slice(own);
            rest
        };
        match &mut self.heads {
            Heads::Fused(packed) => {
                let inputs = size(self.network.feature_shape());
                let actions = self.distribution.head_width();
                let mut load = |first: usize, outputs: usize, rest: &'a [f32]| {
                    let (weights, rest) = rest.split_at(inputs * outputs);
                    let (bias, rest) = rest.split_at(outputs);
                    let weights = ArrayView2::from_shape((outputs, inputs), weights)
                        .map_err(|e| Error::weights("all", "a matrix", e))?;
                    packed.load(first, weights, bias);
                    Ok(rest)
                };
                let rest = load(0, actions, rest)?;
                load(actions, 1, share(rest))?;
            }
            Heads::Separate { action, value } => {
                value.load(share(action.load(rest)));
            }
            Heads::Whole { action, value } => {
                value.load(share(action.load(rest)));
            }
        }
        Ok(())
    }

    /// Evaluates rows `start..start + rows`.
    fn block(
        &self,
        observations: &Observations,
        start: usize,
        rows: usize,
        out: &mut Evaluation,
    ) -> Result<()> {
        let Evaluation { actions, values, scratch, scratch2: work, .. } = out;
        let (a, rest) = scratch.split_at_mut(self.block * self.widest);
        let (b, rest) = rest.split_at_mut(self.block * self.widest);
        let (c, rest) = rest.split_at_mut(self.block * self.widest);
        let (d, e) = rest.split_at_mut(self.block * self.widest);
        let range = start..start + rows;
        let outputs = self.distribution.head_width();
        let actions = &mut actions[start * outputs..range.end * outputs];
        let values = &mut values[range.clone()];
        let features = match &self.trunk {
            Some(trunk) => trunk.run(observations, range.clone(), [a, b, c], work)?,
            None => &[],
        };
        match &self.heads {
            Heads::Fused(packed) => {
                let out = &mut d[..rows * packed.outputs()];
                packed.apply(self.arch, features, out);
                let split = actions.chunks_exact_mut(outputs).zip(values);
                for ((action, value), row) in split.zip(out.chunks_exact(packed.outputs())) {
                    action.copy_from_slice(&row[..outputs]);
                    *value = row[outputs];
                }
            }
            Heads::Separate { action, value } => {
                for (stack, target) in [(action, actions), (value, values)] {
                    target.copy_from_slice(stack.run(features, rows, [d, e], work));
                }
            }
            Heads::Whole { action, value } => {
                for (path, target) in [(action, actions), (value, values)] {
                    let out = path.run(observations, range.clone(), [c, d, e], work)?;
                    target.copy_from_slice(out);
                }
            }
        }
        Ok(())
    }
}

/// Spreads the rows of the action head, `width` values each, and appends `shared` to each of them.
fn append_shared(shared: &[f32], width: usize, rows: usize, actions: &mut [f32]) {
    if shared.is_empty() {
        return;
    }
    let whole = width + shared.len();
    for row in (0..rows).rev() {
        actions.copy_within(row * width..(row + 1) * width, row * whole);
        actions[row * whole + width..(row + 1) * whole].copy_from_slice(shared);
    }
}

/// Returns the only layer if it is a single dense layer on one vector.
fn single_dense(layers: &[Layer]) -> Option<&Linear> {
    match layers {
        [layer] if layer.output().len() == 1 => layer.kind(),
        _ => None,
    }
}

/// Returns the number of rows of a block for layers that need `values` values per row.
pub(super) fn block_rows(values: usize) -> usize {
    (BLOCK_VALUES / values.max(1)).clamp(1, BLOCK)
}

impl BranchInput {
    /// Returns the input of layers that begin with `embedding`, if there is one.
    pub(super) fn of(observation: &ObservationSpace, embedding: Option<&Embedding>) -> Self {
        let (bits, values) = (observation.bits().unwrap_or(0), observation.values().unwrap_or(0));
        match (embedding, observation) {
            (Some(embedding), _) => Self::Bag(Bag::new(embedding, bits, values)),
            (None, ObservationSpace::Dense { .. }) => Self::Values(values),
            (None, _) => Self::Bits { bits, values },
        }
    }

    /// Returns the number of values per row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Bag(bag) => bag.outputs(),
            Self::Values(size) => *size,
            Self::Bits { bits, values } => bits + values,
        }
    }

    /// Writes some rows to `out`, `[rows, width]`.
    pub(super) fn write(
        &self,
        observations: &Observations,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        match self {
            Self::Bag(bag) => bag.run(observations, rows, out),
            &Self::Values(size) => {
                out.copy_from_slice(observations.dense_rows(rows, size)?);
                Ok(())
            }
            &Self::Bits { bits, values } => observations.write(rows, (bits, values), out),
        }
    }
}

impl Branch {
    /// Lays out `layers` with all weights 0.
    fn new(
        observation: &ObservationSpace,
        layers: &[Layer],
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let embedding = layers.split_first().and_then(|(first, rest)| Some((first.kind()?, rest)));
        let (embedding, rest) = embedding.unzip();
        let source = BranchInput::of(observation, embedding);
        Ok(Self { source, stack: Stack::new(rest.unwrap_or(layers), arithmetic)? })
    }

    /// Takes the weights from the front of `parameters`. Returns the rest.
    fn load<'a>(&mut self, parameters: &'a [f32]) -> &'a [f32] {
        match &mut self.source {
            BranchInput::Bag(bag) => {
                let (own, rest) = parameters.split_at(bag.len().min(parameters.len()));
                bag.load(own);
                self.stack.load(rest)
            }
            BranchInput::Values(_) | BranchInput::Bits { .. } => self.stack.load(parameters),
        }
    }

    /// Returns the memory needed to read the input, in values per row.
    fn width(&self) -> usize {
        match &self.source {
            BranchInput::Values(_) => 0,
            source => source.width(),
        }
    }

    /// Evaluates some rows. The result is in one of the buffers or in the observations themselves.
    fn run<'a>(
        &self,
        observations: &'a Observations,
        range: Range<usize>,
        [first, a, b]: [&'a mut [f32]; 3],
        work: &mut [f32],
    ) -> Result<&'a [f32]> {
        let rows = range.len();
        let x = match &self.source {
            &BranchInput::Values(size) => observations.dense_rows(range, size)?,
            source => {
                let out = &mut first[..rows * source.width()];
                source.write(observations, range, out)?;
                out
            }
        };
        Ok(self.stack.run(x, rows, [a, b], work))
    }
}

impl Evaluator for Executor {
    fn distribution(&self) -> &ActionDistribution {
        &self.distribution
    }

    fn twists(&self) -> &[Twist] {
        &self.twists
    }

    fn backtracking(&self) -> bool {
        self.backtracking
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        let rows = observations.len();
        out.actions.resize(rows * self.distribution.width(), 0.0);
        out.values.resize(rows, 0.0);
        out.scratch.resize(5 * self.block * self.widest, 0.0);
        out.scratch2.resize(self.block * self.work, 0.0);
        let mut scaled = std::mem::take(&mut out.scaled);
        let seen = match &self.scaling {
            None => observations,
            Some(scaling) => scaling.scaled(observations, &mut scaled),
        };
        for start in (0..rows).step_by(self.block) {
            // Large networks take long, even for one block.
            self.interrupt.check()?;
            self.block(seen, start, self.block.min(rows - start), out)?;
        }
        out.scaled = scaled;
        append_shared(&self.shared, self.distribution.head_width(), rows, &mut out.actions);
        Ok(())
    }
}
