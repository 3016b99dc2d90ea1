//! Fuel, counted as wasmi counts it.
//!
//! Both engines take one unit for each instruction but those that only mark blocks. wasmi takes one for 64 bytes of a bulk
//! operation, wasmtime at least one for each byte: so an instruction costs 64 here, and a call gets 64 times its fuel.
//!
//! The accounts differ in three points. wasmi takes one more unit for each round of a loop. Growing memory costs 4 units a page
//! here, 1,024 there. Each engine looks at the account at places of its own, so that a call that runs out of fuel ends some
//! instructions earlier or later.

use serde_json::Value;
use wasmtime::OperatorCost;

/// The cost of an instruction.
const SCALE: u8 = 64;

/// Returns the fuel of wasmtime for `fuel` units.
pub(crate) fn scaled(fuel: u64) -> u64 {
    fuel.saturating_mul(SCALE.into())
}

/// Returns the costs of all instructions.
pub(crate) fn costs() -> Result<OperatorCost, String> {
    // The structure has a field for each of some six hundred instructions.
    let mut costs =
        serde_json::to_value(OperatorCost::default()).map_err(|error| error.to_string())?;
    for cost in costs.as_object_mut().into_iter().flat_map(|costs| costs.values_mut()) {
        if let Some(units) = cost.as_u64() {
            *cost = Value::from(units * u64::from(SCALE));
        }
    }
    let mut costs: OperatorCost =
        serde_json::from_value(costs).map_err(|error| error.to_string())?;
    costs.variable.memory_grow_per_page = u8::MAX;
    Ok(costs)
}
