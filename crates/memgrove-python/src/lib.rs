//! The native part of the Python package: bytes in, JSON, Arrow's IPC stream or a module out. The interpreter's lock is
//! released while it works.

use std::panic::resume_unwind;
use std::thread::{self, Builder};

use memgrove_api::HostTarget;
use memgrove_api::fix::{Planned, Request, carry_out};
use memgrove_inspect::{Knowledge, facts};
use memgrove_open::{DEFAULT_MAX_BYTES, Limits};
use memgrove_rewrite::{StubGroup, Stubs, Traps};
use memgrove_rows::arrow::Stream;
use memgrove_rows::{RowMaker, rows};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The tool, as a row names it.
const TOOL: &str = concat!("memgrove-python ", env!("CARGO_PKG_VERSION"));

/// Of the thread that works: one of Python's may have far less, and text is nested.
const STACK_BYTES: usize = 16 << 20;

/// Does work without the interpreter's lock, on a stack of its own.
fn apart<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| {
        thread::scope(|scope| {
            let thread = Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
            Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    })
}

fn refused(message: impl ToString) -> PyErr {
    PyValueError::new_err(message.to_string())
}

/// The report of the one module in a file's bytes, as JSON.
#[pyfunction]
fn inspect_json(py: Python<'_>, wasm: &[u8]) -> PyResult<String> {
    // Its own copy, as others may change a buffer while the lock is not held.
    let bytes = wasm.to_vec();
    apart(py, || {
        let (module, _) = memgrove_api::open_one(bytes, "module", DEFAULT_MAX_BYTES, "inspect")
            .map_err(|error| error.failure().message)?;
        let report =
            memgrove_api::report(&module, Knowledge::builtin()).map_err(|failure| failure.message)?;
        serde_json::to_string(&report).map_err(|error| error.to_string())
    })?
    .map_err(refused)
}

/// The rows of many files' bytes, as Arrow's IPC stream.
#[pyfunction]
fn inspect_stream<'py>(
    py: Python<'py>,
    files: Vec<(String, Vec<u8>)>,
    max_bytes: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let stream = apart(py, || {
        let maker = RowMaker::new(TOOL, Knowledge::builtin());
        let limits = Limits { max_bytes, ..Limits::default() };
        let all: Vec<_> =
            files.into_iter().flat_map(|(name, bytes)| rows(bytes, &name, &limits, &maker)).collect();
        let mut stream = Stream::new(Vec::new())?;
        stream.write(&all)?;
        stream.finish()
    })?;
    Ok(PyBytes::new(py, &stream.map_err(refused)?))
}

/// A module that needs less of a host.
#[pyfunction]
fn fix_module<'py>(
    py: Python<'py>,
    wasm: &[u8],
    host: &str,
    stub_wasi: bool,
    partial: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = wasm.to_vec();
    let fixed = apart(py, || {
        let target =
            HostTarget::built_in(host).ok_or_else(|| format!("there is no host profile `{host}`"))?;
        let (module, script) = memgrove_api::open_one(bytes, "module", DEFAULT_MAX_BYTES, "fix")
            .map_err(|error| error.failure().message)?;
        let original = facts(&module).map_err(|error| error.to_string())?;
        let request = Request {
            host: &target,
            stubs: if stub_wasi { Stubs::none().with(StubGroup::Wasi) } else { Stubs::none() },
            trap: Traps::default(),
            allocator: None,
            max_memory_bytes: None,
            lower: Vec::new(),
            discard: None,
            script: script.as_deref().map(memgrove_api::fix::Script::Around),
            partial,
        };
        let carried = carry_out(&original, &request).map_err(|error| error.failure().message)?;
        let planned =
            Planned::new("module", &original, &carried, &request).map_err(|error| error.failure().message)?;
        match planned.refusal() {
            Some(why) => Err(why),
            None => Ok(planned.fixed.wasm.clone()),
        }
    })?;
    Ok(PyBytes::new(py, &fixed.map_err(refused)?))
}

#[pymodule]
fn _memgrove(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DEFAULT_MAX_BYTES", DEFAULT_MAX_BYTES)?;
    module.add_function(wrap_pyfunction!(inspect_json, module)?)?;
    module.add_function(wrap_pyfunction!(inspect_stream, module)?)?;
    module.add_function(wrap_pyfunction!(fix_module, module)?)
}
