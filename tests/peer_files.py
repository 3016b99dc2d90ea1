"""Files of the published package."""

import shutil


def copy_checkpoint(root, folder, name="ppo_puzzle8_v1", ending="safetensors"):
    """Copy a checkpoint into a folder, with its config beside it under the same name."""
    file = folder / f"{name}.{ending}"
    shutil.copyfile(root / "tests/vectors/peer" / file.name, file)
    shutil.copyfile(root / f"tests/configs/{name}.peer.json", file.with_suffix(".json"))
    return file
