//! A config with what is known of its origin, for errors that name all of its mistakes with their places.

mod advice;

use crate::config::json::places::{Step, place, steps};
use crate::config::json::{plain_lists, read_text};
use crate::config::presets::{self, ReadConfig};
use crate::config::{IgnoredField, Override, RunConfig};
use crate::error::mistakes::{Mistake, Mistakes, Place, Source};
use crate::system::plugins;
use crate::system::plugins::beside;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::Path;
use twisterl_core::Error as CoreError;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::from_serde::describe;

/// The most mistakes that an error lists.
const MAX_MISTAKES: usize = 20;
/// Stands for a missing name of an environment, so that the rest can be checked.
const SOME_ENV: &str = "?";

/// A config, the text that it came from, and the values set in it from outside.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    text: Option<Source>,
    value: Value,
    overrides: Vec<Override>,
}

impl ConfigSource {
    /// Reads the config file at `path`. A module that it names by a relative path is that in the folder of the config, if
    /// there is one.
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 1 MiB, is not a JSON object or repeats a key.
    pub fn open(path: &Path) -> Result<Self> {
        let mut source = Self::open_resolved(path)?;
        source.find_module(path);
        Ok(source)
    }

    /// Reads a config file whose paths are those of a run already.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub(in crate::config) fn open_resolved(path: &Path) -> Result<Self> {
        let (text, value) = read_text(path)?;
        let text = Some(Source { name: path.display().to_string(), text });
        let source = Self { text, value, overrides: Vec::new() };
        if source.value.is_object() {
            return Ok(source);
        }
        let found = describe(&source.value);
        Err(source.explain(Error::config("config", "a JSON object", found), None))
    }

    /// Returns `registry` with the bounds that the config sets on modules.
    pub(crate) fn bounded(&self, registry: &Registry) -> Registry {
        plugins::bounded(registry, plugins::sandbox_of(&self.value))
    }

    /// Creates the source of a config that does not stand in a file.
    pub fn of(value: Value) -> Self {
        Self { text: None, value, overrides: Vec::new() }
    }

    /// Returns this config with the places of its values in the file at `path`, which it was read from, and the module that it
    /// names as [`open`](Self::open) finds it. Nothing changes if the file cannot be read.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        self.find_module(path);
        Self { text: Self::open(path).ok().and_then(|source| source.text), ..self }
    }

    /// Replaces a relative path of a module by that of the module in the folder of the config at `path`, if there is one.
    fn find_module(&mut self, path: &Path) {
        if let Some(name) = self.value.get_mut("env_cls")
            && let Some(found) = name.as_str().and_then(|name| beside(path, name))
        {
            *name = found.into();
        }
    }

    /// The text of the file; empty if there is none.
    pub fn text(&self) -> &str {
        self.text.as_ref().map_or("", |source| &source.text)
    }

    /// Returns this config with `overrides` to be set in it, one after the other.
    #[must_use]
    pub fn with(mut self, overrides: &[Override]) -> Self {
        self.overrides.extend_from_slice(overrides);
        self
    }

    /// Reads the config as [`RunConfig::read`] does. With `registry`, errors name the mistakes in the environment's
    /// parameters, too.
    ///
    /// # Errors
    /// [`Error::Mistakes`] or, for a single mistake without a place in a file, [`twisterl_core::Error::Config`]; and if an
    /// override does not fit the config.
    pub fn read(&self, registry: Option<&Registry>) -> Result<(RunConfig, Vec<IgnoredField>)> {
        let value = self.changed()?;
        RunConfig::read(value).map_err(|error| self.explain(error, registry))
    }

    /// Reads the config, completed by the preset of its environment, as [`presets::read`] does.
    ///
    /// # Errors
    /// Those of [`presets::read`], with all mistakes of the config in place of the first one.
    pub fn complete(&self, steps: Option<u64>, registry: &Registry) -> Result<ReadConfig> {
        presets::read(self.value.clone(), &self.overrides, steps, registry)
            .map_err(|error| self.explain(error, Some(registry)))
    }

    /// Returns the name and the parameters of the environment, whatever the rest of the config says.
    ///
    /// # Errors
    /// If the config names no environment, or an override does not fit it.
    pub fn environment(&self) -> Result<(String, Value)> {
        let value = self.changed()?;
        let params = value.get("env").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        match value.get("env_cls") {
            Some(Value::String(name)) => Ok((name.clone(), params)),
            other => {
                let found = other.map_or_else(|| "none".to_owned(), describe);
                let error = Error::config("env_cls", "the name of an environment", found);
                Err(self.explain(error, None))
            }
        }
    }

    /// Returns the config with its overrides.
    fn changed(&self) -> Result<Value> {
        let mut value = self.value.clone();
        for change in &self.overrides {
            change.apply(&mut value)?;
        }
        plain_lists(&mut value)?;
        Ok(value)
    }

    /// Returns an error about the config together with all other mistakes in it, and their places. Other errors are
    /// returned unchanged.
    pub fn explain(&self, error: Error, registry: Option<&Registry>) -> Error {
        let (Error::Core(first), Ok(value)) = (&error, self.changed()) else { return error };
        let Some(path) = path_of(first) else { return error };
        let mut found = Collected::new(value.clone());
        found.add_config();
        if let Some(registry) = registry {
            found.add_env(registry);
        }
        let known = found.errors.iter().any(|error| path_of(error) == Some(path));
        let mut errors = found.errors;
        if !known {
            errors.insert(0, first.clone());
        }
        let list: Vec<Mistake> = errors.into_iter().map(|e| self.mistake(e, &value)).collect();
        match (&self.text, list.as_slice()) {
            (None, [Mistake { help: None, place: Place::Path, .. }]) => error,
            _ => Error::Mistakes(Box::new(Mistakes { source: self.text.clone(), list }.sorted())),
        }
    }

    /// Returns an error with the place of its value in `config`, and the change that mends it.
    fn mistake(&self, error: CoreError, config: &Value) -> Mistake {
        let path = path_of(&error).unwrap_or_default();
        let path = if path == "config" { "" } else { path };
        let (steps, complete) = steps(config, path);
        let given = complete.then(|| value_at(config, &steps)).flatten();
        let help = advice::of(&error, given);
        let outside = self.overrides.iter().rev().find(|change| change.covers(path));
        let in_file = || {
            let text = self.text.as_ref()?;
            let found = match &error {
                CoreError::Config { found, .. } => found.clone(),
                CoreError::UnknownEnvironment { name, .. } => format!("{name:?}"),
                _ => String::new(),
            };
            Some(Place::File(place(&text.text, (&steps, complete), &found)?))
        };
        let place = match outside {
            Some(change) => Place::Override(change.to_string()),
            None => in_file().unwrap_or(Place::Path),
        };
        Mistake { error, place, help }
    }
}

/// The path of the value that an error is about, if that is a value of a config.
fn path_of(error: &CoreError) -> Option<&str> {
    match error {
        CoreError::Config { path, .. } => Some(path),
        CoreError::UnknownEnvironment { .. } => Some("env_cls"),
        _ => None,
    }
}

fn value_at<'a>(root: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Item(position) => value.get(*position),
    })
}

/// Mistakes, found one after the other: the value of each is removed, so that the next one is found.
struct Collected {
    config: Value,
    given: Value,
    errors: Vec<CoreError>,
    paths: HashSet<String>,
    env_is_known: bool,
}

impl Collected {
    fn new(config: Value) -> Self {
        let given = config.clone();
        Self { config, given, errors: Vec::new(), paths: HashSet::new(), env_is_known: true }
    }

    /// Adds the mistakes that show without the environment. Whether values fit each other is only asked once each of them
    /// is right.
    fn add_config(&mut self) {
        self.add_all(RunConfig::read_fields);
        if self.errors.is_empty() {
            self.add_all(RunConfig::read);
        }
    }

    fn add_all(&mut self, read: fn(Value) -> Result<(RunConfig, Vec<IgnoredField>)>) {
        while let Err(Error::Core(error)) = read(self.config.clone()) {
            if !self.add(error) {
                break;
            }
        }
    }

    /// Adds the mistakes in the name of the environment and its parameters.
    fn add_env(&mut self, registry: &Registry) {
        while self.env_is_known {
            let Some(name) = self.config.get("env_cls").and_then(Value::as_str) else { return };
            let none = Value::Object(serde_json::Map::new());
            let params = self.config.get("env").unwrap_or(&none);
            let Err(error) = registry.make(name, params) else { return };
            if path_of(&error).is_none() || !self.add(error) {
                return;
            }
        }
    }

    /// Adds a mistake and removes its value. Returns false if there are enough, or the error only follows from what was
    /// removed before.
    fn add(&mut self, error: CoreError) -> bool {
        let path = path_of(&error).unwrap_or_default().to_owned();
        let (found, complete) = steps(&self.given, &path);
        let follows = !self.errors.is_empty() && !complete && path != "env_cls";
        if follows || self.errors.len() == MAX_MISTAKES || !self.paths.insert(path.clone()) {
            return false;
        }
        self.errors.push(error);
        if path == "env_cls" {
            self.env_is_known = false;
            if let Some(fields) = self.config.as_object_mut() {
                fields.insert(path, SOME_ENV.into());
            }
            return self.config.is_object();
        }
        complete && self.remove(&found)
    }

    /// Removes the value at the end of `steps`; of a value in a list, the list.
    fn remove(&mut self, steps: &[Step]) -> bool {
        let keys = steps.iter().map_while(|step| match step {
            Step::Key(key) => Some(key),
            Step::Item(_) => None,
        });
        let keys: Vec<&String> = keys.collect();
        let Some((last, parents)) = keys.split_last() else { return false };
        let parent = parents.iter().try_fold(&mut self.config, |value, key| value.get_mut(*key));
        parent.and_then(Value::as_object_mut).and_then(|map| map.shift_remove(*last)).is_some()
    }
}
