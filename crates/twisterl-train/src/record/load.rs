//! Policies from files: the one place that knows where weights may be and what must lie beside them.

use crate::config::{PolicyClass, RunConfig, descriptions};
use crate::record::checkpoint;
use crate::record::checkpoint::{Checkpoint, MAX_BYTES};
use crate::record::disk::{read_file, write_file};
use crate::record::pt::PtFile;
use crate::record::run_folder::{BEST, CONFIG, LAST};
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use std::path::{Path, PathBuf};

use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::Policy;
use twisterl_core::policy::network::{Decides, Network};
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::policy::weights::tensors::{TensorFile, Tensors, f32_values, write_tensors};
use twisterl_core::policy::weights::{PolicyHeader, is_self_contained};

/// Where the weights are that a path leads to.
enum PolicySource {
    /// A checkpoint folder.
    Checkpoint(PathBuf),
    Safetensors(PathBuf),
    /// PyTorch's format.
    Pt(PathBuf),
}

/// The network of `config` for the environment `spec`.
///
/// # Errors
/// If the sizes make no network, or the distribution does not fit the actions.
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

/// A policy with fresh weights, drawn from the seed of `config`.
///
/// # Errors
/// As for [`build_policy_network`].
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

/// A policy for a run with `config`, with the weights that `path` leads to. Only those are taken from there: the
/// environment may have other parameters.
///
/// # Errors
/// If there are no weights, or their network is not that of `config`.
pub fn weights_for(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    path: &Path,
    registry: &Registry,
) -> Result<Policy> {
    let header = header(config, spec, registry)?;
    let found = match find(path)? {
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
    // Weights are for the scale of observations that they were trained on.
    let scaling = match (found.scaling, header.scaling) {
        (Some(found), Some(own)) => Some(Scaling { clip: own.clip, ..found }),
        (None, own) => own,
        (Some(_), None) => {
            let expected = "true, for weights that were trained on normalised observations";
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

/// The policy that `path` leads to: a run folder (its best checkpoint, or its last where none is best yet), a
/// checkpoint folder, a `.safetensors` file, or a `.pt` file of PyTorch.
///
/// Files that we wrote are complete in themselves. For bare tensors, as the peer writes them, `config` describes
/// environment and network; if not given, the file of the same name that ends in `.json`, or else the `config.json`
/// beside it.
///
/// # Errors
/// If nothing is there, a file is broken, a config is needed and missing, or the network does not fit the environment
/// as the registry makes it.
pub fn load_policy(path: &Path, config: Option<&Path>, registry: &Registry) -> Result<Policy> {
    let mut policy = read_policy(path, config, registry)?;
    registry.complete(&mut policy.network)?;
    let spec = registry.make(&policy.env_cls, &policy.env)?;
    let (network, name) = (&policy.network, spec.name());
    if network.observation != spec.observation_space() || network.actions != spec.action_space() {
        let expected = format!(
            "a network for {name} with {:?} and {:?}",
            spec.observation_space(),
            spec.action_space().components()
        );
        let found = format!("{:?} and {:?}", network.observation, network.actions.components());
        return Err(Error::checkpoint(path, expected, found));
    }
    Ok(policy)
}

/// A tensor of a file: name, shape, values in row-major order.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

/// The tensors of a `.safetensors` or `.pt` file, or of the policy that a run or checkpoint holds, sorted by name.
///
/// # Errors
/// If nothing is there, the file is broken, or a tensor is not of floating-point numbers.
pub fn read_tensors(path: &Path) -> Result<Vec<NamedTensor>> {
    let listed = |tensors: &Tensors<'_>| -> Result<Vec<NamedTensor>> {
        let read = |(name, view): (&String, &TensorView<'_>)| {
            Ok((name.clone(), view.shape().to_vec(), f32_values(name, view)?.collect()))
        };
        tensors.iter().map(read).collect()
    };
    let of_file = |file: &Path| {
        let bytes = read_file(file, MAX_BYTES)?;
        listed(&TensorFile::parse(&bytes)?.tensors()?)
    };
    match find(path)? {
        PolicySource::Checkpoint(folder) => of_file(&folder.join(checkpoint::POLICY)),
        PolicySource::Safetensors(file) => of_file(&file),
        PolicySource::Pt(file) => listed(&PtFile::read(&file)?.tensors()?),
    }
}

/// Writes the policy that `input` leads to as a `.safetensors` file that is complete in itself. For `config` see
/// [`load_policy`].
///
/// # Errors
/// As for [`load_policy`], but the environment of a complete file need not be registered; if `output` has another
/// ending or cannot be written.
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
                "{}: .pt files cannot be written, since they are Python pickles; write .safetensors, which PyTorch \
                 reads with safetensors.torch.load_file",
                output.display()
            )));
        }
        _ => {
            let path = output.display();
            return Err(Error::usage(format!(
                "{path}: expected an output that ends in .safetensors"
            )));
        }
    }
    let policy = read_policy(input, config, registry)?;
    write_file(output, &policy.to_safetensors()?)
}

/// Writes the tensors of a `.pt` file, as they are, as a `.safetensors` file.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub fn convert_tensors(input: &Path, output: &Path) -> Result<()> {
    let file = PtFile::read(input)?;
    write_file(output, &write_tensors(&file.tensors()?, None)?)
}

fn read_policy(path: &Path, config: Option<&Path>, registry: &Registry) -> Result<Policy> {
    let described = |file: &Path| {
        let config = match config {
            Some(config) => config.to_owned(),
            None => config_beside(file)?,
        };
        // Only environment and policy count here; what training ignores is of no interest.
        let (config, _) = RunConfig::load(&config, &[])?;
        let spec = registry.make(&config.env_cls, &config.env)?;
        header(&config, &*spec, registry)
    };
    match find(path)? {
        PolicySource::Checkpoint(folder) => Checkpoint::read_policy(&folder),
        PolicySource::Safetensors(file) => read_safetensors(&file, || described(&file)),
        PolicySource::Pt(file) => read_pt(&file, described(&file)?),
    }
}

/// What kind of thing `path` is.
fn find(path: &Path) -> Result<PolicySource> {
    if Checkpoint::exists(path) {
        return Ok(PolicySource::Checkpoint(path.to_owned()));
    }
    if path.is_dir() {
        // The peer's run folders hold files of tensors under the names of our folders.
        let candidates = [BEST, LAST].map(|name| path.join(name));
        if let Some(folder) = candidates.iter().find(|folder| Checkpoint::exists(folder)) {
            return Ok(PolicySource::Checkpoint(folder.clone()));
        }
        let file = path.join(checkpoint::POLICY);
        if file.is_file() {
            return Ok(PolicySource::Safetensors(file));
        }
        let expected = format!("a run folder with {BEST} or {LAST} in it, or a checkpoint folder");
        return Err(Error::checkpoint(path, expected, "a folder with neither"));
    }
    if !path.exists() {
        return Err(Error::missing(
            path,
            "a run folder, a checkpoint folder, a .safetensors file or a .pt file",
        ));
    }
    match extension(path) {
        Some("safetensors") => Ok(PolicySource::Safetensors(path.to_owned())),
        Some("pt" | "pth") => Ok(PolicySource::Pt(path.to_owned())),
        other => Err(Error::checkpoint(
            path,
            "a file that ends in .safetensors or .pt",
            other.map_or_else(|| "no ending".to_owned(), |ending| format!(".{ending}")),
        )),
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

fn read_safetensors(
    path: &Path,
    described: impl FnOnce() -> Result<PolicyHeader>,
) -> Result<Policy> {
    let bytes = read_file(path, MAX_BYTES)?;
    let broken = |e| Error::checkpoint(path, "a policy", e);
    let fallback = match is_self_contained(&bytes).map_err(broken)? {
        true => None,
        false => Some(described()?),
    };
    Policy::from_safetensors(&bytes, fallback).map_err(broken)
}

fn read_pt(path: &Path, header: PolicyHeader) -> Result<Policy> {
    let file = PtFile::read(path)?;
    header.with_tensors(&file.tensors()?).map_err(|e| Error::checkpoint(path, "a policy", e))
}

/// The config of a file of bare tensors.
fn config_beside(file: &Path) -> Result<PathBuf> {
    let same_name = file.with_extension("json");
    let of_folder = file.with_file_name(CONFIG);
    [&same_name, &of_folder].into_iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        Error::missing(
            &same_name,
            format!(
                "the config that {}, which holds bare tensors, was trained with",
                file.display()
            ),
        )
    })
}

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

/// Whether the policy may take its last move back.
fn backtracking(config: &RunConfig, spec: &dyn EnvSpec) -> Result<bool> {
    if !config.policy.backtracking {
        spec.required_inverses()?;
    }
    Ok(config.policy.backtracking)
}

/// A network in one line.
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
