//! The machine that executes the opcodes of a pickle.

use super::values::{long, unescaped, whole};
use super::{Id, Object};
use crate::record::pt::{PtResult, Refusal};
use std::borrow::Cow;
use std::collections::HashMap;

/// The most objects of a pickle, and the most entries of its stack and of its memo.
const MAX_OBJECTS: usize = 1 << 21;

/// The unpickler's machine.
pub(super) struct Machine<'a> {
    /// The opcodes that are not executed yet.
    pub(super) rest: &'a [u8],
    pub(super) objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// The entries and, in units of 16, the bytes that opcodes have copied. Most opcodes copy nothing.
    copied: usize,
}

fn invalid(found: impl ToString) -> Refusal {
    Refusal::new("the pickle of a state dictionary", found)
}

impl<'a> Machine<'a> {
    /// Returns a machine that executes the opcodes of `rest`.
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        }
    }

    /// Refuses pickles that need much memory.
    pub(super) fn check_limits(&self) -> PtResult<()> {
        let most =
            [self.objects.len(), self.stack.len(), self.marks.len(), self.memo.len(), self.copied];
        if most.into_iter().any(|count| count > MAX_OBJECTS) {
            return Err(invalid(format!("one of more than {MAX_OBJECTS} objects")));
        }
        Ok(())
    }

    /// Executes one opcode. Returns the root after the last one.
    pub(super) fn step(&mut self) -> PtResult<Option<Id>> {
        let [opcode] = *self.take::<1>()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            // Protocol and frames.
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                // On a mark, POP removes it.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'p' => {
                let key = self.decimal()?;
                self.put(key)?;
            }
            b'q' => {
                let key = self.little_endian::<1>()?;
                self.put(key)?;
            }
            b'r' => {
                let key = self.little_endian::<4>()?;
                self.put(key)?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            b'g' => {
                let key = self.decimal()?;
                self.get(key)?;
            }
            b'h' => {
                let key = self.little_endian::<1>()?;
                self.get(key)?;
            }
            b'j' => {
                let key = self.little_endian::<4>()?;
                self.get(key)?;
            }
            _ => self.value(opcode)?,
        }
        Ok(None)
    }

    // long function: one case for each opcode
    /// Executes an opcode that makes or changes an object.
    fn value(&mut self, opcode: u8) -> PtResult<()> {
        let object = match opcode {
            b'N' => Object::None,
            0x88 | 0x89 => Object::Bool,
            b'I' => match self.line()? {
                b"00" | b"01" => Object::Bool,
                digits => whole(digits),
            },
            b'J' => Object::Int(i32::from_le_bytes(*self.take::<4>()?).into()),
            b'K' => Object::Int(self.little_endian::<1>()? as i64),
            b'M' => Object::Int(self.little_endian::<2>()? as i64),
            b'L' => {
                let line = self.line()?;
                whole(line.strip_suffix(b"L").unwrap_or(line))
            }
            0x8a => {
                let length = self.little_endian::<1>()?;
                long(self.bytes(length)?)
            }
            0x8b => {
                let length = self.little_endian::<4>()?;
                long(self.bytes(length)?)
            }
            b'F' => {
                self.line()?;
                Object::Float
            }
            b'G' => {
                self.take::<8>()?;
                Object::Float
            }
            b'S' => {
                let line = self.line()?;
                let quoted = |q: &[u8]| line.strip_prefix(q).and_then(|l| l.strip_suffix(q));
                let text = quoted(b"'").or_else(|| quoted(b"\""));
                Object::Text(unescaped(text.ok_or_else(|| invalid("a string without quotes"))?))
            }
            b'V' => Object::Text(unescaped(self.line()?)),
            b'T' | b'X' => {
                let length = self.little_endian::<4>()?;
                self.text(length)?
            }
            b'U' | 0x8c => {
                let length = self.little_endian::<1>()?;
                self.text(length)?
            }
            0x8d => {
                let length = self.little_endian::<8>()?;
                self.text(length)?
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = match opcode {
                    b'B' => self.little_endian::<4>()?,
                    b'C' => self.little_endian::<1>()?,
                    _ => self.little_endian::<8>()?,
                };
                self.bytes(length)?;
                Object::Bytes
            }
            b')' => Object::Tuple(Vec::new()),
            b't' => Object::Tuple(self.pop_to_mark()?),
            0x85..=0x87 => {
                let height = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                let height = height.filter(|height| *height >= self.floor());
                let height = height.ok_or_else(|| invalid("a tuple of too few objects"))?;
                Object::Tuple(self.stack.split_off(height))
            }
            b']' => Object::List(Vec::new()),
            b'l' => Object::List(self.pop_to_mark()?),
            b'}' => Object::Dict(Vec::new()),
            b'd' => Object::Dict(pairs(&self.pop_to_mark()?)?),
            0x8f => Object::Set,
            0x91 => {
                self.pop_to_mark()?;
                Object::Set
            }
            b'P' => {
                let name = unescaped(self.line()?);
                let id = self.add(Object::Text(name));
                Object::Persistent(id)
            }
            b'Q' => Object::Persistent(self.pop()?),
            b'c' => Object::Global(self.name()?, self.name()?),
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.objects.get(module), self.objects.get(name)) {
                    (Some(Object::Text(module)), Some(Object::Text(name))) => {
                        self.copied += (module.len() + name.len()) / 16;
                        Object::Global(module.clone(), name.clone())
                    }
                    _ => return Err(invalid("a class without a name")),
                }
            }
            b'R' | 0x81 => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.instance(class, args)?
            }
            0x92 => {
                let (_keywords, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.instance(class, args)?
            }
            b'i' => {
                let class = Object::Global(self.name()?, self.name()?);
                let args = self.pop_to_mark()?;
                let (class, args) = (self.add(class), self.add(Object::Tuple(args)));
                self.instance(class, args)?
            }
            b'o' => {
                let mut args = self.pop_to_mark()?.into_iter();
                let class = args.next().ok_or_else(|| invalid("a call of nothing"))?;
                let args = Object::Tuple(args.collect());
                let args = self.add(args);
                self.instance(class, args)?
            }
            _ => return self.change(opcode),
        };
        let id = self.add(object);
        self.stack.push(id);
        Ok(())
    }

    /// Executes an opcode that changes the object on top of the stack.
    fn change(&mut self, opcode: u8) -> PtResult<()> {
        match opcode {
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)
            }
            0x90 => self.pop_to_mark().map(drop),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(&[(key, value)])
            }
            b'u' => {
                let items = pairs(&self.pop_to_mark()?)?;
                self.insert(&items)
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                if let Some(Object::Instance { state: old, .. }) = self.objects.get_mut(top) {
                    *old = Some(state);
                }
                Ok(())
            }
            other => Err(invalid(format!("the opcode 0x{other:02x}"))),
        }
    }

    /// Returns the result of calling `class`: a dictionary for those of `collections`, else the call itself.
    fn instance(&mut self, class: Id, args: Id) -> PtResult<Object<'a>> {
        let is_dict = match self.objects.get(class) {
            Some(Object::Global(module, name)) => {
                module == "collections" && matches!(&**name, "OrderedDict" | "defaultdict")
            }
            _ => false,
        };
        if !is_dict {
            return Ok(Object::Instance { class, args, state: None });
        }
        let Some(Object::Tuple(args)) = self.objects.get(args) else {
            return Err(invalid("a call without a tuple of arguments"));
        };
        // Old protocols give an OrderedDict its entries as a list of pairs.
        let entries = args.iter().filter_map(|id| match self.objects.get(*id) {
            Some(Object::List(items)) => Some(items),
            _ => None,
        });
        let pair = |id: &Id| match self.objects.get(*id) {
            Some(Object::Tuple(pair) | Object::List(pair)) => match pair[..] {
                [key, value] => Ok((key, value)),
                _ => Err(invalid("an entry that is no pair")),
            },
            _ => Err(invalid("an entry that is no pair")),
        };
        let entries = entries.flatten().map(pair).collect::<PtResult<Vec<_>>>()?;
        self.copied += entries.len();
        Ok(Object::Dict(entries))
    }

    /// Adds items to the list on top of the stack.
    fn append(&mut self, more: &[Id]) -> PtResult<()> {
        let top = self.top()?;
        match self.objects.get_mut(top) {
            Some(Object::List(items)) => items.extend_from_slice(more),
            // Classes of their own may have items, which no state dictionary needs.
            Some(Object::Instance { .. }) => {}
            _ => return Err(invalid("items of something other than a list")),
        }
        Ok(())
    }

    /// Adds entries to the dictionary on top of the stack.
    fn insert(&mut self, more: &[(Id, Id)]) -> PtResult<()> {
        let top = self.top()?;
        match self.objects.get_mut(top) {
            Some(Object::Dict(entries)) => entries.extend_from_slice(more),
            Some(Object::Instance { .. }) => {}
            _ => return Err(invalid("entries of something other than a dictionary")),
        }
        Ok(())
    }

    fn add(&mut self, object: Object<'a>) -> Id {
        self.objects.push(object);
        self.objects.len() - 1
    }

    /// Returns the height of the stack below which the current opcode may not reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> PtResult<Id> {
        let above = self.stack.get(self.floor()..).unwrap_or(&[]);
        above.last().copied().ok_or_else(|| invalid("an opcode without its object"))
    }

    fn pop(&mut self) -> PtResult<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes the objects above the last mark, and the mark.
    fn pop_to_mark(&mut self) -> PtResult<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| invalid("an opcode without its mark"))?;
        // No opcode pops objects below a mark.
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, key: u64) -> PtResult<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn get(&mut self, key: u64) -> PtResult<()> {
        let id = self.memo.get(&key).ok_or_else(|| invalid("a reference to nothing"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> PtResult<&'a [u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes(&mut self, length: u64) -> PtResult<&'a [u8]> {
        let split = usize::try_from(length).ok().and_then(|n| self.rest.split_at_checked(n));
        let (taken, rest) = split.ok_or_else(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn little_endian<const N: usize>(&mut self) -> PtResult<u64> {
        let bytes = self.take::<N>()?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self, length: u64) -> PtResult<Object<'a>> {
        Ok(Object::Text(utf8(self.bytes(length)?)?))
    }

    /// Takes a line without its end.
    fn line(&mut self) -> PtResult<&'a [u8]> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or_else(truncated)?;
        let line = self.bytes(end as u64)?;
        self.take::<1>()?;
        Ok(line)
    }

    fn name(&mut self) -> PtResult<Cow<'a, str>> {
        utf8(self.line()?)
    }

    fn decimal(&mut self) -> PtResult<u64> {
        let line = std::str::from_utf8(self.line()?).ok().and_then(|line| line.parse().ok());
        line.ok_or_else(|| invalid("a reference that is no number"))
    }
}

fn utf8(bytes: &[u8]) -> PtResult<Cow<'_, str>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => Err(invalid("text that is not UTF-8")),
    }
}

fn truncated() -> Refusal {
    invalid("one that ends early")
}

/// Returns the pairs of keys and values that lie one after the other.
fn pairs(items: &[Id]) -> PtResult<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(invalid("a key without a value"));
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
