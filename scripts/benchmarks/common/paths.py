"""Paths in the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "scripts"
WORKERS = SCRIPTS / "benchmarks/common/workers"
EXAMPLES = ROOT / "examples"
RECORDS = ROOT / "benches/records"
TRAINER = ROOT / "target/release/twisterl-train"
PEER_CONFIG = ROOT / "tests/configs/ppo_puzzle8_v1.peer.json"
PEER_CHECKPOINT = ROOT / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"
