//! Symbol maps, as `emcc --emit-symbol-map` and `wasm-opt --symbolmap` write them: a line `index:name` for each function, in
//! which characters that a name in the text format cannot have are `\` and two hexadecimal digits.

use std::collections::HashMap;

use crate::Error;

pub(crate) struct SymbolMap(HashMap<u32, String>);

impl SymbolMap {
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let mut names = HashMap::new();
        for (line, at) in text.lines().zip(1..) {
            if line.is_empty() {
                continue;
            }
            let entry = line.split_once(':').and_then(|(index, name)| Some((index.parse().ok()?, name)));
            let (index, name) = entry.ok_or(Error::SymbolMap { line: at })?;
            names.insert(index, unescape(name));
        }
        Ok(Self(names))
    }

    pub(crate) fn name(&self, func: u32) -> Option<&str> {
        self.0.get(&func).map(String::as_str)
    }
}

fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        let map = SymbolMap::read("0:malloc\n7:operator\\20new\\28unsigned\\20long\\29\n8:a:b\\").unwrap();
        assert_eq!(map.name(0), Some("malloc"));
        assert_eq!(map.name(7), Some("operator new(unsigned long)"));
        assert_eq!(map.name(8), Some("a:b\\"));
        assert_eq!(map.name(1), None);
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        assert!(matches!(SymbolMap::read("0:a\nhello"), Err(Error::SymbolMap { line: 2 })));
        assert!(matches!(SymbolMap::read("x:a"), Err(Error::SymbolMap { line: 1 })));
    }
}
