//! The functions of the runtime that stands for imports, written once more on the host's side.
//!
//! Every one is named here: a new one does not compile until it has a twin, or the test that it is
//! checked by.

use memgrove_rewrite::RuntimeFunction;

use super::kernel::{Call as SystemCall, Kernel};
use crate::engine::{Caller, EngineError, HostTrap, Value};

/// What the functions remember between calls.
#[derive(Default)]
pub(super) struct State {
    page_bytes: u64,
    /// Address of the i32 that holds the break, where the module keeps it in memory.
    break_cell: u32,
    /// Set when a call has ended the program.
    pub has_ended: bool,
    temp_ret0: i32,
    nanos: u64,
    seed: u64,
    /// Handles of JavaScript objects that have been given out.
    handles: u32,
    kernel: Kernel,
}

impl State {
    /// What they remember before the first call.
    pub fn new(page_bytes: u64, break_cell: u32) -> Self {
        Self { page_bytes, break_cell, ..Self::default() }
    }
}

/// A function on the host's side. Its result is a number for whatever type the import has.
pub(super) type Twin = fn(&mut Call<'_>) -> Result<i64, HostTrap>;

/// One call of a twin.
pub(super) struct Call<'c> {
    pub caller: &'c mut dyn Caller,
    pub arguments: &'c [Value],
    pub state: &'c mut State,
}

/// How a function that has no twin is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// Against the standard library's function, in `crates/memgrove-lab/tests/fix_math.rs`.
    AgainstStandardLibrary,
    /// Against a calendar that counts day by day, in `crates/memgrove-lab/tests/fix_wasi.rs`.
    AgainstCalendar,
}

/// WASI's number of EBADF: only the three standard streams are open.
const BADF: i64 = 8;
/// Of EINVAL.
const INVAL: i64 = 28;
/// Of ESPIPE.
const SPIPE: i64 = 70;
/// wasm-bindgen's glue reserves the handles below.
const FIRST_HANDLE: u32 = 132;

/// The second implementation of a function, or how it is checked without one.
pub(super) fn twin(function: RuntimeFunction) -> Result<Twin, Checked> {
    use RuntimeFunction as F;
    let twin: Twin = match function {
        F::EmscriptenResizeHeap => |call| {
            let end = call.argument(0);
            call.cover(end).map(i64::from)
        },
        F::EmscriptenGetHeapSize => |call| Ok(call.caller.memory_bytes()?.cast_signed()),
        F::EnlargeMemory => |call| {
            let end = call.word(u64::from(call.state.break_cell))?;
            call.cover(u64::from(end)).map(i64::from)
        },
        F::EmscriptenGetSbrkPtr => |call| Ok(i64::from(call.state.break_cell)),
        F::EmscriptenMemcpyBig => |call| {
            let bytes = call.caller.read(call.argument(1), call.argument(2))?;
            call.caller.write(call.argument(0), &bytes)?;
            Ok(call.argument(0).cast_signed())
        },
        F::SetTempRet0 => |call| {
            call.state.temp_ret0 = match call.arguments.first() {
                Some(Value::I32(value)) => *value,
                _ => 0,
            };
            Ok(0)
        },
        F::GetTempRet0 => |call| Ok(i64::from(call.state.temp_ret0)),
        F::Sbrk => |call| match call.arguments.first() {
            Some(Value::I32(by)) => Ok(call.state.kernel.sbrk(call.caller, *by)?),
            other => Err(HostTrap(format!("sbrk was called with {other:?}"))),
        },
        F::Syscall0 | F::Syscall1 | F::Syscall2 | F::Syscall3 | F::Syscall4 | F::Syscall5 | F::Syscall6 => {
            |call| {
                let numbers = call.numbers();
                let (number, rest) = numbers.split_first().map_or((0, numbers.as_slice()), |(n, r)| (*n, r));
                call.state.kernel.syscall(call.caller, number, rest)?.ok_or_else(|| {
                    call.state.has_ended = true;
                    HostTrap("exit".to_owned())
                })
            }
        }
        F::SysBrk => |call| call.system(SystemCall::Brk),
        F::SysMmap => |call| call.system(SystemCall::Mmap),
        F::SysMunmap => |call| call.system(SystemCall::Munmap),
        F::SysMremap | F::SysMremap5 => |call| call.system(SystemCall::Mremap),
        F::SysMadvise => |call| call.system(SystemCall::Madvise),
        F::SizesGet => |call| {
            call.write(0, &[0; 4])?;
            call.write(1, &[0; 4])
        },
        F::FdStandard => |call| call.if_open(|_| Ok(0)),
        F::FdSeek | F::FdSeekLegal => |call| call.if_open(|_| Ok(SPIPE)),
        F::FdRead => |call| call.if_open(|call| call.write(3, &[0; 4])),
        F::FdWrite => |call| {
            call.if_open(|call| {
                let mut total = 0_u32;
                for i in 0..call.argument(2) {
                    total = total.wrapping_add(call.word(call.argument(1) + 8 * i + 4)?);
                }
                call.write(3, &total.to_le_bytes())
            })
        },
        // A character device (2); an fdstat may be read and written (bits 1 and 6).
        F::FdFdstatGet => |call| {
            call.if_open(|call| {
                let mut status = [0; 24];
                (status[0], status[8]) = (2, 0x42);
                call.write(1, &status)
            })
        },
        F::FdFilestatGet => |call| {
            call.if_open(|call| {
                let mut status = [0; 64];
                status[16] = 2;
                call.write(1, &status)
            })
        },
        F::UnstableFdFilestatGet => |call| {
            call.if_open(|call| {
                let mut status = [0; 56];
                status[16] = 2;
                call.write(1, &status)
            })
        },
        F::ClockResGet => |call| call.write(1, &1_000_000_u64.to_le_bytes()),
        // The address comes last; the precision before it may be in two halves.
        F::ClockTimeGet | F::ClockTimeGetLegal => |call| {
            let now = call.tick().to_le_bytes();
            call.write(call.arguments.len().saturating_sub(1), &now)
        },
        F::PollOneoff => poll_oneoff,
        F::RandomGet => random_get,
        // As many bits as a double holds exactly.
        F::Seed => |call| Ok((random(&mut call.state.seed) >> 11).cast_signed()),
        // Milliseconds; whole, as every tick is one.
        F::EmscriptenGetNow => |call| Ok((call.tick() / 1_000_000).cast_signed()),
        F::Gettimeofday => |call| {
            let micros = call.tick() / 1000;
            let part = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
            call.write(0, &part(micros / 1_000_000))?;
            call.caller.write(call.argument(0) + 4, &part(micros % 1_000_000))?;
            Ok(0)
        },
        F::Time => |call| {
            let seconds = u32::try_from(call.tick() / 1_000_000_000).unwrap_or(u32::MAX);
            if call.argument(0) != 0 {
                call.write(0, &seconds.to_le_bytes())?;
            }
            Ok(i64::from(seconds))
        },
        F::Clock => |call| Ok((call.tick() / 1000).cast_signed()),
        // No offset, no daylight saving; both names end where they begin.
        F::TzsetJs => |call| {
            call.write(0, &[0; 4])?;
            call.write(1, &[0; 4])?;
            call.write(2, &[0])?;
            call.write(3, &[0])
        },
        F::NewHandle | F::TwoToHandle => |call| {
            call.state.handles += 1;
            Ok(i64::from(FIRST_HANDLE + call.state.handles - 1))
        },
        F::SameHandle => |call| Ok(call.argument(0).cast_signed()),
        // Pointer and length; what is empty may lie anywhere but at null.
        F::EmptyString => |call| {
            call.write(0, &1_u32.to_le_bytes())?;
            call.caller.write(call.argument(0) + 4, &[0; 4])?;
            Ok(0)
        },
        // Names that end where they begin, in the word that is 0.
        F::TzsetJsPointers => |call| {
            let daylight = u32::try_from(call.argument(1)).unwrap_or(0).to_le_bytes();
            call.write(0, &[0; 4])?;
            call.write(1, &[0; 4])?;
            call.write(2, &daylight)?;
            call.caller.write(call.argument(2) + 4, &daylight)?;
            Ok(0)
        },
        F::MathRandom => |call| Ok((random(&mut call.state.seed) >> 11).cast_signed()),
        F::Ticks => |call| Ok(call.tick().cast_signed()),
        F::Memset
        | F::Memcmp
        | F::Memchr
        | F::Strlen
        | F::Strcmp
        | F::Strncmp
        | F::Strcpy
        | F::Strncpy
        | F::Strcat
        | F::Strchr
        | F::Strrchr
        | F::Strnlen
        | F::Strncat
        | F::Stpcpy
        | F::Strstr
        | F::Strspn
        | F::Strcspn
        | F::Strpbrk
        | F::Strcasecmp
        | F::Strncasecmp
        | F::Bzero
        | F::Atoi
        | F::Strtol
        | F::Strtoul
        | F::Isgraph
        | F::Isblank
        | F::Isdigit
        | F::Isalpha
        | F::Isalnum
        | F::Isupper
        | F::Islower
        | F::Isxdigit
        | F::Isspace
        | F::Isprint
        | F::Iscntrl
        | F::Ispunct
        | F::Toupper
        | F::Tolower
        | F::Abs
        | F::Putchar => return Ok(super::text::twin(function)),
        F::GmtimeJs | F::GmtimeJsLegal | F::GmtimeJsAt | F::GmtimeR | F::TimegmJs => {
            return Err(Checked::AgainstCalendar);
        }
        F::Round
        | F::Exp
        | F::Log
        | F::Log2
        | F::Log10
        | F::Exp2
        | F::Pow
        | F::Sin
        | F::Cos
        | F::Tan
        | F::Atan
        | F::Atan2
        | F::Asin
        | F::Acos
        | F::Fmod => return Err(Checked::AgainstStandardLibrary),
    };
    Ok(twin)
}

/// What a twin's number is to be divided by.
pub(super) fn divisor(function: RuntimeFunction) -> u64 {
    match function {
        // 53 bits behind the point.
        RuntimeFunction::MathRandom => 1 << 53,
        _ => 1,
    }
}

impl Call<'_> {
    pub(super) fn argument(&self, at: usize) -> u64 {
        self.arguments.get(at).and_then(|value| value.as_u64()).unwrap_or(0)
    }

    fn numbers(&self) -> Vec<u64> {
        (0..self.arguments.len()).map(|at| self.argument(at)).collect()
    }

    fn word(&mut self, at: u64) -> Result<u32, EngineError> {
        let bytes = self.caller.read(at, 4)?;
        Ok(bytes.try_into().map(u32::from_le_bytes).unwrap_or(0))
    }

    /// Writes where an argument points to; 0.
    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<i64, HostTrap> {
        self.caller.write(self.argument(at), bytes)?;
        Ok(0)
    }

    /// Grows until memory reaches `end`.
    fn cover(&mut self, end: u64) -> Result<bool, HostTrap> {
        let have = self.caller.memory_bytes()?;
        Ok(end <= have || self.caller.grow((end - have).div_ceil(self.state.page_bytes)).is_some())
    }

    /// Nanoseconds of a clock that advances a millisecond a question.
    fn tick(&mut self) -> u64 {
        self.state.nanos += 1_000_000;
        self.state.nanos
    }

    /// Does something with a stream whose number comes first, if that is open.
    fn if_open(&mut self, does: Twin) -> Result<i64, HostTrap> {
        if self.argument(0) > 2 { Ok(BADF) } else { does(self) }
    }

    fn system(&mut self, call: SystemCall) -> Result<i64, HostTrap> {
        let numbers = self.numbers();
        Ok(self.state.kernel.call(self.caller, call, &numbers)?)
    }
}

fn random_get(call: &mut Call<'_>) -> Result<i64, HostTrap> {
    let (at, wanted) = (call.argument(0), call.argument(1));
    // As far as memory goes; then it traps.
    let room = call.caller.memory_bytes()?.saturating_sub(at);
    let bytes: Vec<u8> =
        (0..wanted.min(room)).map(|_| random(&mut call.state.seed).to_le_bytes()[0]).collect();
    call.caller.write(at, &bytes)?;
    if wanted > room {
        return Err(HostTrap("random_get: out of bounds".to_owned()));
    }
    Ok(0)
}

fn poll_oneoff(call: &mut Call<'_>) -> Result<i64, HostTrap> {
    let count = call.argument(2);
    if count == 0 {
        return Ok(INVAL);
    }
    call.tick();
    call.write(3, &u32::try_from(count).unwrap_or(0).to_le_bytes())?;
    for at in 0..count {
        // The event takes the subscription's user data (8 bytes) and kind; step by step,
        // as the two may overlap.
        let (subscription, event) = (call.argument(0) + 48 * at, call.argument(1) + 32 * at);
        call.caller.write(event, &[0; 32])?;
        let user_data = call.caller.read(subscription, 8)?;
        call.caller.write(event, &user_data)?;
        let kind = call.caller.read(subscription + 8, 1)?;
        call.caller.write(event + 10, &kind)?;
    }
    Ok(0)
}

/// A number of splitmix64 (Steele, Lea, Flood 2014) from a seed of 0.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
