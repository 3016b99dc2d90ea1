//! Files as people make them are read; hostile and foreign ones are refused. `tests/test_pt.py` compares with Python's own
//! unpickler.
#![allow(clippy::unwrap_used)]

mod hostile;
mod writer;

use super::*;
use std::io::Cursor;
use std::path::PathBuf;
use twisterl_core::policy::weights::tensors::TensorFile;
use writer::Py::*;
use writer::*;

fn peer(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/peer").join(name)
}

/// Reads a file as [`PtFile::read`] does.
fn read(bytes: &[u8]) -> std::result::Result<PtFile, String> {
    let length = bytes.len() as u64;
    let head = &bytes[..bytes.len().min(512)];
    match Format::of(head, length) {
        Format::Zip => PtFile::from_archive(Cursor::new(bytes), length),
        Format::LegacyPt => PtFile::from_legacy(bytes),
        other => Err(Refusal::new("a file written by torch.save", other)),
    }
    .map_err(|r| format!("expected {}, found {}", r.expected, r.found))
}

/// Returns an archive of `object` and the storage `0`.
fn file(object: &Py, values: &[u8]) -> Vec<u8> {
    archive(&[("a/data.pkl", &pickle(object)), ("a/data/0", values), ("a/version", b"3\n")])
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn zero_to(count: u8) -> Vec<u8> {
    floats(&(0..count).map(f32::from).collect::<Vec<_>>())
}

/// Returns the values of the tensor `w` of single precision.
fn w(bytes: &[u8]) -> Vec<f32> {
    let file = read(bytes).unwrap();
    let tensor = &file.tensors["w"];
    assert_eq!(tensor.dtype, Dtype::F32);
    tensor.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn f32_storage(count: i32) -> Py {
    storage("FloatStorage", "0", count)
}

#[test]
fn both_formats_of_the_peer_hold_the_same_tensors() {
    for name in ["ppo_puzzle8_v1", "ppo_puzzle15_v1"] {
        let pt = PtFile::read(&peer(&format!("{name}.pt"))).unwrap();
        let bytes = std::fs::read(peer(&format!("{name}.safetensors"))).unwrap();
        let file = TensorFile::parse(&bytes).unwrap();
        assert_eq!(pt.tensors().unwrap(), file.tensors().unwrap());
    }
}

#[test]
fn tensors_are_views_of_their_storage() {
    for (offset, size, stride, expected) in [
        (2, &[2, 2][..], &[2, 1][..], &[2.0, 3.0, 4.0, 5.0][..]),
        (0, &[2, 3], &[1, 2], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]), // column-major
        (1, &[2, 2], &[4, 2], &[1.0, 3.0, 5.0, 7.0]),           // every other column
        (7, &[3], &[0], &[7.0, 7.0, 7.0]),                      // expanded
        (3, &[], &[], &[3.0]),
        (8, &[0, 4], &[4, 1], &[]),
        (0, &[1, 2, 1, 2], &[9, 2, 7, 1], &[0.0, 1.0, 2.0, 3.0]), // strides of axes of one value
    ] {
        let state = dict([("w", tensor(f32_storage(8), offset, size, stride))]);
        assert_eq!(w(&file(&state, &zero_to(8))), expected, "{size:?} {stride:?}");
        let legacy = legacy(&state, &[("0", 8, &zero_to(8))]);
        assert_eq!(w(&legacy), expected, "{size:?} {stride:?}");
    }
}

#[test]
fn a_shared_storage_counts_once() {
    // A thousand slices of one storage of 256 KiB, as of one flat vector of parameters.
    let values = vec![0; 1 << 18];
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let slices = NAMES.map(|name| (name, tensor(f32_storage(1 << 16), 1 << 14, &[1 << 15], &[1])));
    let found = read(&file(&dict(slices), &values)).unwrap();
    assert!(found.tensors.values().all(|tensor| tensor.bytes.len() == 1 << 17));
    assert_eq!(found.tensors.len(), 4);
}

#[test]
fn state_dictionaries_are_found_where_people_put_them() {
    let weights = || dict([("w", tensor(f32_storage(1), 0, &[1], &[1]))]);
    let moments = || dict([("0", dict([("exp_avg", tensor(f32_storage(1), 0, &[1], &[1]))]))]);
    let optimizer = || dict([("state", moments()), ("param_groups", List(vec![]))]);
    let ordered = call("collections", "OrderedDict", vec![]);
    let loss = || tensor(f32_storage(1), 0, &[], &[]);
    for state in [
        dict([("state_dict", weights())]),
        dict([("model", weights()), ("optimizer", optimizer()), ("epoch", Int(3))]),
        dict([("model_state_dict", weights()), ("loss", loss())]),
        dict([("policy", weights())]),
        dict([("my_weights", weights()), ("optim_state", optimizer())]),
        dict([("checkpoint", dict([("model", weights())]))]),
        dict([
            ("pytorch-lightning_version", Text("2.4.0")),
            ("hyper_parameters", call("my.config", "Config", vec![])),
            ("state_dict", weights()),
        ]),
        dict([("w", loss()), ("version", Int(2)), ("note", None)]),
        Built(Box::new(weights()), Box::new(dict([("_metadata", ordered)]))),
    ] {
        assert_eq!(w(&file(&state, &floats(&[1.5]))), [1.5]);
    }
    // Parameters, and tensors with attributes.
    let inner = || tensor(f32_storage(1), 0, &[1], &[1]);
    let hooks = || call("collections", "OrderedDict", vec![]);
    let Call(_, args) = inner() else { unreachable!() };
    for value in [
        call("torch._utils", "_rebuild_parameter", vec![inner(), Bool(true), hooks()]),
        call(
            "torch._utils",
            "_rebuild_parameter_with_state",
            vec![inner(), Bool(true), hooks(), dict([("tag", Int(1))])],
        ),
        call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            vec![
                Global("torch._utils", "_rebuild_tensor_v2"),
                Global("torch", "Tensor"),
                Tuple(args),
                dict([("tag", Int(1))]),
            ],
        ),
    ] {
        assert_eq!(w(&file(&dict([("w", value)]), &floats(&[1.5]))), [1.5]);
    }
}

#[test]
fn every_type_of_number_keeps_its_type() {
    for (class, dtype) in [
        ("FloatStorage", Dtype::F32),
        ("DoubleStorage", Dtype::F64),
        ("HalfStorage", Dtype::F16),
        ("BFloat16Storage", Dtype::BF16),
        ("LongStorage", Dtype::I64),
        ("IntStorage", Dtype::I32),
        ("ShortStorage", Dtype::I16),
        ("CharStorage", Dtype::I8),
        ("ByteStorage", Dtype::U8),
        ("BoolStorage", Dtype::BOOL),
    ] {
        let state = dict([("w", tensor(storage(class, "0", 2), 0, &[2], &[1]))]);
        let width = dtype.bitsize() / 8;
        let values: Vec<u8> = (0..2 * width as u8).collect();
        let found = &read(&file(&state, &values)).unwrap().tensors["w"];
        assert_eq!((found.dtype, &found.bytes), (dtype, &values));
        // A machine with the other byte order writes the bytes of each value the other way round.
        let mut swapped = values.clone();
        swapped.chunks_mut(width).for_each(<[u8]>::reverse);
        let entries =
            [("data.pkl", &pickle(&state)[..]), ("data/0", &swapped), ("byteorder", b"big")];
        assert_eq!(read(&archive(&entries)).unwrap().tensors["w"].bytes, values);
    }
    // Newer types name the type of a tensor beside an untyped storage.
    let id = vec![
        Text("storage"),
        Global("torch.storage", "UntypedStorage"),
        Text("0"),
        Text("cpu"),
        Int(4),
    ];
    let args = vec![
        Persistent(Box::new(Tuple(id))),
        Int(0),
        ints(&[2]),
        ints(&[1]),
        Bool(false),
        None,
        Global("torch", "uint16"),
        None,
    ];
    let state = dict([("w", call("torch._utils", "_rebuild_tensor_v3", args))]);
    let found = &read(&file(&state, &[1, 2, 3, 4])).unwrap().tensors["w"];
    assert_eq!((found.dtype, &found.bytes[..]), (Dtype::U16, &[1, 2, 3, 4][..]));
}

#[test]
fn archives_have_any_folder_and_files_any_name() {
    let state = pickle(&dict([("w", tensor(f32_storage(1), 0, &[1], &[1]))]));
    let folder = tempfile::tempdir().unwrap();
    for (inner, name) in [("archive/", "a.pt"), ("", "a.bin"), ("a b/c/", "noextension")] {
        let path = folder.path().join(name);
        let entries = [
            (format!("{inner}data.pkl"), state.clone()),
            (format!("{inner}data/0"), floats(&[2.5])),
            (format!("{inner}.data/serialization_id"), b"1".to_vec()),
        ];
        let entries: Vec<_> = entries.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
        std::fs::write(&path, archive(&entries)).unwrap();
        assert_eq!(PtFile::read(&path).unwrap().tensors["w"].bytes, floats(&[2.5]));
    }
}

#[test]
fn old_files_have_parts_of_storages() {
    let view = Tuple(vec![Text("view"), Int(1), Int(2)]);
    let id = vec![
        Text("storage"),
        Global("torch.cuda", "FloatStorage"),
        Text("0"),
        Text("cuda:0"),
        Int(4),
        view,
    ];
    let part = Persistent(Box::new(Tuple(id)));
    let args = vec![part, Int(1), ints(&[1]), ints(&[1])];
    let state = dict([("w", call("torch._utils", "_rebuild_tensor", args))]);
    assert_eq!(w(&legacy(&state, &[("0", 4, &zero_to(4))])), [2.0]);
}

#[test]
fn foreign_files_are_named() {
    let net = || call("my.models", "Net", vec![]);
    let weight = || tensor(f32_storage(1), 0, &[1], &[1]);
    for (object, found) in [
        (net(), "found an object of my.models.Net, whose code is not run"),
        (
            Built(Box::new(net()), Box::new(dict([("_modules", dict([]))]))),
            "found an object of my.models.Net, whose code is not run",
        ),
        (
            dict([("w", call("posix", "system", vec![Text("touch x")]))]),
            "expected w to be a tensor, found an object of posix.system, whose code is not run",
        ),
        (
            dict([("model", net()), ("epoch", Int(1))]),
            "expected model to be a tensor, found an object of my.models.Net",
        ),
        (weight(), "found a single tensor"),
        (List(vec![weight()]), "found a list without names"),
        (dict([]), "found an empty dictionary"),
        (dict([("epoch", Int(1))]), "found a dictionary without tensors, with `epoch`"),
        (
            dict([("actor", dict([("w", weight())])), ("critic", dict([("w", weight())]))]),
            "expected one state dictionary, found several: `actor`, `critic` (save one of them alone)",
        ),
        (
            dict([("w", call("torch._utils", "_rebuild_sparse_tensor", vec![]))]),
            "expected w to be a dense tensor, found a sparse one (call .to_dense() before you save it)",
        ),
        (
            dict([("w", call("torch._utils", "_rebuild_qtensor", vec![]))]),
            "found a quantized one (call .dequantize() before you save it)",
        ),
        (
            dict([("w", tensor(storage("ComplexFloatStorage", "0", 1), 0, &[1], &[1]))]),
            "expected w of numbers, found torch.ComplexFloatStorage",
        ),
    ] {
        let message = read(&file(&object, &[0; 8])).unwrap_err();
        assert!(message.contains(found), "{message}\n{found}");
    }
    for (names, found) in [
        (&["m/constants.pkl", "m/code/net.py", "m/data.pkl"][..], "a TorchScript archive"),
        (&["w.npy"], "a NumPy archive"),
        (&["model.weights.h5", "config.json"], "a Keras model"),
        (&["data", "policy.pth"], "an archive of Stable-Baselines3"),
        (&["x/model.pt"], "an archive of other files of weights (unpack it)"),
        (&["b"], "expected a data.pkl"),
    ] {
        let entries: Vec<_> = names.iter().map(|name| (*name, &b""[..])).collect();
        let message = read(&archive(&entries)).unwrap_err();
        assert!(message.contains(found), "{message}");
    }
}
