//! Damaged modules: whatever the bytes, a module is refused, ended, or plays, without a panic and within its bounds.

use super::{LINE, open, play};
use std::time::{Duration, Instant};
use twisterl_core::rng::rand::RngExt as _;
use twisterl_core::rng::{Purpose, Rng, stream};
use twisterl_wasm::Sandbox;

/// Bounds within which every module ends soon.
pub(crate) const SMALL: Sandbox =
    Sandbox { memory_mib: 16, fuel_per_call: 200_000, fuel_per_row: 10_000, ..Sandbox::DEFAULT };

/// Changes, removes, repeats or moves some bytes.
pub(crate) fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    // Half of the modules have a single change, after which more of them are valid.
    let changes = rng.random_range(1..=2u32) * rng.random_range(1..=3u32);
    for _ in 0..if rng.random() { 1 } else { changes } {
        let at = rng.random_range(0..bytes.len() as u32) as usize;
        let len = (rng.random_range(1..=16u32) as usize).min(bytes.len() - at);
        match rng.random_range(0..6u32) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8u32),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5u32) as usize],
            3 => drop(bytes.drain(at..at + len)),
            4 => {
                let copied = bytes[at..at + len].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => {
                let to = rng.random_range(0..bytes.len() as u32) as usize;
                bytes.swap(at, to);
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// Opens and plays `count` damaged modules. Returns how many were refused, ended in play, and played.
fn campaign(seed: u64, count: u64) -> [u64; 3] {
    let base = wat::parse_str(LINE).unwrap();
    let mut outcomes = [0; 3];
    for index in 0..count {
        let mut bytes = base.clone();
        mutate(&mut bytes, &mut stream(seed, Purpose::Search, 0, index));
        let begun = Instant::now();
        let outcome = match open(&bytes, SMALL) {
            Err(_) => 0,
            Ok(spec) => 1 + usize::from(play(&spec).is_ok()),
        };
        outcomes[outcome] += 1;
        assert!(begun.elapsed() < Duration::from_secs(60), "module {index} of seed {seed}");
    }
    outcomes
}

#[test]
fn ten_thousand_damaged_modules_are_refused_or_ended() {
    let outcomes = campaign(1, 10_000);
    assert!(outcomes.iter().all(|&count| count > 100), "{outcomes:?}: too few modules of one kind");
}

#[test]
#[ignore = "a minute: run it with -- --ignored after a change of the engine"]
fn a_million_damaged_modules_are_refused_or_ended() {
    println!("{:?}", campaign(2, 1_000_000));
}
