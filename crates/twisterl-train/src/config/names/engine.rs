//! The names of engines.

use crate::{Error, Result};
use std::fmt;
use twisterl_core::error::from_serde::shorten;
use twisterl_core::error::names::{did_you_mean, question};

/// The name of an engine, by which a run is distributed over other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// Processes of this machine: this many, or one per processor.
    Processes(Option<usize>),
    /// Tasks of Ray.
    Ray,
}

impl EngineName {
    /// The accepted names.
    pub const EXPECTED: &str =
        "`processes`, `processes:N` with a number of workers from 1 to 4096, or `ray`";
    /// The accepted names as a regular expression.
    pub(in crate::config) const PATTERN: &str =
        "^(processes(:([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6]))?|ray)$";
    /// The largest number of workers.
    pub const MAX_WORKERS: usize = 4096;

    /// Returns the engine of a name.
    ///
    /// # Errors
    /// [`twisterl_core::Error::Config`] at `engine` if there is none.
    pub fn parse(name: &str) -> Result<Self> {
        Self::of(name).ok_or_else(|| {
            let (kind, colon, count) = split(name);
            let near = match (Self::of(kind), colon) {
                (Some(Self::Ray), true) => question("ray"),
                (Some(Self::Processes(_)), true) => String::new(),
                _ => match (did_you_mean(kind, KINDS.map(|(kind, _)| kind)), colon) {
                    (near, true) if near.contains(PROCESSES) => {
                        question(&format!("{PROCESSES}:{count}"))
                    }
                    (near, _) => near,
                },
            };
            Error::config("engine", Self::EXPECTED, format!("{:?}{near}", shorten(name)))
        })
    }

    fn of(name: &str) -> Option<Self> {
        let (kind, colon, count) = split(name);
        let (_, found) = KINDS.into_iter().find(|(known, _)| *known == kind)?;
        if !colon {
            return Some(found);
        }
        let number = count.parse().ok().filter(|n| (1..=Self::MAX_WORKERS).contains(n));
        // As numbers are written, without signs and leading zeros.
        let number = number.filter(|number: &usize| number.to_string() == count)?;
        matches!(found, Self::Processes(_)).then_some(Self::Processes(Some(number)))
    }
}

const PROCESSES: &str = "processes";
const KINDS: [(&str, EngineName); 2] =
    [(PROCESSES, EngineName::Processes(None)), ("ray", EngineName::Ray)];

/// Splits a name into its kind, whether a colon follows, and the count behind it.
fn split(name: &str) -> (&str, bool, &str) {
    name.split_once(':').map_or((name, false, ""), |(kind, count)| (kind, true, count))
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processes(None) => f.write_str(PROCESSES),
            Self::Processes(Some(count)) => write!(f, "{PROCESSES}:{count}"),
            Self::Ray => f.write_str("ray"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_come_back() {
        for (name, engine) in [
            ("processes", EngineName::Processes(None)),
            ("processes:1", EngineName::Processes(Some(1))),
            ("processes:4096", EngineName::Processes(Some(4096))),
            ("ray", EngineName::Ray),
        ] {
            assert_eq!(EngineName::parse(name).unwrap(), engine);
            assert_eq!(engine.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused_with_the_nearest() {
        for (name, near) in [
            ("rai", " (did you mean `ray`?)"),
            ("Ray", " (did you mean `ray`?)"),
            ("ray:2", " (did you mean `ray`?)"),
            ("process", " (did you mean `processes`?)"),
            ("proceses:4", " (did you mean `processes:4`?)"),
            ("processes:", ""),
            ("processes:0", ""),
            ("processes:+4", ""),
            ("processes:04", ""),
            ("processes:4097", ""),
            ("processes:four", ""),
            ("", ""),
        ] {
            let expected =
                format!("engine: expected {}, found {name:?}{near}", EngineName::EXPECTED);
            assert_eq!(EngineName::parse(name).unwrap_err().to_string(), expected);
        }
    }
}
