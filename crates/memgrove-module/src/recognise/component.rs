//! Names that only a component can satisfy.

/// Whether a module's name is that of an interface: `wasi:io/streams@0.2.0`, namespace, package and interface as the component
/// model writes them (<https://component-model.bytecodealliance.org/design/packages.html>), the version left out or not.
/// A colon alone makes none: `a:b` is a name that anybody may give.
#[must_use]
pub fn is_interface(name: &str) -> bool {
    let (path, version) = match name.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (name, None),
    };
    let is_path = path.split_once(':').is_some_and(|(namespace, rest)| {
        let mut labels = rest.split('/');
        let is_package = labels.next().is_some_and(|package| package.split(':').all(is_label));
        let mut interface = labels.by_ref().peekable();
        namespace.split(':').all(is_label)
            && is_package
            && interface.peek().is_some()
            && interface.all(is_label)
    });
    is_path && version.is_none_or(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

/// Words of letters and digits between hyphens, each beginning with a letter.
fn is_label(text: &str) -> bool {
    text.split('-').all(|word| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.chars().all(|letter| letter.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_a_package_and_a_name() {
        for name in ["wasi:io/streams@0.2.0", "wasi:cli/run", "my-org:app/key-value@1.0.0-rc.1", "a:b/c"] {
            assert!(is_interface(name), "{name}");
        }
        for name in [
            "a:b",
            "env",
            "node:fs",
            "http://example.org/x",
            "a:b/",
            ":b/c",
            "a:b/c@",
            "a:b/c@latest",
            "a:b/c.js",
            "",
        ] {
            assert!(!is_interface(name), "{name}");
        }
    }
}
