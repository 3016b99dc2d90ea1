//! The registry of environments by name. It also holds the distributions of actions that networks may name.

pub use super::spec::{EnvSpec, StartKinds};

use super::spec::Native;
use crate::env::Environment;
#[cfg(feature = "policies")]
use crate::evaluator::distribution::DistributionMaker;
use crate::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Maker = Arc<dyn Fn(&Value) -> Result<Arc<dyn EnvSpec>> + Send + Sync>;

type Resolver = Arc<dyn Fn(&str, &Value, Trust) -> Option<Result<Arc<dyn EnvSpec>>> + Send + Sync>;

/// The kinds of environments that a name may resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Environments that are registered: for names from files, which may be of anyone's making.
    #[default]
    Registered,
    /// Code that is loaded by that name, too: for names that the user gave, or from files that the user trusts.
    Code,
}

/// A registered environment.
#[derive(Clone)]
struct Registered {
    maker: Maker,
    /// The template of bundles that has it.
    template: Option<&'static str>,
}

/// The environments and action distributions that configs can name. [`Registry::default`] holds the built-in environments,
/// where they are compiled in.
#[derive(Clone)]
pub struct Registry {
    makers: BTreeMap<String, Registered>,
    #[cfg(feature = "policies")]
    pub(super) distributions: BTreeMap<String, DistributionMaker>,
    /// Asked from the last to the first.
    resolvers: Vec<Resolver>,
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
        let registry = Self::empty();
        #[cfg(feature = "built-in-envs")]
        let registry = registry.with_built_in_envs();
        registry
    }
}

impl Registry {
    /// Returns an empty registry.
    pub fn empty() -> Self {
        Self {
            makers: BTreeMap::new(),
            #[cfg(feature = "policies")]
            distributions: BTreeMap::new(),
            resolvers: Vec::new(),
            trust: Trust::default(),
            replacement: None,
        }
    }

    #[cfg(feature = "built-in-envs")]
    fn with_built_in_envs(mut self) -> Self {
        use super::{control, journey, lights_out, maze, puzzle};
        self.register::<control::Acrobot>()
            .register::<control::CartPole>()
            .register::<control::MountainCar>()
            .register::<control::MountainCarContinuous>()
            .register::<control::Pendulum>()
            .register::<journey::Journey>()
            .register::<lights_out::LightsOut>()
            .register::<maze::Maze>()
            .register::<puzzle::Puzzle>()
            .in_template("agent");
        self
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
        let registered = Registered { maker: Arc::new(maker), template: None };
        self.makers.insert(name.to_owned(), registered);
        self
    }

    /// Notes that the template of bundles `template` has all environments that are registered and in no template yet.
    pub fn in_template(&mut self, template: &'static str) -> &mut Self {
        for registered in self.makers.values_mut() {
            registered.template.get_or_insert(template);
        }
        self
    }

    /// Returns the template of bundles that has the environment registered under `name`; `None` if it is in none.
    pub fn template_of(&self, name: &str) -> Option<&'static str> {
        self.makers.get(name)?.template
    }

    /// Adds a resolver of names that are not registered in full, which is asked before those added earlier. It is given the
    /// name, the parameters and what the name may lead to, and returns `None` for names that it does not know. The module path
    /// of names that no resolver knows is ignored.
    pub fn add_resolver(
        &mut self,
        resolver: impl Fn(&str, &Value, Trust) -> Option<Result<Arc<dyn EnvSpec>>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.resolvers.push(Arc::new(resolver));
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
    /// [resolvers](Self::add_resolver), and then without its module path, so that `twisterl.envs.Puzzle` finds `Puzzle`.
    ///
    /// # Errors
    /// If the name is unknown, leads to what is not [trusted](Self::with_trust), or a parameter is invalid.
    pub fn make(&self, env_cls: &str, params: &Value) -> Result<Arc<dyn EnvSpec>> {
        let registered = |name: &str| self.makers.get(name).map(|registered| &registered.maker);
        if let Some(maker) = self.replacement.as_ref().or_else(|| registered(env_cls)) {
            return maker(params);
        }
        let resolve = |resolver: &Resolver| resolver(env_cls, params, self.trust);
        if let Some(found) = self.resolvers.iter().rev().find_map(resolve) {
            return found;
        }
        let short = env_cls.rsplit(['.', ':']).next().unwrap_or(env_cls);
        let maker = registered(short).ok_or_else(|| Error::UnknownEnvironment {
            name: env_cls.to_owned(),
            known: self.names().map(str::to_owned).collect(),
            also: String::new(),
        })?;
        maker(params)
    }
}
