//! What can be asked for, as a JSON object with an `operation` and its options.
//!
//! | operation | options | inputs | comes out |
//! |---|---|---|---|
//! | `version` | | | `{version, hosts}` |
//! | `inspect` | `names`, `as`, `verbose`, `hosts`, `policy`, `require`, `allowConditions`, `maxBytes` | the files | `{files, failures: [{file, message, hint}], faults: [{file, message}]}`, the document |
//! | `fix` | `name`, `engine`, and those of `memgrove fix` | the file | `{exit, refusal, verdict}`, the JSON document, the text, the module |
//! | `swap` | `name`, `engine`, `to`, `dryRun` | the file | `{exit, refusal, verdict}`, the JSON document, the text, the module |
//! | `trace` | `name`, `alloc`, `stacks`, `callSites`, `sample`, `seed`, `oneMemory`, `instances`, `maxLog` | the file | `{functions, notes}`, the module |
//! | `check` | `name`, `callSites`, `inLine`, `sites`, `exact`, `layout`, `maxLog` | the file | `{functions, notes, sites, proven}`, the module |
//! | `profile` | `name`, `as`, `together`, `top`, `failOn`, `suppress` | the file, recordings | `{kind, fails}`, the document |
//!
//! The document is what the command line prints, byte for byte. `{error: {message, hint, offset}}` comes out where a
//! request cannot be understood.

mod fix;
mod inspect;
mod instrument;
mod profile;
mod swap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use memgrove_api::{Error, UserError};
use memgrove_inspect::Knowledge;
use memgrove_view::Json;
use memgrove_view::report::Failure;

#[derive(Deserialize)]
#[serde(tag = "operation", rename_all = "camelCase", deny_unknown_fields)]
enum Request {
    Version,
    Inspect(inspect::Request),
    Fix(Box<fix::Request>),
    Swap(swap::Request),
    Trace(instrument::Trace),
    Check(instrument::Check),
    Profile(profile::Request),
}

/// Runs a request. The first part that comes out is JSON, the others are what the operation says.
#[must_use]
pub fn run(request: &[u8], inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let outcome = match serde_json::from_slice(request) {
        Ok(Request::Version) => Ok(version()),
        Ok(Request::Inspect(request)) => request.run(inputs),
        Ok(Request::Fix(request)) => (*request).run(inputs),
        Ok(Request::Swap(request)) => request.run(inputs),
        Ok(Request::Trace(request)) => request.run(inputs),
        Ok(Request::Check(request)) => request.run(inputs),
        Ok(Request::Profile(request)) => request.run(inputs),
        Err(error) => Err(usage(format!("the request cannot be understood: {error}"))),
    };
    outcome.unwrap_or_else(|failure| vec![to_json(&json!({ "error": failure }))])
}

fn version() -> Vec<Vec<u8>> {
    let hosts: Vec<_> =
        Knowledge::builtin().hosts.iter().map(|host| json!({ "id": host.id, "title": host.title })).collect();
    vec![to_json(&json!({ "version": env!("CARGO_PKG_VERSION"), "hosts": hosts }))]
}

/// A request that makes no sense.
fn usage(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), offset: None, hint: None }
}

/// Values of our own always serialise; were one refused, there would be nothing to say.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The one module in the one input; `verb` says what is to be done with it.
fn one_module(
    mut inputs: Vec<Vec<u8>>,
    name: &str,
    max_bytes: Option<u64>,
    verb: &str,
) -> Result<Vec<u8>, Error> {
    let max_bytes = max_bytes.unwrap_or(memgrove_open::DEFAULT_MAX_BYTES);
    let (wasm, _) = memgrove_api::open_one(inputs.pop().unwrap_or_default(), name, max_bytes, verb)?;
    Ok(wasm)
}

/// A document's bytes.
fn shown_as(json: serde_json::Result<Json>) -> Result<Vec<u8>, UserError> {
    let json = json.map_err(|error| UserError::failed(error.to_string()))?;
    Ok(json.as_str().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_makes_no_sense_is_an_error() {
        for request in [
            "",
            "{}",
            r#"{"operation":"dance"}"#,
            r#"{"operation":"inspect","names":["a"],"colour":1}"#,
            r#"{"operation":"swap","name":"a","engine":"","to":"none"}"#,
            r#"{"operation":"trace","name":"a"}"#,
            r#"{"operation":"check","name":"a"}"#,
            r#"{"operation":"profile","name":"a"}"#,
        ] {
            let out = run(request.as_bytes(), Vec::new());
            let said: serde_json::Value = serde_json::from_slice(&out[0]).unwrap();
            assert!(said["error"]["message"].is_string(), "{request}: {said}");
        }
    }
}
