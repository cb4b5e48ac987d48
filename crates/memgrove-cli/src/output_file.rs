//! Every file that a command writes, by one rule.
//!
//! ```text
//! a file, or nothing yet    written beside it and renamed: the old file or the new one, whole
//!   its mode                kept; its owner too, where the system allows. A new file's by the umask
//!   read-only               refused, whoever asks
//! a symbolic link           what it points to is the target; the link stays
//! a device, a FIFO          written into; never replaced
//! a block device, a socket, a folder, standard output   refused
//! an input, another output  refused: by identity, so that links of both kinds are seen
//! ```
//! Targets are made, and refused, before the work begins.

use std::ffi::{OsStr, OsString};
#[cfg(unix)]
use std::fs::Permissions;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use memgrove_text::{escape_file_name, escape_name};

use crate::exit::UserError;
use crate::interrupt::Unfinished;

/// How the name of a file begins that is not yet in its place.
/// `survey --build` sweeps such files from its folder, should a run have been killed.
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// More links than this, one pointing to the next, are a loop.
const MAX_LINKS: usize = 40;

/// A place for a result, which was there to be written to when the command began.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As the user gave it.
    path: PathBuf,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    /// Replaced as a whole. The file itself, behind all links.
    File(PathBuf),
    /// Opened and written into.
    Through,
}

impl Target {
    /// The place for an output. `what` names it in errors: `OUT`, or the option.
    pub(crate) fn new(path: &Path, what: &str) -> Result<Self> {
        let name = escape_file_name(path.as_os_str());
        if path.as_os_str() == "-" {
            return Err(UserError::usage(format!("{what} cannot be standard output, where the report goes"))
                .hint("give the name of a file")
                .into());
        }
        if path.as_os_str().is_empty() {
            return Err(UserError::usage(format!("{what} is empty")).hint("give the name of a file").into());
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreachable(error, what, &name)),
        };
        if let Some(metadata) = &metadata {
            refuse_kind(metadata, what, &name)?;
            refuse_stream(metadata, what)?;
        }
        let place = match metadata {
            Some(metadata) if !metadata.is_file() => Place::Through,
            metadata => {
                let file = resolve(path).map_err(|error| unreachable(error, what, &name))?;
                if let Some(metadata) = &metadata {
                    refuse_read_only(file.as_deref().unwrap_or(path), metadata, what, &name)?;
                }
                match (file, metadata) {
                    (Some(file), _) => {
                        refuse_folder(&file, what, &name)?;
                        Place::File(file)
                    }
                    (None, Some(_)) => Place::Through,
                    (None, None) => {
                        return Err(UserError::usage(format!("{what} is not an open file: {name}"))
                            .hint("give the name of a file")
                            .into());
                    }
                }
            }
        };
        Ok(Self { path: path.to_owned(), place })
    }

    /// The name that the user gave, for people.
    pub(crate) fn name(&self) -> String {
        escape_name(&escape_file_name(self.path.as_os_str())).into_owned()
    }

    /// What is written to or replaced.
    fn place(&self) -> &Path {
        match &self.place {
            Place::File(file) => file,
            Place::Through => &self.path,
        }
    }

    /// Whether it is a file, which can be read again, and not a device or a pipe.
    pub(crate) const fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// Writes the result; on failure what was there is unchanged.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        self.put(bytes).with_context(|| format!("writing {}", self.name()))
    }

    /// [`Target::write`], without saying where.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.place {
            Place::File(file) => replace(file, bytes),
            Place::Through => {
                let mut stream = OpenOptions::new().write(true).truncate(true).open(&self.path)?;
                stream.write_all(bytes).map_err(|error| match error.kind() {
                    // Not the reader of our own output, who may go when he has seen enough.
                    io::ErrorKind::BrokenPipe => io::Error::other("its reader has closed it"),
                    _ => error,
                })
            }
        }
    }

    /// Refuses a target that is `input`, by whatever name or link.
    pub(crate) fn refuse_input(&self, input: &Path, what: &str) -> Result<()> {
        let same = match input.as_os_str() == "-" {
            true => stream_metadata(Stream::In).is_some_and(|metadata| is_file_at(&metadata, self.place())),
            false => is_same(self.place(), input),
        };
        if !same || is_bottomless(self.place()) {
            return Ok(());
        }
        let input = escape_file_name(input.as_os_str());
        Err(UserError::usage(format!("{what} is the input file {input}, which is never touched"))
            .hint("give another name")
            .into())
    }

    /// Refuses a target that another output goes to.
    pub(crate) fn refuse_other(&self, other: &Self) -> Result<()> {
        let (one, two) = (self.place(), other.place());
        if (one != two && !is_same(one, two)) || is_bottomless(one) {
            return Ok(());
        }
        Err(UserError::usage(format!("two outputs would go to the same file: {}", self.name()))
            .hint("give each a name of its own")
            .into())
    }
}

/// Refuses targets that are one of the inputs or each other. Inputs are paths; `-` is standard input.
pub(crate) fn refuse_clashes<'a>(
    targets: &[(&Target, &str)],
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    for (index, (target, _)) in targets.iter().enumerate() {
        targets[..index].iter().try_for_each(|(other, _)| target.refuse_other(other))?;
    }
    if targets.is_empty() {
        return Ok(());
    }
    for input in inputs {
        targets.iter().try_for_each(|(target, what)| target.refuse_input(input, what))?;
    }
    Ok(())
}

/// Writes a file that only we know the name of, such as one of many in a folder.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    Target::new(path, &escape_file_name(path.as_os_str()))?.write(bytes)
}

fn refuse_kind(metadata: &Metadata, what: &str, name: &str) -> Result<()> {
    if metadata.is_dir() {
        return Err(UserError::usage(format!("{what} is a folder: {name}"))
            .hint("give the name of a file in it")
            .into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        let refused = match (kind.is_block_device(), kind.is_socket()) {
            (true, _) => Some("a block device"),
            (_, true) => Some("a socket"),
            _ => None,
        };
        if let Some(refused) = refused {
            return Err(UserError::usage(format!("{what} is {refused}: {name}"))
                .hint("give the name of a file")
                .into());
        }
    }
    Ok(())
}

/// The name ends in a folder that is not there: `a/` or `a/..`.
fn refuse_folder(file: &Path, what: &str, name: &str) -> Result<()> {
    let ends_in_name = matches!(file.components().next_back(), Some(Component::Normal(_)));
    if ends_in_name
        && !name.ends_with('/')
        && !name.ends_with(std::path::MAIN_SEPARATOR)
        && !name.ends_with("/.")
    {
        return Ok(());
    }
    Err(UserError::usage(format!("{what} is not a file name: {name}")).hint("give the name of a file").into())
}

/// A file that is marked as read-only was meant to stay as it is, also where we could replace it: renaming
/// asks only for the folder's permission, and the superuser for none.
fn refuse_read_only(file: &Path, metadata: &Metadata, what: &str, name: &str) -> Result<()> {
    let denied = metadata.permissions().readonly()
        || OpenOptions::new().write(true).open(file).is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
        });
    if !denied {
        return Ok(());
    }
    Err(UserError::failed(format!("{what} is read-only: {name}"))
        .hint("make it writable, or give another name")
        .into())
}

fn unreachable(error: io::Error, what: &str, name: &str) -> anyhow::Error {
    let folder = Path::new(name).parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or(".".to_owned(), |folder| folder.display().to_string());
    let user = match error.kind() {
        io::ErrorKind::NotFound => {
            UserError::failed(format!("{what} is in a folder that is not there: {folder}"))
                .hint(format!("create it first: mkdir -p {folder}"))
        }
        io::ErrorKind::NotADirectory => {
            UserError::failed(format!("{what} lies in something that is not a folder: {folder}"))
                .hint("give another name")
        }
        _ => UserError::failed(format!("{what} cannot be written: {name}: {error}")),
    };
    user.into()
}

/// Follows links to the file that is meant, which need not be there; its folder must. `None` if it is an open
/// file of a process (`/dev/fd/3`), which has no other name that could be relied on.
fn resolve(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let (folder, name) = split(&path);
        let folder = fs::canonicalize(folder)?;
        if !folder.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if is_descriptors(&folder) {
            return Ok(None);
        }
        let file = folder.join(&name);
        match fs::read_link(&file) {
            Ok(next) => path = folder.join(next),
            Err(_) => return Ok(Some(file)),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The folder of a path, and its name there.
fn split(path: &Path) -> (PathBuf, OsString) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (folder.to_owned(), path.file_name().unwrap_or(OsStr::new("..")).to_owned())
}

/// `/proc/self/fd` and its like.
fn is_descriptors(folder: &Path) -> bool {
    (folder.starts_with("/proc") && folder.ends_with("fd")) || folder == Path::new("/dev/fd")
}

/// Writes beside the file and renames, so that the file is never half a result.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let old = fs::symlink_metadata(file).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(io::Error::other("what was a file is one no more"));
    }
    let (mut stream, beside) = Unfinished::create(|| {
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED_PREFIX);
        // What replaces a file gets that file's mode below, and is nobody else's to read until then.
        #[cfg(unix)]
        if old.is_none() {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(Permissions::from_mode(0o666));
        }
        Ok(builder.tempfile_in(folder)?.into_parts())
    })?;
    stream.write_all(bytes)?;
    if let Some(old) = &old {
        keep_owner_and_mode(&stream, old)?;
    }
    stream.sync_all()?;
    drop(stream);
    beside.persist(file)
}

#[cfg(unix)]
fn keep_owner_and_mode(stream: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let new = stream.metadata()?;
    // Only the superuser can give a file away, so this is allowed to fail; and then a bit that lets others act as
    // its owner or group must not stay.
    let owner = new.uid() == old.uid() || fchown(stream, Some(old.uid()), None).is_ok();
    let group = new.gid() == old.gid() || fchown(stream, None, Some(old.gid())).is_ok();
    let lost = if owner { 0 } else { 0o4000 } | if group { 0 } else { 0o2000 };
    stream.set_permissions(Permissions::from_mode(old.permissions().mode() & 0o7777 & !lost))
}

#[cfg(not(unix))]
fn keep_owner_and_mode(stream: &File, old: &Metadata) -> io::Result<()> {
    stream.set_permissions(old.permissions())
}

/// Whether two paths lead to one file.
#[cfg(not(unix))]
fn is_same(one: &Path, two: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(two).is_ok_and(|two| one == two))
}

/// Whether two paths lead to one file.
#[cfg(unix)]
fn is_same(one: &Path, two: &Path) -> bool {
    match fs::metadata(two) {
        Ok(metadata) => is_file_at(&metadata, one),
        Err(_) => false,
    }
}

/// Whether the file with this metadata is what `path` leads to.
#[cfg(unix)]
fn is_file_at(metadata: &Metadata, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|other| same_identity(metadata, &other))
}

#[cfg(unix)]
fn same_identity(one: &Metadata, two: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (two.dev(), two.ino())
}

/// A device such as `/dev/null` may be given for any number of things.
#[cfg(unix)]
fn is_bottomless(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_bottomless(_: &Path) -> bool {
    false
}

/// A standard stream of this process.
#[derive(Clone, Copy)]
enum Stream {
    In,
    #[cfg(unix)]
    Out,
    #[cfg(unix)]
    Error,
}

#[cfg(unix)]
fn stream_metadata(stream: Stream) -> Option<Metadata> {
    use std::os::fd::AsFd;
    let owned = match stream {
        Stream::In => io::stdin().as_fd().try_clone_to_owned(),
        Stream::Out => io::stdout().as_fd().try_clone_to_owned(),
        Stream::Error => io::stderr().as_fd().try_clone_to_owned(),
    };
    File::from(owned.ok()?).metadata().ok()
}

/// A result would be mixed with what is printed. A device that swallows everything is no mixture.
#[cfg(unix)]
fn refuse_stream(metadata: &Metadata, what: &str) -> Result<()> {
    use std::io::IsTerminal;
    use std::os::unix::fs::FileTypeExt;
    for (stream, name, terminal) in [
        (Stream::Out, "standard output, where the report goes", io::stdout().is_terminal()),
        (Stream::Error, "standard error, where messages go", io::stderr().is_terminal()),
    ] {
        let same = stream_metadata(stream).is_some_and(|stream| same_identity(&stream, metadata));
        if same && (terminal || !metadata.file_type().is_char_device()) {
            return Err(UserError::usage(format!("{what} cannot be {name}"))
                .hint("give the name of a file")
                .into());
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn is_file_at(_: &Metadata, _: &Path) -> bool {
    false
}

#[cfg(not(unix))]
fn stream_metadata(_: Stream) -> Option<Metadata> {
    None
}

#[cfg(not(unix))]
fn refuse_stream(_: &Metadata, _: &str) -> Result<()> {
    Ok(())
}
