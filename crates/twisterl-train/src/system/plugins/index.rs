//! Repositories of environments: a folder with modules and an `index.json` that lists them.
//!
//! A repository is a folder, so that any file share or static [web] server can hold one, and the folder of the cache is one,
//! too: what was added to it. Names in configs (`wasm:NAME@1.2`) lead to the cache alone, whose files are checked on each use.

use super::module_file::{self, sha256};
use super::web;
use crate::system::files;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};
use twisterl_core::error::json::parse;
use twisterl_core::space::{ActionComponent, ObservationSpace};
use twisterl_plugin::description::Description;
use twisterl_wasm::Sandbox;

/// The name of the file that lists the modules of a repository.
pub const INDEX: &str = "index.json";
/// The beginning of the names of environments in the cache.
pub const SCHEME: &str = "wasm:";
/// The longest index, in bytes.
const MAX_INDEX: u64 = 1 << 24;

/// The modules of a repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The modules, sorted by name and version.
    pub environments: Vec<Entry>,
}

/// A module of a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The version: numbers with dots between them.
    pub version: String,
    /// The version of the interface.
    pub interface: String,
    /// The file, relative to the index.
    pub path: PathBuf,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The length of the file, in bytes.
    pub size: u64,
    /// The licence, an SPDX expression.
    #[serde(default)]
    pub licence: String,
    /// The observation space.
    pub observation: ObservationSpace,
    /// The components of actions.
    pub actions: Vec<ActionComponent>,
}

impl Entry {
    /// Returns the entry of the module `bytes`, whose file the index will find at `path`.
    ///
    /// # Errors
    /// If the environment has no name or no version of numbers, which make it known.
    pub fn of(description: &Description, bytes: &[u8], path: PathBuf) -> Result<Self> {
        let d = description;
        check_label(&d.name, &d.version).map_err(|(what, expected, found)| {
            let path = format!("description.{what}");
            twisterl_core::Error::config(path, expected, format!("{found:?}"))
        })?;
        Ok(Self {
            name: d.name.clone(),
            version: d.version.clone(),
            interface: "1.0".into(),
            path,
            sha256: sha256(bytes),
            size: bytes.len() as u64,
            licence: d.licence.clone(),
            observation: d.observation.clone(),
            actions: d.actions.clone(),
        })
    }

    /// The name and the version.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn key(&self) -> (&str, Option<Vec<u64>>) {
        (&self.name, numbers(&self.version))
    }
}

/// Checks the name and the version of an environment, by which it is known. The error says what is wrong, what is expected and
/// what was found.
fn check_label<'l>(
    name: &'l str,
    version: &'l str,
) -> Result<(), (&'static str, &'static str, &'l str)> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_letter) {
        return Err(("name", "letters, digits, - and _", name));
    }
    match numbers(version) {
        Some(_) => Ok(()),
        None => Err(("version", "numbers with dots between them, such as 1.2", version)),
    }
}

/// Returns the numbers of a version.
fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}

/// Modules and their index.
#[derive(Debug, Clone)]
pub enum Repository {
    /// In a folder.
    Folder(PathBuf),
    /// On the web, at the URL of a folder without its last slash.
    Web(String),
}

impl Repository {
    /// Returns the repository at `place`: a folder, its index, or a `file:` or `https:` URL of either.
    ///
    /// # Errors
    /// If it is another URL.
    pub fn at(place: &str) -> Result<Self> {
        match place.split_once("://") {
            Some(("https", _)) if !place.contains(['?', '#']) => {
                let folder = place.strip_suffix(INDEX).unwrap_or(place);
                return Ok(Self::Web(folder.trim_end_matches('/').to_owned()));
            }
            Some((scheme, _)) if scheme != "file" => {
                let expected = "a folder, or a file: or https: URL without parameters";
                return Err(Error::usage("index", expected, place));
            }
            _ => {}
        }
        let path = Path::new(place.strip_prefix("file://").unwrap_or(place));
        let folder = if path.ends_with(INDEX) { path.parent() } else { None };
        Ok(Self::Folder(folder.unwrap_or(path).to_owned()))
    }

    /// Returns the cache: `twisterl/environments` in the folder of the system for caches.
    ///
    /// # Errors
    /// If the system does not say where that is.
    pub fn cache() -> Result<Self> {
        let folder =
            |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .or_else(|| folder("LOCALAPPDATA"));
        let none =
            || Error::usage("XDG_CACHE_HOME", "a folder for environments", "none, and no HOME");
        Ok(Self::Folder(base.ok_or_else(none)?.join("twisterl").join("environments")))
    }

    /// Returns the path or the URL of a file.
    pub fn place(&self, file: &Path) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(file),
            Self::Web(folder) => web::below(folder, file).into(),
        }
    }

    /// The folder, to write to.
    fn folder(&self) -> Result<&Path> {
        match self {
            Self::Folder(folder) => Ok(folder),
            Self::Web(url) => {
                Err(Error::usage("index", "a folder, to be published from there", url))
            }
        }
    }

    /// Reads the index.
    ///
    /// # Errors
    /// If it is not there, or is not an index.
    pub fn index(&self) -> Result<Index> {
        let path = self.place(Path::new(INDEX));
        let bytes = match self {
            Self::Folder(_) => read_index(&path)?,
            Self::Web(folder) => web::download(&web::below(folder, Path::new(INDEX)), MAX_INDEX)?,
        };
        let index: Result<Index, _> = parse(&bytes);
        let index =
            index.map_err(|error| Error::input(&path, "", "an index of environments", error))?;
        for (i, entry) in index.environments.iter().enumerate() {
            check_label(&entry.name, &entry.version).map_err(|(what, expected, found)| {
                let place = format!("environments[{i}].{what}");
                Error::input(&path, place, expected, format!("{found:?}"))
            })?;
        }
        Ok(index)
    }

    /// Reads the index, empty if there is none yet.
    ///
    /// # Errors
    /// If there is a file that is not an index.
    pub fn index_or_empty(&self) -> Result<Index> {
        match self {
            Self::Folder(folder) if !folder.join(INDEX).exists() => Ok(Index::default()),
            _ => self.index(),
        }
    }

    /// Returns the newest entry of `NAME`, or of `NAME@VERSION` whose version begins with these numbers.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, wanted: &str) -> Result<Entry> {
        let index = self.index_or_empty()?;
        let (name, prefix) = wanted.split_once('@').map_or((wanted, None), |(n, v)| (n, Some(v)));
        let fits = |entry: &&Entry| {
            let (found, wanted) = (numbers(&entry.version), prefix.map(numbers));
            let fits = match (found, wanted) {
                (_, None) => true,
                (Some(found), Some(Some(wanted))) => found.starts_with(&wanted),
                _ => false,
            };
            entry.name == name && fits
        };
        let newest = index.environments.iter().filter(fits).max_by(|a, b| a.key().cmp(&b.key()));
        newest.cloned().ok_or_else(|| {
            let known: Vec<_> = index.environments.iter().map(Entry::label).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let place = self.place(Path::new("")).display().to_string();
            let expected = format!("an environment in {place} ({known})");
            twisterl_core::Error::config("env_cls", expected, format!("{wanted:?}")).into()
        })
    }

    /// Reads the module of an entry, and checks that it is the one that the entry means.
    ///
    /// # Errors
    /// If it cannot be read, lies outside of the repository, or is another one.
    pub fn read(&self, entry: &Entry) -> Result<Vec<u8>> {
        let inside =
            entry.path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            let expected = format!("a path in the folder of the index for {}", entry.label());
            let index = self.place(Path::new(INDEX));
            return Err(Error::input(index, "", expected, entry.path.display()));
        }
        let path = self.place(&entry.path);
        let bytes = match self {
            Self::Folder(_) => module_file::read(&path)?,
            Self::Web(folder) => {
                let most = entry.size.min(Sandbox::MAX_FILE as u64);
                web::download(&web::below(folder, &entry.path), most)?
            }
        };
        match sha256(&bytes) {
            found if found == entry.sha256 => Ok(bytes),
            found => {
                let expected = format!("the module {} of sha256 {}", entry.label(), entry.sha256);
                Err(Error::input(&path, "", expected, format!("one of sha256 {found}")))
            }
        }
    }

    /// Writes a module and its entry, with which it has to agree.
    ///
    /// # Errors
    /// If there is another module of this name and version, or a file cannot be written.
    pub fn add(&self, entry: Entry, bytes: &[u8]) -> Result<()> {
        let folder = self.folder()?;
        let mut index = self.index_or_empty()?;
        let place = index.environments.binary_search_by(|other| other.key().cmp(&entry.key()));
        match place {
            Ok(at) if index.environments.get(at).is_some_and(|old| old.sha256 != entry.sha256) => {
                let expected = format!(
                    "another version than that of {}, which is there already",
                    entry.label()
                );
                return Err(Error::usage("version", expected, "the same with another sha256"));
            }
            Ok(at) => drop(index.environments.remove(at)),
            Err(_) => {}
        }
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        write(&folder.join(&entry.path), bytes)?;
        let at = place.unwrap_or_else(|at| at);
        index.environments.insert(at.min(index.environments.len()), entry);
        index.environments.sort_by(|a, b| a.key().partial_cmp(&b.key()).unwrap_or(Ordering::Equal));
        let text = serde_json::to_string_pretty(&index);
        let text = text.map_err(|error| twisterl_core::Error::internal(error.to_string()))?;
        write(&folder.join(INDEX), (text + "\n").as_bytes())
    }
}

fn read_index(path: &Path) -> Result<Vec<u8>> {
    files::read(path, MAX_INDEX).map_err(|refusal| match refusal.into_parts() {
        Ok((expected, found)) => Error::input(path, "", expected, found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Error::missing(path, "the index of a repository of environments")
        }
        Err(error) => Error::io("read", path, error),
    })
}

/// Writes a file as a whole: others see the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", process::id()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // The error is that of the write.
        let _ = fs::remove_file(&temporary);
        Error::io("write", path, error)
    })
}

/// Returns the label and the module of a name of the cache, without its [`SCHEME`].
///
/// # Errors
/// If it was not added to the cache, or its file was changed.
pub fn cached(name: &str) -> Result<(String, Vec<u8>)> {
    let cache = Repository::cache()?;
    let entry = cache.find(name).map_err(|error| match error {
        Error::Core(twisterl_core::Error::Config { path, expected, found }) => {
            let expected = format!("{expected}; `env add` adds environments to it");
            twisterl_core::Error::Config { path, expected, found }.into()
        }
        other => other,
    })?;
    let bytes = cache.read(&entry)?;
    Ok((format!("{SCHEME}{}", entry.label()), bytes))
}
