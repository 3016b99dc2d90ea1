//! Epochs: the moments at which a call asks whether interruption was requested.

use std::io;
use std::thread;
use std::time::Duration;
use wasmtime::Engine;

/// The length of an epoch.
const EPOCH: Duration = Duration::from_millis(10);

/// Starts a thread that counts the epochs of an engine until the engine is dropped.
pub(crate) fn count(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    let count = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    };
    thread::Builder::new().name("wasm-epochs".into()).spawn(count).map(drop)
}
