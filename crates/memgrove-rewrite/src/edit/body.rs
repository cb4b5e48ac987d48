//! The code section: bodies copied, renumbered or instrumented, and where their instructions went.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{BlockType, Encode, Instruction, ValType};
use wasmparser::{BinaryReader, FuncType, FunctionBody, Operator, OperatorsReader, for_each_operator};

use super::map::Runs;
use super::splice::{Code, Frame, Instrument, Site, Splice, Subject};
use super::write::Writer;
use super::{Body, count};
use crate::Error;

/// The code section's contents, and where in them the original's instructions lie.
#[derive(Default)]
pub(super) struct CodeSection {
    pub bytes: Vec<u8>,
    pub runs: Runs,
    /// What became of the bodies of the original.
    pub originals: Vec<Original>,
    /// The body in the making.
    body: Vec<u8>,
    body_runs: Runs,
}

/// A body of the original.
#[derive(Clone, Copy)]
pub(super) struct Original {
    /// Where it begins, in bytes from the start of the original.
    pub start: u32,
    /// It was instrumented.
    pub is_instrumented: bool,
}

impl Writer<'_, '_, '_> {
    /// Writes all bodies, in the order of their functions.
    pub fn code(&mut self, instrument: &mut dyn Instrument) -> Result<CodeSection, Error> {
        let edits = self.edits;
        let sections = edits.sections;
        let mut code = CodeSection::default();
        let defined = sections.funcs.len() - sections.imported_funcs as usize;
        count(edits.satisfied.len() + defined + edits.funcs.len()).encode(&mut code.bytes);
        code.originals.reserve(defined);

        for body in edits.satisfied.values() {
            self.own_body(body, &mut code)?;
        }
        // Definitions that are wrapped come behind: with the added functions, in the order of these.
        let mut moved = Vec::new();
        for (index, body) in (sections.imported_funcs..).zip(sections.bodies()?) {
            let body = body?;
            code.originals.push(Original { start: offset(body.range().start), is_instrumented: false });
            if edits.wrapped.contains_key(&index) {
                moved.push((index, body.clone()));
            }
            match edits.replaced.get(&index) {
                Some(body) => self.own_body(body, &mut code)?,
                None => self.original_body(index, &body, instrument, &mut code)?,
            }
        }
        for function in &edits.funcs {
            match (&function.body, function.wraps) {
                (Some(body), _) => self.own_body(body, &mut code)?,
                (None, wraps) => {
                    let at = moved.binary_search_by_key(&wraps, |(index, _)| Some(*index));
                    let (index, body) = at
                        .ok()
                        .and_then(|at| moved.get(at))
                        .ok_or_else(|| Error::Encode("a wrapped function without a body".to_owned()))?;
                    self.original_body(*index, body, instrument, &mut code)?;
                }
            }
        }
        Ok(code)
    }

    /// A body that was handed in.
    fn own_body(&mut self, body: &Body, code: &mut CodeSection) -> Result<(), Error> {
        if self.spaces.are_identity() {
            code.body.extend(&body.0);
        } else {
            let body = FunctionBody::new(BinaryReader::new(&body.0, 0));
            self.locals(&body, &[], &mut code.body)?;
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                self.parse_instruction(&mut reader)?.encode(&mut code.body);
            }
        }
        code.finish_body();
        Ok(())
    }

    /// A body of the original.
    fn original_body(
        &mut self,
        index: u32,
        body: &FunctionBody<'_>,
        instrument: &mut dyn Instrument,
        code: &mut CodeSection,
    ) -> Result<(), Error> {
        let sections = self.edits.sections;
        let ty =
            sections.func_type(index).ok_or_else(|| super::edits::not_editable(index, "it has no type"))?;
        let subject = Subject { index, ty, body, first_local: first_local(ty, body)? };
        let start = offset(body.range().start);
        match instrument.function(&subject)? {
            Some(frame) => {
                code.originals[(index - sections.imported_funcs) as usize].is_instrumented = true;
                code.body_runs.push(start, 0, 1);
                self.instrumented(&subject, &frame, instrument, code)?;
            }
            None if self.spaces.are_identity() => {
                code.body_runs.push(start, 0, count(body.as_bytes().len()));
                code.body.extend(body.as_bytes());
            }
            None => {
                code.body_runs.push(start, 0, 1);
                self.locals(body, &[], &mut code.body)?;
                let mut reader = body.get_operators_reader()?;
                while !reader.eof() {
                    let (from, at) = (reader.original_position(), count(code.body.len()));
                    self.parse_instruction(&mut reader)?.encode(&mut code.body);
                    code.moved(from, reader.original_position(), at);
                }
            }
        }
        code.finish_body();
        Ok(())
    }

    fn instrumented(
        &mut self,
        subject: &Subject<'_, '_>,
        frame: &Frame,
        instrument: &mut dyn Instrument,
        code: &mut CodeSection,
    ) -> Result<(), Error> {
        self.locals(subject.body, &frame.locals, &mut code.body)?;
        self.insert(&frame.entry, &mut code.body)?;
        let has_exit = !frame.exit.is_empty();
        if has_exit {
            Instruction::Block(self.results_block(subject)?).encode(&mut code.body);
        }
        let mut splice = Splice::default();
        let mut depth = 0;
        let mut reader = subject.body.get_operators_reader()?;
        while !reader.eof() {
            let (operator, from) = reader.read_with_offset()?;
            if !is_understood(&operator) {
                let operator = name_of(&operator);
                return Err(Error::NotUnderstood { func: subject.index, operator, offset: from });
            }
            splice.clear();
            let site = Site { function: subject, operator: &operator, offset: from, depth };
            instrument.instruction(&site, &mut splice)?;
            let is_last = reader.eof();
            self.insert(&splice.before, &mut code.body)?;
            if is_last {
                self.insert(&splice.after, &mut code.body)?;
                if has_exit {
                    Instruction::End.encode(&mut code.body);
                    self.insert(&frame.exit, &mut code.body)?;
                }
            } else if has_exit && is_tail_call(&operator) {
                self.insert(&frame.exit, &mut code.body)?;
            }
            if !splice.removed || is_last {
                let at = count(code.body.len());
                match operator {
                    Operator::Return if has_exit => Instruction::Br(depth).encode(&mut code.body),
                    ref other => self.instruction(other.clone())?.encode(&mut code.body),
                }
                code.moved(from, reader.original_position(), at);
            }
            if !is_last {
                self.insert(&splice.after, &mut code.body)?;
            }
            depth = depth_behind(&operator, depth);
        }
        Ok(())
    }

    /// The block type of a function's results.
    fn results_block(&mut self, subject: &Subject<'_, '_>) -> Result<BlockType, Error> {
        let type_index = self.edits.sections.funcs[subject.index as usize];
        // A type may be longer than the functions that have it.
        if let Some(&known) = self.result_blocks.get(&type_index) {
            return Ok(known);
        }
        let results =
            subject.ty.results().iter().map(|&ty| self.val_type(ty)).collect::<Result<Vec<_>, _>>()?;
        let block = match results.as_slice() {
            [] => BlockType::Empty,
            [result] => BlockType::Result(*result),
            _ => BlockType::FunctionType(self.add_type((Vec::new(), results))),
        };
        self.result_blocks.insert(type_index, block);
        Ok(block)
    }

    /// Declares a body's locals, and others behind them.
    fn locals(&mut self, body: &FunctionBody<'_>, more: &[ValType], out: &mut Vec<u8>) -> Result<(), Error> {
        let reader = body.get_locals_reader()?;
        let more: Vec<&[ValType]> = more.chunk_by(|one, next| one == next).collect();
        (reader.get_count() + count(more.len())).encode(out);
        for group in reader {
            let (times, ty) = group?;
            times.encode(out);
            self.val_type(ty)?.encode(out);
        }
        for group in more {
            count(group.len()).encode(out);
            if let Some(ty) = group.first() {
                ty.encode(out);
            }
        }
        Ok(())
    }

    /// Code that was handed in.
    fn insert(&mut self, code: &Code, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.spaces.are_identity() {
            out.extend(&code.bytes);
            return Ok(());
        }
        let mut reader = OperatorsReader::new(BinaryReader::new(&code.bytes, 0));
        while !reader.eof() {
            self.parse_instruction(&mut reader)?.encode(out);
        }
        Ok(())
    }
}

impl CodeSection {
    /// An instruction at `from..to` in the original has been written to the end of the body, from `at`.
    fn moved(&mut self, from: u64, to: u64, at: u32) {
        let written = count(self.body.len()) - at;
        let read = offset(to - from);
        // Of another length: only its beginning has a counterpart.
        let len = if read == written { read } else { 1 };
        self.body_runs.push(offset(from), at, len);
    }

    fn finish_body(&mut self) {
        count(self.body.len()).encode(&mut self.bytes);
        let base = count(self.bytes.len());
        for run in self.body_runs.0.drain(..) {
            self.runs.push(run.original, base + run.output, run.len);
        }
        self.bytes.append(&mut self.body);
    }
}

/// The first index behind a function's parameters and locals.
fn first_local(ty: &FuncType, body: &FunctionBody<'_>) -> Result<u32, Error> {
    let mut locals = count(ty.params().len());
    for group in body.get_locals_reader()? {
        locals = locals.saturating_add(group?.0);
    }
    Ok(locals)
}

/// Offsets in a module fit: none is larger than 4 GiB.
fn offset(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A call by which a function is left.
pub(crate) fn is_tail_call(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. }
    )
}

/// Blocks around what follows an operator that has `depth` blocks around it.
fn depth_behind(operator: &Operator<'_>, depth: u32) -> u32 {
    match operator {
        Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::If { .. }
        | Operator::Try { .. }
        | Operator::TryTable { .. } => depth + 1,
        Operator::End | Operator::Delegate { .. } => depth.saturating_sub(1),
        _ => depth,
    }
}

/// Proposals whose operators neither leave a function nor come back into it in a way unknown here.
///
/// A list of what is known, not of what is not: an operator of a later proposal is refused.
fn is_understood(operator: &Operator<'_>) -> bool {
    macro_rules! understood {
        (mvp) => {
            true
        };
        (exceptions) => {
            true
        };
        (legacy_exceptions) => {
            true
        };
        (tail_call) => {
            true
        };
        (reference_types) => {
            true
        };
        (sign_extension) => {
            true
        };
        (saturating_float_to_int) => {
            true
        };
        (bulk_memory) => {
            true
        };
        (simd) => {
            true
        };
        (relaxed_simd) => {
            true
        };
        (threads) => {
            true
        };
        (acquire_release_atomics) => {
            true
        };
        (gc) => {
            true
        };
        (function_references) => {
            true
        };
        (memory_control) => {
            true
        };
        (wide_arithmetic) => {
            true
        };
        ($other:ident) => {
            false
        };
    }
    macro_rules! table {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => understood!($proposal), )*
                _ => false,
            }
        };
    }
    for_each_operator!(table)
}

/// An operator's name, without its operands.
fn name_of(operator: &Operator<'_>) -> String {
    let text = format!("{operator:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}
