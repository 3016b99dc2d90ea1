//! The registry of environments and distributions by name.

pub use super::spec::{EnvSpec, StartKinds};

use super::spec::Native;
use crate::env::Environment;
use crate::envs::control;
use crate::envs::journey::Journey;
use crate::envs::lights_out::LightsOut;
use crate::envs::maze::Maze;
use crate::envs::puzzle::Puzzle;
use crate::evaluator::distribution::{Custom, Distribution, DistributionSpec};
use crate::policy::network::Network;
use crate::space::ActionComponent;
use crate::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Maker = Arc<dyn Fn(&Value) -> Result<Arc<dyn EnvSpec>> + Send + Sync>;

type Resolver = Arc<dyn Fn(&str, &Value, Trust) -> Option<Result<Arc<dyn EnvSpec>>> + Send + Sync>;

type DistributionMaker =
    Arc<dyn Fn(&ActionComponent, &Value) -> Result<Arc<dyn Distribution>> + Send + Sync>;

/// The kinds of environments that a name may resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Environments that are registered: for names from files, which may be of anyone's making.
    #[default]
    Registered,
    /// Code that is loaded by that name, too: for names that the user gave, or from files that the user trusts.
    Code,
}

/// The environments and action distributions that configs can name. [`Registry::default`] holds the built-in environments;
/// the distributions of [`DistributionSpec`] need no entry.
#[derive(Clone)]
pub struct Registry {
    makers: BTreeMap<String, Maker>,
    distributions: BTreeMap<String, DistributionMaker>,
    resolver: Option<Resolver>,
    trust: Trust,
    /// Makes all environments, whatever their names.
    replacement: Option<Maker>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.makers.keys()).finish()
    }
}

impl Default for Registry {
    fn default() -> Self {
        let mut registry = Self::empty();
        registry
            .register::<control::Acrobot>()
            .register::<control::CartPole>()
            .register::<control::MountainCar>()
            .register::<control::MountainCarContinuous>()
            .register::<control::Pendulum>()
            .register::<Journey>()
            .register::<LightsOut>()
            .register::<Maze>()
            .register::<Puzzle>();
        registry
    }
}

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

    /// Returns an empty registry.
    pub fn empty() -> Self {
        Self {
            makers: BTreeMap::new(),
            distributions: BTreeMap::new(),
            resolver: None,
            trust: Trust::default(),
            replacement: None,
        }
    }

    /// Registers an environment under [`Environment::NAME`]. A later registration of the same name replaces it.
    pub fn register<E: Environment>(&mut self) -> &mut Self {
        self.register_maker(E::NAME, |params| Ok(Arc::new(Native::<E>::new(params)?)))
    }

    /// Registers an environment that `maker` builds from its parameters.
    pub fn register_maker(
        &mut self,
        name: &str,
        maker: impl Fn(&Value) -> Result<Arc<dyn EnvSpec>> + Send + Sync + 'static,
    ) -> &mut Self {
        self.makers.insert(name.to_owned(), Arc::new(maker));
        self
    }

    /// Sets the resolver of names that are not registered in full. It is given the name, the parameters and what the name
    /// may lead to, and returns `None` for unknown names, whose module path is then ignored.
    pub fn set_resolver(
        &mut self,
        resolver: impl Fn(&str, &Value, Trust) -> Option<Result<Arc<dyn EnvSpec>>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Returns this registry for names that may lead to what `trust` says.
    #[must_use]
    pub fn with_trust(&self, trust: Trust) -> Self {
        Self { trust, ..self.clone() }
    }

    /// Returns this registry with all environments made by `maker` of their parameters, whatever their names: for an
    /// environment that the user gives in place of the one that a file names.
    #[must_use]
    pub fn replacing_envs(
        &self,
        maker: impl Fn(&Value) -> Result<Arc<dyn EnvSpec>> + Send + Sync + 'static,
    ) -> Self {
        Self { replacement: Some(Arc::new(maker)), ..self.clone() }
    }

    /// The registered names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.makers.keys().map(String::as_str)
    }

    /// Builds the environment `env_cls` with parameters `params`. The name is looked up in full, then by the
    /// [resolver](Self::set_resolver), and then without its module path, so that `twisterl.envs.Puzzle` finds `Puzzle`.
    ///
    /// # Errors
    /// If the name is unknown, leads to what is not [trusted](Self::with_trust), or a parameter is invalid.
    pub fn make(&self, env_cls: &str, params: &Value) -> Result<Arc<dyn EnvSpec>> {
        if let Some(maker) = self.replacement.as_ref().or_else(|| self.makers.get(env_cls)) {
            return maker(params);
        }
        let resolve = |resolver: &Resolver| resolver(env_cls, params, self.trust);
        if let Some(found) = self.resolver.as_ref().and_then(resolve) {
            return found;
        }
        let short = env_cls.rsplit(['.', ':']).next().unwrap_or(env_cls);
        let maker = self.makers.get(short).ok_or_else(|| Error::UnknownEnvironment {
            name: env_cls.to_owned(),
            known: self.names().map(str::to_owned).collect(),
            also: String::new(),
        })?;
        maker(params)
    }
}
