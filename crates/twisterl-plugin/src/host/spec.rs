//! An environment of a plugin with its parameters.

use super::batch::PluginBatch;
use super::plugin::Plugin;
use super::session::Session;
use super::{Function, Module};
use crate::abi::VERSION;
use crate::description::Description;
use serde_json::Value;
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::check::Rules;
use twisterl_core::registry::{EnvSpec, StartKinds};
use twisterl_core::rollout::repeat;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionSpace, ObservationSpace};
use twisterl_core::{Error, Result};

/// An environment of a plugin with its parameters.
pub struct PluginSpec {
    pub(super) plugin: Arc<Plugin>,
    /// The version of the interface that the plugin was built for, such as `1.0`.
    interface: String,
    /// The name in files, if another than that in errors.
    name: Option<String>,
}

impl PluginSpec {
    /// Makes the environment of `module` with parameters `params`; `name` is its name in configs.
    ///
    /// # Errors
    /// If a parameter is refused, the module is of another version or lacks a function, or its description makes no sense.
    pub fn new(name: &str, module: Arc<dyn Module>, params: &Value) -> Result<Self> {
        let missing = Function::ALL.into_iter().find(|&f| !f.is_optional() && !module.has(f));
        if let Some(function) = missing {
            let rule = "a plugin has all functions of twisterl.h that are not optional";
            return Err(Error::contract(name, rule, format!("no function {}", function.name())));
        }
        let given = match params {
            Value::Null => "{}".to_owned(),
            params => params.to_string(),
        };
        let mut instance = module.instance()?;
        let version = instance.call(Function::Abi, &[], 0)?;
        if version >> 16 != i64::from(VERSION >> 16) {
            let found = format!("version {}.{}", version >> 16, version & 0xffff);
            let rule = "a plugin has version 1 of the interface: build it with the twisterl.h or twisterl-plugin of this release";
            return Err(Error::contract(name, rule, found));
        }
        let (_, text) = Session::open(name, instance, &given, 1)?;
        let described = serde_json::from_str::<Description>(&text);
        let description = described.map_err(|error| {
            Error::contract(name, "the description is that of twisterl.h", error)
        })?;
        let plugin = Plugin::of(name, module, given, text, description)?;
        let interface = format!("{}.{}", version >> 16, version & 0xffff);
        Ok(Self { plugin: Arc::new(plugin), interface, name: None })
    }

    /// Returns the environment with another name for files, such as one that pins the file of a module.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name: Some(name), ..self }
    }

    /// The version of the interface that the plugin was built for, such as `1.0`.
    pub fn interface(&self) -> String {
        self.interface.clone()
    }

    /// The description that the environment gives of itself.
    pub fn description(&self) -> &Description {
        &self.plugin.description
    }
}

impl EnvSpec for PluginSpec {
    fn name(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.plugin.name)
    }

    fn params(&self) -> Value {
        self.plugin.description.params.clone()
    }

    fn observation_space(&self) -> ObservationSpace {
        self.plugin.description.observation.clone()
    }

    fn action_space(&self) -> ActionSpace {
        self.plugin.actions.clone()
    }

    fn twists(&self) -> Vec<Twist> {
        self.plugin.description.twists.iter().cloned().map(Into::into).collect()
    }

    fn difficulty(&self) -> usize {
        self.plugin.description.difficulty
    }

    fn starts(&self) -> StartKinds {
        self.plugin.description.starts()
    }

    fn measures_success(&self) -> bool {
        self.plugin.description.measures_success
    }

    fn tells_states(&self) -> bool {
        self.plugin.tells_states()
    }

    fn is_deterministic(&self) -> bool {
        self.plugin.description.deterministic
    }

    fn check_replay(&self) -> Result<Option<String>> {
        Ok(repeat::difference(self)?.map(|found| repeat::warning(self.name(), &found)))
    }

    /// Holds environments that draw at random by themselves to what training relies on alone.
    fn rules(&self) -> Rules {
        if self.is_deterministic() { Rules::Contract } else { Rules::Training }
    }

    fn batch(&self, len: usize) -> Box<dyn VecEnv> {
        Box::new(PluginBatch::new(&self.plugin, len))
    }

    fn inverse(&self, action: usize) -> Option<usize> {
        let inverse = self.plugin.description.inverses.get(action)?;
        inverse.map(|inverse| inverse as usize)
    }
}
