//! The state of an algorithm in a checkpoint.

use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

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
