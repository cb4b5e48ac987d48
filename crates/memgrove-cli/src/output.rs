//! The only place that prints: results to standard output, everything else to standard error.
//!
//! For people it takes [`Text`] and [`Line`] only, in which everything is escaped and lines and styles are
//! structure, so that no name out of a module can forge either; for programs it takes [`Json`]. There is no way to
//! print a `String` as it is.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
#[cfg(feature = "engines")]
use memgrove_text::escape;
use memgrove_text::{Line, Text, Tone, escape_name, is_hidden, shorten};
use memgrove_view::Json;
use memgrove_view::report::Failure;

use crate::exit;

/// How a tone looks; streams that are no terminals lose it.
const fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Heading => Style::new().bold(),
        Tone::Soft => Style::new().dimmed(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Warn => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
        Tone::ErrorLabel => AnsiColor::Red.on_default().bold(),
        Tone::WarningLabel => AnsiColor::Yellow.on_default().bold(),
        Tone::HintLabel => AnsiColor::Cyan.on_default().bold(),
        Tone::First => AnsiColor::Blue.on_default(),
        Tone::Second => AnsiColor::Cyan.on_default(),
        Tone::Third => AnsiColor::Magenta.on_default(),
    }
}

/// An error quotes names, and a name may be as long as the file.
const LONGEST_MESSAGE: usize = 2000;

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

    /// Writes a result for people.
    pub(crate) fn print(&mut self, text: impl Into<Text>) -> io::Result<()> {
        for line in text.into().lines() {
            write_line(&mut self.stdout, line)?;
        }
        self.shown()
    }

    /// Writes a result for programs.
    pub(crate) fn json(&mut self, piece: &Json) -> io::Result<()> {
        self.stdout.write_all(piece.as_str().as_bytes())?;
        self.shown()
    }

    /// Writes what was generated from our own command line: manual pages and completions. Never data.
    pub(crate) fn generated(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Beside a progress bar or a person who waits, results show when they are there.
    fn shown(&mut self) -> io::Result<()> {
        if io::stdout().is_terminal() { self.progress.suspend(|| self.stdout.flush()) } else { Ok(()) }
    }

    /// Hands what was printed to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Says something beside the results; nothing if quiet.
    pub(crate) fn note(&mut self, text: impl Into<Text>) {
        if self.chatter == Chatter::Normal {
            self.say(&text.into());
        }
    }

    /// Says that something may not be as the user expects.
    pub(crate) fn warning(&mut self, text: impl Into<Line>) {
        let mut line = Line::new().with(Tone::WarningLabel, "warning:").plain(" ");
        line.append(text.into());
        self.note(line);
    }

    /// Says what failed: one line with what and where, and a second one with what to try, if that is known.
    /// `subject` is the file or the step that failed.
    pub(crate) fn error(&mut self, subject: Option<&str>, error: &anyhow::Error) {
        if !exit::is_broken_pipe(error) {
            self.failure(subject, &exit::failure(error));
        }
    }

    /// The same for a failure that was kept.
    pub(crate) fn failure(&mut self, subject: Option<&str>, failure: &Failure) {
        let mut text = Text::from(error_line(subject, &failure.message));
        if let Some(hint) = &failure.hint {
            let hint = shorten(hint, LONGEST_MESSAGE);
            text.line(Line::new().with(Tone::HintLabel, "hint:").plain(" ").plain(hint));
        }
        self.say(&text);
    }

    /// Says what failed in one line, for one of many files.
    pub(crate) fn error_line(&mut self, subject: &str, message: &str) {
        self.say(&error_line(Some(subject), message).into());
    }

    /// Begins a progress bar over `length` steps, if standard error is a terminal; the bar shown before, if
    /// any, ends.
    pub(crate) fn progress(&mut self, length: u64, what: &'static str) -> Progress {
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
        Progress(self.progress.clone())
    }

    /// Ends the progress bar.
    pub(crate) fn progress_done(&mut self) {
        self.progress.finish_and_clear();
    }

    fn say(&mut self, text: &Text) {
        // Results printed so far come first; if standard error is closed, there is nobody to tell.
        let _ = self.stdout.flush();
        self.progress.suspend(|| {
            let _ = text.lines().iter().try_for_each(|line| write_line(&mut self.stderr, line));
        });
    }
}

/// A progress bar; what it shows is escaped like everything else.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Whether nobody sees it.
    #[cfg(feature = "engines")]
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// One step more is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Begins again, with `length` steps.
    #[cfg(feature = "engines")]
    pub(crate) fn restart(&self, length: u64) {
        self.0.set_length(length);
        self.0.set_position(0);
    }

    /// So many steps are done.
    #[cfg(feature = "engines")]
    pub(crate) fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Says what is being done.
    #[cfg(feature = "engines")]
    pub(crate) fn message(&self, what: &str) {
        self.0.set_message(escape(what).into_owned());
    }
}

/// Has the message of a panic escaped, too: it may quote a name.
pub(crate) fn escape_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| match info.payload_as_str() {
        Some(message) if message.contains(is_hidden) => {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let line = Line::from(format!("thread panicked at {place}: {message}"));
            let _ = write_line(&mut io::stderr(), &line);
        }
        _ => usual(info),
    }));
}

fn write_line(stream: &mut impl Write, line: &Line) -> io::Result<()> {
    for span in line.spans() {
        let style = style(span.tone());
        write!(stream, "{style}{}{style:#}", span.text())?;
    }
    writeln!(stream)
}

fn error_line(subject: Option<&str>, message: &str) -> Line {
    let mut line = Line::new().with(Tone::ErrorLabel, "error:").plain(" ");
    if let Some(subject) = subject {
        line.push(Tone::Plain, format!("{}: ", escape_name(subject)));
    }
    line.plain(shorten(message, LONGEST_MESSAGE))
}
