//! Archives: tar, and zip in all its names (`.whl`, `.jar`, `.apk`).

use std::io::{Cursor, Read, Seek, SeekFrom};

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
    pub bytes: Vec<u8>,
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

    /// The files that `wanted` asks for by path and first bytes, in the archive's order. All together they may have
    /// `max_bytes`. O(bytes).
    pub(super) fn members(
        self,
        bytes: &[u8],
        max_bytes: u64,
        wanted: impl Fn(&str, &[u8]) -> bool,
    ) -> Result<Vec<Member>, OpenError> {
        let members = match self {
            Self::Tar => tar(bytes, max_bytes, wanted),
            Self::Zip => zip(bytes, max_bytes, wanted),
        };
        let compression = self.name();
        members.map_err(|error| OpenError::Unpack { compression, source: Box::new(error) })
    }
}

/// First bytes by which a member is judged.
const HEAD_BYTES: u64 = 4096;

fn tar(bytes: &[u8], max_bytes: u64, wanted: impl Fn(&str, &[u8]) -> bool) -> Result<Vec<Member>, OpenError> {
    let mut archive = tar::Archive::new(bytes);
    let mut taken = Taken::new(max_bytes);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file() {
            taken.take(path, &mut entry, &wanted)?;
        }
    }
    Ok(taken.members)
}

fn zip(bytes: &[u8], max_bytes: u64, wanted: impl Fn(&str, &[u8]) -> bool) -> Result<Vec<Member>, OpenError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(std::io::Error::other)?;
    let mut taken = Taken::new(max_bytes);
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).map_err(std::io::Error::other)?;
        if file.is_file() {
            let path = String::from_utf8_lossy(file.name_raw()).into_owned();
            taken.take(path, &mut file, &wanted)?;
        }
    }
    Ok(taken.members)
}

/// What has been taken out of an archive.
struct Taken {
    members: Vec<Member>,
    left_bytes: u64,
    max_bytes: u64,
    seen: usize,
}

impl Taken {
    fn new(max_bytes: u64) -> Self {
        Self { members: Vec::new(), left_bytes: max_bytes, max_bytes, seen: 0 }
    }

    fn take(
        &mut self,
        path: String,
        reader: &mut impl Read,
        wanted: impl Fn(&str, &[u8]) -> bool,
    ) -> Result<(), OpenError> {
        self.seen += 1;
        if self.seen > MOST_MEMBERS {
            return Err(OpenError::TooManyMembers { limit: MOST_MEMBERS });
        }
        let mut head = Vec::new();
        reader.take(HEAD_BYTES).read_to_end(&mut head)?;
        if !wanted(&path, &head) {
            return Ok(());
        }
        let mut whole = Cursor::new(head);
        whole.seek(SeekFrom::Start(0))?;
        let bytes = read_at_most(whole.chain(reader), self.left_bytes).map_err(|error| {
            if error.is_too_large() { OpenError::TooLarge { max_bytes: self.max_bytes } } else { error }
        })?;
        self.left_bytes = self.left_bytes.saturating_sub(bytes.len() as u64);
        self.members.push(Member { path, bytes });
        Ok(())
    }
}
