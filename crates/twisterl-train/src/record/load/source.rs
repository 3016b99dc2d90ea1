//! The files and folders that hold the weights of a policy.

use crate::record::checkpoint;
use crate::record::checkpoint::Checkpoint;
use crate::record::disk::read_file;
use crate::record::format::Format;
use crate::record::pt::PtFile;
use crate::record::run_folder::{BEST, LAST};
use crate::system::files::{self, MAX_WEIGHTS_FILE};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use twisterl_agent::bundle::payload::Payload;
use twisterl_agent::bundle::payload_of;
use twisterl_core::policy::Policy;
use twisterl_core::policy::weights::tensors::TensorFile;
use twisterl_core::policy::weights::{PolicyHeader, is_self_contained};

/// The file or folder with the weights of a policy.
pub(super) enum PolicySource {
    /// A checkpoint folder.
    Checkpoint(PathBuf),
    /// A `.safetensors` file.
    Safetensors(PathBuf),
    /// A `.pt` file of PyTorch.
    Pt(PathBuf),
    /// A bundle: a module or a program with a policy in it.
    Bundle(PathBuf),
}

impl PolicySource {
    /// Returns the weights that `path` leads to.
    pub(super) fn locate(path: &Path) -> Result<Self> {
        if Checkpoint::exists(path) {
            return Ok(Self::Checkpoint(path.to_owned()));
        }
        if path.is_dir() {
            // Run folders of the peer hold files of tensors with the names of our checkpoint folders.
            let candidates = [BEST, LAST].map(|name| path.join(name));
            if let Some(folder) = candidates.iter().find(|folder| Checkpoint::exists(folder)) {
                return Ok(Self::Checkpoint(folder.clone()));
            }
            let file = path.join(checkpoint::POLICY);
            if file.is_file() {
                return Ok(Self::Safetensors(file));
            }
            let expected =
                format!("a run folder with {BEST} or {LAST} in it, or a checkpoint folder");
            return Err(Error::checkpoint(path, expected, "a folder with neither"));
        }
        if !path.exists() {
            return Err(Error::missing(
                path,
                "a run folder, a checkpoint folder, a .safetensors file, a .pt file or a bundle",
            ));
        }
        match (Format::of_file(path)?, extension(path)) {
            // A truncated file may begin like no other: the name says what it was to be.
            (Format::Safetensors, _) | (Format::Unknown, Some("safetensors")) => {
                Ok(Self::Safetensors(path.to_owned()))
            }
            (Format::Zip | Format::LegacyPt, _) => Ok(Self::Pt(path.to_owned())),
            (Format::Module | Format::Program, _) => Ok(Self::Bundle(path.to_owned())),
            (other, _) => Err(Error::checkpoint(
                path,
                "the weights of a policy (a safetensors file, or a .pt file of PyTorch)",
                other,
            )),
        }
    }

    /// Reads the policy. `header` describes a file of bare tensors.
    pub(super) fn read(self, header: impl FnOnce(&Path) -> Result<PolicyHeader>) -> Result<Policy> {
        match self {
            Self::Checkpoint(folder) => Checkpoint::read_policy(&folder),
            Self::Safetensors(file) => read_safetensors(&file, header),
            Self::Pt(file) => {
                let header = header(&file)?;
                let tensors = PtFile::read(&file)?;
                header
                    .with_tensors(&tensors.tensors()?)
                    .map_err(|e| Error::checkpoint(file, "a policy", e))
            }
            Self::Bundle(file) => {
                let bytes = policy_file_of_bundle(&file)?;
                let policy = Policy::from_safetensors(&bytes, None);
                policy.map_err(|e| Error::checkpoint(file, "a bundle with a policy", e))
            }
        }
    }
}

/// Returns the policy file in a bundle.
pub(super) fn policy_file_of_bundle(file: &Path) -> Result<Vec<u8>> {
    let bytes = read_file(file, MAX_WEIGHTS_FILE)?;
    let policy = payload_of(&bytes).and_then(Payload::read).map(|payload| payload.policy_file());
    Ok(policy.map_err(|e| Error::checkpoint(file, "a bundle with a policy", e))?.to_vec())
}

/// Reads a `.safetensors` file, after its header has been checked.
pub(super) fn read_safetensors_bytes(file: &Path) -> Result<Vec<u8>> {
    let (start, length) =
        files::open(file, MAX_WEIGHTS_FILE).map_err(|refusal| refusal.of_checkpoint(file))?;
    TensorFile::check_start(start, length)
        .map_err(|e| Error::checkpoint(file, "a safetensors file", e))?;
    read_file(file, MAX_WEIGHTS_FILE)
}

/// Reads a policy from a `.safetensors` file.
fn read_safetensors(
    file: &Path,
    header: impl FnOnce(&Path) -> Result<PolicyHeader>,
) -> Result<Policy> {
    let bytes = read_safetensors_bytes(file)?;
    let invalid = |e| Error::checkpoint(file, "a policy", e);
    let header = match is_self_contained(&bytes).map_err(invalid)? {
        true => None,
        false => Some(header(file)?),
    };
    Policy::from_safetensors(&bytes, header).map_err(invalid)
}

/// Returns the extension of a file, without the dot.
pub(super) fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// Returns the extension of a file for an error message.
pub(super) fn in_words(extension: Option<&str>) -> String {
    extension.map_or_else(|| "no extension".to_owned(), |extension| format!(".{extension}"))
}
