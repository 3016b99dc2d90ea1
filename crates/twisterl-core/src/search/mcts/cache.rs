//! Evaluations by the key of their state.

/// A table of fixed size in which a new evaluation replaces the one in its entry. So it is bounded, and the same for the
/// same sequence of calls.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    width: usize,
    /// `[entry]`
    keys: Vec<u64>,
    /// Log-probabilities and the value, `[entry, action + 1]`.
    rows: Vec<f32>,
}

/// The key of an empty entry. States with this key are not cached.
const EMPTY: u64 = 0;

impl Cache {
    /// Allocates `entries` evaluations, rounded up to a power of two, of `actions` actions; none for 0.
    pub(crate) fn new(entries: usize, actions: usize) -> Self {
        let entries = if entries == 0 { 0 } else { entries.next_power_of_two() };
        let width = actions + 1;
        Self { width, keys: vec![EMPTY; entries], rows: vec![0.0; entries * width] }
    }

    /// Returns whether there are no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.keys.fill(EMPTY);
    }

    /// Returns the entry of `key`, if there is room for any.
    fn entry(&self, key: u64) -> Option<usize> {
        // The number of entries is a power of two.
        (!self.keys.is_empty() && key != EMPTY).then(|| key as usize & (self.keys.len() - 1))
    }

    /// Returns the log-probabilities and the value of the state with this key.
    pub(crate) fn get(&self, key: u64) -> Option<(&[f32], f32)> {
        let entry = self.entry(key).filter(|&entry| self.keys[entry] == key)?;
        let row = &self.rows[entry * self.width..(entry + 1) * self.width];
        row.split_last().map(|(&value, log_probs)| (log_probs, value))
    }

    /// Remembers the evaluation of the state with this key. `log_probs` has one entry per action.
    pub(crate) fn put(&mut self, key: u64, log_probs: &[f32], value: f32) {
        let Some(entry) = self.entry(key) else { return };
        let (first, last) = (entry * self.width, (entry + 1) * self.width - 1);
        self.rows[first..last].copy_from_slice(log_probs);
        self.rows[last] = value;
        self.keys[entry] = key;
    }
}
