//! Archives: tar, and zip in all its names (`.whl`, `.jar`, `.apk`). Members are handed on one after the other, so that no more
//! than one of them is held.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use zip::ZipArchive;

use super::{OpenError, read_at_most};

/// An archive that gives itself away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Archive {
    Tar,
    Zip,
}

/// A file in an archive.
pub(super) struct Member {
    /// Its path there, as text; what is no text is replaced.
    pub path: String,
    /// Its bytes, or why there are none.
    pub bytes: Result<Vec<u8>, OpenError>,
}

/// What becomes of a member.
pub(super) enum Wanted {
    /// It is passed over.
    No,
    /// It is read.
    Yes,
    /// It is handed on as an error, unread.
    Refused(OpenError),
}

/// How much of an archive is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes that one member may have.
    pub member_bytes: u64,
    /// Bytes that all members together may have that are read.
    pub total_bytes: u64,
}

/// Where a tar archive's header has its magic.
const TAR_MAGIC_AT: usize = 257;
/// Members looked at; an archive of more is refused.
const MOST_MEMBERS: usize = 1 << 20;

impl Archive {
    /// The archive of bytes that begin like this.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"PK\x03\x04") {
            return Some(Self::Zip);
        }
        head.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")).then_some(Self::Tar)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
        }
    }

    /// Hands on the files that `wanted` asks for by path and first bytes, in the archive's order, until `take` breaks. O(bytes).
    pub(super) fn members(
        self,
        bytes: &[u8],
        bounds: Bounds,
        wanted: impl Fn(&str, &[u8]) -> Wanted,
        take: impl FnMut(Member) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        let done = match self {
            Self::Tar => return tar_members(bytes, bounds, wanted, take),
            Self::Zip => zip(bytes, bounds, wanted, take),
        };
        done.map_err(|error| self.fault(error))
    }

    fn fault(self, error: OpenError) -> OpenError {
        OpenError::Unpack { compression: self.name(), source: Box::new(error) }
    }
}

/// First bytes by which a member is judged.
const HEAD_BYTES: u64 = 4096;

/// [`Archive::members`] of a tar archive that is read from its beginning to its end, and held nowhere.
pub(super) fn tar_members(
    archive: impl Read,
    bounds: Bounds,
    wanted: impl Fn(&str, &[u8]) -> Wanted,
    take: impl FnMut(Member) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    tar(archive, bounds, wanted, take).map_err(|error| Archive::Tar.fault(error))
}

fn tar(
    archive: impl Read,
    bounds: Bounds,
    wanted: impl Fn(&str, &[u8]) -> Wanted,
    mut take: impl FnMut(Member) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let mut archive = tar::Archive::new(archive);
    let mut reader = Reader::new(bounds);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file()
            && let Some(member) = reader.member(path, &mut entry, &wanted)?
            && take(member).is_break()
        {
            break;
        }
    }
    Ok(())
}

fn zip(
    bytes: &[u8],
    bounds: Bounds,
    wanted: impl Fn(&str, &[u8]) -> Wanted,
    mut take: impl FnMut(Member) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(std::io::Error::other)?;
    let mut reader = Reader::new(bounds);
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).map_err(std::io::Error::other)?;
        if !file.is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(file.name_raw()).into_owned();
        if let Some(member) = reader.member(path, &mut file, &wanted)?
            && take(member).is_break()
        {
            break;
        }
    }
    Ok(())
}

/// Reads members, and counts what they take.
struct Reader {
    bounds: Bounds,
    left_bytes: u64,
    seen: usize,
}

impl Reader {
    fn new(bounds: Bounds) -> Self {
        Self { bounds, left_bytes: bounds.total_bytes, seen: 0 }
    }

    fn member(
        &mut self,
        path: String,
        reader: &mut impl Read,
        wanted: impl Fn(&str, &[u8]) -> Wanted,
    ) -> Result<Option<Member>, OpenError> {
        self.seen += 1;
        if self.seen > MOST_MEMBERS {
            return Err(OpenError::TooManyMembers { limit: MOST_MEMBERS });
        }
        let mut head = Vec::new();
        reader.take(HEAD_BYTES).read_to_end(&mut head)?;
        match wanted(&path, &head) {
            Wanted::No => return Ok(None),
            Wanted::Refused(error) => return Ok(Some(Member { path, bytes: Err(error) })),
            Wanted::Yes => {}
        }
        let mut whole = Cursor::new(head);
        whole.seek(SeekFrom::Start(0))?;
        let may_have = self.left_bytes.min(self.bounds.member_bytes);
        let bytes = match read_at_most(whole.chain(reader), may_have) {
            Ok(bytes) => bytes,
            Err(error) if error.is_too_large() => {
                // One that is too large by itself is no reason to give up the others.
                if self.left_bytes < self.bounds.member_bytes
                    || self.bounds.total_bytes == self.bounds.member_bytes
                {
                    return Err(OpenError::TooLarge { max_bytes: self.bounds.total_bytes });
                }
                let error = OpenError::TooLarge { max_bytes: self.bounds.member_bytes };
                self.left_bytes -= may_have;
                return Ok(Some(Member { path, bytes: Err(error) }));
            }
            Err(error) => return Err(error),
        };
        self.left_bytes = self.left_bytes.saturating_sub(bytes.len() as u64);
        Ok(Some(Member { path, bytes: Ok(bytes) }))
    }
}
