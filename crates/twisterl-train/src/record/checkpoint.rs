//! Checkpoints: folders with everything needed to resume a run or to use its policy.
//!
//! A checkpoint `NAME` is complete if its manifest, which is written last, matches the length and the checksum of every
//! other file in it. It is written as `NAME.new` and then replaces the previous one:
//!
//! ```text
//! NAME (old)                  NAME.new (being written)
//! NAME (old)                  NAME.new (complete)
//! NAME.old (old)              NAME.new (complete)
//! NAME.old (old)  NAME (new)
//!                 NAME (new)
//! ```
//!
//! If the process is killed at any moment, the newest checkpoint is the first complete one of `NAME`, `NAME.new` and
//! `NAME.old`.

use crate::record::disk::{Disk, Folder, Kind, Links, parent};
use crate::record::snapshot::{ArrayData, read_arrays, write_arrays};
use crate::system::files::{MAX_CHECKPOINT_STATE, MAX_MANIFEST, MAX_WEIGHTS_FILE};
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;
use twisterl_core::error::from_serde::shorten;
use twisterl_core::error::json;
use twisterl_core::policy::Policy;

/// The policy file of a checkpoint. It can be used alone.
pub const POLICY: &str = "policy.safetensors";
const ARRAYS: &str = "train.safetensors";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";
/// Added to the name of a checkpoint that is being written, and of the one that it replaces.
pub(crate) const NEW: &str = ".new";
pub(crate) const OLD: &str = ".old";
/// The version of the folder format that this code writes and reads.
const FORMAT: u64 = 1;
/// The files beside the manifest, with the most bytes of each.
const FILES: [(&str, u64); 3] =
    [(POLICY, MAX_WEIGHTS_FILE), (ARRAYS, MAX_WEIGHTS_FILE), (STATE, MAX_CHECKPOINT_STATE)];

/// Everything needed to resume a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The policy.
    pub policy: Policy,
    /// Small values: counters, curriculum, seeds.
    pub state: Value,
    /// Large arrays by name, such as an optimizer's moments. Reading sorts them by name.
    pub arrays: Vec<(String, ArrayData)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u64,
    files: BTreeMap<String, FileDigest>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDigest {
    length: u64,
    crc32c: u32,
}

impl FileDigest {
    fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, crc32c: crc32c::crc32c(bytes) }
    }
}

impl Display for FileDigest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with checksum {:08x}", self.length, self.crc32c)
    }
}

impl Checkpoint {
    /// Writes this checkpoint as the folder `path`. An existing checkpoint is replaced atomically.
    ///
    /// # Errors
    /// If the policy is invalid, for example has weights that are not finite, or the disk cannot be written to. The
    /// previous checkpoint then stays readable.
    pub fn write(&self, path: &Path) -> Result<()> {
        let Some(name) = path.file_name() else {
            return Err(Error::checkpoint(path, "a path that ends in a name", "none"));
        };
        fs::create_dir_all(parent(path)).map_err(|e| Error::io("create", parent(path), e))?;
        self.write_in(&Folder::open(parent(path), Links::Refuse)?, name)
    }

    /// Writes this checkpoint as `name` in `folder`.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub(crate) fn write_in(&self, folder: &Folder, name: impl AsRef<OsStr>) -> Result<()> {
        self.write_on(&mut Disk::default(), folder, name.as_ref())
    }

    pub(crate) fn write_on(&self, disk: &mut Disk, folder: &Folder, name: &OsStr) -> Result<()> {
        let files = [
            (POLICY, self.policy.to_safetensors()?),
            (ARRAYS, write_arrays(Path::new(ARRAYS), &self.arrays)?),
            (STATE, to_json(&self.state)?),
        ];
        for (file, bytes) in &files {
            let path = folder.path_of(name).join(file);
            check_length(&path, bytes.len() as u64, limit(file))?;
        }
        let digests = files.iter().map(|(name, bytes)| ((*name).to_owned(), FileDigest::of(bytes)));
        let manifest = to_json(&Manifest { format: FORMAT, files: digests.collect() })?;

        let [new, old] = [NEW, OLD].map(|suffix| with_suffix(name, suffix));
        for name in [name, &new, &old] {
            folder.check_kind(name, Kind::Folder)?;
        }
        // Of the remains of a killed write, a complete checkpoint is kept and the rest is removed.
        let newest = newest(folder, name);
        if newest != name && folder.kind(&newest)?.is_some() {
            disk.rename(folder, &newest, name)?;
        }
        disk.remove_folder(folder, &new)?;
        let inside = disk.create_folder(folder, &new)?;
        for (name, bytes) in &files {
            disk.write_synced(&inside, name, bytes)?;
        }
        disk.write_synced(&inside, MANIFEST, &manifest)?;
        inside.sync()?;
        drop(inside);
        if folder.kind(name)?.is_some() {
            disk.remove_folder(folder, &old)?;
            disk.rename(folder, name, &old)?;
        }
        disk.rename(folder, &new, name)?;
        disk.remove_folder(folder, &old)
    }

    /// Reads the newest complete checkpoint under the name `path`.
    ///
    /// # Errors
    /// If there is none, or one of its files is corrupt or of another version.
    pub fn read(path: &Path) -> Result<Self> {
        retry(|| Self::read_from(&open_newest(path)?))
    }

    /// Reads the newest complete checkpoint under the name `name` in `folder`.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub(crate) fn read_in(folder: &Folder, name: impl AsRef<OsStr>) -> Result<Self> {
        Self::read_from(&open_newest_in(folder, name.as_ref())?)
    }

    fn read_from(folder: &Folder) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let policy = read_policy_file(folder, &manifest)?;
        let arrays = read_arrays(&folder.path_of(ARRAYS), &read_part(folder, ARRAYS, &manifest)?)?;
        let state = read_state_file(folder, &manifest)?;
        Ok(Self { policy, state, arrays })
    }

    /// Reads only the policy of the newest complete checkpoint under the name `path`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn read_policy(path: &Path) -> Result<Policy> {
        retry(|| {
            let folder = open_newest(path)?;
            read_policy_file(&folder, &read_manifest(&folder)?)
        })
    }

    /// Reads only the state of the newest complete checkpoint under the name `path`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn read_state(path: &Path) -> Result<Value> {
        retry(|| {
            let folder = open_newest(path)?;
            read_state_file(&folder, &read_manifest(&folder)?)
        })
    }

    /// Returns true if there is a checkpoint under this name, complete or not.
    pub fn exists(path: &Path) -> bool {
        open_newest(path)
            .and_then(|folder| folder.kind(MANIFEST))
            .is_ok_and(|kind| kind == Some(Kind::File))
    }
}

/// Serializes a value as indented JSON.
fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value)
        .map_err(|e| twisterl_core::Error::internal(format!("a checkpoint as JSON: {e}")).into())
}

/// Opens the newest complete checkpoint under the name `path`, or else what has this name.
fn open_newest(path: &Path) -> Result<Folder> {
    if let (Some(name), false) = (path.file_name(), path.exists())
        && let Ok(folder) = Folder::open(parent(path), Links::Follow)
    {
        return open_newest_in(&folder, name);
    }
    match path.is_dir() {
        true => Folder::open(path, Links::Follow),
        false => Err(Error::checkpoint(path, "a checkpoint folder", "no such folder")),
    }
}

/// Opens the newest complete checkpoint under the name `name`, or else what has this name.
fn open_newest_in(folder: &Folder, name: &OsStr) -> Result<Folder> {
    let newest = newest(folder, name);
    match folder.kind(&newest)? {
        None => {
            let expected = "a checkpoint folder";
            Err(Error::checkpoint(folder.path_of(name), expected, "no such folder"))
        }
        Some(_) => folder.open_folder(newest),
    }
}

/// Returns the name of the newest complete checkpoint under the name `name`, or `name` itself if there is none.
fn newest(folder: &Folder, name: &OsStr) -> OsString {
    if folder.kind(name).is_ok_and(|kind| kind.is_none()) {
        let mut others = [NEW, OLD].map(|suffix| with_suffix(name, suffix)).into_iter();
        if let Some(complete) = others.find(|other| is_complete(folder, other)) {
            return complete;
        }
    }
    name.to_owned()
}

/// Returns true if every file matches the manifest.
fn is_complete(folder: &Folder, name: &OsStr) -> bool {
    let check = || -> Result<()> {
        let folder = folder.open_folder(name)?;
        let manifest = read_manifest(&folder)?;
        manifest.files.keys().try_for_each(|name| read_part(&folder, name, &manifest).map(drop))
    };
    check().is_ok()
}

/// Appends `suffix` to a name.
fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

/// Reads a second time after an error: another process may have replaced the checkpoint while it was being read.
fn retry<T>(read: impl Fn() -> Result<T>) -> Result<T> {
    read().or_else(|_| read())
}

fn read_manifest(folder: &Folder) -> Result<Manifest> {
    let path = folder.path_of(MANIFEST);
    if folder.kind(MANIFEST)?.is_none() {
        let found = "no manifest.json in it";
        return Err(Error::checkpoint(folder.path(), "a checkpoint folder", found));
    }
    let value: Value = parse(&path, &folder.read(MANIFEST, MAX_MANIFEST)?)?;
    match value.get("format") {
        Some(format) if format == FORMAT => {}
        format => {
            let found = format.map_or("none".to_owned(), ToString::to_string);
            let expected = format!("format {FORMAT}, the only one that this version reads");
            return Err(Error::checkpoint(&path, expected, found));
        }
    }
    let manifest: Manifest = serde_json::from_value(value)
        .map_err(|e| Error::checkpoint(&path, "lengths and checksums of files", e))?;
    // Names lead nowhere but to the files of a checkpoint: not to devices, and not out of the folder.
    if let Some(name) = manifest.files.keys().find(|name| FILES.iter().all(|(n, _)| n != name)) {
        let expected = format!("no files other than {}", FILES.map(|(name, _)| name).join(", "));
        return Err(Error::checkpoint(&path, expected, format!("{:?}", shorten(name))));
    }
    Ok(manifest)
}

/// Reads JSON from the file at `path`.
fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    json::parse(bytes).map_err(|e| match e.line {
        0 => Error::checkpoint(path, e.expected, e.found),
        line => {
            Error::input(path, format!("line {line}, column {}", e.column), e.expected, e.found)
        }
    })
}

/// Returns the most bytes of a file of a checkpoint.
fn limit(name: &str) -> u64 {
    FILES.iter().find(|(known, _)| *known == name).map_or(0, |(_, limit)| *limit)
}

fn check_length(path: &Path, length: u64, limit: u64) -> Result<()> {
    if length > limit {
        return Err(Error::checkpoint(path, format!("at most {limit} bytes"), length));
    }
    Ok(())
}

/// Reads one file of a checkpoint and checks it against the manifest.
fn read_part(folder: &Folder, name: &str, manifest: &Manifest) -> Result<Vec<u8>> {
    let path = folder.path_of(name);
    let Some(expected) = manifest.files.get(name) else {
        let expected = format!("an entry for {name}");
        return Err(Error::checkpoint(folder.path_of(MANIFEST), expected, "none"));
    };
    let limit = limit(name);
    check_length(&path, expected.length, limit)?;
    let length = folder.length(name)?;
    if length != expected.length {
        return Err(Error::checkpoint(&path, expected.to_string(), format!("{length} bytes")));
    }
    let bytes = folder.read(name, limit)?;
    let found = FileDigest::of(&bytes);
    if found != *expected {
        return Err(Error::checkpoint(&path, expected.to_string(), found));
    }
    Ok(bytes)
}

fn read_policy_file(folder: &Folder, manifest: &Manifest) -> Result<Policy> {
    let bytes = read_part(folder, POLICY, manifest)?;
    Policy::from_safetensors(&bytes, None)
        .map_err(|e| Error::checkpoint(folder.path_of(POLICY), "a policy", e))
}

fn read_state_file(folder: &Folder, manifest: &Manifest) -> Result<Value> {
    parse(&folder.path_of(STATE), &read_part(folder, STATE, manifest)?)
}

#[cfg(test)]
mod tests;
