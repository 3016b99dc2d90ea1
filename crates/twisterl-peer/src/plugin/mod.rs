//! Environments of [`Env`] as plugins: a table of functions, whose context holds a prototype.

mod batch;
mod here;
mod spec;

pub use here::Here;

use crate::rl::env::Env;
use spec::PrototypeSpec;
use std::ffi::c_void;
use std::sync::Arc;
use twisterl_plugin::abi::Table;
use twisterl_plugin::guest::{About, ForTable, Maker, table};

/// The functions for environments of which a [`Prototype`] is given as context.
pub static TABLE: Table = table::<Prototype>();

/// The environment that an extension hands over. All environments in play begin as its copies.
pub struct Prototype {
    env: Box<dyn Env>,
}

impl Prototype {
    /// Returns a prototype at an address that stays, for [`Table::create`].
    pub fn new(env: Box<dyn Env>) -> Box<Self> {
        Box::new(Self { env })
    }
}

impl ForTable for Prototype {
    #[allow(unsafe_code)]
    unsafe fn maker(context: *const c_void) -> Maker {
        // SAFETY: The table is handed over with a prototype as its context.
        let env = unsafe { &*context.cast::<Self>() }.env.clone();
        Box::new(move |params| Ok(Arc::new(PrototypeSpec::new(env.clone(), params)?)))
    }

    fn about() -> About {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        About { name: "environment".into(), version, licence: String::new() }
    }
}
