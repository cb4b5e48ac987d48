//! A chain's prices as wasmtime's table of costs.

use memgrove_inspect::knowledge::{Price, operator_name};
use wasmtime::OperatorCost;

use super::EngineError;

/// Each function's entry takes one step, which no chain has; whoever calls it pays so much less.
const CALLS: [&str; 4] = ["Call", "CallIndirect", "ReturnCall", "ReturnCallIndirect"];

/// The table, in steps.
pub(super) fn costs(price: &Price) -> Result<OperatorCost, EngineError> {
    let failed =
        |words: &dyn std::fmt::Display| EngineError::Engine { words: format!("its table of costs: {words}") };
    // The table has a field for each of wasm's instructions, and no way to name one by a text but this.
    let table = serde_json::to_value(OperatorCost::new()).map_err(|error| failed(&error))?;
    let serde_json::Value::Object(mut table) = table else { return Err(failed(&"it is not a table")) };
    for cost in table.values_mut().filter(|cost| cost.is_number()) {
        *cost = price.each.into();
    }
    for priced in &price.instructions {
        for name in &priced.names {
            let name =
                operator_name(name).ok_or_else(|| failed(&format!("there is no instruction `{name}`")))?;
            table.insert(name.to_owned(), priced.steps.into());
        }
    }
    for call in CALLS {
        let steps = table.get(call).and_then(serde_json::Value::as_u64).unwrap_or(0);
        table.insert(call.to_owned(), steps.saturating_sub(1).into());
    }
    let mut costs: OperatorCost = serde_json::from_value(table.into()).map_err(|error| failed(&error))?;
    costs.variable.memory_copy_per_byte = price.byte;
    costs.variable.memory_fill_per_byte = price.byte;
    costs.variable.memory_init_per_byte = price.byte;
    costs.variable.memory_grow_per_page = price.page;
    Ok(costs)
}
