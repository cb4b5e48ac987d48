//! The C library's functions on text and bytes, on the host's side.

use memgrove_rewrite::RuntimeFunction as F;

use super::twins::{Call, Twin};
use crate::engine::HostTrap;

/// The function's twin; those of other parts of the runtime have theirs in `twins.rs`.
pub(super) fn twin(function: F) -> Twin {
    match function {
        F::Memset => |call| fill(call, low(call, 1), call.argument(2)),
        F::Bzero => |call| fill(call, 0, call.argument(1)).map(|_| 0),
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
        F::Strcasecmp => |call| compare_by(call, u64::MAX, |byte| byte.to_ascii_lowercase()),
        F::Strncasecmp => |call| compare_by(call, call.argument(2), |byte| byte.to_ascii_lowercase()),
        F::Strnlen => |call| {
            let (at, most) = (call.argument(0), call.argument(1));
            let mut length = 0;
            while length < most && byte(call, at + length)? != 0 {
                length += 1;
            }
            Ok(length.cast_signed())
        },
        F::Stpcpy => |call| {
            let to = call.argument(0);
            copy(call, to)?;
            Ok(to.cast_signed() + number(string(call, to)?.len()))
        },
        F::Strncat => |call| {
            let to = call.argument(0);
            let end = to + string(call, to)?.len() as u64;
            let mut length = 0;
            while length < call.argument(2) {
                match byte(call, call.argument(1) + length)? {
                    0 => break,
                    byte => call.caller.write(end + length, &[byte])?,
                }
                length += 1;
            }
            call.caller.write(end + length, &[0])?;
            Ok(to.cast_signed())
        },
        F::Strstr => |call| {
            let (text, wanted) = (string(call, call.argument(0))?, string(call, call.argument(1))?);
            let found = (0..=text.len()).find(|&at| text[at..].starts_with(&wanted));
            Ok(found.map_or(0, |at| call.argument(0).cast_signed() + number(at)))
        },
        F::Strspn => |call| span(call, true).map(|(length, _)| number(length)),
        F::Strcspn => |call| span(call, false).map(|(length, _)| number(length)),
        F::Strpbrk => |call| {
            let (length, of) = span(call, false)?;
            Ok(if length == of { 0 } else { call.argument(0).cast_signed() + number(length) })
        },
        F::Atoi => |call| {
            let text = string(call, call.argument(0))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
            let (sign, digits) = match text.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, text.strip_prefix('+').unwrap_or(text)),
            };
            let digits = digits.bytes().take_while(u8::is_ascii_digit).map(|digit| i32::from(digit - b'0'));
            Ok(i64::from(digits.fold(0_i32, |all, digit| all.wrapping_mul(10).wrapping_add(sign * digit))))
        },
        F::Strtol => |call| {
            let number = written_number(call)?;
            Ok(number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)))
        },
        F::Strtoul => |call| {
            let number = written_number(call)?;
            Ok(if number.unsigned_abs() <= u64::from(u32::MAX) { number } else { -1 })
        },
        F::Isgraph => |call| class(call, |c| c.is_ascii_graphic()),
        F::Isblank => |call| class(call, |c| matches!(c, b' ' | b'\t')),
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

/// The number that the first argument points to, to the base in the third. The second is told where it ends.
fn written_number(call: &mut Call<'_>) -> Result<i64, HostTrap> {
    let text = string(call, call.argument(0))?;
    let blanks = text.iter().take_while(|&&c| matches!(c, 9..=13 | b' ')).count();
    let signs = usize::from(matches!(text.get(blanks), Some(b'+' | b'-')));
    let rest = text.get(blanks + signs..).unwrap_or_default();
    let is_hexadecimal = matches!(rest, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    let (base, prefix) = match int(call, 2) {
        0 | 16 if is_hexadecimal => (16, 2),
        0 if rest.first() == Some(&b'0') => (8, 0),
        0 => (10, 0),
        base => (base, 0),
    };
    let (mut number, mut length) = (0_i64, 0);
    if let Some(base) = u32::try_from(base).ok().filter(|base| (2..=36).contains(base)) {
        for digit in rest[prefix..].iter().map_while(|&c| char::from(c).to_digit(base)) {
            number = number.saturating_mul(base.into()).saturating_add(digit.into());
            length += 1;
        }
    }
    if call.argument(1) != 0 {
        let end = if length == 0 { 0 } else { (blanks + signs + prefix + length) as u64 };
        let end = (call.argument(0) + end).to_le_bytes();
        call.caller.write(call.argument(1), &end[..4])?;
    }
    Ok(if text.get(blanks) == Some(&b'-') { -number } else { number })
}

/// Fills from the first argument on, as far as memory goes; then it traps.
fn fill(call: &mut Call<'_>, byte: u8, length: u64) -> Result<i64, HostTrap> {
    let to = call.argument(0);
    let room = call.caller.memory_bytes()?.saturating_sub(to);
    call.caller.write(to, &vec![byte; usize::try_from(length.min(room)).unwrap_or(0)])?;
    if length > room { Err(HostTrap("out of bounds".to_owned())) } else { Ok(to.cast_signed()) }
}

/// How many bytes of the first string are in the second, or not, before one that is otherwise; and of how many.
fn span(call: &mut Call<'_>, are_in: bool) -> Result<(usize, usize), HostTrap> {
    let (text, set) = (string(call, call.argument(0))?, string(call, call.argument(1))?);
    let length = text.iter().position(|byte| set.contains(byte) != are_in);
    Ok((length.unwrap_or(text.len()), text.len()))
}

fn compare(call: &mut Call<'_>, most: u64) -> Result<i64, HostTrap> {
    compare_by(call, most, |byte| byte)
}

fn compare_by(call: &mut Call<'_>, most: u64, by: fn(u8) -> u8) -> Result<i64, HostTrap> {
    for at in 0..most {
        let mut next = |argument: usize| byte(call, call.argument(argument) + at).map(by);
        let (a, b) = (next(0)?, next(1)?);
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
