//! The C library's functions on text and bytes, on the host's side.

use memgrove_rewrite::RuntimeFunction as F;

use super::twins::{Call, Twin};
use crate::engine::HostTrap;

/// The function's twin; those of other parts of the runtime have theirs in `twins.rs`.
pub(super) fn twin(function: F) -> Twin {
    match function {
        F::Memset => |call| {
            let (to, byte, length) = (call.argument(0), low(call, 1), call.argument(2));
            // As far as memory goes; then it traps.
            let room = call.caller.memory_bytes()?.saturating_sub(to);
            call.caller.write(to, &vec![byte; usize::try_from(length.min(room)).unwrap_or(0)])?;
            if length > room {
                Err(HostTrap("memset: out of bounds".to_owned()))
            } else {
                Ok(to.cast_signed())
            }
        },
        F::Memcmp => |call| {
            for at in 0..call.argument(2) {
                let (a, b) = (byte(call, call.argument(0) + at)?, byte(call, call.argument(1) + at)?);
                if a != b {
                    return Ok(i64::from(a) - i64::from(b));
                }
            }
            Ok(0)
        },
        F::Memchr => |call| {
            for at in call.argument(0)..call.argument(0) + call.argument(2) {
                if byte(call, at)? == low(call, 1) {
                    return Ok(at.cast_signed());
                }
            }
            Ok(0)
        },
        F::Strlen => |call| string(call, call.argument(0)).map(|text| number(text.len())),
        F::Strcmp => |call| compare(call, u64::MAX),
        F::Strncmp => |call| compare(call, call.argument(2)),
        F::Strcpy => |call| {
            let to = call.argument(0);
            copy(call, to)
        },
        F::Strncpy => |call| {
            let (to, mut from) = (call.argument(0), call.argument(1));
            for at in 0..call.argument(2) {
                let byte = byte(call, from)?;
                call.caller.write(to + at, &[byte])?;
                from += u64::from(byte != 0);
            }
            Ok(to.cast_signed())
        },
        F::Strcat => |call| {
            let length = number(string(call, call.argument(0))?.len());
            let end = call.argument(0).wrapping_add_signed(length);
            copy(call, end)?;
            Ok(call.argument(0).cast_signed())
        },
        F::Strchr => |call| {
            let mut text = string(call, call.argument(0))?;
            text.push(0);
            let found = text.iter().position(|&byte| byte == low(call, 1));
            Ok(found.map_or(0, |at| call.argument(0).cast_signed() + number(at)))
        },
        F::Strrchr => |call| {
            let mut text = string(call, call.argument(0))?;
            text.push(0);
            let found = text.iter().rposition(|&byte| byte == low(call, 1));
            Ok(found.map_or(0, |at| call.argument(0).cast_signed() + number(at)))
        },
        F::Isdigit => |call| class(call, |c| c.is_ascii_digit()),
        F::Isalpha => |call| class(call, |c| c.is_ascii_alphabetic()),
        F::Isalnum => |call| class(call, |c| c.is_ascii_alphanumeric()),
        F::Isupper => |call| class(call, |c| c.is_ascii_uppercase()),
        F::Islower => |call| class(call, |c| c.is_ascii_lowercase()),
        F::Isxdigit => |call| class(call, |c| c.is_ascii_hexdigit()),
        F::Isspace => |call| class(call, |c| c.is_ascii_whitespace() || c == 0x0b),
        F::Isprint => |call| class(call, |c| c.is_ascii_graphic() || c == b' '),
        F::Iscntrl => |call| class(call, |c| c.is_ascii_control()),
        F::Ispunct => |call| class(call, |c| c.is_ascii_punctuation()),
        F::Toupper => |call| Ok(letter(call, |c| c.to_ascii_uppercase())),
        F::Tolower => |call| Ok(letter(call, |c| c.to_ascii_lowercase())),
        F::Abs => |call| Ok(i64::from(int(call, 0).wrapping_abs())),
        F::Putchar => |call| Ok(i64::from(low(call, 0))),
        _ => |_| Err(HostTrap("no function on text".to_owned())),
    }
}

/// A length or a position.
fn number(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// An argument with a sign.
fn int(call: &Call<'_>, at: usize) -> i32 {
    let [a, b, c, d, ..] = call.argument(at).to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The low byte of an argument.
fn low(call: &Call<'_>, at: usize) -> u8 {
    call.argument(at).to_le_bytes()[0]
}

fn byte(call: &mut Call<'_>, at: u64) -> Result<u8, HostTrap> {
    Ok(call.caller.read(at, 1)?.first().copied().unwrap_or(0))
}

/// The bytes before the first 0.
fn string(call: &mut Call<'_>, at: u64) -> Result<Vec<u8>, HostTrap> {
    let mut text = Vec::new();
    for at in at.. {
        match byte(call, at)? {
            0 => break,
            byte => text.push(byte),
        }
    }
    Ok(text)
}

fn compare(call: &mut Call<'_>, most: u64) -> Result<i64, HostTrap> {
    for at in 0..most {
        let (a, b) = (byte(call, call.argument(0) + at)?, byte(call, call.argument(1) + at)?);
        if a != b || a == 0 {
            return Ok(i64::from(a) - i64::from(b));
        }
    }
    Ok(0)
}

/// Copies a string to `to`, byte by byte: the two may overlap.
fn copy(call: &mut Call<'_>, to: u64) -> Result<i64, HostTrap> {
    for at in 0.. {
        let byte = byte(call, call.argument(1) + at)?;
        call.caller.write(to + at, &[byte])?;
        if byte == 0 {
            break;
        }
    }
    Ok(to.cast_signed())
}

/// Whether a character is of a class; what is no byte of ASCII is of none.
fn class(call: &Call<'_>, is_of: fn(u8) -> bool) -> Result<i64, HostTrap> {
    Ok(i64::from(u8::try_from(call.argument(0)).is_ok_and(|byte| byte.is_ascii() && is_of(byte))))
}

fn letter(call: &Call<'_>, change: fn(u8) -> u8) -> i64 {
    let number = int(call, 0);
    u8::try_from(number).ok().filter(u8::is_ascii).map_or(i64::from(number), |byte| i64::from(change(byte)))
}
