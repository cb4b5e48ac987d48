//! Makes the table of known imports out of `knowledge/imports.toml`, so that nothing has to be read at run time.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde::Deserialize;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    purpose: Vec<Purpose>,
    import: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purpose {
    id: String,
    title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    purpose: String,
    module: Option<Names>,
    name: Option<Names>,
    kind: Option<String>,
    #[serde(rename = "type")]
    ty: Option<Names>,
    pairs: Option<Vec<(String, String)>>,
    meaning: Option<String>,
    #[serde(default)]
    grows: bool,
    source: String,
    fixture: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Any(Vec<String>),
}

const KINDS: [&str; 5] = ["func", "table", "memory", "global", "tag"];

fn main() {
    // In a checkout a symbolic link to the second, which not every system makes: there it is a file that names the path.
    let packaged = Path::new("imports.toml");
    let shared = Path::new("../../knowledge/imports.toml");
    let path = if shared.is_file() { shared } else { packaged };
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).expect("knowledge/imports.toml is there");
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("knowledge/imports.toml: {error}"));
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("imports.rs"), rust(&file)).expect("OUT_DIR is writable");
}

fn rust(file: &File) -> String {
    let mut text = purposes(&file.purpose);
    let _ = writeln!(
        text,
        "/// Known imports; the first that fits counts.\npub static IMPORTS: &[ImportEntry] = &["
    );
    for entry in &file.import {
        let known = file.purpose.iter().any(|purpose| purpose.id == entry.purpose);
        assert!(known, "knowledge/imports.toml: `{}` is no purpose", entry.purpose);
        let kind = entry.kind.as_ref().map(|kind| {
            assert!(KINDS.contains(&kind.as_str()), "knowledge/imports.toml: `{kind}` is no kind");
            format!("KindName::{}", camel(kind))
        });
        let pairs = entry.pairs.as_ref().map(|pairs| {
            let pairs: Vec<String> =
                pairs.iter().map(|(name, ty)| format!("({}, {})", cow(name), cow(ty))).collect();
            format!("Cow::Borrowed(&[{}])", pairs.join(", "))
        });
        let _ = writeln!(
            text,
            "ImportEntry {{ pattern: ImportPattern {{ module: {}, name: {}, kind: {}, ty: {}, pairs: {} }}, \
             purpose: Purpose::{}, meaning: {}, grows: {}, source: {:?}, fixture: {:?} }},",
            option(entry.module.as_ref().map(names)),
            option(entry.name.as_ref().map(names)),
            option(kind),
            option(entry.ty.as_ref().map(names)),
            option(pairs),
            camel(&entry.purpose),
            option(entry.meaning.as_ref().map(|meaning| format!("{meaning:?}"))),
            entry.grows,
            entry.source,
            entry.fixture,
        );
    }
    text + "];\n"
}

/// The enum of purposes, in the order of the file.
fn purposes(purposes: &[Purpose]) -> String {
    let each = |line: &dyn Fn(&Purpose) -> String| purposes.iter().map(line).collect::<String>();
    format!(
        "/// What an import is for. The order is that in which groups are reported.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n\
         #[non_exhaustive]\n\
         pub enum Purpose {{\n{}}}\n\
         impl Purpose {{\n\
         /// Every purpose.\n\
         pub const ALL: &'static [Self] = &[{}];\n\
         /// Its name in JSON.\n#[must_use]\npub const fn id(self) -> &'static str {{ match self {{ {} }} }}\n\
         /// Its name for people.\n#[must_use]\npub const fn title(self) -> &'static str {{ match self {{ {} }} }}\n\
         }}\n",
        each(&|purpose| format!("/// {}.\n{},\n", capital(&purpose.title), camel(&purpose.id))),
        each(&|purpose| format!("Self::{}, ", camel(&purpose.id))),
        each(&|purpose| format!("Self::{} => {:?}, ", camel(&purpose.id), purpose.id)),
        each(&|purpose| format!("Self::{} => {:?}, ", camel(&purpose.id), purpose.title)),
    )
}

fn names(names: &Names) -> String {
    match names {
        Names::One(name) => format!("Names::One({})", cow(name)),
        Names::Any(names) => {
            let names: Vec<String> = names.iter().map(|name| cow(name)).collect();
            format!("Names::Any(Cow::Borrowed(&[{}]))", names.join(", "))
        }
    }
}

fn cow(text: &str) -> String {
    format!("Cow::Borrowed({text:?})")
}

fn option(value: Option<String>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
}

/// `js-glue` as `JsGlue`.
fn camel(id: &str) -> String {
    id.split('-').map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
