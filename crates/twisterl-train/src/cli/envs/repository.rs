//! `env`: repositories of environments in WebAssembly modules.

use super::describe;
use crate::cli::{Output, seed};
use crate::system::plugins::index::{Entry, Repository, SCHEME, check_url};
use crate::system::plugins::module_file;
use crate::system::plugins::wasm::{self, Found, is_module};
use crate::{Error, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use twisterl_core::envs::registry::EnvSpec as _;
use twisterl_core::error::counts::counted;
use twisterl_core::error::escape::escape_lines;
use twisterl_plugin::host::PluginSpec;
use twisterl_wasm::Sandbox;

/// Environments in WebAssembly modules: those of the cache, which configs name as wasm:NAME@VERSION, and of repositories.
#[derive(Debug, Args)]
pub(in crate::cli) struct EnvArgs {
    #[command(subcommand)]
    command: EnvCommand,
}

/// A repository other than the cache.
#[derive(Debug, Args)]
struct Place {
    /// Repository: a folder with an index.json, or the https URL of one; without it, the cache.
    #[arg(long, value_name = "FOLDER|URL")]
    index: Option<String>,
}

impl Place {
    fn repository(&self) -> Result<Repository> {
        match &self.index {
            Some(place) => Repository::at(place),
            None => Repository::cache(),
        }
    }

    /// Finds the module of a name: a file, or an entry of the repository.
    fn find<'n>(&self, name: &'n str) -> Result<Found<'n>> {
        if is_module(name) && !name.starts_with(SCHEME) {
            return wasm::find(name);
        }
        let repository = self.repository()?;
        let entry = repository.find(name.strip_prefix(SCHEME).unwrap_or(name))?;
        let bytes = repository.read(&entry)?;
        Ok(Found { name: Cow::Owned(entry.label()), bytes })
    }
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// List the environments of a repository.
    List(Place),
    /// Describe an environment: its version, licence, parameters and spaces.
    Info {
        /// File of a module, or NAME or NAME@VERSION of the repository.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Check that an environment keeps the contract that training and solving rely on.
    Check {
        /// File of a module, or NAME or NAME@VERSION of the repository.
        name: String,
        /// Seed of the episodes that are played.
        #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true, value_parser = seed())]
        seed: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Add an environment to the cache, so that configs can name it as wasm:NAME@VERSION.
    Add {
        /// File of a module, or NAME or NAME@VERSION of the repository.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Add modules to a repository, which is created if it is not there.
    Publish {
        /// Files of modules, each with a name and a version in its description.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Repository: a folder.
        #[arg(long, value_name = "FOLDER")]
        index: String,
        /// The https URL of the module, if it is not to be copied to the repository.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

impl EnvArgs {
    pub(in crate::cli) fn run(self) -> Result<Output> {
        let text = match self.command {
            EnvCommand::List(place) => list(&place.repository()?)?,
            EnvCommand::Info { name, place } => info(&place.find(&name)?)?,
            EnvCommand::Check { name, seed, place } => {
                let found = place.find(&name)?;
                let report = open(&found)?.check(seed)?;
                format!("{}: keeps the contract (checked: {report})\n", found.name)
            }
            EnvCommand::Add { name, place } => {
                let found = place.find(&name)?;
                let entry = entry(&found)?;
                let path = Some(format!("{}.wasm", entry.sha256).into());
                let entry = Entry { path, ..entry };
                Repository::cache()?.add(entry.clone(), &found.bytes)?;
                format!("{}: \"env_cls\": \"{SCHEME}{}\"\n", entry.name, entry.label())
            }
            EnvCommand::Publish { files, index, url } => {
                publish(&Repository::at(&index)?, &files, url.as_deref())?
            }
        };
        Ok(escape_lines(&text).into_owned().into())
    }
}

fn open(found: &Found<'_>) -> Result<PluginSpec> {
    Ok(found.spec(&json!({}), Sandbox::default())?)
}

fn list(repository: &Repository) -> Result<String> {
    let index = repository.index_or_empty()?;
    let mut text = String::new();
    for entry in &index.environments {
        let licence = if entry.licence.is_empty() { "no licence" } else { &entry.licence };
        let _ = writeln!(
            text,
            "{:24} {licence:16} {}",
            entry.label(),
            counted(entry.size as usize, "byte")
        );
    }
    if text.is_empty() {
        let folder = repository.place(Path::new("")).display().to_string();
        text = format!(
            "no environments in {folder}; `env add FILE` or `env add NAME --index FOLDER` adds them\n"
        );
    }
    Ok(text)
}

fn info(found: &Found<'_>) -> Result<String> {
    let spec = open(found)?;
    let about = spec.description();
    let entry = Entry::of(about, spec.interface(), &found.bytes)?;
    let licence = if entry.licence.is_empty() { "none given" } else { &entry.licence };
    let size = counted(found.bytes.len(), "byte");
    Ok(format!(
        "{}\n  interface    {}\n  licence      {licence}\n  sha256       {}\n  size         {size}\n{}",
        entry.label(),
        entry.interface,
        entry.sha256,
        describe(&spec)
    ))
}

/// Returns the entry of a module, which is what its index says, if it comes from one.
fn entry(found: &Found<'_>) -> Result<Entry> {
    let spec = open(found)?;
    let entry = Entry::of(spec.description(), spec.interface(), &found.bytes)?;
    if !is_module(&found.name) && *found.name != *entry.label() {
        let expected = format!("a module that says that it is {}, as its index does", found.name);
        return Err(Error::usage("index", expected, entry.label()));
    }
    Ok(entry)
}

fn publish(repository: &Repository, files: &[PathBuf], url: Option<&str>) -> Result<String> {
    match url {
        Some(_) if files.len() > 1 => {
            let found = counted(files.len(), "file");
            return Err(Error::usage("url", "one file, which lies there", found));
        }
        Some(url) => check_url(url).map_err(|expected| Error::usage("url", expected, url))?,
        None => {}
    }
    let mut text = String::new();
    for file in files {
        let bytes = module_file::read(file)?;
        let found = Found { name: file.to_string_lossy(), bytes };
        let mut entry = entry(&found)?;
        let file = PathBuf::from(format!("{}-{}.wasm", entry.name, entry.version));
        let place = url.map_or_else(|| repository.place(&file), PathBuf::from);
        match url {
            Some(url) => entry.url = Some(url.to_owned()),
            None => entry.path = Some(file),
        }
        repository.add(entry.clone(), &found.bytes)?;
        let _ = writeln!(text, "{}: {}", entry.label(), place.display());
    }
    Ok(text)
}
