//! Files with the names of the peer in a run folder, beside ours: for scripts that look for them.

use super::LockedFolder;
use crate::Result;
use crate::config::RunConfig;
use crate::record::checkpoint::Checkpoint;
use crate::record::disk::Kind;

/// The config of the run. A folder with it has the other files, too.
const BASE_CONFIG: &str = "base_config.json";
/// The section `algorithm` of the config, including defaults.
const ALGORITHM_CONFIG: &str = "full_algorithm_config.json";

impl LockedFolder {
    /// Writes the config and the first weights under the names of the peer. From now on, weights are written under both
    /// names.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn add_peer_names(&self, config: &RunConfig, first: &Checkpoint) -> Result<()> {
        let algorithm = format!("{:#}\n", config.to_value()["algorithm"]);
        self.write(ALGORITHM_CONFIG, algorithm.as_bytes())?;
        self.write(BASE_CONFIG, config.to_pretty().as_bytes())?;
        self.write_peer_weights(super::LAST, first)
    }

    /// Writes the weights of the checkpoint `name` under the name of the peer, if the folder has its names.
    pub(super) fn write_peer_weights(&self, name: &str, checkpoint: &Checkpoint) -> Result<()> {
        if self.folder().kind(BASE_CONFIG)? != Some(Kind::File) {
            return Ok(());
        }
        self.write(&format!("{name}.safetensors"), &checkpoint.policy.to_safetensors()?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.folder().write(name, bytes)
    }
}
