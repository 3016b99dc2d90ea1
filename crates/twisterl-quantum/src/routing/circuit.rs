//! Circuits of gates on two qubits, and the part of one that is left.

use twisterl_core::env::key_of_words;

/// The most qubits.
pub(crate) const MAX_QUBITS: usize = 256;

/// A set of qubits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Qubits([u64; MAX_QUBITS / 64]);

impl Qubits {
    pub(crate) fn insert(&mut self, qubit: u8) {
        self.0[usize::from(qubit / 64)] |= 1 << (qubit % 64);
    }

    pub(crate) fn contains(&self, qubit: u8) -> bool {
        self.0[usize::from(qubit / 64)] >> (qubit % 64) & 1 == 1
    }

    /// Removes the first one and returns it.
    pub(crate) fn pop(&mut self) -> Option<u8> {
        let (at, word) = self.0.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros();
        *word &= *word - 1;
        Some((at as u32 * 64 + bit) as u8) // below 256
    }
}

/// A circuit. A gate waits for the gates before it on its two qubits.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    /// The qubits of each gate.
    gates: Vec<[u8; 2]>,
    /// The gates of each qubit in order, those of one behind those of another.
    of_qubits: Vec<u32>,
    /// The first place of each qubit in `of_qubits`, and the end, `[qubits + 1]`.
    starts: Vec<u32>,
    /// A key of the partners from each place in `of_qubits` to the end of its qubit.
    keys: Vec<u64>,
}

impl Circuit {
    /// Returns the circuit of some gates on `qubits` qubits.
    pub(crate) fn new(qubits: usize, gates: Vec<[u8; 2]>) -> Self {
        let mut starts = vec![0; qubits + 1];
        for &qubit in gates.as_flattened() {
            starts[usize::from(qubit) + 1] += 1;
        }
        for qubit in 0..qubits {
            starts[qubit + 1] += starts[qubit];
        }
        let mut places = starts.clone();
        let mut of_qubits = vec![0; 2 * gates.len()];
        for (index, gate) in gates.iter().enumerate() {
            for &qubit in gate {
                let place = &mut places[usize::from(qubit)];
                of_qubits[*place as usize] = index as u32; // at most 65,536 gates
                *place += 1;
            }
        }
        let mut keys = vec![0; of_qubits.len()];
        for qubit in 0..qubits {
            let mut key = 0;
            for place in (starts[qubit] as usize..starts[qubit + 1] as usize).rev() {
                let [a, b] = gates[of_qubits[place] as usize];
                key = key_of_words([key, u64::from(a) + u64::from(b)].into_iter());
                keys[place] = key;
            }
        }
        Self { gates, of_qubits, starts, keys }
    }

    /// The qubits of gate number `index`.
    pub(crate) fn gate(&self, index: u32) -> [u8; 2] {
        self.gates[index as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.gates.len()
    }

    /// The first place of each qubit.
    pub(crate) fn first_places(&self) -> &[u32] {
        &self.starts[..self.starts.len().saturating_sub(1)]
    }

    /// Returns the first gate that is left of a qubit, if the places are the first that are left of each qubit.
    fn first(&self, places: &[u32], qubit: u8) -> Option<u32> {
        let place = places[usize::from(qubit)];
        (place < self.starts[usize::from(qubit) + 1]).then(|| self.of_qubits[place as usize])
    }

    /// Returns the first gate that is left of a qubit if it waits for no other gate.
    #[inline]
    pub(crate) fn ready(&self, places: &[u32], qubit: u8) -> Option<u32> {
        let index = self.first(places, qubit)?;
        let [a, b] = self.gate(index);
        let partner = if a == qubit { b } else { a };
        (self.first(places, partner) == Some(index)).then_some(index)
    }

    /// Returns true if gate number `index` is left.
    pub(crate) fn is_left(&self, places: &[u32], index: u32) -> bool {
        let qubit = usize::from(self.gate(index)[0]);
        let left = &self.of_qubits[places[qubit] as usize..self.starts[qubit + 1] as usize];
        left.first().is_some_and(|&first| first <= index)
    }

    /// Returns a key of the gates that are left of a qubit, 0 if there are none.
    pub(crate) fn key(&self, places: &[u32], qubit: u8) -> u64 {
        let place = places[usize::from(qubit)];
        let left = place < self.starts[usize::from(qubit) + 1];
        if left { self.keys[place as usize] } else { 0 }
    }

    /// Hands the gates of the first layers that are left to `visit`, with the number of the layer. A layer consists of the
    /// gates that wait for none when those of the layers before it are gone.
    pub(crate) fn layers(&self, places: &[u32], count: usize, mut visit: impl FnMut(usize, u32)) {
        let mut advanced = [0; MAX_QUBITS];
        let places_now = &mut advanced[..places.len()];
        places_now.copy_from_slice(places);
        for layer in 0..count {
            let mut ready = Qubits::default();
            for qubit in (0..=u8::MAX).take(places.len()) {
                if let Some(index) = self.ready(places_now, qubit)
                    && self.gate(index)[0] == qubit
                {
                    ready.insert(qubit);
                    visit(layer, index);
                }
            }
            let mut any = false;
            while let Some(qubit) = ready.pop() {
                let place = places_now[usize::from(qubit)] as usize;
                for qubit in self.gate(self.of_qubits[place]) {
                    places_now[usize::from(qubit)] += 1;
                }
                any = true;
            }
            if !any {
                break;
            }
        }
    }
}
