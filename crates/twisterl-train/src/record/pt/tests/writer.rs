//! Writes `.pt` files of any content: pickles of protocol 2, archives, and files of the format before PyTorch 1.6.

use std::io::{Cursor, Write};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// An object of Python.
#[derive(Clone)]
pub enum Py {
    None,
    Bool(bool),
    Int(i32),
    Text(&'static str),
    Tuple(Vec<Py>),
    List(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    Global(&'static str, &'static str),
    /// `function(*args)`.
    Call(Box<Py>, Vec<Py>),
    Persistent(Box<Py>),
    /// An object whose state is set.
    Built(Box<Py>, Box<Py>),
}

use Py::*;

/// Returns the pickle of an object.
pub fn pickle(object: &Py) -> Vec<u8> {
    let mut out = b"\x80\x02".to_vec();
    write(object, &mut out);
    out.push(b'.');
    out
}

fn write(object: &Py, out: &mut Vec<u8>) {
    let all = |items: &[Py], out: &mut Vec<u8>| items.iter().for_each(|item| write(item, out));
    match object {
        None => out.push(b'N'),
        Bool(truth) => out.push(if *truth { 0x88 } else { 0x89 }),
        Int(number) => out.extend([&b"J"[..], &number.to_le_bytes()].concat()),
        Text(text) => {
            out.push(b'X');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        }
        Tuple(items) => {
            out.push(b'(');
            all(items, out);
            out.push(b't');
        }
        List(items) => {
            out.extend(b"](");
            all(items, out);
            out.push(b'e');
        }
        Dict(entries) => {
            out.extend(b"}(");
            entries.iter().for_each(|(key, value)| {
                write(key, out);
                write(value, out);
            });
            out.push(b'u');
        }
        Global(module, name) => out.extend(format!("c{module}\n{name}\n").into_bytes()),
        Call(function, args) => {
            write(function, out);
            write(&Tuple(args.clone()), out);
            out.push(b'R');
        }
        Persistent(id) => {
            write(id, out);
            out.push(b'Q');
        }
        Built(object, state) => {
            write(object, out);
            write(state, out);
            out.push(b'b');
        }
    }
}

pub fn call(module: &'static str, name: &'static str, args: Vec<Py>) -> Py {
    Call(Box::new(Global(module, name)), args)
}

/// Returns a dictionary with keys of text.
pub fn dict<const N: usize>(entries: [(&'static str, Py); N]) -> Py {
    Dict(entries.into_iter().map(|(key, value)| (Text(key), value)).collect())
}

pub fn ints(numbers: &[i32]) -> Py {
    Tuple(numbers.iter().map(|n| Int(*n)).collect())
}

/// Returns the storage `key` of `count` values.
pub fn storage(class: &'static str, key: &'static str, count: i32) -> Py {
    let id = vec![Text("storage"), Global("torch", class), Text(key), Text("cpu"), Int(count)];
    Persistent(Box::new(Tuple(id)))
}

/// Returns the tensor of a storage at `offset`, with these sizes and strides.
pub fn tensor(storage: Py, offset: i32, size: &[i32], stride: &[i32]) -> Py {
    let hooks = call("collections", "OrderedDict", vec![]);
    let args = vec![storage, Int(offset), ints(size), ints(stride), Bool(false), hooks];
    call("torch._utils", "_rebuild_tensor_v2", args)
}

/// Returns an archive of these entries.
pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Returns a file of the format before PyTorch 1.6, with storages by key: their number of values and their bytes.
pub fn legacy(object: &Py, storages: &[(&'static str, u64, &[u8])]) -> Vec<u8> {
    let keys = List(storages.iter().map(|(key, ..)| Text(key)).collect());
    let machine = dict([("protocol_version", Int(1001)), ("little_endian", Bool(true))]);
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    for part in [&Int(1001), &machine, object, &keys] {
        out.extend(pickle(part));
    }
    for (_, count, bytes) in storages {
        out.extend(count.to_le_bytes());
        out.extend(*bytes);
    }
    out
}
