//! Conversion of weights between file formats.

use super::read_policy;
use super::source::{PolicySource, extension, in_words};
use crate::files::MAX_WEIGHTS;
use crate::record::checkpoint;
use crate::record::disk::{read_file, write_file};
use crate::record::pt::PtFile;
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use std::path::Path;
use twisterl_core::envs::registry::Registry;
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
    with_tensors(path, to_list)
}

/// Reads the tensors that `path` leads to.
fn with_tensors<T>(path: &Path, read: impl FnOnce(&Tensors<'_>) -> Result<T>) -> Result<T> {
    let file = match PolicySource::locate(path)? {
        PolicySource::Pt(file) => return read(&PtFile::read(&file)?.tensors()?),
        PolicySource::Safetensors(file) => file,
        PolicySource::Checkpoint(folder) => folder.join(checkpoint::POLICY),
    };
    let bytes = read_file(&file, MAX_WEIGHTS)?;
    let invalid = |e| Error::checkpoint(&file, "a safetensors file", e);
    read(&TensorFile::parse(&bytes).and_then(|file| file.tensors()).map_err(invalid)?)
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
