//! Evaluations kept by the key of their state.

/// A table of fixed size in which a new evaluation takes the place of whatever stood there: bounded, and the same for the
/// same sequence of calls.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    width: usize,
    keys: Vec<u64>,
    /// Log-probabilities and the value, entries x (actions + 1).
    rows: Vec<f32>,
}

/// The key of an empty place.
const EMPTY: u64 = 0;

impl Cache {
    /// Room for `entries` evaluations, rounded up to a power of two, of `actions` actions; none for 0.
    pub(crate) fn new(entries: usize, actions: usize) -> Self {
        let entries = if entries == 0 { 0 } else { entries.next_power_of_two() };
        let width = actions + 1;
        Self { width, keys: vec![EMPTY; entries], rows: vec![0.0; entries * width] }
    }

    /// Whether there is no room.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.keys.fill(EMPTY);
    }

    fn place(&self, key: u64) -> Option<usize> {
        (!self.keys.is_empty() && key != EMPTY).then(|| key as usize & (self.keys.len() - 1))
    }

    /// Log-probabilities and value of the state with this key.
    pub(crate) fn get(&self, key: u64) -> Option<(&[f32], f32)> {
        let place = self.place(key)?;
        if self.keys.get(place) != Some(&key) {
            return None;
        }
        let row = self.rows.get(place * self.width..(place + 1) * self.width)?;
        row.split_last().map(|(&value, log_probs)| (log_probs, value))
    }

    pub(crate) fn put(&mut self, key: u64, log_probs: &[f32], value: f32) {
        let Some(place) = self.place(key) else { return };
        let row = self.rows.get_mut(place * self.width..(place + 1) * self.width);
        let Some((last, rest)) = row.and_then(|row| row.split_last_mut()) else { return };
        if rest.len() == log_probs.len() {
            rest.copy_from_slice(log_probs);
            *last = value;
            if let Some(to) = self.keys.get_mut(place) {
                *to = key;
            }
        }
    }
}
