//! A process of an engine's own, and what bounds it: its arguments, the clock, and a look at its memory every now and
//! then, as nobody is told of memories and tables that grow there.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use memgrove_verify::engine::messages::{Functions, answer as host_answer, error_of};
use serde_json::Value as Json;

use super::budget::{Account, deadline};
use super::{Budget, EngineError, EngineId, Exceeded, Limits, Resource};

/// Time for an engine to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How often its memory is looked at.
const TICK: Duration = Duration::from_millis(50);

/// How much of what it writes to its standard error is kept.
const KEPT_WORDS_BYTES: usize = 4096;

/// A line from the process, or why there are no more.
type Line = Result<String, EngineError>;

/// What is started for an engine.
pub(super) struct Program {
    pub(super) engine: EngineId,
    pub(super) command: &'static str,
    /// What bounds it by itself, and the script that serves requests.
    pub(super) arguments: Vec<String>,
}

pub(super) struct Process {
    command: &'static str,
    child: Arc<Mutex<Child>>,
    input: ChildStdin,
    output: Receiver<Line>,
    /// Bytes that the next line may have beyond the limit for a message, as they were asked for.
    wanted_bytes: Arc<AtomicU64>,
    /// Why the process was ended, if its memory was too large.
    killed: Arc<Mutex<Option<Exceeded>>>,
    /// The end of its standard error.
    said: Arc<Mutex<Vec<u8>>>,
    limits: Limits,
    pub(super) budget: Budget,
    /// What its memories and tables have.
    pub(super) account: Account,
    /// The time of the current request, and when it is over.
    limit: Duration,
    deadline: Instant,
    pub(super) hello: Json,
}

impl Process {
    pub(super) fn start(program: &Program, budget: &Budget) -> Result<Self, EngineError> {
        let &Program { engine, command, ref arguments } = program;
        let absent =
            |reason| EngineError::Absent { engine: engine.name(), reason, install: engine.install() };
        let limits = *budget.limits();
        let mut child = Command::new(command)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| absent(format!("`{command}` cannot be started: {error}")))?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = streams else {
            return Err(absent(format!("`{command}` has no standard input or output")));
        };
        let (sender, receiver) = channel();
        let wanted_bytes = Arc::new(AtomicU64::new(0));
        let wanted = wanted_bytes.clone();
        thread::spawn(move || read_lines(output, &sender, limits.message_bytes, &wanted));
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        thread::spawn(move || keep_the_end(errors, &kept));
        let child = Arc::new(Mutex::new(child));
        let killed = Arc::new(Mutex::new(None));
        let (watched, reason) = (child.clone(), killed.clone());
        let process_bytes = limits.memory_bytes.saturating_add(limits.process_bytes);
        thread::spawn(move || watch(&watched, process_bytes, &reason));
        let mut process = Self {
            command,
            child,
            input,
            output: receiver,
            wanted_bytes,
            killed,
            said,
            limits,
            budget: budget.clone(),
            account: Account::new(budget),
            limit: START_LIMIT,
            deadline: deadline(START_LIMIT),
            hello: Json::Null,
        };
        process.hello = process.receive().map_err(|error| absent(error.to_string()))?["ok"].take();
        Ok(process)
    }

    /// Sends a request and returns what comes back within `limit`, serving calls of `functions` in between.
    pub(super) fn ask(
        &mut self,
        request: Json,
        functions: &Functions,
        limit: Duration,
    ) -> Result<Json, EngineError> {
        self.limit = limit;
        self.deadline = deadline(limit);
        let outcome = self.ask_inside(request, functions);
        self.account.judge(outcome)
    }

    /// As [`ask`](Self::ask), from a function of the host: the time is that of the request which called it.
    pub(super) fn ask_inside(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError> {
        // Bytes come as hexadecimal.
        let wanted = request["length"].as_u64().unwrap_or(0).saturating_mul(2);
        self.wanted_bytes.store(wanted, Ordering::Relaxed);
        self.send(&request)?;
        loop {
            let mut answer = self.receive()?;
            if let Some(held) = answer.get("held") {
                let held = [&held[0], &held[1]].map(|number| number.as_u64().unwrap_or(0));
                self.account.hold(held).map_err(EngineError::Budget)?;
            }
            if !answer["ok"].is_null() {
                return Ok(answer["ok"].take());
            }
            if answer["error"].is_string() {
                let error = error_of(&answer);
                if error.is_exhausted() {
                    self.account.end(error.clone());
                }
                return Err(error);
            }
            let reply = host_answer(&answer, functions, self)?;
            self.send(&reply)?;
        }
    }

    /// Takes bytes that only its threads will know of.
    pub(super) fn take_memory(&mut self, bytes: u64) -> Result<(), EngineError> {
        self.account.take_memory(bytes).map_err(EngineError::Budget)
    }

    fn send(&mut self, message: &Json) -> Result<(), EngineError> {
        let sent = writeln!(self.input, "{message}").and_then(|()| self.input.flush());
        sent.map_err(|error| self.end(&format!("does not listen any more: {error}")))
    }

    fn receive(&mut self) -> Result<Json, EngineError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let line = match self.output.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => Err(EngineError::Timeout { limit: self.limit }),
            Err(RecvTimeoutError::Disconnected) => Err(self.end("has ended")),
        };
        let line = line.inspect_err(|error| {
            // It may be in an endless loop; nothing but its end will stop it.
            let _ = lock(&self.child).kill();
            self.account.end(error.clone());
        })?;
        serde_json::from_str(&line).map_err(EngineError::engine)
    }

    /// Why it has ended, or what its end looks like from here.
    fn end(&self, words: &str) -> EngineError {
        let words = format!("{} {words}", self.command);
        // The watcher and the readers say what they know before or shortly after the process ends.
        let _ = lock(&self.child).wait();
        thread::sleep(TICK);
        if let Some(exceeded) = *lock(&self.killed) {
            return EngineError::Budget(exceeded);
        }
        let said = lock(&self.said);
        let said = String::from_utf8_lossy(&said);
        if said.contains("out of memory") {
            let limit = self.limits.process_bytes;
            return EngineError::Budget(Exceeded { resource: Resource::ProcessBytes, asked: limit, limit });
        }
        match said.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => EngineError::engine(format!("{words}: {line}")),
            None => EngineError::engine(words),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Runs a command to its end, within the limits for one call, and returns what it wrote.
pub(crate) fn output(command: &mut Command, limits: &Limits) -> Result<Output, EngineError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(EngineError::engine)?;
    let limit = limits.message_bytes;
    let stdout = child.stdout.take().map(|stream| thread::spawn(move || read_some(stream, limit)));
    let stderr = child.stderr.take().map(|stream| thread::spawn(move || read_some(stream, limit)));
    let child = Arc::new(Mutex::new(child));
    let killed = Arc::new(Mutex::new(None));
    let (watched, reason) = (child.clone(), killed.clone());
    let process_bytes = limits.memory_bytes.saturating_add(limits.process_bytes);
    thread::spawn(move || watch(&watched, process_bytes, &reason));
    let end = deadline(limits.call);
    let status = loop {
        if let Some(status) = lock(&child).try_wait().map_err(EngineError::engine)? {
            break status;
        }
        if Instant::now() >= end {
            let mut child = lock(&child);
            let _ = child.kill();
            let _ = child.wait();
            return Err(EngineError::Timeout { limit: limits.call });
        }
        thread::sleep(Duration::from_millis(5));
    };
    if let Some(exceeded) = *lock(&killed) {
        return Err(EngineError::Budget(exceeded));
    }
    let [stdout, stderr] =
        [stdout, stderr].map(|thread| thread.and_then(|thread| thread.join().ok()).unwrap_or_default());
    Ok(Output { status, stdout, stderr })
}

/// Reads up to a limit; whoever writes more finds the stream closed.
fn read_some(stream: impl Read, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read until an error is what there is.
    let _ = stream.take(limit).read_to_end(&mut bytes);
    bytes
}

/// Sends line after line until one is too long.
fn read_lines(output: ChildStdout, sender: &Sender<Line>, message_bytes: u64, wanted_bytes: &AtomicU64) {
    let mut output = BufReader::new(output);
    loop {
        // What is wanted is known once the answer begins.
        match output.fill_buf() {
            Ok(bytes) if !bytes.is_empty() => {}
            _ => return,
        }
        let limit = message_bytes.saturating_add(wanted_bytes.load(Ordering::Relaxed));
        let mut line = Vec::new();
        let read = output.by_ref().take(limit).read_until(b'\n', &mut line);
        let line = match read {
            Err(error) => Err(EngineError::engine(error)),
            Ok(_) if line.last() == Some(&b'\n') => String::from_utf8(line).map_err(EngineError::engine),
            Ok(length) if (length as u64) < limit => return, // it ended in the middle
            Ok(_) => {
                let asked = limit.saturating_add(1);
                Err(EngineError::Budget(Exceeded { resource: Resource::MessageBytes, asked, limit }))
            }
        };
        let last = line.is_err();
        if sender.send(line).is_err() || last {
            return;
        }
    }
}

/// Reads all of it, so that the process is never kept waiting, and keeps the end.
fn keep_the_end(mut errors: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; KEPT_WORDS_BYTES];
    while let Ok(length @ 1..) = errors.read(&mut chunk) {
        let mut kept = lock(kept);
        kept.extend_from_slice(&chunk[..length]);
        let surplus = kept.len().saturating_sub(KEPT_WORDS_BYTES);
        kept.drain(..surplus);
    }
}

/// Ends the process when it has more memory than `limit`. Where the system does not tell how much a process has, the
/// engine's own limits have to do.
fn watch(child: &Mutex<Child>, limit: u64, killed: &Mutex<Option<Exceeded>>) {
    loop {
        let mut process = lock(child);
        // Only a process that nobody has waited for is certain to be the one of this number.
        let Ok(None) = process.try_wait() else { return };
        let Some(asked) = resident_bytes(process.id()) else { return };
        if asked > limit {
            *lock(killed) = Some(Exceeded { resource: Resource::ProcessBytes, asked, limit });
            let _ = process.kill();
            return;
        }
        drop(process);
        thread::sleep(TICK);
    }
}

fn resident_bytes(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str, limits: &Limits) -> Result<Output, EngineError> {
        output(Command::new("sh").args(["-c", script]), limits)
    }

    #[test]
    fn a_process_ends_in_time_or_is_ended() {
        let limits = Limits { call: Duration::from_millis(300), ..Limits::OWN };
        assert_eq!(shell("exec sleep 60", &limits), Err(EngineError::Timeout { limit: limits.call }));
        let done = shell("echo said; echo complained >&2; exit 3", &Limits::OWN).unwrap();
        assert_eq!((done.status.code(), &done.stdout[..]), (Some(3), &b"said\n"[..]));
        assert_eq!(done.stderr, b"complained\n");
    }

    fn started(command: &'static str, script: &str) -> EngineError {
        let arguments = ["-c", script].map(str::to_owned).into();
        let program = Program { engine: EngineId::WasmtimePy, command, arguments };
        Process::start(&program, &Budget::new(Limits::OWN)).err().expect("it serves nothing")
    }

    #[test]
    fn an_engine_that_does_not_start_is_absent_and_says_why() {
        for (command, script, said) in [
            ("memgrove-none-such", "", "`memgrove-none-such` cannot be started: "),
            ("sh", "echo first >&2; echo No module >&2; exit 1", "sh has ended: No module"),
            ("sh", "echo '{\"ok\":'; cat", "EOF while parsing"),
        ] {
            match started(command, script) {
                EngineError::Absent { engine: "wasmtime-py", reason, install } => {
                    assert!(reason.contains(said), "{reason}");
                    assert_eq!(install, EngineId::WasmtimePy.install());
                }
                other => panic!("{command} {script}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_it_writes_is_bounded() {
        let limits = Limits { message_bytes: 100, ..Limits::OWN };
        let done = shell("yes | head -c 1000000", &limits).unwrap();
        assert_eq!(done.stdout.len(), 100);
    }
}
