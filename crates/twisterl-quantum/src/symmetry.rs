//! The relabellings of the qubits that map a gate set to itself.
//!
//! All of them are found by backtracking over the qubits in breadth-first order. A group that is too large is replaced by the
//! subgroup that fixes the first qubits, with as few of these as will do, so that the relabellings are always a group.

use crate::gates::{Gate, Kind};
use std::collections::{HashMap, VecDeque};

/// The most relabellings, the identity included.
const MAX_ORDER: usize = 128;

/// The most entries of the images of observations.
const MAX_ENTRIES: usize = 1 << 22;

/// The most comparisons of a search, some tens of milliseconds. A gate set that needs more has no relabellings.
const MAX_COMPARISONS: usize = 20_000_000;

/// A relabelling of the qubits, after which X and Z may change places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relabelling {
    /// The image of each qubit, `[qubits]`.
    pub(crate) image: Vec<usize>,
    /// X and Z change places, and so do S and SX, and control and target.
    pub(crate) dual: bool,
}

impl Relabelling {
    /// Returns the image of each row and column of a matrix of `side` rows: those of X, and those of Z behind them if there are
    /// more than qubits.
    pub(crate) fn lines(&self, side: usize) -> Vec<u32> {
        let n = self.image.len();
        let image = |line: usize| {
            let is_z = (line >= n) != self.dual;
            (self.image[line % n] + if is_z { n } else { 0 }) as u32
        };
        (0..side).map(image).collect()
    }
}

/// The kinds of gates on two qubits.
const TWO: [Kind; 7] = [Kind::Cx, Kind::Cz, Kind::Swap, Kind::Cy, Kind::Xcx, Kind::Xcy, Kind::Ycy];

/// The numbers of gates on each qubit and on each two of them, up to Paulis.
struct Labels {
    qubits: usize,
    /// Of H, S and SX on each qubit, `[qubits]`.
    one: Vec<[u32; 3]>,
    /// Of each kind on two qubits, from the first to the second or in any order, `[qubits, qubits]`.
    two: Vec<[u32; TWO.len()]>,
}

impl Labels {
    fn new(qubits: usize, gates: &[Gate]) -> Self {
        let (mut one, mut two) = (vec![[0; 3]; qubits], vec![[0; TWO.len()]; qubits * qubits]);
        for gate in gates {
            let (a, b) = (usize::from(gate.first), usize::from(gate.second));
            match gate.kind.effect() {
                Kind::H => one[a][0] += 1,
                Kind::S | Kind::Sdg => one[a][1] += 1,
                Kind::Sx | Kind::Sxdg => one[a][2] += 1,
                kind => {
                    let at = |kind| TWO.iter().position(|&other| other == kind).unwrap_or(0);
                    two[a * qubits + b][at(kind)] += 1;
                    if kind.is_symmetric() {
                        two[b * qubits + a][at(kind)] += 1;
                    }
                }
            }
        }
        Self { qubits, one, two }
    }

    /// Returns the labels after X and Z change places, `None` if a gate has no image.
    fn dual(&self) -> Option<Self> {
        let n = self.qubits;
        let one = self.one.iter().map(|&[h, s, sx]| [h, sx, s]).collect();
        let number = |kind: Kind, at: usize| {
            let place = TWO.iter().position(|&other| other == kind).unwrap_or(0);
            self.two[at][place]
        };
        let image = |at: usize| {
            let turned = at % n * n + at / n;
            TWO.map(|kind| number(kind.dual(), if kind == Kind::Cx { turned } else { at }))
        };
        let two: Vec<_> = (0..n * n).map(image).collect();
        let count = |kind| (0..n * n).map(|at| number(kind, at)).sum::<u32>();
        let alike = count(Kind::Cz) == count(Kind::Xcx) && count(Kind::Cy) == count(Kind::Xcy);
        alike.then_some(Self { qubits: n, one, two })
    }

    fn neighbours(&self, qubit: usize) -> Vec<usize> {
        let n = self.qubits;
        let joined = |&other: &usize| {
            let none = [0; TWO.len()];
            self.two[qubit * n + other] != none || self.two[other * n + qubit] != none
        };
        (0..n).filter(joined).collect()
    }
}

/// A search for the maps from some labels to others.
struct Search<'a> {
    from: &'a Labels,
    to: &'a Labels,
    /// The qubits in breadth-first order, each with the position of its parent.
    order: &'a [(usize, Option<usize>)],
    neighbours: &'a [Vec<usize>],
    /// The number of qubits at the beginning of the order that stay where they are.
    fixed: usize,
    most: usize,
    comparisons: usize,
    image: Vec<usize>,
    used: Vec<bool>,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    /// Finds the maps that begin with the images of the first `depth` qubits. Returns false if there is too much to do.
    fn run(&mut self, depth: usize) -> bool {
        let Some(&(qubit, parent)) = self.order.get(depth) else {
            self.found.push(self.image.clone());
            return self.found.len() <= self.most;
        };
        let near = self.neighbours;
        let candidates = match parent {
            _ if depth < self.fixed => vec![qubit],
            Some(parent) => near[self.image[self.order[parent].0]].clone(),
            None => (0..self.from.qubits).collect(),
        };
        for candidate in candidates {
            if self.used[candidate] || !self.fits(depth, qubit, candidate) {
                continue;
            }
            self.image[qubit] = candidate;
            self.used[candidate] = true;
            let go_on = self.run(depth + 1);
            self.used[candidate] = false;
            if !go_on {
                return false;
            }
        }
        self.comparisons > 0
    }

    fn fits(&mut self, depth: usize, qubit: usize, candidate: usize) -> bool {
        let n = self.from.qubits;
        self.comparisons = self.comparisons.saturating_sub(depth + 1);
        self.comparisons > 0
            && self.from.one[qubit] == self.to.one[candidate]
            && self.order[..depth].iter().all(|&(other, _)| {
                let image = self.image[other];
                self.from.two[qubit * n + other] == self.to.two[candidate * n + image]
                    && self.from.two[other * n + qubit] == self.to.two[image * n + candidate]
            })
    }
}

/// Returns the qubits in breadth-first order, each with the position of its parent.
fn breadth_first(qubits: usize, neighbours: &[Vec<usize>]) -> Vec<(usize, Option<usize>)> {
    let (mut order, mut seen) = (Vec::new(), vec![false; qubits]);
    for start in 0..qubits {
        let mut queue = VecDeque::from([(start, None)]);
        while let Some((qubit, parent)) = queue.pop_front() {
            if std::mem::replace(&mut seen[qubit], true) {
                continue;
            }
            let at = order.len();
            order.push((qubit, parent));
            queue.extend(neighbours[qubit].iter().map(|&next| (next, Some(at))));
        }
    }
    order
}

/// Returns a group of relabellings that map the gates to themselves, without the identity; with `duals` also such as let X and
/// Z change places. An observation has `bits` bits.
pub(crate) fn relabellings(
    qubits: usize,
    gates: &[Gate],
    duals: bool,
    bits: usize,
) -> Vec<Relabelling> {
    let labels = Labels::new(qubits, gates);
    let dual = labels.dual().filter(|_| duals);
    let neighbours: Vec<_> = (0..qubits).map(|qubit| labels.neighbours(qubit)).collect();
    let order = breadth_first(qubits, &neighbours);
    let most = MAX_ORDER.min(MAX_ENTRIES / bits.max(1)).max(1);
    let mut comparisons = MAX_COMPARISONS;
    for fixed in 0..=qubits {
        let mut all = Vec::new();
        let kinds = [(Some(&labels), false), (dual.as_ref(), true)];
        let complete = kinds.into_iter().all(|(from, is_dual)| {
            let Some(from) = from else { return true };
            let mut search = Search {
                from,
                to: &labels,
                order: &order,
                neighbours: &neighbours,
                fixed,
                most: most - usize::min(all.len(), most),
                comparisons,
                image: vec![0; qubits],
                used: vec![false; qubits],
                found: Vec::new(),
            };
            let complete = search.run(0);
            comparisons = search.comparisons;
            all.extend(search.found.into_iter().map(|image| Relabelling { image, dual: is_dual }));
            complete
        });
        if complete {
            let still =
                |r: &Relabelling| !r.dual && r.image.iter().enumerate().all(|(i, &to)| i == to);
            all.retain(|relabelling| !still(relabelling));
            return all;
        }
        if comparisons == 0 {
            break;
        }
    }
    Vec::new()
}

/// Returns the image of each gate, `[gates]`: of several gates of the same effect the first for the first.
pub(crate) fn gate_images(gates: &[Gate], relabelling: &Relabelling) -> Vec<u32> {
    let key = |kind: Kind, a: usize, b: usize| {
        let (a, b) = if kind.is_symmetric() { (a.min(b), a.max(b)) } else { (a, b) };
        (kind.effect(), a, b)
    };
    let mut places: HashMap<_, VecDeque<u32>> = HashMap::new();
    for (index, gate) in gates.iter().enumerate() {
        let place = key(gate.kind, gate.first.into(), gate.second.into());
        places.entry(place).or_default().push_back(index as u32); // at most 65,536 gates
    }
    let image = |(index, gate): (usize, &Gate)| {
        let (a, b) = (
            relabelling.image[usize::from(gate.first)],
            relabelling.image[usize::from(gate.second)],
        );
        let place = match (relabelling.dual, gate.kind) {
            (false, kind) => key(kind, a, b),
            (true, Kind::Cx) => key(Kind::Cx, b, a),
            (true, kind) => key(kind.dual(), a, b),
        };
        // A relabelling maps equally many gates to each place.
        places.get_mut(&place).and_then(VecDeque::pop_front).unwrap_or(index as u32)
    };
    gates.iter().enumerate().map(image).collect()
}
