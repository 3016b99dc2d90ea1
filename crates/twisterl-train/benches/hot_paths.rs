//! Criterion benches of the hot paths: `cargo bench -p twisterl-train [-- FILTER]`. `RAYON_NUM_THREADS` sets the number of
//! threads.
#![allow(clippy::expect_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use twisterl_train::bench::workloads;

fn hot_paths(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = criterion.benchmark_group("hot paths");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for mut workload in workloads::all(folder.path()).expect("the workloads") {
        group.throughput(Throughput::Elements(workload.amount as u64));
        group.bench_function(workload.name.clone(), |bench| {
            bench.iter(|| workload.call().expect("the workload"));
        });
    }
    group.finish();
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);
