//! Calls of the host's functions.

use serde_json::{Value as Json, json};

use super::wire::{all_from_json, all_to_json, from_hex, in_bounds, to_hex};
use super::{Channel, Functions};
use crate::engine::{Caller, EngineError, HostTrap, Signature, Value, checked_results};

/// Runs the function of the host that the module called, and returns what to send back.
///
/// # Errors
/// [`EngineError::Engine`] if the message is no such call, or calls nothing that was given.
pub fn answer(call: &Json, functions: &Functions, channel: &mut dyn Channel) -> Result<Json, EngineError> {
    Ok(match outcome(call, functions, channel)? {
        Ok(values) => json!({ "operation": "return", "values": all_to_json(&values) }),
        Err(HostTrap(words)) => json!({ "operation": "throw", "words": words }),
    })
}

fn outcome(
    call: &Json,
    functions: &Functions,
    channel: &mut dyn Channel,
) -> Result<Result<Vec<Value>, HostTrap>, EngineError> {
    let index = call["hostCall"].as_u64().and_then(|index| usize::try_from(index).ok());
    let Some((function, signature)) = index.and_then(|index| functions.get(index)?.clone()) else {
        return Err(EngineError::engine(format!("an unexpected message from the engine: {call}")));
    };
    let arguments = all_from_json(&call["arguments"])?;
    if let Err(error) = channel.enter() {
        return Ok(Err(error.into()));
    }
    let mut caller = Calling { id: call["id"].clone(), functions, signature: &signature, channel };
    let outcome = function(&mut caller, &arguments);
    caller.channel.leave();
    Ok(checked_results(outcome, &signature))
}

struct Calling<'a> {
    id: Json,
    functions: &'a Functions,
    signature: &'a Signature,
    channel: &'a mut dyn Channel,
}

impl Calling<'_> {
    fn ask(&mut self, mut request: Json) -> Result<Json, EngineError> {
        request["id"] = self.id.clone();
        request["memory"] = Json::Null;
        self.channel.ask_inside(request, self.functions)
    }
}

impl Caller for Calling<'_> {
    fn signature(&self) -> &Signature {
        self.signature
    }

    fn memory_bytes(&mut self) -> Result<u64, EngineError> {
        let answer = self.ask(json!({ "operation": "size" }))?;
        answer["bytes"].as_u64().ok_or_else(|| EngineError::engine("no size in the answer"))
    }

    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let answer = self.ask(json!({ "operation": "read", "address": address, "length": length_bytes }));
        from_hex(&in_bounds(answer, address, length_bytes)?["bytes"])
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let answer = self.ask(json!({ "operation": "write", "address": address, "bytes": to_hex(bytes) }));
        in_bounds(answer, address, bytes.len() as u64).map(drop)
    }

    fn grow(&mut self, pages: u64) -> Option<u64> {
        self.ask(json!({ "operation": "grow", "pages": pages })).ok()?["before"].as_u64()
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        // The signature is not at hand here: what JavaScript shows of the result has to do for a call that
        // comes from inside a call.
        let answer = self.ask(json!({
            "operation": "callInside", "name": export, "arguments": all_to_json(arguments),
        }))?;
        all_from_json(&answer["values"])
    }

    fn call_table(&mut self, index: u32, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let request =
            json!({ "operation": "callTable", "index": index, "arguments": all_to_json(arguments) });
        all_from_json(&self.ask(request)?["values"])
    }
}
