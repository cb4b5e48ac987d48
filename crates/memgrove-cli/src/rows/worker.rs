//! A process that inspects: it takes requests, asks of each module whether it is known, and answers with rows.

use std::io::{self, BufRead, Write};

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memgrove_inspect::Knowledge;
use memgrove_rows::{Module, Row, RowMaker, Status, each_row};
use serde::{Deserialize, Serialize};

use super::inputs::path;
use super::{RowRun, TOOL};
use crate::exit::Exit;
use crate::input::Source;

/// One input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) source: String,
    /// The path's bytes, which may be no text.
    pub(super) path: Option<Vec<u8>>,
    /// The file's bytes as base64.
    pub(super) bytes: Option<String>,
    /// The module to begin with.
    pub(super) from: u64,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// It is about to inspect this, and waits for a line: rows of the same bytes, or `null`.
    Module(Module),
    /// One is made.
    Row(Box<Row>),
    /// The input is done.
    Done,
}

/// Works until there are no more requests.
pub(crate) fn work(run: &RowRun<'_>, knowledge: &Knowledge) -> Result<Exit> {
    end_with_parent()?;
    limit_memory(run.args.max_memory)?;
    let maker = RowMaker::new(TOOL, knowledge);
    let limits = run.limits();
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let mut line = String::new();
    // Whoever waits for it knows that all requests will be read.
    say(&mut stdout, &Reply::Done)?;
    loop {
        line.clear();
        if stdin.read_line(&mut line)? == 0 {
            return Ok(Exit::Done);
        }
        let request: Request = serde_json::from_str(&line)?;
        match read(&request, run.max_size) {
            Err((status, error)) => {
                let row = maker.failed(&request.source, status, &error);
                say(&mut stdout, &Reply::Row(Box::new(row)))?;
            }
            Ok(bytes) => {
                // What is said is taken by whoever started this process; when that is gone, so is the reason to go on.
                let mut heard = Ok(());
                let stdout = std::cell::RefCell::new(&mut stdout);
                let mut known = |module: &Module| {
                    say(&mut **stdout.borrow_mut(), &Reply::Module(module.clone())).ok()?;
                    let mut answer = String::new();
                    stdin.read_line(&mut answer).ok()?;
                    serde_json::from_str(&answer).ok().flatten()
                };
                let mut take = |row| {
                    let said = say(&mut **stdout.borrow_mut(), &Reply::Row(Box::new(row)));
                    if heard.is_ok() {
                        heard = said;
                    }
                };
                each_row(bytes, &request.source, &limits, &maker, request.from, &mut known, &mut take);
                heard?;
            }
        }
        say(&mut stdout, &Reply::Done)?;
    }
}

fn say(stdout: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stdout.write_all(&line)?;
    stdout.flush()
}

fn read(request: &Request, max_bytes: u64) -> Result<Vec<u8>, (Status, String)> {
    if let Some(text) = &request.bytes {
        let bytes = STANDARD.decode(text).map_err(|error| (Status::BadLine, error.to_string()))?;
        if bytes.len() as u64 > max_bytes {
            return Err((Status::TooLarge, format!("it has more than {max_bytes} bytes")));
        }
        return Ok(bytes);
    }
    let path = path(request.path.as_deref().unwrap_or_default());
    Source::File(path).read(max_bytes).map_err(|error| {
        let status = error.downcast_ref().map_or(Status::Unreadable, Status::of_opening);
        (status, format!("{error:#}"))
    })
}

/// A run that is killed leaves no worker behind that hangs where it cannot notice.
#[cfg(target_os = "linux")]
fn end_with_parent() -> Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> Result<()> {
    Ok(())
}

/// Bounds what this process may take; what asks for more ends it.
#[cfg(unix)]
fn limit_memory(max_bytes: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::As);
    let most = now.maximum.map_or(max_bytes, |maximum| maximum.min(max_bytes));
    Ok(setrlimit(Resource::As, Rlimit { current: Some(most), maximum: Some(most) })?)
}

#[cfg(not(unix))]
fn limit_memory(_: u64) -> Result<()> {
    Ok(())
}
