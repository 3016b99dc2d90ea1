//! The terminal: results on standard output, messages on standard error, and signals.

pub(crate) mod count;
mod disposition;
pub(crate) mod numbers;
pub(crate) mod signals;

use crate::{Error, Result};
use std::fmt::Display;
use std::io::{self, Write as _};
use twisterl_core::error::escape::{escape_controls, escape_lines};

/// Writes one line to standard error. If it cannot be written, there is nobody to tell, and nothing else happens: a reader
/// that goes away, as `head` does, must not end the program. Control characters, which come from files and arguments, are
/// escaped.
pub(crate) fn message(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", escape_controls(&text.to_string()));
}

/// Writes an error to standard error. Mistakes in a config take several lines, with colours where the terminal has them.
pub(crate) fn error(error: &Error) {
    match error {
        Error::Mistakes(mistakes) => {
            let colours = anstream::AutoStream::choice(&io::stderr());
            let text = mistakes.render(colours != anstream::ColorChoice::Never);
            let _ = writeln!(io::stderr(), "{text}");
        }
        // With the text of the worker, which may have several lines.
        Error::Worker { .. } => {
            let _ = writeln!(io::stderr(), "{}", escape_lines(&format!("error: {error}")));
        }
        error => message(format_args!("error: {error}")),
    }
}

/// Writes a result to standard output. A reader that has gone away is no error: it has read what it wanted.
///
/// # Errors
/// If the result cannot be written for another reason, such as a full disk.
pub(crate) fn result(text: &str) -> Result<()> {
    offer(text).map(|_| ())
}

/// Like [`result`], for one of several results. Returns false if the reader has gone away.
///
/// # Errors
/// As for [`result`].
pub(crate) fn offer(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output", error))
        }
        written => Ok(written.is_ok()),
    }
}
