//! Matrix products with weights that are packed once per update and used for many small batches.
//!
//! `ndarray`'s product packs its right-hand side and allocates in every call, which for batches of a few dozen rows
//! costs as much as the product itself. Here the weights are packed once and a call does not allocate. The vector
//! width is chosen at run time by `pulp`, which keeps this crate free of `unsafe`. Each sum runs in the order of the inputs,
//! whatever the width, so that results depend on the [`Arithmetic`] alone.

use super::Activation;
use crate::policy::arithmetic::Arithmetic;
use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

/// Columns of a panel: one AVX-512 register, two AVX ones, four NEON or WASM ones.
const PANEL: usize = 16;

/// A row of a panel. It starts at a cache line, since loads that straddle two lines take up to a fifth more time.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct PanelRow([f32; PANEL]);

impl PanelRow {
    const ZERO: Self = Self([0.0; PANEL]);

    /// Returns the row as `V` registers.
    #[inline(always)]
    fn registers<S: Simd, const V: usize>(&self) -> [S::f32s; V] {
        let registers = S::as_simd_f32s(&self.0).0;
        std::array::from_fn(|v| registers[v])
    }
}

/// `y = f(x W + b)` for a fixed `W`, `[inputs, outputs]`, stored as panels of 16 columns.
#[derive(Debug, Clone, Default)]
pub struct PackedLinear {
    inputs: usize,
    outputs: usize,
    activation: Activation,
    arithmetic: Arithmetic,
    /// `[panel, input]`, padded with zeros.
    panels: Vec<PanelRow>,
    /// `[panel]`, padded with zeros.
    bias: Vec<PanelRow>,
}

impl PackedLinear {
    /// Returns a layer of this shape with all weights 0.
    pub fn new(
        inputs: usize,
        outputs: usize,
        activation: Activation,
        arithmetic: Arithmetic,
    ) -> Self {
        let panels = outputs.div_ceil(PANEL);
        Self {
            inputs,
            outputs,
            activation,
            arithmetic,
            panels: vec![PanelRow::ZERO; panels * inputs],
            bias: vec![PanelRow::ZERO; panels],
        }
    }

    /// Returns the number of output columns.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Packs the columns from `first` on: `weights` is `[outputs, inputs]`, `bias` is `[outputs]` or empty for 0.
    pub fn load(&mut self, first: usize, weights: ArrayView2<'_, f32>, bias: &[f32]) {
        let bias = bias.iter().copied().chain(std::iter::repeat(0.0));
        for (i, (row, b)) in weights.rows().into_iter().zip(bias).enumerate() {
            let (panel, column) = ((first + i) / PANEL, (first + i) % PANEL);
            let start = panel * self.inputs;
            for (to, &w) in self.panels[start..start + self.inputs].iter_mut().zip(row) {
                to.0[column] = w;
            }
            self.bias[panel].0[column] = b;
        }
    }

    /// Computes `out`, `[rows, outputs]`, from `x`, `[rows, inputs]`.
    pub fn apply(&self, arch: Arch, x: &[f32], out: &mut [f32]) {
        match self.arithmetic {
            // WebAssembly has no fused operation: one copy of the code will do.
            Arithmetic::Fused if cfg!(not(target_family = "wasm")) => {
                arch.dispatch(Product::<true> { layer: self, x, out });
            }
            Arithmetic::Fused | Arithmetic::Portable => {
                arch.dispatch(Product::<false> { layer: self, x, out });
            }
        }
        if self.activation != Activation::Relu {
            self.activation.apply(out);
        }
    }
}

/// Returns the arithmetic whose results products in `arithmetic` have on this machine: the portable one in place of the
/// fused one where there is no fused operation.
pub fn rounding(arch: Arch, arithmetic: Arithmetic) -> Arithmetic {
    // The square has bits below those of a float: only a fused operation keeps them.
    let value = 1.0 + f32::EPSILON * 2048.0;
    let mut layer = PackedLinear::new(1, 1, Activation::Identity, arithmetic);
    layer.load(0, ArrayView2::from(&[[value]]), &[-(value * value)]);
    let mut rest = [0.0];
    layer.apply(arch, &[value], &mut rest);
    if rest == [0.0] { Arithmetic::Portable } else { Arithmetic::Fused }
}

/// The product in the fused or in the portable arithmetic.
struct Product<'a, const FUSED: bool> {
    layer: &'a PackedLinear,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl<const FUSED: bool> WithSimd for Product<'_, FUSED> {
    type Output = ();

    /// Tiles are sized so that their sums fill the registers: 32 of AVX-512, 16 of AVX.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match S::F32_LANES {
            16 => {
                self.tiles::<S, 1, 12, 2>(simd);
                self.tiles::<S, 1, 4, 2>(simd);
                self.tiles::<S, 1, 1, 8>(simd);
            }
            8 => {
                self.tiles::<S, 2, 6, 1>(simd);
                self.tiles::<S, 2, 2, 2>(simd);
                self.tiles::<S, 2, 1, 4>(simd);
            }
            4 => {
                self.tiles::<S, 4, 6, 1>(simd);
                self.tiles::<S, 4, 1, 2>(simd);
            }
            _ => self.tiles::<S, PANEL, 1, 1>(simd),
        }
    }
}

impl<const FUSED: bool> Product<'_, FUSED> {
    /// Computes all whole tiles of `M` rows, `P` panels at a time; the remaining rows are left.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize, const M: usize, const P: usize>(&mut self, simd: S) {
        let (k, n) = (self.layer.inputs, self.layer.outputs);
        let rows = self.x.len().checked_div(k).unwrap_or(0) / M * M;
        if rows == 0 || n == 0 {
            return;
        }
        let (x, rest) = self.x.split_at(rows * k);
        let (out, rest_out) = std::mem::take(&mut self.out).split_at_mut(rows * n);
        (self.x, self.out) = (rest, rest_out);
        let panels = n.div_ceil(PANEL);
        let whole = panels / P * P;
        for panel in (0..whole).step_by(P) {
            self.columns::<S, V, M, P>(simd, panel, x, out);
        }
        for panel in whole..panels {
            self.columns::<S, V, M, 1>(simd, panel, x, out);
        }
    }

    /// Computes the columns of `P` panels from `panel` on for all of `x`.
    #[inline(always)]
    fn columns<S: Simd, const V: usize, const M: usize, const P: usize>(
        &self,
        simd: S,
        panel: usize,
        x: &[f32],
        out: &mut [f32],
    ) {
        let PackedLinear { inputs: k, outputs: n, activation, .. } = *self.layer;
        let parts: [usize; P] = std::array::from_fn(|p| panel + p);
        let weights = parts.map(|part| &self.layer.panels[part * k..(part + 1) * k]);
        let bias = parts.map(|part| self.layer.bias[part].registers::<S, V>());
        let last = n.min((panel + P) * PANEL);
        for (x, out) in x.chunks_exact(M * k).zip(out.chunks_exact_mut(M * n)) {
            let mut sums = tile::<S, V, M, P, FUSED>(simd, weights, bias, x);
            if activation == Activation::Relu {
                let zero = simd.splat_f32s(0.0);
                for s in sums.as_flattened_mut().as_flattened_mut() {
                    // Not a maximum, which may return either of two zeros of different signs.
                    *s = simd.select_f32s(simd.less_than_f32s(zero, *s), *s, zero);
                }
            }
            for (out, sums) in out.chunks_exact_mut(n).zip(&sums) {
                for (out, sum) in out[panel * PANEL..last].chunks_mut(PANEL).zip(sums) {
                    if out.len() == PANEL {
                        S::as_mut_simd_f32s(out).0.copy_from_slice(sum);
                    } else {
                        let mut whole = [0.0; PANEL];
                        S::as_mut_simd_f32s(&mut whole).0.copy_from_slice(sum);
                        out.copy_from_slice(&whole[..out.len()]);
                    }
                }
            }
        }
    }
}

/// Multiplies `M` rows of `x` with `P` panels. Each sum runs in the order of the inputs, whatever the tile.
#[inline(always)]
fn tile<S: Simd, const V: usize, const M: usize, const P: usize, const FUSED: bool>(
    simd: S,
    weights: [&[PanelRow]; P],
    bias: [[S::f32s; V]; P],
    x: &[f32],
) -> [[[S::f32s; V]; P]; M] {
    let k = x.len() / M;
    let weights = weights.map(|weights| &weights[..k]);
    let rows: [&[f32]; M] = std::array::from_fn(|r| &x[r * k..(r + 1) * k]);
    let mut sums = [bias; M];
    for i in 0..k {
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let a = simd.splat_f32s(row[i]);
            for (sum, weights) in sums.iter_mut().zip(&weights) {
                for (sum, w) in sum.iter_mut().zip(weights[i].registers::<S, V>()) {
                    *sum = match FUSED {
                        true => simd.mul_add_e_f32s(a, w, *sum),
                        false => simd.add_f32s(simd.mul_f32s(a, w), *sum),
                    };
                }
            }
        }
    }
    sums
}

/// Computes `out = f(b + sum of the rows of W at the ones + V^T values)`, where `W` is `[bits, outputs]` and `V`,
/// `[values, outputs]`, follows it in `weights`.
pub fn embedding_bag(
    arch: Arch,
    weights: &[f32],
    bias: &[f32],
    (ones, values): (&[u32], &[f32]),
    activation: Activation,
    out: &mut [f32],
) {
    let first = weights.len().saturating_sub(values.len() * out.len());
    arch.dispatch(Bag {
        weights,
        bias,
        ones,
        values,
        scaled: weights.get(first..).unwrap_or(&[]),
        relu: activation == Activation::Relu,
        out: &mut *out,
    });
    if activation != Activation::Relu {
        activation.apply(out);
    }
}

struct Bag<'a> {
    weights: &'a [f32],
    bias: &'a [f32],
    ones: &'a [u32],
    values: &'a [f32],
    /// The rows of `V`.
    scaled: &'a [f32],
    relu: bool,
    out: &'a mut [f32],
}

/// The number of columns whose sums stay in registers.
const BLOCK: usize = 64;

impl WithSimd for Bag<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let width = self.out.len();
        for (b, (out, bias)) in self.out.chunks_mut(BLOCK).zip(self.bias.chunks(BLOCK)).enumerate()
        {
            let mut sums = [0.0f32; BLOCK];
            let n = out.len();
            sums[..n].copy_from_slice(&bias[..n]);
            for &one in self.ones {
                let start = one as usize * width + b * BLOCK;
                match self.weights.get(start..start + n) {
                    Some(row) if n == BLOCK => {
                        for (s, w) in sums.iter_mut().zip(row) {
                            *s += w;
                        }
                    }
                    Some(row) => {
                        for (s, w) in sums.iter_mut().zip(row) {
                            *s += w;
                        }
                    }
                    None => {}
                }
            }
            for (&value, row) in self.values.iter().zip(self.scaled.chunks_exact(width)) {
                for (s, w) in sums.iter_mut().zip(&row[b * BLOCK..b * BLOCK + n]) {
                    *s += value * w;
                }
            }
            if self.relu {
                for s in &mut sums {
                    // As in a product.
                    *s = if *s > 0.0 { *s } else { 0.0 };
                }
            }
            out.copy_from_slice(&sums[..n]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2};
    use proptest::prelude::*;

    #[test]
    fn fused_products_of_a_machine_without_fused_operations_are_portable() {
        for arch in [Arch::Scalar, Arch::new()] {
            assert_eq!(rounding(arch, Arithmetic::Portable), Arithmetic::Portable);
        }
        assert_eq!(rounding(Arch::Scalar, Arithmetic::Fused), Arithmetic::Portable);
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("fma") {
            assert_eq!(rounding(Arch::new(), Arithmetic::Fused), Arithmetic::Fused);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_ndarray(rows in 0usize..15, k in 1usize..40, n in 1usize..50, seed in 0u32..100) {
            let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) % 1000) as f32 / 500.0 - 1.0;
            let x = Array2::from_shape_fn((rows, k), |(i, j)| value(i * k + j));
            let w = Array2::from_shape_fn((n, k), |(i, j)| value(i * k + j + 7));
            let b = Array1::from_shape_fn(n, value);
            let [fused, portable] = [Arithmetic::Fused, Arithmetic::Portable].map(|arithmetic| {
                let mut layer = PackedLinear::new(k, n, Activation::Relu, arithmetic);
                layer.load(0, w.view(), b.as_slice().unwrap());
                let mut out = vec![f32::NAN; rows * n];
                layer.apply(Arch::new(), x.as_slice().unwrap(), &mut out);
                out
            });
            let expected = (x.dot(&w.t()) + &b).mapv(|v| v.max(0.0));
            for (a, e) in fused.iter().zip(expected.iter()) {
                prop_assert!((a - e).abs() < 1e-4, "{a} {e}");
            }
            // The definition of `portable-1`.
            for (row, out) in portable.chunks(n).enumerate() {
                for (column, found) in out.iter().enumerate() {
                    let sum = (0..k).fold(b[column], |sum, i| sum + x[(row, i)] * w[(column, i)]);
                    let expected = if sum > 0.0 { sum } else { 0.0 };
                    prop_assert_eq!(found.to_bits(), expected.to_bits());
                }
            }
        }

        #[test]
        fn no_zero_after_a_rectifier_is_negative(inputs in 1usize..4, outputs in 1usize..40, rows in 1usize..15) {
            let weights = Array2::zeros((outputs, inputs));
            for arithmetic in [Arithmetic::Fused, Arithmetic::Portable] {
                let mut layer = PackedLinear::new(inputs, outputs, Activation::Relu, arithmetic);
                layer.load(0, weights.view(), &vec![-0.0; outputs]);
                let mut out = vec![f32::NAN; rows * outputs];
                layer.apply(Arch::new(), &vec![-1.0; rows * inputs], &mut out);
                prop_assert!(out.iter().all(|x| x.to_bits() == 0), "{:?}", out);
            }
            let mut out = vec![f32::NAN; outputs];
            embedding_bag(Arch::new(), &[], &vec![-0.0; outputs], (&[], &[]), Activation::Relu, &mut out);
            prop_assert!(out.iter().all(|x| x.to_bits() == 0), "{:?}", out);
        }

        #[test]
        fn embedding_bag_is_the_product_with_a_row_of_bits_and_values(
            width in 1usize..200,
            ones in proptest::collection::btree_set(0u32..17, 0..8),
            values in proptest::collection::vec(-8i8..8, 3),
        ) {
            let w = Array2::from_shape_fn((20, width), |(i, j)| ((i * 31 + j * 17) % 23) as f32 - 11.0);
            let b = Array1::from_shape_fn(width, |j| j as f32);
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let bit = |i: usize| f32::from(u8::from(ones.contains(&(i as u32))));
            let x = Array1::from_shape_fn(20, |i| if i < 17 { bit(i) } else { values[i - 17] });
            let ones: Vec<u32> = ones.into_iter().collect();
            let mut out = vec![0.0; width];
            embedding_bag(Arch::new(), w.as_slice().unwrap(), b.as_slice().unwrap(), (&ones, &values), Activation::Identity, &mut out);
            prop_assert_eq!(out, (x.dot(&w) + b).to_vec());
        }
    }
}
