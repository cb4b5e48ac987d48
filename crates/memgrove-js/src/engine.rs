//! The engine around us, by the JavaScript that serves requests.
//!
//! A request goes out by the import `memgrove.engine`; while it is served, JavaScript may come back by
//! [`memgrove_host`] with a call of a host's function, and from there a request may go out again. Both sides are on one
//! stack, so what is on top is what is meant.
//!
//! Invariants:
//! 1. Nothing is borrowed while control is outside.
//! 2. What is imported reads `length` bytes at `address`, which live until it returns; `engine` leaves its answer as the
//!    last buffer of `memgrove_buffer`.
//! 3. Of the `room_length` bytes at `room`, `engine` reads what goes along with a request, and writes none of them unless the
//!    request is for bytes: then they are the caller's alone, to be written. It keeps no view of them.
#![allow(unsafe_code, reason = "an import is called, and an export needs a name that is not mangled")]

use std::any::Any;
use std::cell::RefCell;

use memgrove_verify::engine::messages::{Channel, Compiled, Functions, Metering, answer, error_of};
use memgrove_verify::engine::{Demand, Engine, EngineError, Exceeded, Module, Resource, Shape, TrapReason};
use serde_json::{Value as Json, json};

use crate::exchange;

/// What a call may execute: functions entered and loops begun again.
const FUEL: u64 = 30_000_000;
/// What all memories of an engine may hold together.
const MEMORY_BYTES: u64 = 1 << 30;
/// The largest body that is compiled.
const BODY_BYTES: u64 = 4 << 20;
/// Calls of the host inside each other.
const NESTED_CALLS: u32 = 100;

thread_local! {
    /// The functions that the requests under way may call, the innermost last.
    static CALLABLE: RefCell<Vec<Functions>> = const { RefCell::new(Vec::new()) };
    static NESTED: RefCell<u32> = const { RefCell::new(0) };
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "memgrove")]
unsafe extern "C" {
    /// Serves the request of `length` bytes at `address`, with bytes in `room`; the answer is the last buffer.
    fn engine(address: *const u8, length: usize, room: *mut u8, room_length: usize);
    /// Keeps the words of a panic, which traps behind it.
    fn panicked(address: *const u8, length: usize);
}

/// From now on JavaScript hears what a panic says.
#[cfg(target_arch = "wasm32")]
pub(crate) fn tell_panics() {
    std::panic::set_hook(Box::new(|info| {
        let words = info.to_string();
        // SAFETY: invariant 2.
        unsafe { panicked(words.as_ptr(), words.len()) };
    }));
}

/// What goes along with a message.
enum Room<'a> {
    None,
    Sent(&'a [u8]),
    Filled(&'a mut [u8]),
}

/// Sends a message and returns the answer's bytes.
#[cfg(target_arch = "wasm32")]
fn send(message: &[u8], room: Room<'_>) -> Vec<u8> {
    let (room, length) = match room {
        Room::None => (std::ptr::null_mut(), 0),
        Room::Sent(bytes) => (bytes.as_ptr().cast_mut(), bytes.len()),
        Room::Filled(bytes) => (bytes.as_mut_ptr(), bytes.len()),
    };
    // SAFETY: invariants 1 to 3; only `ask_for` hands a room over to be filled, and its request alone is for bytes.
    unsafe { engine(message.as_ptr(), message.len(), room, length) };
    exchange::take_last()
}

/// Elsewhere there is no JavaScript around us.
#[cfg(not(target_arch = "wasm32"))]
fn send(_: &[u8], room: Room<'_>) -> Vec<u8> {
    match room {
        Room::None => {}
        Room::Sent(bytes) => drop(bytes.len()),
        Room::Filled(bytes) => bytes.fill(0),
    }
    Vec::new()
}

/// The engine that runs this module, metered, as JavaScript can stop nothing.
pub(crate) struct Around {
    version: String,
}

impl Around {
    /// `version` is what JavaScript says that it is, such as `Node v24.1.0 (V8 13.6.233.10)`.
    pub(crate) fn new(version: String) -> Self {
        Self { version }
    }
}

impl Engine for Around {
    fn name(&self) -> &'static str {
        "javascript"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError> {
        let asked = Shape::of(wasm)?.largest_body_bytes();
        if asked > BODY_BYTES {
            let exceeded = Exceeded { resource: Resource::BodyBytes, asked, limit: BODY_BYTES };
            return Err(EngineError::Budget(exceeded));
        }
        Ok(Box::new(Compiled::new(wasm, Here, Some(Metering { fuel: FUEL }))?))
    }
}

/// The way to the JavaScript around us.
struct Here;

impl Here {
    fn exchange(request: &Json, room: Room<'_>, functions: &Functions) -> Result<Json, EngineError> {
        CALLABLE.with_borrow_mut(|callable| callable.push(functions.clone()));
        let bytes = send(request.to_string().as_bytes(), room);
        CALLABLE.with_borrow_mut(Vec::pop);
        let mut answer: Json = serde_json::from_slice(&bytes).map_err(EngineError::engine)?;
        let asked = answer["held"][0].as_u64().unwrap_or(0);
        if asked > MEMORY_BYTES {
            let exceeded = Exceeded { resource: Resource::MemoryBytes, asked, limit: MEMORY_BYTES };
            return Err(EngineError::Budget(exceeded));
        }
        if answer["error"].is_string() {
            return Err(error_of(&answer));
        }
        Ok(answer["ok"].take())
    }
}

impl Channel for Here {
    fn ask(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError> {
        Self::exchange(&request, Room::None, functions)
    }

    fn ask_with(&mut self, request: Json, bytes: &[u8], functions: &Functions) -> Result<Json, EngineError> {
        Self::exchange(&request, Room::Sent(bytes), functions)
    }

    fn ask_for(&mut self, request: Json, room: &mut [u8], functions: &Functions) -> Result<(), EngineError> {
        Self::exchange(&request, Room::Filled(room), functions).map(drop)
    }

    fn ask_inside(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError> {
        self.ask(request, functions)
    }

    fn admit(&mut self, demand: &Demand) -> Result<Box<dyn Any + Send>, EngineError> {
        let asked = demand.memory_bytes;
        if asked > MEMORY_BYTES {
            let exceeded = Exceeded { resource: Resource::MemoryBytes, asked, limit: MEMORY_BYTES };
            return Err(EngineError::Budget(exceeded));
        }
        Ok(Box::new(()))
    }

    fn enter(&mut self) -> Result<(), EngineError> {
        NESTED.with_borrow_mut(|nested| {
            if *nested == NESTED_CALLS {
                let words = format!("{NESTED_CALLS} calls of the host inside each other");
                return Err(EngineError::Trap { reason: TrapReason::StackOverflow, words });
            }
            *nested += 1;
            Ok(())
        })
    }

    fn leave(&mut self) {
        NESTED.with_borrow_mut(|nested| *nested = nested.saturating_sub(1));
    }
}

/// Runs the function of a host that the module called: the message is the last buffer, and the answer what comes out.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_host() {
    let message = exchange::take_last();
    let functions =
        CALLABLE.with_borrow(|callable| callable.last().cloned()).unwrap_or_else(|| Functions::from([]));
    let call: Json = serde_json::from_slice(&message).unwrap_or_default();
    let reply = answer(&call, &functions, &mut Here)
        .unwrap_or_else(|error| json!({ "operation": "throw", "words": error.to_string() }));
    exchange::put(reply.to_string().into_bytes());
}
