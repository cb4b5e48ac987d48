//! The record of what was applied to a module: custom sections called `memgrove`, one for each tool, in order.
//!
//! ```text
//! tool     LEB128 length, UTF-8      what was done: trace, check, swap
//! version  LEB128 length, UTF-8      of memgrove
//! sha256   32 bytes                  of the module that it was done to
//! ```
//!
//! So a tool knows that it has been applied already, and the offset maps of several tools can be put in order.
//! The mark of a partial fix (`mark.rs`) is another thing: it tells what was asked for, and goes when that
//! changes.

use sha2::{Digest, Sha256};
use wasm_encoder::Encode;
use wasmparser::{BinaryReader, Parser, Payload};

/// Name of the custom section.
pub(super) const SECTION: &str = "memgrove";

/// A tool that was applied to a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What was done, such as `trace`.
    pub tool: String,
    /// The version of memgrove.
    pub version: String,
    /// SHA-256 of the module that it was done to.
    pub original: [u8; 32],
}

impl Applied {
    pub(super) fn to(original: &[u8], tool: &str, version: &str) -> Self {
        Self { tool: tool.to_owned(), version: version.to_owned(), original: Sha256::digest(original).into() }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.tool.encode(&mut bytes);
        self.version.encode(&mut bytes);
        bytes.extend(self.original);
        bytes
    }

    fn read(contents: &[u8], at: u64) -> Result<Self, wasmparser::Error> {
        let mut reader = BinaryReader::new(contents, at);
        let tool = reader.read_string()?.to_owned();
        let version = reader.read_string()?.to_owned();
        let mut original = [0; 32];
        original.copy_from_slice(reader.read_bytes(32)?);
        Ok(Self { tool, version, original })
    }
}

/// What was applied to a module, in order; a section that cannot be read is passed over. Linear in the module.
#[must_use]
pub fn applied(wasm: &[u8]) -> Vec<Applied> {
    let payloads = Parser::new(0).parse_all(wasm).map_while(Result::ok);
    payloads
        .filter_map(|payload| match payload {
            Payload::CustomSection(custom) if custom.name() == SECTION => {
                Applied::read(custom.data(), custom.data_offset()).ok()
            }
            _ => None,
        })
        .collect()
}
