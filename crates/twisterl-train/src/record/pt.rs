//! PyTorch's `.pt` files: zip archives of a pickled state dictionary and the raw values of its tensors.
//!
//! Candle's own reader trusts the file. A small file can make it allocate any amount of memory, overflow the stack when a
//! deeply nested object is dropped, or index out of range. Here, candle only interprets the opcodes of the pickle, within
//! limits, and tensors are read only after their descriptions have been checked against the archive.

use crate::files::MAX_WEIGHTS;
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

/// The maximum length of the pickle, in bytes. A state dictionary needs about 100 bytes per tensor.
const MAX_PICKLE: u64 = 1 << 20;
/// The maximum number of visited objects, which bounds time and memory. An object counts again whenever it is copied or
/// grows.
const MAX_VISITS: usize = 1 << 20;
/// The maximum nesting depth of objects. A state dictionary needs about 6 levels.
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

/// The description of a tensor in the pickle.
struct TensorDescription {
    dtype: Dtype,
    shape: Vec<usize>,
    /// The position of the tensor in its storage, in bytes.
    offset: u64,
    /// The length of the tensor, in bytes.
    length: u64,
    /// The name of its storage in the archive.
    storage: String,
}

impl PtFile {
    /// Reads a file of at most [`MAX_WEIGHTS`].
    ///
    /// # Errors
    /// If the file cannot be read, or is not a state dictionary of uncompressed, contiguous tensors.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |e| Error::io("read", path, e);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > MAX_WEIGHTS {
            return Err(Error::checkpoint(
                path,
                format!("a file of at most {MAX_WEIGHTS} bytes"),
                length,
            ));
        }
        Self::from_reader(BufReader::new(file), length)
            .map_err(|Refusal { expected, found }| Error::checkpoint(path, expected, found))
    }

    /// Returns views of the tensors.
    ///
    /// # Errors
    /// If the bytes of a tensor do not match its shape.
    pub fn tensors(&self) -> Result<Tensors<'_>> {
        let mut tensors = Tensors::new();
        for (name, PtTensor { dtype, shape, bytes }) in &self.tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes)
                .map_err(|e| twisterl_core::Error::weights(name, format!("shape {shape:?}"), e))?;
            tensors.insert(name.clone(), view);
        }
        Ok(tensors)
    }

    /// Reads an archive of `length` bytes.
    fn from_reader(reader: impl Read + Seek, length: u64) -> PtResult<Self> {
        let expected = "a zip archive written by torch.save";
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
        let mut unclaimed = length;
        for (name, value) in &entries {
            let Object::Unicode(name) = name else {
                return Err(Refusal::new("tensors by name", "a key that is not a string"));
            };
            // Versions of modules, which PyTorch attaches to the dictionary.
            if name == "_metadata" {
                continue;
            }
            let TensorDescription { dtype, shape, offset, length, storage } =
                describe_tensor(name, value)?;
            // Tensors that share a storage must not need more memory than the file has bytes.
            unclaimed = offset
                .checked_add(length)
                .and_then(|needed| unclaimed.checked_sub(needed))
                .ok_or_else(|| {
                    Refusal::new(format!("{name} within the file"), format!("shape {shape:?}"))
                })?;
            let bytes = read_entry(&mut zip, &format!("{folder}/data/{storage}"), offset, length)?;
            if bytes.len() as u64 != length {
                let expected = format!("{length} bytes for {name} of shape {shape:?}");
                return Err(Refusal::new(expected, bytes.len()));
            }
            tensors.insert(name.clone(), PtTensor { dtype, shape, bytes });
        }
        Ok(Self { tensors })
    }
}

/// The reason to refuse a file. [`PtFile::read`] adds the path.
struct Refusal {
    expected: String,
    found: String,
}

type PtResult<T> = std::result::Result<T, Refusal>;

impl Refusal {
    fn new(expected: impl Into<String>, found: impl ToString) -> Self {
        // Messages of candle can contain whole objects.
        let found: String = found.to_string().chars().take(200).collect();
        Self { expected: expected.into(), found }
    }
}

/// Refuses compressed entries and sizes beyond the file, and returns the name of the folder that holds the pickle.
fn check_archive<R: Read + Seek>(zip: &mut ZipArchive<R>, length: u64) -> PtResult<String> {
    let mut folder = None;
    let mut total = 0u64;
    for i in 0..zip.len() {
        let entry = zip.by_index_raw(i).map_err(|e| Refusal::new("a readable zip entry", e))?;
        let name =
            entry.name().map_err(|e| Refusal::new("a zip entry with a name", e))?.into_owned();
        if entry.compression() != CompressionMethod::Stored {
            let found = format!("{name} compressed by {}", entry.compression());
            return Err(Refusal::new("uncompressed entries, as written by torch.save", found));
        }
        total = total.saturating_add(entry.size());
        if total > length {
            let found = format!("entries of {total} bytes or more");
            return Err(Refusal::new(format!("entries that fit a file of {length} bytes"), found));
        }
        if let Some(before) = name.strip_suffix("/data.pkl")
            && let Some(first) = folder.replace(before.to_owned())
        {
            return Err(Refusal::new("one pickle", format!("{first}/data.pkl and {name}")));
        }
    }
    folder.ok_or_else(|| Refusal::new("a data.pkl, as written by torch.save", "none"))
}

/// Reads at most `length` bytes of an entry, starting at `offset`.
fn read_entry<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    name: &str,
    offset: u64,
    length: u64,
) -> PtResult<Vec<u8>> {
    let missing = |e: &dyn std::fmt::Display| Refusal::new(format!("a readable entry {name}"), e);
    let mut entry = zip.by_name(name).map_err(|e| missing(&e))?;
    let mut bytes = Vec::new();
    std::io::copy(&mut entry.by_ref().take(offset), &mut std::io::sink())
        .map_err(|e| missing(&e))?;
    entry.by_ref().take(length).read_to_end(&mut bytes).map_err(|e| missing(&e))?;
    // The reader checks the checksum at the end of the entry.
    std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| missing(&e))?;
    Ok(bytes)
}

/// Executes the opcodes of the pickle one by one, within [`MAX_VISITS`] and [`MAX_DEPTH`].
fn unpickle(pickle: &[u8]) -> PtResult<Object> {
    let refuse = |found: &str| Refusal::new("the pickle of a state dictionary", found);
    if pickle.len() as u64 > MAX_PICKLE {
        return Err(refuse("one of more than a megabyte"));
    }
    let mut rest = pickle;
    let mut stack = Stack::empty();
    let mut visits_left = MAX_VISITS;
    loop {
        match *rest {
            // Candle's BINUNICODE allocates the stated length.
            [b'X', a, b, c, d, ref text @ ..]
                if text.len() < u32::from_le_bytes([a, b, c, d]) as usize =>
            {
                return Err(refuse("a string that is longer than the pickle"));
            }
            // Candle's LONG1 shifts by the stated length.
            [0x8a, bytes, ..] if bytes > 8 => {
                return Err(refuse("an integer of more than 64 bits"));
            }
            _ => {}
        }
        let done = stack
            .read(&mut rest)
            .map_err(|e| Refusal::new("the pickle of a state dictionary", e))?;
        // The object that an opcode copies or builds is on top afterwards, and at most twice as large as before.
        if let Some(top) = stack.stack().last() {
            visit(top, MAX_DEPTH, &mut visits_left)
                .ok_or_else(|| refuse("one that is deeply nested or grows without bound"))?;
        }
        if done {
            return stack.finalize().map_err(|_| refuse("an empty one"));
        }
    }
}

/// Subtracts the size of `object` from `visits_left`. Returns `None` if it is larger, or nested deeper than `depth`.
fn visit(object: &Object, depth: usize, visits_left: &mut usize) -> Option<()> {
    let text = |s: &str| s.len() / 16;
    let (own, parts): (usize, &[Object]) = match object {
        Object::Unicode(s) => (text(s), &[]),
        Object::Class { module_name, class_name } => (text(module_name) + text(class_name), &[]),
        Object::Tuple(parts) | Object::List(parts) => (0, parts),
        _ => (0, &[]),
    };
    *visits_left = visits_left.checked_sub(1 + own)?;
    let depth = depth.checked_sub(1)?;
    for part in parts {
        visit(part, depth, visits_left)?;
    }
    match object {
        Object::Dict(entries) => entries.iter().try_for_each(|(key, value)| {
            visit(key, depth, visits_left)?;
            visit(value, depth, visits_left)
        }),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            visit(callable, depth, visits_left)?;
            visit(args, depth, visits_left)
        }
        Object::PersistentLoad(id) => visit(id, depth, visits_left),
        _ => Some(()),
    }
}

/// Reads `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, where the storage is
/// `("storage", class, key, device, count)`.
fn describe_tensor(name: &str, value: &Object) -> PtResult<TensorDescription> {
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
    let (offset, length, storage) = (offset as u64, length as u64, key.clone());
    Ok(TensorDescription { dtype, shape, offset, length, storage })
}

/// Returns a whole number, 0 or more.
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

/// Returns true if the values are in row-major order without gaps.
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
