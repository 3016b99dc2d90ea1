//! Bundles: one file with a policy and the program that plays it, a WebAssembly module, a native
//! executable or a page.
//!
//! A bundle is made of a prebuilt *template*, which has the environments and the ways of solving in it, and of a *payload*,
//! which has the policy ([`payload`]). [`module`] splices a payload into a template that is a WebAssembly module, [`program`]
//! appends it to one that is an executable, and [`page`] puts a module into a page for browsers. None of them needs a
//! compiler. The payload of modules and programs can be read back, so that they are files of their policy, too.
//!
//! Bundles come from anywhere: every length and every offset in them is checked.

pub mod module;
pub mod page;
pub mod payload;
pub mod program;
mod reader;
pub mod self_test;
#[cfg(test)]
mod tests;

use twisterl_core::{Error, Result};

/// The longest payload, in bytes: that of the longest policy file.
pub const MAX_PAYLOAD: usize = 1 << 30;

/// Returns the payload of a bundle of either kind.
///
/// # Errors
/// If the file is neither a WebAssembly module nor an executable with a payload, or is damaged.
pub fn payload_of(file: &[u8]) -> Result<&[u8]> {
    if module::is_module(file) { module::payload(file) } else { program::payload(file) }
}

/// Checks the length of a payload to be written.
fn check_length(payload: &[u8]) -> Result<()> {
    if payload.len() > MAX_PAYLOAD {
        let expected = format!("at most {MAX_PAYLOAD} bytes");
        return Err(Error::bundle("payload", expected, payload.len()));
    }
    Ok(())
}
