use core::fmt;

/// Why bytes are not a trace, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Offset of the item that is wrong, in bytes from the start of the trace.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not begin with the magic bytes.
    NotATrace,
    /// A version that this crate does not read.
    UnknownVersion(u8),
    /// The bytes end inside an item.
    UnexpectedEnd,
    /// An integer is longer than ten bytes or does not fit 64 bits.
    BadInteger,
    /// An operation that does not exist.
    UnknownOperation(u8),
    /// A thread beyond the number that the header announced.
    NoSuchThread(u64),
    /// A block that was not allocated yet.
    NoSuchBlock {
        /// The age that was named.
        age: u64,
    },
    /// A block that was freed before.
    FreedBefore {
        /// The age that was named.
        age: u64,
    },
    /// More allocations, or fewer, than the header announced.
    WrongBlockCount,
    /// The header announces more than the bytes can hold.
    ImpossibleCount,
    /// Bytes after the last event.
    TrailingBytes,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::NotATrace => write!(f, "not a heap trace: it does not begin with MGTR"),
            Fault::UnknownVersion(version) => write!(f, "version {version} of the format is not known"),
            Fault::UnexpectedEnd => write!(f, "the trace ends in the middle of an item"),
            Fault::BadInteger => write!(f, "an integer does not fit 64 bits"),
            Fault::UnknownOperation(op) => write!(f, "unknown operation {op:#04x}"),
            Fault::NoSuchThread(thread) => write!(f, "thread {thread} was not announced"),
            Fault::NoSuchBlock { age } => write!(f, "no block of age {age} was allocated"),
            Fault::FreedBefore { age } => write!(f, "the block of age {age} was freed before"),
            Fault::WrongBlockCount => write!(f, "the number of allocations is not the announced one"),
            Fault::ImpossibleCount => {
                write!(f, "more events or blocks are announced than the bytes can hold")
            }
            Fault::TrailingBytes => write!(f, "bytes follow the last event"),
        }?;
        write!(f, " (at offset {:#x})", self.offset)
    }
}

impl core::error::Error for Error {}
