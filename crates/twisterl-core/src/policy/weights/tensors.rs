//! Reading and writing of untrusted safetensors files.

use crate::error::{from_serde, json};
use crate::{Error, Result};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorView};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// The longest header that is read or written. Parsing needs a few dozen times its length in memory.
const MAX_HEADER: usize = 8 << 20;

/// Tensors by name, in the layout of a file.
pub type Tensors<'a> = BTreeMap<String, TensorView<'a>>;

/// A safetensors file whose header fits its length. Nothing is copied.
#[derive(Debug)]
pub struct TensorFile<'a> {
    metadata: Metadata,
    data: &'a [u8],
}

impl<'a> TensorFile<'a> {
    /// Reads the header: its length as `u64` little-endian, JSON, then the data of all tensors without gaps.
    ///
    /// # Errors
    /// If the file is truncated, the header is not JSON of this format, or tensors overlap, leave gaps or extend beyond
    /// the end.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let broken = |expected: &str, found: String| Error::weights("file", expected, found);
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(broken("a safetensors file", format!("{} bytes", bytes.len())));
        };
        let length = u64::from_le_bytes(*length);
        let split = usize::try_from(length).ok().and_then(|n| rest.split_at_checked(n));
        let Some((header, data)) = split.filter(|(header, _)| header.len() <= MAX_HEADER) else {
            return Err(broken(
                "a safetensors file with a header of at most 8 MiB",
                format!("a header of {length} bytes in a file of {}", bytes.len()),
            ));
        };
        Ok(Self { metadata: parse_header(header, data.len() as u64)?, data })
    }

    /// Checks the header of a file of `length` bytes before the rest is read.
    ///
    /// # Errors
    /// If the header is not one, or describes fewer or more bytes; if it cannot be read.
    pub fn check_start(mut file: impl Read, length: u64) -> Result<()> {
        let unreadable = |e: std::io::Error| Error::weights("file", "a safetensors file", e);
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(unreadable)?;
        let size = u64::from_le_bytes(size);
        let Some(rest) = length.checked_sub(8).and_then(|rest| rest.checked_sub(size)) else {
            let found = format!("a header of {size} bytes in a file of {length}");
            return Err(Error::weights("file", "a safetensors file", found));
        };
        if size > MAX_HEADER as u64 {
            let found = format!("a header of {size} bytes");
            return Err(Error::weights("file", "a header of at most 8 MiB", found));
        }
        let mut header = Vec::new();
        file.take(size).read_to_end(&mut header).map_err(unreadable)?;
        parse_header(&header, rest).map(drop)
    }

    /// Returns an entry of the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Returns all tensors.
    ///
    /// # Errors
    /// If a tensor's bytes do not fit its shape.
    pub fn tensors(&self) -> Result<Tensors<'a>> {
        self.metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let (start, end) = info.data_offsets;
                let view = TensorView::new(
                    info.dtype,
                    info.shape.clone(),
                    self.data.get(start..end).unwrap_or(&[]),
                )
                .map_err(|e| Error::weights(&name, "as many bytes as the shape needs", e))?;
                Ok((name, view))
            })
            .collect()
    }
}

/// Reads a header that `length` bytes of data follow.
fn parse_header(header: &[u8], length: u64) -> Result<Metadata> {
    let broken = |found: String| Error::weights("file", "a valid safetensors header", found);
    let value: Value = json::parse(header).map_err(|e| broken(e.to_string()))?;
    let metadata: Metadata = from_serde::read(value).map_err(|e| broken(e.to_string()))?;
    // Checked here because the crate adds the lengths without overflow checks.
    if metadata.data_len() as u64 != length {
        let expected = format!("{} bytes of tensors, as the header says", metadata.data_len());
        return Err(Error::weights("file", expected, length));
    }
    Ok(metadata)
}

/// Writes tensors and one metadata entry as a safetensors file. Equal arguments give equal bytes.
///
/// # Errors
/// If the header exceeds the limit for reading.
pub fn write_tensors(tensors: &Tensors<'_>, entry: Option<(&str, String)>) -> Result<Vec<u8>> {
    let metadata = entry.map(|(key, value)| [(key.to_owned(), value)].into());
    let bytes = safetensors::serialize(tensors, metadata)
        .map_err(|e| Error::weights("file", "tensors that a safetensors file can hold", e))?;
    TensorFile::parse(&bytes)?;
    Ok(bytes)
}

/// Returns the values of a tensor in single precision.
///
/// # Errors
/// If the type is none of F64, F32, F16 and BF16.
pub fn f32_values<'a>(
    name: &str,
    tensor: &'a TensorView<'_>,
) -> Result<Box<dyn Iterator<Item = f32> + 'a>> {
    match tensor.dtype() {
        Dtype::F32 => {
            let (values, _) = tensor.data().as_chunks::<4>();
            Ok(Box::new(values.iter().map(|b| f32::from_le_bytes(*b))))
        }
        Dtype::F64 => {
            let (values, _) = tensor.data().as_chunks::<8>();
            Ok(Box::new(values.iter().map(|b| f64::from_le_bytes(*b) as f32)))
        }
        Dtype::F16 => {
            let (values, _) = tensor.data().as_chunks::<2>();
            Ok(Box::new(values.iter().map(|b| f16::from_le_bytes(*b).to_f32())))
        }
        Dtype::BF16 => {
            let (values, _) = tensor.data().as_chunks::<2>();
            Ok(Box::new(values.iter().map(|b| bf16::from_le_bytes(*b).to_f32())))
        }
        other => Err(Error::weights(name, "values of type F64, F32, F16 or BF16", other)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        TensorFile::parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn claims_beyond_the_file_are_refused() {
        assert!(refusal(&[1, 2, 3]).contains("3 bytes"));
        // The same is known without the data.
        let bytes = file(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4);
        let (start, length) = (&bytes[..bytes.len() - 4], bytes.len() as u64);
        TensorFile::check_start(start, length).unwrap();
        let early =
            |bytes: &[u8], length| TensorFile::check_start(bytes, length).unwrap_err().to_string();
        assert!(early(start, 1 << 30).contains("4 bytes of tensors, as the header says"));
        assert!(early(&[0xff; 8], 1 << 30).contains("in a file of 1073741824"));
        assert!(early(&[0, 0, 0, 1, 0, 0, 0, 0], 1 << 30).contains("at most 8 MiB"));
        assert!(!early(&bytes[..20], length).is_empty());
        assert!(refusal(&u64::MAX.to_le_bytes()).contains("18446744073709551615"));
        let tensor = |shape: &str, from: u64, to: u64| {
            format!(r#"{{"dtype":"U8","shape":[{shape}],"data_offsets":[{from},{to}]}}"#)
        };
        let header = format!(r#"{{"a":{}}}"#, tensor("10737418240", 0, 10_737_418_240));
        assert!(refusal(&file(&header, 4)).contains("10737418240 bytes of tensors"));
        let header = format!(r#"{{"a":{}}}"#, tensor("4294967296,4294967296", 0, 4));
        assert!(refusal(&file(&header, 4)).contains("overflow"));
        let header = format!(r#"{{"a":{},"b":{}}}"#, tensor("4", 0, 4), tensor("4", 2, 6));
        assert!(refusal(&file(&header, 6)).contains("offset"));
        // Eight tensors whose lengths add up to 2^64 - 8: one more addition would overflow.
        let size = (1u64 << 61) - 1;
        let parts: Vec<_> = (0..8u64)
            .map(|i| format!(r#""{i}":{}"#, tensor(&size.to_string(), i * size, (i + 1) * size)))
            .collect();
        assert!(refusal(&file(&format!("{{{}}}", parts.join(",")), 0)).contains("found 0"));
    }

    #[test]
    fn files_read_back_as_written() {
        let tensors = Tensors::from([
            ("b".to_owned(), TensorView::new(Dtype::F32, vec![1], &[0, 0, 128, 63]).unwrap()),
            ("a".to_owned(), TensorView::new(Dtype::U8, vec![0], &[]).unwrap()),
        ]);
        let bytes = write_tensors(&tensors, Some(("key", "value".to_owned()))).unwrap();
        let file = TensorFile::parse(&bytes).unwrap();
        assert_eq!(file.metadata("key"), Some("value"));
        assert_eq!(file.tensors().unwrap(), tensors);
        assert_eq!(f32_values("b", &tensors["b"]).unwrap().collect::<Vec<_>>(), [1.0]);
        assert!(f32_values("a", &tensors["a"]).is_err());
    }

    #[test]
    fn half_precision_is_widened_exactly() {
        let read = |dtype, bytes: &[u8]| -> Vec<f32> {
            let view = TensorView::new(dtype, vec![bytes.len() / 2], bytes).unwrap();
            f32_values("w", &view).unwrap().collect()
        };
        // One, the largest and the smallest positive number, minus zero, by IEEE 754.
        let f16 = [0x00, 0x3c, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x80];
        assert_eq!(read(Dtype::F16, &f16), [1.0, 65504.0, 2f32.powi(-24), -0.0]);
        // The upper half of a number of single precision.
        let pi = 3.140_625_f32;
        let bf16 = &pi.to_le_bytes()[2..];
        assert_eq!(read(Dtype::BF16, bf16), [pi]);
    }

    #[test]
    fn repeated_keys_of_a_header_are_refused() {
        let tensor = r#"{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}"#;
        let twice = file(&format!(r#"{{"w": {tensor}, "w": {tensor}}}"#), 4);
        assert!(refusal(&twice).contains("each key once, found `w` twice"), "{}", refusal(&twice));
        let twice =
            file(&format!(r#"{{"__metadata__": {{"a": "1", "a": "2"}}, "w": {tensor}}}"#), 4);
        assert!(refusal(&twice).contains("found `__metadata__.a` twice"));
    }
}
