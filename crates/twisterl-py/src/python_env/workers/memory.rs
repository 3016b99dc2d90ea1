//! The memory that a crew of workers shares: a file without a name, for answers that are too long for a socket.

use super::link::lock;
use super::message::Region;
use pyo3::prelude::*;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;

/// The length from which answers go through memory, in bytes.
const LONG: usize = 1 << 15;
/// The unit in which memory is given out, in bytes. What is not written takes no memory.
const PAGE: u64 = 1 << 16;
/// The module that makes files in memory.
const SPAWNING: &str = "twisterl._internal.processes.spawning";

/// The memory as seen by the process that starts workers.
pub(super) struct Memory {
    file: File,
    regions: Mutex<Regions>,
}

#[derive(Default)]
struct Regions {
    end: u64,
    free: Vec<Region>,
}

impl Memory {
    /// Makes memory, which the processes inherit that `start` starts; they [`open`] it by the number that `start` is given.
    ///
    /// # Errors
    /// If the system has none, and the error of `start`.
    pub(super) fn with<T, E: From<PyErr> + From<io::Error>>(
        start: impl FnOnce(i32) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let descriptor = Python::attach(|py| -> PyResult<i32> {
            py.import(SPAWNING)?.call_method0("shared_memory")?.extract()
        })?;
        let made = open(descriptor).map_err(E::from).and_then(|file| {
            let regions = Mutex::default();
            Ok((Self { file, regions }, start(descriptor)?))
        });
        Python::attach(|py| py.import("os")?.call_method1("close", (descriptor,)).map(drop))?;
        made
    }

    /// Returns a region for answers of up to this length.
    pub(super) fn take(&self, length: u64) -> Region {
        let length = length.next_multiple_of(PAGE);
        let mut regions = lock(&self.regions);
        if let Some(at) = regions.free.iter().position(|free| free.length == length) {
            return regions.free.swap_remove(at);
        }
        let start = regions.end;
        regions.end += length;
        Region { start, length }
    }

    /// Takes a region back.
    pub(super) fn give_back(&self, region: Region) {
        lock(&self.regions).free.push(region);
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// If there is none of this length.
    pub(super) fn read(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }
}

/// Opens the memory that the process which started this one made.
///
/// # Errors
/// If it is not there.
pub(super) fn open(descriptor: i32) -> io::Result<File> {
    File::options().read(true).write(true).open(format!("/dev/fd/{descriptor}"))
}

/// Writes a long answer to its region. Returns false if it is to be sent, since it is short, or memory is full.
pub(super) fn write(file: &File, region: Region, bytes: &[u8]) -> bool {
    let fits = bytes.len() >= LONG && bytes.len() as u64 <= region.length;
    fits && file.write_all_at(bytes, region.start).is_ok()
}
