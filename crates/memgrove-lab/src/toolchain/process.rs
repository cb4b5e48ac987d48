//! Running a toolchain's programs, and keeping their own words when they fail.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where programs are looked for.
#[derive(Debug, Clone)]
pub struct Tools {
    path: OsString,
}

/// How much of a failing program's output is kept: its end is where the reason stands.
const KEPT_WORDS_BYTES: usize = 4000;

impl Tools {
    /// The programs on `PATH`.
    pub fn from_environment() -> Self {
        Self::on(std::env::var_os("PATH").unwrap_or_default())
    }

    /// The programs in the folders of `path`, which is written as `PATH` is.
    pub fn on(path: impl Into<OsString>) -> Self {
        Self { path: path.into() }
    }

    /// The first folder's program of that name; a name with a slash stands for itself.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            let path = PathBuf::from(program);
            return path.is_file().then_some(path);
        }
        let names: &[String] = &if cfg!(windows) {
            vec![format!("{program}.exe"), format!("{program}.cmd"), format!("{program}.bat")]
        } else {
            vec![program.to_owned()]
        };
        std::env::split_paths(&self.path)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|path| path.is_file())
    }

    /// The first program of these names that is there.
    pub fn find_any<'n>(&self, programs: &[&'n str]) -> Option<(&'n str, PathBuf)> {
        programs.iter().find_map(|name| self.find(name).map(|path| (*name, path)))
    }

    /// Runs a program that only answers a question and returns what it prints, trimmed.
    ///
    /// # Errors
    /// The program's own words when it cannot be started or fails.
    pub fn ask(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", file_name(program)))?;
        if !output.status.success() {
            return Err(words(&output.stderr, &output.stdout, &output.status.to_string()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs one step of a plan in `folder`.
    ///
    /// # Errors
    /// [`StepError`] with the program's own words.
    pub(super) fn run(&self, step: &Step, folder: &Path) -> Result<(), StepError> {
        let fail = |words| StepError { program: file_name(&step.program), words };
        let mut command = self.command(&step.program);
        for (name, value) in &step.environment {
            command.env(name, value);
        }
        let output = command
            .args(&step.arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| fail(error.to_string()))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(fail(words(&output.stderr, &output.stdout, &output.status.to_string())))
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }
}

/// One command of a plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// The program, as found on this machine.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables set for it.
    pub environment: Vec<(&'static str, OsString)>,
}

impl Step {
    /// `program` without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable for the program.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// The command as a person would type it, with each of `places` (a path, what to call it) written by
    /// name: a record of it then says nothing of the machine it was run on.
    pub fn describe(&self, places: &[(&Path, &str)]) -> String {
        let mut words: Vec<String> = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(&rename(value, places))))
            .collect();
        words.push(file_name(&self.program));
        words.extend(self.arguments.iter().map(|argument| quoted(&rename(argument, places))));
        words.join(" ")
    }
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program}: {words}")]
pub struct StepError {
    /// The program's name.
    pub program: String,
    /// What it said.
    pub words: String,
}

fn rename(text: &OsStr, places: &[(&Path, &str)]) -> String {
    let mut text = text.to_string_lossy().into_owned();
    for (path, name) in places {
        text = text.replace(&*path.to_string_lossy(), name);
    }
    text.replace('\u{1f}', " ") // cargo separates the flags in CARGO_ENCODED_RUSTFLAGS so
}

fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What a failing program said: its errors, else its output, else how it ended.
fn words(stderr: &[u8], stdout: &[u8], status: &str) -> String {
    let said = [stderr, stdout]
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned())
        .find(|text| !text.is_empty());
    match said {
        None => format!("{status}, and said nothing"),
        Some(text) if text.len() <= KEPT_WORDS_BYTES => text,
        Some(text) => {
            let mut start = text.len() - KEPT_WORDS_BYTES;
            while !text.is_char_boundary(start) {
                start += 1;
            }
            format!("…{}", &text[start..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_command_names_no_place_of_this_machine() {
        let step = Step::new("/opt/tools/clang")
            .env("CACHE", "/home/someone/cache")
            .arg("a.c")
            .args(["-o", "/tmp/x/a b.wasm"]);
        let text = step.describe(&[(Path::new("/tmp/x"), "$OUT"), (Path::new("/home/someone"), "$HOME")]);
        assert_eq!(text, "CACHE=$HOME/cache clang a.c -o \"$OUT/a b.wasm\"");
    }

    #[test]
    fn the_end_of_a_long_complaint_is_kept() {
        let long = format!("{}é the reason", "x".repeat(2 * KEPT_WORDS_BYTES));
        let kept = words(long.as_bytes(), b"", "exit status: 1");
        assert!(kept.ends_with("the reason") && kept.len() <= KEPT_WORDS_BYTES + "…".len());
        assert_eq!(words(b" \n", b"out", "exit status: 1"), "out");
        assert_eq!(words(b"", b"", "exit status: 7"), "exit status: 7, and said nothing");
    }
}
