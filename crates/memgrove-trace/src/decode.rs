use crate::leb::Reader;
use crate::{Error, Event, Fault, MAGIC, VERSION};

/// What a trace announces before its first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Number of threads.
    pub threads: u64,
    /// Number of allocations: the length of the table that a replay needs.
    pub blocks: u64,
    /// Number of events.
    pub events: u64,
}

/// Reads a trace event by event. Needs no memory and never panics; after an error it ends.
///
/// It checks all that can be checked without memory; that no block is freed twice, [`summarize`](crate::summarize)
/// checks.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    reader: Reader<'a>,
    header: Header,
    events_left: u64,
    blocks_seen: u64,
    done: bool,
}

impl<'a> Decoder<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the bytes are not a trace of this version.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        for expected in MAGIC {
            let wrong = Error { offset: 0, fault: Fault::NotATrace };
            if reader.byte().map_err(|_| wrong)? != expected {
                return Err(wrong);
            }
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(Error { offset: reader.offset - 1, fault: Fault::UnknownVersion(version) });
        }
        let threads = reader.unsigned()?;
        let counts = reader.offset;
        let header = Header { threads, blocks: reader.unsigned()?, events: reader.unsigned()? };
        // The shortest event takes two bytes. So a hostile header cannot make anyone reserve a large table.
        if header.events > reader.rest() as u64 / 2 || header.blocks > header.events || threads == 0 {
            let cut_short = header.blocks <= header.events && threads != 0;
            let fault = if cut_short { Fault::UnexpectedEnd } else { Fault::ImpossibleCount };
            let offset = if cut_short { bytes.len() } else { counts };
            return Err(Error { offset, fault });
        }
        Ok(Self { reader, header, events_left: header.events, blocks_seen: 0, done: false })
    }

    /// What the trace announced.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Number of allocations read so far; the block of age `a` is number `blocks_seen() - 1 - a`.
    pub fn blocks_seen(&self) -> u64 {
        self.blocks_seen
    }

    /// Offset of the next event.
    pub fn offset(&self) -> usize {
        self.reader.offset
    }

    fn event(&mut self) -> Result<Event, Error> {
        let start = self.reader.offset;
        let wrong = |fault| Error { offset: start, fault };
        let op = self.reader.byte()?;
        let argument = op >> 3;
        match op & 7 {
            code @ (0 | 1) => {
                if self.blocks_seen == self.header.blocks {
                    return Err(wrong(Fault::WrongBlockCount));
                }
                let size_bytes = self.reader.unsigned()?;
                self.blocks_seen += 1;
                Ok(Event::Allocate { size_bytes, align_log2: argument, zeroed: code == 1 })
            }
            2 if argument == 0 => {
                let age = self.age(start)?;
                Ok(Event::Reallocate { age, new_size_bytes: self.reader.unsigned()? })
            }
            3 if argument == 0 => Ok(Event::Free { age: self.age(start)? }),
            4 if argument == 0 => {
                let thread = self.reader.unsigned()?;
                if thread >= self.header.threads {
                    return Err(wrong(Fault::NoSuchThread(thread)));
                }
                Ok(Event::Thread { thread })
            }
            _ => Err(wrong(Fault::UnknownOperation(op))),
        }
    }

    fn age(&mut self, start: usize) -> Result<u64, Error> {
        let age = self.reader.unsigned()?;
        if age >= self.blocks_seen {
            return Err(Error { offset: start, fault: Fault::NoSuchBlock { age } });
        }
        Ok(age)
    }

    fn end(&self) -> Result<(), Error> {
        if self.reader.rest() > 0 {
            return Err(self.reader.error(Fault::TrailingBytes));
        }
        if self.blocks_seen != self.header.blocks {
            return Err(self.reader.error(Fault::WrongBlockCount));
        }
        Ok(())
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.events_left == 0 {
            self.done = true;
            return self.end().err().map(Err);
        }
        self.events_left -= 1;
        let event = self.event();
        self.done = event.is_err();
        Some(event)
    }
}
