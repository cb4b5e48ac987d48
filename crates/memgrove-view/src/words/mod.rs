//! The phrases that text and HTML share: one wording for one fact.

mod hosts;

pub(crate) use self::hosts::{HostGroup, headline, host_groups, host_notes, outcomes};
use memgrove_inspect::facts::BinaryKind;
use memgrove_inspect::report::{
    AllocatorFunction, AllocatorRole, Conclusion, EngineSupport, Evidence, GrowFunction, Grower, Growth,
    ImportUse, Level, MemoryReport, MemorySummary, Mended, Outcome, Reason, Report, Role, SizeIs, Stack,
    StackDirection, StackPlacement, TableGrower, TableReport,
};
use memgrove_module::PAGE_BYTES;
use memgrove_symbols::demangle;
use memgrove_text::{escape, escape_name, shorten};

/// A size for people: `834 bytes`, `64 KiB`, `1.6 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let Some((unit, name)) = UNITS.into_iter().find(|(unit, _)| count >= *unit) else {
        return if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") };
    };
    // One decimal, and none where it is exact. Integers: a u64 does not fit an f64.
    let (count, unit) = (u128::from(count), u128::from(unit));
    let tenths = (count * 10 + unit / 2) / unit;
    match count % unit {
        0 => format!("{} {name}", count / unit),
        _ => format!("{}.{} {name}", tenths / 10, tenths % 10),
    }
}

/// A number with its noun: `1 page`, `2 pages`.
#[must_use]
pub fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A number with its thousands set apart: `11,171,775`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A name has no more characters than this where it is one of several things in a line: it may be as long as
/// the file.
pub(crate) const LONGEST_NAME: usize = 160;

/// A sentence that quotes names has no more characters than this.
pub(crate) const LONGEST_SENTENCE: usize = 1500;

/// The first `limit` of `items`, and how many more there are.
pub(crate) fn some_of<S: AsRef<str>>(items: &[S], limit: usize) -> String {
    let shown = if items.len() <= limit + 1 { items.len() } else { limit };
    let mut text = items[..shown].iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if shown < items.len() {
        text += &format!(" and {} more", items.len() - shown);
    }
    text
}

/// `module`, or `component with 3 core modules`.
pub(crate) fn kind(report: &Report) -> String {
    match (&report.kind, &report.component) {
        (BinaryKind::Component, Some(component)) => {
            format!("component with {}", count(component.modules.len() as u64, "core module"))
        }
        (BinaryKind::Component, None) => "component".to_owned(),
        (BinaryKind::Module, _) => "module".to_owned(),
    }
}

/// The engines that support everything the module uses, each with the version from which it does; and what is
/// lacking, with the engines that lack it.
pub(crate) fn engines(engines: &[EngineSupport]) -> (String, Vec<(String, String)>) {
    let can: Vec<_> = engines.iter().filter(|engine| engine.missing.is_empty()).collect();
    let any_version = if can.iter().all(|engine| engine.since.is_none()) { "any version of " } else { "" };
    let names: Vec<_> = can.iter().map(|engine| versioned(&engine.title, engine.since.as_deref())).collect();
    let can = if names.is_empty() { String::new() } else { format!("{any_version}{}", names.join(", ")) };
    let mut cannot: Vec<(String, String)> = Vec::new();
    for engine in engines.iter().filter(|engine| !engine.missing.is_empty()) {
        let missing = engine.missing.iter().map(|proposal| proposal.id()).collect::<Vec<_>>().join(", ");
        match cannot.iter_mut().find(|(other, _)| *other == missing) {
            Some((_, titles)) => *titles += &format!(", {}", engine.title),
            None => cannot.push((missing, engine.title.clone())),
        }
    }
    (can, cannot)
}

/// How sure a conclusion is, where that needs saying.
pub(crate) fn doubt(level: Level) -> &'static str {
    match level {
        Level::High => "",
        Level::Medium => "probably ",
        Level::Low => "perhaps ",
        Level::Unknown => "",
    }
}

/// `probably dlmalloc 2.8`, or `unknown`.
pub(crate) fn concluded<T>(conclusion: &Conclusion<T>, name: impl Fn(&T) -> String) -> String {
    match &conclusion.value {
        Some(value) => format!("{}{}", doubt(conclusion.level()), name(value)),
        None => "unknown".to_owned(),
    }
}

/// A name with its version, unless the name holds it already. What a version says in parentheses (commit, date) is
/// left to the JSON.
pub(crate) fn versioned(name: &str, version: Option<&str>) -> String {
    match version.map(|version| version.split(" (").next().unwrap_or(version)) {
        Some(version) if !version.is_empty() && !name.contains(version) => format!("{name} {version}"),
        _ => name.to_owned(),
    }
}

pub(crate) fn toolchain(report: &Report) -> String {
    concluded(&report.toolchain, |toolchain| match (&toolchain.version, &toolchain.version_of) {
        (Some(version), Some(of)) if !toolchain.name.eq_ignore_ascii_case(of) && !version.is_empty() => {
            format!("{} ({})", toolchain.name, versioned(&shorten(of, LONGEST_NAME), Some(version)))
        }
        (version, _) => versioned(&toolchain.name, version.as_deref()),
    })
}

pub(crate) fn allocator(report: &Report) -> String {
    concluded(&report.allocator.identity, |allocator| {
        versioned(&allocator.name, allocator.version.as_deref())
    })
}

/// `malloc (function 39); (size) -> pointer, C`.
pub(crate) fn allocator_function(found: &AllocatorFunction) -> String {
    let mut parts = vec![function(found.func, found.name.as_deref())];
    if let Some(abi) = &found.abi {
        let params: Vec<&str> = abi.params.iter().map(|param| param.words()).collect();
        parts.push(format!("({}) -> {}, {}", params.join(", "), abi.result.words(), abi.convention.words()));
    }
    if found.size_is.is_some_and(|size| size != SizeIs::Requested) {
        parts.push("its size may not be what the program asked for".to_owned());
    }
    if !found.callers_of_internals.is_empty() {
        let callers = count(found.callers_of_internals.len() as u64, "function");
        parts.push(format!("called from outside the allocator by {callers}"));
    }
    format!("{}{}", doubt(found.confidence.level()), parts.join("; "))
}

pub(crate) const fn allocator_role(role: AllocatorRole) -> &'static str {
    match role {
        AllocatorRole::Malloc => "malloc",
        AllocatorRole::Calloc => "calloc",
        AllocatorRole::Realloc => "realloc",
        AllocatorRole::Free => "free",
        AllocatorRole::Memalign => "memalign",
        AllocatorRole::UsableSize => "usable size",
        AllocatorRole::Sbrk => "sbrk",
        AllocatorRole::Grow => "grow",
    }
}

/// `own, 17 pages (1 MiB), no maximum, exported as memory`.
pub(crate) fn memory(memory: &MemorySummary) -> String {
    let mut parts = vec![match &memory.imported {
        Some(name) => format!("imported as {}", shorten(&name.to_string(), LONGEST_NAME)),
        None => "own".to_owned(),
    }];
    parts.push(format!("{} ({})", count(memory.min_pages, "page"), bytes(memory.min_bytes)));
    parts.push(match (memory.max_pages, memory.max_bytes) {
        (Some(pages), _) if pages == memory.min_pages => "fixed: the maximum is the same".to_owned(),
        (Some(pages), Some(max)) => format!("at most {} ({})", grouped(pages), bytes(max)),
        _ => "no maximum".to_owned(),
    });
    if memory.page_size_bytes != PAGE_BYTES {
        parts.push(format!("pages of {}", bytes(memory.page_size_bytes)));
    }
    if memory.shared {
        parts.push("shared between threads".to_owned());
    }
    if memory.memory64 {
        parts.push("64-bit addresses".to_owned());
    }
    match memory.exported_as.as_slice() {
        [] if memory.imported.is_none() => parts.push("not exported".to_owned()),
        [] => {}
        names => {
            let names: Vec<_> = names.iter().map(|name| shorten(name, LONGEST_NAME)).collect();
            parts.push(format!("exported as {}", some_of(&names, 6)));
        }
    }
    parts.join(", ")
}

/// What `memgrove fix` put in.
pub(crate) fn mended(mended: &Mended) -> String {
    if mended.helper_count == 0 {
        return "by memgrove fix".to_owned();
    }
    let names: Vec<_> =
        mended.helpers.iter().map(|helper| function(helper.func, helper.name.as_deref())).collect();
    let rest = (mended.helper_count as usize).saturating_sub(names.len());
    let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
    format!("by memgrove fix, with {}{more}", some_of(&names, 8))
}

/// A table: where it is from, its limits, who makes it larger.
pub(crate) fn table(table: &TableReport) -> String {
    let mut parts = vec![match &table.imported {
        Some(name) => format!("{} imported as {}", table.index, shorten(&name.to_string(), LONGEST_NAME)),
        None => format!("{} own", table.index),
    }];
    parts.push(format!("{} of {}", count(table.min, "element"), table.element));
    parts.push(match table.max {
        Some(max) if max == table.min => "fixed: the maximum is the same".to_owned(),
        Some(max) => format!("at most {}", grouped(max)),
        None => "no maximum".to_owned(),
    });
    if !table.exported_as.is_empty() {
        let names: Vec<_> = table.exported_as.iter().map(|name| shorten(name, LONGEST_NAME)).collect();
        parts.push(format!("exported as {}", some_of(&names, 6)));
    }
    parts.push(match table.grown_by {
        TableGrower::Module => "grown by the module".to_owned(),
        TableGrower::Host => "only the host can grow it".to_owned(),
        TableGrower::Nobody => "it cannot grow".to_owned(),
    });
    parts.join(", ")
}

/// Who makes the memory larger, in a sentence.
pub(crate) fn growth(growth: &Growth) -> String {
    let asked: Vec<_> =
        growth.imports.iter().map(|name| shorten(&name.to_string(), LONGEST_NAME).into_owned()).collect();
    let asked = some_of(&asked, 3);
    let text = match growth.who {
        Grower::Module if growth.functions.is_empty() => "the module itself".to_owned(),
        Grower::Module => {
            format!("the module itself, by memory.grow in {}", some_functions(&growth.functions, 3))
        }
        Grower::Import => format!("the host, when the module calls {asked}"),
        Grower::ModuleAndImport => {
            let functions = some_functions(&growth.functions, 2);
            format!(
                "the module itself (memory.grow in {functions}) and the host, when the module calls {asked}"
            )
        }
        Grower::Host => "not by the module; only the host can grow it".to_owned(),
        Grower::Nobody => "it cannot grow".to_owned(),
        Grower::NoMemory => "there is no memory".to_owned(),
    };
    if growth.fixed && growth.who != Grower::Nobody {
        format!("{text}; minimum and maximum are equal, so every attempt fails")
    } else {
        text
    }
}

/// The growers in a word or two, for a column.
pub(crate) const fn growth_short(who: Grower) -> &'static str {
    match who {
        Grower::Module => "module",
        Grower::Import => "import",
        Grower::ModuleAndImport => "both",
        Grower::Host => "host",
        Grower::Nobody => "none",
        Grower::NoMemory => "-",
    }
}

fn some_functions(functions: &[GrowFunction], limit: usize) -> String {
    let names: Vec<_> = functions.iter().map(|f| function(f.func, f.name.as_deref())).collect();
    some_of(&names, limit)
}

/// `malloc (function 12)`, or `function 12`; demangled, as only the document for programs has the name of the binary.
pub(crate) fn function(index: u32, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{} (function {index})", shortened(&escape_name(&demangle(name)), 48)),
        None => format!("function {index}"),
    }
}

/// `text` as it is shown, with its end cut off where that is longer than `limit` characters.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let text = escape(text);
    match text.char_indices().nth(limit) {
        None => text.into_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// `5 MiB below 0x541020, grows down, before the data`.
pub(crate) fn stack(stack: &Stack) -> String {
    let mut parts = Vec::new();
    match (stack.range, stack.base) {
        (Some(range), _) => {
            parts.push(format!("{} from {:#x} to {:#x}", bytes(range.len_bytes()), range.start, range.end))
        }
        (None, Some(base)) => parts.push(format!("begins at {base:#x}")),
        (None, None) if stack.imported => parts.push("placed by the host".to_owned()),
        (None, None) => {}
    }
    match stack.direction {
        StackDirection::Down => parts.push("grows down".to_owned()),
        StackDirection::Up => parts.push("grows up".to_owned()),
        StackDirection::Unknown => {}
    }
    match stack.placement {
        StackPlacement::First => parts.push("below the data".to_owned()),
        StackPlacement::AfterData => parts.push("above the data".to_owned()),
        StackPlacement::Unknown => {}
    }
    parts.push(format!(
        "pointer in {}global {}",
        if stack.imported { "imported " } else { "" },
        stack.pointer_global
    ));
    parts.join(", ")
}

/// `from 0x10fb0, 50.2 KiB before memory must grow`.
pub(crate) fn heap(memory: &MemoryReport) -> String {
    let base = concluded(&memory.heap_base, |base| format!("from {base:#x}"));
    match memory.room_before_growth_bytes.value {
        Some(room) => format!("{base}, {} before memory must grow", bytes(room)),
        None => base,
    }
}

/// What the module is, as far as starting it goes.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Application => "an application",
        Role::Library => "a library",
        Role::SideModule => "a side module, loaded into another one's memory",
        Role::Object => "an object file: it must be linked before it can run",
        Role::Data => "data only: nothing in it can be called",
    }
}

/// The mark and the word of an answer; the mark never stands alone.
pub(crate) const fn outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Runs => ("✓", "runs"),
        Outcome::RunsIf => ("~", "runs if"),
        Outcome::No => ("✗", "no"),
    }
}

/// Reasons joined into one text.
pub(crate) fn reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| shorten(&reason.text, LONGEST_SENTENCE)).collect::<Vec<_>>().join("; ")
}

/// `env.emscripten_resize_heap (i32) -> i32`, with what it really is.
pub(crate) fn import(import: &ImportUse) -> String {
    // A name may have as many characters as the file has bytes.
    let name = shortened(&escape_name(&import.name.to_string()), 160);
    match import.meaning.value.as_deref().filter(|meaning| *meaning != import.name.name) {
        Some(meaning) => format!("{name} {}: {}{meaning}", import.ty, doubt(import.meaning.level())),
        None => format!("{name} {}", import.ty),
    }
}

/// What was seen and where: `calls one (i32) -> i32 import (function 12, offset 0x1f3)`.
pub(crate) fn evidence(evidence: &Evidence) -> String {
    let place = match (evidence.func, evidence.offset) {
        // Not twice in a sentence that names the function.
        (Some(func), Some(offset)) if !evidence.text.contains(&format!("function {func}")) => {
            format!(" (function {func}, offset {offset:#x})")
        }
        (Some(_), Some(offset)) => format!(" (offset {offset:#x})"),
        (Some(func), None) => format!(" (function {func})"),
        (None, Some(offset)) => format!(" (offset {offset:#x})"),
        (None, None) => String::new(),
    };
    format!("{}{place}", shorten(&evidence.text, LONGEST_SENTENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_as_in_the_source() {
        assert_eq!(
            function(2, Some("_RNvCskwGfYPst2Cb_3foo16example_function")),
            "foo::example_function (function 2)"
        );
        assert_eq!(function(2, Some("a\u{202e}b")), "a\\u{202e}b (function 2)");
        assert_eq!(function(2, None), "function 2");
    }

    #[test]
    fn sizes_have_one_decimal_and_a_unit() {
        let shown = [0, 1, 834, 1024, 65536, 17 << 16, 1_642_191, 1 << 32, u64::MAX].map(bytes);
        let wanted = [
            "0 bytes",
            "1 byte",
            "834 bytes",
            "1 KiB",
            "64 KiB",
            "1.1 MiB",
            "1.6 MiB",
            "4 GiB",
            "16777216.0 TiB",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 11_171_775].map(grouped), ["0", "999", "1,000", "11,171,775"]);
        assert_eq!(count(1, "page"), "1 page");
        assert_eq!(count(1700, "page"), "1,700 pages");
    }

    #[test]
    fn lists_end_with_how_many_more() {
        assert_eq!(some_of(&["a", "b", "c"], 2), "a, b, c");
        assert_eq!(some_of(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[test]
    fn a_version_is_not_said_twice() {
        assert_eq!(versioned("rustc 1.95.0", Some("1.95.0")), "rustc 1.95.0");
        assert_eq!(versioned("dlmalloc", Some("0.2.11")), "dlmalloc 0.2.11");
        assert_eq!(versioned("dlmalloc", None), "dlmalloc");
        assert_eq!(versioned("rustc", Some("1.96.0 (ac68faa20 2026-05-25)")), "rustc 1.96.0");
    }

    #[test]
    fn long_names_are_cut_at_characters() {
        assert_eq!(shortened("ääää", 4), "ääää");
        assert_eq!(shortened("äääää", 4), "äää…");
    }
}
