//! What is to be inspected, one after the other.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memgrove_rows::Status;
use memgrove_text::escape_file_name;
use serde::Deserialize;

use super::RowRun;
use crate::input::{self, Source};

/// Something to inspect.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// As it is named in rows.
    pub(super) source: String,
    pub(super) from: Origin,
}

/// Where its bytes are.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Path(PathBuf),
    /// As base64.
    Inline(String),
    /// Nowhere: it names nothing that could be read.
    Nowhere(Status, String),
}

/// The sources that an earlier run has finished, with how often.
#[derive(Debug, Default)]
pub(super) struct Finished(HashMap<String, u32>);

impl Finished {
    pub(super) fn add(&mut self, source: &str) {
        *self.0.entry(source.to_owned()).or_default() += 1;
    }

    /// Whether it is one of them; each counts once.
    fn take(&mut self, source: &str) -> bool {
        match self.0.get_mut(source) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

/// All inputs.
pub(super) struct Inputs {
    named: VecDeque<Input>,
    list: Option<List>,
    finished: Finished,
    /// As a finished source is written in the output.
    key: fn(&str) -> String,
    pub(super) skipped: u64,
    /// Files in folders that hold no WebAssembly.
    pub(super) without: u64,
}

struct List {
    name: String,
    line: u64,
    reader: Box<dyn BufRead + Send>,
    max_line_bytes: u64,
}

/// A line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: Option<PathBuf>,
    name: Option<String>,
    bytes: Option<String>,
}

impl Inputs {
    pub(super) fn new(run: &RowRun<'_>, (finished, key): (Finished, fn(&str) -> String)) -> Result<Self> {
        let found = input::walk(run.paths, run.max_size);
        let mut named = VecDeque::new();
        for (folder, error) in found.unreadable {
            let from = Origin::Nowhere(Status::Unreadable, error.to_string());
            named.push_back(Input { source: escape_file_name(folder.as_os_str()), from });
        }
        for source in found.sources {
            let name = source.name();
            let from = match &source {
                Source::File(path) => Origin::Path(path.clone()),
                Source::Stdin => match source.read(run.max_size) {
                    Ok(bytes) => Origin::Inline(STANDARD.encode(bytes)),
                    Err(error) => Origin::Nowhere(Status::Unreadable, format!("{error:#}")),
                },
            };
            named.push_back(Input { source: name, from });
        }
        let list = run.args.files_from.as_ref().map(|path| {
            let name = escape_file_name(path.as_os_str());
            let reader: Box<dyn BufRead + Send> = if path.as_os_str() == "-" {
                Box::new(BufReader::new(io::stdin()))
            } else {
                Box::new(BufReader::new(
                    File::open(path).with_context(|| format!("reading the list {name}"))?,
                ))
            };
            // As base64 it is a third longer; a name stands before it.
            let max_line_bytes = run.max_size.saturating_mul(4) / 3 + (64 << 10);
            Ok::<_, anyhow::Error>(List { name, line: 0, reader, max_line_bytes })
        });
        Ok(Self { named, list: list.transpose()?, finished, key, skipped: 0, without: found.skipped })
    }

    /// There are no more.
    pub(super) fn stop(&mut self) {
        self.named.clear();
        self.list = None;
    }

    /// The next that is not finished.
    pub(super) fn next(&mut self) -> Result<Option<Input>> {
        loop {
            let next = match (self.named.pop_front(), &mut self.list) {
                (Some(next), _) => next,
                (None, None) => return Ok(None),
                (None, Some(list)) => match list.next()? {
                    Some(next) => next,
                    None => return Ok(None),
                },
            };
            if !self.finished.take(&(self.key)(&next.source)) {
                return Ok(Some(next));
            }
            self.skipped += 1;
        }
    }
}

impl List {
    fn next(&mut self) -> Result<Option<Input>> {
        loop {
            self.line += 1;
            let mut line = Vec::new();
            let read = self.reader.by_ref().take(self.max_line_bytes).read_until(b'\n', &mut line);
            if read.with_context(|| format!("reading the list {}", self.name))? == 0 {
                return Ok(None);
            }
            let source = format!("{}:{}", self.name, self.line);
            if line.len() as u64 == self.max_line_bytes && line.last() != Some(&b'\n') {
                self.skip_line()?;
                let from =
                    Origin::Nowhere(Status::TooLarge, "the line is longer than --max-size allows".to_owned());
                return Ok(Some(Input { source, from }));
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Ok(Some(entry(line, source)));
            }
        }
    }

    fn skip_line(&mut self) -> Result<()> {
        loop {
            let buffer = self.reader.fill_buf().with_context(|| format!("reading the list {}", self.name))?;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let (length, is_end) = (buffer.len(), buffer.is_empty() || end.is_some());
            self.reader.consume(end.map_or(length, |end| end + 1));
            if is_end {
                return Ok(());
            }
        }
    }
}

/// What a line stands for; `place` names it where it names nothing itself.
fn entry(line: &[u8], place: String) -> Input {
    if !line.starts_with(b"{") {
        return of_path(path(line));
    }
    let bad = |why: String| Input { source: place.clone(), from: Origin::Nowhere(Status::BadLine, why) };
    match serde_json::from_slice(line) {
        Ok(Entry { path: Some(path), name: None, bytes: None }) => of_path(path),
        Ok(Entry { path: None, name, bytes: Some(bytes) }) => {
            Input { source: name.unwrap_or(place), from: Origin::Inline(bytes) }
        }
        Ok(_) => bad("it has neither `path` alone nor `bytes` with `name`".to_owned()),
        Err(error) => bad(error.to_string()),
    }
}

fn of_path(path: PathBuf) -> Input {
    Input { source: escape_file_name(path.as_os_str()), from: Origin::Path(path) }
}

/// The path of these bytes. They need not be text.
#[cfg(unix)]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// The path of these bytes, as text.
#[cfg(not(unix))]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
