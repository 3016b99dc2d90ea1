//! The hot paths under criterion: `cargo bench -p twisterl-train [-- FILTER]`. Threads: `RAYON_NUM_THREADS`.
#![allow(clippy::expect_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use twisterl_train::bench::works;

fn hot_paths(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = criterion.benchmark_group("hot paths");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for mut work in works::all(folder.path()).expect("the works") {
        group.throughput(Throughput::Elements(work.amount as u64));
        group.bench_function(work.name.clone(), |bench| {
            bench.iter(|| work.call().expect("the work"));
        });
    }
    group.finish();
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);
