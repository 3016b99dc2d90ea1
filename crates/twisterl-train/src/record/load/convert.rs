//! Conversion of weights between file formats.

use super::read_policy;
use super::source::{
    PolicySource, extension, in_words, policy_file_of_bundle, read_safetensors_bytes,
};
use crate::record::checkpoint;
use crate::record::disk::write_file;
use crate::record::pt::PtFile;
use crate::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::Path;
use twisterl_core::Error as CoreError;
use twisterl_core::envs::registry::Registry;
use twisterl_core::policy::Policy;
use twisterl_core::policy::weights::PolicyHeader;
use twisterl_core::policy::weights::tensors::{TensorFile, Tensors, f32_values, write_tensors};

/// A tensor of a file: name, shape, and values in row-major order.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

/// Reads the tensors of a `.safetensors` or `.pt` file, or of the policy in a run or checkpoint, sorted by name.
///
/// # Errors
/// If nothing is there, the file is corrupt, or a tensor holds numbers that single precision does not.
pub fn read_tensors(path: &Path) -> Result<Vec<NamedTensor>> {
    let to_list = |tensors: &Tensors<'_>| -> Result<Vec<NamedTensor>> {
        let read = |(name, view): (&String, &TensorView<'_>)| {
            let values = match whole_values(view) {
                Some(values) => values.map_err(|found| {
                    let expected = "whole numbers that single precision holds";
                    CoreError::weights(name, expected, found)
                })?,
                None => f32_values(name, view)?.collect(),
            };
            Ok((name.clone(), view.shape().to_vec(), values))
        };
        tensors.iter().map(read).collect()
    };
    with_tensors(path, to_list)
}

/// Returns the values of a tensor of whole numbers or truth values, or the first one that single precision does not hold.
/// `None` for tensors of other types.
fn whole_values(tensor: &TensorView<'_>) -> Option<Result<Vec<f32>, i128>> {
    let bytes = tensor.data();
    let width = tensor.dtype().bitsize() / 8;
    let signed = match tensor.dtype() {
        Dtype::BOOL | Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => false,
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => true,
        _ => return None,
    };
    let value = |bytes: &[u8]| {
        let negative = signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let high = if negative { -1 } else { 0 };
        let whole = bytes.iter().rev().fold(high, |n: i128, byte| n << 8 | i128::from(*byte));
        if (whole as f32) as i128 == whole { Ok(whole as f32) } else { Err(whole) }
    };
    Some(bytes.chunks_exact(width.max(1)).map(value).collect())
}

/// Reads the tensors that `path` leads to.
fn with_tensors<T>(path: &Path, read: impl FnOnce(&Tensors<'_>) -> Result<T>) -> Result<T> {
    let (file, bytes) = match PolicySource::locate(path)? {
        PolicySource::Pt(file) => return read(&PtFile::read(&file)?.tensors()?),
        PolicySource::Bundle(file) => (file.clone(), policy_file_of_bundle(&file)?),
        PolicySource::Safetensors(file) => (file.clone(), read_safetensors_bytes(&file)?),
        PolicySource::Checkpoint(folder) => {
            let file = folder.join(checkpoint::POLICY);
            (file.clone(), read_safetensors_bytes(&file)?)
        }
    };
    let invalid = |e| Error::checkpoint(&file, "a safetensors file", e);
    read(&TensorFile::parse(&bytes).and_then(|file| file.tensors()).map_err(invalid)?)
}

/// Returns the policy of `header` with the weights of these tensors, in the layout of a file.
///
/// # Errors
/// If a tensor is missing, unexpected, of a wrong shape, or not finite.
pub fn from_tensors(header: PolicyHeader, tensors: &[NamedTensor]) -> Result<Policy> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| {
            Error::Core(twisterl_core::Error::weights(name, "values of this shape", e))
        })?;
        Ok((name.clone(), view))
    });
    Ok(header.with_tensors(&views.collect::<Result<Tensors<'_>>>()?)?)
}

/// Writes the policy that `input` leads to as a self-contained `.safetensors` file. [`load_policy`](super::load_policy)
/// describes `config`.
///
/// # Errors
/// Those of [`open_policy`](super::open_policy); if `output` has another extension, or cannot be written.
pub fn convert(
    input: &Path,
    config: Option<&Path>,
    output: &Path,
    registry: &Registry,
) -> Result<()> {
    check_output(output)?;
    let policy = read_policy(input, config, registry)?;
    write_file(output, &policy.to_safetensors()?)
}

/// Checks the extension of a file to write.
fn check_output(path: &Path) -> Result<()> {
    let found = match extension(path) {
        Some("safetensors") => return Ok(()),
        Some(pickle @ ("pt" | "pth")) => format!(
            ".{pickle}, a Python pickle (PyTorch reads .safetensors with safetensors.torch.load_file)"
        ),
        other => in_words(other),
    };
    Err(Error::usage(path.display().to_string(), "a file that ends in .safetensors", found))
}

/// Writes the tensors of a `.pt` file unchanged as a `.safetensors` file. Those of a `.safetensors` file are read as well.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub fn convert_tensors(input: &Path, output: &Path) -> Result<()> {
    let bytes = with_tensors(input, |tensors| Ok(write_tensors(tensors, None)?))?;
    write_file(output, &bytes)
}
