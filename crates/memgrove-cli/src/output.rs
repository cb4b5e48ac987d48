//! The only place that prints: results to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit;

/// The styles of what we print; streams that are no terminals lose them.
pub(crate) mod style {
    use super::{AnsiColor, Style};

    pub(crate) const HEADING: Style = Style::new().bold();
    pub(crate) const SOFT: Style = Style::new().dimmed();
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
    pub(crate) const BAD: Style = AnsiColor::Red.on_default();
    pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();
}

/// How much is printed beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chatter {
    /// Errors only.
    Quiet,
    /// Notes and, on a terminal, a progress bar.
    Normal,
}

/// Standard output and standard error of a command.
pub(crate) struct Output {
    stdout: BufWriter<AutoStream<io::Stdout>>,
    stderr: AutoStream<io::Stderr>,
    chatter: Chatter,
    progress: ProgressBar,
}

impl Output {
    /// The streams of this process, coloured as `choice` says.
    pub(crate) fn new(choice: ColorChoice, chatter: Chatter) -> Self {
        Self {
            stdout: BufWriter::new(AutoStream::new(io::stdout(), choice)),
            stderr: AutoStream::new(io::stderr(), choice),
            chatter,
            progress: ProgressBar::hidden(),
        }
    }

    /// Writes a result as it is, styles included.
    pub(crate) fn print(&mut self, text: impl Display) -> io::Result<()> {
        write!(self.stdout, "{text}")?;
        // Beside a progress bar or a person who waits, results show when they are there.
        if io::stdout().is_terminal() { self.progress.suspend(|| self.stdout.flush()) } else { Ok(()) }
    }

    /// Writes bytes that are not for reading, such as a module.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Hands what was printed to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Says something beside the results; nothing if quiet.
    pub(crate) fn note(&mut self, text: impl Display) {
        if self.chatter == Chatter::Normal {
            self.say(&format_args!("{text}"));
        }
    }

    /// Says that something may not be as the user expects.
    pub(crate) fn warning(&mut self, text: impl Display) {
        let bold = style::WARN.bold();
        self.note(format_args!("{bold}warning:{bold:#} {text}"));
    }

    /// Says what failed: one line with what and where, and a second one with what to try, if that is known.
    /// `subject` is the file or the step that failed.
    pub(crate) fn error(&mut self, subject: Option<&str>, error: &anyhow::Error) {
        if exit::is_broken_pipe(error) {
            return;
        }
        let mut text = error_text(subject, error);
        if let Some(hint) = exit::hint_of(error) {
            let bold = style::HINT.bold();
            text += &format!("\n{bold}hint:{bold:#} {hint}");
        }
        self.say(&text);
    }

    /// Says what failed in one line, for one of many files.
    pub(crate) fn error_line(&mut self, subject: &str, error: &anyhow::Error) {
        self.say(&error_text(Some(subject), error));
    }

    /// Begins a progress bar over `length` steps, if standard error is a terminal; the bar shown before, if
    /// any, ends.
    pub(crate) fn progress(&mut self, length: u64, what: &'static str) -> ProgressBar {
        self.progress.finish_and_clear();
        let hidden = self.chatter == Chatter::Quiet || length < 2 || !io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let template = "{msg} {wide_bar:.cyan/dim} {human_pos}/{human_len} {eta}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.progress =
            ProgressBar::with_draw_target(Some(length), target).with_style(style).with_message(what);
        if !hidden {
            self.progress.enable_steady_tick(Duration::from_millis(200));
        }
        self.progress.clone()
    }

    /// Ends the progress bar.
    pub(crate) fn progress_done(&mut self) {
        self.progress.finish_and_clear();
    }

    fn say(&mut self, text: &dyn Display) {
        // Results printed so far come first; if standard error is closed, there is nobody to tell.
        let _ = self.stdout.flush();
        self.progress.suspend(|| {
            let _ = writeln!(self.stderr, "{text}");
        });
    }
}

fn error_text(subject: Option<&str>, error: &anyhow::Error) -> String {
    let bold = style::BAD.bold();
    let subject = subject.map(|subject| format!("{}: ", printable(subject))).unwrap_or_default();
    format!("{bold}error:{bold:#} {subject}{}", printable(&format!("{error:#}")))
}

/// Names out of a file may hold anything: what would move the cursor, colour the terminal or turn the
/// direction of text is written as an escape.
///
/// ```text
/// "a\u{1b}[31mb"  ->  "a\u{1b}[31mb" written out, not red
/// ```
pub(crate) fn printable(text: &str) -> String {
    let disguise = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !text.contains(disguise) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if disguise(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(printable("plain ünïcode"), "plain ünïcode");
        assert_eq!(printable("a\u{1b}[31m\r\n\u{202e}b"), "a\\u{1b}[31m\\u{d}\\u{a}\\u{202e}b");
    }
}
