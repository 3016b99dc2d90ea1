//! Conversion of weights between file formats.

use super::read_policy;
use super::source::{PolicySource, extension, in_words};
use crate::record::checkpoint;
use crate::record::checkpoint::MAX_BYTES;
use crate::record::disk::{read_file, write_file};
use crate::record::pt::PtFile;
use crate::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::Path;
use twisterl_core::envs::registry::Registry;
use twisterl_core::policy::Policy;
use twisterl_core::policy::weights::PolicyHeader;
use twisterl_core::policy::weights::tensors::{TensorFile, Tensors, f32_values, write_tensors};

/// A tensor of a file: name, shape, and values in row-major order.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

/// Reads the tensors of a `.safetensors` or `.pt` file, or of the policy in a run or checkpoint, sorted by name.
///
/// # Errors
/// If nothing is there, the file is corrupt, or a tensor does not hold floating-point numbers.
pub fn read_tensors(path: &Path) -> Result<Vec<NamedTensor>> {
    let to_list = |tensors: &Tensors<'_>| -> Result<Vec<NamedTensor>> {
        let read = |(name, view): (&String, &TensorView<'_>)| {
            Ok((name.clone(), view.shape().to_vec(), f32_values(name, view)?.collect()))
        };
        tensors.iter().map(read).collect()
    };
    let read_safetensors = |file: &Path| {
        let bytes = read_file(file, MAX_BYTES)?;
        to_list(&TensorFile::parse(&bytes)?.tensors()?)
    };
    match PolicySource::locate(path)? {
        PolicySource::Checkpoint(folder) => read_safetensors(&folder.join(checkpoint::POLICY)),
        PolicySource::Safetensors(file) => read_safetensors(&file),
        PolicySource::Pt(file) => to_list(&PtFile::read(&file)?.tensors()?),
    }
}

/// Returns the policy of `header` with the weights of these tensors, in the layout of a file.
///
/// # Errors
/// If a tensor is missing, unexpected, of a wrong shape, or not finite.
pub fn with_tensors(header: PolicyHeader, tensors: &[NamedTensor]) -> Result<Policy> {
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

/// Writes the tensors of a `.pt` file unchanged as a `.safetensors` file.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub fn convert_tensors(input: &Path, output: &Path) -> Result<()> {
    let file = PtFile::read(input)?;
    write_file(output, &write_tensors(&file.tensors()?, None)?)
}
