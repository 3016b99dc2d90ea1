//! The state of an algorithm in a checkpoint.

use crate::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use twisterl_core::policy::weights::tensors::{TensorFile, Tensors, write_tensors};

/// The state of an algorithm without the weights of the policy. Restoring it continues a run bit-identically.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Small values.
    pub state: Value,
    /// Large arrays by name.
    pub arrays: Vec<(String, ArrayData)>,
}

impl Snapshot {
    /// Reads the state as a `T`, which is called `name` in errors.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn read_state<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_path_to_error::deserialize(&self.state).map_err(|e| {
            Error::checkpoint("state.json", format!("{name} at {}", e.path()), e.inner())
        })
    }

    /// Returns the array of this name.
    pub fn array(&self, name: &str) -> Option<&ArrayData> {
        self.arrays.iter().find(|(n, _)| n == name).map(|(_, array)| array)
    }

    /// Its arrays, as those of the file `place`.
    pub fn named<'a>(&'a self, place: &'a str) -> Arrays<'a> {
        Arrays { place, arrays: &self.arrays }
    }

    /// Returns the values of the f32 array of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        match self.array(name) {
            Some(ArrayData::F32(values)) => Ok(values.clone()),
            _ => {
                let expected = format!("an f32 array {name:?}");
                Err(Error::checkpoint("train.safetensors", expected, "none"))
            }
        }
    }
}

/// The values of a flat array.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayData {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Unsigned integers.
    U32(Vec<u32>),
}

/// Arrays by name, of the file or the message `place`.
#[derive(Debug, Clone, Copy)]
pub struct Arrays<'a> {
    /// Names them in errors.
    pub place: &'a str,
    /// The arrays.
    pub arrays: &'a [(String, ArrayData)],
}

impl<'a> Arrays<'a> {
    /// Returns the numbers of an f32 array.
    ///
    /// # Errors
    /// If there is none.
    pub fn floats(self, name: &str) -> Result<&'a [f32]> {
        match self.find(name) {
            Some(ArrayData::F32(values)) => Ok(values),
            _ => Err(self.wrong(name, "an array of single precision")),
        }
    }

    /// Returns the numbers of a u32 array.
    ///
    /// # Errors
    /// If there is none.
    pub fn whole(self, name: &str) -> Result<&'a [u32]> {
        match self.find(name) {
            Some(ArrayData::U32(values)) => Ok(values),
            _ => Err(self.wrong(name, "an array of whole numbers")),
        }
    }

    /// Returns the error of an array that is not as `expected`.
    pub fn wrong(self, name: &str, expected: &str) -> Error {
        Error::checkpoint(self.place, format!("{name:?}: {expected}"), "another or none")
    }

    fn find(self, name: &str) -> Option<&'a ArrayData> {
        self.arrays.iter().find(|(n, _)| n == name).map(|(_, array)| array)
    }
}

/// Returns the bytes of arrays; `path` names them in errors.
///
/// # Errors
/// If two have the same name.
pub fn write_arrays(path: &Path, arrays: &[(String, ArrayData)]) -> Result<Vec<u8>> {
    let bytes: Vec<(Dtype, Vec<u8>)> = arrays
        .iter()
        .map(|(_, data)| match data {
            ArrayData::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ArrayData::F64(v) => (Dtype::F64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ArrayData::U32(v) => (Dtype::U32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        })
        .collect();
    let mut tensors = Tensors::new();
    for ((name, _), (dtype, bytes)) in arrays.iter().zip(&bytes) {
        let length = 8 * bytes.len() / dtype.bitsize();
        let view = TensorView::new(*dtype, vec![length], bytes)
            .map_err(|e| Error::checkpoint(path, format!("an array {name:?}"), e))?;
        if tensors.insert(name.clone(), view).is_some() {
            return Err(Error::checkpoint(path, "distinct names", format!("{name:?} twice")));
        }
    }
    write_tensors(&tensors, None).map_err(|e| Error::checkpoint(path, "arrays", e))
}

/// Reads the bytes of [`write_arrays`], sorted by name.
///
/// # Errors
/// If they were damaged, or hold other types of numbers.
pub fn read_arrays(path: &Path, bytes: &[u8]) -> Result<Vec<(String, ArrayData)>> {
    let corrupt = |e| Error::checkpoint(path, "arrays", e);
    let tensors = TensorFile::parse(bytes).and_then(|file| file.tensors()).map_err(corrupt)?;
    let read = |(name, tensor): (String, TensorView<'_>)| {
        let data = tensor.data();
        let values = match tensor.dtype() {
            Dtype::F32 => {
                ArrayData::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
            }
            Dtype::F64 => {
                ArrayData::F64(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
            }
            Dtype::U32 => {
                ArrayData::U32(data.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
            }
            other => {
                let expected = format!("{name:?} of type F32, F64 or U32");
                return Err(Error::checkpoint(path, expected, other));
            }
        };
        Ok((name, values))
    };
    tensors.into_iter().map(read).collect()
}
