//! Cliffords up to Paulis: symplectic matrices over GF(2), with the rows and columns of X before those of Z.

use super::Tableau;
use super::rows::Rows;
use crate::connectivity::{components, distances};
use crate::gates::{Gate, Kind};
use crate::metrics::Costs;
use crate::params::Rules;
use twisterl_core::rng::{Rng, RngExt as _};
use twisterl_core::space::ObservationRow;
use twisterl_core::{Error, Result};

/// A symplectic matrix of at most 32 qubits.
#[derive(Debug)]
pub struct CliffordTableau(Rows);

impl Clone for CliffordTableau {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn clone_from(&mut self, source: &Self) {
        self.0.clone_from(&source.0);
    }
}

/// The Cliffords that a gate set makes, as far as they are known.
#[derive(Debug)]
pub struct CliffordGroup {
    parts: Vec<Part>,
}

/// Qubits that gates connect, and no gates connect with others.
#[derive(Debug)]
struct Part {
    members: Vec<usize>,
    /// The columns of its qubits.
    set: u64,
    made: Made,
    /// A CX or CZ is among the gates.
    entangles: bool,
}

impl CliffordGroup {
    /// Returns true if the gates are known to make all Cliffords on the qubits that they connect.
    pub(crate) fn is_known(&self) -> bool {
        self.parts.iter().all(|part| part.made != Made::Some)
    }

    /// Returns true if the gates may turn a Pauli on these qubits into one on a single qubit.
    pub(crate) fn reduces(&self, support: u32) -> bool {
        let within = |part: &Part| part.entangles && u64::from(support) & !part.set == 0;
        support.count_ones() <= 1 || self.parts.iter().any(within)
    }
}

/// The Cliffords that the gates of a part make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// The identity alone: there are no gates.
    None,
    /// All of them.
    All,
    /// A subgroup, or all of them by ways that [`made`] does not see.
    Some,
}

/// Says which Cliffords gates make on some connected qubits: all if each qubit has all of one qubit, and a CX or CZ is among
/// the gates. A qubit has the gates of those with which SWAPs, or CX both ways, exchange it.
fn made(qubits: usize, members: &[usize], gates: &[&Gate]) -> Made {
    if gates.is_empty() {
        return Made::None;
    }
    let cx = |a: u8, b: u8| {
        gates.iter().any(|gate| gate.kind == Kind::Cx && gate.first == a && gate.second == b)
    };
    let exchanges = gates.iter().filter(|gate| {
        gate.kind == Kind::Swap || gate.kind == Kind::Cx && cx(gate.second, gate.first)
    });
    let apart = distances(qubits, exchanges.filter_map(|gate| gate.edge()));
    let classes = components(qubits, &apart);
    let classes = classes.iter().filter(|class| class.iter().all(|qubit| members.contains(qubit)));
    let local = |class: &Vec<usize>| {
        let on = gates.iter().filter(|gate| class.contains(&usize::from(gate.first)));
        let mut kinds: Vec<_> = on.map(|gate| gate.kind.effect()).collect();
        kinds.retain(|kind| kind.qubits() == 1);
        kinds.sort_unstable();
        kinds.dedup();
        // Any two of H, S and SX make all six.
        kinds.len() >= 2
    };
    let entangles = gates.iter().any(|gate| matches!(gate.kind, Kind::Cx | Kind::Cz));
    let all = classes.into_iter().all(local) && (entangles || members.len() == 1);
    if all { Made::All } else { Made::Some }
}

/// Returns the symplectic product of two rows.
fn product(qubits: usize, a: u64, b: u64) -> bool {
    let crossed = (a & (b >> qubits)) ^ ((a >> qubits) & b);
    let x = crossed & (u64::MAX >> (u64::BITS as usize - qubits));
    x.count_ones() % 2 == 1
}

/// Draws a symplectic matrix on the qubits of a part: hyperbolic pairs, each uniformly from those orthogonal to all before it.
fn draw_part(qubits: usize, part: &Part, rows: &mut [u64], rng: &mut Rng) {
    for (i, &member) in part.members.iter().enumerate() {
        let mut draw = |rows: &[u64]| {
            part.members[..i].iter().fold(rng.random::<u64>() & part.set, |row, &pair| {
                let (x, z) = (rows[pair], rows[qubits + pair]);
                let (along_x, along_z) = (product(qubits, row, z), product(qubits, row, x));
                row ^ if along_x { x } else { 0 } ^ if along_z { z } else { 0 }
            })
        };
        let first = loop {
            let row = draw(rows);
            if row != 0 {
                break row;
            }
        };
        let second = loop {
            let row = draw(rows);
            if product(qubits, first, row) {
                break row;
            }
        };
        rows[member] = first;
        rows[qubits + member] = second;
    }
}

impl CliffordTableau {
    fn qubits(&self) -> usize {
        self.0.rows().len() / 2
    }

    /// The rows, the first column in the lowest bit, `[2 * qubits]`.
    pub(crate) fn rows(&self) -> &[u64] {
        self.0.rows()
    }
}

impl Tableau for CliffordTableau {
    const NAME: &'static str = "Clifford";
    const RULES: Rules = Rules {
        max_qubits: 32,
        allowed: &Kind::BASIC,
        up_to_local: false,
        has_dual: false,
        basis: &[Kind::H, Kind::S, Kind::Sx, Kind::Cx, Kind::Swap],
    };
    const HAS_DUALS: bool = true;

    type Group = CliffordGroup;

    fn group(qubits: usize, gates: &[Gate]) -> CliffordGroup {
        let apart = distances(qubits, gates.iter().filter_map(|gate| gate.edge()));
        let part = |members: Vec<usize>| {
            let of: Vec<_> =
                gates.iter().filter(|gate| members.contains(&usize::from(gate.first))).collect();
            let made = made(qubits, &members, &of);
            let set =
                members.iter().fold(0, |set, member| set | 1 << member | 1 << (qubits + member));
            let entangles = of.iter().any(|gate| matches!(gate.kind, Kind::Cx | Kind::Cz));
            Part { members, set, made, entangles }
        };
        CliffordGroup { parts: components(qubits, &apart).into_iter().map(part).collect() }
    }

    fn identity(qubits: usize) -> Self {
        Self(Rows::identity(2 * qubits))
    }

    fn side(qubits: usize) -> usize {
        2 * qubits
    }

    fn entries(qubits: usize) -> usize {
        4 * qubits * qubits
    }

    fn read(qubits: usize, state: &[f64], group: &CliffordGroup) -> Result<Self> {
        let rows = Rows::read(2 * qubits, state)?;
        for (i, &row) in rows.iter().enumerate() {
            for (j, &other) in rows.iter().enumerate().take(i) {
                let found = product(qubits, row, other);
                if found != (i == j + qubits) {
                    let found = format!("rows {j} and {i} with product {}", u8::from(found));
                    return Err(Error::state("a symplectic matrix over GF(2), X before Z", found));
                }
            }
        }
        for part in &group.parts {
            for row in part.members.iter().flat_map(|&member| [member, qubits + member]) {
                let right = match part.made {
                    Made::None => rows[row] == 1 << row,
                    Made::All | Made::Some => rows[row] & !part.set == 0,
                };
                if !right {
                    let found = format!("a 1 in row {row} that they cannot remove");
                    return Err(Error::state("a Clifford that the gates can make", found));
                }
            }
        }
        Ok(Self(Rows::new(rows)))
    }

    fn write(&self, out: &mut Vec<f64>) {
        self.0.write(out);
    }

    fn restart(&mut self) {
        self.0.restart();
    }

    #[inline]
    fn apply(&mut self, gate: Gate) {
        let n = self.qubits();
        let (a, b) = (usize::from(gate.first), usize::from(gate.second));
        let rows = &mut self.0;
        match gate.kind {
            Kind::H => rows.swap(a, n + a),
            Kind::S | Kind::Sdg => rows.add(n + a, a),
            Kind::Sx | Kind::Sxdg => rows.add(a, n + a),
            Kind::Cx => {
                rows.add(b, a);
                rows.add(n + a, n + b);
            }
            Kind::Cz => {
                rows.add(n + a, b);
                rows.add(n + b, a);
            }
            Kind::Swap => {
                rows.swap(a, b);
                rows.swap(n + a, n + b);
            }
            // The gate keeps one row of each qubit, and adds it to the other two of the other qubit.
            Kind::Cy => {
                rows.add(b, a);
                rows.add(n + b, a);
                let y = rows.rows()[b] ^ rows.rows()[n + b];
                rows.add_row(n + a, y);
            }
            Kind::Xcx => {
                rows.add(b, n + a);
                rows.add(a, n + b);
            }
            Kind::Xcy => {
                rows.add(b, n + a);
                rows.add(n + b, n + a);
                let y = rows.rows()[b] ^ rows.rows()[n + b];
                rows.add_row(a, y);
            }
            Kind::Ycy => {
                let (of_a, of_b) =
                    (rows.rows()[a] ^ rows.rows()[n + a], rows.rows()[b] ^ rows.rows()[n + b]);
                for (row, y) in [(a, of_b), (n + a, of_b), (b, of_a), (n + b, of_a)] {
                    rows.add_row(row, y);
                }
            }
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.0.wrong() == 0
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        self.0.observe(row);
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.rows().iter().copied()
    }

    fn draw(&mut self, group: &CliffordGroup, rng: &mut Rng) -> bool {
        if !group.is_known() {
            return false;
        }
        let n = self.qubits();
        self.0.restart();
        let mut rows = self.0.rows().to_vec();
        for part in group.parts.iter().filter(|part| part.made == Made::All) {
            draw_part(n, part, &mut rows, rng);
        }
        self.0 = Rows::new(rows);
        true
    }

    fn relabelled(&self, image: &[u32]) -> Self {
        Self(self.0.relabelled(image))
    }

    /// With blocks of X and Z, the inverse of `[[A, B], [C, D]]` is `[[D', B'], [C', A']]`, where `'` transposes.
    fn inverse(&self) -> Self {
        let (n, rows) = (self.qubits(), self.0.rows());
        let mut inverse = vec![0; 2 * n];
        for (i, &row) in rows.iter().enumerate() {
            for j in (0..2 * n).filter(|j| row >> j & 1 == 1) {
                // Blocks on the diagonal change places.
                let (to, at) = match (i < n, j < n) {
                    (true, true) => (j + n, i + n),
                    (false, false) => (j - n, i - n),
                    (true, false) => (j - n, i + n),
                    (false, true) => (j + n, i - n),
                };
                inverse[to] |= 1 << at;
            }
        }
        Self(Rows::new(inverse))
    }

    /// A gate on two qubits frees at most two of all others, and gates on one qubit free none.
    fn least_cost(&self, _group: &CliffordGroup, costs: &Costs) -> f32 {
        let (n, rows) = (self.qubits(), self.0.rows());
        let (mut entangled, mut wrong) = (0u32, 0u32);
        for qubit in 0..n {
            let (x, z) = (rows[qubit], rows[n + qubit]);
            let own = 1 << qubit | 1 << (n + qubit);
            if (x | z) & !own != 0 {
                entangled += 1;
            } else if x != 1 << qubit || z != 1 << (n + qubit) {
                wrong += 1;
            }
        }
        let half = costs.least(&[Kind::Cx, Kind::Cz, Kind::Swap]) / 2.0;
        let one = costs.least(&[Kind::H, Kind::S, Kind::Sx]).min(half);
        let cost = |count: u32, each: f32| if count == 0 { 0.0 } else { count as f32 * each };
        cost(entangled, half) + cost(wrong, one)
    }

    fn render(&self) -> String {
        self.0.render(self.qubits())
    }
}
