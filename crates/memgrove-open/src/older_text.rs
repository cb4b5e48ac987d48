//! Words of the text format that it has spelled otherwise before: files of 2017 and of proposals' drafts have them.

use wast::lexer::{Lexer, TokenKind};

/// What it was, what it is.
///
/// Sources: <https://github.com/WebAssembly/spec/issues/884> for WebAssembly 1.0's instructions,
/// <https://github.com/WebAssembly/shared-everything-threads> for the orderings.
const RENAMED: &[(&str, &str)] = &[
    ("acq_rel", "acqrel"),
    ("seq_cst", "seqcst"),
    ("anyfunc", "funcref"),
    ("current_memory", "memory.size"),
    ("grow_memory", "memory.grow"),
    ("get_local", "local.get"),
    ("set_local", "local.set"),
    ("tee_local", "local.tee"),
    ("get_global", "global.get"),
    ("set_global", "global.set"),
    ("i32.wrap/i64", "i32.wrap_i64"),
    ("i32.trunc_s/f32", "i32.trunc_f32_s"),
    ("i32.trunc_u/f32", "i32.trunc_f32_u"),
    ("i32.trunc_s/f64", "i32.trunc_f64_s"),
    ("i32.trunc_u/f64", "i32.trunc_f64_u"),
    ("i32.reinterpret/f32", "i32.reinterpret_f32"),
    ("i64.extend_s/i32", "i64.extend_i32_s"),
    ("i64.extend_u/i32", "i64.extend_i32_u"),
    ("i64.trunc_s/f32", "i64.trunc_f32_s"),
    ("i64.trunc_u/f32", "i64.trunc_f32_u"),
    ("i64.trunc_s/f64", "i64.trunc_f64_s"),
    ("i64.trunc_u/f64", "i64.trunc_f64_u"),
    ("i64.reinterpret/f64", "i64.reinterpret_f64"),
    ("f32.convert_s/i32", "f32.convert_i32_s"),
    ("f32.convert_u/i32", "f32.convert_i32_u"),
    ("f32.convert_s/i64", "f32.convert_i64_s"),
    ("f32.convert_u/i64", "f32.convert_i64_u"),
    ("f32.demote/f64", "f32.demote_f64"),
    ("f32.reinterpret/i32", "f32.reinterpret_i32"),
    ("f64.convert_s/i32", "f64.convert_i32_s"),
    ("f64.convert_u/i32", "f64.convert_i32_u"),
    ("f64.convert_s/i64", "f64.convert_i64_s"),
    ("f64.convert_u/i64", "f64.convert_i64_u"),
    ("f64.promote/f32", "f64.promote_f32"),
    ("f64.reinterpret/i64", "f64.reinterpret_i64"),
];

/// The text with these words as they are spelled today; `None` if there is none of them. Linear.
pub(super) fn as_spelled_today(text: &str) -> Option<String> {
    let lexer = Lexer::new(text);
    let mut today = String::with_capacity(text.len());
    let mut copied = 0;
    for token in lexer.iter(0) {
        let token = token.ok()?;
        if !matches!(token.kind, TokenKind::Keyword | TokenKind::Reserved) {
            continue;
        }
        let word = token.src(text);
        if let Some((_, now)) = RENAMED.iter().find(|(before, _)| *before == word) {
            today.push_str(text.get(copied..token.offset)?);
            today.push_str(now);
            copied = token.offset + word.len();
        }
    }
    if copied == 0 {
        return None;
    }
    today.push_str(text.get(copied..)?);
    Some(today)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_and_strings_names_and_comments_are_not() {
        let old = "(module ;; get_local\n (import \"get_local\" \"grow_memory\" (func $get_local)) (func get_local 0 drop (atomic.fence acq_rel)))";
        let now = "(module ;; get_local\n (import \"get_local\" \"grow_memory\" (func $get_local)) (func local.get 0 drop (atomic.fence acqrel)))";
        assert_eq!(as_spelled_today(old).as_deref(), Some(now));
        assert_eq!(as_spelled_today(now), None);
        assert_eq!(as_spelled_today("(module \"open"), None);
    }

    #[test]
    fn what_a_word_is_today_is_a_word_today() {
        for (_, now) in RENAMED.iter().filter(|(_, now)| now.contains('.') && !now.starts_with("memory")) {
            let operand = if now.contains("local") || now.contains("global") { " 0" } else { "" };
            let text = format!("(module (func {now}{operand}))");
            let buffer = wast::parser::ParseBuffer::new(&text).unwrap();
            wast::parser::parse::<wast::Wat<'_>>(&buffer).unwrap_or_else(|error| panic!("{now}: {error}"));
        }
    }
}
