//! The templates of bundles: files that `scripts/build_templates.sh` builds.

use crate::system::files::{self, MAX_WEIGHTS_FILE};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The folders of templates, in place of those beside the program, separated as in `PATH`.
const VARIABLE: &str = "TWISTERL_TEMPLATES";

/// The kind of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A WebAssembly module.
    Module,
    /// An executable for Linux.
    Program,
    /// A page with a module in it.
    Page,
}

impl Kind {
    /// Returns the kind of the bundle to be written to `path`.
    ///
    /// # Errors
    /// If its name has another ending.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().map(|ending| ending.to_string_lossy()) {
            Some(ending) if ending == "wasm" => Ok(Self::Module),
            Some(ending) if ending == "html" => Ok(Self::Page),
            None if cfg!(target_os = "linux") => Ok(Self::Program),
            None => {
                let expected =
                    "a name that ends in .wasm or .html (programs are written on Linux alone)";
                Err(Error::usage(path.display().to_string(), expected, "no ending"))
            }
            Some(ending) => {
                let expected =
                    "a name that ends in .wasm or .html, or one without an ending for a program";
                Err(Error::usage(path.display().to_string(), expected, format!(".{ending}")))
            }
        }
    }

    fn file_name(self, template: &str) -> String {
        match self {
            Self::Module | Self::Page => format!("{template}.wasm"),
            Self::Program => template.to_owned(),
        }
    }
}

/// The template of a bundle.
#[derive(Debug, Clone, Copy)]
pub(super) enum Template<'a> {
    /// The file of a user.
    File(&'a Path),
    /// The template of this name, in a folder or beside this program.
    Named(&'a str, Option<&'a Path>),
}

/// Reads a template.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(super) fn read(kind: Kind, template: Template<'_>) -> Result<Vec<u8>> {
    let path = match template {
        Template::File(path) => path.to_owned(),
        Template::Named(name, folder) => find(&kind.file_name(name), folder)?,
    };
    files::read(&path, MAX_WEIGHTS_FILE).map_err(|refusal| match refusal {
        files::Refusal::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Error::missing(&path, "a template of bundles")
        }
        other => other.of_checkpoint(&path),
    })
}

fn find(name: &str, folder: Option<&Path>) -> Result<PathBuf> {
    let folders: Vec<PathBuf> = match (std::env::var_os(VARIABLE), folder) {
        (Some(folders), _) => std::env::split_paths(&folders).collect(),
        (None, Some(folder)) => vec![folder.to_owned()],
        (None, None) => beside_program(),
    };
    let files = folders.iter().map(|folder| folder.join(name));
    files.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let shown: Vec<String> = folders.iter().map(|path| path.display().to_string()).collect();
        let expected = format!(
            "the file {name} in {} (scripts/build_templates.sh in a checkout of TwisteRL builds it), or a file of your own",
            shown.join(" or ")
        );
        Error::usage("template", expected, "none")
    })
}

/// Returns the folders beside this program: an installed one, or one in a folder of cargo's.
fn beside_program() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let parents = program.ancestors().skip(1).take(2);
    parents.map(|folder| folder.join("templates")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_kind_follows_from_the_ending() {
        assert_eq!(Kind::of(Path::new("a.b/agent.wasm")).unwrap(), Kind::Module);
        assert_eq!(Kind::of(Path::new("a.b/agent.html")).unwrap(), Kind::Page);
        #[cfg(target_os = "linux")]
        assert_eq!(Kind::of(Path::new("a.b/agent")).unwrap(), Kind::Program);
        let message = Kind::of(Path::new("agent.exe")).unwrap_err().to_string();
        assert!(message.starts_with("agent.exe: expected a name that ends in .wasm"), "{message}");
        assert!(message.ends_with("found .exe"), "{message}");
    }
}
