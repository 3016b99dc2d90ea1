//! The formats of files of weights, known by their first bytes: names end in `.pt`, `.pth`, `.bin`, `.ckpt` or nothing.

use crate::system::files::{self, MAX_WEIGHTS_FILE};
use crate::{Error, Result};
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use twisterl_agent::bundle::module;

/// The number of bytes that are looked at.
const HEAD: u64 = 512;
/// The number with which files of `torch.save` before PyTorch 1.6 begin: its bytes in two's complement, or its digits.
pub(super) const LEGACY_MAGIC: [&[u8]; 2] =
    [b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"119547037146038801333356"];
/// The first bytes of a file in which this number lies.
const LEGACY_REACH: usize = 64;

/// The format of a file of weights. Displays what it is, and for formats that are not read, what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A `.safetensors` file.
    Safetensors,
    /// A zip archive, such as `torch.save` writes.
    Zip,
    /// A file of `torch.save` before PyTorch 1.6.
    LegacyPt,
    /// A WebAssembly module.
    Module,
    /// An executable for Linux.
    Program,
    /// A known format that is not read.
    Other(&'static str),
    /// Bytes of no known format.
    Unknown,
}

impl Display for Format {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "a safetensors file",
            Self::Zip => "a zip archive",
            Self::LegacyPt => "a file of torch.save before PyTorch 1.6",
            Self::Module => "a WebAssembly module",
            Self::Program => "a program",
            Self::Other(what) => what,
            Self::Unknown => "a file of an unknown format",
        })
    }
}

/// Formats that begin with these bytes.
const BEGINNINGS: [(&[u8], &str); 16] = [
    (
        b"version https://git-lfs",
        "a pointer of Git LFS in place of the file (run `git lfs pull`, or download the file itself)",
    ),
    (b"\x1f\x8b", "a gzip file (unpack it)"),
    (b"BZh", "a bzip2 file (unpack it)"),
    (b"\xfd7zXZ\0", "an xz file (unpack it)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file (unpack it)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive (unpack it)"),
    (b"Rar!\x1a\x07", "a RAR archive (unpack it)"),
    (b"\x93NUMPY", "a NumPy array (save the weights with safetensors.numpy.save_file)"),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, as of Keras (save the weights with safetensors.numpy.save_file)",
    ),
    (b"GGUF", "a GGUF file (convert it to safetensors)"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"{", "JSON text (is it the config beside the weights?)"),
    (b"[", "JSON text"),
    (b"#!", "a script"),
    (b"import ", "a Python script"),
];

impl Format {
    /// Reads the beginning of a regular file of at most [`MAX_WEIGHTS_FILE`] bytes.
    ///
    /// # Errors
    /// If it cannot be read, is of another kind, or is longer.
    pub(crate) fn of_file(path: &Path) -> Result<Self> {
        let (file, length) =
            files::open(path, MAX_WEIGHTS_FILE).map_err(|refusal| refusal.of_checkpoint(path))?;
        Self::of_open(&file, length).map_err(|e| Error::io("read", path, e))
    }

    /// Reads the beginning of a file of `length` bytes, and goes back there.
    pub(crate) fn of_open(mut file: &File, length: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        file.rewind()?;
        Ok(Self::of(&head, length))
    }

    /// Returns the format of a file of `length` bytes that begins with `head`.
    pub(crate) fn of(head: &[u8], length: u64) -> Self {
        if head.is_empty() {
            return Self::Other("an empty file (was its download cut off?)");
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Self::Zip;
        }
        if module::is_module(head) {
            return Self::Module;
        }
        if head.starts_with(b"\x7fELF") {
            return Self::Program;
        }
        let beginning = head.get(..LEGACY_REACH).unwrap_or(head);
        let holds = |magic: &&[u8]| beginning.windows(magic.len()).any(|part| part == *magic);
        if LEGACY_MAGIC.iter().any(holds) {
            return Self::LegacyPt;
        }
        if let Some((header, [b'{', ..])) = head.split_first_chunk::<8>()
            && u64::from_le_bytes(*header) <= length
        {
            return Self::Safetensors;
        }
        let known = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning));
        match known {
            Some((_, what)) => Self::Other(what),
            None => Self::of_content(head),
        }
    }

    /// Returns the format of a file without a fixed beginning.
    fn of_content(head: &[u8]) -> Self {
        let part = |at: usize, bytes: &[u8]| head.get(at..at + bytes.len()) == Some(bytes);
        if part(257, b"ustar") {
            return Self::Other("a tar archive (unpack it)");
        }
        if part(4, b"TFL3") {
            return Self::Other("a TensorFlow Lite model (convert it to safetensors)");
        }
        // A field 1 of a protocol buffer, the version, and a field 2, the name of the producer or the next message.
        if let [0x08, 1..=20, 0x12 | 0x1a, ..] = head {
            return Self::Other(
                "an ONNX model (save the weights of the model that it was exported from)",
            );
        }
        if let [0x80, 2..=5, ..] = head {
            return Self::Other(
                "a Python pickle that torch.save did not write (save it with torch.save(state_dict, PATH))",
            );
        }
        if let [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] = head {
            return Self::Other("a zlib file, as of joblib (save it with torch.save)");
        }
        if head.iter().all(|byte| *byte == 0) {
            return Self::Other("a file of zeros (was its download cut off?)");
        }
        let text = head.trim_ascii_start().to_ascii_lowercase();
        if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") {
            return Self::Other(
                "a web page in place of the file (download the file itself, not the page that shows it)",
            );
        }
        if text.starts_with(b"<?xml") {
            return Self::Other("XML text, such as the answer of a server that refused a download");
        }
        if text.starts_with(b"{") || head.starts_with(b"\xef\xbb\xbf{") {
            return Self::Other("JSON text (is it the config beside the weights?)");
        }
        if std::str::from_utf8(head).is_ok_and(|text| !text.contains('\0')) {
            return Self::Other("text");
        }
        Self::Unknown
    }
}
