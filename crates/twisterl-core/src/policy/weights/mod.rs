//! Weight files: safetensors with the peer's tensor names and one metadata entry for the rest of the policy.
//!
//! Matrices in a file are `[outputs, inputs]`, as in PyTorch's `nn.Linear`. Embeddings are transposed on loading, so
//! that the weight row of each one of an observation is contiguous in memory.

mod names;
pub mod tensors;

use super::network::{Network, ParameterSpec};
use super::policy::{Policy, check_network};
use super::scaling::Scaling;
use super::weights::tensors::{TensorFile, Tensors, f32_values, write_tensors};
use crate::error::from_serde::{self, in_words};
use crate::error::json;
use crate::policy::arithmetic::Arithmetic;
use crate::space::declared::DeclaredSpaces;
use crate::space::symmetry::{Symmetry, Twist};
use crate::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

/// The key of our metadata entry.
const METADATA_KEY: &str = "twisterl";
/// The version of the metadata that this code writes and reads.
const FORMAT: u64 = 1;

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde calls
fn is_yes(value: &bool) -> bool {
    *value
}

/// A policy without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyHeader {
    /// The name of the environment.
    pub env_cls: String,
    /// The parameters of the environment.
    pub env: Value,
    /// The network.
    pub network: Network,
    /// The symmetries of the problem, without the identity.
    #[serde(default)]
    pub twists: Vec<Twist>,
    /// The use that the policy makes of the symmetries.
    #[serde(default)]
    pub symmetry: Symmetry,
    /// False if play must not undo its last move.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub backtracking: bool,
    /// The scaling of dense observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// The spaces that the environment declares, if they are not those of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spaces: Option<DeclaredSpaces>,
    /// The arithmetic of its answers.
    #[serde(default, skip_serializing_if = "Arithmetic::is_default")]
    pub arithmetic: Arithmetic,
}

impl PolicyHeader {
    /// Returns the policy with the weights of these tensors, in file layout.
    ///
    /// # Errors
    /// Those of [`parameters_from_tensors`]; if the network is inconsistent or a twist does not fit it.
    pub fn with_tensors(self, tensors: &Tensors<'_>) -> Result<Policy> {
        let parameters = parameters_from_tensors(&self.network, tensors)?;
        let Self {
            env_cls,
            env,
            network,
            twists,
            symmetry,
            backtracking,
            scaling,
            spaces,
            arithmetic,
        } = self;
        let policy = Policy {
            network,
            parameters,
            env_cls,
            env,
            twists,
            symmetry,
            backtracking,
            scaling,
            spaces,
            arithmetic,
        };
        policy.check()?;
        Ok(policy)
    }

    fn from_metadata(text: &str) -> Result<Self> {
        let broken = |found: String| {
            Error::weights(format!("metadata {METADATA_KEY}"), "a policy's description", found)
        };
        let mut value: Value = json::parse(text.as_bytes()).map_err(|e| broken(in_words(&e)))?;
        let format = value.as_object_mut().and_then(|map| map.shift_remove("format"));
        if format != Some(FORMAT.into()) {
            return Err(Error::weights(
                format!("metadata {METADATA_KEY}"),
                format!("format {FORMAT}, the only one this version reads"),
                format.map_or("none".to_owned(), |f| format!("format {f}")),
            ));
        }
        from_serde::read(value).map_err(|e| broken(e.to_string()))
    }

    fn to_metadata(&self) -> Result<String> {
        let mut map = serde_json::Map::from_iter([("format".to_owned(), FORMAT.into())]);
        let unwritable = |e: &dyn std::fmt::Display| {
            Error::weights(format!("metadata {METADATA_KEY}"), "what JSON can hold", e)
        };
        match serde_json::to_value(self).map_err(|e| unwritable(&e))? {
            Value::Object(fields) => map.extend(fields),
            other => return Err(unwritable(&other)),
        }
        serde_json::to_string(&map).map_err(|e| unwritable(&e))
    }
}

impl Policy {
    /// Returns the policy without its weights.
    pub fn header(&self) -> PolicyHeader {
        PolicyHeader {
            env_cls: self.env_cls.clone(),
            env: self.env.clone(),
            network: self.network.clone(),
            twists: self.twists.clone(),
            symmetry: self.symmetry,
            backtracking: self.backtracking,
            scaling: self.scaling.clone(),
            spaces: self.spaces.clone(),
            arithmetic: self.arithmetic,
        }
    }

    /// Serialises the policy. Equal policies give equal bytes.
    ///
    /// # Errors
    /// If the parts do not fit each other or a weight is not finite.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut buffers = Vec::new();
        for spec in self.network.parameters() {
            let values = self.parameters.get(spec.range.clone()).unwrap_or(&[]);
            let mut bytes = Vec::with_capacity(4 * values.len());
            for at in file_order(&spec) {
                bytes.extend(values.get(at).copied().unwrap_or_default().to_le_bytes());
            }
            buffers.push((spec, bytes));
        }
        let tensors = buffers
            .iter()
            .map(|(spec, bytes)| {
                let view = TensorView::new(Dtype::F32, shape_in_file(spec), bytes)
                    .map_err(|e| Error::weights(&spec.name, "a tensor", e))?;
                Ok((spec.name.clone(), view))
            })
            .collect::<Result<Tensors<'_>>>()?;
        write_tensors(&tensors, Some((METADATA_KEY, self.header().to_metadata()?)))
    }

    /// Deserialises a policy. A file written by [`to_safetensors`](Self::to_safetensors) is self-contained; a file of
    /// bare tensors (the peer's) takes its description from `fallback`, which is ignored otherwise.
    ///
    /// # Errors
    /// If the file is broken, has no description and there is no `fallback`, or its tensors do not fit the network.
    pub fn from_safetensors(bytes: &[u8], fallback: Option<PolicyHeader>) -> Result<Self> {
        let file = TensorFile::parse(bytes)?;
        let header = match (file.metadata(METADATA_KEY), fallback) {
            (Some(text), _) => PolicyHeader::from_metadata(text)?,
            (None, Some(fallback)) => fallback,
            (None, None) => {
                return Err(Error::weights(
                    "file",
                    format!("metadata {METADATA_KEY}, or a config that describes the network"),
                    "neither",
                ));
            }
        };
        header.with_tensors(&file.tensors()?)
    }
}

/// Returns true if a file is self-contained.
///
/// # Errors
/// If it is not a safetensors file.
pub fn is_self_contained(bytes: &[u8]) -> Result<bool> {
    Ok(TensorFile::parse(bytes)?.metadata(METADATA_KEY).is_some())
}

/// Returns the weights of `network` from the tensors of a file, in the order and layout of [`Network::parameters`].
/// All sizes are checked against the tensors before memory is allocated. The names may have those of wrappers of PyTorch in
/// them, such as `module.`, and a common prefix, such as `model.`. Tensors of whole numbers that the network does not have,
/// such as counters, are left out.
///
/// # Errors
/// Names the tensor that is missing, unexpected, of a wrong shape, not of floating-point numbers, or not finite.
pub fn parameters_from_tensors(network: &Network, tensors: &Tensors<'_>) -> Result<Vec<f32>> {
    check_network(network)?;
    let specs = network.parameters();
    let tensors = &names::of_network(&specs, tensors)?;
    check_shapes(&specs, tensors)?;
    let known: HashSet<_> = specs.iter().map(|spec| &spec.name).collect();
    // PyTorch writes a layer that is registered under two names twice.
    let twice = |tensor: &TensorView<'_>| {
        let same = |spec: &ParameterSpec| {
            tensors.get(&spec.name).is_some_and(|other| {
                (other.shape(), other.dtype(), other.data())
                    == (tensor.shape(), tensor.dtype(), tensor.data())
            })
        };
        specs.iter().any(same)
    };
    let is_other = |(name, tensor): &(&String, &TensorView<'_>)| {
        !known.contains(name) && names::is_weight(tensor.dtype())
    };
    let others = tensors.iter().filter(is_other);
    if let Some((name, tensor)) = others.into_iter().find(|(_, tensor)| !twice(tensor)) {
        return Err(Error::weights(
            name,
            "no tensor of this name in this network",
            format!("one of shape {:?}", tensor.shape()),
        ));
    }
    let mut parameters = vec![0.0; network.parameter_count()];
    for spec in &specs {
        // The tensor is there and has as many values as the range, see `check_shapes`.
        let target = &mut parameters[spec.range.clone()];
        for (at, value) in file_order(spec).zip(f32_values(&spec.name, &tensors[&spec.name])?) {
            if !value.is_finite() {
                return Err(Error::weights(&spec.name, "finite values", value));
            }
            target[at] = value;
        }
    }
    Ok(parameters)
}

fn shape_in_file(spec: &ParameterSpec) -> Vec<usize> {
    let mut shape = spec.shape.clone();
    if spec.transposed_in_file {
        shape.reverse();
    }
    shape
}

/// Checks that there is a tensor of the right shape for each parameter.
fn check_shapes(specs: &[ParameterSpec], tensors: &Tensors<'_>) -> Result<()> {
    for spec in specs {
        let expected = shape_in_file(spec);
        match tensors.get(&spec.name) {
            None => {
                let found =
                    format!("none among {} tensors{}", tensors.len(), names::in_words(tensors));
                return Err(Error::weights(
                    &spec.name,
                    format!("a tensor of shape {expected:?}"),
                    found,
                ));
            }
            Some(tensor) if tensor.shape() != expected => {
                return Err(Error::weights(
                    &spec.name,
                    format!("shape {expected:?}"),
                    format!("{:?}", tensor.shape()),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Returns the position in memory of each value, in the order of the file.
fn file_order(spec: &ParameterSpec) -> impl Iterator<Item = usize> + use<> {
    let (rows, columns) = match shape_in_file(spec)[..] {
        [rows, columns] => (rows, columns),
        _ => (1, spec.range.len()),
    };
    let (by_row, by_column) = if spec.transposed_in_file { (1, rows) } else { (columns, 1) };
    (0..rows).flat_map(move |r| (0..columns).map(move |c| r * by_row + c * by_column))
}

#[cfg(test)]
mod tests;
