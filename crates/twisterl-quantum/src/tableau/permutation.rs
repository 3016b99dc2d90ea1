//! Permutations: entry `i` is the qubit whose content belongs where the content of qubit `i` is now.

use super::Tableau;
use crate::connectivity::{FAR, components, distances};
use crate::gates::{Gate, Kind};
use crate::metrics::Costs;
use crate::params::Rules;
use twisterl_core::env::whole_numbers;
use twisterl_core::rng::{Rng, RngExt as _};
use twisterl_core::space::ObservationRow;
use twisterl_core::{Error, Result};

/// A permutation of at most 256 qubits.
#[derive(Debug)]
pub struct PermutationTableau {
    entries: Vec<u8>,
    /// The number of entries that are not their own index.
    wrong: u32,
}

impl Clone for PermutationTableau {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), wrong: self.wrong }
    }

    fn clone_from(&mut self, source: &Self) {
        self.entries.clone_from(&source.entries);
        self.wrong = source.wrong;
    }
}

/// The permutations that SWAPs make: those within each component of the map.
#[derive(Debug)]
pub struct PermutationGroup {
    /// The number of SWAPs between each two qubits, `[qubits, qubits]`.
    distances: Vec<u16>,
    components: Vec<Vec<usize>>,
}

impl PermutationTableau {
    fn new(entries: Vec<u8>) -> Self {
        let wrong = entries.iter().enumerate().filter(|&(i, &entry)| usize::from(entry) != i);
        Self { wrong: wrong.count() as u32, entries }
    }
}

impl Tableau for PermutationTableau {
    const NAME: &'static str = "Permutation";
    const RULES: Rules = Rules {
        max_qubits: 256,
        allowed: &[Kind::Swap],
        basis: &[Kind::Swap],
        up_to_local: false,
        has_dual: false,
    };
    const HAS_DUALS: bool = false;

    type Group = PermutationGroup;

    fn group(qubits: usize, gates: &[Gate]) -> PermutationGroup {
        let distances = distances(qubits, gates.iter().filter_map(|gate| gate.edge()));
        PermutationGroup { components: components(qubits, &distances), distances }
    }

    fn identity(qubits: usize) -> Self {
        Self { entries: (0..=u8::MAX).take(qubits).collect(), wrong: 0 }
    }

    fn side(qubits: usize) -> usize {
        qubits
    }

    fn entries(qubits: usize) -> usize {
        qubits
    }

    fn read(qubits: usize, state: &[f64], group: &PermutationGroup) -> Result<Self> {
        let mut places = vec![None; qubits];
        let mut entries = Vec::with_capacity(qubits);
        for (place, entry) in whole_numbers(state, qubits).enumerate() {
            let entry = entry?;
            if let Some(first) = places[entry].replace(place) {
                let found = format!("{entry} at positions {first} and {place}");
                return Err(Error::state("a permutation, with each number once", found));
            }
            if group.distances.get(place * qubits + entry) == Some(&FAR) {
                let found = format!("{entry} at position {place}, where no SWAPs can take it");
                return Err(Error::state("a permutation that the gates can make", found));
            }
            entries.push(entry as u8); // below 256
        }
        Ok(Self::new(entries))
    }

    fn write(&self, out: &mut Vec<f64>) {
        out.extend(self.entries.iter().map(|&entry| f64::from(entry)));
    }

    fn restart(&mut self) {
        self.entries.iter_mut().zip(0..=u8::MAX).for_each(|(entry, i)| *entry = i);
        self.wrong = 0;
    }

    #[inline]
    fn apply(&mut self, gate: Gate) {
        let (a, b) = (usize::from(gate.first), usize::from(gate.second));
        let wrong = |entries: &[u8]| {
            u32::from(entries[a] != gate.first) + u32::from(entries[b] != gate.second)
        };
        let before = wrong(&self.entries);
        self.entries.swap(a, b);
        self.wrong = self.wrong + wrong(&self.entries) - before;
    }

    #[inline]
    fn solved(&self) -> bool {
        self.wrong == 0
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        let side = self.entries.len();
        row.ones(self.entries.iter().enumerate().map(|(i, &entry)| i * side + usize::from(entry)));
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.entries
            .chunks(8)
            .map(|bytes| bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

    /// Shuffles the qubits of each component (Fisher and Yates).
    fn draw(&mut self, group: &PermutationGroup, rng: &mut Rng) -> bool {
        self.restart();
        for component in &group.components {
            for last in (1..component.len()).rev() {
                let other = rng.random_range(0..=last as u32) as usize;
                self.entries.swap(component[last], component[other]);
            }
        }
        let wrong = self.entries.iter().zip(0..=u8::MAX).filter(|&(&entry, i)| entry != i);
        self.wrong = wrong.count() as u32;
        true
    }

    fn relabelled(&self, image: &[u32]) -> Self {
        let mut entries = vec![0; self.entries.len()];
        for (&to, &entry) in image.iter().zip(&self.entries) {
            entries[to as usize] = image[usize::from(entry)] as u8;
        }
        Self::new(entries)
    }

    fn inverse(&self) -> Self {
        let mut entries = vec![0; self.entries.len()];
        for (place, &entry) in (0..=u8::MAX).zip(&self.entries) {
            entries[usize::from(entry)] = place;
        }
        Self::new(entries)
    }

    /// A SWAP takes each of two contents one step nearer to its place at best.
    fn least_cost(&self, group: &PermutationGroup, costs: &Costs) -> f32 {
        let side = self.entries.len();
        let steps: u32 = self
            .entries
            .iter()
            .enumerate()
            .map(|(i, &entry)| u32::from(group.distances[i * side + usize::from(entry)]))
            .sum();
        match steps {
            0 => 0.0,
            steps => steps.div_ceil(2) as f32 * costs.least(&[Kind::Swap]),
        }
    }

    fn render(&self) -> String {
        let entries: Vec<_> = self.entries.iter().map(ToString::to_string).collect();
        entries.join(" ")
    }
}
