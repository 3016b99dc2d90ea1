//! Networks of environments: distributions of actions by name, and the check that a network fits.

use super::registry::{EnvSpec, Registry};
use crate::evaluator::distribution::{Custom, Distribution, DistributionSpec};
use crate::policy::network::Network;
use crate::space::ActionComponent;
use crate::{Error, Result};
use serde_json::Value;
use std::sync::Arc;

impl Registry {
    /// Registers a distribution of one action component under `name`, the `type` of its config. `maker` is given the
    /// component and the config's `params`. A later registration of the same name replaces it.
    pub fn register_distribution<F>(&mut self, name: &str, maker: F) -> &mut Self
    where
        F: Fn(&ActionComponent, &Value) -> Result<Arc<dyn Distribution>> + Send + Sync + 'static,
    {
        self.distributions.insert(name.to_owned(), Arc::new(maker));
        self
    }

    /// Returns the registered distribution `name` of `component`.
    ///
    /// # Errors
    /// If no distribution has this name, or it refuses the component or the parameters.
    pub fn distribution(
        &self,
        name: &str,
        params: &Value,
        component: &ActionComponent,
    ) -> Result<DistributionSpec> {
        let Some(maker) = self.distributions.get(name) else {
            let known = self.distributions.keys().map(|name| format!(", `{name}`"));
            let expected = "`categorical`, `bernoulli`, `gaussian`, `squashed_gaussian`";
            let expected = format!("{expected}{}", known.collect::<String>());
            return Err(Error::config("type", expected, format!("{name:?}")));
        };
        let distribution = maker(component, params).map_err(|error| error.below("params"))?;
        Ok(DistributionSpec::Custom(Custom {
            name: name.to_owned(),
            params: params.clone(),
            parameters: distribution.parameters(),
            shared: distribution.shared(),
            distribution: Some(distribution),
        }))
    }

    /// Fills in the registered distributions that a network from a file names.
    ///
    /// # Errors
    /// If a distribution is not registered, or differs from the one that the network was made for.
    pub fn complete(&self, network: &mut Network) -> Result<()> {
        let components = network.actions.components().iter();
        let specs = network.distribution.iter_mut().zip(components).enumerate();
        for (i, (spec, component)) in specs {
            let DistributionSpec::Custom(custom) = spec else { continue };
            let within = |error: Error| error.below(&format!("policy.distribution[{i}]"));
            let made = self.distribution(&custom.name, &custom.params, component);
            let made = made.map_err(within)?;
            if made != *spec {
                let expected = format!("{spec:?}");
                return Err(within(Error::config("type", expected, format!("{made:?}"))));
            }
            *spec = made;
        }
        Ok(())
    }
}

impl dyn EnvSpec + '_ {
    /// Checks that `network` reads the observations of the environment and gives its actions.
    ///
    /// # Errors
    /// The network that is expected, and the one that was found.
    pub fn check_network(&self, network: &Network) -> std::result::Result<(), (String, String)> {
        let (observation, actions) = (self.observation_space(), self.action_space());
        if network.observation == observation && network.actions == actions {
            return Ok(());
        }
        let name = self.name();
        let expected =
            format!("a network for {name} with {observation:?} and {:?}", actions.components());
        Err((expected, format!("{:?} and {:?}", network.observation, network.actions.components())))
    }
}
