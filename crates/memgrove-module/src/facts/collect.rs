//! The walk over the sections that fills [`Facts`].

use super::budget::{self, Budget};
use super::code::{self, Job, Scan};
use super::proposals::Proposal;
use super::{BinaryKind, Component, Facts, offset32};
use crate::Error;
use wasmparser::{
    Encoding, FuncToValidate, FunctionBody, ImportSectionReader, Imports, Parser, Payload, ValidPayload,
    Validator, ValidatorResources, WasmFeatures,
};

/// Function bodies are validated in batches of this many bytes: enough to occupy all cores, little enough
/// that the waiting list stays small beside the file.
const BATCH_BYTES: u64 = 4 << 20;
/// Nor may more than so many wait: a body of three bytes waits in a hundred.
const BATCH_FUNCTIONS: usize = 32 << 10;
/// One thread takes this many bytes of bodies at a time.
const CHUNK_BYTES: u64 = 64 << 10;
/// Upper limit of functions in a chunk; short bodies cost more than their bytes.
const CHUNK_FUNCTIONS: usize = 1024;

/// Reads the whole input.
pub(super) fn collect(bytes: &[u8]) -> Result<Facts<'_>, Error> {
    check_magic(bytes)?;
    let mut collector = Collector {
        bytes,
        validator: Validator::new_with_features(WasmFeatures::all()),
        open: Vec::new(),
        done: None,
        jobs: Vec::new(),
        job_bytes: 0,
        modules: Vec::new(),
        nested_components: 0,
        budget: Budget::whole(bytes.len()),
        names: Budget::names(bytes.len()),
    };
    collector.run()?;
    collector.done.ok_or_else(|| Error::Invalid {
        message: "unexpected end".to_owned(),
        offset: bytes.len() as u64,
        truncated: true,
    })
}

fn check_magic(bytes: &[u8]) -> Result<(), Error> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Error::TooLarge { size_bytes: bytes.len() as u64 });
    }
    let magic = b"\0asm";
    if !bytes.starts_with(magic) {
        if !bytes.is_empty() && magic.starts_with(bytes) {
            return Err(Error::Invalid {
                message: "unexpected end in the magic number".to_owned(),
                offset: bytes.len() as u64,
                truncated: true,
            });
        }
        return Err(Error::NotWasm { found: describe_start(bytes) });
    }
    match bytes.get(4..8) {
        None => Err(Error::Invalid {
            message: "unexpected end in the version".to_owned(),
            offset: bytes.len() as u64,
            truncated: true,
        }),
        Some([1, 0, 0, 0] | [_, _, 1, 0]) => Ok(()),
        Some(version) => {
            let version = version.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
            Err(Error::UnknownVersion { version })
        }
    }
}

fn describe_start(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 9] = [
        (b"\x1f\x8b", "gzip data"),
        (b"\x28\xb5\x2f\xfd", "Zstandard data"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x7fELF", "an ELF file"),
        (b"!<arch>", "an archive of object files"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"\x89PNG", "a PNG image"),
        (b"(module", "WebAssembly text"),
        (b"(component", "WebAssembly text"),
    ];
    if bytes.is_empty() {
        return "no bytes at all".to_owned();
    }
    if let Some((_, name)) = known.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (*name).to_owned();
    }
    let start = &bytes[..bytes.len().min(8)];
    let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} \"{}\"", hex.join(" "), start.escape_ascii())
}

struct Collector<'a> {
    bytes: &'a [u8],
    validator: Validator,
    /// The module or component being read, inside those that hold it.
    open: Vec<Open<'a>>,
    done: Option<Facts<'a>>,
    jobs: Vec<Job<'a>>,
    job_bytes: u64,
    /// Finished modules of the component, in the order of the file, however deep they lie.
    modules: Vec<Facts<'a>>,
    nested_components: u32,
    budget: Budget,
    /// For the names of imports.
    names: Budget,
}

struct Open<'a> {
    facts: Facts<'a>,
    /// Position in `facts.functions` of the next body.
    next_body: usize,
    /// What of the budget has been spent on it.
    paid: u64,
}

impl<'a> Collector<'a> {
    fn run(&mut self) -> Result<(), Error> {
        let input_len = self.bytes.len();
        let parser_error = |error: wasmparser::Error| Error::from_parser(&error, input_len);
        // Of the last section.
        let mut offset = 0;
        for payload in Parser::new(0).parse_all(self.bytes) {
            let payload = payload.map_err(parser_error)?;
            if !matches!(payload, Payload::CodeSectionEntry(_)) {
                // Bodies end with their section: what they hold is known before anything that follows.
                self.scan_jobs().map_err(parser_error)?;
            }
            if let Payload::ImportSection(section) = &payload {
                // Before the validator sees them: it copies the names of each import.
                self.names.spend(name_bytes(section), "the names of its imports", section.range().start)?;
            }
            match self.validator.payload(&payload).map_err(parser_error)? {
                ValidPayload::Func(validator, body) => self.body(validator, body).map_err(parser_error)?,
                _ => {
                    offset = payload.as_section().map_or(offset, |(_, range)| range.start);
                    self.payload(payload).map_err(parser_error)?;
                }
            }
            if self.jobs.is_empty() {
                self.spend(offset)?;
            }
        }
        Ok(())
    }

    /// Pays for what has been added to the facts since the last time, and for what the report will say of it.
    fn spend(&mut self, offset: u64) -> Result<(), Error> {
        let Some(Open { facts, paid, .. }) = self.open.last_mut() else { return Ok(()) };
        let weights = budget::weights(facts);
        let total = weights.iter().fold(0, |total: u64, (_, bytes)| total.saturating_add(*bytes));
        let what = weights.iter().max_by_key(|(_, bytes)| *bytes).map_or("it", |(what, _)| what);
        let more = total.saturating_sub(std::mem::replace(paid, total));
        self.budget.spend(more, what, offset)
    }

    fn body(
        &mut self,
        validator: FuncToValidate<ValidatorResources>,
        body: FunctionBody<'a>,
    ) -> wasmparser::Result<()> {
        let range = body.range();
        if let Some(open) = self.open.last_mut() {
            if let Some(function) = open.facts.functions.get_mut(open.next_body) {
                function.body_offset = offset32(range.start);
                function.body_len = offset32(range.end - range.start);
            }
            open.next_body += 1;
        }
        self.job_bytes += range.end - range.start;
        self.jobs.push(Job { validator, body });
        let is_full = self.job_bytes >= BATCH_BYTES || self.jobs.len() >= BATCH_FUNCTIONS;
        if is_full { self.scan_jobs() } else { Ok(()) }
    }

    fn scan_jobs(&mut self) -> wasmparser::Result<()> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        self.job_bytes = 0;
        let chunks = chunks(std::mem::take(&mut self.jobs));
        let Some(Open { facts, .. }) = self.open.last_mut() else { return Ok(()) };
        let watched = facts.imported_values();
        let scans = scan_chunks(chunks, &watched);
        for scan in scans {
            let scan = scan?;
            let scanned = facts.call_graph.rows();
            for (function, &numbers) in facts.functions.iter_mut().skip(scanned).zip(&scan.numbers) {
                function.numbers = numbers;
            }
            facts.call_graph.append(&scan.callee_counts, &scan.callees);
            facts.sites.extend_from_slice(&scan.sites);
            facts.referenced_funcs.extend_from_slice(&scan.referenced);
            facts.written_globals.extend_from_slice(&scan.written_globals);
            facts.global_reads.extend_from_slice(&scan.global_reads);
            facts.catches |= scan.catches;
            facts.proposals.merge(scan.proposals);
        }
        Ok(())
    }

    fn payload(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, range, .. } => {
                let mut facts = Facts { bytes: self.bytes, ..Facts::default() };
                facts.range.start = offset32(range.start);
                if encoding == Encoding::Component {
                    facts.kind = BinaryKind::Component;
                    facts.component = Some(Component::default());
                    facts.proposals.note(Proposal::ComponentModel, "component", None, range.start);
                }
                self.open.push(Open { facts, next_body: 0, paid: 0 });
            }
            Payload::End(offset) => {
                if let Some(Open { mut facts, .. }) = self.open.pop() {
                    facts.range.end = offset32(offset);
                    facts.finish();
                    self.close(facts);
                }
            }
            other => {
                if let Some(Open { facts, .. }) = self.open.last_mut() {
                    facts.section(other)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps a finished module or component. What lies inside a component belongs to the outermost one: handing it
    /// on from level to level would move it as often as it is deep.
    fn close(&mut self, mut facts: Facts<'a>) {
        let is_outermost = self.open.is_empty();
        match facts.component.as_mut() {
            Some(component) if is_outermost => {
                component.modules = std::mem::take(&mut self.modules);
                component.nested_components = self.nested_components;
                self.done = Some(facts);
            }
            Some(_) => self.nested_components += 1,
            None if is_outermost => self.done = Some(facts),
            None => self.modules.push(facts),
        }
    }
}

/// Bytes of the two names of each import, as often as imports have them. What cannot be read is for the validator to
/// say.
fn name_bytes(section: &ImportSectionReader<'_>) -> u64 {
    let groups = section.clone().into_iter().map_while(Result::ok);
    let of_group = |group: Imports<'_>| match group {
        Imports::Single(_, import) => (import.module.len() + import.name.len()) as u64,
        Imports::Compact1 { module, items } => {
            let names = items.clone().into_iter().map_while(Result::ok).map(|item| item.name.len() as u64);
            module.len() as u64 * u64::from(items.count()) + names.sum::<u64>()
        }
        Imports::Compact2 { module, names, .. } => {
            let lengths = names.clone().into_iter().map_while(Result::ok).map(|name| name.len() as u64);
            module.len() as u64 * u64::from(names.count()) + lengths.sum::<u64>()
        }
    };
    groups.map(of_group).fold(0, u64::saturating_add)
}

fn chunks(jobs: Vec<Job<'_>>) -> Vec<Vec<Job<'_>>> {
    let mut chunks = vec![Vec::new()];
    let mut bytes = 0;
    for job in jobs {
        if let Some(chunk) = chunks.last_mut() {
            let range = job.body.range();
            bytes += range.end - range.start;
            chunk.push(job);
            if bytes >= CHUNK_BYTES || chunk.len() >= CHUNK_FUNCTIONS {
                bytes = 0;
                chunks.push(Vec::new());
            }
        }
    }
    chunks
}

#[cfg(feature = "parallel")]
fn scan_chunks(chunks: Vec<Vec<Job<'_>>>, watched: &[bool]) -> Vec<wasmparser::Result<Scan>> {
    use rayon::prelude::*;
    chunks.into_par_iter().map(|jobs| code::scan(jobs, watched)).collect()
}

#[cfg(not(feature = "parallel"))]
fn scan_chunks(
    chunks: Vec<Vec<Job<'_>>>,
    watched: &[bool],
) -> impl Iterator<Item = wasmparser::Result<Scan>> {
    chunks.into_iter().map(|jobs| code::scan(jobs, watched))
}
