//! An engine that is spoken to in messages: in a process of its own, or the JavaScript engine around us on wasm32.
//! `engine.js` is the server in JavaScript; the lab has one in Python.
//!
//! ```text
//! Compiled, Running --request--> Channel --> serve() of engine.js --> WebAssembly
//! answer() <-------- call of the host's function ---------- askHost()
//! ```
//!
//! A message is a JSON object, strictly in turn. A request has an `operation`; its answer is `{ok, held}` or
//! `{error, words, held}`, with a `reason` where the engine tells traps apart; a link error's words name the import as
//! `Import #2`, as V8's do. `held` is the bytes of all memories and the elements of all tables that can be seen. While a
//! function of the host runs, its caller may send requests. Values travel as `[type, decimal text]`, floats as their
//! bits, bytes beside the message where both sides see one memory, else in it as hexadecimal. JavaScript counts no instructions and stops no loop: where nobody else does, the module
//! is [metered](Metering).

mod calling;
mod compiled;
mod meter;
mod wire;

use std::any::Any;

use serde_json::Value as Json;

pub use calling::answer;
pub use compiled::Compiled;
pub use meter::Metering;
pub use wire::{all_from_json, error_of, from_hex, in_bounds, to_hex};

use super::{Demand, EngineError, HostFunction, Signature};

/// The JavaScript that serves requests: defines `javascriptEngine(askHost)`, which returns the server.
pub const SERVER: &str = include_str!("engine.js");

/// The functions that a host gave to an instance, by the index of the import.
pub type Functions = std::sync::Arc<[Option<(HostFunction, Signature)>]>;

/// The way to the server.
pub trait Channel: Send {
    /// Sends a request and returns what comes back, serving calls of `functions` by [`answer`] in between.
    ///
    /// # Errors
    /// What the server said, by [`error_of`], or what ended it or the way to it.
    fn ask(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError>;

    /// As [`ask`](Self::ask), with bytes that go along: `bytes` of the request.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    fn ask_with(
        &mut self,
        mut request: Json,
        bytes: &[u8],
        functions: &Functions,
    ) -> Result<Json, EngineError> {
        request["bytes"] = to_hex(bytes).into();
        self.ask(request, functions)
    }

    /// As [`ask`](Self::ask), for as many bytes as there is room: `bytes` of the answer.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask), and another number of bytes.
    fn ask_for(&mut self, request: Json, room: &mut [u8], functions: &Functions) -> Result<(), EngineError> {
        let bytes = from_hex(&self.ask(request, functions)?["bytes"])?;
        if bytes.len() != room.len() {
            return Err(EngineError::engine("the engine answered another number of bytes"));
        }
        room.copy_from_slice(&bytes);
        Ok(())
    }

    /// As [`ask`](Self::ask), from a function of the host while a request is under way.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    fn ask_inside(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError>;

    /// Takes what an instance will need at first; it is given back when what this returns is dropped.
    ///
    /// # Errors
    /// [`EngineError::Budget`].
    fn admit(&mut self, demand: &Demand) -> Result<Box<dyn Any + Send>, EngineError>;

    /// A function of the host is called; no deeper than the budget allows.
    ///
    /// # Errors
    /// [`EngineError::Budget`].
    fn enter(&mut self) -> Result<(), EngineError>;

    /// It has returned.
    fn leave(&mut self);
}
