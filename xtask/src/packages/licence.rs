//! SPDX expressions, as far as manifests use them: names, `WITH`, `OR` (also `/`, as before SPDX), `AND`, parentheses.

/// Licences under which a package may be passed on inside a program under MIT or Apache-2.0. An exception only adds rights.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Why the licences are not enough; `None` where they are.
pub fn refusal(expression: &str) -> Option<String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    match any(&mut rest) {
        Some(true) if rest.is_empty() => None,
        Some(false) if rest.is_empty() => Some(format!("`{expression}` is not in the list of licences")),
        _ => Some(format!("`{expression}` cannot be read")),
    }
}

/// `A OR B`: one that is allowed will do.
fn any(rest: &mut &[&str]) -> Option<bool> {
    let mut is_allowed = all(rest)?;
    while rest.first() == Some(&"OR") {
        *rest = &rest[1..];
        is_allowed |= all(rest)?;
    }
    Some(is_allowed)
}

/// `A AND B`: both count.
fn all(rest: &mut &[&str]) -> Option<bool> {
    let mut is_allowed = one(rest)?;
    while rest.first() == Some(&"AND") {
        *rest = &rest[1..];
        is_allowed &= one(rest)?;
    }
    Some(is_allowed)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    if *first == "(" {
        let is_allowed = any(rest)?;
        let (close, tail) = rest.split_first()?;
        *rest = tail;
        return (*close == ")").then_some(is_allowed);
    }
    if ["OR", "AND", "WITH", ")"].contains(first) {
        return None;
    }
    let mut name = (*first).to_owned();
    if let ["WITH", exception, tail @ ..] = *rest {
        name = format!("{name} WITH {exception}");
        *rest = tail;
    }
    Some(ALLOWED.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_enough_and_all_of_a_sum_are_needed() {
        for allowed in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "Unlicense/MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
        ] {
            assert_eq!(refusal(allowed), None, "{allowed}");
        }
        for refused in
            ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MPL-2.0", "(MIT OR Apache-2.0) AND AGPL-3.0-only"]
        {
            assert!(refusal(refused).is_some_and(|why| why.ends_with("list of licences")), "{refused}");
        }
        for broken in ["", "MIT OR", "(MIT", "MIT Apache-2.0", "AND MIT"] {
            assert!(refusal(broken).is_some_and(|why| why.ends_with("cannot be read")), "{broken}");
        }
    }
}
