//! Linear functions: invertible matrices over GF(2).

use super::Tableau;
use super::rows::{Rows, Span};
use crate::connectivity::{sources, strong_components};
use crate::gates::{Gate, Kind};
use crate::metrics::Costs;
use crate::params::Rules;
use twisterl_core::rng::{Rng, RngExt as _};
use twisterl_core::space::ObservationRow;
use twisterl_core::{Error, Result};

/// An invertible matrix of at most 64 rows.
///
/// Its dual is the transposed inverse, which CX from c to t changes as CX from t to c changes the matrix.
#[derive(Debug)]
pub struct LinearTableau {
    matrix: Rows,
    /// The dual, if observations show it.
    dual: Option<Rows>,
}

impl LinearTableau {
    fn new(matrix: Rows) -> Self {
        Self { matrix, dual: None }
    }
}

impl Clone for LinearTableau {
    fn clone(&self) -> Self {
        Self { matrix: self.matrix.clone(), dual: self.dual.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.matrix.clone_from(&source.matrix);
        self.dual.clone_from(&source.dual);
    }
}

/// The matrices that CX gates and SWAPs make.
///
/// CX from c to t is the transvection E(t, c), and the commutator of E(a, b) and E(b, c) is E(a, c): along paths of gates, all
/// transvections are made. A matrix is therefore made if and only if its entries are 0 wherever no path leads from the column
/// to the row, and its diagonal block of each strongly connected component is invertible; a permutation, where all gates within
/// the component are SWAPs.
#[derive(Debug)]
pub struct LinearGroup {
    /// The columns from which paths lead to each row, `[qubits]`.
    sources: Vec<u64>,
    blocks: Vec<Block>,
}

/// A strongly connected component.
#[derive(Debug)]
struct Block {
    members: Vec<usize>,
    set: u64,
    /// Its gates are SWAPs.
    permutes: bool,
}

impl LinearGroup {
    /// Returns why the gates do not make a matrix that is invertible, `None` if they make it.
    fn objection(&self, rows: &[u64]) -> Option<String> {
        for (i, (row, sources)) in rows.iter().zip(&self.sources).enumerate() {
            let extra = row & !sources;
            if extra != 0 {
                let column = extra.trailing_zeros();
                return Some(format!("a 1 in row {i}, column {column}, which no gates connect"));
            }
        }
        let many = |block: &Block, row: usize| (rows[row] & block.set).count_ones() != 1;
        for block in self.blocks.iter().filter(|block| block.permutes) {
            if let Some(row) = block.members.iter().find(|&&row| many(block, row)) {
                return Some(format!("not one 1 in row {row}, whose gates are SWAPs alone"));
            }
        }
        None
    }
}

impl Tableau for LinearTableau {
    const NAME: &'static str = "LinearFunction";
    const RULES: Rules = Rules {
        max_qubits: 64,
        allowed: &[Kind::Cx, Kind::Swap],
        basis: &[Kind::Cx, Kind::Swap],
        up_to_local: false,
        has_dual: true,
    };
    const HAS_DUALS: bool = false;

    type Group = LinearGroup;

    fn group(qubits: usize, gates: &[Gate]) -> LinearGroup {
        let arcs = gates.iter().flat_map(|gate| {
            let (a, b) = (usize::from(gate.first), usize::from(gate.second));
            let back = (gate.kind == Kind::Swap).then_some((b, a));
            [Some((a, b)), back].into_iter().flatten()
        });
        let sources = sources(qubits, arcs);
        let block = |members: Vec<usize>| {
            let set = members.iter().fold(0, |set, member| set | 1 << member);
            let within = |gate: &&Gate| set >> gate.first & 1 == 1 && set >> gate.second & 1 == 1;
            let permutes = gates.iter().filter(within).all(|gate| gate.kind == Kind::Swap);
            Block { members, set, permutes }
        };
        let blocks = strong_components(&sources).into_iter().map(block).collect();
        LinearGroup { sources, blocks }
    }

    fn identity(qubits: usize) -> Self {
        Self::new(Rows::identity(qubits))
    }

    fn side(qubits: usize) -> usize {
        qubits
    }

    fn entries(qubits: usize) -> usize {
        qubits * qubits
    }

    fn read(qubits: usize, state: &[f64], group: &LinearGroup) -> Result<Self> {
        let rows = Rows::read(qubits, state)?;
        let mut span = Span::default();
        if let Some(row) = rows.iter().position(|&row| !span.add(row)) {
            let found = format!("a singular one: row {row} is a sum of rows above it");
            return Err(Error::state("an invertible matrix over GF(2)", found));
        }
        match group.objection(&rows) {
            Some(found) => Err(Error::state("a matrix that the gates can make", found)),
            None => Ok(Self::new(Rows::new(rows))),
        }
    }

    fn write(&self, out: &mut Vec<f64>) {
        self.matrix.write(out);
    }

    fn restart(&mut self) {
        self.matrix.restart();
        if let Some(dual) = &mut self.dual {
            dual.restart();
        }
    }

    fn show_dual(&mut self) {
        self.dual = Some(self.matrix.inverse().transposed());
    }

    #[inline]
    fn apply(&mut self, gate: Gate) {
        let (a, b) = (usize::from(gate.first), usize::from(gate.second));
        match gate.kind {
            Kind::Swap => self.matrix.swap(a, b),
            _ => self.matrix.add(b, a), // CX
        }
        if let Some(dual) = &mut self.dual {
            match gate.kind {
                Kind::Swap => dual.swap(a, b),
                _ => dual.add(a, b), // CX
            }
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.matrix.wrong() == 0
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        match &self.dual {
            Some(dual) => self.matrix.observe_above(dual, row),
            None => self.matrix.observe(row),
        }
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.matrix.rows().iter().copied()
    }

    /// Draws the diagonal blocks, and then the entries that may have any value.
    fn draw(&mut self, group: &LinearGroup, rng: &mut Rng) -> bool {
        let mut rows = self.matrix.rows().to_vec();
        for block in &group.blocks {
            draw_block(block, &mut rows, rng);
            for &row in &block.members {
                rows[row] |= rng.random::<u64>() & group.sources[row] & !block.set;
            }
        }
        self.matrix = Rows::new(rows);
        if self.dual.is_some() {
            self.show_dual();
        }
        true
    }

    fn relabelled(&self, image: &[u32]) -> Self {
        let side = image.len() as u32; // at most 64
        let of_dual: Option<Vec<u32>> = image.iter().map(|to| to.checked_sub(side)).collect();
        match (&self.dual, of_dual) {
            (Some(dual), Some(image)) => Self::new(dual.relabelled(&image)),
            _ => Self::new(self.matrix.relabelled(image)),
        }
    }

    fn inverse(&self) -> Self {
        Self::new(self.matrix.inverse())
    }

    /// A CX changes one row, a SWAP two.
    fn least_cost(&self, _group: &LinearGroup, costs: &Costs) -> f32 {
        match self.matrix.wrong() {
            0 => 0.0,
            wrong => wrong as f32 * costs.least(&[Kind::Cx]).min(costs.least(&[Kind::Swap]) / 2.0),
        }
    }

    fn render(&self) -> String {
        self.matrix.render(self.matrix.rows().len())
    }
}

/// Draws a diagonal block: a permutation, or each row until it is independent of those above it, so that all sequences of
/// independent rows are equally likely.
fn draw_block(block: &Block, rows: &mut [u64], rng: &mut Rng) {
    let members = &block.members;
    if block.permutes {
        members.iter().for_each(|&member| rows[member] = 1 << member);
        for last in (1..members.len()).rev() {
            let other = rng.random_range(0..=last as u32) as usize;
            rows.swap(members[last], members[other]);
        }
        return;
    }
    let mut span = Span::default();
    for &member in members {
        rows[member] = loop {
            let row = rng.random::<u64>() & block.set;
            if span.add(row) {
                break row;
            }
        };
    }
}
