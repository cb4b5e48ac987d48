//! A folder of files of rows, each whole or not there: whatever ends a run, what has its name in the folder can be read.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use memgrove_rows::Row;
use memgrove_rows::arrow::{Parquet, Stream, sources_of_parquet, sources_of_stream};
use memgrove_text::escape_file_name;
use tempfile::NamedTempFile;

use super::inputs::Finished;
use super::sink::{RowFormat, folder};

/// Rows that are written at once.
const GROUP_ROWS: usize = 10_000;
/// Rows after which a part is finished. It has more only where one input has.
const PART_ROWS: usize = 20_000;
/// How the name of a part begins that is not whole yet.
const UNFINISHED: &str = ".unfinished-";

pub(super) struct Parts {
    folder: PathBuf,
    format: RowFormat,
    number: u32,
    waiting: Vec<Row>,
    part: Option<Part>,
}

/// A part that is being written.
struct Part {
    encoder: Encoder,
    rows: usize,
}

enum Encoder {
    Arrow(Stream<BufWriter<NamedTempFile>>),
    Parquet(Parquet<BufWriter<NamedTempFile>>),
}

impl Parts {
    pub(super) fn open(path: &Path, format: RowFormat, resume: bool) -> Result<(Self, Finished)> {
        folder(path, resume)?;
        let mut parts = Self { folder: path.to_owned(), format, number: 0, waiting: Vec::new(), part: None };
        let mut finished = Finished::default();
        let mut paths = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(UNFINISHED) {
                fs::remove_file(&path).with_context(|| escape_file_name(path.as_os_str()))?;
                continue;
            }
            let number = name.strip_prefix("part-").and_then(|name| name.strip_suffix(parts.ending()));
            let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else { continue };
            let read = |finished: &mut Finished| {
                let file = File::open(&path)?;
                match format {
                    RowFormat::Parquet => sources_of_parquet(file, &mut |source| finished.add(source)),
                    _ => sources_of_stream(file, &mut |source| finished.add(source)),
                }
            };
            read(&mut finished)
                .map_err(|error| anyhow!("{error}"))
                .with_context(|| format!("going on with {}", escape_file_name(path.as_os_str())))?;
            parts.number = parts.number.max(number + 1);
        }
        Ok((parts, finished))
    }

    fn ending(&self) -> &'static str {
        if self.format == RowFormat::Parquet { ".parquet" } else { ".arrow" }
    }

    pub(super) fn write(&mut self, rows: Vec<Row>, is_end: bool) -> Result<()> {
        self.waiting.extend(rows);
        if self.waiting.len() >= GROUP_ROWS {
            self.group()?;
        }
        if is_end && self.part.as_ref().is_some_and(|part| part.rows >= PART_ROWS) {
            self.group()?;
            self.end_part()?;
        }
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        if self.part.is_none() {
            let mut named = tempfile::Builder::new();
            named.prefix(UNFINISHED);
            // A temporary file is for its owner only, and a part is a file like others; the umask is obeyed.
            #[cfg(unix)]
            named.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let file = named.tempfile_in(&self.folder)?;
            let writer = BufWriter::new(file);
            let encoder = match self.format {
                RowFormat::Parquet => Encoder::Parquet(Parquet::new(writer)?),
                _ => Encoder::Arrow(Stream::new(writer)?),
            };
            self.part = Some(Part { encoder, rows: 0 });
        }
        if let Some(part) = &mut self.part {
            part.rows += rows.len();
            match &mut part.encoder {
                Encoder::Arrow(stream) => stream.write(&rows)?,
                Encoder::Parquet(parquet) => parquet.write(&rows)?,
            }
        }
        Ok(())
    }

    /// Gives the part its name, once it is on the disk.
    fn end_part(&mut self) -> Result<()> {
        let Some(part) = self.part.take() else { return Ok(()) };
        let writer = match part.encoder {
            Encoder::Arrow(stream) => stream.finish()?,
            Encoder::Parquet(parquet) => parquet.finish()?,
        };
        let file = writer.into_inner().map_err(|error| anyhow!("{}", error.error()))?;
        file.as_file().sync_all()?;
        let path = self.folder.join(format!("part-{:05}{}", self.number, self.ending()));
        self.number += 1;
        let named = file.persist_noclobber(&path);
        named.map_err(|error| error.error).with_context(|| escape_file_name(path.as_os_str()))?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.group()?;
        self.end_part()
    }
}
