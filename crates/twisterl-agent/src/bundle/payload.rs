//! The payload of a bundle: a policy file, and what the program beside it has to know.
//!
//! Numbers are little-endian:
//!
//! | Bytes | Content |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 8 | checksum of all that follows: FNV-1a of 64 bits |
//! | 3 x 4 | the lengths of the three parts |
//! | | the [`Description`], as JSON |
//! | | the policy: a self-contained `.safetensors` file, in the portable arithmetic |
//! | | the [self-test](super::self_test), as JSON |

use super::reader::Reader;
use super::self_test::SelfTest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::from_serde;
use twisterl_core::error::json;
use twisterl_core::policy::{Arithmetic, Policy};
use twisterl_core::solve::SolveOptions;
use twisterl_core::{Error, Result};

/// The first bytes of a payload.
pub const MAGIC: [u8; 8] = *b"twisterl";
/// The version of the format that this code writes and reads.
pub const VERSION: u32 = 1;

/// The parts of a payload.
#[derive(Debug, Clone)]
pub struct Payload<'a> {
    /// The description for the program.
    pub description: Description,
    /// The policy file.
    policy: &'a [u8],
    self_test: &'a [u8],
    /// The checksum of the parts.
    pub checksum: u64,
}

/// The parts of a bundle that are neither its policy nor its self-test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The options of solving that apply where a request gives no others, fields of [`SolveOptions`].
    pub solve: Map<String, Value>,
}

/// Returns the payload of a policy. `spec` is its environment, `None` if that is not one of the template; `solve` holds the
/// options of solving that apply where a request gives no others.
///
/// # Errors
/// If the parts of the policy do not fit each other, the environment cannot be played, or `solve` has options that a bundle
/// cannot keep.
pub fn write(policy: &Policy, spec: Option<&dyn EnvSpec>, solve: &SolveOptions) -> Result<Vec<u8>> {
    check_options(solve)?;
    let unwritable = |e: serde_json::Error| Error::bundle("payload", "what JSON can hold", e);
    let solve = match serde_json::to_value(solve).map_err(unwritable)? {
        Value::Object(solve) => solve,
        other => return Err(Error::internal(format!("options are no object: {other}"))),
    };
    let description = serde_json::to_vec(&Description { solve }).map_err(unwritable)?;
    let policy = Policy { arithmetic: Arithmetic::Portable, ..policy.clone() };
    let file = policy.to_safetensors()?;
    let self_test = SelfTest::of(&policy, spec)?;
    let self_test = serde_json::to_vec(&self_test).map_err(unwritable)?;
    let parts = [description, file, self_test];
    let mut body = Vec::new();
    for part in &parts {
        let too_long = || Error::bundle("payload", "parts of at most 4 GiB", part.len());
        let length = u32::try_from(part.len()).map_err(|_| too_long())?;
        body.extend_from_slice(&length.to_le_bytes());
    }
    parts.iter().for_each(|part| body.extend_from_slice(part));
    let mut payload = Vec::with_capacity(body.len() + 20);
    payload.extend_from_slice(&MAGIC);
    payload.extend_from_slice(&VERSION.to_le_bytes());
    payload.extend_from_slice(&checksum(&body).to_le_bytes());
    payload.append(&mut body);
    Ok(payload)
}

/// Checks that a bundle can keep these options, or answer a request with them.
///
/// # Errors
/// For a limit in seconds: bundles have no clock, and their answers depend on the request alone.
pub fn check_options(options: &SolveOptions) -> Result<()> {
    match options.seconds {
        Some(seconds) => {
            let expected = "a limit in nodes instead, since bundles answer alike on every machine";
            Err(Error::config("seconds", expected, seconds))
        }
        None => Ok(()),
    }
}

impl<'a> Payload<'a> {
    /// Splits a payload into its parts.
    ///
    /// # Errors
    /// If it is of another version or damaged.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new("payload", bytes);
        if !bytes.starts_with(&MAGIC) {
            let found = bytes.get(..MAGIC.len()).unwrap_or(bytes).escape_ascii();
            let expected = format!("one that begins with {:?}", MAGIC.escape_ascii().to_string());
            return Err(reader.error(expected, format!("\"{found}\"")));
        }
        reader.take(MAGIC.len())?;
        let version = u32::from_le_bytes(reader.fixed()?);
        if version != VERSION {
            let expected = format!("version {VERSION}, the only one this program reads");
            return Err(reader.error(expected, format!("version {version}")));
        }
        let expected = u64::from_le_bytes(reader.fixed()?);
        let found = checksum(reader.rest());
        if found != expected {
            let expected = format!("the checksum {expected:016x}");
            let found = format!("{found:016x} (was the file damaged or cut off?)");
            return Err(reader.error(expected, found));
        }
        let lengths: [usize; 3] = [reader.fixed()?, reader.fixed()?, reader.fixed()?]
            .map(|length| u32::from_le_bytes(length) as usize);
        let [description, policy, self_test] = lengths;
        let description = description_of(reader.take(description)?)?;
        let (policy, self_test) = (reader.take(policy)?, reader.take(self_test)?);
        if !reader.is_empty() {
            return Err(reader.error("three parts", format!("{} more bytes", reader.rest().len())));
        }
        Ok(Self { description, policy, self_test, checksum: expected })
    }

    /// The policy file, in the format of [`Policy::to_safetensors`].
    pub fn policy_file(&self) -> &'a [u8] {
        self.policy
    }

    /// Reads the policy.
    ///
    /// # Errors
    /// If its file is damaged, or its arithmetic is not the portable one.
    pub fn policy(&self) -> Result<Policy> {
        let policy = Policy::from_safetensors(self.policy, None)?;
        if policy.arithmetic != Arithmetic::Portable {
            let expected = format!("the arithmetic {}", Arithmetic::Portable.name());
            return Err(Error::bundle("policy", expected, policy.arithmetic.name()));
        }
        Ok(policy)
    }

    /// Reads the self-test.
    ///
    /// # Errors
    /// If it is of another form.
    pub fn self_test(&self) -> Result<SelfTest> {
        read(self.self_test).map_err(|found| Error::bundle("self-test", "results of steps", found))
    }
}

fn description_of(bytes: &[u8]) -> Result<Description> {
    read(bytes).map_err(|found| Error::bundle("description", "a bundle's description", found))
}

/// Reads a part that is JSON. Errors are the text of what was found.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<T, String> {
    let value: Value = json::parse(bytes).map_err(|error| error.to_string())?;
    from_serde::read(value).map_err(|error| error.to_string())
}

/// Returns the FNV-1a hash of 64 bits (Fowler, Noll and Vo): it finds damage, and does not protect against intent.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_that_of_its_authors() {
        // The test vectors of draft-eastlake-fnv: of the empty text, of "a" and of "foobar".
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
