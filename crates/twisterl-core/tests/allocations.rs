//! Rollout and inference allocate nothing per step once their buffers have grown.

#![allow(clippy::unwrap_used)]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use twisterl_core::envs::registry::Registry;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{Collection, Collector, Horizon, Starts};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_longer_rollout_allocates_no_more_than_a_short_one() {
    let params = serde_json::json!({"max_depth": 12});
    let spec = Registry::default().make("Puzzle", &params).unwrap();
    let sizes = MlpSizes {
        embedding_size: 64,
        common_layers: vec![32],
        policy_layers: vec![16],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let executor = Executor::new(&network, &vec![0.01; network.parameter_count()]).unwrap();
    let mut collector = Collector::new(&*spec, 128);
    let starts = Starts { difficulty: 8, uniform: 0.3, mixed: 0.3, remembered: 0.0, memory: &[] };
    let key = StreamKey::new(1, Purpose::Act);
    let mut collect = |iteration, steps| {
        let horizon = Horizon::Steps(steps);
        let collection = Collection {
            evaluator: &executor,
            key: key.iteration(iteration),
            starts,
            horizon,
            max_steps: 1000,
        };
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        collector.collect(&collection).unwrap();
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    // One thread, so that the pool's own bookkeeping does not depend on how work is stolen.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        for iteration in 0..3 {
            collect(iteration, 400); // buffers grow to their full size
        }
        let (short, long) = (collect(3, 10), collect(4, 300));
        assert_eq!(long, short, "290 more steps of 128 slots");
        assert!(short <= 16, "{short} allocations a collection");
    });
}
