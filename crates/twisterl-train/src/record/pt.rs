//! PyTorch's `.pt` files: a zip archive of a pickled state dictionary and the raw values of its tensors.
//!
//! Candle's own reader trusts the file: a small one can make it ask for any amount of memory, overflow the stack when a
//! deeply nested object is dropped, or index out of range. So candle interprets the pickle's opcodes here, but under
//! limits, and the tensors are taken from what it gives only after every claim was compared with the archive.

use crate::record::checkpoint::MAX_BYTES;
use crate::{Error, Result};
use candle_core::pickle::{Object, Stack};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use twisterl_core::policy::weights::tensors::Tensors;
use zip::{CompressionMethod, ZipArchive};

/// The longest pickle; that of a state dictionary takes about 100 bytes a tensor.
const MAX_PICKLE: u64 = 1 << 20;
/// Bounds time and memory: objects looked at, each counted again whenever it is copied or grows.
const MAX_WORK: usize = 1 << 20;
/// How deep objects may nest; those of a state dictionary take about 6 levels.
const MAX_DEPTH: usize = 32;

/// The tensors of a `.pt` file by name.
#[derive(Debug, Clone, PartialEq)]
pub struct PtFile {
    tensors: BTreeMap<String, PtTensor>,
}

#[derive(Debug, Clone, PartialEq)]
struct PtTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// A tensor as the pickle describes it.
struct Claim {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Bytes of the storage before the tensor, and of the tensor.
    offset: u64,
    length: u64,
    /// Name of its storage in the archive.
    key: String,
}

impl PtFile {
    /// Reads a file of at most [`MAX_BYTES`].
    ///
    /// # Errors
    /// If the file cannot be read or holds anything but uncompressed, contiguous tensors of a state dictionary.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |e| Error::io("read", path, e);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > MAX_BYTES {
            return Err(Error::checkpoint(
                path,
                format!("a file of at most {MAX_BYTES} bytes"),
                length,
            ));
        }
        Self::from_reader(BufReader::new(file), length)
            .map_err(|Refusal { expected, found }| Error::checkpoint(path, expected, found))
    }

    /// Views of the tensors.
    ///
    /// # Errors
    /// If a tensor's bytes do not fit its shape.
    pub fn tensors(&self) -> Result<Tensors<'_>> {
        let mut tensors = Tensors::new();
        for (name, PtTensor { dtype, shape, bytes }) in &self.tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes)
                .map_err(|e| Error::checkpoint(name, format!("bytes for shape {shape:?}"), e))?;
            tensors.insert(name.clone(), view);
        }
        Ok(tensors)
    }

    /// Reads an archive of `length` bytes.
    fn from_reader(reader: impl Read + Seek, length: u64) -> Refused<Self> {
        let expected = "a zip archive as torch.save writes it";
        let mut zip = ZipArchive::new(reader).map_err(|e| Refusal::new(expected, e))?;
        let folder = check_archive(&mut zip, length)?;
        if let Ok(order) = read_entry(&mut zip, &format!("{folder}/byteorder"), 0, 16)
            && order != b"little"
        {
            return Err(Refusal::new("little-endian values", String::from_utf8_lossy(&order)));
        }
        let pickle = read_entry(&mut zip, &format!("{folder}/data.pkl"), 0, MAX_PICKLE + 1)?;
        let Object::Dict(entries) = unpickle(&pickle)? else {
            return Err(Refusal::new("a state dictionary", "another object"));
        };
        let mut tensors = BTreeMap::new();
        let mut unread = length;
        for (name, value) in &entries {
            let Object::Unicode(name) = name else {
                return Err(Refusal::new("tensors by name", "a key that is no string"));
            };
            // Versions of modules, which PyTorch hangs on the dictionary.
            if name == "_metadata" {
                continue;
            }
            let Claim { dtype, shape, offset, length, key } = claim(name, value)?;
            // So that tensors which share a storage cannot multiply the size of the file.
            unread =
                unread.checked_sub(offset).and_then(|left| left.checked_sub(length)).ok_or_else(
                    || Refusal::new(format!("{name} within the file"), format!("shape {shape:?}")),
                )?;
            let bytes = read_entry(&mut zip, &format!("{folder}/data/{key}"), offset, length)?;
            if bytes.len() as u64 != length {
                let expected = format!("{length} bytes for {name} of shape {shape:?}");
                return Err(Refusal::new(expected, bytes.len()));
            }
            tensors.insert(name.clone(), PtTensor { dtype, shape, bytes });
        }
        Ok(Self { tensors })
    }
}

/// Why a file is refused; the path is added where it is known.
struct Refusal {
    expected: String,
    found: String,
}

type Refused<T> = std::result::Result<T, Refusal>;

impl Refusal {
    fn new(expected: impl Into<String>, found: impl ToString) -> Self {
        // Candle prints whole objects.
        let found: String = found.to_string().chars().take(200).collect();
        Self { expected: expected.into(), found }
    }
}

/// Refuses compressed entries and claims beyond the file, and returns the name of the folder of the one pickle.
fn check_archive<R: Read + Seek>(zip: &mut ZipArchive<R>, length: u64) -> Refused<String> {
    let mut folder = None;
    let mut total = 0u64;
    for i in 0..zip.len() {
        let entry = zip.by_index_raw(i).map_err(|e| Refusal::new("a readable zip entry", e))?;
        let name =
            entry.name().map_err(|e| Refusal::new("a zip entry with a name", e))?.into_owned();
        if entry.compression() != CompressionMethod::Stored {
            let found = format!("{name} compressed by {}", entry.compression());
            return Err(Refusal::new("uncompressed entries, as torch.save writes them", found));
        }
        total = total.saturating_add(entry.size());
        if total > length {
            let found = format!("entries of {total} bytes and more");
            return Err(Refusal::new(format!("entries that fit a file of {length} bytes"), found));
        }
        if let Some(before) = name.strip_suffix("/data.pkl")
            && let Some(first) = folder.replace(before.to_owned())
        {
            return Err(Refusal::new("one pickle", format!("{first}/data.pkl and {name}")));
        }
    }
    folder.ok_or_else(|| Refusal::new("a data.pkl as torch.save writes it", "none in the archive"))
}

/// Up to `length` bytes of an entry from `offset` on.
fn read_entry<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    name: &str,
    offset: u64,
    length: u64,
) -> Refused<Vec<u8>> {
    let missing = |e: &dyn std::fmt::Display| Refusal::new(format!("a readable entry {name}"), e);
    let mut entry = zip.by_name(name).map_err(|e| missing(&e))?;
    let mut bytes = Vec::new();
    std::io::copy(&mut entry.by_ref().take(offset), &mut std::io::sink())
        .map_err(|e| missing(&e))?;
    entry.by_ref().take(length).read_to_end(&mut bytes).map_err(|e| missing(&e))?;
    // The checksum is compared at the end of the entry.
    std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| missing(&e))?;
    Ok(bytes)
}

/// Runs the pickle's opcodes one by one, within [`MAX_WORK`] and [`MAX_DEPTH`].
fn unpickle(pickle: &[u8]) -> Refused<Object> {
    let refuse = |found: &str| Refusal::new("the pickle of a state dictionary", found);
    if pickle.len() as u64 > MAX_PICKLE {
        return Err(refuse("one of more than a megabyte"));
    }
    let mut rest = pickle;
    let mut stack = Stack::empty();
    let mut work = MAX_WORK;
    loop {
        match *rest {
            // BINUNICODE asks for memory as its length says.
            [b'X', a, b, c, d, ref text @ ..]
                if text.len() < u32::from_le_bytes([a, b, c, d]) as usize =>
            {
                return Err(refuse("a string beyond its end"));
            }
            // LONG1 shifts by its length.
            [0x8a, bytes, ..] if bytes > 8 => {
                return Err(refuse("an integer of more than 64 bits"));
            }
            _ => {}
        }
        let done = stack
            .read(&mut rest)
            .map_err(|e| Refusal::new("the pickle of a state dictionary", e))?;
        // Whatever an opcode copies or builds ends up on top; no opcode does more than double what is there.
        if let Some(top) = stack.stack().last() {
            spend(top, MAX_DEPTH, &mut work)
                .ok_or_else(|| refuse("one that is deeply nested or grows without bound"))?;
        }
        if done {
            return stack.finalize().map_err(|_| refuse("nothing in it"));
        }
    }
}

/// Takes the size of `object` from `work`; `None` where it exceeds that or the depth.
fn spend(object: &Object, depth: usize, work: &mut usize) -> Option<()> {
    let text = |s: &str| s.len() / 16;
    let (own, parts): (usize, &[Object]) = match object {
        Object::Unicode(s) => (text(s), &[]),
        Object::Class { module_name, class_name } => (text(module_name) + text(class_name), &[]),
        Object::Tuple(parts) | Object::List(parts) => (0, parts),
        _ => (0, &[]),
    };
    *work = work.checked_sub(1 + own)?;
    let depth = depth.checked_sub(1)?;
    for part in parts {
        spend(part, depth, work)?;
    }
    match object {
        Object::Dict(entries) => entries.iter().try_for_each(|(key, value)| {
            spend(key, depth, work)?;
            spend(value, depth, work)
        }),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            spend(callable, depth, work)?;
            spend(args, depth, work)
        }
        Object::PersistentLoad(id) => spend(id, depth, work),
        _ => Some(()),
    }
}

/// Reads `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, where the storage is
/// `("storage", class, key, device, count)`.
fn claim(name: &str, value: &Object) -> Refused<Claim> {
    let expected = || format!("{name} to be a tensor");
    let Object::Reduce { callable, args } = value else {
        return Err(Refusal::new(expected(), "another object"));
    };
    match &**callable {
        Object::Class { module_name, class_name }
            if module_name == "torch._utils" && class_name == "_rebuild_tensor_v2" => {}
        other => return Err(Refusal::new(expected(), format!("{other:?}"))),
    }
    let parts = || -> Option<_> {
        let Object::Tuple(args) = &**args else { return None };
        let [
            Object::PersistentLoad(storage),
            offset,
            Object::Tuple(size),
            Object::Tuple(stride),
            ..,
        ] = &args[..]
        else {
            return None;
        };
        let Object::Tuple(storage) = &**storage else { return None };
        let [_, Object::Class { class_name, .. }, Object::Unicode(key), ..] = &storage[..] else {
            return None;
        };
        Some((class_name, key, number(offset)?, numbers(size)?, numbers(stride)?))
    };
    let (class_name, key, offset, shape, stride) =
        parts().ok_or_else(|| Refusal::new(expected(), "one without storage, size or stride"))?;
    let dtype = match class_name.as_str() {
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        other => {
            return Err(Refusal::new(
                format!("{name} to be a FloatStorage or DoubleStorage"),
                other,
            ));
        }
    };
    if !is_contiguous(&shape, &stride) {
        let found = format!("shape {shape:?} with strides {stride:?}");
        return Err(Refusal::new(format!("{name} to be contiguous"), found));
    }
    let width = dtype.bitsize() / 8;
    let length = shape.iter().try_fold(width, |n, &d| n.checked_mul(d));
    let (Some(length), Some(offset)) = (length, offset.checked_mul(width)) else {
        return Err(Refusal::new(format!("{name} of a possible size"), format!("shape {shape:?}")));
    };
    Ok(Claim { dtype, shape, offset: offset as u64, length: length as u64, key: key.clone() })
}

fn number(object: &Object) -> Option<usize> {
    match object {
        Object::Int(n) => usize::try_from(*n).ok(),
        Object::Long(n) => usize::try_from(*n).ok(),
        _ => None,
    }
}

fn numbers(objects: &[Object]) -> Option<Vec<usize>> {
    objects.iter().map(number).collect()
}

/// Whether the values stand in row-major order without gaps.
fn is_contiguous(shape: &[usize], stride: &[usize]) -> bool {
    let mut expected = 1usize;
    shape.len() == stride.len()
        && shape.iter().zip(stride).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size);
            fits
        })
}

#[cfg(test)]
mod tests;
