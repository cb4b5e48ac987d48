//! WASI preview 1, as much as a program needs that reads its arguments and exits.

use super::{Exit, argument, write_u32};
use crate::engine::{Caller, EngineError, Host, HostTrap, Instance, Value};

const MODULE: &str = "wasi_snapshot_preview1";

/// Error numbers of WASI preview 1.
const SUCCESS: i32 = 0;
const EBADF: i32 = 8;

/// Everything about files: there is none, and no folder was opened beforehand.
const WITHOUT_FILES: &[&str] =
    &["fd_close", "fd_fdstat_get", "fd_prestat_get", "fd_prestat_dir_name", "fd_seek", "fd_write"];

pub(super) fn host(name: &'static str, exit: &Exit) -> Host {
    let exit = exit.clone();
    let mut host = Host::new()
        .function(MODULE, "args_sizes_get", move |caller, arguments| {
            sizes(caller, arguments, 1, with_zero(name).len())
        })
        .function(MODULE, "args_get", move |caller, arguments| {
            let buffer = argument(arguments, 1)?;
            write_u32(caller, argument(arguments, 0)?, buffer)?;
            caller.write(u64::from(buffer), &with_zero(name))?;
            Ok(vec![Value::I32(SUCCESS)])
        })
        .function(MODULE, "environ_sizes_get", |caller, arguments| sizes(caller, arguments, 0, 0))
        .function(MODULE, "environ_get", |_, _| Ok(vec![Value::I32(SUCCESS)]))
        .function(MODULE, "proc_exit", move |_, arguments| {
            let status = argument(arguments, 0)?.cast_signed();
            // A second exit cannot be: the first did not come back.
            let _ = exit.set(status);
            Err(HostTrap(format!("exit status {status}")))
        });
    for name in WITHOUT_FILES {
        host = host.function(MODULE, name, |_, _| Ok(vec![Value::I32(EBADF)]));
    }
    host
}

fn with_zero(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn sizes(
    caller: &mut dyn Caller,
    arguments: &[Value],
    count: u32,
    bytes: usize,
) -> Result<Vec<Value>, HostTrap> {
    write_u32(caller, argument(arguments, 0)?, count)?;
    write_u32(caller, argument(arguments, 1)?, u32::try_from(bytes).unwrap_or(u32::MAX))?;
    Ok(vec![Value::I32(SUCCESS)])
}

/// A command: `_start` comes back when `main` returned zero, and exits otherwise.
pub(super) fn run(instance: &mut dyn Instance) -> Result<i32, EngineError> {
    instance.call("_start", &[])?;
    Ok(0)
}
