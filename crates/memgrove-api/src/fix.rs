//! A module that runs anywhere, from one that needs its host: planned and carried out in memory.
//!
//! ```text
//! Request ─► plan(): Planned ─► refusal()? ─► memgrove-verify ─► show(): text or JSON
//! ```

pub mod lower;

use memgrove_inspect::facts::MemoryType;
use memgrove_inspect::{Facts, Report, facts};
use memgrove_rewrite::{Allocator, Discard, Fixed, Glue, GlueError, Item, Options, Stubs, Traps};
use memgrove_view::fix::{Done, Fix, HostVerdict};

use crate::error::{Error, UserError};
use crate::host::HostTarget;

/// The JavaScript that says what minified names are.
#[derive(Clone, Copy, Debug)]
pub enum Script<'a> {
    /// What was named for it: it has to be understood.
    Named {
        /// Its file, as it is shown.
        name: &'a str,
        /// It.
        text: &'a str,
    },
    /// What the module was found in: where it is not understood, it is as if it were not there, with a note.
    Around(&'a str),
}

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The host that the result is for.
    pub host: &'a HostTarget,
    /// What may be answered by something poorer than a host's function.
    pub stubs: Stubs,
    /// What traps when called instead of staying an import.
    pub trap: Traps,
    /// The heap for an imported malloc and its family.
    pub allocator: Option<Allocator>,
    /// The maximum of a memory that declares a smaller one.
    pub max_memory_bytes: Option<u64>,
    /// The proposals that the result is to do without: their ids, [`lower::HOST`] or [`lower::ALL`].
    pub lower: Vec<String>,
    /// What becomes of giving memory back; `None`: an import is lowered, and an instruction stays.
    pub discard: Option<Discard>,
    /// The JavaScript beside or around the module.
    pub script: Option<Script<'a>>,
    /// A result is wanted even if imports stay or the host does not run it.
    pub partial: bool,
}

/// A module with its plan applied.
#[derive(Debug)]
pub struct Carried {
    fixed: Fixed,
    options: Options,
}

/// Plans, and makes the result.
///
/// # Errors
/// [`Error::User`] if the request does not fit the module, or what rewriting says.
pub fn carry_out(original: &Facts<'_>, request: &Request<'_>) -> Result<Carried, Error> {
    let mut options = options(request, original)?;
    let mut fixed = match request.script {
        Some(Script::Named { name, text }) => {
            options.glue = Some(Glue::read(text, original).map_err(|error| not_understood(name, &error))?);
            memgrove_rewrite::fix_facts(original, &options).map_err(|error| match error {
                memgrove_rewrite::Error::Glue(error) => not_understood(name, &error).into(),
                other => Error::from(other),
            })?
        }
        Some(Script::Around(text)) => fix_with_own(text, original, &mut options)?,
        None => memgrove_rewrite::fix_facts(original, &options)?,
    };
    let is_missing = |name: &&String| !fixed.plan.imports.iter().any(|item| item.is_called(name));
    if let Some(name) = options.trap.names.iter().find(is_missing) {
        return Err(UserError::usage(format!("--trap: the module imports nothing called `{name}`"))
            .hint("--dry-run lists its imports; groups are memory, wasi, js-glue, unknown and so on, or rest")
            .into());
    }
    if !options.lower.is_empty() {
        fixed.plan.notes.extend(lower::still_needed(&options.lower, &facts(&fixed.wasm)?));
    }
    Ok(Carried { fixed, options })
}

/// What is known of a result without running it. Original and result are read once.
pub struct Planned<'a> {
    /// The file's name, as it is shown.
    pub name: &'a str,
    /// What the original says.
    pub original: &'a Facts<'a>,
    /// The result and its plan.
    pub fixed: &'a Fixed,
    /// What the result says.
    pub result: Facts<'a>,
    /// What the inspector says of the result.
    pub report: Report,
    /// The part of it about the host that it is for.
    pub on_host: HostVerdict,
    /// Of what the host lacks, something could be lowered.
    lower_helps: bool,
    /// What the result was to do without and needs nevertheless.
    still_needed: Vec<String>,
    /// Nothing stays that the host does not provide, or the user wants it anyway.
    is_allowed: bool,
    partial: bool,
}

impl<'a> Planned<'a> {
    /// Reads the result.
    ///
    /// # Errors
    /// If it is not valid.
    pub fn new(
        name: &'a str,
        original: &'a Facts<'a>,
        carried: &'a Carried,
        request: &Request<'_>,
    ) -> Result<Self, Error> {
        let Carried { fixed, options } = carried;
        let result = facts(&fixed.wasm)?;
        let report = request.host.report(&result);
        let on_host = request.host.verdict(&report)?;
        let partial = request.partial;
        let lower_helps = request.lower.is_empty() && lower::helps(request.host, &result);
        let still_needed = lower::still_needed(&options.lower, &result);
        let mut remaining = fixed.plan.remaining();
        let is_allowed = partial || remaining.all(|item| options.is_provided(&item.module, &item.name));
        Ok(Self {
            name,
            original,
            fixed,
            result,
            report,
            on_host,
            lower_helps,
            still_needed,
            is_allowed,
            partial,
        })
    }

    /// Nothing has to stay, and the host runs it.
    #[must_use]
    pub fn is_as_wanted(&self) -> bool {
        self.is_allowed && self.is_as_wanted_but_for_imports()
    }

    /// The host runs it, and what was to be lowered is.
    #[must_use]
    pub fn is_as_wanted_but_for_imports(&self) -> bool {
        !self.on_host.is_no() && self.still_needed.is_empty()
    }

    /// Why the result is not to be written.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self.fixed.plan.remaining().count() {
            _ if self.partial => None,
            _ if self.is_allowed && self.on_host.is_no() => {
                let hint = if self.lower_helps {
                    "; --lower writes what it lacks in older instructions"
                } else {
                    ""
                };
                Some(format!("the target host does not run the result: {}{hint}", self.on_host.words()))
            }
            _ if self.is_allowed => (!self.still_needed.is_empty()).then(|| self.still_needed.join("; ")),
            1 => Some("1 import stays".to_owned()),
            count => Some(format!("{count} imports stay")),
        }
    }

    /// The imports of a name, to be explained.
    ///
    /// # Errors
    /// If there is none.
    pub fn explained(&self, name: &str) -> Result<impl Iterator<Item = &'a Item>, UserError> {
        let mut named = self.fixed.plan.imports.iter().filter(move |item| item.is_called(name)).peekable();
        if named.peek().is_none() {
            return Err(UserError::usage(format!("--explain: the module imports nothing called `{name}`"))
                .hint("--dry-run lists its imports"));
        }
        Ok(named.collect::<Vec<_>>().into_iter())
    }

    /// It as it is shown.
    #[must_use]
    pub fn shown<'s>(&'s self, done: Option<Done<'s>>) -> Fix<'s> {
        Fix {
            name: self.name,
            bytes_before: self.original.bytes().len(),
            plan: &self.fixed.plan,
            host: &self.on_host,
            done,
        }
    }
}

/// What a user can do about JavaScript that is not the module's.
fn not_understood(name: &str, error: &GlueError) -> UserError {
    UserError::failed(format!("the glue {name} was not understood: {error}"))
        .hint("it has to be the file of the same build; without --glue the module alone decides")
}

/// Fixes a module with what the JavaScript around it says; where that is not understood, as if it were not there, with a
/// note.
fn fix_with_own(script: &str, facts: &Facts<'_>, options: &mut Options) -> Result<Fixed, Error> {
    let why = match Glue::read(script, facts) {
        Err(GlueError::NothingMinified) => None,
        Err(error) => Some(error),
        Ok(glue) => {
            options.glue = Some(glue);
            match memgrove_rewrite::fix_facts(facts, options) {
                Err(memgrove_rewrite::Error::Glue(error)) => Some(error),
                result => return Ok(result?),
            }
        }
    };
    options.glue = None;
    let mut fixed = memgrove_rewrite::fix_facts(facts, options)?;
    let note =
        why.map(|why| format!("the JavaScript around the module does not say what its names are: {why}"));
    fixed.plan.notes.extend(note);
    Ok(fixed)
}

fn options(request: &Request<'_>, facts: &Facts<'_>) -> Result<Options, UserError> {
    if let (Some(bytes), Some(memory)) = (request.max_memory_bytes, facts.memories.first()) {
        check_maximum(bytes, &memory.ty)?;
    }
    Ok(Options {
        stubs: request.stubs,
        provided: request.host.provided(facts),
        export_memory: request.host.needs_memory_export(facts),
        max_memory_bytes: request.max_memory_bytes,
        allocator: request.allocator,
        glue: None,
        trap: request.trap.clone(),
        discard: request.discard.unwrap_or(Discard::Lower),
        lower: lower::proposals(&request.lower, request.discard == Some(Discard::Lower), request.host, facts),
    })
}

/// Whether the memory can have such a maximum.
fn check_maximum(bytes: u64, memory: &MemoryType) -> Result<(), UserError> {
    let page_bytes = memory.page_size_bytes();
    if !bytes.is_multiple_of(page_bytes) {
        return Err(UserError::usage(format!("--max-memory {bytes} is not a multiple of a page"))
            .hint(format!("this memory's pages have {page_bytes} bytes")));
    }
    if !memory.memory64 && bytes > 1 << 32 {
        return Err(UserError::usage(format!("--max-memory {bytes} is more than a 32-bit memory can have"))
            .hint("the most is 4GiB"));
    }
    Ok(())
}
