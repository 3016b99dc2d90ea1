//! Repositories on the web.
//!
//! This crate has no client of its own for https: the Python package hands in the one of Python's standard library. What is
//! downloaded is checked here, against the index and its hashes.

use crate::{Error, Result};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

/// Returns the file at an https URL, of at most so many bytes, or a text that says why there is none.
pub type Download = fn(&str, u64) -> Result<Vec<u8>, String>;

/// The client of this process.
static DOWNLOAD: OnceLock<Download> = OnceLock::new();

/// Makes commands download by `download`, unless they do so already.
pub fn set_download(download: Download) {
    DOWNLOAD.get_or_init(|| download);
}

/// Downloads a file of at most `most` bytes.
///
/// # Errors
/// If nothing in this process can, or the file is not there, or longer.
pub(super) fn download(url: &str, most: u64) -> Result<Vec<u8>> {
    let Some(download) = DOWNLOAD.get() else {
        let expected = "files on this machine (this program loads nothing from the web: use the command `twisterl` of \
                        the Python package, or download the index and its modules, such as with `wget -r`)";
        return Err(Error::usage("index", expected, url));
    };
    let bytes = download(url, most).and_then(|bytes| match bytes.len() as u64 {
        len if len <= most => Ok(bytes),
        len => Err(format!("{len} bytes")),
    });
    bytes.map_err(|found| Error::input(url, "", format!("a file of at most {most} bytes"), found))
}

/// Returns the URL of the file `path` in `folder`. Bytes that have a meaning in URLs are escaped.
pub(super) fn below(folder: &str, path: &Path) -> String {
    let mut url = folder.to_owned();
    for part in path.components() {
        url.push('/');
        for &byte in part.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(byte.into());
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}
