//! Words that every report needs.

/// A number with its noun, which gets an `s` unless there is one: `1 page`, `2 pages`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A number with words that agree with it in another way: `1 entry`, `2 entries`.
#[must_use]
pub fn counted_as(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{counted, counted_as};

    #[test]
    fn the_noun_agrees_with_its_number() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "page")), ["0 pages", "1 page", "2 pages"]);
        let words = [0, 1, 2].map(|number| counted_as(number, "entry is", "entries are"));
        assert_eq!(words, ["0 entries are", "1 entry is", "2 entries are"]);
    }
}
