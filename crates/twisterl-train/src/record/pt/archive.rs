//! The zip archives that `torch.save` writes: the pickle `data.pkl`, and a file for each storage.

use super::pickle::MAX_PICKLE;
use super::{PtResult, Refusal};
use std::collections::HashMap;
use std::io::{Read, Seek};
use zip::{CompressionMethod, ZipArchive};

const PICKLE: &str = "data.pkl";

/// An archive whose entries are uncompressed and fit the file.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    /// The folder of the pickle, with a slash at its end; empty if there is none.
    folder: String,
    big_endian: bool,
    read: HashMap<String, Vec<u8>>,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens an archive of `length` bytes.
    pub(super) fn open(reader: R, length: u64) -> PtResult<Self> {
        let expected = "a zip archive written by torch.save";
        let mut zip = ZipArchive::new(reader).map_err(|e| Refusal::new(expected, e))?;
        let folder = check(&mut zip, length)?;
        let mut archive = Self { zip, folder, big_endian: false, read: HashMap::new() };
        if archive.has("byteorder") {
            archive.big_endian = match &archive.entry("byteorder", 16)?[..] {
                b"little" => false,
                b"big" => true,
                other => {
                    let found = String::from_utf8_lossy(other);
                    return Err(Refusal::new("byte order little or big", found));
                }
            };
        }
        Ok(archive)
    }

    /// Returns the bytes of the pickle.
    pub(super) fn pickle(&mut self) -> PtResult<Vec<u8>> {
        let bytes = self.entry(PICKLE, MAX_PICKLE + 1)?;
        if bytes.len() as u64 > MAX_PICKLE {
            let found = "one of more than 16 MiB";
            return Err(Refusal::new("the pickle of a state dictionary", found));
        }
        Ok(bytes)
    }

    /// Returns the values of a storage of `length` bytes, little-endian. Each storage is read once.
    pub(super) fn storage(&mut self, key: &str, length: usize, width: usize) -> PtResult<&[u8]> {
        if !self.read.contains_key(key) {
            let mut bytes = self.entry(&format!("data/{key}"), length as u64)?;
            if self.big_endian {
                bytes.chunks_mut(width).for_each(<[u8]>::reverse);
            }
            self.read.insert(key.to_owned(), bytes);
        }
        let bytes = self.read.get(key).map_or(&[][..], Vec::as_slice);
        match bytes.get(..length) {
            Some(values) => Ok(values),
            None => {
                let expected = format!("{length} bytes in storage {key}, as the pickle says");
                Err(Refusal::new(expected, bytes.len()))
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{}{name}", self.folder)).is_some()
    }

    /// Reads at most `limit` bytes of an entry.
    fn entry(&mut self, name: &str, limit: u64) -> PtResult<Vec<u8>> {
        let name = format!("{}{name}", self.folder);
        let missing =
            |e: &dyn std::fmt::Display| Refusal::new(format!("a readable entry {name}"), e);
        let mut entry = self.zip.by_name(&name).map_err(|e| missing(&e))?;
        let mut bytes = Vec::new();
        entry.by_ref().take(limit).read_to_end(&mut bytes).map_err(|e| missing(&e))?;
        // The reader checks the checksum at the end of the entry.
        std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| missing(&e))?;
        Ok(bytes)
    }
}

/// Refuses compressed entries and sizes beyond the file, and returns the folder of the pickle.
fn check<R: Read + Seek>(zip: &mut ZipArchive<R>, length: u64) -> PtResult<String> {
    let mut folder = None;
    let mut names = Vec::new();
    let mut compressed = None;
    let mut total = 0u64;
    for i in 0..zip.len() {
        let entry = zip.by_index_raw(i).map_err(|e| Refusal::new("a readable zip entry", e))?;
        let name =
            entry.name().map_err(|e| Refusal::new("a zip entry with a name", e))?.into_owned();
        if entry.compression() != CompressionMethod::Stored && compressed.is_none() {
            compressed = Some(format!("{name} compressed by {}", entry.compression()));
        }
        total = total.saturating_add(entry.size());
        if let Some(before) = name.strip_suffix(PICKLE)
            && (before.is_empty() || before.ends_with('/'))
            && let Some(first) = folder.replace(before.to_owned())
        {
            return Err(Refusal::new("one pickle", format!("{first}{PICKLE} and {name}")));
        }
        names.push(name);
    }
    if let Some(kind) = other_kind(&names) {
        return Err(Refusal::new("a state dictionary, as written by torch.save", kind));
    }
    let folder = folder
        .ok_or_else(|| Refusal::new(format!("a {PICKLE}, as written by torch.save"), "none"))?;
    if let Some(found) = compressed {
        let expected = "uncompressed entries, as written by torch.save";
        return Err(Refusal::new(expected, found));
    }
    if total > length {
        let found = format!("entries of {total} bytes");
        return Err(Refusal::new(format!("entries that fit a file of {length} bytes"), found));
    }
    Ok(folder)
}

/// Returns what an archive is if it is known to be something else than a state dictionary.
fn other_kind(names: &[String]) -> Option<&'static str> {
    let ends = |end: &str| names.iter().any(|name| name.ends_with(end));
    let has_code = names.iter().any(|name| name.starts_with("code/") || name.contains("/code/"));
    if ends("constants.pkl") && has_code {
        return Some(
            "a TorchScript archive (load it with torch.jit.load and save its state_dict())",
        );
    }
    if ends("serialized_exported_program.json") || ends("archive_format") {
        return Some("a program of torch.export (save the state_dict() of the model)");
    }
    if ends(PICKLE) {
        return None;
    }
    if ends(".npy") {
        return Some("a NumPy archive (save the weights with safetensors.numpy.save_file)");
    }
    if ends("model.weights.h5") {
        return Some("a Keras model (save the weights with safetensors.numpy.save_file)");
    }
    if ends("policy.pth") {
        return Some("an archive of Stable-Baselines3 (unpack it, and load its policy.pth)");
    }
    if ends(".pt") || ends(".pth") || ends(".safetensors") {
        return Some("an archive of other files of weights (unpack it)");
    }
    None
}
