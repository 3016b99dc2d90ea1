//! The policy: everything needed to play a problem, in one value.

use super::arithmetic::Arithmetic;
use super::init::Scheme;
use super::layers::product::rounding;
use super::network::Network;
use super::scaling::Scaling;
use crate::space::declared::DeclaredSpaces;
use crate::space::symmetry::{Symmetry, Twist};
use crate::space::{ActionSpace, ObservationSpace};
use crate::{Error, Result};
use pulp::Arch;
use serde_json::Value;
use std::collections::HashSet;

/// A network with its weights and the problem that they were trained for. It is self-contained.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The network.
    pub network: Network,
    /// All weights, in the order and memory layout of [`Network::parameters`].
    pub parameters: Vec<f32>,
    /// The name of the environment.
    pub env_cls: String,
    /// The parameters of the environment.
    pub env: Value,
    /// The symmetries of the problem, without the identity.
    pub twists: Vec<Twist>,
    /// The use that the policy makes of the symmetries.
    pub symmetry: Symmetry,
    /// False if play must not undo its last move ([`crate::env::no_backtracking`]).
    pub backtracking: bool,
    /// The scaling of dense observations; `None`: unscaled.
    pub scaling: Option<Scaling>,
    /// The spaces that the environment declares, if they are not those of the network.
    pub spaces: Option<DeclaredSpaces>,
    /// The arithmetic of its answers. Training is fused in any case.
    pub arithmetic: Arithmetic,
}

impl Policy {
    /// Returns the arithmetic whose results this policy has on this machine: the portable one in place of the fused one where
    /// there is no fused operation.
    pub fn rounding(&self) -> Arithmetic {
        rounding(Arch::new(), self.arithmetic)
    }

    /// Returns a policy with fresh weights, initialised as PyTorch does by default ([`Scheme::Uniform`]).
    ///
    /// # Errors
    /// If the network is inconsistent or a twist does not fit it.
    pub fn initial(
        network: Network,
        env_cls: impl Into<String>,
        env: Value,
        twists: Vec<Twist>,
        seed: u64,
    ) -> Result<Self> {
        network.check()?;
        let parameters = Scheme::Uniform.with_usual_gains().parameters(&network, seed);
        let (symmetry, backtracking, scaling) = (Symmetry::None, true, None);
        let env_cls = env_cls.into();
        let policy = Self {
            network,
            parameters,
            env_cls,
            env,
            twists,
            symmetry,
            backtracking,
            scaling,
            spaces: None,
            arithmetic: Arithmetic::default(),
        };
        policy.check()?;
        Ok(policy)
    }

    /// Checks that the parts fit each other and that every weight is finite.
    ///
    /// # Errors
    /// Names the part that does not fit.
    pub fn check(&self) -> Result<()> {
        check_network(&self.network)?;
        let count = self.network.parameter_count();
        if self.parameters.len() != count {
            return Err(Error::weights(
                "all",
                format!("{count} parameters"),
                self.parameters.len(),
            ));
        }
        if let Some(at) = self.parameters.iter().position(|p| !p.is_finite()) {
            let specs = self.network.parameters();
            let name = specs.into_iter().find(|s| s.range.contains(&at)).map(|s| s.name);
            return Err(Error::weights(
                name.unwrap_or_default(),
                "finite values",
                self.parameters.get(at).copied().unwrap_or(f32::NAN),
            ));
        }
        let sparse = matches!(self.network.observation, ObservationSpace::SparseBinary { .. });
        let one_choice = self.network.actions.single_discrete().is_some();
        if self.symmetry == Symmetry::Canonical && !(sparse && one_choice) {
            return Err(Error::config(
                "policy.symmetry",
                "none (canonical is for sparse observations and one discrete action)",
                "canonical",
            ));
        }
        if !self.backtracking && !one_choice {
            let expected = "true (moves are taken back where an action is one choice)";
            return Err(Error::config("policy.backtracking", expected, "false"));
        }
        if let Some(scaling) = &self.scaling {
            scaling.check(&self.network.observation)?;
        }
        if let Some(spaces) = &self.spaces {
            spaces.check(&self.network.observation, &self.network.actions)?;
        }
        let bits = self.network.observation.size().unwrap_or(0);
        let actions = self.network.actions.mask_width();
        self.twists.iter().try_for_each(|twist| twist.check(bits, actions))
    }
}

/// Checks that a network, which may come from a file, is sound and that its tensor names are unique.
pub(super) fn check_network(network: &Network) -> Result<()> {
    // Reading a space from a file does not pass through its constructor.
    ActionSpace::new(network.actions.components().to_vec())?;
    network.check()?;
    let mut names = HashSet::new();
    match network.parameters().into_iter().find(|spec| !names.insert(spec.name.clone())) {
        Some(twice) => Err(Error::config("network", "tensor names that differ", twice.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::policy::network::{Activation, MlpSizes};
    use crate::space::ObservationSpace;
    use serde_json::json;

    fn network() -> Network {
        let sizes = MlpSizes {
            embedding_size: 256,
            common_layers: vec![64],
            policy_layers: vec![],
            value_layers: vec![16],
            activation: Activation::Relu,
        };
        let bits = ObservationSpace::SparseBinary { shape: vec![9, 9] };
        Network::mlp(bits, ActionSpace::discrete(4), &sizes).unwrap()
    }

    fn initial(seed: u64) -> Policy {
        Policy::initial(network(), "Puzzle", json!({}), vec![], seed).unwrap()
    }

    #[test]
    fn fresh_weights_are_uniform_within_the_bound_of_their_layer() {
        let policy = initial(7);
        for spec in policy.network.parameters() {
            let values = &policy.parameters[spec.range.clone()];
            let bound = 1.0 / (spec.fan_in as f32).sqrt();
            assert!(values.iter().all(|v| v.abs() <= bound), "{}", spec.name);
            if values.len() > 10_000 {
                // Mean 0 and variance bound^2 / 3 of the uniform distribution, 4 standard errors wide.
                let n = values.len() as f32;
                let mean = values.iter().sum::<f32>() / n;
                let variance = values.iter().map(|v| v * v).sum::<f32>() / n;
                assert!(mean.abs() < 4.0 * bound / (3.0 * n).sqrt(), "{} {mean}", spec.name);
                assert!((variance / (bound * bound) - 1.0 / 3.0).abs() < 0.02, "{}", spec.name);
            }
        }
    }

    #[test]
    fn fresh_weights_depend_on_the_seed_alone() {
        assert_eq!(initial(1), initial(1));
        assert_ne!(initial(1).parameters, initial(2).parameters);
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let mut policy = initial(1);
        policy.parameters[0] = f32::NAN;
        let message = policy.check().unwrap_err().to_string();
        assert_eq!(message, "weights: embeddings.weight: expected finite values, found NaN");
        policy.parameters.clear();
        assert!(policy.check().unwrap_err().to_string().contains("parameters"));
        let mut policy = initial(1);
        policy.twists.push(Twist { observation: vec![0; 81], action: vec![0, 1, 2, 3] });
        assert!(policy.check().unwrap_err().to_string().contains("twist.observation"));
    }
}
