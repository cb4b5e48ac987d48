//! Names in sentences: a name may have as many bytes as the file, and a sentence is said for each host.

use std::borrow::Cow;

/// Characters of a name that a sentence shows.
const MAX_CHARS: usize = 100;

/// A name as a sentence shows it: whole, or its beginning and how long it is.
pub(crate) fn short(name: &str) -> Cow<'_, str> {
    short_to(name, MAX_CHARS)
}

/// The same with a limit of its own.
pub(crate) fn short_to(name: &str, max_chars: usize) -> Cow<'_, str> {
    match name.char_indices().nth(max_chars) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}… ({} bytes)", &name[..end], name.len())),
    }
}

/// The first `limit` of `names`, and how many more there are.
pub(crate) fn some_of<'n>(names: impl ExactSizeIterator<Item = Cow<'n, str>>, limit: usize) -> String {
    let more = names.len().saturating_sub(limit);
    let mut shown: Vec<Cow<'_, str>> = names.take(limit).collect();
    if more > 0 {
        shown.push(Cow::Owned(format!("and {more} more")));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(short("name"), "name");
        assert_eq!(short(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(short(&"ä".repeat(101)), "ä".repeat(100) + "… (202 bytes)");
    }

    #[test]
    fn long_lists_end_with_how_many_more() {
        let list = |n: usize| some_of(["a", "b", "c"][..n].iter().map(|name| short(name)), 2);
        assert_eq!([list(0), list(2), list(3)], ["", "a, b", "a, b, and 1 more"]);
    }
}
