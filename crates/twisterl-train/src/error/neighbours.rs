//! Files and folders with names similar to a missing one.

use std::path::{Path, PathBuf};
use twisterl_core::error::names;

/// The most entries of a folder that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// Returns the file or folder whose name is closest to that of `path`, which does not exist: beside it, or if its folder is
/// missing too, beside that one.
pub(crate) fn nearest(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    let folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if !folder.is_dir() {
        let meant = nearest(folder)?.join(path.file_name()?);
        return if meant.exists() { Some(meant) } else { None };
    }
    let wanted = path.file_name()?.to_str()?;
    let entries = folder.read_dir().ok()?.take(MAX_ENTRIES);
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    let with_ending =
        names.iter().find(|name| Path::new(name).file_stem() == Some(wanted.as_ref()));
    let near = match with_ending {
        Some(name) => name.as_str(),
        None => names::nearest(wanted, names.iter().map(String::as_str))?,
    };
    Some(parent.join(near))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn similar_names_are_found_beside_the_missing_one_and_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("examples")).unwrap();
        for name in ["examples/ppo_puzzle8.json", "examples/az.json", "other.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        for (missing, found) in [
            ("examples/ppo_puzle8.json", Some("examples/ppo_puzzle8.json")),
            ("exampels/az.json", Some("examples/az.json")),
            ("examples/az", Some("examples/az.json")),
            ("exampels/nothing.json", None),
            ("unlike", None),
        ] {
            let found = found.map(|name| folder.path().join(name));
            assert_eq!(nearest(&folder.path().join(missing)), found, "{missing}");
        }
        assert_eq!(nearest(Path::new("")), None);
    }
}
