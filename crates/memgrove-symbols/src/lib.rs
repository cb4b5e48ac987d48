//! What functions and code offsets of a module are called in its source.
//!
//! ```text
//! name section, imports, exports ─┐
//! symbol map of Emscripten ───────┼─► Symbols ─► frames of a call site: function, file, line; inlined functions
//! DWARF, here or in another file ─┤
//! source map ─────────────────────┘
//! ```
//!
//! What knows more comes first: DWARF, then the symbol map, then the name section. A file that belongs to another module
//! is refused.
#![forbid(unsafe_code)]

mod demangle;
mod dwarf;
mod source_map;
mod symbol_map;

use memgrove_module::facts::Facts;
use memgrove_profile::{Frame, Names, Site};
use thiserror::Error;

pub use demangle::demangle;

use dwarf::Dwarf;
use source_map::SourceMap;
use symbol_map::SymbolMap;

/// Why names cannot be taken from a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The separate debug file belongs to another module.
    #[error("it belongs to another module: {0}")]
    OtherModule(&'static str),
    /// It holds no DWARF.
    #[error("it has no DWARF (no .debug_info section)")]
    NoDwarf,
    /// Its DWARF cannot be read.
    #[error("its DWARF cannot be read: {0}")]
    Dwarf(gimli::Error),
    /// It is no source map.
    #[error("it is not a source map: {0}")]
    SourceMap(String),
    /// It is no symbol map.
    #[error("it is not a symbol map: line {line} is not `index:name`")]
    SymbolMap {
        /// The line, from 1.
        line: usize,
    },
}

/// The names of a module.
pub struct Symbols<'m> {
    module: &'m Facts<'m>,
    debug: Option<&'m Facts<'m>>,
    dwarf: Option<Dwarf<'m>>,
    source_map: Option<SourceMap>,
    symbol_map: Option<SymbolMap>,
    /// Why the module's own DWARF is not used.
    dwarf_error: Option<Error>,
}

impl<'m> Symbols<'m> {
    /// What the module itself says.
    #[must_use]
    pub fn new(module: &'m Facts<'m>) -> Self {
        let (dwarf, dwarf_error) = match Dwarf::read(module, module) {
            Ok(dwarf) => (Some(dwarf), None),
            Err(Error::NoDwarf) => (None, None),
            Err(error) => (None, Some(error)),
        };
        Self { module, debug: None, dwarf, source_map: None, symbol_map: None, dwarf_error }
    }

    /// Why the DWARF that the module has is not used.
    #[must_use]
    pub fn dwarf_error(&self) -> Option<&Error> {
        self.dwarf_error.as_ref()
    }

    /// Whether nothing names the module's own functions: no names, no DWARF, and no other file that has them.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        let files = self.debug.is_some() || self.source_map.is_some() || self.symbol_map.is_some();
        let imported = self.module.imported_func_count();
        let own_names = self.module.names.funcs.iter().any(|(func, _)| func >= imported);
        !files && self.dwarf.is_none() && !own_names
    }

    /// Takes DWARF and names of a separate debug file, as `external_debug_info` refers to; `name` is that file's.
    ///
    /// # Errors
    /// If it is not this module's: neither the same build id nor the same code, nor the file that the module names. If
    /// its DWARF cannot be read.
    pub fn with_debug_file(mut self, debug: &'m Facts<'m>, name: &str) -> Result<Self, Error> {
        belongs(self.module, debug, name)?;
        self.dwarf = Some(Dwarf::read(debug, self.module)?);
        self.debug = Some(debug);
        Ok(self)
    }

    /// Takes files and lines of a source map.
    ///
    /// # Errors
    /// If it is none.
    pub fn with_source_map(mut self, json: &[u8]) -> Result<Self, Error> {
        self.source_map = Some(SourceMap::read(json)?);
        Ok(self)
    }

    /// Takes the names of a symbol map, as `emcc --emit-symbol-map` writes it.
    ///
    /// # Errors
    /// If it is none.
    pub fn with_symbol_map(mut self, text: &str) -> Result<Self, Error> {
        self.symbol_map = Some(SymbolMap::read(text)?);
        Ok(self)
    }

    /// The function whose body holds this offset of the module. Logarithmic.
    #[must_use]
    pub fn function_at(&self, offset: u32) -> Option<u32> {
        let at = self.module.functions.partition_point(|function| function.body_offset <= offset);
        let at = at.checked_sub(1)?;
        let function = self.module.functions.get(at)?;
        let into = offset - function.body_offset;
        (into < function.body_len)
            .then(|| self.module.imported_func_count().saturating_add(u32::try_from(at).unwrap_or(u32::MAX)))
    }

    /// A function's name, demangled; without one its index in words.
    #[must_use]
    pub fn function(&self, func: u32) -> String {
        let mapped = self.symbol_map.as_ref().and_then(|map| map.name(func));
        let name = mapped
            .or_else(|| self.debug.and_then(|debug| debug.names.funcs.get(func)))
            .or_else(|| self.module.func_name(func));
        name.map_or_else(|| format!("function {func}"), demangle)
    }

    fn at(&self, offset: u32) -> Vec<Frame> {
        let Some(func) = self.function_at(offset) else {
            let frame =
                Frame { function: "(no function)".to_owned(), offset: Some(offset), ..Frame::default() };
            return vec![frame];
        };
        let mut frames = self.dwarf.as_ref().map(|dwarf| dwarf.frames(offset)).unwrap_or_default();
        if frames.is_empty() {
            frames.push(Frame::default());
        }
        let outermost = frames.len() - 1;
        for (at, frame) in frames.iter_mut().enumerate() {
            frame.func = Some(func);
            frame.offset = Some(offset);
            frame.is_inlined = at < outermost;
            if frame.function.is_empty() {
                frame.function = self.function(func);
            }
        }
        if frames[0].line.is_none()
            && let Some(place) = self.source_map.as_ref().and_then(|map| self.mapped(map, func, offset))
        {
            (frames[0].file, frames[0].line, frames[0].column) = place;
        }
        frames
    }

    fn mapped(&self, map: &SourceMap, func: u32, offset: u32) -> Option<source_map::Place> {
        let body = self.module.function(func)?;
        map.at(offset, body.body_offset)
    }
}

impl Names for Symbols<'_> {
    fn frames(&self, site: Site) -> Vec<Frame> {
        match site {
            Site::Entry(func) => {
                let function = self.function(func);
                vec![Frame { function, func: Some(func), is_entry: true, ..Frame::default() }]
            }
            Site::Within(func) => {
                vec![Frame { function: self.function(func), func: Some(func), ..Frame::default() }]
            }
            Site::Call(offset) => self.at(offset),
        }
    }
}

/// Whether a debug file is this module's.
fn belongs(module: &Facts<'_>, debug: &Facts<'_>, name: &str) -> Result<(), Error> {
    if let (Some(ours), Some(theirs)) = (module.custom.build_id, debug.custom.build_id) {
        return if ours == theirs { Ok(()) } else { Err(Error::OtherModule("its build id is another")) };
    }
    if !debug.functions.is_empty() {
        let same = dwarf::code(module) == dwarf::code(debug);
        return if same { Ok(()) } else { Err(Error::OtherModule("its code is another")) };
    }
    let file_name = |path: &str| path.rsplit(['/', '\\']).next().map(str::to_owned);
    match module.custom.external_debug_info {
        Some(named) if file_name(named) == file_name(name) => Ok(()),
        _ => Err(Error::OtherModule(
            "it has neither its code nor its build id, and is not the file that it names",
        )),
    }
}

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
