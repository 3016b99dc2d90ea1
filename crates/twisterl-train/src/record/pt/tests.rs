//! Files of the peer hold the same tensors in both formats; hostile archives and pickles are refused.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use twisterl_core::policy::weights::tensors::TensorFile;
use zip::write::{SimpleFileOptions, ZipWriter};

fn peer(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/peer").join(name)
}

fn read(bytes: &[u8]) -> std::result::Result<PtFile, String> {
    PtFile::from_reader(Cursor::new(bytes), bytes.len() as u64)
        .map_err(|r| format!("expected {}, found {}", r.expected, r.found))
}

/// Returns an archive of these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn refusal_of_pickle(pickle: &[u8]) -> String {
    read(&archive(&[("a/data.pkl", pickle), ("a/data/0", &[0; 64])])).unwrap_err()
}

/// Returns the pickle of `{"w": tensor}` with this storage class and these opcodes for offset, size and stride.
fn pickle(class: &str, offset: &[u8], size: &[u8], stride: &[u8]) -> Vec<u8> {
    let text = |s: &str| [&b"X"[..], &(s.len() as u32).to_le_bytes(), s.as_bytes()].concat();
    let global = |module: &str, class: &str| format!("c{module}\n{class}\n").into_bytes();
    [
        b"}".to_vec(),
        text("w"),
        global("torch._utils", "_rebuild_tensor_v2"),
        b"((".to_vec(),
        text("storage"),
        global("torch", class),
        text("0"),
        text("cpu"),
        b"K\x04tQ".to_vec(),
        offset.to_vec(),
        size.to_vec(),
        stride.to_vec(),
        b"tRs.".to_vec(),
    ]
    .concat()
}

#[test]
fn both_formats_of_the_peer_hold_the_same_tensors() {
    for name in ["ppo_puzzle8_v1", "ppo_puzzle15_v1"] {
        let pt = PtFile::read(&peer(&format!("{name}.pt"))).unwrap();
        let bytes = std::fs::read(peer(&format!("{name}.safetensors"))).unwrap();
        let file = TensorFile::parse(&bytes).unwrap();
        assert_eq!(pt.tensors().unwrap(), file.tensors().unwrap());
    }
}

#[test]
fn tensors_are_read_at_their_offset_in_the_storage() {
    let values: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let pickle = pickle("FloatStorage", b"K\x02", b"K\x02K\x02\x86", b"K\x02K\x01\x86");
    let file = read(&archive(&[("a/data.pkl", &pickle), ("a/data/0", &values)])).unwrap();
    let tensor = &file.tensors["w"];
    assert_eq!((tensor.dtype, &tensor.shape[..]), (Dtype::F32, &[2, 2][..]));
    assert_eq!(tensor.bytes, values[8..24]);
}

#[test]
fn invalid_descriptions_of_tensors_are_refused() {
    let refusal = |class, offset: &[u8], size: &[u8], stride: &[u8]| {
        refusal_of_pickle(&pickle(class, offset, size, stride))
    };
    let (two, one) = (b"K\x02K\x02\x86", b"K\x02K\x01\x86");
    assert!(refusal("HalfStorage", b"K\x00", two, one).contains("found HalfStorage"));
    assert!(refusal("FloatStorage", b"K\x00", two, b"K\x01K\x02\x86").contains("contiguous"));
    assert!(refusal("FloatStorage", b"K\x00", two, b"K\x01\x85").contains("contiguous"));
    assert!(refusal("FloatStorage", b"K\x0f", two, one).contains("16 bytes for w"));
    assert!(refusal("FloatStorage", b"J\xff\xff\xff\xff", two, one).contains("size or stride"));
    let huge = b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86";
    let strides = b"J\xff\xff\xff\x7fK\x01\x86";
    assert!(refusal("FloatStorage", b"K\x00", huge, strides).contains("within the file"));
    let long = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85";
    assert!(refusal("FloatStorage", b"K\x00", long, b"K\x01\x85").contains("possible size"));
    assert!(refusal("FloatStorage", &long[..10], two, one).contains("possible size"));
}

#[test]
fn pickles_that_would_exhaust_memory_or_stack_are_refused() {
    // A string of 4 GB; an integer of 2040 bits; a million nested tuples.
    assert!(refusal_of_pickle(b"X\xff\xff\xff\xffab").contains("longer than the pickle"));
    assert!(refusal_of_pickle(b"\x8a\xff00").contains("64 bits"));
    assert!(refusal_of_pickle(&[&b")"[..], &[0x85; 1_000_000]].concat()).contains("nested"));
    // Each round doubles the tuple, to more than 2^40 objects.
    let round: &[u8] = b"q\x000h\x00h\x00\x86";
    let laughs = [&b")"[..], &b"q\x00h\x00\x86".repeat(40)].concat();
    assert!(refusal_of_pickle(&laughs).contains("bound"));
    assert!(!refusal_of_pickle(round).is_empty());
    // A long string copied a hundred thousand times.
    let text =
        [&b"X\x00\x00\x08\x00"[..], &[b'a'; 1 << 19], b"q\x00", &b"h\x00".repeat(100_000)].concat();
    assert!(refusal_of_pickle(&text).contains("bound"));
    assert!(refusal_of_pickle(&vec![b'N'; 2 << 20]).contains("megabyte"));
    for odd in [&b""[..], b".", b"N.", b"}", b"}K\x01K\x01s.", b"\xff", b"t.", b"R."] {
        refusal_of_pickle(odd);
    }
}

#[test]
fn archives_of_other_kinds_are_refused() {
    let state = pickle("FloatStorage", b"K\x00", b"K\x01\x85", b"K\x01\x85");
    assert!(read(b"not a zip").unwrap_err().contains("torch.save"));
    assert!(read(&archive(&[("a/b", b"")])).unwrap_err().contains("data.pkl"));
    let twice = archive(&[("a/data.pkl", &state), ("b/data.pkl", &state)]);
    assert!(read(&twice).unwrap_err().contains("one pickle"));
    assert!(read(&archive(&[("a/data.pkl", &state)])).unwrap_err().contains("a/data/0"));
    let big = [("a/data.pkl", &state[..]), ("a/data/0", &[0; 4]), ("a/byteorder", b"big")];
    assert!(read(&archive(&big)).unwrap_err().contains("found big"));

    // A zip bomb: an entry that is marked as compressed (method 8, deflate) from 4 GB to 64 bytes.
    let mut bomb = archive(&[("a/data.pkl", &state), ("a/data/0", &[0; 64])]);
    let central = bomb.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bomb[central + 10] = 8;
    bomb[central + 24..central + 28].copy_from_slice(&[0xf0, 0xff, 0xff, 0xff]);
    assert!(read(&bomb).unwrap_err().contains("uncompressed"), "{:?}", read(&bomb));
    // The same size for an uncompressed entry.
    bomb[central + 10] = 0;
    assert!(read(&bomb).unwrap_err().contains("fit a file"), "{:?}", read(&bomb));
}

/// Returns the end of an archive whose directory declares `files` entries in `size` bytes at offset `start`.
fn huge_directory(files: u64, size: u64, start: u64) -> Vec<u8> {
    let words = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
    [
        &b"PK\x06\x06"[..],
        &44u64.to_le_bytes(),
        &[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &words(&[files, files, size, start]),
        b"PK\x06\x07\0\0\0\0",
        &0u64.to_le_bytes(),
        &1u32.to_le_bytes(),
        b"PK\x05\x06\0\0\0\0",
        &[0xff; 12],
        &[0, 0],
    ]
    .concat()
}

#[test]
fn directories_larger_than_the_file_are_refused() {
    // Allocating memory for so many entries would abort the process.
    for claims in [1u64 << 20, 1 << 40, 1 << 50, u64::MAX / 2, u64::MAX] {
        for start in [0, 1, claims] {
            for size in [0, 100, 46 * (claims / 46)] {
                assert!(read(&huge_directory(claims, size, start)).is_err());
            }
        }
    }
}

#[test]
fn flipped_values_fail_the_checksum() {
    let mut bytes = std::fs::read(peer("ppo_puzzle8_v1.pt")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(
        read(&bytes).unwrap_err().to_lowercase().contains("checksum"),
        "{:?}",
        read(&bytes).err()
    );
}

/// Returns a small file that consists mostly of structure.
fn small() -> Vec<u8> {
    let pickle = pickle("FloatStorage", b"K\x00", b"K\x02K\x02\x86", b"K\x02K\x01\x86");
    archive(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 16]), ("a/byteorder", b"little")])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn corrupt_archives_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = small();
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        let _ = read(&bytes).and_then(|file| file.tensors().map(|_| ()).map_err(|e| e.to_string()));
    }

    #[test]
    fn corrupt_pickles_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut pickle = pickle("FloatStorage", b"K\x00", b"K\x02K\x02\x86", b"K\x02K\x01\x86");
        for (at, byte) in &damage {
            let at = at.index(pickle.len());
            pickle[at] = *byte;
        }
        let _ = read(&archive(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 16])]));
    }

    #[test]
    fn random_opcodes_never_panic(
        ops in prop::collection::vec(prop::sample::select(
            b"\x80cqr)R(XJtQKM\x85\x86\x87\x88\x89Nhjsu}db.\x81]Gae\x8a\x00\x01\n".to_vec()
        ), 0..200),
    ) {
        let _ = unpickle(&ops);
    }
}
