//! JavaScript as tokens: as much of its grammar as is needed to find object literals and short functions.
//!
//! Words, strings, numbers, templates, regular expressions and single punctuation characters; comments and white space are
//! left out. Whether `/` divides or begins a regular expression goes by what is before it: after a value it divides, after
//! `)` of an `if`, `while`, `for` or `with` and after `}` of a block it does not. Where that is wrong, brackets mostly do
//! not meet any more, which is an error. Time and memory are linear in the text.

use super::GlueError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or a keyword.
    Word,
    /// A string, with its quotes.
    Text,
    /// A number, or a part of one.
    Number,
    /// A template, or what is between two substitutions.
    Template,
    /// A regular expression.
    Regex,
    /// One character of punctuation.
    Mark(u8),
}

/// A token: where it is in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub kind: Kind,
    start: u32,
    end: u32,
    /// Of a bracket, the position of the one that it belongs to.
    pub partner: u32,
}

/// Text with its tokens.
pub(super) struct Script<'a> {
    text: &'a str,
    pub tokens: Vec<Token>,
}

impl<'a> Script<'a> {
    /// Splits a text into tokens.
    pub(super) fn read(text: &'a str) -> Result<Self, GlueError> {
        if u32::try_from(text.len()).is_err() {
            return Err(GlueError::NotJavaScript { offset: 0 });
        }
        let mut reader = Reader { bytes: text.as_bytes(), at: 0, tokens: Vec::new(), open: Vec::new() };
        reader.run()?;
        Ok(Self { text, tokens: reader.tokens })
    }

    /// A token's text.
    pub(super) fn text(&self, at: usize) -> &'a str {
        self.tokens
            .get(at)
            .and_then(|token| self.text.get(token.start as usize..token.end as usize))
            .unwrap_or("")
    }

    /// Whether a token is this punctuation.
    pub(super) fn is(&self, at: usize, mark: u8) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Mark(mark))
    }

    /// A word's text.
    pub(super) fn word(&self, at: usize) -> Option<&'a str> {
        (self.tokens.get(at)?.kind == Kind::Word).then(|| self.text(at))
    }

    /// What a string holds; `None` where something in it is escaped.
    pub(super) fn string(&self, at: usize) -> Option<&'a str> {
        if self.tokens.get(at)?.kind != Kind::Text {
            return None;
        }
        let quoted = self.text(at);
        let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
        (!inner.contains('\\')).then_some(inner)
    }

    /// The position behind a bracket's partner, or behind a token that is no opening bracket.
    pub(super) fn behind(&self, at: usize) -> usize {
        match self.tokens.get(at) {
            Some(token) if matches!(token.kind, Kind::Mark(b'(' | b'[' | b'{')) => token.partner as usize + 1,
            _ => at + 1,
        }
    }
}

/// An open bracket: its token, and what follows its partner.
struct Open {
    token: u32,
    /// A substitution in a template, which goes on behind the partner.
    in_template: bool,
    /// A `/` behind the partner begins a regular expression.
    then_regex: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), GlueError> {
        if self.bytes.starts_with(b"#!") {
            self.skip_line();
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => self.at += 1,
                b'/' if self.next() == Some(b'/') => self.skip_line(),
                b'/' if self.next() == Some(b'*') => self.comment()?,
                b'/' if self.begins_regex() => self.regex()?,
                b'"' | b'\'' => self.string(byte)?,
                b'`' => {
                    self.at += 1;
                    self.template(self.at - 1)?;
                }
                b'0'..=b'9' => self.take(Kind::Number, is_word),
                _ if is_word(byte) => self.take(Kind::Word, is_word),
                b'(' | b'[' | b'{' => self.opening(byte, false),
                b')' | b']' | b'}' => self.closing(byte)?,
                _ => {
                    self.at += 1;
                    self.push(Kind::Mark(byte), self.at - 1);
                }
            }
        }
        match self.open.last() {
            Some(open) => Err(self.error(self.tokens[open.token as usize].start as usize)),
            None => Ok(()),
        }
    }

    fn next(&self) -> Option<u8> {
        self.bytes.get(self.at + 1).copied()
    }

    #[expect(clippy::unused_self, reason = "it reads like the other methods")]
    fn error(&self, offset: usize) -> GlueError {
        GlueError::NotJavaScript { offset }
    }

    /// Adds a token that began at `start` and ends here.
    fn push(&mut self, kind: Kind, start: usize) {
        // The text's length fits; it was asked before.
        let fit = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.tokens.push(Token { kind, start: fit(start), end: fit(self.at), partner: u32::MAX });
    }

    fn take(&mut self, kind: Kind, belongs: fn(u8) -> bool) {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|&byte| belongs(byte)) {
            self.at += 1;
        }
        self.push(kind, start);
    }

    fn skip_line(&mut self) {
        while self.bytes.get(self.at).is_some_and(|&byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn comment(&mut self) -> Result<(), GlueError> {
        let start = self.at;
        let rest = &self.bytes[start + 2..];
        let length = rest.windows(2).position(|pair| pair == b"*/").ok_or_else(|| self.error(start))?;
        self.at = start + 2 + length + 2;
        Ok(())
    }

    fn string(&mut self, quote: u8) -> Result<(), GlueError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'\\') => self.at += 2,
                Some(&byte) if byte == quote => break,
                None | Some(b'\n') => return Err(self.error(start)),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        self.push(Kind::Text, start);
        Ok(())
    }

    /// To the end of a template or of the part before a substitution.
    fn template(&mut self, start: usize) -> Result<(), GlueError> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'\\') => self.at += 2,
                Some(b'`') => {
                    self.at += 1;
                    self.push(Kind::Template, start);
                    return Ok(());
                }
                Some(b'$') if self.next() == Some(b'{') => {
                    self.at += 1;
                    self.push(Kind::Template, start);
                    self.opening(b'{', true);
                    return Ok(());
                }
                Some(_) => self.at += 1,
                None => return Err(self.error(start)),
            }
        }
    }

    fn regex(&mut self) -> Result<(), GlueError> {
        let start = self.at;
        self.at += 1;
        let mut in_class = false;
        loop {
            match self.bytes.get(self.at) {
                None | Some(b'\n') => return Err(self.error(start)),
                Some(b'\\') => self.at += 1,
                Some(b'[') => in_class = true,
                Some(b']') => in_class = false,
                Some(b'/') if !in_class => break,
                Some(_) => {}
            }
            self.at += 1;
        }
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|&byte| is_word(byte)) {
            self.at += 1;
        }
        self.push(Kind::Regex, start);
        Ok(())
    }

    /// Whether a value cannot have ended here, so that `/` does not divide.
    fn begins_regex(&self) -> bool {
        const BEFORE_VALUES: [&[u8]; 15] = [
            b"return",
            b"typeof",
            b"case",
            b"in",
            b"of",
            b"delete",
            b"void",
            b"throw",
            b"new",
            b"instanceof",
            b"else",
            b"do",
            b"yield",
            b"await",
            b"extends",
        ];
        let Some(last) = self.tokens.last() else { return true };
        match last.kind {
            Kind::Word => {
                let word = &self.bytes[last.start as usize..last.end as usize];
                BEFORE_VALUES.contains(&word) && !self.is_property(self.tokens.len() - 1)
            }
            Kind::Text | Kind::Number | Kind::Template | Kind::Regex | Kind::Mark(b']') => false,
            Kind::Mark(b')' | b'}') => last.partner == u32::MAX - 1,
            // `x++ / y`: an operator behind a value.
            Kind::Mark(b'+' | b'-') => {
                let before = self.tokens.len().checked_sub(2).and_then(|at| self.tokens.get(at));
                !before.is_some_and(|before| before.kind == last.kind && before.end == last.start)
            }
            Kind::Mark(_) => true,
        }
    }

    /// Whether a word stands behind a point: `a.return`.
    fn is_property(&self, at: usize) -> bool {
        at.checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .is_some_and(|token| token.kind == Kind::Mark(b'.'))
    }

    fn opening(&mut self, byte: u8, in_template: bool) {
        let then_regex = match byte {
            b'(' => self.tokens.last().is_some_and(|last| {
                let word = &self.bytes[last.start as usize..last.end as usize];
                last.kind == Kind::Word
                    && matches!(word, b"if" | b"while" | b"for" | b"with")
                    && !self.is_property(self.tokens.len() - 1)
            }),
            // A block, unless something before it asks for a value.
            b'{' => match self.tokens.last() {
                None => true,
                Some(last) => match last.kind {
                    Kind::Mark(b')' | b';' | b'{' | b'}') => true,
                    Kind::Word => matches!(
                        &self.bytes[last.start as usize..last.end as usize],
                        b"else" | b"do" | b"try" | b"finally"
                    ),
                    _ => false,
                },
            },
            _ => false,
        };
        let token = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.open.push(Open { token, in_template, then_regex });
        self.at += 1;
        self.push(Kind::Mark(byte), self.at - 1);
    }

    fn closing(&mut self, byte: u8) -> Result<(), GlueError> {
        let wanted = match byte {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let open = self.open.pop().ok_or_else(|| self.error(self.at))?;
        if self.tokens[open.token as usize].kind != Kind::Mark(wanted) {
            return Err(self.error(self.at));
        }
        self.tokens[open.token as usize].partner = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.at += 1;
        self.push(Kind::Mark(byte), self.at - 1);
        if let Some(last) = self.tokens.last_mut() {
            // A closing bracket needs no partner; it keeps what a `/` behind it is.
            last.partner = if open.then_regex { u32::MAX - 1 } else { u32::MAX };
        }
        if open.in_template { self.template(self.at) } else { Ok(()) }
    }
}

/// Letters, digits and what else may be in a name; all that is beyond ASCII counts, and escapes.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'\\') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens, separated by spaces.
    #[track_caller]
    fn tokens(text: &str) -> String {
        let script = Script::read(text).unwrap();
        (0..script.tokens.len()).map(|at| script.text(at)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_strings_and_comments() {
        assert_eq!(tokens("#!/x\nvar a='{\\'}'/*}*/+1.5e3//}\n"), "var a = '{\\'}' + 1 . 5e3");
        assert_eq!(tokens("é.$_1"), "é . $_1");
    }

    #[test]
    fn a_slash_divides_behind_a_value_and_begins_a_regular_expression_elsewhere() {
        assert_eq!(tokens("a/b/c"), "a / b / c");
        assert_eq!(tokens("(a)/b/c"), "( a ) / b / c");
        assert_eq!(tokens("a=/[/\"]/g.test(b)"), "a = /[/\"]/g . test ( b )");
        assert_eq!(tokens("return/}/"), "return /}/");
        assert_eq!(tokens("x.return/2/1"), "x . return / 2 / 1");
        assert_eq!(tokens("if(a)/'/.test(b)"), "if ( a ) /'/ . test ( b )");
        assert_eq!(tokens("a++/2/b"), "a + + / 2 / b");
        assert_eq!(tokens("{}/'/.test(a)"), "{ } /'/ . test ( a )");
        assert_eq!(tokens("x={}/2/1"), "x = { } / 2 / 1");
    }

    #[test]
    fn templates_hold_code() {
        assert_eq!(tokens("`a${`}${b}`}c`+d"), "`a$ { `}$ { b } ` } c` + d");
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        for text in ["'a", "/*", "`a", "`${", "(]", "{", "}", "a=/b", "'a\n'"] {
            assert!(Script::read(text).is_err(), "{text}");
        }
    }
}
