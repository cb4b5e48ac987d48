//! Another allocator in a module, verified by the engine around us.

use memgrove_api::Error;
use memgrove_api::swap::{Decision, Made, decide, heap, make};
use memgrove_inspect::facts;
use memgrove_verify::{Witness, swap};
use memgrove_view::report::Failure;
use memgrove_view::swap::Swap;
use serde::Deserialize;
use serde_json::json;

use super::fix::memory;
use super::{one_module, shown_as, to_json};
use crate::engine::Around;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    name: String,
    /// The engine around us, as it calls itself.
    engine: String,
    /// The new heap.
    to: String,
    /// Only a plan.
    #[serde(default)]
    dry_run: bool,
    /// The file that the result will be in, as the text names it.
    #[serde(default = "memory")]
    output: String,
    max_bytes: Option<u64>,
}

impl Request {
    /// Comes out: `{exit, refusal?, verdict?}`, the document as JSON, the same for reading, and the module if there is
    /// one to be used.
    pub(super) fn run(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
        self.swap(inputs).map_err(|error| error.failure())
    }

    fn swap(&self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let wasm = one_module(inputs, &self.name, self.max_bytes, "swap")?;
        let original = facts(&wasm)?;
        let to = heap(&self.to)?;
        let mut shown = Swap {
            name: &self.name,
            to,
            bytes_before: wasm.len(),
            result: Err(None),
            verification: None,
            brotli_bytes: None,
            wasm_opt_bytes: None,
            written_to: None,
        };
        let swapped = match make(&original, to)? {
            Made::Swapped(swapped) => swapped,
            Made::Refused(why) => {
                shown.result = Err(Some(&why));
                return parts(3, Some(&why.to_string()), &shown);
            }
        };
        shown.result = Ok(&swapped);
        if self.dry_run {
            return parts(0, None, &shown);
        }
        let engine = Around::new(self.engine.clone());
        let verification = swap::verify(&original, &swapped, &[Witness::Present(&engine)]);
        shown.verification = Some(&verification);
        let decision = decide(&swapped, &verification);
        if let Some(why) = decision.refusal() {
            return parts(if decision == Decision::Failed { 1 } else { 3 }, Some(why), &shown);
        }
        shown.written_to = Some(&self.output);
        let mut parts = parts(if decision == Decision::UseUnverified { 4 } else { 0 }, None, &shown)?;
        parts.push(swapped.wasm.clone());
        Ok(parts)
    }
}

fn parts(exit: u8, refusal: Option<&str>, shown: &Swap<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let head = json!({
        "exit": exit,
        "refusal": refusal,
        "verdict": shown.verification.map(|verification| verification.verdict),
    });
    let document = shown_as(shown.json())?;
    Ok(vec![to_json(&head), document, shown.text().to_string().into_bytes()])
}
