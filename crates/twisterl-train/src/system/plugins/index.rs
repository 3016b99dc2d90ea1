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
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io, process};
use twisterl_core::error::counts::counted;
use twisterl_core::error::from_serde::shorten;
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
    /// The file, relative to the index, unless it has a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The https URL of the file, if it lies elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file, in lower-case hexadecimal.
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
    /// Returns the entry of the module `bytes`, which does not say yet where its file is.
    ///
    /// # Errors
    /// If the environment has no name or no version of numbers, which make it known.
    pub fn of(description: &Description, interface: String, bytes: &[u8]) -> Result<Self> {
        let d = description;
        check_label(&d.name, &d.version).map_err(|(what, expected, found)| {
            let path = format!("description.{what}");
            twisterl_core::Error::config(path, expected, format!("{found:?}"))
        })?;
        Ok(Self {
            name: d.name.clone(),
            version: d.version.clone(),
            interface,
            path: None,
            url: None,
            sha256: sha256(bytes),
            size: bytes.len() as u64,
            licence: d.licence.clone(),
            observation: d.observation.clone(),
            actions: d.actions.clone(),
        })
    }

    /// Checks what has to hold before the entry is used. The error names the field, what is expected and what was found.
    fn check(&self) -> Result<(), (&'static str, &'static str, String)> {
        check_label(&self.name, &self.version)
            .map_err(|(what, expected, found)| (what, expected, format!("{found:?}")))?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.sha256.len() != 64 || !self.sha256.bytes().all(is_digit) {
            let expected = "64 hexadecimal digits in lower case";
            return Err(("sha256", expected, quoted(&self.sha256)));
        }
        match (&self.path, &self.url) {
            (Some(_), None) => Ok(()),
            (None, Some(url)) => check_url(url).map_err(|expected| ("url", expected, quoted(url))),
            (Some(_), Some(_)) => Err(("url", "none beside a path", "both".into())),
            (None, None) => Err(("path", "the path of the file, or its url", "neither".into())),
        }
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

/// Checks the URL of a module. The error says what is expected.
pub(crate) fn check_url(url: &str) -> Result<(), &'static str> {
    let host = url.strip_prefix("https://").unwrap_or("");
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if host.is_empty() || host.starts_with('/') || !url.bytes().all(is_plain) {
        return Err("an https URL, with other characters than those of ASCII escaped");
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("{:?}", shorten(text))
}

/// Returns the numbers of a version. Each has one way to be written, so that equal versions have equal texts.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain)
    };
    text.split('.').map(number).collect()
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
        let mut known = HashMap::new();
        for (i, entry) in index.environments.iter().enumerate() {
            let place = format!("environments[{i}]");
            entry.check().map_err(|(what, expected, found)| {
                Error::input(&path, format!("{place}.{what}"), expected, found)
            })?;
            if let Some(first) = known.insert(entry.label(), i) {
                let expected = format!("each version once, but environments[{first}] is one too");
                return Err(Error::input(&path, place, expected, entry.label()));
            }
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
    /// If it cannot be read, lies neither in the repository nor at a URL, or is another one.
    pub fn read(&self, entry: &Entry) -> Result<Vec<u8>> {
        let (place, bytes) = self.file(entry)?;
        let found =
            format!("one of {} and sha256 {}", bytes_of(bytes.len() as u64), sha256(&bytes));
        let wanted = format!("one of {} and sha256 {}", bytes_of(entry.size), entry.sha256);
        if found == wanted {
            return Ok(bytes);
        }
        let expected = format!("the module {}, {wanted}", entry.label());
        Err(Error::input(place, "", expected, found))
    }

    /// Reads the file of an entry. Returns also its path or URL.
    fn file(&self, entry: &Entry) -> Result<(PathBuf, Vec<u8>)> {
        let most = entry.size.min(Sandbox::MAX_FILE as u64);
        if let Some(url) = &entry.url {
            return Ok((url.into(), web::download(url, most)?));
        }
        let file = entry.path.as_deref().unwrap_or(Path::new(""));
        let is_name = |part| matches!(part, Component::Normal(_));
        if !file.components().all(is_name) || file.as_os_str().is_empty() {
            let expected = format!("a path in the folder of the index for {}", entry.label());
            let index = self.place(Path::new(INDEX));
            return Err(Error::input(index, "", expected, file.display()));
        }
        let place = self.place(file);
        let bytes = match self {
            Self::Folder(_) => module_file::read(&place)?,
            Self::Web(folder) => web::download(&web::below(folder, file), most)?,
        };
        Ok((place, bytes))
    }

    /// Writes an entry, and its module unless that lies at a URL. They have to agree.
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
        if let Some(path) = &entry.path {
            write(&folder.join(path), bytes)?;
        }
        let at = place.unwrap_or_else(|at| at);
        index.environments.insert(at.min(index.environments.len()), entry);
        index.environments.sort_by(|a, b| a.key().partial_cmp(&b.key()).unwrap_or(Ordering::Equal));
        let text = serde_json::to_string_pretty(&index);
        let text = text.map_err(|error| twisterl_core::Error::internal(error.to_string()))?;
        write(&folder.join(INDEX), (text + "\n").as_bytes())
    }
}

fn bytes_of(count: u64) -> String {
    counted(count as usize, "byte")
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
