//! An engine's stack of an instrumented module, in terms of the original.

use memgrove_profile::{Names, Site};
use memgrove_rewrite::edit::Map;
use memgrove_text::{Line, Text};

use super::Shown;

/// How V8, SpiderMonkey and JavaScriptCore write a place in a module: `wasm-function[INDEX]:0xOFFSET`.
const PLACE: &str = "wasm-function[";

/// The lines of a stack with each place in the instrumented module replaced by that in the original, and its name.
///
/// Understood are the places of JavaScript engines and wasmtime's lines `N: 0xOFFSET - …`; all else stays as it is. Linear
/// in the text, and logarithmic in the map for each place.
#[must_use]
pub fn resolve(stack: &str, map: &Map, names: &dyn Names) -> Text {
    let mut text = Text::default();
    for line in stack.lines() {
        text.line(resolved(line, map, names));
    }
    text
}

fn resolved(line: &str, map: &Map, names: &dyn Names) -> Line {
    if let Some(offset) = of_wasmtime(line) {
        return Line::new().plain("  ").plain(place(offset, map, names));
    }
    let mut out = Line::new();
    let mut rest = line;
    while let Some(at) = rest.find(PLACE) {
        let (before, place_text) = rest.split_at(at);
        let Some((offset, after)) = of_javascript(place_text) else {
            let (head, tail) = place_text.split_at(PLACE.len());
            out = out.plain(before).plain(head);
            rest = tail;
            continue;
        };
        out = out.plain(before).plain(place(offset, map, names));
        rest = after;
    }
    out.plain(rest)
}

/// The offset of `wasm-function[INDEX]:0xOFFSET`, and what follows.
fn of_javascript(text: &str) -> Option<(u32, &str)> {
    let (index, rest) = text.strip_prefix(PLACE)?.split_once(']')?;
    index.parse::<u32>().ok()?;
    let digits = rest.strip_prefix(":0x")?;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// The offset in a line of wasmtime's: `   0:    0x1a2b - module!function`.
fn of_wasmtime(line: &str) -> Option<u32> {
    let (number, rest) = line.trim_start().split_once(':')?;
    number.parse::<u32>().ok()?;
    let (offset, _) = rest.trim_start().strip_prefix("0x")?.split_once(" - ")?;
    u32::from_str_radix(offset, 16).ok()
}

/// The place in the original.
fn place(offset: u32, map: &Map, names: &dyn Names) -> String {
    let Some(original) = map.original_offset(offset) else {
        return "(added by memgrove)".to_owned();
    };
    let frames = Shown(names).frames(Site::Call(original));
    let words = frames.into_iter().map(|frame| {
        let func =
            frame.func.map_or_else(String::new, |func| format!("wasm-function[{func}]:{original:#x} "));
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => format!(" {file}:{line}"),
            _ => String::new(),
        };
        format!("{func}{}{place}", frame.function)
    });
    words.collect::<Vec<_>>().join(" < ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_nothing_else_is() {
        let at = |text: &str| of_javascript(text).map(|(offset, rest)| (offset, rest.to_owned()));
        assert_eq!(at("wasm-function[12]:0x1ab)"), Some((0x1ab, ")".to_owned())));
        for other in [
            "wasm-function[12]",
            "wasm-function[x]:0x1",
            "wasm-function[1]:0x",
            "wasm-function[1]:0x123456789",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
        assert_eq!(of_wasmtime("   0:    0xa3 - <unknown>!<wasm function 12>"), Some(0xa3));
        assert_eq!(of_wasmtime("error: 0xa3 - x"), None);
    }
}
