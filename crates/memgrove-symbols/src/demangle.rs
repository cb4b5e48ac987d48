//! Names as they stood in the source.

use std::fmt::Write;

/// A name longer than this is left as it is: what it stands for can be exponentially longer.
const LONGEST_MANGLED: usize = 4096;
/// What is longer than this is no help to a reader.
const LONGEST_DEMANGLED: usize = 16 * 1024;

/// A name of Rust or C++ as it stood in the source, without a hash; others as they are.
#[must_use]
pub fn demangle(name: &str) -> String {
    if name.len() > LONGEST_MANGLED {
        return name.to_owned();
    }
    let short = |value: &dyn std::fmt::Display| {
        let mut text = Bounded(String::new());
        write!(text, "{value:#}").ok().map(|()| text.0)
    };
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return short(&rust).unwrap_or_else(|| name.to_owned());
    }
    let cpp = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name)).and_then(Result::ok);
    let cpp = cpp.and_then(|symbol| symbol.demangle().ok());
    match cpp {
        Some(cpp) if cpp.len() <= LONGEST_DEMANGLED => cpp,
        _ => without_hash(name).to_owned(),
    }
}

/// A name of Rust's that is demangled already, as wasm-bindgen leaves it, without its hash.
fn without_hash(name: &str) -> &str {
    let is_hash = |end: &str| end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name.rsplit_once("::h") {
        Some((before, end)) if is_hash(end) => before,
        _ => name,
    }
}

/// Text that ends at a length.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > LONGEST_DEMANGLED {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn rust_and_cpp_are_demangled_and_others_are_left() {
        assert_eq!(demangle("_ZN4core3ptr13drop_in_place17h0123456789abcdefE"), "core::ptr::drop_in_place");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo16example_function"), "foo::example_function");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_Zzz"), "_Zzz");
        assert_eq!(demangle("core::ptr::drop_in_place::h0123456789abcdef"), "core::ptr::drop_in_place");
        assert_eq!(demangle("std::hash"), "std::hash");
        assert_eq!(demangle("a::h0123456789abcde"), "a::h0123456789abcde");
        assert_eq!(demangle("malloc"), "malloc");
    }

    #[test]
    fn a_name_that_would_explode_ends() {
        // Each substitution doubles what came before.
        let bomb = format!("_Z1fI{}E", "N1aIS_S_E".repeat(300));
        let _ = demangle(&bomb);
        assert_eq!(demangle(&"_Z".repeat(5000)).len(), 10_000);
    }
}
