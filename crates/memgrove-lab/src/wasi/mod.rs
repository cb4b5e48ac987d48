//! A small host for commands: WASI preview 1 over the standard library, for every engine.
//!
//! ```text
//! Command ── host() ──▶ engine::Host ── each call ──▶ System: descriptors (files.rs), paths (path.rs), clocks, random
//! ```
//!
//! Files are seen through the folders that were opened beforehand and through nothing else: a path that leads out of
//! its folder, also by a symbolic link, is refused. Somebody who changes links in that folder while the program runs
//! could still lead it out; for programs that are not trusted at all, use an engine's own WASI.
//!
//! What is not here answers `ENOSYS` or `ENOTSUP`, as the interface has it: links, times of files, sockets, signals.

mod clock;
mod errno;
mod files;
mod memory;
mod path;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use self::errno::Errno;
use self::files::Descriptors;
use self::memory::{Arguments, Guest};
use crate::engine::{Caller, Host, HostFunction, HostTrap, Signature, Value, ValueType};

/// The module that preview 1 is imported from. `wasi_unstable` before it has the same names and lays its data out
/// otherwise: a program of that time is told that this host is not its own.
const MODULE: &str = "wasi_snapshot_preview1";
/// Bytes that a call moves at once, however long the buffer is that the program gives.
const MOST_BYTES: u32 = 16 << 20;

/// A folder that the program may use.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it is.
    pub host: PathBuf,
    /// Its name inside, such as `/` or `data`.
    pub guest: String,
}

/// The standard streams.
pub struct Streams {
    /// What the program reads.
    pub input: Box<dyn Read + Send>,
    /// What it says.
    pub output: Box<dyn Write + Send>,
    /// What it says of errors.
    pub errors: Box<dyn Write + Send>,
}

impl Streams {
    /// Those of this process.
    #[must_use]
    pub fn inherited() -> Self {
        Self { input: Box::new(io::stdin()), output: Box::new(io::stdout()), errors: Box::new(io::stderr()) }
    }
}

/// What a command is started with.
pub struct Command {
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its environment, as name and value.
    pub environment: Vec<(String, String)>,
    /// The folders that it may use, in the order of their descriptors from 3 on.
    pub folders: Vec<Folder>,
    /// Its standard streams.
    pub streams: Streams,
}

/// The status with which a command ended, once it has.
#[derive(Debug, Clone, Default)]
pub struct ExitStatus(Arc<OnceLock<u32>>);

impl ExitStatus {
    /// What it gave to `proc_exit`; `None` if it has not called that.
    #[must_use]
    pub fn get(&self) -> Option<u32> {
        self.0.get().copied()
    }

    /// Ends the command: the error with which its call is ended.
    pub(crate) fn end(&self, status: u32) -> HostTrap {
        // A second exit cannot be: the first did not come back.
        let _ = self.0.set(status);
        HostTrap(format!("exit status {}", status.cast_signed()))
    }
}

/// What the functions share.
struct System {
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    descriptors: Descriptors,
    clocks: clock::Clocks,
}

/// A function of the interface: it works on the system and the program's memory, and fails with a number.
type Function = fn(&mut System, &mut Guest<'_>, Arguments<'_>) -> Result<(), Errno>;

/// All but `proc_exit`.
const FUNCTIONS: &[(&str, Function)] = &[
    ("args_get", |system, guest, args| guest.write_list(args.u32(0)?, args.u32(1)?, &system.arguments)),
    ("args_sizes_get", |system, guest, args| {
        guest.write_sizes(args.u32(0)?, args.u32(1)?, &system.arguments)
    }),
    ("environ_get", |system, guest, args| guest.write_list(args.u32(0)?, args.u32(1)?, &system.environment)),
    ("environ_sizes_get", |system, guest, args| {
        guest.write_sizes(args.u32(0)?, args.u32(1)?, &system.environment)
    }),
    ("clock_res_get", |_, guest, args| guest.write_u64(args.u32(1)?, clock::resolution(args.u32(0)?)?)),
    ("clock_time_get", |system, guest, args| {
        guest.write_u64(args.u32(2)?, system.clocks.nanoseconds(args.u32(0)?)?)
    }),
    ("fd_advise", |system, _, args| system.descriptors.file(args.u32(0)?).map(drop)),
    ("fd_close", |system, _, args| system.descriptors.close(args.u32(0)?)),
    ("fd_datasync", |system, _, args| system.descriptors.sync(args.u32(0)?)),
    ("fd_fdstat_get", |system, guest, args| {
        guest.write(args.u32(1)?, &system.descriptors.fdstat(args.u32(0)?)?)
    }),
    ("fd_fdstat_set_flags", |system, _, args| system.descriptors.set_flags(args.u32(0)?, args.u32(1)?)),
    ("fd_filestat_get", |system, guest, args| {
        guest.write(args.u32(1)?, &system.descriptors.filestat(args.u32(0)?)?)
    }),
    ("fd_filestat_set_size", |system, _, args| system.descriptors.set_size(args.u32(0)?, args.u64(1)?)),
    ("fd_pread", |system, guest, args| {
        let place = args.u64(3)?;
        let descriptors = &mut system.descriptors;
        guest.scatter(args.u32(1)?, args.u32(2)?, args.u32(4)?, |buffer| {
            descriptors.read_at(args.u32(0)?, place, buffer)
        })
    }),
    ("fd_prestat_dir_name", |system, guest, args| {
        let name = system.descriptors.opened_before(args.u32(0)?)?;
        if name.len() > args.u32(2)? as usize {
            return Err(Errno::NAMETOOLONG);
        }
        guest.write(args.u32(1)?, name.as_bytes())
    }),
    ("fd_prestat_get", |system, guest, args| {
        let length = system.descriptors.opened_before(args.u32(0)?)?.len();
        guest.write_u32(args.u32(1)?, 0)?;
        guest.write_u32(args.u32(1)?.wrapping_add(4), u32::try_from(length)?)
    }),
    ("fd_pwrite", |system, guest, args| {
        let place = args.u64(3)?;
        let bytes = guest.gather(args.u32(1)?, args.u32(2)?)?;
        let written = system.descriptors.write_at(args.u32(0)?, place, &bytes)?;
        guest.write_u32(args.u32(4)?, u32::try_from(written)?)
    }),
    ("fd_read", |system, guest, args| {
        let descriptors = &mut system.descriptors;
        guest.scatter(args.u32(1)?, args.u32(2)?, args.u32(3)?, |buffer| {
            descriptors.read(args.u32(0)?, buffer)
        })
    }),
    ("fd_readdir", |system, guest, args| {
        let most = args.u32(2)?.min(MOST_BYTES);
        let entries = system.descriptors.entries(args.u32(0)?, args.u64(3)?, most as usize)?;
        guest.write(args.u32(1)?, &entries)?;
        guest.write_u32(args.u32(4)?, u32::try_from(entries.len())?)
    }),
    ("fd_renumber", |system, _, args| system.descriptors.renumber(args.u32(0)?, args.u32(1)?)),
    ("fd_seek", |system, guest, args| {
        let place = system.descriptors.seek(args.u32(0)?, args.u64(1)?.cast_signed(), args.u32(2)?)?;
        guest.write_u64(args.u32(3)?, place)
    }),
    ("fd_sync", |system, _, args| system.descriptors.sync(args.u32(0)?)),
    ("fd_tell", |system, guest, args| {
        let place = system.descriptors.seek(args.u32(0)?, 0, files::FROM_HERE)?;
        guest.write_u64(args.u32(1)?, place)
    }),
    ("fd_write", |system, guest, args| {
        let bytes = guest.gather(args.u32(1)?, args.u32(2)?)?;
        let written = system.descriptors.write(args.u32(0)?, &bytes)?;
        guest.write_u32(args.u32(3)?, u32::try_from(written)?)
    }),
    ("path_create_directory", |system, guest, args| {
        let path = guest.path(args.u32(1)?, args.u32(2)?)?;
        Ok(std::fs::create_dir(system.descriptors.resolve(args.u32(0)?, &path, false)?)?)
    }),
    ("path_filestat_get", |system, guest, args| {
        let path = guest.path(args.u32(2)?, args.u32(3)?)?;
        let stat = system.descriptors.path_filestat(args.u32(0)?, &path, args.u32(1)? & 1 != 0)?;
        guest.write(args.u32(4)?, &stat)
    }),
    ("path_open", |system, guest, args| {
        let path = guest.path(args.u32(2)?, args.u32(3)?)?;
        let how = files::Opening {
            follows: args.u32(1)? & 1 != 0,
            flags: args.u32(4)?,
            rights: args.u64(5)?,
            descriptor_flags: args.u32(7)?,
        };
        let opened = system.descriptors.open(args.u32(0)?, &path, how)?;
        guest.write_u32(args.u32(8)?, opened)
    }),
    ("path_readlink", |system, guest, args| {
        let path = guest.path(args.u32(1)?, args.u32(2)?)?;
        let target = std::fs::read_link(system.descriptors.resolve(args.u32(0)?, &path, false)?)?;
        let target = target.to_str().ok_or(Errno::ILSEQ)?.as_bytes();
        let fits = target.len().min(args.u32(4)? as usize);
        guest.write(args.u32(3)?, &target[..fits])?;
        guest.write_u32(args.u32(5)?, u32::try_from(fits)?)
    }),
    ("path_remove_directory", |system, guest, args| {
        let path = guest.path(args.u32(1)?, args.u32(2)?)?;
        Ok(std::fs::remove_dir(system.descriptors.resolve(args.u32(0)?, &path, false)?)?)
    }),
    ("path_rename", |system, guest, args| {
        let from = guest.path(args.u32(1)?, args.u32(2)?)?;
        let to = guest.path(args.u32(4)?, args.u32(5)?)?;
        let from = system.descriptors.resolve(args.u32(0)?, &from, false)?;
        Ok(std::fs::rename(from, system.descriptors.resolve(args.u32(3)?, &to, false)?)?)
    }),
    ("path_unlink_file", |system, guest, args| {
        let path = guest.path(args.u32(1)?, args.u32(2)?)?;
        Ok(std::fs::remove_file(system.descriptors.resolve(args.u32(0)?, &path, false)?)?)
    }),
    ("poll_oneoff", |system, guest, args| {
        clock::poll(&system.clocks, guest, [args.u32(0)?, args.u32(1)?, args.u32(2)?, args.u32(3)?])
    }),
    ("random_get", |_, guest, args| {
        let (address, length) = (args.u32(0)?, args.u32(1)?);
        guest.check(address, length)?;
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(|_| Errno::IO)?;
        guest.write(address, &bytes)
    }),
    ("sched_yield", |_, _, _| {
        std::thread::yield_now();
        Ok(())
    }),
];

/// Makes a host for one run of a command, and its status.
///
/// # Errors
/// A folder that cannot be opened.
pub fn host(command: Command) -> io::Result<(Host, ExitStatus)> {
    let with_zero = |text: String| {
        let mut bytes = text.into_bytes();
        // The end of a text in C.
        bytes.retain(|byte| *byte != 0);
        bytes.push(0);
        bytes
    };
    let pair = |(name, value): (String, String)| with_zero(format!("{name}={value}"));
    let system = System {
        arguments: command.arguments.into_iter().map(with_zero).collect(),
        environment: command.environment.into_iter().map(pair).collect(),
        descriptors: Descriptors::new(command.streams, command.folders)?,
        clocks: clock::Clocks::new(),
    };
    let system = Arc::new(Mutex::new(system));
    let status = ExitStatus::default();
    let mut host = Host::new();
    for &(name, function) in FUNCTIONS {
        let system = Arc::clone(&system);
        host = host.function(MODULE, name, move |caller, arguments| {
            // A panic in between would be a defect of this host; what it has is still its own.
            let mut system = system.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(vec![call(function, &mut system, caller, arguments)])
        });
    }
    let ended = status.clone();
    host = host.function(MODULE, "proc_exit", move |_, arguments| {
        Err(ended.end(Arguments(arguments).u32(0).unwrap_or(0)))
    });
    let others = |module: &str, _: &str, signature: &Signature| {
        let is_ours = module == MODULE && signature.results == [ValueType::I32];
        let refuse: HostFunction = Arc::new(|_, _| Ok(vec![Errno::NOSYS.value()]));
        is_ours.then_some(refuse)
    };
    Ok((host.fallback(others), status))
}

fn call(function: Function, system: &mut System, caller: &mut dyn Caller, arguments: &[Value]) -> Value {
    match function(system, &mut Guest(caller), Arguments(arguments)) {
        Ok(()) => Errno::SUCCESS.value(),
        Err(errno) => errno.value(),
    }
}
