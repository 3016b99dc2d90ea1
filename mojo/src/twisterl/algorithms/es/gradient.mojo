"""The gradient estimate of evolution strategies: a weighted sum of perturbations."""

from ...parallel import Job, run_all, unowned
from .perturbation import PerturbationKey, PerturbationLayout

comptime SLICE = 64
"""Pairs whose perturbations one job sums. Fixed, so that results do not depend on the number of threads."""


def estimate_gradient(
    layout: PerturbationLayout, key: PerturbationKey, shaped: List[Float64], sigma: Float64, threads: Int
) raises -> List[Float32]:
    """Returns `1 / (n sigma) sum of (u(2p) - u(2p+1)) E(p)` over the pairs `p` of the `n` members,
    `[layout.num_weights]`.

    `u` is shaped fitness, `[n]`, and `E` the perturbation. If `u` is plain fitness, this estimates the gradient of the
    population's mean fitness.
    """
    var scale = 1.0 / (Float64(len(shaped)) * sigma)
    var slices = List[GradientSlice]()
    for first in range(0, len(shaped) // 2, SLICE):
        var slice = GradientSlice(first, key, unowned(layout))
        for pair in range(first, min(first + SLICE, len(shaped) // 2)):
            slice.shares.append(((shaped[2 * pair] - shaped[2 * pair + 1]) * scale).cast[DType.float32]())
        slices.append(slice^)
    run_all(slices, threads)
    _ = layout.rank  # keeps the layout alive until all threads have ended
    var gradient = List[Float32](length=layout.num_weights, fill=0)
    for slice in slices:
        for i in range(len(gradient)):
            gradient.unsafe_get(i) += slice.sum.unsafe_get(i)
    return gradient^


struct GradientSlice(Job):
    """The weighted sum of some perturbations."""

    var first: Int
    """The number of the first perturbation."""
    var key: PerturbationKey
    var layout: Pointer[PerturbationLayout, ImmUntrackedOrigin]
    var shares: List[Float32]
    """The weight of each perturbation."""
    var sum: List[Float32]
    """The result, `[layout.num_weights]`."""

    def __init__(out self, first: Int, key: PerturbationKey, layout: Pointer[PerturbationLayout, ImmUntrackedOrigin]):
        """Creates a sum without terms."""
        self.first = first
        self.key = key
        self.layout = layout
        self.shares = List[Float32]()
        self.sum = List[Float32]()

    def run(mut self) raises:
        """Computes the sum."""
        ref layout = self.layout[]
        var noise = List[Float32]()
        self.sum.resize(layout.num_weights, 0)
        for i in range(len(self.shares)):
            layout.draw(self.key, UInt64(self.first + i), noise)
            layout.add(noise, self.shares[i], self.sum)
