//! Preview 1's error numbers.

use std::io;
use std::num::TryFromIntError;

use crate::engine::{EngineError, Value};

/// An error number: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#-errno-variant>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(i32);

impl Errno {
    pub(super) const SUCCESS: Self = Self(0);
    pub(super) const ACCES: Self = Self(2);
    pub(super) const BADF: Self = Self(8);
    pub(super) const EXIST: Self = Self(20);
    pub(super) const FAULT: Self = Self(21);
    pub(super) const ILSEQ: Self = Self(25);
    pub(super) const INVAL: Self = Self(28);
    pub(super) const IO: Self = Self(29);
    pub(super) const ISDIR: Self = Self(31);
    pub(super) const LOOP: Self = Self(32);
    pub(super) const MFILE: Self = Self(33);
    pub(super) const NAMETOOLONG: Self = Self(37);
    pub(super) const NOENT: Self = Self(44);
    pub(super) const NOSPC: Self = Self(51);
    pub(super) const NOSYS: Self = Self(52);
    pub(super) const NOTDIR: Self = Self(54);
    pub(super) const NOTEMPTY: Self = Self(55);
    pub(super) const NOTSUP: Self = Self(58);
    pub(super) const OVERFLOW: Self = Self(61);
    pub(super) const PIPE: Self = Self(64);
    pub(super) const ROFS: Self = Self(69);
    pub(super) const SPIPE: Self = Self(70);
    pub(super) const NOTCAPABLE: Self = Self(76);

    /// The number as a result.
    pub(super) fn value(self) -> Value {
        Value::I32(self.0)
    }

    /// The number as it is stored.
    pub(super) fn number(self) -> u16 {
        u16::try_from(self.0).unwrap_or_default()
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound => Self::NOENT,
            Kind::PermissionDenied => Self::ACCES,
            Kind::AlreadyExists => Self::EXIST,
            Kind::InvalidInput => Self::INVAL,
            Kind::IsADirectory => Self::ISDIR,
            Kind::NotADirectory => Self::NOTDIR,
            Kind::DirectoryNotEmpty => Self::NOTEMPTY,
            Kind::ReadOnlyFilesystem => Self::ROFS,
            Kind::StorageFull => Self::NOSPC,
            Kind::BrokenPipe => Self::PIPE,
            Kind::NotSeekable => Self::SPIPE,
            Kind::Unsupported => Self::NOTSUP,
            _ => Self::IO,
        }
    }
}

/// An address outside the memory.
impl From<EngineError> for Errno {
    fn from(_: EngineError) -> Self {
        Self::FAULT
    }
}

impl From<TryFromIntError> for Errno {
    fn from(_: TryFromIntError) -> Self {
        Self::OVERFLOW
    }
}
