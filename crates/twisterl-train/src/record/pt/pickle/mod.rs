//! Pickles as data: the objects that the opcodes describe, without running what they call.
//!
//! Python's unpickler imports the names in a pickle and calls them. Here, a name stays a name and a call stays a call
//! ([`Object::Instance`]); only the dictionaries of `collections` become dictionaries. Objects lie in one list and refer to
//! each other by position, so that a shared object costs nothing, and neither deep nor cyclic ones need a stack.

mod machine;
mod values;

use super::PtResult;
use machine::Machine;
use std::borrow::Cow;

/// The longest pickle, in bytes. A state dictionary needs about 100 bytes per tensor.
pub(super) const MAX_PICKLE: u64 = 1 << 24;

/// The longest part of a name that is kept, in characters.
const MAX_NAME: usize = 100;

/// The position of an object in its pickle.
pub(super) type Id = usize;

/// An object of a pickle.
#[derive(Debug)]
pub(super) enum Object<'a> {
    None,
    Bool,
    Int(i64),
    /// A longer integer: its bytes in two's complement, little-endian, or its decimal digits.
    Long(&'a [u8]),
    /// A floating-point number.
    Float,
    Text(Cow<'a, str>),
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Set,
    Dict(Vec<(Id, Id)>),
    /// A class or a function by its name.
    Global(Cow<'a, str>, Cow<'a, str>),
    /// An object outside of the pickle, such as a storage.
    Persistent(Id),
    /// The result of calling `class` with `args`, which is not called.
    Instance {
        class: Id,
        args: Id,
        state: Option<Id>,
    },
}

/// The objects of a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    /// The object that the pickle stands for.
    pub(super) root: Id,
    /// The length of the pickle in bytes.
    pub(super) length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the beginning of `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> PtResult<Self> {
        let limit = usize::try_from(MAX_PICKLE).unwrap_or(usize::MAX);
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        let mut machine = Machine::new(bytes);
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
            machine.check_limits()?;
        };
        let length = bytes.len() - machine.rest.len();
        Ok(Self { objects: machine.objects, root, length })
    }

    /// Returns an object. Every [`Id`] of a pickle is one of its objects.
    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        self.objects.get(id).unwrap_or(&Object::None)
    }

    /// Returns the positions of all objects.
    pub(super) fn ids(&self) -> std::ops::Range<Id> {
        0..self.objects.len()
    }

    /// Returns the text of an object.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a whole number, 0 or more.
    pub(super) fn number(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Object::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Returns the items of a tuple or a list.
    pub(super) fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(items) | Object::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the dotted name of a class or function, without the end of a very long one.
    pub(super) fn path(&self, id: Id) -> Option<String> {
        match self.get(id) {
            Object::Global(module, name) => Some(format!("{module:.MAX_NAME$}.{name:.MAX_NAME$}")),
            _ => None,
        }
    }
}
