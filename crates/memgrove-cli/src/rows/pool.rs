//! The workers: a thread for each process, which is ended and started again where it takes too long.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use memgrove_inspect::Knowledge;
use memgrove_rows::{Module, Row, RowMaker, Status};

use super::inputs::{Input, Inputs, Origin};
use super::sink::Sink;
use super::worker::{Reply, Request};
use super::{RowRun, TOOL, WORKER};

/// Rows of one input that are held until they are all there; of more the sink is kept for it.
const MOST_HELD: usize = 1000;
/// Bytes of rows that are kept for modules that come again.
const MOST_KNOWN_BYTES: usize = 64 << 20;

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) rows: u64,
    pub(super) not_ok: u64,
    pub(super) known: u64,
    pub(super) skipped: u64,
    pub(super) without: u64,
}

/// What all threads share.
struct Shared<'a> {
    run: &'a RowRun<'a>,
    maker: RowMaker<'a>,
    inputs: Mutex<Inputs>,
    sink: Mutex<Sink>,
    known: Mutex<KnownRows>,
    counts: Mutex<Counts>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has all inputs inspected.
pub(super) fn run(run: &RowRun<'_>, knowledge: &Knowledge, inputs: Inputs, sink: Sink) -> Result<Counts> {
    let jobs = run
        .jobs
        .filter(|jobs| *jobs > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let shared = Shared {
        run,
        maker: RowMaker::new(TOOL, knowledge),
        inputs: Mutex::new(inputs),
        sink: Mutex::new(sink),
        known: Mutex::default(),
        counts: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(|| worker(&shared))).collect();
        // The first that fails has the others run out of inputs.
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread ended"))?)
    })
    .and_then(|(): ()| {
        let Shared { inputs, sink, counts, .. } = shared;
        let inputs = inputs.into_inner().unwrap_or_else(PoisonError::into_inner);
        sink.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?;
        let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Counts { skipped: inputs.skipped, without: inputs.without, ..counts })
    })
}

fn worker(shared: &Shared<'_>) -> Result<()> {
    let mut process = None;
    loop {
        let next = lock(&shared.inputs).next();
        let done = match next {
            Ok(None) => return Ok(()),
            Ok(Some(input)) => one(shared, &input, &mut process),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            lock(&shared.inputs).stop();
            return Err(error);
        }
    }
}

/// The rows of one input on their way to the sink, in one piece.
struct Piece<'a> {
    shared: &'a Shared<'a>,
    rows: Vec<Row>,
    sink: Option<MutexGuard<'a, Sink>>,
}

impl Piece<'_> {
    fn push(&mut self, row: Row) -> Result<()> {
        {
            let mut counts = lock(&self.shared.counts);
            counts.rows += 1;
            counts.not_ok += u64::from(row.status.as_deref() != Some(Status::Ok.word()));
        }
        self.rows.push(row);
        if self.rows.len() > MOST_HELD {
            // The last waits: it may be the input's last.
            let last = self.rows.pop();
            let rows = std::mem::replace(&mut self.rows, last.into_iter().collect());
            self.sink.get_or_insert_with(|| lock(&self.shared.sink)).write(rows, false)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        for row in &mut self.rows {
            row.last = false;
        }
        if let Some(last) = self.rows.last_mut() {
            last.last = true;
        }
        let rows = std::mem::take(&mut self.rows);
        self.sink.take().unwrap_or_else(|| lock(&self.shared.sink)).write(rows, true)
    }
}

fn one(shared: &Shared<'_>, input: &Input, process: &mut Option<Process>) -> Result<()> {
    let mut piece = Piece { shared, rows: Vec::new(), sink: None };
    let mut request = Request { source: input.source.clone(), path: None, bytes: None, from: 0 };
    match &input.from {
        Origin::Nowhere(status, error) => {
            piece.push(shared.maker.failed(&input.source, *status, error))?;
            return piece.end();
        }
        Origin::Path(path) => request.path = Some(path.as_os_str().as_encoded_bytes().to_vec()),
        Origin::Inline(text) => request.bytes = Some(text.clone()),
    }
    // Each round ends the input, or goes on behind a module that ended a process.
    loop {
        let running = match process {
            Some(running) => running,
            None => process.insert(Process::start(shared.run)?),
        };
        let Some((module, status)) = exchange(shared, &request, running, &mut piece)? else {
            return piece.end();
        };
        let status = match process.take().map(Process::end) {
            Some(Some(found)) if status == Status::Crashed => found,
            _ => status,
        };
        let what = match (status, &module) {
            (Status::TimedOut, Some(_)) => "inspecting it took longer than --max-time",
            (Status::TimedOut, None) => "opening it took longer than --max-time",
            (Status::OutOfMemory, _) => "it took more memory than --max-memory",
            _ => "the process that inspected it ended",
        };
        let failed = shared.maker.failed(&input.source, status, what);
        match module {
            // Nothing was said to be under way, so it was the input itself.
            None => {
                piece.push(failed)?;
                return piece.end();
            }
            Some(module) => {
                let row = module.row(failed);
                lock(&shared.known).add(&module.sha256, std::slice::from_ref(&row));
                piece.push(row)?;
                request.from = module.index + 1;
            }
        }
    }
}

/// Has a process answer a request. Returns nothing when it has, or the module that was inspected when it could not: none while
/// it was opening what comes next.
fn exchange(
    shared: &Shared<'_>,
    request: &Request,
    process: &mut Process,
    piece: &mut Piece<'_>,
) -> Result<Option<(Option<Module>, Status)>> {
    let mut module: Option<Module> = None;
    let mut rows: Vec<Row> = Vec::new();
    if process.say(&serde_json::to_vec(request)?).is_err() {
        return Ok(Some((None, Status::Crashed)));
    }
    loop {
        let reply = match process.replies.recv_timeout(shared.run.max_time()) {
            Ok(reply) => reply,
            Err(error) => {
                let is_late = error == RecvTimeoutError::Timeout;
                let status = if is_late { Status::TimedOut } else { Status::Crashed };
                // A module that has its rows is done, and what became of the next must not be said of it.
                return Ok(Some((module.filter(|_| rows.is_empty()), status)));
            }
        };
        match reply {
            Reply::Row(row) => {
                // One without a hash is of a member that could not be had, and comes behind the module's own.
                if module.is_some() && row.sha256.is_some() {
                    rows.push((*row).clone());
                }
                piece.push(*row)?;
            }
            Reply::Module(next) => {
                keep(shared, module.replace(next.clone()), &mut rows);
                let known = lock(&shared.known).get(&next.sha256);
                let answer = known.as_deref().map_or(&b"null"[..], str::as_bytes);
                if known.is_some() {
                    lock(&shared.counts).known += 1;
                }
                if process.say(answer).is_err() {
                    return Ok(Some((module, Status::Crashed)));
                }
            }
            Reply::Done => {
                keep(shared, module, &mut rows);
                return Ok(None);
            }
        }
    }
}

/// Keeps the rows of a module that is done.
fn keep(shared: &Shared<'_>, module: Option<Module>, rows: &mut Vec<Row>) {
    if let Some(module) = module {
        lock(&shared.known).add(&module.sha256, rows);
    }
    rows.clear();
}

/// Rows of modules that may come again, as they are sent; the oldest go first.
#[derive(Default)]
struct KnownRows {
    of: HashMap<String, Arc<str>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl KnownRows {
    fn get(&self, sha256: &str) -> Option<Arc<str>> {
        self.of.get(sha256).cloned()
    }

    fn add(&mut self, sha256: &str, rows: &[Row]) {
        if rows.is_empty() || self.of.contains_key(sha256) {
            return;
        }
        let Ok(text) = serde_json::to_string(rows) else { return };
        self.bytes += text.len();
        self.of.insert(sha256.to_owned(), text.into());
        self.order.push_back(sha256.to_owned());
        while self.bytes > MOST_KNOWN_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.of.remove(&oldest).map_or(0, |text| text.len());
        }
    }
}

/// A worker.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<Reply>,
    reader: Option<JoinHandle<()>>,
    complaints: Option<JoinHandle<String>>,
}

/// What a worker may say on standard error before it ends.
const MOST_COMPLAINTS: u64 = 64 << 10;

/// What starting may take on a machine that does much else.
const START: Duration = Duration::from_secs(60);

impl Process {
    fn start(run: &RowRun<'_>) -> Result<Self> {
        let args = run.args;
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command.env(WORKER, "1").args(["--quiet", "inspect", "--format", "rows", "--files-from", "-"]);
        for (name, value) in [
            ("--max-size", run.max_size),
            ("--max-memory", args.max_memory),
            ("--max-ratio", args.max_ratio),
            ("--max-nesting", args.max_nesting as u64),
        ] {
            command.arg(name).arg(value.to_string());
        }
        for host in run.hosts {
            command.arg("--host").arg(host);
        }
        // Workers side by side use the processors better than threads of one.
        command.env("RAYON_NUM_THREADS", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting a worker")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("a worker's output")?;
        let stderr = child.stderr.take().context("a worker's errors")?;
        let (sender, replies) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Some(reply) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
                if sender.send(reply).is_err() {
                    break;
                }
            }
        });
        let complaints = std::thread::spawn(move || {
            let mut stderr = stderr;
            let mut said = Vec::new();
            let _ = stderr.by_ref().take(MOST_COMPLAINTS).read_to_end(&mut said);
            // So that it never waits for a reader.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            String::from_utf8_lossy(&said).into_owned()
        });
        let process = Self { child, stdin, replies, reader: Some(reader), complaints: Some(complaints) };
        match process.replies.recv_timeout(START) {
            Ok(_) => Ok(process),
            Err(_) => Err(anyhow!("a worker did not start: {}", process.last_words().trim())),
        }
    }

    fn say(&mut self, line: &[u8]) -> std::io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        stdin.write_all(line)?;
        stdin.write_all(b"\n")?;
        stdin.flush()
    }

    /// Ends it.
    fn last_words(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    /// Ends it, and says what its last words tell.
    fn end(self) -> Option<Status> {
        let said = self.last_words();
        said.contains("memory allocation of").then_some(Status::OutOfMemory)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Without requests it ends by itself; one that hangs does not.
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
