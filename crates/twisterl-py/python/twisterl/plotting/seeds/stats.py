"""Statistics over few runs, after Agarwal et al., "Deep RL at the edge of the statistical precipice" (2021).

The interquartile mean drops the lowest and the highest quarter of the scores. It is as robust as the median and uses
more of the data. Its interval comes from a stratified bootstrap: runs are resampled with replacement within each task,
and the statistic is computed over all tasks together. With few runs these intervals tend to be too narrow.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 2000


def trimmed(count: int) -> int:
    """Return how many of ``count`` sorted scores the interquartile mean drops at each end."""
    return count // 4


def iqm(scores: Sequence[float]) -> float:
    """Return the interquartile mean: the mean without a quarter of the scores (rounded down) at each end.

    Infinite scores, of runs that never reached a threshold, make it infinite only if they are not dropped.
    """
    ordered = sorted(scores)
    cut = trimmed(len(ordered))
    return statistics.fmean(ordered[cut : len(ordered) - cut])


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return the ``q``-quantile of sorted values, with linear interpolation between neighbours."""
    position = q * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    if position == low or ordered[low] == ordered[high]:  # also avoids inf - inf
        return ordered[low]
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def stratified_bootstrap(
    strata: Sequence[Sequence[float]],
    statistic: Callable[[Sequence[float]], float] = iqm,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the percentile interval of ``statistic`` over all scores together.

    ``strata`` has the scores of each task, one per run. Each resample draws as many scores from a task as it has.
    Returns None if no task has two runs, because single runs do not show any variation.
    """
    if all(len(scores) < 2 for scores in strata):
        return None
    rng = random.Random(seed)
    found = sorted(
        statistic([score for scores in strata for score in rng.choices(scores, k=len(scores))])
        for _ in range(resamples)
    )
    tail = (1 - confidence) / 2
    return quantile(found, tail), quantile(found, 1 - tail)


@dataclass(frozen=True)
class Summary:
    """One score over the runs of a group."""

    values: Sequence[float]
    median: float
    iqm: float
    interval: tuple[float, float] | None


def summarise(strata: Sequence[Sequence[float]]) -> Summary:
    """Summarise scores given per task; for one task, pass ``[scores]``."""
    values = [score for scores in strata for score in scores]
    return Summary(values, statistics.median(values), iqm(values), stratified_bootstrap(strata))
