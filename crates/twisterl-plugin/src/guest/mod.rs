//! The interface, implemented for any environment of Rust: what [`export_environment!`](crate::export_environment!) exports.

mod about;
mod buffers;
mod exports;
mod instance;
mod solutions;
mod table;

pub use about::About;
pub use exports::{WasmInstance, on_panic};
pub use instance::{Guest, Maker};
pub use table::{ForTable, maker, table};
