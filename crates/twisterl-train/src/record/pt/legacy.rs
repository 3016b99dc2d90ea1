//! The format that `torch.save` wrote before version 1.6: four pickles, and then the values of the storages.
//!
//! The pickles are a magic number, a version, properties of the machine, and the object. Behind them lie a list of the
//! names of the storages and, for each of them, the number of its values (u64) and the values, little-endian.

use super::pickle::{Object, Pickle};
use super::tensor::{describe_storage, width};
use super::{PtResult, Refusal};
use crate::record::format::LEGACY_MAGIC;
use std::collections::HashMap;
use std::ops::Range;

/// The version that the second pickle holds.
const VERSION: i64 = 1001;

/// A file of this format.
pub(super) struct LegacyFile<'a> {
    /// The pickle of the object.
    pub(super) pickle: Pickle<'a>,
    bytes: &'a [u8],
    /// The places of the values in the file.
    storages: HashMap<String, Range<usize>>,
}

impl<'a> LegacyFile<'a> {
    /// Reads the pickles of a file, and finds its storages.
    pub(super) fn read(bytes: &'a [u8]) -> PtResult<Self> {
        let mut rest = bytes;
        let mut next = || -> PtResult<Pickle<'a>> {
            let pickle = Pickle::read(rest)?;
            rest = rest.get(pickle.length..).unwrap_or(&[]);
            Ok(pickle)
        };
        let magic = next()?;
        if !matches!(magic.get(magic.root), Object::Long(found) if LEGACY_MAGIC.contains(found)) {
            return Err(Refusal::new("a file written by torch.save", "a pickle of another kind"));
        }
        let version = next()?;
        if !matches!(version.get(version.root), Object::Int(VERSION)) {
            let found = format!("{:?}", version.get(version.root));
            return Err(Refusal::new(format!("version {VERSION} of the legacy format"), found));
        }
        next()?;
        let (pickle, keys) = (next()?, next()?);
        let lengths = lengths(&pickle)?;
        let mut storages = HashMap::new();
        for key in keys.items(keys.root).unwrap_or(&[]) {
            let key = match keys.get(*key) {
                Object::Text(key) => key.to_string(),
                Object::Int(key) => key.to_string(),
                _ => return Err(Refusal::new("names of storages", "another object")),
            };
            let (count, values) = rest.split_first_chunk().ok_or_else(|| truncated(&key))?;
            let count = u64::from_le_bytes(*count);
            let Some(&(declared, width)) = lengths.get(&key) else {
                return Err(Refusal::new("storages of tensors", format!("storage {key} of none")));
            };
            let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
            let length = length.filter(|length| *length <= values.len());
            let length = length.ok_or_else(|| truncated(&key))?;
            if length < declared {
                let expected = format!("{declared} bytes in storage {key}, as the pickle says");
                return Err(Refusal::new(expected, length));
            }
            let start = bytes.len() - values.len();
            storages.insert(key, start..start + length);
            rest = values.get(length..).unwrap_or(&[]);
        }
        Ok(Self { pickle, bytes, storages })
    }

    /// Returns the values of a storage.
    pub(super) fn storage(&self, key: &str) -> PtResult<&'a [u8]> {
        let place = self.storages.get(key).cloned();
        let values = place.and_then(|place| self.bytes.get(place));
        values.ok_or_else(|| Refusal::new(format!("the values of storage {key}"), "none"))
    }
}

/// Returns the length in bytes that the pickle gives each storage, and the number of bytes of a value.
fn lengths(pickle: &Pickle<'_>) -> PtResult<HashMap<String, (usize, usize)>> {
    let mut lengths = HashMap::new();
    for id in pickle.ids() {
        let storage = match describe_storage(pickle, id) {
            None => continue,
            Some(Ok(storage)) => storage,
            Some(Err(class)) => {
                return Err(Refusal::new("storages of numbers", class));
            }
        };
        let width = storage.dtype.map_or(1, width);
        let length = storage.length().ok_or_else(|| truncated(&storage.key))?;
        let (longest, first_width) = lengths.entry(storage.key).or_insert((length, width));
        if *first_width != width {
            return Err(Refusal::new("one type of values in a storage", "several"));
        }
        *longest = length.max(*longest);
    }
    Ok(lengths)
}

fn truncated(key: &str) -> Refusal {
    Refusal::new(format!("the values of storage {key}"), "the end of the file")
}
