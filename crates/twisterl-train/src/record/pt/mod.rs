//! PyTorch's `.pt` files: a pickled state dictionary and the raw values of its storages, in a zip archive or in the
//! format before PyTorch 1.6.
//!
//! Nothing in a file is run (`pickle`), and all that it claims is checked before memory is allocated: storages must fit
//! the file, tensors their storage, and tensors that share a storage or repeat values a bound on the memory of all.

mod archive;
mod legacy;
mod pickle;
mod state_dict;
mod tensor;

use crate::record::format::Format;
use crate::system::files::{self, MAX_WEIGHTS_FILE};
use crate::{Error, Result};
use archive::Archive;
use legacy::LegacyFile;
use pickle::Pickle;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use tensor::TensorDescription;
use twisterl_core::policy::weights::tensors::Tensors;

/// The bytes of all tensors may be this many times those of the file, since tensors may share values.
const MAX_SHARING: u64 = 8;
/// The bytes of all tensors that are read from any file, however short it is.
const MIN_SHARED: u64 = 1 << 26;

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

impl PtFile {
    /// Reads the state dictionary of a model from a file of at most [`MAX_WEIGHTS_FILE`] bytes, under any name: a dictionary
    /// of tensors, or a training checkpoint with one in it.
    ///
    /// # Errors
    /// If the file cannot be read, is of another kind, or holds no state dictionary or several.
    pub fn read(path: &Path) -> Result<Self> {
        let (file, length) =
            files::open(path, MAX_WEIGHTS_FILE).map_err(|refusal| refusal.of_checkpoint(path))?;
        let format = Format::of_open(&file, length).map_err(|e| Error::io("read", path, e))?;
        let read = match format {
            Format::Zip => Self::from_archive(BufReader::new(file), length),
            Format::LegacyPt => {
                let bytes = files::read_open(&file, MAX_WEIGHTS_FILE);
                Self::from_legacy(&bytes.map_err(|refusal| refusal.of_checkpoint(path))?)
            }
            other => Err(Refusal::new("a file written by torch.save", other)),
        };
        read.map_err(|Refusal { expected, found }| Error::checkpoint(path, expected, found))
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
    fn from_archive(reader: impl Read + Seek, length: u64) -> PtResult<Self> {
        let mut archive = Archive::open(reader, length)?;
        let bytes = archive.pickle()?;
        Self::gather(&Pickle::read(&bytes)?, length, |tensor| {
            let storage = &tensor.storage;
            let storage_length = storage.length().unwrap_or(usize::MAX);
            // The bytes of an untyped storage are swapped as the values of the tensor.
            let width = tensor::width(storage.dtype.unwrap_or(tensor.dtype));
            let values = archive.storage(&storage.key, storage_length, width)?;
            Ok(tensor.gather(values))
        })
    }

    /// Reads the bytes of a file in the format before PyTorch 1.6.
    fn from_legacy(bytes: &[u8]) -> PtResult<Self> {
        let file = LegacyFile::read(bytes)?;
        Self::gather(&file.pickle, bytes.len() as u64, |tensor| {
            Ok(tensor.gather(file.storage(&tensor.storage.key)?))
        })
    }

    /// Reads the tensors of a pickle in a file of `length` bytes. `values` returns those of a tensor, if they are there.
    fn gather(
        pickle: &Pickle<'_>,
        length: u64,
        mut values: impl FnMut(&TensorDescription) -> PtResult<Option<Vec<u8>>>,
    ) -> PtResult<Self> {
        let mut tensors = BTreeMap::new();
        let limit = length.saturating_mul(MAX_SHARING).max(MIN_SHARED);
        let mut left = limit;
        for (name, tensor) in state_dict::find(pickle)? {
            let shape = &tensor.shape;
            left = left.checked_sub(tensor.length()).ok_or_else(|| {
                let expected = format!("tensors of at most {limit} bytes in a file of {length}");
                Refusal::new(expected, format!("{name} of shape {shape:?}"))
            })?;
            let bytes = values(&tensor)?.ok_or_else(|| {
                let expected = format!("the values of {name} in storage {}", tensor.storage.key);
                Refusal::new(expected, format!("fewer than shape {shape:?} needs"))
            })?;
            let TensorDescription { dtype, shape, .. } = tensor;
            tensors.insert(name, PtTensor { dtype, shape, bytes });
        }
        Ok(Self { tensors })
    }
}

/// The reason to refuse a file. [`PtFile::read`] adds the path.
#[derive(Debug)]
struct Refusal {
    expected: String,
    found: String,
}

type PtResult<T> = std::result::Result<T, Refusal>;

impl Refusal {
    fn new(expected: impl Into<String>, found: impl ToString) -> Self {
        // Names and shapes from the file can be long.
        let short = |text: String| text.chars().take(300).collect();
        Self { expected: short(expected.into()), found: short(found.to_string()) }
    }
}

#[cfg(test)]
mod tests;
