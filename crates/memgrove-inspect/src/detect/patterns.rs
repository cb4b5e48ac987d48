//! Text that rules look for in data segments and function names: all of it in one pass over the bytes.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::rules::{Condition, Rule, Seen, Subject, Version};
use crate::facts::Facts;
use crate::report::Evidence;

/// Where text occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    pattern: usize,
    /// Byte offset of the text's end in the input.
    end: u32,
    place: Place,
}

impl Hit {
    /// Whether the text is in a data segment.
    pub fn is_in_data(&self) -> bool {
        self.place == Place::Data
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Data,
    Names,
}

/// All text of a set of rules.
pub struct Patterns {
    data: Option<AhoCorasick>,
    names: Option<AhoCorasick>,
    index: HashMap<(Place, Vec<u8>), usize>,
}

impl Patterns {
    /// Gathers the text of rules. Linear in its length.
    pub fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let (mut data, mut names) = (Vec::new(), Vec::new());
        let mut index = HashMap::new();
        for condition in rules.flat_map(|rule| &rule.when) {
            let Some((place, bytes)) = text(condition) else { continue };
            let list = if place == Place::Data { &mut data } else { &mut names };
            index.entry((place, bytes.clone())).or_insert_with(|| {
                list.push(bytes);
                list.len() - 1
            });
        }
        let build =
            |list: Vec<Vec<u8>>| AhoCorasick::builder().match_kind(MatchKind::Standard).build(list).ok();
        Self { data: build(data), names: build(names), index }
    }

    /// The first place of each text, and every place with a version number behind it. O(bytes).
    pub fn scan(&self, facts: &Facts<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        let mut counts = [vec![0; self.index.len()], vec![0; self.index.len()]];
        let mut scan = |automaton: &Option<AhoCorasick>, place, offset: u32, bytes: &[u8]| {
            let Some(automaton) = automaton else { return };
            for found in automaton.find_overlapping_iter(bytes) {
                let pattern = found.pattern().as_usize();
                let Some(count) = counts[place as usize].get_mut(pattern) else { continue };
                if *count < MAX_HITS {
                    *count += 1;
                    let end = offset.saturating_add(u32::try_from(found.end()).unwrap_or(u32::MAX));
                    hits.push(Hit { pattern, end, place });
                }
            }
        };
        for segment in &facts.data {
            scan(&self.data, Place::Data, segment.offset, segment.bytes);
        }
        for section in facts.sections.iter().filter(|section| section.custom && section.name == "name") {
            let start = section.offset as usize;
            if let Some(bytes) = facts.bytes().get(start..start + section.size_bytes as usize) {
                scan(&self.names, Place::Names, section.offset, bytes);
            }
        }
        hits
    }

    /// What a condition on text sees.
    pub fn find(&self, condition: &Condition, subject: &Subject<'_, '_>) -> Option<Seen> {
        let (place, bytes) = text(condition)?;
        let len = u32::try_from(bytes.len()).ok()?;
        let pattern = *self.index.get(&(place, bytes))?;
        let all = subject.code.facts().bytes();
        subject.hits.iter().filter(|hit| hit.pattern == pattern && hit.place == place).find_map(|hit| {
            let mut version = None;
            if condition.version_follows {
                let wide = condition.data_utf16.is_some();
                version = Some(version_at(all.get(hit.end as usize..)?, wide)?);
            }
            let shown =
                condition.data.as_ref().or(condition.data_utf16.as_ref()).or(condition.symbol.as_ref())?;
            let wherein = match place {
                Place::Data => "data",
                Place::Names => "function names",
            };
            let text =
                format!("\"{}{}\" in the {wherein}", shown.escape_debug(), version.as_deref().unwrap_or(""));
            // The text before a version is the name of what it belongs to: `dlmalloc-0.2.11`.
            let of = shown.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
            let version = version.map(|text| Version { text, of });
            Some(Seen { evidence: Evidence::at(hit.end - len, text), version })
        })
    }
}

/// Places kept of one text: enough to find one with a version behind it.
const MAX_HITS: usize = 8;

fn text(condition: &Condition) -> Option<(Place, Vec<u8>)> {
    if let Some(text) = &condition.data {
        return Some((Place::Data, text.clone().into_bytes()));
    }
    if let Some(text) = &condition.data_utf16 {
        return Some((Place::Data, text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    }
    condition.symbol.as_ref().map(|text| (Place::Names, text.clone().into_bytes()))
}

/// A version number (digits and dots, a dot at least) at the start of bytes.
fn version_at(bytes: &[u8], wide: bool) -> Option<String> {
    let text: String = bytes
        .iter()
        .step_by(if wide { 2 } else { 1 })
        .take(24)
        .map(|&byte| char::from(byte))
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let text = text.trim_end_matches('.');
    (text.contains('.') && text.starts_with(|c: char| c.is_ascii_digit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::version_at;

    #[test]
    fn a_version_is_digits_with_a_dot() {
        assert_eq!(version_at(b"0.2.11/src/dlmalloc.rs", false).as_deref(), Some("0.2.11"));
        assert_eq!(version_at(b"1.2.", false).as_deref(), Some("1.2"));
        assert_eq!(version_at(b"12/src", false), None);
        assert_eq!(version_at(b".5", false), None);
        assert_eq!(version_at(b"0\0.\x009\0 \0", true).as_deref(), Some("0.9"));
    }
}
