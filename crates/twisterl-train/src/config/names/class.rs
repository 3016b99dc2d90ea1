//! Names of classes: `PPO`, or with the module path of the peer, `twisterl.rl.PPO`.

use crate::{Error, Result};
use twisterl_core::error::from_serde::shorten;
use twisterl_core::error::names::did_you_mean;

/// Returns the value that `known` gives for a name, whose module path is ignored.
///
/// # Errors
/// [`twisterl_core::Error::Config`] at `key` if there is no such class.
pub(in crate::config) fn parse<T: Copy>(key: &str, name: &str, known: &[(&str, T)]) -> Result<T> {
    let short = name.rsplit(['.', ':']).next().unwrap_or(name);
    let found = known.iter().find(|(known, _)| *known == short);
    found.map(|(_, class)| *class).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(known, _)| *known).collect();
        let expected = match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        let near = did_you_mean(short, names);
        Error::config(key, expected, format!("{:?}{near}", shorten(name)))
    })
}
