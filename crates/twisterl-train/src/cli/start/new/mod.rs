//! `new`: writes a crate with an environment of the user's own.

use crate::cli::Output;
use crate::{Error, Result};
use clap::Args;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use twisterl_core::error::escape::escape_controls;

/// The longest name of a crate.
const MAX_NAME: usize = 64;
/// Names that cargo refuses, or that would hide a crate of the same name.
const TAKEN: [&str; 15] = [
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "serde",
    "rand",
    "twisterl",
    "twisterl_core",
    "twisterl_plugin",
    "twisterl_train",
    "build",
    "deps",
    "examples",
    "incremental",
];
/// Words of the language.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// The files of a crate with their templates.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("template/manifest.txt")),
    (".gitignore", "/target\n/runs\n"),
    ("pyproject.toml", include_str!("template/pyproject.txt")),
    ("README.md", include_str!("template/readme.txt")),
    ("config.json", include_str!("template/config.txt")),
    ("src/lib.rs", include_str!("template/lib.txt")),
    ("src/main.rs", include_str!("template/main.txt")),
];

/// Write a crate with an environment of your own: the environment, a program that trains it, its test and its config.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// Folder of the crate, new or empty, whose name is that of the crate.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Checkout of TwisteRL to build with; by default, its repository.
    #[arg(long, value_name = "DIR")]
    twisterl: Option<PathBuf>,
}

impl NewArgs {
    /// Writes the files, of which none exists before.
    ///
    /// # Errors
    /// If the name is none for a crate, the folder is in use, or a file cannot be written.
    pub(in crate::cli) fn run(self) -> Result<Output> {
        let name = crate_name(&self.path)?;
        let values = [
            ("{{name}}", name.clone()),
            ("{{module}}", name.replace('-', "_")),
            ("{{Env}}", type_name(&name)),
            ("{{plugin}}", self.dependency("twisterl-plugin", "")?),
            ("{{train_optional}}", self.dependency("twisterl-train", ", optional = true")?),
            ("{{rust}}", env!("CARGO_PKG_RUST_VERSION").to_owned()),
        ];
        self.claim()?;
        for (file, template) in FILES {
            let text = values
                .iter()
                .fold(template.to_owned(), |text, (key, value)| text.replace(key, value));
            write_new(&self.path.join(file), &text)?;
        }
        let path = self.path.display().to_string();
        let path = escape_controls(&path);
        Ok(format!(
            "{path}: a crate with the environment {env}\n\nNext:\n  cd {path}\n  cargo test\n  \
             cargo run --release -- train config.json\n",
            env = type_name(&name)
        )
        .into())
    }

    /// Returns the source of a crate of TwisteRL as it stands in a manifest, followed by `more`.
    fn dependency(&self, name: &str, more: &str) -> Result<String> {
        let Some(checkout) = &self.twisterl else {
            return Ok(format!("{{ git = \"{}\"{more} }}", env!("CARGO_PKG_REPOSITORY")));
        };
        let folder = checkout.join("crates").join(name);
        if !folder.join("Cargo.toml").is_file() {
            let expected = format!("a checkout of TwisteRL, with crates/{name} in it");
            return Err(match checkout.exists() {
                true => Error::usage("--twisterl", expected, checkout.display()),
                false => Error::missing(checkout, expected),
            });
        }
        let folder = folder.canonicalize().map_err(|e| Error::io("read", &folder, e))?;
        let folder = folder
            .to_str()
            .ok_or_else(|| Error::usage("--twisterl", "a path in UTF-8", folder.display()))?;
        // As a string of TOML.
        Ok(format!("{{ path = {}{more} }}", serde_json::Value::from(folder)))
    }

    /// Makes the folder, or makes sure that it is empty.
    fn claim(&self) -> Result<()> {
        let path = &self.path;
        let refused = |error| Error::io("write", path, error);
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_dir() => Err(Error::usage(
                "PATH",
                "a new or empty folder",
                format!("{}, a file", path.display()),
            )),
            Ok(_) => match path.read_dir().map_err(refused)?.next() {
                Some(_) => {
                    let found = format!("{} with files in it", path.display());
                    Err(Error::usage("PATH", "a new or empty folder", found))
                }
                None => Ok(()),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(path).map_err(refused)
            }
            Err(error) => Err(refused(error)),
        }
        .and_then(|()| fs::create_dir_all(path.join("src")).map_err(refused))
    }
}

/// Returns the name of the crate in the folder `path`.
fn crate_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let module = name.replace('-', "_");
    let is_name = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if is_name && !TAKEN.contains(&module.as_str()) && !KEYWORDS.contains(&name) {
        return Ok(name.to_owned());
    }
    let meant: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let meant = format!("{}-env", meant.trim_matches(|c: char| !c.is_ascii_lowercase()));
    let expected = format!(
        "the path of a folder whose name is that of a crate (small letters, digits, - and _, no word of Rust), such as \
         {}",
        path.with_file_name(meant.trim_start_matches('-')).display()
    );
    Err(Error::usage("PATH", expected, format!("{:?}", path.display().to_string())))
}

/// Returns the name of a type: `my-env` is `MyEnv`.
fn type_name(name: &str) -> String {
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect()
}

/// Writes a file that must not exist.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let open =
        || -> io::Result<File> { OpenOptions::new().write(true).create_new(true).open(path) };
    open()
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Error::io("write", path, error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn new(path: &Path) -> Result<Output> {
        NewArgs { path: path.to_owned(), twisterl: None }.run()
    }

    #[test]
    fn names_are_those_of_crates_and_types() {
        for (name, env) in
            [("my-env", "MyEnv"), ("cube", "Cube"), ("a_b-c2", "ABC2"), ("top-spin", "TopSpin")]
        {
            assert_eq!(crate_name(Path::new(name)).unwrap(), name);
            assert_eq!(type_name(name), env);
        }
        for (name, meant) in [
            ("My Env", "my-env-env"),
            ("3d", "d-env"),
            ("match", "match-env"),
            ("core", "core-env"),
            ("ä", "env"),
        ] {
            let message = crate_name(Path::new(name)).unwrap_err().to_string();
            assert!(message.contains(&format!("such as {meant}")), "{message}");
        }
    }

    #[test]
    fn every_file_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("top-spin");
        let text = new(&path).unwrap().text;
        assert!(text.contains("a crate with the environment TopSpin"), "{text}");
        for (file, _) in FILES {
            let text = fs::read_to_string(path.join(file)).unwrap();
            assert!(!text.contains("{{") && !text.contains("}}"), "{file}");
        }
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("twisterl-plugin = { git = \"https://"), "{manifest}");
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("README.md"), "mine").unwrap();
        let message = new(&path).unwrap_err().to_string();
        assert!(message.contains("expected a new or empty folder"), "{message}");
        assert_eq!(fs::read_to_string(path.join("README.md")).unwrap(), "mine");
        assert_eq!(path.read_dir().unwrap().count(), 1);
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(new(&folder.path().join("file")).is_err());
    }
}
