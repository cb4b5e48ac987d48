//! Descriptors: streams, files, folders.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::errno::Errno;
use super::path::resolve;
use super::{Folder, Streams};

/// Descriptors that may be open.
const MOST: usize = 4096;
/// Of `fd_seek`: from the start, from here, from the end.
pub(super) const FROM_HERE: u32 = 1;

const UNKNOWN: u8 = 0;
const CHARACTER_DEVICE: u8 = 2;
const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
const SYMBOLIC_LINK: u8 = 7;

const APPEND: u32 = 1;
const RIGHT_TO_READ: u64 = 1 << 1;
const RIGHT_TO_WRITE: u64 = 1 << 6;
/// All rights but seeking and telling: that is how a libc knows a terminal.
const RIGHTS_OF_STREAMS: u64 = 0x1fff_ffff & !(1 << 2 | 1 << 5);
const ALL_RIGHTS: u64 = 0x1fff_ffff;

/// How a file is opened.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    /// Whether a link at the end of the path is followed.
    pub follows: bool,
    /// 1 makes it, 2 wants a folder, 4 must make it, 8 empties it.
    pub flags: u32,
    pub rights: u64,
    pub descriptor_flags: u32,
}

enum Node {
    Input,
    Output,
    Errors,
    File {
        file: File,
        appends: bool,
    },
    /// Its path has no links; the name is that under which the program knows it from the start; the entries are those
    /// that it had when they were last read from the first on.
    Folder {
        path: PathBuf,
        name: Option<String>,
        entries: Vec<(String, u8)>,
    },
}

/// Everything that is open.
pub(super) struct Descriptors {
    open: BTreeMap<u32, Node>,
    streams: Streams,
}

impl Descriptors {
    pub(super) fn new(streams: Streams, folders: Vec<Folder>) -> io::Result<Self> {
        let mut open = BTreeMap::from([(0, Node::Input), (1, Node::Output), (2, Node::Errors)]);
        for (number, folder) in (3..).zip(folders) {
            let path = folder.host.canonicalize()?;
            if !path.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            open.insert(number, Node::Folder { path, name: Some(folder.guest), entries: Vec::new() });
        }
        Ok(Self { open, streams })
    }

    fn node(&mut self, number: u32) -> Result<&mut Node, Errno> {
        self.open.get_mut(&number).ok_or(Errno::BADF)
    }

    /// The file of a descriptor, and whether it appends.
    pub(super) fn file(&mut self, number: u32) -> Result<(&mut File, bool), Errno> {
        match self.node(number)? {
            Node::File { file, appends } => Ok((file, *appends)),
            Node::Folder { .. } => Err(Errno::ISDIR),
            _ => Err(Errno::SPIPE),
        }
    }

    fn folder(&self, number: u32) -> Result<&Path, Errno> {
        match self.open.get(&number) {
            Some(Node::Folder { path, .. }) => Ok(path),
            Some(_) => Err(Errno::NOTDIR),
            None => Err(Errno::BADF),
        }
    }

    /// The file that a path names in a folder.
    pub(super) fn resolve(&self, folder: u32, path: &str, follows: bool) -> Result<PathBuf, Errno> {
        resolve(self.folder(folder)?, path, follows)
    }

    /// The name of a folder that was opened before the program ran.
    pub(super) fn opened_before(&self, number: u32) -> Result<&str, Errno> {
        match self.open.get(&number) {
            Some(Node::Folder { name: Some(name), .. }) => Ok(name),
            // This ends a libc's search for them.
            _ => Err(Errno::BADF),
        }
    }

    pub(super) fn close(&mut self, number: u32) -> Result<(), Errno> {
        self.open.remove(&number).map(drop).ok_or(Errno::BADF)
    }

    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        if !self.open.contains_key(&to) {
            return Err(Errno::BADF);
        }
        let node = self.open.remove(&from).ok_or(Errno::BADF)?;
        self.open.insert(to, node);
        Ok(())
    }

    pub(super) fn read(&mut self, number: u32, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self.open.get_mut(&number).ok_or(Errno::BADF)? {
            Node::Input => Ok(self.streams.input.read(buffer)?),
            Node::File { file, .. } => Ok(file.read(buffer)?),
            Node::Folder { .. } => Err(Errno::ISDIR),
            Node::Output | Node::Errors => Err(Errno::BADF),
        }
    }

    pub(super) fn write(&mut self, number: u32, bytes: &[u8]) -> Result<usize, Errno> {
        match self.open.get_mut(&number).ok_or(Errno::BADF)? {
            Node::Output => write_all(&mut self.streams.output, bytes),
            Node::Errors => write_all(&mut self.streams.errors, bytes),
            Node::File { file, appends } => {
                if *appends {
                    file.seek(SeekFrom::End(0))?;
                }
                Ok(file.write(bytes)?)
            }
            Node::Folder { .. } => Err(Errno::ISDIR),
            Node::Input => Err(Errno::BADF),
        }
    }

    /// Reads at a place, and stays where it was.
    pub(super) fn read_at(&mut self, number: u32, place: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let (file, _) = self.file(number)?;
        at(file, place, |file| file.read(buffer))
    }

    /// Writes at a place, and stays where it was.
    pub(super) fn write_at(&mut self, number: u32, place: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let (file, _) = self.file(number)?;
        at(file, place, |file| file.write(bytes))
    }

    pub(super) fn seek(&mut self, number: u32, offset: i64, whence: u32) -> Result<u64, Errno> {
        let (file, _) = self.file(number)?;
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::INVAL)?),
            FROM_HERE => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(Errno::INVAL),
        };
        Ok(file.seek(to)?)
    }

    pub(super) fn sync(&mut self, number: u32) -> Result<(), Errno> {
        match self.file(number) {
            Ok((file, _)) => Ok(file.sync_all()?),
            Err(Errno::SPIPE) => Err(Errno::INVAL),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn set_size(&mut self, number: u32, bytes: u64) -> Result<(), Errno> {
        Ok(self.file(number)?.0.set_len(bytes)?)
    }

    pub(super) fn set_flags(&mut self, number: u32, flags: u32) -> Result<(), Errno> {
        match self.node(number)? {
            Node::File { appends, .. } => *appends = flags & APPEND != 0,
            _ if flags == 0 => {}
            _ => return Err(Errno::NOTSUP),
        }
        Ok(())
    }

    /// What kind of descriptor it is, as the interface lays it out.
    pub(super) fn fdstat(&mut self, number: u32) -> Result<[u8; 24], Errno> {
        let (kind, flags, rights) = match self.node(number)? {
            Node::Input | Node::Output | Node::Errors => (CHARACTER_DEVICE, 0, RIGHTS_OF_STREAMS),
            Node::File { appends, .. } => (REGULAR_FILE, u16::from(*appends), ALL_RIGHTS),
            Node::Folder { .. } => (DIRECTORY, 0, ALL_RIGHTS),
        };
        let mut stat = [0; 24];
        stat[0] = kind;
        stat[2..4].copy_from_slice(&flags.to_le_bytes());
        stat[8..16].copy_from_slice(&rights.to_le_bytes());
        stat[16..24].copy_from_slice(&rights.to_le_bytes());
        Ok(stat)
    }

    pub(super) fn filestat(&mut self, number: u32) -> Result<[u8; 64], Errno> {
        Ok(match self.node(number)? {
            Node::Input | Node::Output | Node::Errors => {
                let mut stat = [0; 64];
                stat[16] = CHARACTER_DEVICE;
                stat
            }
            Node::File { file, .. } => filestat(&file.metadata()?),
            Node::Folder { path, .. } => filestat(&fs::metadata(path)?),
        })
    }

    pub(super) fn path_filestat(&self, folder: u32, path: &str, follows: bool) -> Result<[u8; 64], Errno> {
        Ok(filestat(&fs::symlink_metadata(self.resolve(folder, path, follows)?)?))
    }

    /// Opens a file or folder; returns its descriptor, the lowest that is free.
    pub(super) fn open(&mut self, folder: u32, path: &str, how: Opening) -> Result<u32, Errno> {
        const CREATE: u32 = 1;
        const FOLDER: u32 = 2;
        const EXCLUSIVE: u32 = 4;
        const EMPTY: u32 = 8;
        if self.open.len() >= MOST {
            return Err(Errno::MFILE);
        }
        let has = |flag: u32| how.flags & flag != 0;
        let exclusive = has(CREATE) && has(EXCLUSIVE);
        let path = self.resolve(folder, path, how.follows && !exclusive)?;
        let found = fs::symlink_metadata(&path);
        let node = match found {
            Ok(metadata) if metadata.file_type().is_symlink() && !exclusive => return Err(Errno::LOOP),
            Ok(metadata) if metadata.is_dir() && !exclusive => {
                if how.rights & RIGHT_TO_WRITE != 0 && !has(FOLDER) {
                    return Err(Errno::ISDIR);
                }
                Node::Folder { path, name: None, entries: Vec::new() }
            }
            Ok(_) if has(FOLDER) => return Err(Errno::NOTDIR),
            _ => {
                let appends = how.descriptor_flags & APPEND != 0;
                let writes = how.rights & RIGHT_TO_WRITE != 0 || appends || has(EMPTY);
                let mut options = OpenOptions::new();
                options.read(how.rights & RIGHT_TO_READ != 0 || !writes).write(writes);
                // The standard library makes no file that it does not write.
                options.create(has(CREATE) && writes).create_new(exclusive && writes).truncate(has(EMPTY));
                if has(CREATE) && !writes && found.is_err() {
                    File::create_new(&path)?;
                } else if exclusive && !writes {
                    return Err(Errno::EXIST);
                }
                Node::File { file: options.open(&path)?, appends }
            }
        };
        let number = (0..).find(|number| !self.open.contains_key(number)).ok_or(Errno::MFILE)?;
        self.open.insert(number, node);
        Ok(number)
    }

    /// The entries of a folder from a cookie on, as many bytes as fit: the last one may be cut off, which says that
    /// there are more.
    pub(super) fn entries(&mut self, number: u32, cookie: u64, most_bytes: usize) -> Result<Vec<u8>, Errno> {
        let Node::Folder { path, entries, .. } = self.node(number)? else { return Err(Errno::NOTDIR) };
        // Once for all calls that go on from it: a cookie means the same entry in each.
        if cookie == 0 || entries.is_empty() {
            *entries = read_entries(path)?;
        }
        let mut out = Vec::new();
        for (next, (name, kind)) in (1u64..).zip(entries.iter()).skip(usize::try_from(cookie)?) {
            if out.len() >= most_bytes {
                break;
            }
            out.extend(next.to_le_bytes());
            out.extend([0; 8]);
            out.extend(u32::try_from(name.len())?.to_le_bytes());
            out.extend([*kind, 0, 0, 0]);
            out.extend(name.as_bytes());
        }
        out.truncate(most_bytes);
        Ok(out)
    }
}

/// The names in a folder and what they are, sorted.
fn read_entries(folder: &Path) -> io::Result<Vec<(String, u8)>> {
    let mut entries = vec![(".".to_owned(), DIRECTORY), ("..".to_owned(), DIRECTORY)];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // What is not UTF-8 cannot be named in the interface.
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.file_type().map_or(UNKNOWN, kind)));
        }
    }
    entries[2..].sort();
    Ok(entries)
}

fn write_all(stream: &mut dyn Write, bytes: &[u8]) -> Result<usize, Errno> {
    stream.write_all(bytes)?;
    stream.flush()?;
    Ok(bytes.len())
}

/// Does something at a place of a file, which then is where it was.
fn at(
    file: &mut File,
    place: u64,
    what: impl FnOnce(&mut File) -> io::Result<usize>,
) -> Result<usize, Errno> {
    let before = file.stream_position()?;
    file.seek(SeekFrom::Start(place))?;
    let done = what(file);
    file.seek(SeekFrom::Start(before))?;
    Ok(done?)
}

fn kind(kind: fs::FileType) -> u8 {
    if kind.is_dir() {
        DIRECTORY
    } else if kind.is_symlink() {
        SYMBOLIC_LINK
    } else if kind.is_file() {
        REGULAR_FILE
    } else {
        UNKNOWN
    }
}

/// What a file is, as the interface lays it out.
fn filestat(metadata: &Metadata) -> [u8; 64] {
    let time = |time: io::Result<std::time::SystemTime>| {
        let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    let numbers = [
        (32, metadata.len()),
        (40, time(metadata.accessed())),
        (48, time(metadata.modified())),
        // When it was made last changed in a way that the standard library does not tell.
        (56, time(metadata.modified())),
        (24, 1),
    ];
    let mut stat = [0; 64];
    for (at, number) in numbers {
        stat[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    stat[16] = kind(metadata.file_type());
    stat
}
