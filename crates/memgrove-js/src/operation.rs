//! What can be asked for, as a JSON object with an `operation` and its options.
//!
//! | operation | options | inputs | comes out |
//! |---|---|---|---|
//! | `version` | | | `{version, hosts}` |
//! | `inspect` | `names`, `as`, `verbose`, `hosts`, `maxBytes` | the files | `{files, failed}`, the document |
//! | `fix` | `name`, `engine`, and those of `memgrove fix` | the file | `{exit, refusal, verdict}`, the JSON document, the text, the module |
//!
//! The document is what the command line prints, byte for byte. `{error: {message, hint, offset}}` comes out where a
//! request cannot be understood.

mod fix;
mod inspect;

use serde::{Deserialize, Serialize};
use serde_json::json;

use memgrove_inspect::Knowledge;
use memgrove_view::report::Failure;

#[derive(Deserialize)]
#[serde(tag = "operation", rename_all = "camelCase", deny_unknown_fields)]
enum Request {
    Version,
    Inspect(inspect::Request),
    Fix(Box<fix::Request>),
}

/// Runs a request. The first part that comes out is JSON, the others are what the operation says.
#[must_use]
pub fn run(request: &[u8], inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let outcome = match serde_json::from_slice(request) {
        Ok(Request::Version) => Ok(version()),
        Ok(Request::Inspect(request)) => request.run(inputs),
        Ok(Request::Fix(request)) => (*request).run(inputs),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_makes_no_sense_is_an_error() {
        for request in
            ["", "{}", r#"{"operation":"dance"}"#, r#"{"operation":"inspect","names":["a"],"colour":1}"#]
        {
            let out = run(request.as_bytes(), Vec::new());
            let said: serde_json::Value = serde_json::from_slice(&out[0]).unwrap();
            assert!(said["error"]["message"].is_string(), "{request}: {said}");
        }
    }
}
