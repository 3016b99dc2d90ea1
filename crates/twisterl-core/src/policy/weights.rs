//! Weight files: safetensors under the peer's tensor names, with all else of a policy in one metadata entry.
//!
//! Matrices in a file are `(outputs, inputs)`, as PyTorch's `nn.Linear` has them; an embedding is transposed on the
//! way, so that in memory the rows of the ones of an observation are contiguous.

use super::network::{Network, ParameterSpec};
use super::policy::{Policy, check_network};
use super::tensors::{TensorFile, Tensors, f32_values, write_tensors};
use crate::symmetry::Twist;
use crate::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

/// The key of our metadata entry.
const METADATA_KEY: &str = "twisterl";
/// The version of its content that this code writes and reads.
const FORMAT: u64 = 1;

/// All of a policy but its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyHeader {
    /// The name of the environment.
    pub env_cls: String,
    /// Its parameters.
    pub env: Value,
    /// The network.
    pub network: Network,
    /// The symmetries of the problem, without the identity.
    #[serde(default)]
    pub twists: Vec<Twist>,
}

impl PolicyHeader {
    /// The policy with these weights, given as the tensors of a file.
    ///
    /// # Errors
    /// Those of [`parameters_from_tensors`]; if the network is inconsistent or a twist does not fit it.
    pub fn with_tensors(self, tensors: &Tensors<'_>) -> Result<Policy> {
        let parameters = parameters_from_tensors(&self.network, tensors)?;
        let Self { env_cls, env, network, twists } = self;
        let policy = Policy { network, parameters, env_cls, env, twists };
        policy.check()?;
        Ok(policy)
    }

    fn from_metadata(text: &str) -> Result<Self> {
        let broken = |path: String, e: &dyn std::fmt::Display| {
            Error::weights(format!("metadata {METADATA_KEY}"), "a policy's description", {
                if path == "." { e.to_string() } else { format!("{path}: {e}") }
            })
        };
        let mut value: Value = serde_json::from_str(text).map_err(|e| broken(".".into(), &e))?;
        let format = value.as_object_mut().and_then(|map| map.shift_remove("format"));
        if format != Some(FORMAT.into()) {
            return Err(Error::weights(
                format!("metadata {METADATA_KEY}"),
                format!("format {FORMAT}, the only one this version reads"),
                format.map_or("none".to_owned(), |f| format!("format {f}")),
            ));
        }
        serde_path_to_error::deserialize(value).map_err(|e| broken(e.path().to_string(), e.inner()))
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
    /// All but the weights.
    pub fn header(&self) -> PolicyHeader {
        PolicyHeader {
            env_cls: self.env_cls.clone(),
            env: self.env.clone(),
            network: self.network.clone(),
            twists: self.twists.clone(),
        }
    }

    /// The policy as a file. Equal policies give equal bytes.
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

    /// Reads a file. One that we wrote is complete in itself; one of bare tensors (the peer's) needs `fallback`,
    /// which is otherwise ignored.
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

/// Whether a file describes its own policy, so that it can be read without a fallback.
///
/// # Errors
/// If it is no safetensors file.
pub fn is_self_contained(bytes: &[u8]) -> Result<bool> {
    Ok(TensorFile::parse(bytes)?.metadata(METADATA_KEY).is_some())
}

/// The weights of `network` from the tensors of a file, in the order and layout of [`Network::parameters`].
/// Every claim is checked against the tensors at hand before memory is asked for.
///
/// # Errors
/// Names the tensor that is missing, superfluous, misshapen, of another type than F32 or F64, or not finite.
pub fn parameters_from_tensors(network: &Network, tensors: &Tensors<'_>) -> Result<Vec<f32>> {
    check_network(network)?;
    let specs = network.parameters();
    for spec in &specs {
        let expected = shape_in_file(spec);
        match tensors.get(&spec.name) {
            None => {
                let found = format!("none among {} tensors", tensors.len());
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
    let known: HashSet<_> = specs.iter().map(|spec| &spec.name).collect();
    if let Some((name, tensor)) = tensors.iter().find(|(name, _)| !known.contains(name)) {
        return Err(Error::weights(
            name,
            "no tensor of this name in this network",
            format!("one of shape {:?}", tensor.shape()),
        ));
    }
    let mut parameters = vec![0.0; network.parameter_count()];
    for spec in &specs {
        let (Some(tensor), Some(target)) =
            (tensors.get(&spec.name), parameters.get_mut(spec.range.clone()))
        else {
            continue;
        };
        for (at, value) in file_order(spec).zip(f32_values(&spec.name, tensor)?) {
            if !value.is_finite() {
                return Err(Error::weights(&spec.name, "finite values", value));
            }
            if let Some(target) = target.get_mut(at) {
                *target = value;
            }
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

/// Where in memory the values of the file stand, in the order of the file.
fn file_order(spec: &ParameterSpec) -> impl Iterator<Item = usize> + use<> {
    let (rows, columns) = match shape_in_file(spec)[..] {
        [rows, columns] => (rows, columns),
        _ => (1, spec.range.len()),
    };
    let (by_row, by_column) = if spec.transposed_in_file { (1, rows) } else { (columns, 1) };
    (0..rows).flat_map(move |r| (0..columns).map(move |c| r * by_row + c * by_column))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::policy::network::{Activation, MlpSizes};
    use crate::space::{ActionComponent, ActionSpace, ObservationSpace};
    use proptest::prelude::*;
    use serde_json::json;
    use std::path::PathBuf;

    fn mlp(observation: ObservationSpace, actions: ActionSpace, sizes: MlpSizes) -> Network {
        Network::mlp(observation, actions, &sizes).unwrap()
    }

    /// The networks of the peer's checkpoints: a board of `cells` cells, one-hot, and four moves.
    fn peer_header(cells: usize, common: &[usize]) -> PolicyHeader {
        let sizes = MlpSizes {
            embedding_size: 512,
            common_layers: common.to_vec(),
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Relu,
        };
        let bits = ObservationSpace::SparseBinary { shape: vec![cells, cells] };
        PolicyHeader {
            env_cls: "Puzzle".into(),
            env: json!({"width": 3}),
            network: mlp(bits, ActionSpace::discrete(4), sizes),
            twists: vec![],
        }
    }

    fn peer_file(name: &str) -> Vec<u8> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/peer");
        std::fs::read(root.join(name)).unwrap()
    }

    fn small() -> Policy {
        let sizes = MlpSizes {
            embedding_size: 3,
            common_layers: vec![2],
            policy_layers: vec![],
            value_layers: vec![2],
            activation: Activation::Tanh,
        };
        let bits = ObservationSpace::SparseBinary { shape: vec![2, 2] };
        let network = mlp(bits, ActionSpace::discrete(2), sizes);
        let twist = Twist { observation: vec![0, 2, 1, 3], action: vec![1, 0] };
        Policy::initial(network, "Puzzle", json!({"width": 2}), vec![twist], 1).unwrap()
    }

    fn policies() -> impl Strategy<Value = Policy> {
        let widths = || prop::collection::vec(1usize..6, 0..3);
        let sizes = (1usize..6, widths(), widths(), widths());
        (sizes, any::<bool>(), 1usize..5, 1usize..5, any::<bool>(), any::<u64>()).prop_map(
            |(
                (embedding_size, common_layers, policy_layers, value_layers),
                dense,
                bits,
                n,
                mixed,
                seed,
            )| {
                let shape = vec![bits, 2];
                let observation = if dense {
                    ObservationSpace::Dense { shape }
                } else {
                    ObservationSpace::SparseBinary { shape }
                };
                let mut parts = vec![ActionComponent::Discrete { n }];
                if mixed {
                    let (low, high) = (vec![-1.0; 2], vec![0.5; 2]);
                    parts.push(ActionComponent::Continuous { low, high, shape: vec![2] });
                }
                let activation = Activation::Relu;
                let sizes = MlpSizes {
                    embedding_size,
                    common_layers,
                    policy_layers,
                    value_layers,
                    activation,
                };
                let network = mlp(observation, ActionSpace::new(parts).unwrap(), sizes);
                Policy::initial(network, "Env", json!({"a": [1, 2.5, null]}), vec![], seed).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn a_policy_reads_back_as_written(policy in policies()) {
            let bytes = policy.to_safetensors().unwrap();
            let again = Policy::from_safetensors(&bytes, None).unwrap();
            prop_assert_eq!(&again, &policy);
            prop_assert_eq!(again.to_safetensors().unwrap(), bytes);
        }

        #[test]
        fn damaged_files_never_panic_and_never_read_as_something_unsound(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            keep in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = small().to_safetensors().unwrap();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
            if let Ok(policy) = Policy::from_safetensors(&bytes, None) {
                policy.check().unwrap();
            }
        }
    }

    #[test]
    fn every_cut_and_every_single_bit_flip_of_a_header_is_survived() {
        let bytes = small().to_safetensors().unwrap();
        for length in 0..bytes.len() {
            Policy::from_safetensors(&bytes[..length], None).unwrap_err();
        }
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        for bit in 0..8 * header {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(policy) = Policy::from_safetensors(&bytes, None) {
                policy.check().unwrap();
            }
        }
    }

    #[test]
    fn peer_files_give_their_weights_with_the_embedding_transposed() {
        for (name, header) in [
            ("ppo_puzzle8_v1", peer_header(9, &[256])),
            ("ppo_puzzle15_v1", peer_header(16, &[256])),
        ] {
            let bytes = peer_file(&format!("{name}.safetensors"));
            let policy = Policy::from_safetensors(&bytes, Some(header)).unwrap();
            let file = TensorFile::parse(&bytes).unwrap().tensors().unwrap();
            let specs = policy.network.parameters();
            let embedding = &file["embeddings.weight"];
            let (outputs, inputs) = (embedding.shape()[0], embedding.shape()[1]);
            let in_file: Vec<_> = f32_values("", embedding).unwrap().collect();
            for (i, o) in [(0, 0), (1, 0), (0, 1), (inputs - 1, outputs - 2)] {
                assert_eq!(policy.parameters[i * outputs + o], in_file[o * inputs + i]);
            }
            let last = f32_values("", &file["value.0.weight"]).unwrap().collect::<Vec<_>>();
            let spec = specs.iter().find(|s| s.name == "value.0.weight").unwrap();
            assert_eq!(policy.parameters[spec.range.clone()], last);
            // Once written by us it needs nothing beside it.
            let ours = policy.to_safetensors().unwrap();
            assert!(is_self_contained(&ours).unwrap() && !is_self_contained(&bytes).unwrap());
            assert_eq!(Policy::from_safetensors(&ours, None).unwrap(), policy);
        }
    }

    #[test]
    fn tensors_that_do_not_fit_are_named_with_both_shapes() {
        let bytes = peer_file("ppo_puzzle8_v1.safetensors");
        let refusal = |header| Policy::from_safetensors(&bytes, header).unwrap_err().to_string();
        assert_eq!(
            refusal(Some(peer_header(16, &[256]))),
            "weights: embeddings.weight: expected shape [512, 256], found [512, 81]"
        );
        assert!(refusal(Some(peer_header(9, &[256, 256]))).contains("common.2.weight"));
        assert!(refusal(Some(peer_header(9, &[]))).contains("[4, 512]"));
        assert!(refusal(None).contains("a config that describes the network"));
        let file = TensorFile::parse(&bytes).unwrap();
        let mut tensors = file.tensors().unwrap();
        tensors.insert("more".into(), tensors["value.0.bias"].clone());
        let message = peer_header(9, &[256]).with_tensors(&tensors).unwrap_err().to_string();
        assert_eq!(
            message,
            "weights: more: expected no tensor of this name in this network, found one of shape [1]"
        );
    }

    #[test]
    fn double_precision_is_narrowed_and_other_types_and_values_are_refused() {
        let bytes = peer_file("ppo_puzzle8_v1.safetensors");
        let file = TensorFile::parse(&bytes).unwrap();
        let read = |dtype, data: &[u8]| {
            let mut tensors = file.tensors().unwrap();
            let view = TensorView::new(dtype, vec![1], data).unwrap();
            tensors.insert("value.0.bias".into(), view);
            peer_header(9, &[256]).with_tensors(&tensors)
        };
        let policy = read(Dtype::F64, &0.25f64.to_le_bytes()).unwrap();
        assert_eq!(policy.parameters.last(), Some(&0.25));
        for (dtype, data) in [
            (Dtype::F16, &[0u8, 0][..]),
            (Dtype::I32, &[0; 4]),
            (Dtype::F32, &f32::NAN.to_le_bytes()),
            (Dtype::F64, &1e300f64.to_le_bytes()),
        ] {
            let message = read(dtype, data).unwrap_err().to_string();
            assert!(message.contains("value.0.bias"), "{message}");
        }
    }

    #[test]
    fn a_network_that_claims_more_than_the_file_holds_is_refused() {
        let mut policy = small();
        let bytes = policy.to_safetensors().unwrap();
        let sizes = MlpSizes {
            embedding_size: 1 << 20,
            common_layers: vec![512],
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Relu,
        };
        let bits = ObservationSpace::SparseBinary { shape: vec![2, 2] };
        policy.network = mlp(bits, ActionSpace::discrete(2), sizes);
        let file = TensorFile::parse(&bytes).unwrap().tensors().unwrap();
        let entry = Some((METADATA_KEY, policy.header().to_metadata().unwrap()));
        let bytes = write_tensors(&file, entry).unwrap();
        let message = Policy::from_safetensors(&bytes, None).unwrap_err().to_string();
        assert!(message.contains("expected shape [1048576, 4], found [3, 4]"), "{message}");
    }

    #[test]
    fn unknown_formats_and_fields_are_refused() {
        let text = small().header().to_metadata().unwrap();
        for (from, to, part) in [
            ("\"format\":1", "\"format\":2", "format 2"),
            ("\"format\":1,", "", "none"),
            ("\"env_cls\"", "\"env_clss\"", "env_clss"),
            ("\"relu\"", "\"gelu\"", "network"),
            ("\"tanh\"", "\"gelu\"", "network.common[0]"),
        ] {
            let result = PolicyHeader::from_metadata(&text.replacen(from, to, 1));
            if text.contains(from) {
                let message = result.unwrap_err().to_string();
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
