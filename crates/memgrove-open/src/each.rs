//! The modules in a file, one after the other: of an archive, no more than one is held.

use std::io::{self, Read};
use std::ops::ControlFlow;

use super::archive::{Archive, Bounds, Member, Wanted, tar_members};
use super::compressed::Compression;
use super::{Binary, OpenError, holds_wasm, identify, inlined, is_binary, may_inline, text_format};

/// How many compressions may lie around a module, one in the other.
pub(super) const MAX_DEPTH: usize = 4;

/// Bytes that anything may unpack to, whatever its ratio: a small file of one letter is no attack.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// As much of a file as shows whether it is an archive.
const PEEK_BYTES: u64 = 512;

/// What unpacking may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a file, or a member of an archive, may have when it is unpacked.
    pub max_bytes: u64,
    /// Bytes that may come out of each byte of a file, beyond its first MiB.
    pub max_ratio: u64,
    /// Archives that may lie in each other.
    pub max_archives: usize,
}

impl Default for Limits {
    /// 512 MiB, 500 bytes for one, and an archive in an archive.
    fn default() -> Self {
        Self { max_bytes: super::DEFAULT_MAX_BYTES, max_ratio: 500, max_archives: 2 }
    }
}

impl Limits {
    /// What so many packed bytes may unpack to.
    fn unpacked_bytes(&self, packed: usize) -> u64 {
        (packed as u64).saturating_mul(self.max_ratio).max(RATIO_FREE_BYTES)
    }
}

/// Something in a file: a module or component, or why there is none.
#[derive(Debug)]
pub struct Found {
    /// Its path in an archive, and in the archives inside it: `lib.jar/inner/a.wasm`.
    pub member: Option<String>,
    /// It, or why it cannot be had.
    pub result: Result<Binary, OpenError>,
}

/// Hands on the modules and components in a file, each as soon as it is unpacked, until `take` breaks. There is at least one, or an
/// error that says why there is none; after an error that is a member's own come the next members.
///
/// `name` helps to say what a file is that holds none.
pub fn each_binary(
    bytes: Vec<u8>,
    name: &str,
    limits: &Limits,
    take: &mut dyn FnMut(Found) -> ControlFlow<()>,
) {
    let at = Location { member: None, wrapped_in: Vec::new(), archives: 0 };
    let _ = Visit { limits, nested: Nested::Opened, total_bytes: None }.file(bytes, name, at, take);
}

/// What becomes of an archive in an archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nested {
    /// Its members come in its place.
    Opened,
    /// It is passed over.
    Ignored,
}

/// Where a file lies.
#[derive(Clone, Default)]
pub(super) struct Location {
    pub(super) member: Option<String>,
    pub(super) wrapped_in: Vec<String>,
    /// Archives around it.
    pub(super) archives: usize,
}

pub(super) struct Visit<'a> {
    pub(super) limits: &'a Limits,
    pub(super) nested: Nested,
    /// What all members of an archive may have together; by the ratio where it is left out.
    pub(super) total_bytes: Option<u64>,
}

/// Whoever takes what is found.
type Take<'a> = &'a mut dyn FnMut(Found) -> ControlFlow<()>;

impl Visit<'_> {
    pub(super) fn file(
        &self,
        mut bytes: Vec<u8>,
        name: &str,
        mut at: Location,
        take: Take<'_>,
    ) -> ControlFlow<()> {
        let mut compressions = 0;
        while let Some(compression) = Compression::of(&bytes) {
            if compressions == MAX_DEPTH {
                return take(at.failed(OpenError::TooDeep { limit: MAX_DEPTH }));
            }
            compressions += 1;
            let head = compression.peek(&bytes, PEEK_BYTES);
            if self.nested == Nested::Opened && Archive::of(&head) == Some(Archive::Tar) {
                at.wrapped_in.push(compression.name().to_owned());
                let most = self.limits.unpacked_bytes(bytes.len());
                return match compression.reader(&bytes) {
                    Ok(reader) => {
                        let reader = Bounded { reader, left_bytes: most, ratio: self.limits.max_ratio };
                        self.archive(Packed::Tar(Box::new(reader)), most, at, take)
                    }
                    Err(error) => take(at.failed(compression.fault(error.into()))),
                };
            }
            let unpacked = match self.nested {
                Nested::Opened => self.unpack(compression, &bytes),
                Nested::Ignored => compression.unpack(&bytes, self.limits.max_bytes),
            };
            bytes = match unpacked {
                Ok(unpacked) => unpacked,
                Err(error) => return take(at.failed(error)),
            };
            at.wrapped_in.push(compression.name().to_owned());
        }
        if let Some(archive) = Archive::of(&bytes) {
            let most = self.total_bytes.unwrap_or_else(|| self.limits.unpacked_bytes(bytes.len()));
            return self.archive(Packed::Bytes(archive, &bytes), most, at, take);
        }
        self.modules(bytes, name, at, take)
    }

    /// A file that is no archive and not compressed.
    fn modules(&self, bytes: Vec<u8>, name: &str, mut at: Location, take: Take<'_>) -> ControlFlow<()> {
        if text_format::is_text_format(&bytes) {
            at.wrapped_in.push("text format".to_owned());
            return match text_format::assemble(&bytes, self.limits.max_bytes) {
                Ok(bytes) => take(at.holds(bytes)),
                Err(error) => take(at.failed(error)),
            };
        }
        if is_binary(&bytes) {
            return take(at.holds(bytes));
        }
        let mut is_empty = true;
        for found in inlined::inlined(&bytes) {
            is_empty = false;
            let mut at = at.clone();
            at.wrapped_in.push(found.around());
            take(at.holds(found.bytes))?;
        }
        if is_empty {
            take(at.failed(no_module(&bytes, name, &at.wrapped_in)))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn unpack(&self, compression: Compression, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
        let most = self.limits.unpacked_bytes(bytes.len());
        let is_ratio = most < self.limits.max_bytes;
        compression.unpack(bytes, most.min(self.limits.max_bytes)).map_err(|error| {
            if is_ratio && error.is_too_large() {
                return compression.fault(OpenError::TooCompressed { limit: self.limits.max_ratio });
            }
            error
        })
    }

    /// The modules in an archive's members. A script without one is passed over.
    fn archive(
        &self,
        archive: Packed<'_>,
        total_bytes: u64,
        at: Location,
        take: Take<'_>,
    ) -> ControlFlow<()> {
        let kind = archive.kind();
        let is_last = at.archives + 1 >= self.limits.max_archives;
        let wanted = |path: &str, head: &[u8]| {
            if super::is_archive(head) {
                return match self.nested {
                    Nested::Ignored => Wanted::No,
                    Nested::Opened if is_last => {
                        Wanted::Refused(OpenError::TooNested { limit: self.limits.max_archives })
                    }
                    Nested::Opened => Wanted::Yes,
                };
            }
            if holds_wasm(head) || may_inline(path, head) { Wanted::Yes } else { Wanted::No }
        };
        let bounds = Bounds { member_bytes: self.limits.max_bytes, total_bytes };
        let mut is_empty = true;
        let mut flow = ControlFlow::Continue(());
        let on_member = |member: Member| {
            let path = at
                .member
                .as_ref()
                .map_or_else(|| member.path.clone(), |outer| format!("{outer}/{}", member.path));
            let mut wrapped_in = at.wrapped_in.clone();
            wrapped_in.push(kind.name().to_owned());
            let inner = Location { member: Some(path), wrapped_in, archives: at.archives + 1 };
            flow = match member.bytes {
                Err(error) => {
                    is_empty = false;
                    take(inner.failed(error))
                }
                Ok(bytes) => self.file(bytes, &member.path, inner, &mut |found| match found.result {
                    Err(OpenError::NoModule { .. }) => ControlFlow::Continue(()),
                    _ => {
                        is_empty = false;
                        take(found)
                    }
                }),
            };
            flow
        };
        let read = match archive {
            Packed::Tar(reader) => tar_members(reader, bounds, wanted, on_member),
            Packed::Bytes(archive, bytes) => archive.members(bytes, bounds, wanted, on_member),
        };
        flow?;
        match read {
            Err(error) => take(at.failed(self.of_ratio(error))),
            Ok(()) if is_empty => {
                let inside = if at.wrapped_in.is_empty() { "" } else { "inside is " };
                let what = format!("{inside}a {} archive without a module", kind.name());
                take(at.failed(OpenError::NoModule { what, hint: None }))
            }
            Ok(()) => ControlFlow::Continue(()),
        }
    }

    /// All members together are bounded by the ratio alone, unless by a number.
    fn of_ratio(&self, error: OpenError) -> OpenError {
        match error {
            OpenError::Unpack { compression, source } if self.total_bytes.is_none() => match *source {
                OpenError::TooLarge { .. } => {
                    let source = OpenError::TooCompressed { limit: self.limits.max_ratio };
                    OpenError::Unpack { compression, source: Box::new(source) }
                }
                OpenError::Read(error) if error.get_ref().is_some_and(|inner| inner.is::<Burst>()) => {
                    let source = OpenError::TooCompressed { limit: self.limits.max_ratio };
                    OpenError::Unpack { compression, source: Box::new(source) }
                }
                source => OpenError::Unpack { compression, source: Box::new(source) },
            },
            error => error,
        }
    }
}

impl Location {
    fn failed(&self, error: OpenError) -> Found {
        Found { member: self.member.clone(), result: Err(error) }
    }

    fn holds(&self, bytes: Vec<u8>) -> Found {
        let (wrapped_in, member) = (self.wrapped_in.clone(), self.member.clone());
        Found { member: member.clone(), result: Ok(Binary { bytes, wrapped_in, member }) }
    }
}

/// An archive, held or not.
enum Packed<'a> {
    /// One that comes out of what compressed it.
    Tar(Box<dyn Read + 'a>),
    Bytes(Archive, &'a [u8]),
}

impl Packed<'_> {
    const fn kind(&self) -> Archive {
        match self {
            Self::Tar(_) => Archive::Tar,
            Self::Bytes(archive, _) => *archive,
        }
    }
}

/// A reader that fails where more comes out than may, also of what is passed over.
struct Bounded<R> {
    reader: R,
    left_bytes: u64,
    ratio: u64,
}

/// More came out than the ratio allows.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes come out of each byte")]
struct Burst(u64);

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        match self.left_bytes.checked_sub(read as u64) {
            Some(left) => self.left_bytes = left,
            None => return Err(io::Error::other(Burst(self.ratio))),
        }
        Ok(read)
    }
}

fn no_module(bytes: &[u8], name: &str, wrapped_in: &[String]) -> OpenError {
    let identity = identify::identify(bytes, unwrapped_name(name, wrapped_in));
    let inside = if wrapped_in.is_empty() { "" } else { "inside is " };
    OpenError::NoModule { what: format!("{inside}{}", identity.what), hint: identity.hint }
}

/// Of `a.tar.gz` the part that is left after unpacking is `a.tar`.
fn unwrapped_name<'a>(name: &'a str, wrapped_in: &[String]) -> &'a str {
    wrapped_in.iter().fold(name, |name, _| name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}
