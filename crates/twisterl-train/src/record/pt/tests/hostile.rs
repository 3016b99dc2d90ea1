//! Files whose claims would exhaust memory, time or the stack are refused; corrupt ones never panic.

use super::*;
use proptest::prelude::*;

fn refusal_of_pickle(pickle: &[u8]) -> String {
    read(&archive(&[("a/data.pkl", pickle), ("a/data/0", &[0; 64])])).unwrap_err()
}

/// Returns `{"w": tensor}` in a storage of four values.
fn state(offset: i32, size: &[i32], stride: &[i32]) -> Py {
    dict([("w", tensor(f32_storage(4), offset, size, stride))])
}

#[test]
fn descriptions_beyond_the_storage_are_refused() {
    let refusal = |offset, size: &[i32], stride: &[i32]| {
        refusal_of_pickle(&pickle(&state(offset, size, stride)))
    };
    let most = i32::MAX;
    for (offset, size, stride) in [
        (1, &[2, 2][..], &[2, 1][..]),
        (0, &[2, 2], &[2, 3]),
        (4, &[1], &[1]),
        (0, &[most, most], &[most, most]),
        (most, &[1], &[most]),
        (0, &[most, most, most], &[0, 0, 0]),
    ] {
        let message = refusal(offset, size, stride);
        assert!(message.contains("w within the 4 values of its storage"), "{message}");
    }
    assert!(refusal(0, &[2], &[1, 1]).contains("a stride for each axis"));
    assert!(refusal(-1, &[2], &[1]).contains("size or stride"));
    assert!(refusal(0, &[2], &[-1]).contains("size or stride"));
    assert!(refusal(0, &[1; 65], &[1; 65]).contains("size or stride"));
    // One value that is to fill four gigabytes.
    assert!(refusal(0, &[1 << 15, 1 << 15], &[0, 0]).contains("tensors of at most 67108864 bytes"));
    // The pickle claims more than the archive holds.
    let claims = pickle(&dict([("w", tensor(f32_storage(100), 0, &[100], &[1]))]));
    assert!(
        refusal_of_pickle(&claims)
            .contains("expected 400 bytes in storage 0, as the pickle says, found 64")
    );
    let claims = pickle(&dict([("w", tensor(f32_storage(i32::MAX), 0, &[1], &[1]))]));
    assert!(refusal_of_pickle(&claims).contains("as the pickle says, found 64"));
}

#[test]
fn pickles_that_would_exhaust_memory_time_or_stack_are_refused() {
    for (bytes, found) in [
        // A string of 4 GB; an integer of 2040 bits; a million nested tuples; a list in itself.
        (b"X\xff\xff\xff\xffab".to_vec(), "ends early"),
        (b"\x8a\xff00".to_vec(), "ends early"),
        ([&b")"[..], &[0x85; 1_000_000], b"."].concat(), "a list without names"),
        (b"]q\x00h\x00a.".to_vec(), "a list without names"),
        // Each round doubles the tuple, to more than 2^40 parts if they were copied.
        ([&b")"[..], &b"q\x00h\x00\x86".repeat(40), b"."].concat(), "a list without names"),
        (vec![b'N'; 3 << 20], "more than 2097152 objects"),
        ([&b"N"[..], &[0x94; 3 << 20]].concat(), "more than 2097152 objects"),
        ([&b"N"[..], &[b'2'; 3 << 20]].concat(), "more than 2097152 objects"),
        (vec![b'N'; 17 << 20], "more than 16 MiB"),
    ] {
        let message = refusal_of_pickle(&bytes);
        assert!(message.contains(found), "{message}");
    }
    // A list of 100,000 pairs from which 100,000 dictionaries are made.
    let pairs = b"NN\x86".repeat(100_000);
    let dicts = b"ccollections\nOrderedDict\nh\x00\x85R".repeat(100_000);
    let copies = [&b"](q\x00"[..], &pairs, b"e", &dicts, b"."].concat();
    assert!(refusal_of_pickle(&copies[1..]).len() < 400);
    let copies = [&b"]q\x00("[..], &pairs, b"e", &dicts, b"."].concat();
    assert!(refusal_of_pickle(&copies).contains("more than 2097152 objects"));
    for odd in
        [&b""[..], b".", b"N.", b"}", b"}K\x01K\x01s.", b"\xff", b"t.", b"R.", b"(0.", b"((0t."]
    {
        refusal_of_pickle(odd);
    }
}

#[test]
fn dictionaries_that_are_shared_are_looked_at_once() {
    // 300,000 entries that are one dictionary of 300,000 entries: 9 * 10^10 pairs.
    let entry = |i: u32| [&b"X\x08\x00\x00\x00"[..], format!("{i:08}").as_bytes()].concat();
    let entries = |value: &[u8]| -> Vec<u8> {
        (0..300_000).flat_map(|i| [entry(i), value.to_vec()].concat()).collect()
    };
    let inner = [&b"}q\x00("[..], &entries(b"N"), b"u"].concat();
    let bytes = [&inner[..], b"0}(", &entries(b"h\x00"), b"u."].concat();
    let started = std::time::Instant::now();
    assert!(refusal_of_pickle(&bytes).contains("a dictionary without tensors"));
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn archives_of_other_kinds_are_refused() {
    let state = pickle(&state(0, &[1], &[1]));
    assert!(read(b"\xff\xfenot a zip").unwrap_err().contains("torch.save"));
    let twice = archive(&[("a/data.pkl", &state), ("b/data.pkl", &state)]);
    assert!(read(&twice).unwrap_err().contains("one pickle"));
    assert!(read(&archive(&[("a/data.pkl", &state)])).unwrap_err().contains("a/data/0"));
    let odd = [("a/data.pkl", &state[..]), ("a/data/0", &[0; 16]), ("a/byteorder", b"middle")];
    assert!(read(&archive(&odd)).unwrap_err().contains("found middle"));

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

#[test]
fn truncated_old_files_are_refused() {
    let state = state(0, &[4], &[1]);
    let whole = legacy(&state, &[("0", 4, &[0; 16])]);
    read(&whole).unwrap();
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    for (count, found) in
        [(3, "expected 16 bytes in storage 0"), (5, "the end of the file"), (u64::MAX, "the end")]
    {
        let message = read(&legacy(&state, &[("0", count, &[0; 16])])).unwrap_err();
        assert!(message.contains(found), "{message}");
    }
    assert!(read(&legacy(&state, &[])).unwrap_err().contains("the values of storage 0"));
    let other = legacy(&state, &[("1", 4, &[0; 16])]);
    assert!(read(&other).unwrap_err().contains("storage 1 of none"));
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
                let bytes = huge_directory(claims, size, start);
                assert!(PtFile::from_archive(Cursor::new(&bytes), bytes.len() as u64).is_err());
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

/// Returns a small file that consists mostly of structure, in either format.
fn small(old: bool) -> Vec<u8> {
    let state = state(0, &[2, 2], &[1, 2]);
    match old {
        true => legacy(&state, &[("0", 4, &[0; 16])]),
        false => {
            let pickle = pickle(&state);
            archive(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 16]), ("a/byteorder", b"little")])
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn corrupt_files_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        old in any::<bool>(),
    ) {
        let mut bytes = small(old);
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
        let mut pickle = pickle(&state(0, &[2, 2], &[2, 1]));
        for (at, byte) in &damage {
            let at = at.index(pickle.len());
            pickle[at] = *byte;
        }
        let _ = read(&archive(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 16])]));
    }

    #[test]
    fn random_opcodes_never_panic(
        ops in prop::collection::vec(prop::sample::select(
            b"\x80cqr)R(XJtQKM\x85\x86\x87\x88\x89Nhjsu}db.\x81]Gae\x8a\x00\x01\n012pgioPISVUTBC\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96".to_vec()
        ), 0..200),
    ) {
        let _ = Pickle::read(&ops);
    }
}
