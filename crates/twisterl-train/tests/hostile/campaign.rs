//! Runs cases and checks for panics, hangs and memory.

#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures and the case that hangs")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use twisterl_core::rng::{Purpose, Rng, stream};

/// The maximum number of bytes that a case may have in use at one time.
pub const MEMORY: usize = 1 << 30;
/// The maximum duration of a case, with room for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The system's allocator with a counter of the bytes in use.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is forwarded unchanged to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller upholds the contract of the same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller upholds the contract of the same function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of the same function.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old and the new block may exist at the same time.
        grow(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of the same function.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Counts an allocation.
fn grow(size: usize) {
    let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

/// Runs one of `share` of the requested cases, one after the other, each with its own random stream.
pub fn campaign(name: &str, share: usize, mut case: impl FnMut(&mut Rng) -> Result<(), String>) {
    // Campaigns run one at a time, since they share the memory counter.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let requested = std::env::var("TWISTERL_HOSTILE_CASES").map_or(3000, |n| n.parse().unwrap());
    let seed = u64::from(crc32c::crc32c(name.as_bytes()));
    let cases = usize::div_ceil(requested, share);
    let (started, watched) = channel::<usize>();
    let title = name.to_owned();
    let watchdog = thread::spawn(move || {
        let mut current = 0;
        loop {
            match watched.recv_timeout(PATIENCE) {
                Ok(number) => current = number,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("{title}: case {current} hangs");
                    std::process::abort();
                }
            }
        }
    });
    let begun = Instant::now();
    let (mut accepted, mut peak) = (0, 0);
    for number in 0..cases {
        started.send(number).unwrap();
        let before = LIVE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let mut rng = stream(seed, Purpose::Choice, 0, number as u64);
        match catch_unwind(AssertUnwindSafe(|| case(&mut rng))) {
            Ok(Ok(())) => accepted += 1,
            Ok(Err(message)) => assert!(!message.trim().is_empty(), "{name}: case {number}"),
            Err(_) => panic!("{name}: case {number} panicked"),
        }
        let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
        assert!(used < MEMORY, "{name}: case {number} had {used} bytes in use");
        peak = peak.max(used);
    }
    drop(started);
    watchdog.join().unwrap();
    let (seconds, megabytes) = (begun.elapsed().as_secs_f64(), peak as f64 / 1e6);
    println!(
        "{name}: {cases} cases in {seconds:.1} s, {accepted} accepted, at most {megabytes:.1} MB"
    );
}
