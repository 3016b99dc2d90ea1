//! Policies from files: where a path leads to, and which config describes a file of bare tensors.

use crate::config::{PolicyClass, RunConfig, descriptions};
use crate::record::checkpoint;
use crate::record::checkpoint::{Checkpoint, MAX_BYTES};
use crate::record::disk::{read_file, write_file};
use crate::record::pt::PtFile;
use crate::record::run_folder::{BEST, CONFIG, LAST};
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use twisterl_core::Error as CoreError;
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::Policy;
use twisterl_core::policy::network::{Decides, Network};
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::policy::weights::tensors::{TensorFile, Tensors, f32_values, write_tensors};
use twisterl_core::policy::weights::{PolicyHeader, is_self_contained};

/// The file or folder with the weights of a policy.
enum PolicySource {
    /// A checkpoint folder.
    Checkpoint(PathBuf),
    /// A `.safetensors` file.
    Safetensors(PathBuf),
    /// A `.pt` file of PyTorch.
    Pt(PathBuf),
}

impl PolicySource {
    /// Returns the weights that `path` leads to.
    fn locate(path: &Path) -> Result<Self> {
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
                "a run folder, a checkpoint folder, a .safetensors file or a .pt file",
            ));
        }
        match extension(path) {
            Some("safetensors") => Ok(Self::Safetensors(path.to_owned())),
            Some("pt" | "pth") => Ok(Self::Pt(path.to_owned())),
            other => Err(Error::checkpoint(
                path,
                "a file that ends in .safetensors or .pt",
                other
                    .map_or_else(|| "no extension".to_owned(), |extension| format!(".{extension}")),
            )),
        }
    }
}

/// Builds the network of `config` for the environment `spec`.
///
/// # Errors
/// If the sizes are invalid, or the distribution does not fit the action space.
pub fn build_policy_network(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    registry: &Registry,
) -> Result<Network> {
    let (policy, sizes) = (&config.policy, config.policy.sizes());
    let (observation, actions) = (spec.observation_space(), spec.action_space());
    let distribution = descriptions(&policy.distribution, &actions, registry)?;
    let decides = Decides { actions, distribution };
    Ok(match (&policy.layers, config.policy_cls) {
        (Some(layers), _) => Network::hidden(observation, decides, &layers.layers())
            .map_err(|e| e.below("policy.layers"))?,
        (None, PolicyClass::BasicPolicy) => Network::mlp(observation, decides, &sizes)?,
        (None, PolicyClass::Conv1dPolicy) => {
            Network::conv1d(observation, decides, policy.conv_dim, &sizes)?
        }
    })
}

/// Returns a policy with initial weights, drawn from the seed of `config`.
///
/// # Errors
/// Those of [`build_policy_network`].
pub fn initial_policy(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    registry: &Registry,
) -> Result<Policy> {
    let network = build_policy_network(config, spec, registry)?;
    let mut policy =
        Policy::initial(network, spec.name(), spec.params(), spec.twists(), config.seed)?;
    policy.parameters = config.policy.init.init().parameters(&policy.network, config.seed);
    policy.symmetry = config.policy.symmetry.into();
    policy.backtracking = backtracking(config, spec)?;
    policy.scaling = config.policy.scaling(&spec.observation_space())?;
    policy.check()?;
    Ok(policy)
}

/// Returns a policy for a run with `config` and the weights that `path` leads to. Nothing but the weights is read: the
/// parameters of the environment may differ.
///
/// # Errors
/// If there are no weights, or they belong to another network than that of `config`.
pub fn weights_for(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    path: &Path,
    registry: &Registry,
) -> Result<Policy> {
    let header = header(config, spec, registry)?;
    let found = match PolicySource::locate(path)? {
        PolicySource::Checkpoint(folder) => Checkpoint::read_policy(&folder)?,
        PolicySource::Safetensors(file) => read_safetensors(&file, || Ok(header.clone()))?,
        PolicySource::Pt(file) => read_pt(&file, header.clone())?,
    };
    if found.network != header.network {
        return Err(Error::checkpoint(
            path,
            format!("weights for {}", describe(&header.network)),
            describe(&found.network),
        ));
    }
    // Weights expect observations of the scale that they were trained on.
    let scaling = match (found.scaling, header.scaling) {
        (Some(found), Some(own)) => Some(Scaling { clip: own.clip, ..found }),
        (None, own) => own,
        (Some(_), None) => {
            let expected = "true, for weights that were trained on normalized observations";
            return Err(Error::config("policy.normalize_observations", expected, "false"));
        }
    };
    Ok(Policy {
        network: header.network,
        parameters: found.parameters,
        env_cls: header.env_cls,
        env: header.env,
        twists: header.twists,
        symmetry: header.symmetry,
        backtracking: header.backtracking,
        scaling,
    })
}

/// A policy from a file, with its environment if the registry has one for the name in the file.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    env: Result<Arc<dyn EnvSpec>, CoreError>,
}

impl LoadedPolicy {
    /// Finds the environment of `policy`, which was read from `path`.
    fn new(mut policy: Policy, path: &Path, registry: &Registry) -> Result<Self> {
        registry.complete(&mut policy.network)?;
        let env = match registry.make(&policy.env_cls, &policy.env) {
            Ok(spec) => {
                check_fit(path, &policy.network, &*spec)?;
                Ok(spec)
            }
            Err(
                error @ (CoreError::UnknownEnvironment { .. }
                | CoreError::UntrustedEnvironment { .. }),
            ) => Err(error),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { policy, env })
    }

    /// Reads the bytes of a self-contained file.
    ///
    /// # Errors
    /// As for [`open_policy`].
    pub fn from_bytes(bytes: &[u8], registry: &Registry) -> Result<Self> {
        Self::new(Policy::from_safetensors(bytes, None)?, Path::new("policy"), registry)
    }

    /// Returns the environment.
    ///
    /// # Errors
    /// If the name in the file is unknown, or leads to code that is not
    /// [trusted](twisterl_core::envs::registry::Trust).
    pub fn env(&self) -> Result<Arc<dyn EnvSpec>, CoreError> {
        self.env.clone()
    }
}

/// Loads the policy that `path` leads to as [`load_policy`] does, also if there is no environment of the name in the file:
/// such a policy evaluates observations, but solves no problems.
///
/// # Errors
/// As for [`load_policy`], except for an unknown or untrusted environment of a self-contained file.
pub fn open_policy(
    path: &Path,
    config: Option<&Path>,
    registry: &Registry,
) -> Result<LoadedPolicy> {
    LoadedPolicy::new(read_policy(path, config, registry)?, path, registry)
}

/// Loads the policy that `path` leads to: a run folder (its best checkpoint, or its last if there is no best yet), a
/// checkpoint folder, a `.safetensors` file, or a `.pt` file of PyTorch.
///
/// Files written by this project are self-contained. For files of bare tensors, as the peer writes them, `config`
/// describes the environment and the network. By default, it is the file of the same name that ends in `.json`, or else
/// the `config.json` in the same folder.
///
/// # Errors
/// If nothing is there, a file is corrupt, a config is needed and missing, the registry has no environment of the name in
/// the file, or the network does not fit the environment.
pub fn load_policy(path: &Path, config: Option<&Path>, registry: &Registry) -> Result<Policy> {
    let loaded = open_policy(path, config, registry)?;
    loaded.env()?;
    Ok(loaded.policy)
}

fn check_fit(path: &Path, network: &Network, spec: &dyn EnvSpec) -> Result<()> {
    if network.observation != spec.observation_space() || network.actions != spec.action_space() {
        let expected = format!(
            "a network for {} with {:?} and {:?}",
            spec.name(),
            spec.observation_space(),
            spec.action_space().components()
        );
        let found = format!("{:?} and {:?}", network.observation, network.actions.components());
        return Err(Error::checkpoint(path, expected, found));
    }
    Ok(())
}

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

/// Writes the policy that `input` leads to as a self-contained `.safetensors` file. [`load_policy`] describes `config`.
///
/// # Errors
/// Those of [`open_policy`]; if `output` has
/// another extension, or cannot be written.
pub fn convert(
    input: &Path,
    config: Option<&Path>,
    output: &Path,
    registry: &Registry,
) -> Result<()> {
    match extension(output) {
        Some("safetensors") => {}
        Some("pt" | "pth") => {
            return Err(Error::usage(format!(
                "{}: expected a .safetensors file, found a .pt file, which is a Python pickle (PyTorch reads \
                 .safetensors files with safetensors.torch.load_file)",
                output.display()
            )));
        }
        _ => {
            let path = output.display();
            return Err(Error::usage(format!(
                "{path}: expected a file that ends in .safetensors, found another ending"
            )));
        }
    }
    let policy = read_policy(input, config, registry)?;
    write_file(output, &policy.to_safetensors()?)
}

/// Writes the tensors of a `.pt` file unchanged as a `.safetensors` file.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub fn convert_tensors(input: &Path, output: &Path) -> Result<()> {
    let file = PtFile::read(input)?;
    write_file(output, &write_tensors(&file.tensors()?, None)?)
}

fn read_policy(path: &Path, config: Option<&Path>, registry: &Registry) -> Result<Policy> {
    let header_of = |file: &Path| {
        let config = match config {
            Some(config) => config.to_owned(),
            None => config_next_to(file)?,
        };
        // Fields that training ignores do not matter here.
        let (config, _) = RunConfig::load(&config, &[])?;
        let spec = registry.make(&config.env_cls, &config.env)?;
        header(&config, &*spec, registry)
    };
    match PolicySource::locate(path)? {
        PolicySource::Checkpoint(folder) => Checkpoint::read_policy(&folder),
        PolicySource::Safetensors(file) => read_safetensors(&file, || header_of(&file)),
        PolicySource::Pt(file) => read_pt(&file, header_of(&file)?),
    }
}

/// Returns the extension of a file, without the dot.
fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// Reads a policy from a `.safetensors` file; `header` describes one of bare tensors.
fn read_safetensors(path: &Path, header: impl FnOnce() -> Result<PolicyHeader>) -> Result<Policy> {
    let bytes = read_file(path, MAX_BYTES)?;
    let invalid = |e| Error::checkpoint(path, "a policy", e);
    let header = match is_self_contained(&bytes).map_err(invalid)? {
        true => None,
        false => Some(header()?),
    };
    Policy::from_safetensors(&bytes, header).map_err(invalid)
}

fn read_pt(path: &Path, header: PolicyHeader) -> Result<Policy> {
    let file = PtFile::read(path)?;
    header.with_tensors(&file.tensors()?).map_err(|e| Error::checkpoint(path, "a policy", e))
}

/// Returns the path of the config for a file of bare tensors.
fn config_next_to(file: &Path) -> Result<PathBuf> {
    let same_name = file.with_extension("json");
    let of_folder = file.with_file_name(CONFIG);
    [&same_name, &of_folder].into_iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        Error::missing(
            &same_name,
            format!(
                "the config of the run that trained {}, which holds bare tensors",
                file.display()
            ),
        )
    })
}

/// Returns the description of the policy of `config`.
fn header(config: &RunConfig, spec: &dyn EnvSpec, registry: &Registry) -> Result<PolicyHeader> {
    Ok(PolicyHeader {
        env_cls: spec.name().to_owned(),
        env: spec.params(),
        network: build_policy_network(config, spec, registry)?,
        twists: spec.twists(),
        symmetry: config.policy.symmetry.into(),
        backtracking: backtracking(config, spec)?,
        scaling: config.policy.scaling(&spec.observation_space())?,
    })
}

/// Returns whether the policy may undo its previous action.
///
/// # Errors
/// If it may not, and the environment does not declare the inverse of each action.
fn backtracking(config: &RunConfig, spec: &dyn EnvSpec) -> Result<bool> {
    if !config.policy.backtracking {
        spec.required_inverses()?;
    }
    Ok(config.policy.backtracking)
}

/// Describes a network in one line.
fn describe(network: &Network) -> String {
    let layers: Vec<_> = network
        .layers()
        .map(|layer| {
            let (inputs, outputs) = layer.shape();
            format!("{} {inputs}-{outputs} {}", layer.name(), layer.spec())
        })
        .collect();
    format!("{:?} and layers {}", network.observation, layers.join(", "))
}

#[cfg(test)]
mod tests;
