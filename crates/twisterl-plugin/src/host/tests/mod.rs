#![allow(clippy::unwrap_used, clippy::panic)]

mod inverses;
mod lies;
mod same;

use super::library::TableModule;
use super::{Module, PluginSpec};
use crate::abi::Table;
use crate::guest::{About, ForTable, Maker, maker, table};
use serde_json::Value;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::Arc;
use twisterl_core::Result;
use twisterl_core::env::Environment;

/// An environment of core behind the interface.
struct Exported<E>(PhantomData<E>);

impl<E: Environment> ForTable for Exported<E> {
    #[allow(unsafe_code)]
    unsafe fn maker(_: *const c_void) -> Maker {
        maker::<E>()
    }

    fn about() -> About {
        About { name: E::NAME.into(), version: "1.0".into(), licence: "Apache-2.0".into() }
    }
}

/// Returns the module of a table.
#[allow(unsafe_code)]
fn module_of(table: Table) -> Result<Arc<dyn Module>> {
    let table: &'static Table = Box::leak(Box::new(table));
    // SAFETY: The table stays, and its functions use no context.
    let module = unsafe { TableModule::new("./lib.so", table, std::ptr::null(), Arc::new(())) };
    Ok(Arc::new(module?))
}

fn plugin<E: Environment>(params: &Value) -> Result<PluginSpec> {
    PluginSpec::new("./lib.so", module_of(table::<Exported<E>>())?, params)
}
