"""Makes conv1d_*.pt and conv1d.golden.json beside this file; runs in the published package's own environment."""

import json
from pathlib import Path

import torch
from twisterl.nn.policy import Conv1dPolicy

here = Path(__file__).parent
golden = []
for conv_dim in (0, 1):
    torch.manual_seed(conv_dim)
    policy = Conv1dPolicy([4, 9], 4, 36, conv_dim=conv_dim, common_layers=(16,), policy_layers=(8,))
    torch.save(policy.state_dict(), here / f"conv1d_{conv_dim}.pt")
    for _ in range(20):
        ones = sorted(torch.randperm(36)[:9].tolist())
        observation = torch.zeros(1, 4, 9)
        observation.view(-1)[ones] = 1
        logits, value = policy(observation)
        golden.append({"conv_dim": conv_dim, "ones": ones, "logits": logits[0].tolist(), "value": value.item()})
(here / "conv1d.golden.json").write_text(json.dumps(golden) + "\n")
