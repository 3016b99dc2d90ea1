//! TensorBoard event files: scalars in a chain of checksummed records.
//!
//! A record is `length: u64, crc of length, data, crc of data` (little-endian, CRC-32C, masked). Its data is a protobuf
//! message of type `Event`: `wall_time = 1 (double)`, `step = 2 (int64)`, `file_version = 3 (string)`,
//! `summary = 5 { value = 1 { tag = 1 (string), simple_value = 2 (float) } }`
//! (tensorflow/core/lib/io/record_writer.cc; tensorflow/core/util/event.proto and framework/summary.proto).

use super::append_only::Damage;
use std::io::{self, BufRead, Read as _};

/// The longest data of a record, in bytes.
const MAX_DATA: u64 = 1 << 24;

/// A point of a curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Name of the curve; `/` separates groups.
    pub tag: String,
    /// The value.
    pub value: f32,
}

/// Returns the first record of a file.
pub fn first_record(wall_time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.bytes(3, b"brain.Event:2");
    record(&event.0)
}

/// Returns a record with one point of each of several curves.
pub fn scalar_record(wall_time: f64, step: u64, scalars: &[Scalar]) -> Vec<u8> {
    let mut summary = Message::default();
    for scalar in scalars {
        let mut value = Message::default();
        value.bytes(1, scalar.tag.as_bytes());
        value.float(2, scalar.value);
        summary.bytes(1, &value.0);
    }
    let mut event = Message::default();
    event.double(1, wall_time);
    event.integer(2, step);
    event.bytes(5, &summary.0);
    record(&event.0)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), data, &masked_crc(data)].concat()
}

/// Returns the checksum, rotated and shifted, since the checksum of data that embeds its own checksum is constant.
fn masked_crc(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Returns the first damage: a length or data that do not have their checksum, or the end of the file within a record.
///
/// # Errors
/// If the records cannot be read.
pub(super) fn first_damage(records: &mut dyn BufRead) -> io::Result<Option<Damage>> {
    for number in 1u64.. {
        let damage = |expected: &str, found: &str| {
            let (expected, found) = (expected.to_owned(), found.to_owned());
            Ok(Some(Damage { place: format!("record {number}"), expected, found }))
        };
        if records.fill_buf()?.is_empty() {
            break;
        }
        let header = part(records, 12)?;
        let length = match header.split_first_chunk::<8>() {
            Some((length, crc)) if *crc == masked_crc(length) => u64::from_le_bytes(*length),
            _ => return damage("a length with its checksum", "another"),
        };
        if length > MAX_DATA {
            return damage("at most 16 MiB of data", "more");
        }
        let data = part(records, length + 4)?;
        match data.split_last_chunk::<4>() {
            Some((data, crc)) if data.len() as u64 == length && *crc == masked_crc(data) => {}
            _ => return damage("data with their checksum", "other data"),
        }
    }
    Ok(None)
}

/// Reads `length` bytes, or fewer at the end.
fn part(records: &mut dyn BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    records.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A protobuf message under construction. Each field is a key, `number << 3 | wire type`, followed by its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u8, value: u64) {
        self.0.push(field << 3);
        self.varint(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.0.push(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.0.push(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.0.push(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    /// Appends seven bits per byte, the lowest first. The top bit is set in all bytes but the last.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// Computes CRC-32C bit by bit from its polynomial.
    fn slow_masked_crc(data: &[u8]) -> u32 {
        let mut crc = !0u32;
        for &byte in data {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            }
        }
        (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
    }

    enum Field<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }

    /// Splits a message into numbered fields.
    fn fields(mut data: &[u8]) -> Vec<(u64, Field<'_>)> {
        fn varint(data: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let (byte, rest) = data.split_first().unwrap();
                *data = rest;
                value |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
            unreachable!()
        }
        let mut fields = Vec::new();
        while !data.is_empty() {
            let key = varint(&mut data);
            let fixed = |data: &mut &[u8], n: usize| {
                let (bytes, rest) = data.split_at(n);
                *data = rest;
                bytes.iter().rev().fold(0, |value, &b| value << 8 | u64::from(b))
            };
            let field = match key & 7 {
                0 => Field::Number(varint(&mut data)),
                1 => Field::Number(fixed(&mut data, 8)),
                2 => {
                    let (bytes, rest) = {
                        let n = varint(&mut data) as usize;
                        data.split_at(n)
                    };
                    data = rest;
                    Field::Bytes(bytes)
                }
                5 => Field::Number(fixed(&mut data, 4)),
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, field));
        }
        fields
    }

    /// Reads a file: `(wall time, step, version, scalars)` of each event.
    fn events(mut file: &[u8]) -> Vec<(f64, u64, String, Vec<Scalar>)> {
        let mut events = Vec::new();
        while !file.is_empty() {
            let (header, rest) = file.split_at(12);
            let length = u64::from_le_bytes(*header.first_chunk().unwrap()) as usize;
            assert_eq!(header[8..], slow_masked_crc(&header[..8]).to_le_bytes());
            let (data, rest) = rest.split_at(length);
            assert_eq!(rest[..4], slow_masked_crc(data).to_le_bytes());
            file = &rest[4..];
            let mut event = (0.0, 0, String::new(), Vec::new());
            for field in fields(data) {
                match field {
                    (1, Field::Number(bits)) => event.0 = f64::from_bits(bits),
                    (2, Field::Number(step)) => event.1 = step,
                    (3, Field::Bytes(text)) => event.2 = String::from_utf8(text.into()).unwrap(),
                    (5, Field::Bytes(summary)) => {
                        for (number, value) in fields(summary) {
                            let Field::Bytes(value) = value else { panic!("a number") };
                            assert_eq!(number, 1);
                            let [(1, Field::Bytes(tag)), (2, Field::Number(bits))] =
                                &fields(value)[..]
                            else {
                                panic!("a value without tag and number");
                            };
                            let tag = String::from_utf8(tag.to_vec()).unwrap();
                            let value = f32::from_bits(*bits as u32);
                            event.3.push(Scalar { tag, value });
                        }
                    }
                    (number, _) => panic!("field {number}"),
                }
            }
            events.push(event);
        }
        events
    }

    #[test]
    fn files_round_trip() {
        let scalar = |tag: &str, value| Scalar { tag: tag.into(), value };
        let scalars = [scalar("Losses/value", 0.5), scalar(&"long".repeat(50), -1e30)];
        let file =
            [first_record(1.25), scalar_record(2.5, 300, &scalars), scalar_record(3.0, 0, &[])]
                .concat();
        let events = events(&file);
        assert_eq!(events[0], (1.25, 0, "brain.Event:2".into(), vec![]));
        assert_eq!(events[1], (2.5, 300, String::new(), scalars.to_vec()));
        assert_eq!(events[2].3, []);
    }
}
