//! Source maps of modules: the one generated line, whose columns are bytes from the start of the module.
//!
//! Format: ECMA-426, also as an index of sections, which tools that join files write.

use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: u32,
    mappings: Option<String>,
    #[serde(default)]
    sources: Vec<Option<String>>,
    source_root: Option<String>,
    sections: Option<Vec<Section>>,
}

/// A part of an index: a map from an offset on.
#[derive(Deserialize)]
struct Section {
    offset: Offset,
    /// Absent where the map is in a file of its own.
    map: Option<File>,
}

#[derive(Deserialize)]
struct Offset {
    line: u32,
    column: u32,
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
        let mut map = Self { sources: Vec::new(), entries: Vec::new() };
        match (file.sections, file.version) {
            (Some(sections), 3) => {
                for Section { offset, map: part } in sections {
                    let part = part
                        .ok_or_else(|| Error::SourceMap("a section of it is in another file".to_owned()))?;
                    if part.sections.is_some() {
                        return Err(Error::SourceMap("a section of it has sections".to_owned()));
                    }
                    // A module is one line.
                    if offset.line == 0 {
                        map.add(part, offset.column)?;
                    }
                }
            }
            (Some(_), version) => return Err(wrong_version(version)),
            (None, _) => map.add(File { sections: None, ..file }, 0)?,
        }
        // Most are in order; the format does not ask for it.
        map.entries.sort_by_key(|entry| entry.offset);
        Ok(map)
    }

    /// Adds a map whose columns count from this offset.
    fn add(&mut self, file: File, start: u32) -> Result<(), Error> {
        if file.version != 3 {
            return Err(wrong_version(file.version));
        }
        let mappings = file.mappings.ok_or_else(|| Error::SourceMap("it has no mappings".to_owned()))?;
        let root =
            file.source_root.filter(|root| !root.is_empty()).map_or_else(String::new, |root| root + "/");
        let before = i64::try_from(self.sources.len()).unwrap_or(i64::MAX);
        let known = before.saturating_add(i64::try_from(file.sources.len()).unwrap_or(i64::MAX));
        self.sources.extend(file.sources.into_iter().map(|source| Some(format!("{root}{}", source?))));
        self.entries.extend(read_mappings(&mappings)?.into_iter().map(|entry| Entry {
            offset: entry.offset.saturating_add(start.into()),
            // Numbers of sources are those of the section; another's is none.
            original: entry.original.and_then(|(source, line, column)| {
                let source = source.checked_add(before).filter(|source| (before..known).contains(source))?;
                Some((source, line, column))
            }),
        }));
        Ok(())
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

fn wrong_version(version: u32) -> Error {
    Error::SourceMap(format!("its version is {version}"))
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
    fn sections_are_maps_from_an_offset_on() {
        let part = |source: &str| format!(r#"{{"version":3,"sources":["{source}"],"mappings":"UAAA,UACE"}}"#);
        let text = format!(
            r#"{{"version":3,"sections":[{{"offset":{{"line":0,"column":0}},"map":{}}},
                {{"offset":{{"line":1,"column":0}},"map":{}}},{{"offset":{{"line":0,"column":100}},"map":{}}}]}}"#,
            part("a.ts"),
            part("other.ts"),
            part("b.ts")
        );
        let map = SourceMap::read(text.as_bytes()).unwrap();
        let place = |offset| map.at(offset, 0).map(|(file, line, _)| (file.unwrap(), line.unwrap()));
        assert_eq!(place(10), Some(("a.ts".to_owned(), 1)));
        assert_eq!(place(25), Some(("a.ts".to_owned(), 2)));
        assert_eq!(place(110), Some(("b.ts".to_owned(), 1)));
        assert_eq!(place(999), Some(("b.ts".to_owned(), 2)));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in [
            &br#"{"version":3,"sections":[{"offset":{"line":0,"column":0},"url":"a.map"}]}"#[..],
            br#"{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":{"version":3,"sections":[]}}]}"#,
            br#"{"version":2,"sections":[]}"#,
            br#"{"version":3,"sources":[]}"#,
            b"{}{",
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
