//! Weight files: round trips, the peer's files, and hostile ones.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::policy::network::{Activation, MlpSizes};
use crate::space::symmetry::Symmetry;
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
        symmetry: Symmetry::None,
        backtracking: true,
        scaling: None,
        spaces: None,
        arithmetic: Arithmetic::Fused,
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
            let sizes =
                MlpSizes { embedding_size, common_layers, policy_layers, value_layers, activation };
            let network = mlp(observation, ActionSpace::new(parts).unwrap(), sizes);
            let env = json!({"a": [1, 2.5, null]});
            let policy = Policy::initial(network, "Env", env, vec![], seed).unwrap();
            let arithmetic = [Arithmetic::Fused, Arithmetic::Portable][seed as usize % 2];
            Policy { backtracking: mixed || seed % 2 == 0, arithmetic, ..policy }
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
    for (name, header) in
        [("ppo_puzzle8_v1", peer_header(9, &[256])), ("ppo_puzzle15_v1", peer_header(16, &[256]))]
    {
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
    // A copy of another tensor is what PyTorch writes for a layer with two names.
    tensors.insert("twice".into(), tensors["value.0.bias"].clone());
    peer_header(9, &[256]).with_tensors(&tensors).unwrap();
    let other = [0; 4];
    tensors.insert("more".into(), TensorView::new(Dtype::F32, vec![1], &other).unwrap());
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
        (Dtype::I16, &[0u8, 0][..]),
        (Dtype::F16, &[0, 0x7c]),
        (Dtype::I32, &[0; 4]),
        (Dtype::F32, &f32::NAN.to_le_bytes()),
        (Dtype::F64, &1e300f64.to_le_bytes()),
    ] {
        let message = read(dtype, data).unwrap_err().to_string();
        assert!(message.contains("value.0.bias"), "{message}");
    }
}

/// Returns the weights of the peer's file if each name is `rename`d, and more tensors are added.
fn renamed(rename: impl Fn(&str) -> String, more: &[(&str, Dtype)]) -> Result<Vec<f32>> {
    let bytes = peer_file("ppo_puzzle8_v1.safetensors");
    let tensors = TensorFile::parse(&bytes).unwrap().tensors().unwrap();
    let mut tensors: Tensors<'_> =
        tensors.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
    let data = [0; 8];
    for (name, dtype) in more {
        let data = &data[..dtype.bitsize() / 8];
        tensors.insert((*name).into(), TensorView::new(*dtype, vec![1], data).unwrap());
    }
    parameters_from_tensors(&peer_header(9, &[256]).network, &tensors)
}

#[test]
fn names_with_prefixes_of_wrappers_are_read() {
    let expected = renamed(str::to_owned, &[]).unwrap();
    let counter = ("n_averaged", Dtype::I64);
    let critic = ("critic.weight", Dtype::F32);
    for (prefix, more) in [
        ("module.", &[counter][..]),
        ("_orig_mod.", &[]),
        ("module._orig_mod.", &[]),
        ("_orig_mod.module.", &[]),
        ("_fsdp_wrapped_module._orig_mod.", &[]),
        ("model.", &[]),
        ("model._orig_mod.", &[counter, critic]),
        ("module.policy.net.", &[critic]),
        ("", &[("num_batches_tracked", Dtype::I64), ("mask", Dtype::BOOL)]),
    ] {
        let found = renamed(|name| format!("{prefix}{name}"), more);
        assert_eq!(found.unwrap(), expected, "{prefix}");
    }
    // A layer that was compiled alone.
    let compiled = |name: &str| name.replace("embeddings.", "embeddings._orig_mod.");
    assert_eq!(renamed(compiled, &[]).unwrap(), expected);
}

#[test]
fn names_that_fit_no_network_or_several_are_refused() {
    let refusal =
        |rename: &dyn Fn(&str) -> String, more| renamed(rename, more).unwrap_err().to_string();
    let message = refusal(&|name| format!("x{name}"), &[]);
    assert!(
        message.starts_with(
            "weights: embeddings.weight: expected a tensor of shape [512, 81], found none among 8 \
             tensors (xaction.0.bias, xaction.0.weight, xcommon.0.bias, xcommon.0.weight, ...)"
        ),
        "{message}"
    );
    let twice = refusal(&|name| format!("module.{name}"), &[("value.0.bias", Dtype::F32)]);
    assert!(twice.contains("value.0.bias: expected one tensor of this name, found two"), "{twice}");
    let inside = refusal(&|name| format!("model.{name}"), &[("model.x", Dtype::F32)]);
    assert!(inside.contains("weights: x: expected no tensor of this name"), "{inside}");

    let bytes = peer_file("ppo_puzzle8_v1.safetensors");
    let file = TensorFile::parse(&bytes).unwrap().tensors().unwrap();
    let both = ["model.", "target."].into_iter().flat_map(|prefix| {
        file.iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor.clone()))
    });
    let network = peer_header(9, &[256]).network;
    let message = parameters_from_tensors(&network, &both.collect()).unwrap_err().to_string();
    assert!(message.ends_with("found several, below `model.`, `target.`"), "{message}");
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
        ("\"relu\"", "\"selu\"", "network.common[0]"),
        ("\"tanh\"", "\"selu\"", "network.common[0]"),
    ] {
        let result = PolicyHeader::from_metadata(&text.replacen(from, to, 1));
        if text.contains(from) {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn declared_spaces_read_back_and_have_to_fit_the_network() {
    let mut policy = small();
    policy.network = mlp(
        ObservationSpace::SparseBinary { shape: vec![5] },
        ActionSpace::discrete(2),
        MlpSizes {
            embedding_size: 3,
            common_layers: vec![],
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Relu,
        },
    );
    policy.twists = vec![];
    policy.parameters = vec![0.5; policy.network.parameter_count()];
    let spaces = json!({
        "version": 1,
        "observation": {
            "type": "multi_discrete", "shape": [2], "nvec": [2, 3], "start": [0, 7], "dtype": "int64"
        },
        "action": {"type": "discrete", "n": 2, "start": 1}
    });
    let read = |spaces: &Value| {
        let mut policy = policy.clone();
        policy.spaces = Some(serde_json::from_value(spaces.clone()).unwrap());
        policy.to_safetensors().map(|bytes| (Policy::from_safetensors(&bytes, None), policy))
    };
    let (again, written) = read(&spaces).unwrap();
    assert_eq!(again.unwrap(), written);
    let without = policy.to_safetensors().unwrap();
    assert!(
        !TensorFile::parse(&without).unwrap().metadata(METADATA_KEY).unwrap().contains("spaces")
    );
    // From a file, too, they have to fit.
    let text = written.header().to_metadata().unwrap();
    for (from, to, part) in [
        ("[2,3]", "[2,4]", "spaces.observation: expected a space that is encoded as"),
        ("[2,3]", "[5]", "spaces.observation"),
        ("\"n\":2,\"start\":1", "\"n\":3,\"start\":1", "spaces.action"),
        ("\"version\":1", "\"version\":2", "spaces.version: expected 1"),
        ("multi_discrete", "pickle", "spaces.observation: expected one of `discrete`"),
        ("int64", "O", "spaces.observation"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        let file = TensorFile::parse(&without).unwrap();
        let bytes = write_tensors(&file.tensors().unwrap(), Some((METADATA_KEY, changed))).unwrap();
        let message = Policy::from_safetensors(&bytes, None).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
