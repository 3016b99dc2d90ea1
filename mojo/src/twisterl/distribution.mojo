"""The masked categorical distribution over the choices of an action."""

from std.math import exp, log

from .rng import Rng

comptime LOWEST = Float32.MIN_FINITE


def masked_softmax(logits: MutSpan[Float32, _], mask: Span[Bool, _]):
    """Replaces `logits` by the softmax over the entries whose `mask` is true; all others become exactly 0. Where no
    entry is allowed, all become 0.
    """
    var most = highest(logits, mask)
    var sum = Float32(0)
    for i in range(len(logits)):
        logits[i] = exp(logits[i] - most) if mask[i] else Float32(0)
        sum += logits[i]
    var scale = 1.0 / sum if sum > 0 else Float32(0)
    for i in range(len(logits)):
        logits[i] *= scale


def masked_log_softmax(logits: MutSpan[Float32, _], mask: Span[Bool, _]):
    """Replaces `logits` by the logarithm of the softmax over the entries whose `mask` is true; all others become the
    lowest number.
    """
    var most = highest(logits, mask)
    var sum = Float32(0)
    for i in range(len(logits)):
        if mask[i]:
            sum += exp(logits[i] - most)
    var normaliser = most + log(sum)
    for i in range(len(logits)):
        logits[i] = logits[i] - normaliser if mask[i] else LOWEST


def highest(logits: Span[Float32, _], mask: Span[Bool, _]) -> Float32:
    """The highest logit that is allowed."""
    var most = LOWEST
    for i in range(len(logits)):
        if mask[i]:
            most = max(most, logits[i])
    return most


def sample(probabilities: Span[Float32, _], mut rng: Rng) -> Int:
    """An index drawn with these probabilities, which sum to about 1. Entries of probability 0 are never drawn unless all
    are 0; then it is the first.
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
    """The first of the highest entries; 0 of none."""
    var best = 0
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
    return best
