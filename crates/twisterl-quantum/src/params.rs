//! The parameters, and the gate sets that they describe.

use crate::gates::{Gate, Kind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use twisterl_core::error::in_range;
use twisterl_core::{Error, Result};

/// The greatest difficulty and budget. A scramble of this many gates takes some milliseconds, so that no config can hang.
pub(crate) const LIMIT: usize = 1_000_000;

/// The most gates of a set.
const MAX_GATES: usize = 65_536;

/// The greatest magnitude of a weight.
const MAX_WEIGHT: f32 = 1e6;

/// The parameters of [`Synthesis`](crate::Synthesis).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SynthesisParams {
    /// The number of qubits: at most 256 for permutations, 64 for linear functions, 32 for Cliffords.
    pub num_qubits: usize,
    /// Random gates of a scramble, at most a million.
    pub difficulty: usize,
    /// The gates, each as its name and its qubits, such as `["CX", [0, 1]]`; an action is an index into this list. If absent,
    /// the list is made of `coupling_map` and `basis_gates`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateset: Option<Vec<(String, Vec<usize>)>>,
    /// The pairs of qubits with gates, each as `[control, target]`; a line in both directions if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupling_map: Option<Vec<[usize; 2]>>,
    /// The names of the gates; those of the environment if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis_gates: Option<Vec<String>>,
    /// Budget of gates a unit of difficulty.
    pub depth_slope: usize,
    /// The greatest budget, which is also that of an episode begun at a given state; 1 to a million.
    pub max_depth: usize,
    /// The weights of the metrics; `null` for the defaults.
    pub metrics_weights: Option<MetricsWeights>,
    /// No effect: steps are deterministic. Accepted for configs of `qiskit-gym`.
    pub add_inverts: bool,
    /// Use the symmetries of the gate set.
    pub add_perms: bool,
    /// The observation shows the transposed inverse below the matrix; for linear functions alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dual: bool,
    /// No effect: solutions are always recorded. Accepted for configs of `qiskit-gym`.
    pub track_solution: bool,
}

impl Default for SynthesisParams {
    fn default() -> Self {
        Self {
            num_qubits: 3,
            difficulty: 1,
            gateset: None,
            coupling_map: None,
            basis_gates: None,
            depth_slope: 2,
            max_depth: 128,
            metrics_weights: None,
            add_inverts: true,
            add_perms: true,
            dual: false,
            track_solution: true,
        }
    }
}

/// The cost of a unit of each metric of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsWeights {
    /// CX gates: a SWAP counts 3, a CZ counts 1.
    pub n_cnots: f32,
    /// Layers of CX gates.
    pub n_layers_cnots: f32,
    /// Layers of gates.
    pub n_layers: f32,
    /// Gates: a SWAP counts 3 and a CZ counts 3 (two on its second qubit, and a CX).
    pub n_gates: f32,
    /// Actions: each gate of the set counts 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub n_actions: f32,
}

/// Returns true for a field that is not written, so that files stay as they were before there was such a field.
fn is_zero(weight: &f32) -> bool {
    *weight == 0.0
}

impl Default for MetricsWeights {
    fn default() -> Self {
        Self { n_cnots: 0.01, n_layers_cnots: 0.0, n_layers: 0.0, n_gates: 0.0001, n_actions: 0.0 }
    }
}

impl MetricsWeights {
    fn check(self) -> Result<Self> {
        for (name, weight) in [
            ("n_cnots", self.n_cnots),
            ("n_layers_cnots", self.n_layers_cnots),
            ("n_layers", self.n_layers),
            ("n_gates", self.n_gates),
            ("n_actions", self.n_actions),
        ] {
            if !(-MAX_WEIGHT..=MAX_WEIGHT).contains(&weight) {
                let expected = format!("a number from -{MAX_WEIGHT:e} to {MAX_WEIGHT:e}");
                return Err(Error::config(name, expected, format!("{weight:?}")));
            }
        }
        Ok(self)
    }
}

/// The gates that an environment takes.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The most qubits.
    pub max_qubits: usize,
    /// The kinds that act on its states.
    pub allowed: &'static [Kind],
    /// The kinds of a gate set that is made of a coupling map, in their order.
    pub basis: &'static [Kind],
    /// States that differ by gates on one qubit are equivalent, and such gates cost nothing. Each two qubits then have all nine
    /// gates that are CX between their bases, or none.
    pub up_to_local: bool,
    /// Observations may show the transposed inverse.
    pub has_dual: bool,
}

/// Parameters after they were checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) qubits: usize,
    pub(crate) gates: Vec<Gate>,
    pub(crate) weights: MetricsWeights,
}

impl SynthesisParams {
    /// Checks the parameters against the rules of an environment.
    pub(crate) fn check(&self, rules: Rules) -> Result<Checked> {
        let qubits = in_range("num_qubits", self.num_qubits, 1..=rules.max_qubits)?;
        in_range("difficulty", self.difficulty, 0..=LIMIT)?;
        in_range("max_depth", self.max_depth, 1..=LIMIT)?;
        if self.dual && !rules.has_dual {
            let expected = "false, except for linear functions";
            return Err(Error::config("dual", expected, "true"));
        }
        let gates = match &self.gateset {
            Some(list) => self.listed(list, rules)?,
            None => self.made(rules)?,
        };
        if rules.up_to_local {
            let path = if self.gateset.is_some() { "gateset" } else { "basis_gates" };
            complete(path, &gates)?;
        }
        let weights = self.metrics_weights.unwrap_or_default();
        let weights = weights.check().map_err(|error| error.below("metrics_weights"))?;
        Ok(Checked { qubits, gates, weights })
    }

    /// Reads the list of gates.
    fn listed(&self, list: &[(String, Vec<usize>)], rules: Rules) -> Result<Vec<Gate>> {
        let beside = [
            ("coupling_map", self.coupling_map.is_some()),
            ("basis_gates", self.basis_gates.is_some()),
        ];
        if let Some((name, _)) = beside.into_iter().find(|(_, given)| *given) {
            return Err(Error::config(name, "none beside a gateset", "one"));
        }
        if list.is_empty() || list.len() > MAX_GATES {
            let found = format!("{} gates", list.len());
            return Err(Error::config("gateset", format!("1 to {MAX_GATES} gates"), found));
        }
        let gates = list.iter().enumerate().map(|(i, (name, on))| {
            self.gate(name, on, rules).map_err(|error| error.below(&format!("gateset[{i}]")))
        });
        gates.collect()
    }

    /// Reads one gate.
    fn gate(&self, name: &str, on: &[usize], rules: Rules) -> Result<Gate> {
        let kind = kind(name, rules)?;
        if on.len() != kind.qubits() {
            let expected = match kind.qubits() {
                1 => format!("1 qubit of {}", kind.name()),
                _ => format!("2 qubits of {}", kind.name()),
            };
            return Err(Error::config("", expected, format!("{on:?}")));
        }
        self.on(on)?;
        // At most 256 qubits, and at least one of the gate.
        let qubit = |i: usize| on.get(i).copied().map(|qubit| qubit as u8);
        let first = qubit(0).unwrap_or_default();
        Ok(Gate { kind, first, second: qubit(1).unwrap_or(first) })
    }

    /// Checks the qubits of a gate.
    fn on(&self, qubits: &[usize]) -> Result<()> {
        if qubits.iter().any(|&qubit| qubit >= self.num_qubits) {
            let expected = format!("qubits from 0 to {}", self.num_qubits.saturating_sub(1));
            return Err(Error::config("", expected, format!("{qubits:?}")));
        }
        match qubits {
            [a, b] if a == b => {
                Err(Error::config("", "two different qubits", format!("{qubits:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Makes the list of gates: for each kind of the basis the qubits in order, or the sorted edges of the map. Gates that are
    /// the same one are listed once.
    fn made(&self, rules: Rules) -> Result<Vec<Gate>> {
        let basis = match &self.basis_gates {
            None => rules.basis.to_vec(),
            Some(names) => {
                let kinds = names.iter().enumerate().map(|(i, name)| {
                    kind(name, rules).map_err(|error| error.below(&format!("basis_gates[{i}]")))
                });
                kinds.collect::<Result<_>>()?
            }
        };
        let mut edges = self.edges()?;
        if rules.up_to_local {
            // Gates on one qubit turn CX.
            let turned: Vec<_> = edges.iter().map(|&[a, b]| [b, a]).collect();
            edges.extend(turned);
            edges.sort_unstable();
        }
        let mut gates: Vec<Gate> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for kind in basis {
            let places: Vec<[usize; 2]> = match kind.qubits() {
                1 => (0..self.num_qubits).map(|qubit| [qubit; 2]).collect(),
                _ => edges.clone(),
            };
            for [a, b] in places {
                let key = if kind.is_symmetric() { (a.min(b), a.max(b)) } else { (a, b) };
                if seen.insert((kind.effect(), key)) {
                    // At most 256 qubits.
                    gates.push(Gate { kind, first: a as u8, second: b as u8 });
                }
            }
        }
        if gates.is_empty() || gates.len() > MAX_GATES {
            let path = if self.basis_gates.is_some() { "basis_gates" } else { "coupling_map" };
            let found = format!("{} gates", gates.len());
            return Err(Error::config(path, format!("1 to {MAX_GATES} gates"), found));
        }
        Ok(gates)
    }

    /// Returns the sorted edges of the coupling map.
    fn edges(&self) -> Result<Vec<[usize; 2]>> {
        let Some(map) = &self.coupling_map else {
            let line =
                (1..self.num_qubits).flat_map(|qubit| [[qubit - 1, qubit], [qubit, qubit - 1]]);
            let mut line: Vec<_> = line.collect();
            line.sort_unstable();
            return Ok(line);
        };
        for (i, edge) in map.iter().enumerate() {
            self.on(edge).map_err(|error| error.below(&format!("coupling_map[{i}]")))?;
        }
        let mut edges = map.clone();
        edges.sort_unstable();
        Ok(edges)
    }
}

/// Checks that each two qubits have all nine gates that are CX between bases of them, or none.
fn complete(path: &str, gates: &[Gate]) -> Result<()> {
    let mut kinds: BTreeMap<(u8, u8), BTreeSet<(Kind, bool)>> = BTreeMap::new();
    for gate in gates {
        let turned = gate.first > gate.second;
        let edge = if turned { (gate.second, gate.first) } else { (gate.first, gate.second) };
        let kind = (gate.kind, turned && !gate.kind.is_symmetric());
        kinds.entry(edge).or_default().insert(kind);
    }
    match kinds.into_iter().find(|(_, kinds)| kinds.len() < 9) {
        Some(((a, b), kinds)) => {
            let expected =
                "CX, CY and XCY in both directions, CZ, XCX and YCY on each two qubits of a gate";
            Err(Error::config(path, expected, format!("{} of these on {a} and {b}", kinds.len())))
        }
        None => Ok(()),
    }
}

/// Returns the kind of a name.
fn kind(name: &str, rules: Rules) -> Result<Kind> {
    Kind::parse(name).filter(|kind| rules.allowed.contains(kind)).ok_or_else(|| {
        let known: Vec<_> = rules.allowed.iter().map(|kind| kind.name()).collect();
        Error::config("", format!("one of the gates {}", known.join(", ")), format!("{name:?}"))
    })
}
