"""Files of weights as people make them: read to the same policy, or named for what they are."""

import collections
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pt_files
import pytest
import twisterl
from pt_files import Call, Name, Storage, Tensor, named, parameter
from safetensors.numpy import load_file, save_file

BOARD = [1, 0, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture(scope="module")
def weights(root):
    return load_file(root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors")


@pytest.fixture(scope="module")
def config(root):
    return root / "tests/configs/ppo_puzzle8_v1.peer.json"


@pytest.fixture(scope="module")
def policy(root, config):
    return twisterl.load_policy(root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors", config)


def equal(found, expected):
    assert found.weights().keys() == expected.weights().keys()
    for name, values in expected.weights().items():
        np.testing.assert_array_equal(found.weights()[name], values, name)


def flat(weights):
    """Slices of one storage, as of a vector of all parameters."""
    values = np.concatenate([array.ravel() for array in weights.values()]).astype("<f4")
    storage = Storage("FloatStorage", values)
    ends = itertools.accumulate((array.size for array in weights.values()), initial=0)
    return {
        name: Tensor(storage, offset, array.shape, pt_files.strides(array.shape))
        for (name, array), offset in zip(weights.items(), ends, strict=False)
    }


def column_major(weights):
    made = {}
    for i, (name, array) in enumerate(weights.items()):
        storage = Storage("FloatStorage", array.T.astype("<f4").ravel(), str(i))
        made[name] = Tensor(storage, 0, array.shape, pt_files.strides(array.shape[::-1])[::-1])
    return made


def with_versions(weights):
    """A state dictionary as `Module.state_dict` returns it, with versions of modules attached."""
    state = collections.OrderedDict(named(weights))
    return Call(Name("collections", "OrderedDict"), (list(state.items()),), {"_metadata": {"": {"version": 1}}})


def prefixed(prefix):
    return lambda weights: {f"{prefix}{name}": tensor for name, tensor in named(weights).items()}


def checkpoint(weights):
    moments = {0: {"step": 3, "exp_avg": named({"m": np.ones(4)})["m"]}}
    return {
        "epoch": 3,
        "model_state_dict": named(weights),
        "optimizer_state_dict": {"state": moments, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        "loss": 0.25,
    }


def lightning(weights):
    hyper = Call(Name("argparse", "Namespace"), (), {"lr": 0.1})
    state = {f"model._orig_mod.{name}": tensor for name, tensor in named(weights).items()}
    state["loss.weight"] = named({"w": np.ones(3)})["w"]
    return {"pytorch-lightning_version": "2.4.0", "state_dict": state, "hyper_parameters": hyper, "callbacks": {}}


MADE = {
    "plain": named,
    "ordered": lambda weights: collections.OrderedDict(named(weights)),
    "with versions": with_versions,
    "one storage": flat,
    "column-major": column_major,
    "parameters": lambda weights: {name: parameter(tensor) for name, tensor in named(weights).items()},
    "double": lambda weights: named(weights, "DoubleStorage"),
    "cuda": lambda weights: {
        name: Tensor(Storage("FloatStorage", t.storage.values, t.storage.key, "torch.cuda"), 0, t.size, t.stride)
        for name, t in named(weights).items()
    },
    "_rebuild_tensor": lambda weights: {
        name: Tensor(t.storage, 0, t.size, t.stride, "_rebuild_tensor") for name, t in named(weights).items()
    },
    "state_dict": lambda weights: {"state_dict": named(weights)},
    "model": lambda weights: {"model": named(weights), "step": 7},
    "policy": lambda weights: {"policy": named(weights), "optimizer": {}},
    "module.": prefixed("module."),
    "_orig_mod.": prefixed("_orig_mod."),
    "module._orig_mod.": prefixed("module._orig_mod."),
    "_orig_mod.module.": prefixed("_orig_mod.module."),
    "model.": prefixed("model."),
    "counter": lambda weights: {**named(weights), **named({"steps": np.array([3])}, "LongStorage"), "note": "x"},
    "checkpoint": checkpoint,
    "lightning": lightning,
}


@pytest.mark.parametrize("name", MADE)
def test_files_as_people_make_them_give_the_same_policy(tmp_path, weights, config, policy, name):
    made = MADE[name](weights)
    for file, content in {
        "a.pt": pt_files.archive(made),
        "b.bin": pt_files.archive(made, folder="epoch 3/"),
        "c": pt_files.legacy(made),
    }.items():
        equal(twisterl.load_policy(pt_files.write(tmp_path / file, content), config), policy)


@pytest.mark.parametrize("protocol", range(1, 6))
def test_every_protocol_of_pickles_is_read(tmp_path, weights, config, policy, protocol):
    made = with_versions(weights) if protocol % 2 else checkpoint(weights)
    for content in (pt_files.archive(made, "", protocol), pt_files.archive(made, "a/", protocol, big_endian=True)):
        equal(twisterl.load_policy(pt_files.write(tmp_path / "a.ckpt", content), config), policy)
    if protocol < 4:  # the old format is older than protocol 4; protocol 0 cannot describe storages
        equal(twisterl.load_policy(pt_files.write(tmp_path / "b", pt_files.legacy(made, protocol)), config), policy)


@pytest.mark.parametrize("kind", ["HalfStorage", "BFloat16Storage"])
def test_half_precision_is_widened(tmp_path, weights, config, kind):
    made = named(weights, kind)
    found = twisterl.load_policy(pt_files.write(tmp_path / "half.pt", pt_files.archive(made)), config).weights()
    for name, tensor in made.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert np.abs(found[name] - weights[name]).max() < 0.01


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_safetensors_of_other_precisions(tmp_path, weights, config, dtype):
    save_file({name: array.astype(dtype) for name, array in weights.items()}, tmp_path / "a.safetensors")
    found = twisterl.load_policy(tmp_path / "a.safetensors", config).weights()
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array.astype(dtype).astype("f4"))


def test_helpers_of_the_peer_read_the_same(tmp_path, weights):
    made = {"state_dict": {**named(weights), **named({"steps": np.array([2**24])}, "LongStorage")}}
    path = pt_files.write(tmp_path / "a.pth", pt_files.legacy(made))
    found = twisterl.utils.load_checkpoint(str(path))
    np.testing.assert_array_equal(found.pop("steps"), [2.0**24])
    assert found.keys() == weights.keys()
    written = twisterl.utils.convert_pt_to_safetensors(str(path))
    for name, array in load_file(written).items():
        np.testing.assert_array_equal(array, made["state_dict"][name].storage.values.reshape(array.shape))


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return out.getvalue()


NET = Call(Name("my_models", "Net"), (), {"training": True, "_modules": {}})
ONE = named({"w": np.ones(2)})["w"]
FOREIGN = {
    "module": (pt_files.archive(NET), "an object of my_models.Net, whose code is not run"),
    "old module": (pt_files.legacy(NET), "an object of my_models.Net, whose code is not run"),
    "call": (pt_files.archive({"w": Call(Name("os", "system"), ("touch MARK",))}), "an object of os.system"),
    "tensor": (pt_files.archive(ONE), "a single tensor"),
    "list": (pt_files.archive([ONE]), "a list without names"),
    "none": (pt_files.archive({"epoch": 3}), "a dictionary without tensors, with `epoch`"),
    "several": (pt_files.archive({"actor": {"w": ONE}, "critic": {"w": ONE}}), "several: `actor`, `critic`"),
    "torchscript": (zipped("m/constants.pkl", "m/code/a.py", "m/data.pkl"), "a TorchScript archive"),
    "npz": (zipped("w.npy"), "a NumPy archive"),
    "sb3": (zipped("policy.pth", "data"), "an archive of Stable-Baselines3"),
    "pickle": (b"\x80\x04\x95\x00\x00\x00\x00", "a Python pickle that torch.save did not write"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
    "html": (b"<!doctype html>\n<html>", "a web page in place of the file"),
    "gz": (b"\x1f\x8b\x08\x00", "a gzip file"),
    "h5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "onnx": (b"\x08\x08\x12\x07pytorch", "an ONNX model"),
    "empty": (b"", "an empty file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_named_with_their_path_and_without_backtrace(tmp_path, config, name):
    content, found = FOREIGN[name]
    for file in ("a.pt", "a.safetensors", "a"):
        path = pt_files.write(tmp_path / file, content)
        with pytest.raises(twisterl.CheckpointError) as error:
            twisterl.load_policy(path, config)
        assert found in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_messages_have_no_backtraces_where_backtraces_are_on(tmp_path, config):
    path = pt_files.write(tmp_path / "a.pt", pt_files.archive({"w": ONE})[:-30])
    code = f"import twisterl\ntwisterl.load_policy({str(path)!r}, {str(config)!r})"
    env = {**os.environ, "RUST_BACKTRACE": "1", "RUST_LIB_BACKTRACE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"twisterl.errors.CheckpointError: {path}: expected")
    assert "candle" not in done.stderr


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_files_that_are_too_long_or_of_another_kind_are_refused_at_once(tmp_path, root, config):
    run = tmp_path / "run"
    shutil.copytree(root / "tests/data/runs_of_0_1/ppo", run)
    pipe = tmp_path / "pipe.pt"
    os.mkfifo(pipe)
    huge = 1 << 42
    for call, found in [
        (lambda: twisterl.load_policy(sparse(tmp_path / "a.pt", huge), config), "at most 1 GiB, found 4398046511104"),
        (lambda: twisterl.load_policy(sparse(tmp_path / "a.safetensors", huge), config), "at most 1 GiB"),
        (lambda: twisterl.load_policy(root / "a.pt", sparse(tmp_path / "c.json", huge)), "found nothing"),
        (lambda: twisterl.load_policy(pipe, config), "expected a regular file, found a named pipe"),
        (lambda: twisterl.load_policy("/dev/zero", config), "expected a regular file, found a device"),
        (lambda: twisterl.train(sparse(tmp_path / "c.json", huge)), "at most 1 MiB, found 4398046511104 bytes"),
        (lambda: twisterl.train(pipe), "expected a regular file, found a named pipe"),
        (lambda: twisterl.Run(run).config, "at most 1 MiB"),
        (lambda: twisterl.Run(run).iterations(), "at most 1073741824 bytes"),
        (lambda: twisterl.plotting.load_run(run), "found 4398046511104 bytes"),
    ]:
        sparse(run / "config.json", huge)
        sparse(run / "metrics.jsonl", huge)
        with pytest.raises((twisterl.TwisteRLError, twisterl.plotting.PlotError)) as error:
            call()
        assert found in str(error.value)
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    with pytest.raises(twisterl.CheckpointError, match="a named pipe"):
        twisterl.Run(run).iterations()


def test_repeated_keys_are_refused_and_marks_are_skipped_in_python_too(tmp_path, root):
    run = tmp_path / "run"
    shutil.copytree(root / "tests/data/runs_of_0_1/ppo", run)
    text = (run / "config.json").read_text()
    given = json.loads(text)
    (run / "config.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert twisterl.Run(run).config == given
    assert twisterl.plotting.load_run(run).config == given
    assert twisterl.utils.load_config(str(run / "config.json")) == given
    repeated = '{"env_cls": "Puzzle", "env": {"width": 2, "width": 3}}'
    (run / "config.json").write_text(repeated)
    for call in (
        lambda: twisterl.Run(run).config,
        lambda: twisterl.plotting.load_run(run),
        lambda: twisterl.utils.load_config(str(run / "config.json")),
        lambda: twisterl.train(run / "config.json"),
    ):
        with pytest.raises(
            (twisterl.ConfigError, twisterl.plotting.PlotError), match=r"once, found `env\.width` twice"
        ):
            call()
    (run / "config.json").write_bytes(text.encode("utf-16"))
    with pytest.raises(twisterl.ConfigError, match=r"found UTF-16 \(save the file as UTF-8\)"):
        twisterl.train(run / "config.json")


class Lying:
    """A sequence of `items` that claims another length."""

    def __init__(self, length, items):
        self.length, self.items = length, items

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        raise IndexError

    def __iter__(self):
        return iter(self.items)


class LyingList(list):
    def __len__(self):
        return 2**40

    def __iter__(self):
        return itertools.count()


class Monster:
    def __array__(self, dtype=None, copy=None):
        return np.broadcast_to(np.float32(0), (10**12,))


def nested(depth):
    value = [0.0]
    for _ in range(depth):
        value = [value]
    return value


def looped():
    value = []
    value.append(value)
    return value


def repeated_lists():
    value = [0.5] * 1000
    for _ in range(8):
        value = [value] * 1000
    return value


MONSTERS = {
    "range": (lambda: range(10**12), "at most 16777216 numbers, found range of length 1000000000000"),
    "length": (lambda: Lying(2**40, [0] * 9), "at most 16777216 numbers"),
    "endless": (lambda: Lying(9, itertools.count()), "9 items, as its length says, found more"),
    "list": (lambda: LyingList([1]), "at most 16777216 numbers"),
    "array": (Monster, "at most 16777216 numbers, found Monster"),
    "broadcast": (lambda: np.broadcast_to(np.float64(0), (10**12,)), "at most 16777216 numbers"),
    "deep": (lambda: nested(5000), "at most 32 nested levels"),
    "loop": (looped, "at most 32 nested levels"),
    "laughs": (repeated_lists, "at most 16777216 numbers"),
}


@pytest.mark.parametrize("name", MONSTERS)
def test_conversions_are_bounded(policy, name):
    make, found = MONSTERS[name]
    with pytest.raises(twisterl.ObservationError) as error:
        policy.predict(make())
    assert found in str(error.value)
    for call in (policy.solve, lambda state: policy.predict_batch([state]), lambda state: policy.evaluate([state])):
        with pytest.raises((twisterl.ObservationError, twisterl.StateError)):
            call(make())


@pytest.mark.parametrize("name", MONSTERS)
def test_masks_are_bounded(policy, name):
    with pytest.raises(twisterl.ObservationError, match="mask: expected 4 booleans") as error:
        policy.predict(BOARD, MONSTERS[name][0]())
    assert len(str(error.value)) < 500


def test_batches_are_bounded(policy):
    with pytest.raises(twisterl.ObservationError, match=r"observations: expected at most 16777216 rows, found range"):
        policy.predict_batch(range(10**12))
    with pytest.raises(twisterl.ObservationError, match="at most 268435456 numbers at a time"):
        policy.predict_batch(np.broadcast_to(np.float64(0), (10**10, 81)))
