#!/usr/bin/env python3
"""Writes distributions.json: log-densities and entropies of actions by scipy, for the tests of core.

Needs scipy and numpy: `python tests/vectors/make_distributions.py`.
"""

import json
from pathlib import Path

import numpy as np
from scipy import integrate, stats

RANDOM = np.random.default_rng(7)
CASES_EACH = 12


def single(number):
    """As the test reads it: in single precision."""
    return float(np.float32(number))


def numbers(low, high):
    return {"type": "continuous", "low": [low], "high": [high], "shape": [1]}


def gaussian(kind, log_std, init):
    return {"type": kind, "log_std": log_std, "log_std_init": init, "log_std_min": -5.0, "log_std_max": 2.0}


def categorical():
    n = int(RANDOM.integers(2, 7))
    logits = [single(z) for z in RANDOM.normal(0, 2, n)]
    choice = int(RANDOM.integers(n))
    mask = [bool(allowed) for allowed in RANDOM.random(n) < 0.7]
    mask[choice] = True
    weights = np.where(mask, np.exp(np.array(logits) - max(logits)), 0.0)
    law = stats.rv_discrete(values=(np.arange(n), weights / weights.sum()))
    return {
        "space": {"type": "discrete", "n": n},
        "distribution": {"type": "categorical"},
        "head": logits,
        "shared": [],
        "mask": mask,
        "choices": [choice],
        "values": [],
        "log_prob": float(law.logpmf(choice)),
        "entropy": float(law.entropy()),
    }


def bernoulli():
    n = int(RANDOM.integers(1, 5))
    logits = [single(z) for z in RANDOM.normal(0, 3, n)]
    bits = [int(bit) for bit in RANDOM.integers(0, 2, n)]
    free = [bool(allowed) for allowed in RANDOM.random(n) < 0.7]
    mask = [allowed for bit, both in zip(bits, free, strict=True) for allowed in (both or bit == 0, both or bit == 1)]
    laws = [stats.bernoulli(1 / (1 + np.exp(-z))) if both else None for z, both in zip(logits, free, strict=True)]
    return {
        "space": {"type": "binary", "n": n},
        "distribution": {"type": "bernoulli"},
        "head": logits,
        "shared": [],
        "mask": mask,
        "choices": bits,
        "values": [],
        "log_prob": float(sum(law.logpmf(bit) for law, bit in zip(laws, bits, strict=True) if law)),
        "entropy": float(sum(law.entropy() for law in laws if law)),
    }


def normal(squashed):
    state = bool(RANDOM.integers(2))
    mean, raw = single(RANDOM.normal(0, 1.5)), single(RANDOM.normal(0, 0.7))
    std = np.exp(-0.25 + raw)
    law = stats.norm(mean, std)
    drawn = single(law.rvs(random_state=RANDOM))
    low, high = (single(-3.0), single(5.0)) if squashed else (single(-1.0), single(1.0))
    log_prob, entropy = law.logpdf(drawn), law.entropy()
    if squashed:
        # The density of a = low + (high - low) / 2 (tanh u + 1) is that of u over da / du.
        def log_slope(u):
            return np.log((high - low) / 2) - 2 * np.log(np.cosh(u))

        log_prob -= log_slope(drawn)
        reach = 12 * std
        entropy += integrate.quad(
            lambda u: law.pdf(u) * log_slope(u), mean - reach, mean + reach, epsabs=1e-10, limit=400
        )[0]
    return {
        "space": numbers(low, high),
        "distribution": gaussian(
            "squashed_gaussian" if squashed else "gaussian", "state" if state else "shared", -0.25
        ),
        "head": [mean, raw] if state else [mean],
        "shared": [] if state else [raw],
        "mask": [],
        "choices": [],
        "values": [drawn],
        "log_prob": float(log_prob),
        "entropy": float(entropy),
    }


def main():
    makers = [categorical, bernoulli, lambda: normal(False), lambda: normal(True)]
    cases = [make() for make in makers for _ in range(CASES_EACH)]
    file = Path(__file__).with_name("distributions.json")
    file.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
