//! Bundles made of a small module written by hand, and what becomes of them when they are damaged.
#![allow(clippy::unwrap_used)]

use super::payload::{self, Payload};
use super::{module, payload_of, program};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::policy::{Arithmetic, Policy};
use twisterl_core::solve::SolveOptions;

/// The sections of a module with one page of memory, of at most 4: a global with the address 16 that is exported, and one data
/// segment of 12 zeros at 12.
fn sections() -> Vec<(u8, Vec<u8>)> {
    let mut exports = vec![2];
    exports.extend_from_slice(b"\x06memory\x02\x00");
    exports.extend_from_slice(b"\x10TWISTERL_PAYLOAD\x03\x01");
    let mut data = vec![1, 0, 0x41, 12, 0x0b, 12];
    data.extend_from_slice(&[0; 12]);
    vec![
        (5, vec![1, 1, 1, 4]),
        // A global of another type stands before the one of the address.
        (6, vec![2, 0x7e, 0, 0x42, 0x80, 0x01, 0x0b, 0x7f, 0, 0x41, 16, 0x0b]),
        (7, exports),
        (11, data),
    ]
}

fn encode(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        module.extend_from_slice(&[*id, content.len() as u8]);
        module.extend_from_slice(content);
    }
    module
}

fn template() -> Vec<u8> {
    encode(&sections())
}

/// Returns the template with another section `id`; without it if there is no `content`.
fn with_section(id: u8, content: Option<&[u8]>) -> Vec<u8> {
    let mut sections = sections();
    sections.retain(|(other, _)| *other != id);
    if let Some(content) = content {
        let at = sections.iter().position(|(other, _)| *other > id).unwrap_or(sections.len());
        sections.insert(at, (id, content.to_vec()));
    }
    encode(&sections)
}

/// Returns an untrained policy.
fn random_policy(spec: &dyn EnvSpec) -> Policy {
    let sizes = MlpSizes {
        embedding_size: 16,
        common_layers: vec![],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Tanh,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    Policy::initial(network, spec.name(), spec.params(), spec.twists(), 0).unwrap()
}

fn problem() -> (Policy, Arc<dyn EnvSpec>) {
    let spec = Registry::default().make("Puzzle", &json!({"width": 2, "height": 2})).unwrap();
    (random_policy(&*spec), spec)
}

fn payload() -> Vec<u8> {
    let (policy, spec) = problem();
    let options = SolveOptions {
        search: Some("beam=8".parse().unwrap()),
        score: Some("32".parse().unwrap()),
        seed: u64::MAX,
        ..SolveOptions::default()
    };
    payload::write(&policy, Some(&*spec), &options).unwrap()
}

fn error<T>(result: twisterl_core::Result<T>) -> String {
    result.map(drop).unwrap_err().to_string()
}

#[test]
fn the_splice_adds_pages_two_segments_and_the_metadata() {
    let bundle = module::splice(&template(), &[7; 65_537], "{}").unwrap();
    // Two more pages, within the maximum of 4.
    assert_eq!(bundle[8..14], [5, 4, 1, 1, 3, 4]);
    assert_eq!(module::payload(&bundle).unwrap(), [7; 65_537]);
    assert_eq!(module::metadata(&bundle).unwrap(), Some("{}"));
    assert_eq!(module::metadata(&template()).unwrap(), None);
    // The payload is at page 1, 65536 = sleb 80 80 04, its length is uleb 81 80 04.
    let start = [0, 0x41, 0x80, 0x80, 4, 0x0b, 0x81, 0x80, 4, 7, 7];
    assert!(bundle.windows(start.len()).any(|part| part == start));
    // The slot at 16 holds address and length.
    let slot = [7, 0, 0x41, 16, 0x0b, 8, 0, 0, 1, 0, 1, 0, 1, 0];
    assert!(bundle.windows(slot.len()).any(|part| part == slot));
}

#[test]
fn the_count_of_data_segments_is_kept() {
    let template = with_section(12, Some(&[1]));
    let bundle = module::splice(&template, b"abc", "{}").unwrap();
    assert!(bundle.windows(3).any(|part| part == [12, 1, 3]));
    assert_eq!(module::payload(&bundle).unwrap(), b"abc");
}

// long function: one line for each case
#[test]
fn templates_of_another_form_are_refused() {
    let table: [(&str, Vec<u8>, &str); 12] = [
        (
            "empty",
            vec![],
            "module: expected a WebAssembly module of version 1, found a file that begins with \"\"",
        ),
        (
            "component",
            b"\0asm\x0d\0\x01\0".to_vec(),
            "module: expected a WebAssembly module of version 1",
        ),
        (
            "no exports",
            with_section(7, None),
            "module: expected a template or bundle, which exports the global TWISTERL_PAYLOAD, found no such export",
        ),
        (
            "a function of the name",
            with_section(7, Some(b"\x01\x10TWISTERL_PAYLOAD\x00\x01")),
            "which exports the global TWISTERL_PAYLOAD",
        ),
        (
            "imports",
            with_section(2, Some(b"\x01\x03env\x05abort\x00\x00")),
            "module: expected no imports, found 1 (env.abort)",
        ),
        (
            "no globals",
            with_section(6, None),
            "module: expected global 1, found no section of globals",
        ),
        (
            "one global",
            with_section(6, Some(&[1, 0x7f, 0, 0x41, 16, 0x0b])),
            "global section: expected a global 1, found 1 globals",
        ),
        (
            "address by sum",
            with_section(
                6,
                Some(&[2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 0, 0x41, 8, 0x41, 8, 0x6a, 0x0b]),
            ),
            "expected a constant address in the global TWISTERL_PAYLOAD",
        ),
        (
            "address outside",
            with_section(6, Some(&[2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 0, 0x41, 0xfa, 0xff, 3, 0x0b])),
            "TWISTERL_PAYLOAD: expected 8 bytes within the 1 pages of memory, found address 65530",
        ),
        ("no memory", with_section(5, None), "module: expected one memory, found none"),
        (
            "memory of 64 bits",
            with_section(5, Some(&[1, 4, 1])),
            "memory section: expected a memory of 32 bits that is not shared, found kind 4",
        ),
        (
            "full memory",
            with_section(5, Some(&[1, 1, 4, 4])),
            "memory section: expected room for 1 more pages in a memory of at most 4, found 4 used",
        ),
    ];
    for (name, template, expected) in table {
        let found = error(module::splice(&template, b"abc", "{}"));
        assert!(found.starts_with("bundle: ") && found.contains(expected), "{name}: {found}");
    }
    let bundle = module::splice(&template(), b"abc", "{}").unwrap();
    let again = error(module::splice(&bundle, b"abc", "{}"));
    assert_eq!(
        again,
        "bundle: template: expected a module without a payload, found a bundle, which has a policy already"
    );
}

// long function: one line for each case
#[test]
fn files_without_a_payload_and_false_claims_are_refused() {
    let slot = |address: u32, length: u32| {
        let mut data = vec![1, 0, 0x41, 16, 0x0b, 8];
        data.extend_from_slice(&address.to_le_bytes());
        data.extend_from_slice(&length.to_le_bytes());
        with_section(11, Some(&data))
    };
    let trailer =
        |length: u64| [b"\x7fELF".as_slice(), &length.to_le_bytes(), &program::MAGIC].concat();
    let sections = encode(&vec![(0, vec![1, b'x']); 1001]);
    let table: [(&str, Vec<u8>, &str); 11] = [
        (
            "template",
            template(),
            "module: expected a bundle with a policy, found a template without a policy",
        ),
        (
            "claim of 4 GB",
            slot(65_536, u32::MAX),
            "TWISTERL_PAYLOAD: expected a data segment of 4294967295 bytes at address 65536, found none",
        ),
        ("claim of nothing", slot(1, 0), "expected a data segment of 0 bytes at address 1"),
        (
            "segment of 4 GB",
            with_section(11, Some(&[1, 0, 0x41, 16, 0x0b, 0xff, 0xff, 0xff, 0xff, 0x0f])),
            "data section: expected 4294967295 more bytes, found 0",
        ),
        (
            "4 G segments",
            with_section(11, Some(&[0xff, 0xff, 0xff, 0xff, 0x0f])),
            "data section: expected 1 more bytes, found 0",
        ),
        (
            "number of 35 bits",
            with_section(11, Some(&[0xff, 0xff, 0xff, 0xff, 0x7f])),
            "data section: expected a number of 32 bits",
        ),
        ("many sections", sections, "module: expected at most 1000 sections, found more"),
        (
            "program",
            b"\x7fELF and more".to_vec(),
            "trailer: expected a program with a policy behind its end, found none",
        ),
        (
            "text",
            b"hello".to_vec(),
            "trailer: expected a program with a policy behind its end, found none",
        ),
        (
            "trailer of 4 GB",
            trailer(1 << 32),
            "trailer: expected a payload of at most 4 bytes before it, found a length of 4294967296",
        ),
        ("trailer of u64", trailer(u64::MAX), "found a length of 18446744073709551615"),
    ];
    for (name, file, expected) in table {
        let found = error(payload_of(&file));
        assert!(found.starts_with("bundle: ") && found.contains(expected), "{name}: {found}");
    }
    for runner in [b"MZ\x90".as_slice(), b"\xcf\xfa\xed\xfe", b"#!/bin/sh"] {
        assert!(error(program::append(runner, b"abc")).contains("a program for Linux (ELF)"));
    }
    let bundle = program::append(b"\x7fELF", b"abc").unwrap();
    assert_eq!(payload_of(&bundle).unwrap(), b"abc");
    assert!(error(program::append(&bundle, b"abc")).contains("a policy already"));
}

#[test]
fn a_payload_carries_the_policy_the_options_and_a_self_test() {
    let (policy, spec) = problem();
    let policy = Policy { arithmetic: Arithmetic::Portable, ..policy };
    let bytes = payload();
    let payload = Payload::read(&bytes).unwrap();
    assert_eq!(payload.policy().unwrap(), policy);
    let solve = json!({"search": "beam=8", "score": 32.0, "seed": u64::MAX});
    assert_eq!(serde_json::Value::Object(payload.description.solve.clone()), solve);
    let executor = Executor::of(&policy).unwrap();
    payload.self_test().unwrap().check(&executor, Some(&*spec)).unwrap();
    // The policy as trained on has other weights.
    let other =
        Policy { parameters: policy.parameters.iter().map(|p| p * 1.01).collect(), ..policy };
    let executor = Executor::of(&other).unwrap();
    let found = error(payload.self_test().unwrap().check(&executor, Some(&*spec)));
    assert_eq!(
        found,
        "bundle: self-test, step 0: expected the results of the machine that wrote it, found outputs of the policy that differ"
    );
}

#[test]
fn the_self_test_of_a_foreign_environment_needs_no_environment() {
    for name in ["Puzzle", "Pendulum-v1", "Maze"] {
        let spec = Registry::default().make(name, &json!({})).unwrap();
        let policy = random_policy(&*spec);
        let policy = Policy { arithmetic: Arithmetic::Portable, ..policy };
        let bytes = payload::write(&policy, None, &SolveOptions::default()).unwrap();
        let self_test = Payload::read(&bytes).unwrap().self_test().unwrap();
        self_test.check(&Executor::of(&policy).unwrap(), None).unwrap();
    }
}

#[test]
fn a_self_test_that_tests_nothing_or_is_no_self_test_is_refused() {
    let (policy, spec) = problem();
    let executor = Executor::of(&policy).unwrap();
    let check = |value| {
        let test: super::self_test::SelfTest = serde_json::from_value(value).unwrap();
        error(test.check(&executor, Some(&*spec)))
    };
    assert!(check(json!({"steps": []})).contains("expected at least one step, found none"));
    for step in [
        json!({"state": []}),
        json!({"state": vec![f64::NAN.to_bits(); 4]}),
        json!({"ones": [u32::MAX]}),
        json!({"ones": [0], "values": [0]}),
        json!({}),
    ] {
        check(json!({"steps": [step]}));
    }
}

#[test]
fn limits_in_seconds_do_not_go_into_a_bundle() {
    let (policy, spec) = problem();
    let options = SolveOptions { seconds: Some(1.0), ..SolveOptions::default() };
    let found = error(payload::write(&policy, Some(&*spec), &options));
    assert!(found.starts_with("seconds: expected a limit in nodes instead"), "{found}");
}

#[test]
fn payloads_of_another_version_or_arithmetic_are_refused() {
    let changed = |at: usize, byte: u8| {
        let mut payload = payload();
        payload[at] = byte;
        error(Payload::read(&payload))
    };
    assert!(changed(0, b'T').contains("payload: expected one that begins with \"twisterl\""));
    assert!(
        changed(8, 2)
            .contains("expected version 1, the only one this program reads, found version 2")
    );
    assert!(changed(40, 0).contains("expected the checksum"));
    assert!(error(Payload::read(b"twisterl")).contains("payload: expected 4 more bytes, found 0"));
}

proptest! {
    #[test]
    fn every_payload_comes_back(payload in prop::collection::vec(any::<u8>(), 1..200_000), metadata in "[a-z]{0,9}") {
        let bundle = module::splice(&template(), &payload, &metadata);
        if payload.len() <= 3 << 16 {
            let bundle = bundle.unwrap();
            prop_assert_eq!(payload_of(&bundle).unwrap(), &payload);
            prop_assert_eq!(module::metadata(&bundle).unwrap(), Some(metadata.as_str()));
        } else {
            prop_assert!(bundle.is_err());
        }
        let bundle = program::append(b"\x7fELF", &payload).unwrap();
        prop_assert_eq!(payload_of(&bundle).unwrap(), &payload);
    }

    #[test]
    fn damaged_bundles_give_errors_or_the_whole_payload(
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
    ) {
        let payload = payload();
        for bundle in [module::splice(&template(), &payload, "{}").unwrap(), program::append(b"\x7fELF", &payload).unwrap()] {
            let mut damaged = bundle.clone();
            for (at, flip) in &flips {
                damaged[at.index(bundle.len())] ^= flip;
            }
            for file in [&damaged[..], &bundle[..cut.index(bundle.len())]] {
                if let Ok(found) = payload_of(file).and_then(Payload::read) {
                    prop_assert_eq!(found.policy_file(), Payload::read(&payload).unwrap().policy_file());
                }
                // They are templates, too, for what it matters.
                let _ = module::splice(file, b"abc", "{}");
                let _ = module::imports(file);
            }
        }
    }

    #[test]
    fn foreign_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), prefix in 0..4_usize) {
        let beginning: &[u8] = [b"".as_slice(), b"\0asm\x01\0\0\0", b"twisterl\x01\0\0\0", b"\x7fELF"][prefix];
        bytes.splice(0..0, beginning.iter().copied());
        let _ = payload_of(&bytes);
        let _ = module::splice(&bytes, b"abc", "{}");
        let _ = module::metadata(&bytes);
        let _ = Payload::read(&bytes);
    }
}
