//! Files of WebAssembly modules.

use crate::system::files;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use twisterl_core::Error as CoreError;
use twisterl_wasm::Sandbox;

/// Reads the file of a module.
///
/// # Errors
/// If it cannot be read, is no regular file or too large.
pub fn read(path: &Path) -> crate::Result<Vec<u8>> {
    let read = files::read(path, Sandbox::MAX_FILE as u64);
    read.map_err(|refusal| {
        let (expected, found) = refusal.into_parts().unwrap_or_else(|error| {
            let found = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => error.to_string(),
            };
            ("a WebAssembly module".into(), found)
        });
        CoreError::config("env_cls", expected, format!("{}: {found}", path.display())).into()
    })
}

/// Returns the SHA-256 of a file, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
