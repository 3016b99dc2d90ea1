//! A buffer of the newest items.

use crate::{Error, Result};

/// The newest items, at most as many as its capacity: each further one replaces the oldest.
#[derive(Debug, Clone, PartialEq)]
pub struct RingBuffer<T> {
    capacity: usize,
    items: Vec<T>,
    /// The place of the oldest item once the buffer is full.
    next: usize,
}

impl<T> RingBuffer<T> {
    /// Creates an empty buffer.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, items: Vec::new(), next: 0 }
    }

    /// Adds an item. A buffer without capacity drops it.
    pub fn push(&mut self, item: T) {
        if self.items.len() < self.capacity {
            self.items.push(item);
        } else if self.capacity > 0 {
            // `next` is below the capacity, and a full buffer has as many items.
            self.items[self.next] = item;
            self.next = (self.next + 1) % self.capacity;
        }
    }

    /// The items in the order of their places, which is that of a checkpoint.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The place that is replaced next once the buffer is full.
    pub fn next(&self) -> usize {
        self.next
    }

    /// The items from the oldest to the newest.
    pub fn oldest_first(&self) -> impl Iterator<Item = &T> {
        let (newer, older) = self.items.split_at(self.next);
        older.iter().chain(newer)
    }

    /// Replaces the items by those of a checkpoint. Of more items than the capacity, the newest are kept.
    ///
    /// # Errors
    /// If `next` is no place of an item.
    pub fn restore(&mut self, mut items: Vec<T>, mut next: usize) -> Result<()> {
        if next > 0 && next >= items.len() {
            let expected = format!("a next place among {} items", items.len());
            return Err(Error::checkpoint("state.json", expected, next));
        }
        if items.len() != self.capacity {
            items.rotate_left(next);
            items.drain(..items.len().saturating_sub(self.capacity));
            next = 0;
        }
        (self.items, self.next) = (items, next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(capacity: usize, count: usize) -> RingBuffer<usize> {
        let mut buffer = RingBuffer::new(capacity);
        (0..count).for_each(|item| buffer.push(item));
        buffer
    }

    #[test]
    fn the_newest_items_are_kept_in_order() {
        for capacity in 0..5 {
            for count in 0..12usize {
                let newest: Vec<usize> = (count.saturating_sub(capacity)..count).collect();
                let found: Vec<usize> = of(capacity, count).oldest_first().copied().collect();
                assert_eq!(found, newest, "{count} items, capacity {capacity}");
            }
        }
    }

    #[test]
    fn a_restored_buffer_continues_as_the_saved_one() {
        let mut whole = of(3, 5);
        let mut restored = RingBuffer::new(3);
        restored.restore(whole.items().to_vec(), whole.next()).unwrap();
        whole.push(9);
        restored.push(9);
        assert_eq!(restored, whole);
        let error = restored.restore(vec![1, 2], 2).unwrap_err().to_string();
        assert!(error.contains("a next place among 2 items, found 2"), "{error}");
        restored.restore(vec![], 0).unwrap();
    }

    #[test]
    fn a_checkpoint_of_another_capacity_is_continued() {
        for (capacity, expected) in [(2, vec![1, 8]), (6, vec![2, 3, 1, 8])] {
            let mut buffer = RingBuffer::new(capacity);
            buffer.restore(vec![3, 1, 2], 2).unwrap();
            buffer.push(8);
            assert_eq!(buffer.oldest_first().copied().collect::<Vec<_>>(), expected);
        }
    }
}
