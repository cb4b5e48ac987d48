//! The rows of a file: at least one, whatever it is.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use memgrove_inspect::{Knowledge, conclude_with, facts};
use memgrove_open::{Binary, Found, Limits, OpenError, each_binary};
use memgrove_text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ROW_VERSION, Row, Status};

/// Characters of an error: it may quote a name, and a name may be as long as the file.
const MOST_ERROR_CHARS: usize = 200;

/// A module that is about to be inspected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its row will be this one of its input, from 0.
    pub index: u64,
    /// Its path in an archive.
    pub member: Option<String>,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
}

/// Makes rows, each with the same tool and knowledge.
#[derive(Clone, Debug)]
pub struct RowMaker<'a> {
    knowledge: &'a Knowledge,
    version: String,
    tool: String,
}

impl<'a> RowMaker<'a> {
    /// For `tool`, as `memgrove 0.1.0`.
    #[must_use]
    pub fn new(tool: &str, knowledge: &'a Knowledge) -> Self {
        Self { knowledge, version: knowledge.version(), tool: tool.to_owned() }
    }

    /// A row that says why nothing can be said; it is its input's last.
    #[must_use]
    pub fn failed(&self, source: &str, status: Status, error: &str) -> Row {
        Row { error: Some(cut(error)), status: Some(status.word().to_owned()), ..self.row(source) }
    }

    /// The row of an input that could not be opened.
    #[must_use]
    pub fn not_opened(&self, source: &str, error: &OpenError) -> Row {
        let row = self.failed(source, Status::of_opening(error), &memgrove_api::of_opening(error).message);
        Row { error_offset: error.offset(), ..row }
    }

    fn row(&self, source: &str) -> Row {
        Row {
            row_version: Some(ROW_VERSION),
            tool: Some(self.tool.clone()),
            knowledge: Some(self.version.clone()),
            source: Some(source.to_owned()),
            last: true,
            ..Row::default()
        }
    }

    /// The rows of a module's bytes: its own, and those of a component's core modules.
    fn inspect(&self, bytes: &[u8], row: Row) -> Vec<Row> {
        // A defect of ours must cost one row of a million.
        let report = catch_unwind(AssertUnwindSafe(|| {
            facts(bytes).map(|facts| conclude_with(&facts, self.knowledge))
        }));
        let report = match report {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => {
                return vec![Row {
                    status: Some(Status::of_module(&error).word().to_owned()),
                    error: Some(cut(&error.to_string())),
                    error_offset: Some(error.offset()),
                    ..row
                }];
            }
            Err(_) => {
                let error = Some("internal error while inspecting it".to_owned());
                return vec![Row { status: Some(Status::Crashed.word().to_owned()), error, ..row }];
            }
        };
        let mut own = Row { status: Some(Status::Ok.word().to_owned()), ..row.clone() };
        own.describe(&report);
        let mut rows = vec![own];
        for (number, module) in report.component.iter().flat_map(|component| &component.modules).enumerate() {
            let start = module.offset as usize;
            let inside = usize::try_from(module.size_bytes)
                .ok()
                .and_then(|len| bytes.get(start..start.checked_add(len)?))
                .unwrap_or_default();
            let mut inner = Row {
                part: Some(format!("{}core{number}", row.part.as_deref().unwrap_or_default())),
                sha256: Some(hex(&Sha256::digest(inside))),
                status: Some(Status::Ok.word().to_owned()),
                ..row.clone()
            };
            inner.describe(&module.report);
            rows.push(inner);
        }
        rows
    }
}

/// What whoever asks knows of a module already.
pub type Known = Option<Vec<Row>>;

/// Hands on the rows of a file's bytes, each as soon as it is made; at least one, unless `from` lies behind them all. It begins at
/// that module: what lies before it is unpacked and not inspected. None is marked as the last, as that shows only at the end.
///
/// Of each module `known` is asked first. What it returns are rows of the same bytes, which are taken instead of
/// inspecting them again.
pub fn each_row(
    bytes: Vec<u8>,
    source: &str,
    limits: &Limits,
    maker: &RowMaker<'_>,
    from: u64,
    known: &mut dyn FnMut(&Module) -> Known,
    take: &mut dyn FnMut(Row),
) {
    let mut index = 0;
    let mut numbers = Numbers::default();
    each_binary(bytes, source, limits, &mut |found| {
        let is_wanted = index >= from;
        index += 1;
        let number = numbers.next(&found);
        if !is_wanted {
            return ControlFlow::Continue(());
        }
        let binary = match found.result {
            Ok(binary) => binary,
            Err(error) => {
                take(Row { member: found.member, last: false, ..maker.not_opened(source, &error) });
                return ControlFlow::Continue(());
            }
        };
        let module = Module {
            index: index - 1,
            member: found.member,
            sha256: hex(&Sha256::digest(&binary.bytes)),
            size_bytes: binary.bytes.len() as u64,
        };
        let row = Row {
            part: number.map(|number| format!("#{number}")),
            wrapped_in: binary.wrapped_in,
            last: false,
            ..module.row(maker.row(source))
        };
        match known(&module) {
            Some(rows) => rows.into_iter().for_each(|same| take(same.moved_to(&row))),
            None => maker.inspect(&binary.bytes, row).into_iter().for_each(&mut *take),
        }
        ControlFlow::Continue(())
    });
}

/// All rows of a file's bytes; the last says so.
#[must_use]
pub fn rows(bytes: Vec<u8>, source: &str, limits: &Limits, maker: &RowMaker<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    each_row(bytes, source, limits, maker, 0, &mut |_| None, &mut |row| rows.push(row));
    if let Some(last) = rows.last_mut() {
        last.last = true;
    }
    rows
}

impl Module {
    /// A row with what is known of it.
    #[must_use]
    pub fn row(&self, row: Row) -> Row {
        Row {
            member: self.member.clone(),
            sha256: Some(self.sha256.clone()),
            size_bytes: Some(self.size_bytes),
            ..row
        }
    }
}

impl Row {
    /// What is said of the same bytes in another place.
    fn moved_to(self, place: &Self) -> Self {
        let core = self.part.as_deref().and_then(|part| part.find("core").map(|at| part[at..].to_owned()));
        let part = match (&place.part, core) {
            (Some(number), Some(core)) => Some(format!("{number}{core}")),
            (number, core) => core.or_else(|| number.clone()),
        };
        Self {
            source: place.source.clone(),
            member: place.member.clone(),
            wrapped_in: place.wrapped_in.clone(),
            part,
            last: false,
            ..self
        }
    }
}

/// Numbers the modules that are inlined in one script.
#[derive(Default)]
struct Numbers {
    member: Option<String>,
    number: u64,
}

impl Numbers {
    /// The number of what was found, if it was inlined.
    fn next(&mut self, found: &Found) -> Option<u64> {
        if self.member != found.member {
            self.member.clone_from(&found.member);
            self.number = 0;
        }
        self.number += 1;
        found.result.as_ref().is_ok_and(Binary::is_inlined).then_some(self.number)
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_ERROR_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
