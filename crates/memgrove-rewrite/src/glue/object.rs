//! Object literals: their keys, and the tokens of their values.

use std::ops::Range;

use super::token::{Kind, Script};

/// One member of an object literal.
pub(super) struct Member<'a> {
    pub key: &'a str,
    pub value: Value<'a>,
}

/// What is written for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A name.
    Word(&'a str),
    /// Anything else: its tokens.
    Code(Range<usize>),
}

/// The members of the braces that open at `open`, if they are those of an object literal. Linear in the tokens between
/// them that are not inside further brackets.
pub(super) fn members<'a>(script: &Script<'a>, open: usize) -> Option<Vec<Member<'a>>> {
    let end = script.tokens.get(open)?.partner as usize;
    let mut members = Vec::new();
    let mut at = open + 1;
    while at < end {
        let key = match script.tokens[at].kind {
            Kind::Word | Kind::Number => script.text(at),
            Kind::Text => script.string(at)?,
            _ => return None,
        };
        let value = if script.is(at + 1, b':') {
            let from = at + 2;
            at = from;
            while at < end && !script.is(at, b',') {
                at = script.behind(at);
            }
            match (at - from, script.word(from)) {
                (0, _) => return None,
                (1, Some(word)) => Value::Word(word),
                _ => Value::Code(from..at),
            }
        } else if at + 1 == end || script.is(at + 1, b',') {
            at += 1;
            Value::Word(key)
        } else if script.is(at + 1, b'(') {
            // A method: `a(b){…}`.
            let body = script.behind(at + 1);
            if !script.is(body, b'{') {
                return None;
            }
            let from = at + 1;
            at = script.behind(body);
            Value::Code(from..at)
        } else {
            return None;
        };
        members.push(Member { key, value });
        if at < end {
            if !script.is(at, b',') {
                return None;
            }
            at += 1;
        }
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let script = Script::read(text).unwrap();
        let open = (0..script.tokens.len()).find(|&at| script.is(at, b'{')).unwrap();
        let found = members(&script, open).map(|members| {
            let show = |member: Member<'_>| match member.value {
                Value::Word(word) => format!("{}: {word}", member.key),
                Value::Code(code) => format!("{}: {} tokens", member.key, code.len()),
            };
            members.into_iter().map(show).collect::<Vec<_>>()
        });
        assert_eq!(
            found.as_deref().map(|all| all.iter().map(String::as_str).collect::<Vec<_>>()),
            expected.map(<[_]>::to_vec)
        );
    }

    #[test]
    fn keys_and_values() {
        check("x={a:_b,'c':function(d,e){f:g},h,}", Some(&["a: _b", "c: 11 tokens", "h: h"]));
        check("x={a(b){return c},d:(e,f)=>g}", Some(&["a: 7 tokens", "d: 8 tokens"]));
        check("{}", Some(&[]));
    }

    #[test]
    fn blocks_and_what_is_not_known_are_no_objects() {
        for text in ["{a;b}", "{a=1}", "x={...a}", "x={[a]:b}", "x={get a(){return 1}}", "x={a:}"] {
            check(text, None);
        }
    }
}
