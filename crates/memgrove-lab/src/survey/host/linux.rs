//! A Linux kernel behind `env.__syscallN`, with i386's numbers: memory, and the end.

use std::sync::Mutex;

use super::{ARGV_BYTES, PAGE_BYTES, broken, cover};
use crate::engine::{Caller, EngineError, Host, HostTrap, Instance, Memory, Value};
use crate::wasi::ExitStatus;

const SYS_BRK: i32 = 45;
const SYS_MUNMAP: i32 = 91;
const SYS_MMAP2: i32 = 192;
const SYS_MADVISE: i32 = 219;
const SYS_EXIT_GROUP: i32 = 252;
const ENOMEM: i32 = 12;
const ENOSYS: i32 = 38;

/// The kernel's view of one process. The break may move on until there is a mapping in its way.
#[derive(Debug, Default)]
struct Process {
    /// Where the break is; `None` before the first call.
    program_break: Option<u32>,
    /// Where the lowest mapping begins.
    lowest_mapping: Option<u32>,
}

pub(super) fn host() -> (Host, ExitStatus) {
    let status = ExitStatus::default();
    let process = std::sync::Arc::new(Mutex::new(Process::default()));
    let host = (0..=6).fold(Host::new(), |host, count| {
        let (process, exit) = (process.clone(), status.clone());
        host.function("env", &format!("__syscall{count}"), move |caller, arguments| {
            let mut process = process.lock().map_err(|_| HostTrap("the kernel panicked".into()))?;
            system_call(&mut process, &exit, caller, arguments).map(|answer| vec![Value::I32(answer)])
        })
    });
    (host, status)
}

fn system_call(
    process: &mut Process,
    exit: &ExitStatus,
    caller: &mut dyn Caller,
    arguments: &[Value],
) -> Result<i32, HostTrap> {
    let [Value::I32(number), arguments @ ..] = arguments else {
        return Err(HostTrap(format!("no system call: {arguments:?}")));
    };
    let argument = |index: usize| arguments.get(index).and_then(|value| value.as_u32()).unwrap_or(0);
    match *number {
        SYS_BRK => process.brk(argument(0), caller),
        SYS_MMAP2 => process.map(argument(1), caller),
        // Unmapped pages are not handed out again.
        SYS_MUNMAP | SYS_MADVISE => Ok(0),
        SYS_EXIT_GROUP => Err(exit.end(argument(0))),
        _ => Ok(-ENOSYS),
    }
}

impl Process {
    /// Linux answers with the break as it is afterwards, moved or not.
    fn brk(&mut self, wanted: u32, caller: &mut dyn Caller) -> Result<i32, HostTrap> {
        let now = match self.program_break {
            Some(now) => now,
            // The arguments lie before the end of memory as it is now; what comes after is free.
            None => u32::try_from(caller.memory_bytes()?).map_err(|_| HostTrap("memory is full".into()))?,
        };
        let free = wanted >= now && self.lowest_mapping.is_none_or(|mapping| wanted <= mapping);
        let moved = free && cover(caller, u64::from(wanted))?;
        let now = if moved { wanted } else { now };
        self.program_break = Some(now);
        Ok(now.cast_signed())
    }

    fn map(&mut self, length: u32, caller: &mut dyn Caller) -> Result<i32, HostTrap> {
        let before = caller.grow(u64::from(length).div_ceil(PAGE_BYTES));
        let Some(at) = before.and_then(|pages| u32::try_from(pages * PAGE_BYTES).ok()) else {
            return Ok(-ENOMEM);
        };
        self.lowest_mapping.get_or_insert(at);
        Ok(at.cast_signed())
    }
}

/// Lays out what a kernel leaves on a new process's stack, at the start of the heap, and enters at `_start`.
pub(super) fn run(name: &str, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    let heap = instance.global("__heap_base")?.as_u32();
    let heap = heap.ok_or_else(|| broken("__heap_base is not an address".into()))?;
    let stack = heap.next_multiple_of(16);
    let end = u64::from(stack) + 2 * u64::from(ARGV_BYTES);
    let missing = end.saturating_sub(instance.memory_bytes(Memory::Main)?).div_ceil(PAGE_BYTES);
    if missing > 0 && instance.grow(Memory::Main, missing)?.is_none() {
        return Err(broken("no room for the arguments: memory cannot grow".into()));
    }
    // argc, argv[0], null, an empty environment; the name behind them.
    let text = stack + ARGV_BYTES;
    let mut block = Vec::new();
    for word in [1, text, 0, 0] {
        block.extend(u32::to_le_bytes(word));
    }
    block.resize(ARGV_BYTES as usize, 0);
    block.extend(name.as_bytes());
    block.push(0);
    instance.write(Memory::Main, u64::from(stack), &block)?;
    instance.call("_start", &[Value::u32(stack)])?;
    Err(broken("_start came back without exiting".into()))
}
