"""The matrix product of the forward and backward passes, vectorized for the processor at hand."""

from std.math import fma
from std.sys import simd_width_of

comptime LANES = simd_width_of[DType.float32]()
"""Single-precision numbers of a vector."""
comptime TILE_ROWS = 4
"""Rows of a register tile."""
comptime TILE_VECTORS = 4
"""Vectors in a row of a register tile."""


@fieldwise_init
struct Strided[mut: Bool, //, origin: Origin[mut=mut]](ImplicitlyCopyable, Movable):
    """A matrix in memory: element (i, j) is at `data + i * row + j * column`."""

    var data: Pointer[Float32, Self.origin]
    var row: Int
    var column: Int


@always_inline
def product(rows: Int, columns: Int, depth: Int, a: Strided, b: Strided, c: Strided[mut=True, _]):
    """Adds `A B` to `C`, with A `[rows, depth]`, B `[depth, columns]` and C `[rows, columns]`; B and C have column
    stride 1.

    Each sum runs over `depth` in order, whatever the other sizes are, so that a row gives the same result alone and in
    a batch.
    """
    var i = 0
    while i + TILE_ROWS <= rows:
        strip[TILE_ROWS](i, columns, depth, a, b, c)
        i += TILE_ROWS
    while i < rows:
        strip[1](i, columns, depth, a, b, c)
        i += 1


@always_inline
def strip[height: Int](i: Int, columns: Int, depth: Int, a: Strided, b: Strided, c: Strided[mut=True, _]):
    """Computes `height` rows of the product, from row `i` on."""
    var j = 0
    while j + TILE_VECTORS * LANES <= columns:
        tile[height, TILE_VECTORS, LANES](i, j, depth, a, b, c)
        j += TILE_VECTORS * LANES
    while j + LANES <= columns:
        tile[height, 1, LANES](i, j, depth, a, b, c)
        j += LANES
    while j < columns:
        tile[height, 1, 1](i, j, depth, a, b, c)
        j += 1


@always_inline
def tile[
    height: Int, vectors: Int, lanes: Int
](i: Int, j: Int, depth: Int, a: Strided, b: Strided, c: Strided[mut=True, _]):
    """Computes a tile of the product in registers, `[height, vectors * lanes]` at (i, j)."""
    var sums = Array[SIMD[DType.float32, lanes], height * vectors](fill=0)
    comptime for row in range(height):
        comptime for vector in range(vectors):
            sums[row * vectors + vector] = (c.data.unsafe_offset((i + row) * c.row + j + vector * lanes)).unsafe_load[
                width=lanes
            ]()
    var left = a.data.unsafe_offset(i * a.row)
    var right = b.data.unsafe_offset(j)
    for _ in range(depth):
        comptime for vector in range(vectors):
            var loaded = right.unsafe_offset(vector * lanes).unsafe_load[width=lanes]()
            comptime for row in range(height):
                var factor = SIMD[DType.float32, lanes](left.unsafe_offset(row * a.row)[])
                sums[row * vectors + vector] = fma(factor, loaded, sums[row * vectors + vector])
        left = left.unsafe_offset(a.column)
        right = right.unsafe_offset(b.row)
    comptime for row in range(height):
        comptime for vector in range(vectors):
            (c.data.unsafe_offset((i + row) * c.row + j + vector * lanes)).unsafe_store(sums[row * vectors + vector])
