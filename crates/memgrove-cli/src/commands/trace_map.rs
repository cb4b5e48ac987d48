//! Where an instrumented module's functions and instructions are in the original, and an engine's stack in its terms.

use std::path::Path;

use anyhow::{Context, Result};
use memgrove_rewrite::edit::Map;
use memgrove_rewrite::trace::{Traced, fingerprint};
use memgrove_text::escape_file_name;
use memgrove_view::profile::resolve as resolved;
use serde::{Deserialize, Serialize};

use super::trace_read::{Original, ReadArgs, with_symbols};
use crate::exit::{Exit, UserError};
use crate::input::Source;
use crate::output::Output;

/// Version of the file.
const SCHEMA: u32 = 1;

/// What --map writes.
#[derive(Serialize, Deserialize)]
struct MapFile {
    schema: u32,
    original_sha256: String,
    traced_sha256: String,
    map: Map,
}

fn sha256(wasm: &[u8]) -> String {
    memgrove_text::hex(&fingerprint(wasm))
}

/// The bytes of the map of a traced module.
pub(super) fn written(traced: &Traced, original: &[u8]) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&MapFile {
        schema: SCHEMA,
        original_sha256: sha256(original),
        traced_sha256: sha256(&traced.wasm),
        map: traced.map.clone(),
    })?)
}

/// Prints a stack of the traced module in terms of the original.
pub(super) fn resolve(
    stack: &Path,
    map: &Path,
    names: &ReadArgs,
    original: &Original<'_>,
    out: &mut Output,
) -> Result<Exit> {
    let name = escape_file_name(map.as_os_str());
    let bytes = Source::File(map.to_owned()).read(original.max_size.max(1 << 32));
    let bytes = bytes.with_context(|| format!("reading {name}"))?;
    let file: MapFile = serde_json::from_slice(&bytes).map_err(|error| {
        UserError::failed(format!("{name} is not a map of memgrove's: {error}"))
            .hint("a map is what memgrove trace FILE -o OUT --map MAP writes")
    })?;
    if file.schema != SCHEMA || file.original_sha256 != sha256(original.facts.bytes()) {
        return Err(UserError::failed(format!("{name} is not a map of {}", original.name))
            .hint("give the module that was traced, as it was before")
            .into());
    }
    let source = if stack.as_os_str() == "-" { Source::Stdin } else { Source::File(stack.to_owned()) };
    let shown = source.name();
    let text = source.read(original.max_size).with_context(|| format!("reading {shown}"))?;
    let text = String::from_utf8_lossy(&text);
    with_symbols(&names.names, original, out, |symbols, out| {
        out.print(resolved(&text, &file.map, symbols))?;
        Ok(Exit::Done)
    })
}
