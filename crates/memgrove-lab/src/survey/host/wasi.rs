//! WASI preview 1 for a program that reads its arguments and exits: the lab's own host, with nothing but a name.

use std::io;

use super::broken;
use crate::engine::{EngineError, Host, Instance};
use crate::wasi::{self, Command, ExitStatus, Streams};

pub(super) fn host(name: &str) -> Result<(Host, ExitStatus), EngineError> {
    let made = wasi::host(Command {
        arguments: vec![name.to_owned()],
        environment: Vec::new(),
        folders: Vec::new(),
        streams: Streams {
            input: Box::new(io::empty()),
            output: Box::new(io::sink()),
            errors: Box::new(io::sink()),
        },
    });
    made.map_err(|error| broken(error.to_string()))
}

/// A command: `_start` comes back when `main` returned zero, and exits otherwise.
pub(super) fn run(instance: &mut dyn Instance) -> Result<i32, EngineError> {
    instance.call("_start", &[])?;
    Ok(0)
}
