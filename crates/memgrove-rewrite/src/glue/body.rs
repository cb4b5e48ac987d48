//! What a function of the glue does, where its body is so short that it proves it.
//!
//! ```js
//! function a() {}                                        // returns nothing, which is 0
//! var b = (c, d) => 52;                                  // returns a number
//! function e(f, g, h) { M.copyWithin(f, g, g + h) }      // copies, if M = new Uint8Array(…)
//! ```

use std::ops::Range;

use super::token::{Kind, Script};

/// What a body proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// It returns this number and does nothing else.
    Returns(i64),
    /// It copies bytes: destination, source and length.
    Copies,
}

/// What the function that is written at `at` does; `None` where that is not certain.
pub(super) fn prove(script: &Script<'_>, at: usize) -> Option<Body> {
    let (params, mut code) = function(script, at)?;
    while !code.is_empty() && script.is(code.end - 1, b';') {
        code.end -= 1;
    }
    if code.is_empty() {
        return Some(Body::Returns(0));
    }
    number(script, &code)
        .map(Body::Returns)
        .or_else(|| copies(script, &params, &code).then_some(Body::Copies))
}

/// A function's parameters and what it evaluates: a body without its braces and without `return`, where that begins it.
fn function<'a>(script: &Script<'a>, at: usize) -> Option<(Vec<&'a str>, Range<usize>)> {
    let mut at = at;
    let is_keyword = script.word(at) == Some("function");
    if is_keyword {
        at += 1;
        if script.word(at).is_some() {
            at += 1;
        }
    }
    let params = match script.word(at) {
        Some(word) if !is_keyword => {
            at += 1;
            vec![word]
        }
        _ if script.is(at, b'(') => {
            let inside = at + 1..script.tokens[at].partner as usize;
            at = script.behind(at);
            words(script, inside)?
        }
        _ => return None,
    };
    let is_arrow = script.is(at, b'=') && script.is(at + 1, b'>');
    if is_arrow {
        at += 2;
    }
    if script.is(at, b'{') {
        let mut code = at + 1..script.tokens[at].partner as usize;
        if !code.is_empty() && script.word(code.start) == Some("return") {
            code.start += 1;
        }
        return Some((params, code));
    }
    if !is_arrow {
        return None;
    }
    let mut end = at;
    while end < script.tokens.len() && !is_end(script, end) {
        end = script.behind(end);
    }
    Some((params, at..end))
}

/// What ends an expression that is not in brackets of its own.
fn is_end(script: &Script<'_>, at: usize) -> bool {
    matches!(script.tokens[at].kind, Kind::Mark(b',' | b';' | b')' | b']' | b'}'))
        || matches!(script.word(at), Some("var" | "let" | "const" | "function"))
}

/// Names between commas, and nothing else.
fn words<'a>(script: &Script<'a>, inside: Range<usize>) -> Option<Vec<&'a str>> {
    let mut words = Vec::new();
    for (position, at) in inside.enumerate() {
        match position % 2 {
            0 => words.push(script.word(at)?),
            _ if script.is(at, b',') => {}
            _ => return None,
        }
    }
    Some(words)
}

/// A whole number, perhaps with a sign.
fn number(script: &Script<'_>, code: &Range<usize>) -> Option<i64> {
    let (at, sign) = if script.is(code.start, b'-') { (code.start + 1, -1) } else { (code.start, 1) };
    if at + 1 != code.end || script.tokens[at].kind != Kind::Number {
        return None;
    }
    let digits = script.text(at);
    let is_decimal =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let number: i64 = if is_decimal { digits.parse().ok()? } else { return None };
    i32::try_from(sign * number).ok().map(i64::from)
}

/// `M.copyWithin(a, b, b + c)` or `M.set(M.subarray(b, b + c), a)`, where `M` is an array of bytes.
fn copies(script: &Script<'_>, params: &[&str], code: &Range<usize>) -> bool {
    let [to, from, length] = params else { return false };
    let text: Vec<&str> = code.clone().map(|at| script.text(at)).collect();
    // `>>> 0` makes an address one without sign.
    let mut plain: Vec<&str> = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let [first, after @ ..] = rest {
        if let [">", ">", ">", "0", after @ ..] = rest {
            rest = after;
        } else {
            plain.push(first);
            rest = after;
        }
    }
    let Some(&memory) = plain.first() else { return false };
    let within = [memory, ".", "copyWithin", "(", to, ",", from, ",", from, "+", length, ")"];
    let set = [
        memory, ".", "set", "(", memory, ".", "subarray", "(", from, ",", from, "+", length, ")", ",", to,
        ")",
    ];
    let differ = to != from && from != length && to != length;
    let is_copy = differ && !params.contains(&memory) && (plain == within || plain == set);
    is_copy && is_bytes(script, memory)
}

/// The name is given arrays of bytes, and nothing else that is made on the spot.
fn is_bytes(script: &Script<'_>, name: &str) -> bool {
    let mut made = (0..script.tokens.len())
        .filter(|&at| {
            script.word(at) == Some(name)
                && script.is(at + 1, b'=')
                && script.word(at + 2) == Some("new")
                && !at.checked_sub(1).is_some_and(|before| script.is(before, b'.'))
        })
        .map(|at| script.text(at + 3))
        .peekable();
    made.peek().is_some() && made.all(|array| matches!(array, "Uint8Array" | "Int8Array"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Body>) {
        assert_eq!(prove(&Script::read(text).unwrap(), 0), expected, "{text}");
    }

    #[test]
    fn constants() {
        check("function a(){}", Some(Body::Returns(0)));
        check("function(b,c){return 52}", Some(Body::Returns(52)));
        check("(a,b)=>-52,c", Some(Body::Returns(-52)));
        check("a=>{}", Some(Body::Returns(0)));
        check("(a){return 70;}", Some(Body::Returns(70)));
    }

    #[test]
    fn what_does_more_proves_nothing() {
        for text in [
            "function a(b=c()){}",
            "()=>0n",
            "()=>052",
            "()=>1.5",
            "()=>b",
            "function a(){c();return 0}",
            "async()=>0",
            "function*a(){}",
            "()=>99999999999",
            "(...a)=>0",
            "({a})=>0",
            "()=>0+b",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn copies_of_bytes() {
        let bytes = |body: &str| format!("function a(b,c,d){{{body}}} M=new Uint8Array(e);");
        check(&bytes("M.copyWithin(b,c,c+d)"), Some(Body::Copies));
        check(&bytes("return M.copyWithin(b>>>0,c>>>0,c+d>>>0);"), Some(Body::Copies));
        check(&bytes("M.set(M.subarray(c,c+d),b)"), Some(Body::Copies));
        check(&bytes("M.copyWithin(c,b,b+d)"), None);
        check("function a(b,c,d){M.copyWithin(b,c,c+d)} M=new Uint32Array(e);", None);
        check("function a(b,c,d){M.copyWithin(b,c,c+d)}", None);
    }
}
