//! Loops over the threads of the current rayon pool, serial without the feature `parallel`.
//!
//! Neither results nor errors depend on the number of threads: results come in the order of the items, and the error is
//! that of the first item that fails. Items behind one that has failed may be skipped.

use crate::Result;

/// Returns the number of threads of the current pool, 1 without the feature `parallel`.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    return 1;
}

/// Calls `work` with the index of each item and the item.
///
/// # Errors
/// The error of the first item that fails.
pub(crate) fn try_for_each<T: Send>(
    items: &mut [T],
    work: impl Fn(usize, &mut T) -> Result<()> + Sync,
) -> Result<()> {
    #[cfg(feature = "parallel")]
    if items.len() > 1 {
        use rayon::prelude::*;
        let failures = threaded::Failures::default();
        let done = items.par_iter_mut().enumerate();
        let done = done.filter_map(|(i, item)| failures.run(i, || work(i, item)));
        return done.reduce(|| Ok(()), Result::and);
    }
    items.iter_mut().enumerate().try_for_each(|(i, item)| work(i, item))
}

/// Returns `work` of each item, in order.
///
/// # Errors
/// The error of the first item that fails.
pub(crate) fn try_map<T: Send, R: Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    try_map_init(items, || (), |(), item| work(item))
}

/// Returns `work` of each item, in order. It may use memory from `init`, which items of one thread share.
///
/// # Errors
/// The error of the first item that fails.
pub(crate) fn try_map_init<T: Send, S, R: Send>(
    items: impl IntoIterator<Item = T>,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        let items: Vec<_> = items.into_iter().enumerate().collect();
        let failures = threaded::Failures::default();
        let work = |memory: &mut S, (i, item)| failures.run(i, || work(memory, item));
        let done: Vec<_> = items.into_par_iter().map_init(&init, work).collect();
        done.into_iter().flatten().collect()
    }
    #[cfg(not(feature = "parallel"))]
    {
        let mut memory = init();
        items.into_iter().map(|item| work(&mut memory, item)).collect()
    }
}

#[cfg(feature = "parallel")]
mod threaded {
    use crate::Result;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The index of the first item that has failed so far.
    pub(super) struct Failures(AtomicUsize);

    impl Default for Failures {
        fn default() -> Self {
            Self(AtomicUsize::new(usize::MAX))
        }
    }

    impl Failures {
        /// Runs the work of item `index`, unless an item before it has failed.
        pub(super) fn run<R>(
            &self,
            index: usize,
            work: impl FnOnce() -> Result<R>,
        ) -> Option<Result<R>> {
            if self.0.load(Ordering::Relaxed) < index {
                return None;
            }
            let result = work();
            if result.is_err() {
                self.0.fetch_min(index, Ordering::Relaxed);
            }
            Some(result)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn fail_from(first: usize) -> impl Fn(usize) -> Result<usize> {
        move |i| if i < first { Ok(i * i) } else { Err(Error::state("no failure", i)) }
    }

    #[test]
    fn results_come_in_order_and_the_first_error_counts() {
        let squares: Vec<usize> = (0..1000).map(|i| i * i).collect();
        assert_eq!(try_map(0..1000, fail_from(1000)), Ok(squares.clone()));
        for first in [0, 1, 500, 999] {
            let error = Err(Error::state("no failure", first));
            assert_eq!(try_map(0..1000, fail_from(first)), error);
            let mut items = vec![0; 1000];
            let fill = |i, item: &mut usize| fail_from(first)(i).map(|square| *item = square);
            assert_eq!(try_for_each(&mut items, fill), error.map(|_| ()));
            assert_eq!(items[..first], squares[..first]);
        }
    }

    #[test]
    fn memory_is_shared_by_the_items_of_a_thread() {
        let count = |seen: &mut usize, ()| {
            *seen += 1;
            Ok(*seen)
        };
        let counts = try_map_init(vec![(); 100], || 0, count).unwrap_or_default();
        assert_eq!(counts.len(), 100);
        assert!(counts[0] == 1 && counts.iter().all(|&n| n > 0));
    }
}
