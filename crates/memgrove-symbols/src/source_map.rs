//! Source maps of modules: the one generated line, whose columns are bytes from the start of the module.
//!
//! Format: ECMA-426. Maps in sections are not read; no compiler to WebAssembly writes them.

use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: u32,
    mappings: String,
    sources: Vec<Option<String>>,
    #[serde(default)]
    source_root: Option<String>,
}

pub(crate) struct SourceMap {
    sources: Vec<Option<String>>,
    /// By offset.
    entries: Vec<Entry>,
}

/// What begins at an offset of the module.
struct Entry {
    offset: i64,
    /// Source, line and column, from 0; none where the code is nobody's.
    original: Option<(i64, i64, i64)>,
}

/// File, line and column; the last two from 1.
pub(crate) type Place = (Option<String>, Option<u32>, Option<u32>);

impl SourceMap {
    pub(crate) fn read(json: &[u8]) -> Result<Self, Error> {
        // A line that keeps the file from being run as a script may come first.
        let json = match json.strip_prefix(b")]}'") {
            Some(rest) => rest.iter().position(|&byte| byte == b'\n').map_or(rest, |end| &rest[end..]),
            None => json,
        };
        let file: File = serde_json::from_slice(json).map_err(|error| Error::SourceMap(error.to_string()))?;
        if file.version != 3 {
            return Err(Error::SourceMap(format!("its version is {}", file.version)));
        }
        let root =
            file.source_root.filter(|root| !root.is_empty()).map_or_else(String::new, |root| root + "/");
        let sources = file.sources.into_iter().map(|source| Some(format!("{root}{}", source?))).collect();
        let mut entries = read_mappings(&file.mappings)?;
        // Most are in order; the format does not ask for it.
        entries.sort_by_key(|entry| entry.offset);
        Ok(Self { sources, entries })
    }

    /// The place of an instruction of a body that begins at `body`: what is said of code before it is of another function.
    pub(crate) fn at(&self, offset: u32, body: u32) -> Option<Place> {
        let at = self.entries.partition_point(|entry| entry.offset <= offset.into());
        let entry = self.entries.get(at.checked_sub(1)?).filter(|entry| entry.offset >= body.into())?;
        let (source, line, column) = entry.original?;
        let file = self.sources.get(usize::try_from(source).ok()?)?.clone()?;
        let from_1 = |value: i64| u32::try_from(value).ok()?.checked_add(1);
        Some((Some(file), from_1(line), from_1(column)))
    }
}

/// The entries of the first line: groups with commas between them, of 1, 4 or 5 numbers, each the difference to the last.
fn read_mappings(mappings: &str) -> Result<Vec<Entry>, Error> {
    let line = mappings.split(';').next().unwrap_or_default();
    let mut entries = Vec::new();
    let (mut offset, mut source, mut source_line, mut column) = (0_i64, 0_i64, 0_i64, 0_i64);
    for group in line.split(',').filter(|group| !group.is_empty()) {
        let mut bytes = group.bytes();
        let mut numbers = Vec::with_capacity(5);
        while bytes.len() > 0 && numbers.len() < 6 {
            let number = vlq::decode(&mut bytes)
                .map_err(|_| Error::SourceMap("a number in it ends early or is too large".to_owned()))?;
            numbers.push(number);
        }
        let add = |sum: &mut i64, by: i64| {
            *sum = sum.checked_add(by).ok_or_else(|| Error::SourceMap("a number is too large".to_owned()))?;
            Ok::<(), Error>(())
        };
        let original = match numbers[..] {
            [by] => {
                add(&mut offset, by)?;
                None
            }
            [by, sources, lines, columns] | [by, sources, lines, columns, _] => {
                add(&mut offset, by)?;
                add(&mut source, sources)?;
                add(&mut source_line, lines)?;
                add(&mut column, columns)?;
                Some((source, source_line, column))
            }
            _ => return Err(Error::SourceMap(format!("an entry has {} numbers", numbers.len()))),
        };
        entries.push(Entry { offset, original });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns 10, 20 and 30 are lines 1, 2 and 3 of `a.ts`.
    const MAP: &str = r#"{"version":3,"sources":["a.ts"],"names":[],"mappings":"UAAA,UACE,UACE"}"#;

    #[test]
    fn offsets_are_columns() {
        let map = SourceMap::read(MAP.as_bytes()).unwrap();
        let line = |offset, body| map.at(offset, body).and_then(|(_, line, _)| line);
        assert_eq!((line(10, 10), line(25, 10), line(99, 10)), (Some(1), Some(2), Some(3)));
        assert_eq!(line(5, 0), None);
        // The last entry before the offset is another function's.
        assert_eq!(line(25, 22), None);
        assert_eq!(map.at(10, 10).unwrap().0.as_deref(), Some("a.ts"));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in [
            &b"{}{"[..],
            b"{}",
            br#"{"version":2,"sources":[],"mappings":""}"#,
            br#"{"version":3,"sources":[],"mappings":"AA"}"#,
        ] {
            assert!(matches!(SourceMap::read(text), Err(Error::SourceMap(_))));
        }
        // The last number goes on behind the end.
        assert!(SourceMap::read(br#"{"version":3,"sources":[],"mappings":"g"}"#).is_err());
    }
}
