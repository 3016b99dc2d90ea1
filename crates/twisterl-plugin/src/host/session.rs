//! One instance of a plugin, from `init` to its end.

use super::layout::{Buffer, address, numbers, text, text_at};
use super::{Function, Instance};
use crate::abi::{FAILED, NONE, REFUSED, start};
use crate::description::ErrorText;
use twisterl_core::{Error, Result};

/// An instance after `init`.
pub(super) struct Session {
    name: String,
    pub(super) instance: Box<dyn Instance>,
    /// The address of the layout.
    layout: u64,
    /// The address of the text of errors, which can be read even after a trap.
    error: u64,
    /// Bytes to be written.
    bytes: Vec<u8>,
    /// The instance has trapped or broken the interface; what happened.
    ended: Option<Error>,
}

impl Session {
    /// Makes `slots` environments in an instance, and returns it with the description.
    pub(super) fn open(
        name: &str,
        instance: Box<dyn Instance>,
        params: &str,
        slots: usize,
    ) -> Result<(Self, String)> {
        let (own, bytes) = (name.to_owned(), Vec::new());
        let mut session = Self { name: own, instance, layout: 0, error: 0, bytes, ended: None };
        let broken = |rule: &str, found: String| Error::contract(&session.name, rule, found);
        let too_many =
            |what: &str, count: usize| broken("counts have 31 bits", format!("{count} {what}"));
        let len = i32::try_from(params.len()).map_err(|_| too_many("bytes", params.len()))?;
        let slots = i32::try_from(slots).map_err(|_| too_many("slots", slots))?;
        session.error = session.address(Function::Error, &[])?;
        let scratch = session.address(Function::Scratch, &[len])?;
        session.instance.write(scratch, params.as_bytes())?;
        session.done(Function::Init, &[len, slots], slots as usize).map_err(
            |error| match error {
                // Of the parameters, one environment was made.
                Error::Config { path, found, .. } if path == "env" && slots > 1 => {
                    let rule =
                        format!("init makes as many environments as the host needs, here {slots}");
                    Error::contract(name, rule, found)
                }
                other => other,
            },
        )?;
        session.layout = session.address(Function::Layout, &[])?;
        let description = session.text(Function::Describe, &[])?;
        Ok((session, description))
    }

    /// Calls a function that returns an address, which is not null.
    fn address(&mut self, function: Function, arguments: &[i32]) -> Result<u64> {
        let address = self.call(function, arguments, 0)?;
        match u64::try_from(address) {
            Ok(address @ 1..) => Ok(address),
            _ => Err(self.failed(function, i64::from(FAILED))),
        }
    }

    /// Calls a function that returns a number from 0 on, `none`, or an error.
    pub(super) fn count_or(
        &mut self,
        function: Function,
        arguments: &[i32],
        none: i32,
    ) -> Result<Option<usize>> {
        match self.call(function, arguments, 1)? {
            result if result == i64::from(none) => Ok(None),
            result => usize::try_from(result).map(Some).map_err(|_| self.failed(function, result)),
        }
    }

    /// Calls a function that returns a number from 0 on, or an error.
    pub(super) fn count(
        &mut self,
        function: Function,
        arguments: &[i32],
        rows: usize,
    ) -> Result<usize> {
        let result = self.call(function, arguments, rows)?;
        usize::try_from(result).map_err(|_| self.failed(function, result))
    }

    /// Calls a function that returns 0, or an error.
    pub(super) fn done(
        &mut self,
        function: Function,
        arguments: &[i32],
        rows: usize,
    ) -> Result<()> {
        match self.count(function, arguments, rows)? {
            0 => Ok(()),
            other => {
                let rule =
                    format!("{} returns 0, or a number below 0 after an error", function.name());
                Err(self.broken(&rule, other))
            }
        }
    }

    /// Begins an episode. Returns the flags of its start.
    pub(super) fn begin(&mut self, slot: i32, kind: i32, difficulty: i32) -> Result<usize> {
        let result = self.call(Function::Begin, &[slot, kind, difficulty], 1)?;
        usize::try_from(result).map_err(|_| {
            let refused = kind == start::STATE && result == i64::from(REFUSED);
            match self.told(result) {
                Ok(told) if refused => ErrorText::state(&told),
                Ok(told) => self.broken("te_begin works", told),
                Err(error) => error,
            }
        })
    }

    pub(super) fn call(
        &mut self,
        function: Function,
        arguments: &[i32],
        rows: usize,
    ) -> Result<i64> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        self.instance.call(function, arguments, rows).map_err(|error| self.end(function, error))
    }

    /// Keeps what ended the instance, with the text that a panic has left.
    fn end(&mut self, function: Function, error: Error) -> Error {
        if matches!(error, Error::Interrupted) {
            self.ended = Some(error.clone());
            return error;
        }
        let left = match text_at(&*self.instance, self.error) {
            Ok(Ok(text)) if self.error != 0 && !text.is_empty() => format!(" ({text})"),
            _ => String::new(),
        };
        let error = match error {
            // Of an engine, which names the function.
            Error::Contract { name, rule, found } => {
                Error::Contract { name, rule, found: found + &left }
            }
            other => {
                let rule = format!("{} returns", function.name());
                self.broken(&rule, format!("{other}{left}"))
            }
        };
        self.ended = Some(error.clone());
        error
    }

    /// Returns the error that the environment tells of after a call that failed.
    pub(super) fn failed(&mut self, function: Function, code: i64) -> Error {
        match self.told(code) {
            Ok(told) if function == Function::Init => ErrorText::parameter(&told)
                .unwrap_or_else(|text| Error::config("env", "parameters of the environment", text)),
            Ok(told) => self.broken(&format!("{} works", function.name()), told),
            Err(error) => error,
        }
    }

    /// Returns what the environment tells of a call that failed with this result.
    fn told(&mut self, code: i64) -> Result<String> {
        match text(&mut *self.instance, Function::Error, &[]) {
            Ok(Ok(text)) if text.is_empty() => Ok(format!("result {code} without a text")),
            Ok(Ok(text)) => Ok(text),
            Ok(Err(found)) => Ok(found),
            Err(error) => Err(self.end(Function::Error, error)),
        }
    }

    pub(super) fn text(&mut self, function: Function, arguments: &[i32]) -> Result<String> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        match text(&mut *self.instance, function, arguments) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(_)) if function == Function::Render => {
                Err(self.failed(function, i64::from(FAILED)))
            }
            Ok(Err(found)) => Err(self.broken(&format!("{} gives a text", function.name()), found)),
            Err(error) => Err(self.end(function, error)),
        }
    }

    pub(super) fn broken(&self, rule: &str, found: impl ToString) -> Error {
        Error::contract(&self.name, rule, found)
    }

    fn address_of(&self, buffer: Buffer) -> Result<Option<u64>> {
        address(&*self.instance, self.layout, buffer)
    }

    pub(super) fn buffer(&self, buffer: Buffer) -> Result<u64> {
        self.address_of(buffer)?.ok_or_else(|| {
            let found = format!("no buffer `{}`", format!("{buffer:?}").to_lowercase());
            self.broken("buffers that are used are there", found)
        })
    }

    /// Writes numbers to a buffer; nothing where there are none.
    pub(super) fn write<const N: usize>(
        &mut self,
        buffer: Buffer,
        numbers: impl Iterator<Item = [u8; N]>,
    ) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        numbers.for_each(|number| bytes.extend_from_slice(&number));
        let written = if bytes.is_empty() {
            Ok(())
        } else {
            self.buffer(buffer).and_then(|address| self.instance.write(address, &bytes))
        };
        self.bytes = bytes;
        written
    }

    pub(super) fn write_slots(&mut self, slots: impl Iterator<Item = usize>) -> Result<()> {
        self.write(Buffer::Slots, slots.map(|slot| (slot as u32).to_le_bytes()))
    }

    /// Reads the state that a function has written.
    pub(super) fn read_state(&self, count: usize, out: &mut Vec<f64>) -> Result<()> {
        if count > 0 {
            let address = self.buffer(Buffer::State)?;
            let first = out.len();
            out.extend(numbers(&*self.instance, address, count, f64::from_le_bytes)?);
            let wrong = out.get(first..).unwrap_or(&[]).iter().find(|number| !number.is_finite());
            if let Some(number) = wrong {
                return Err(self.broken("states consist of finite numbers", number));
            }
        }
        Ok(())
    }

    /// Returns the actions that solve a slot, given those that solve its inverse problem.
    pub(super) fn invert_solution(
        &mut self,
        slot: i32,
        actions: &[u32],
    ) -> Result<Option<Vec<u32>>> {
        let bytes: Vec<u8> = actions.iter().flat_map(|action| action.to_le_bytes()).collect();
        let len = i32::try_from(bytes.len())
            .map_err(|_| self.broken("counts have 31 bits", format!("{} bytes", bytes.len())))?;
        let scratch = self.address(Function::Scratch, &[len])?;
        self.instance.write(scratch, &bytes)?;
        let n = len / 4;
        match self.count_or(Function::InvertSolution, &[slot, n], NONE)? {
            None => Ok(None),
            Some(count) if count == actions.len() => {
                let inverted = numbers(&*self.instance, scratch, count, u32::from_le_bytes)?;
                Ok(Some(inverted.collect()))
            }
            Some(count) => {
                let rule = "an inverted solution has as many actions";
                Err(self.broken(rule, format!("{count} for {}", actions.len())))
            }
        }
    }

    /// Reads the bounds on returns of `count` rows, NaN where there are none.
    pub(super) fn read_best(&self, count: usize, out: &mut [f32], slots: &[usize]) -> Result<()> {
        let Some(address) = self.address_of(Buffer::Best)? else { return Ok(()) };
        let bounds = numbers(&*self.instance, address, count, f32::from_le_bytes)?;
        for (bound, &slot) in bounds.zip(slots) {
            if let Some(best) = out.get_mut(slot) {
                *best = bound;
            }
        }
        Ok(())
    }
}

impl Session {
    /// Returns the session of a copy of the instance.
    pub(super) fn copied(&self, mut instance: Box<dyn Instance>) -> Result<Self> {
        let mut address = |function| {
            let address = u64::try_from(instance.call(function, &[], 0)?).unwrap_or(0);
            if address == 0 {
                Err(self.broken("a copy works", "a copy without memory"))
            } else {
                Ok(address)
            }
        };
        let (layout, error) = (address(Function::Layout)?, address(Function::Error)?);
        let (name, bytes) = (self.name.clone(), Vec::new());
        Ok(Self { name, instance, layout, error, bytes, ended: None })
    }
}
