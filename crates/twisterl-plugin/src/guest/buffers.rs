//! The memory of an instance that its host reads and writes.

use crate::abi::Text;
use std::ffi::c_char;
use std::ptr;
use twisterl_core::{Error, Result};

/// The texts that a host reads, at addresses that stay.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) description: Kept,
    pub(super) answer: Kept,
    pub(super) error: Kept,
}

/// A text with its address and length.
pub(super) struct Kept {
    pub(super) text: String,
    pub(super) span: Box<Text>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { text: String::new(), span: Box::new(Text { text: ptr::null(), len: 0 }) }
    }
}

impl Kept {
    /// Replaces the text, and returns its address.
    pub(super) fn set(&mut self, text: String) -> *const Text {
        self.text = text;
        *self.span = Text { text: self.text.as_ptr().cast::<c_char>(), len: self.text.len() };
        &raw const *self.span
    }
}

/// The buffers of [`Layout`] that are not those of the environments.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) key: Box<[u8; 32]>,
    pub(super) slots: Vec<i32>,
    pub(super) discrete: Vec<u32>,
    pub(super) continuous: Vec<f32>,
    pub(super) rewards: Vec<f32>,
    pub(super) flags: Vec<i32>,
    pub(super) offsets: Vec<u32>,
    pub(super) state: Vec<f64>,
    pub(super) keys: Vec<u64>,
    pub(super) best: Vec<f32>,
}

impl Buffers {
    /// Writes a state, and returns its length.
    pub(super) fn write_state(&mut self, state: &[f64]) -> Result<i32> {
        let room = self.state.len().max(state.len());
        self.state.resize(room, 0.0);
        if let Some(buffer) = self.state.get_mut(..state.len()) {
            buffer.copy_from_slice(state);
        }
        i32::try_from(state.len()).map_err(|_| Error::internal("a state of more than 2^31 numbers"))
    }
}
