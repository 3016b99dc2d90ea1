"""The masked categorical distribution over actions."""

from std.math import exp, log

from ..rng import Rng

comptime LOWEST = Float32.MIN_FINITE
"""The log-probability of a masked action."""


def masked_softmax(logits: MutSpan[Float32, _], mask: Span[Bool, _]):
    """Replaces `logits`, `[actions]`, by the softmax over the entries whose `mask` is true. All others become exactly
    0; all become 0 if no entry is allowed.
    """
    var most = max_allowed(logits, mask)
    var sum = Float32(0)
    for i in range(len(logits)):
        logits[i] = exp(logits[i] - most) if mask[i] else Float32(0)
        sum += logits[i]
    var scale = 1.0 / sum if sum > 0 else Float32(0)
    for i in range(len(logits)):
        logits[i] *= scale


def masked_log_softmax(logits: MutSpan[Float32, _], mask: Span[Bool, _]):
    """Replaces `logits`, `[actions]`, by the log-softmax over the entries whose `mask` is true. All others become
    `LOWEST`.
    """
    var most = max_allowed(logits, mask)
    var sum = Float32(0)
    for i in range(len(logits)):
        if mask[i]:
            sum += exp(logits[i] - most)
    var normaliser = most + log(sum)
    for i in range(len(logits)):
        logits[i] = logits[i] - normaliser if mask[i] else LOWEST


def max_allowed(logits: Span[Float32, _], mask: Span[Bool, _]) -> Float32:
    """Returns the highest allowed logit."""
    var most = LOWEST
    for i in range(len(logits)):
        if mask[i]:
            most = max(most, logits[i])
    return most


def sample(probabilities: Span[Float32, _], mut rng: Rng) -> Int:
    """Draws an index with these probabilities, which sum to about 1. Entries of probability 0 are never drawn unless
    all are 0; then the result is 0.
    """
    var left = rng.uniform()
    var last = 0
    for i in range(len(probabilities)):
        if probabilities[i] > 0:
            last = i
            left -= probabilities[i]
            if left < 0:
                break
    return last


def argmax(values: Span[Float32, _]) -> Int:
    """Returns the position of the first of the highest entries; 0 if there is none."""
    var best = 0
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
    return best
