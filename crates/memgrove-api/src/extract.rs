//! The core modules that lie inside a file, each as a file of its own.

use std::collections::BTreeSet;

use memgrove_inspect::facts;
use memgrove_inspect::facts::Facts;
use memgrove_open::Binary;

/// A core module that is no file by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreModule {
    /// A name for its file, of letters, digits, `.`, `_` and `-`: what it lies in, its number in a component (as the report has it), its own name.
    pub file_name: String,
    /// The module.
    pub bytes: Vec<u8>,
}

/// Longer parts of a name are cut: file systems take 255 bytes for the whole.
const MAX_PART_BYTES: usize = 64;

/// The core modules in what a file held: a component's, or itself where something was around it. `name` is the one that it is
/// reported under. None of an invalid one.
pub(crate) fn core_modules(binary: &Binary, name: &str) -> Vec<CoreModule> {
    let Ok(facts) = facts(&binary.bytes) else { return Vec::new() };
    let stem = stem(name);
    match &facts.component {
        Some(component) => (0..)
            .zip(&component.modules)
            .map(|(number, module)| {
                let own = module.names.module.map(plain).filter(|own| !own.is_empty());
                let own = own.map_or_else(String::new, |own| format!("-{own}"));
                CoreModule { file_name: format!("{stem}.core{number}{own}.wasm"), bytes: bytes(module) }
            })
            .collect(),
        None if binary.wrapped_in.is_empty() && binary.member.is_none() => Vec::new(),
        None => vec![CoreModule { file_name: format!("{stem}.wasm"), bytes: binary.bytes.clone() }],
    }
}

fn bytes(module: &Facts<'_>) -> Vec<u8> {
    let range = module.range();
    module.bytes().get(range.start as usize..range.end as usize).unwrap_or_default().to_vec()
}

/// The last part of a path, without the ending that the extracted file gets again.
fn stem(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = plain(last.strip_suffix(".wasm").unwrap_or(last));
    if stem.is_empty() { "module".to_owned() } else { stem }
}

/// What may stand in a file's name everywhere; one that begins with a dot is hidden, and `..` leads out of the folder.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String =
        text.chars().take(MAX_PART_BYTES).map(|c| if is_plain(c) { c } else { '-' }).collect();
    plain.trim_matches(['.', '-']).to_owned()
}

/// Gives every file of a run a name of its own.
#[derive(Debug, Default)]
pub struct FileNames {
    taken: BTreeSet<String>,
}

impl FileNames {
    /// This name, or with a number if it is taken, also where a file system does not tell case apart.
    pub fn unique(&mut self, name: &str) -> String {
        let stem = name.strip_suffix(".wasm").unwrap_or(name);
        let numbered = (2_u32..).map(|number| format!("{stem}~{number}.wasm"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        // There are always more numbers than files.
        names.find(|name| self.taken.insert(name.to_ascii_lowercase())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for (name, expected) in [
            ("dist/app.wasm", "app"),
            ("a.tgz/package/../../etc/passwd", "passwd"),
            ("app.js#2", "app.js-2"),
            ("..", "module"),
            ("C:\\temp\\x.wasm", "x"),
            ("\u{202e}gpj.\u{1b}[31m", "gpj.--31m"),
            (".bashrc", "bashrc"),
        ] {
            assert_eq!(stem(name), expected, "{name}");
        }
        assert_eq!(stem(&"x".repeat(5000)).len(), MAX_PART_BYTES);
    }

    #[test]
    fn no_two_files_have_one_name() {
        let mut names = FileNames::default();
        let given = ["a.wasm", "a.wasm", "A.wasm", "b.wasm", "a~2.wasm"].map(|name| names.unique(name));
        assert_eq!(given, ["a.wasm", "a~2.wasm", "A~3.wasm", "b.wasm", "a~2~2.wasm"]);
    }

    #[test]
    fn a_components_modules_and_what_was_wrapped_and_nothing_else() {
        let open =
            |bytes: &[u8], name| memgrove_open::binaries(bytes.to_vec(), name, 1 << 20).unwrap().remove(0);
        let component = wat::parse_str(
            "(component (core module $a (memory 1)) (component (core module (@name \"in/../ner\") (func))))",
        )
        .unwrap();
        let modules = core_modules(&open(&component, "c.wasm"), "c.wasm");
        let names: Vec<&str> = modules.iter().map(|module| module.file_name.as_str()).collect();
        assert_eq!(names, ["c.core0-a.wasm", "c.core1-in-..-ner.wasm"]);
        assert!(modules.iter().all(|module| wasmparser_accepts(&module.bytes)));
        let module = wat::parse_str("(module (memory 1))").unwrap();
        assert_eq!(core_modules(&open(&module, "m.wasm"), "m.wasm"), []);
        let text = core_modules(&open(b"(module (memory 1))", "m.wat"), "m.wat");
        assert_eq!(text, [CoreModule { file_name: "m.wat.wasm".to_owned(), bytes: module }]);
    }

    fn wasmparser_accepts(bytes: &[u8]) -> bool {
        facts(bytes).is_ok_and(|facts| facts.component.is_none())
    }
}
