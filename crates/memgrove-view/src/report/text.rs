//! A report as text: the answer first, then what it rests on. Readable at 80 columns, with and without colour.

use std::borrow::Cow;

use memgrove_inspect::facts::BinaryKind;
use memgrove_inspect::report::{
    Conclusion, EngineSupport, Evidence, MemoryReport, Outcome, RegionKind, Report, Warning,
};
use memgrove_text::{Line, Text, Tone, escape_name, shorten};

use super::{Inspected, map};
use crate::layout::Lines;
use crate::words::{self, HostGroup};

/// Without `verbose`, lists are cut to this many entries.
const SHORT_LIST: usize = 6;

/// With more different answers than these, the hosts' reasons do not stand at the top.
const FEW_HOST_GROUPS: usize = 3;

/// The width of the strip of the memory map.
const STRIP_WIDTH: usize = 76;

/// The whole text for one file; `verbose` adds the evidence and cuts nothing.
#[must_use]
pub fn text(file: &Inspected, report: &Report, verbose: bool) -> Text {
    let mut lines = Lines::default();
    let mut about = vec![words::kind(report), words::bytes(report.size_bytes)];
    if report.size_bytes >= 1024 {
        about.push(words::count(report.size_bytes, "byte"));
    }
    about.extend(file.wrapped_in.iter().map(|wrapping| format!("from {wrapping}")));
    lines.line(
        Line::new()
            .with(Tone::Heading, escape_name(&file.name))
            .plain("  ")
            .with(Tone::Soft, about.join(", ")),
    );
    Sections { lines: &mut lines, verbose }.report(report);
    lines.into_text()
}

struct Sections<'l> {
    lines: &'l mut Lines,
    verbose: bool,
}

impl Sections<'_> {
    fn report(&mut self, report: &Report) {
        let groups = words::host_groups(&report.verdicts, self.verbose);
        let short = groups.len() <= FEW_HOST_GROUPS;
        self.answer(report, &groups, short);
        self.warnings(&report.warnings);
        self.memory(&report.memory);
        self.origin(report);
        self.requirements(report);
        self.proposals(report);
        if !short || (self.verbose && report.verdicts.iter().any(|verdict| !verdict.notes.is_empty())) {
            self.hosts(report, &groups, short);
        }
        self.engines(&report.engines);
        if self.verbose {
            self.contents(report);
        }
        self.component(report);
    }

    fn heading(&mut self, heading: &str) {
        self.lines.gap();
        self.lines.line(Line::new().with(Tone::Heading, heading));
    }

    fn evidence(&mut self, evidence: &[Evidence]) {
        if self.verbose {
            for evidence in evidence {
                self.lines.item("· ", Tone::Soft, &words::evidence(evidence));
            }
        }
    }

    /// A conclusion and, if asked, what it rests on. One that is unknown shows what was seen in any case.
    fn conclusion<T>(&mut self, label: &str, conclusion: &Conclusion<T>, phrase: &str) {
        self.lines.field(label, Tone::Plain, phrase);
        match conclusion.value {
            Some(_) => self.evidence(&conclusion.evidence),
            None => conclusion
                .evidence
                .iter()
                .take(if self.verbose { usize::MAX } else { 3 })
                .for_each(|seen| self.lines.item("· ", Tone::Soft, &words::evidence(seen))),
        }
    }

    /// Where it runs: with the reasons if they are few, else only the hosts; the reasons follow further down.
    fn answer(&mut self, report: &Report, groups: &[HostGroup<'_>], short: bool) {
        self.lines.gap();
        self.lines.text(0, 0, Tone::Heading, &words::headline(report));
        if short {
            groups.iter().for_each(|group| self.host_group(group));
            return;
        }
        for outcome in [Outcome::Runs, Outcome::RunsIf, Outcome::No] {
            let hosts: Vec<_> = report
                .verdicts
                .iter()
                .filter(|verdict| verdict.outcome == outcome)
                .map(|verdict| verdict.host.as_str())
                .collect();
            if !hosts.is_empty() {
                let (mark, word) = words::outcome(outcome);
                self.lines.answer(&format!("{mark} {word}"), tone(outcome), &hosts.join(", "));
            }
        }
    }

    fn host_group(&mut self, group: &HostGroup<'_>) {
        let (mark, word) = words::outcome(group.outcome);
        let hosts: Vec<_> = group.verdicts.iter().map(|verdict| verdict.host.as_str()).collect();
        self.lines.answer(&format!("{mark} {word}"), tone(group.outcome), &hosts.join(", "));
        if !group.why.is_empty() {
            self.lines.item("", Tone::Soft, &group.why);
        }
    }

    /// What will bite somebody, each with its cure.
    fn warnings(&mut self, warnings: &[Warning]) {
        if warnings.is_empty() {
            return;
        }
        self.heading("Warnings");
        for warning in warnings {
            self.lines.item("! ", Tone::Warn, &warning.text);
            self.lines.item("→ ", Tone::Plain, &warning.cure);
            self.evidence(&warning.evidence);
        }
    }

    /// The reasons that the answer left out, and the notes.
    fn hosts(&mut self, report: &Report, groups: &[HostGroup<'_>], short: bool) {
        self.heading("Hosts");
        groups
            .iter()
            .filter(|group| !short && !group.why.is_empty())
            .for_each(|group| self.host_group(group));
        if self.verbose {
            for (note, hosts) in words::host_notes(&report.verdicts) {
                self.lines.field("note", Tone::Plain, &format!("{}: {note}", hosts.join(", ")));
            }
        }
    }

    fn memory(&mut self, memory: &MemoryReport) {
        self.heading("Memory");
        for summary in &memory.memories {
            let label =
                if memory.memories.len() == 1 { String::new() } else { format!("memory {}", summary.index) };
            let label = if label.is_empty() { "memory" } else { &label };
            self.lines.field(label, Tone::Plain, &words::memory(summary));
        }
        if memory.memories.is_empty() {
            self.lines.field("memory", Tone::Plain, "none");
            return;
        }
        let growth = words::concluded(&memory.growth, words::growth);
        self.conclusion("grown by", &memory.growth, &growth);
        if let Some(growth) = &memory.growth.value {
            self.growth_sites(&growth.functions);
        }
        if memory.stack.value.is_some() || self.verbose {
            let stack = words::concluded(&memory.stack, words::stack);
            self.conclusion("stack", &memory.stack, &stack);
        }
        if memory.heap_base.value.is_some() || self.verbose {
            self.conclusion("heap", &memory.heap_base, &words::heap(memory));
        }
        self.map(memory);
    }

    fn growth_sites(&mut self, sites: &[memgrove_inspect::report::GrowFunction]) {
        let shown = if self.verbose { sites.len() } else { SHORT_LIST.min(sites.len()) };
        for site in sites.iter().take(shown).filter(|site| self.verbose || !site.reached_from.is_empty()) {
            let reached = match site.reached_from.as_slice() {
                [] => String::new(),
                from => format!(
                    ", reached from {}",
                    words::some_of(&short_names(from), if self.verbose { 20 } else { 3 })
                ),
            };
            let site = words::function(site.func, site.name.as_deref());
            self.lines.item("· ", Tone::Soft, &format!("{site}{reached}"));
        }
        if shown < sites.len() {
            self.lines.item("· ", Tone::Soft, &format!("and {} more (-v shows all)", sites.len() - shown));
        }
    }

    fn map(&mut self, memory: &MemoryReport) {
        let stretches = map::layout(&memory.regions, STRIP_WIDTH);
        if stretches.is_empty() {
            return;
        }
        self.lines.gap();
        let mut strip = Line::new().plain("  ");
        for stretch in &stretches {
            let kind = stretch.region.kind;
            strip.push(region_tone(kind), map::fill(kind).to_string().repeat(stretch.cells));
        }
        self.lines.line(strip);
        let digits = map::address_digits(&memory.regions, memory.memories.first());
        for stretch in &stretches {
            let region = stretch.region;
            let size = stretch.size_bytes.map_or("open".to_owned(), words::bytes);
            let place = format!("  {:#0width$x} {size:>10}  ", region.start, width = digits + 2);
            let swatch = map::fill(region.kind).to_string();
            let line = Line::new().plain(place).with(region_tone(region.kind), swatch);
            self.lines.line(line.plain(" ").plain(escape_name(map::label(region))));
            self.evidence(&region.evidence);
        }
    }

    fn origin(&mut self, report: &Report) {
        self.heading("Made by");
        self.conclusion("allocator", &report.allocator.identity, &words::allocator(report));
        for defect in report.allocator.identity.value.iter().flat_map(|allocator| &allocator.defects) {
            self.lines.item("! ", Tone::Warn, &defect.text);
        }
        if self.verbose {
            for function in &report.allocator.functions {
                let role = words::allocator_role(function.role);
                self.lines.field(role, Tone::Plain, &words::allocator_function(function));
                self.evidence(&function.evidence);
            }
        }
        self.conclusion("toolchain", &report.toolchain, &words::toolchain(report));
        if let Some(mended) = &report.mended {
            self.lines.field("mended", Tone::Plain, &words::mended(mended));
            self.evidence(&mended.evidence);
        }
        let role = words::concluded(&report.startup.role, |role| words::role(*role).to_owned());
        self.conclusion("role", &report.startup.role, &role);
        self.functions("at start", report.startup.start_function.as_slice());
        self.functions("constructors", &report.startup.constructors);
        self.functions("entry points", &report.startup.entry_points);
    }

    fn functions(&mut self, label: &str, functions: &[memgrove_inspect::report::FunctionRef]) {
        let names: Vec<_> = functions.iter().map(|f| words::function(f.func, f.name.as_deref())).collect();
        if !names.is_empty() {
            let limit = if self.verbose { usize::MAX - 1 } else { SHORT_LIST };
            self.lines.field(label, Tone::Plain, &words::some_of(&names, limit));
        }
    }

    fn requirements(&mut self, report: &Report) {
        self.heading("Needs");
        if report.requirements.groups.is_empty() {
            self.lines.text(2, 0, Tone::Good, "nothing: it imports nothing");
        }
        for group in &report.requirements.groups {
            let title = format!("{} ({})", group.title, group.imports.len());
            self.lines.text(2, 2, Tone::Plain, &title);
            let shown = if self.verbose { group.imports.len() } else { SHORT_LIST.min(group.imports.len()) };
            for import in group.imports.iter().take(shown) {
                self.lines.text(4, 4, Tone::Soft, &words::import(import));
                self.evidence(&import.meaning.evidence);
            }
            if shown < group.imports.len() {
                let more = format!("and {} more (-v shows all)", group.imports.len() - shown);
                self.lines.text(4, 0, Tone::Soft, &more);
            }
        }
        // Where a host runs it as it is, its imports are most likely meant to be there.
        let runs_somewhere = report.verdicts.iter().any(|verdict| verdict.outcome == Outcome::Runs);
        let is_module = report.kind == BinaryKind::Module;
        if is_module && !report.requirements.groups.is_empty() && !runs_somewhere {
            let next =
                "→ `memgrove fix FILE --dry-run` says which of these can be satisfied inside the module";
            self.lines.text(2, 4, Tone::Plain, next);
        }
    }

    fn proposals(&mut self, report: &Report) {
        if report.proposals.is_empty() {
            return;
        }
        self.heading("Beyond WebAssembly 1.0");
        if self.verbose {
            for used in &report.proposals {
                self.lines.text(2, 2, Tone::Plain, used.proposal.id());
                self.evidence(std::slice::from_ref(&used.evidence));
            }
        } else {
            let ids: Vec<_> = report.proposals.iter().map(|used| used.proposal.id()).collect();
            self.lines.text(2, 0, Tone::Plain, &ids.join(", "));
        }
    }

    fn engines(&mut self, engines: &[EngineSupport]) {
        if engines.is_empty() {
            return;
        }
        self.heading("Engines");
        let (can, cannot) = words::engines(engines);
        if !can.is_empty() {
            self.lines.answer("✓ from", Tone::Good, &can);
        }
        for (missing, engines) in cannot {
            self.lines.answer("✗ not", Tone::Bad, &format!("{engines}: no {missing}"));
        }
    }

    fn contents(&mut self, report: &Report) {
        self.heading("Contents");
        let counts = &report.counts;
        let numbers = [
            (counts.functions, "function"),
            (counts.imported_functions, "imported function"),
            (counts.globals, "global"),
            (counts.tables, "table"),
            (counts.data_segments, "data segment"),
            (counts.element_segments, "element segment"),
        ];
        let numbers: Vec<_> =
            numbers.iter().map(|(count, noun)| words::count(u64::from(*count), noun)).collect();
        self.lines.field("counts", Tone::Plain, &numbers.join(", "));
        for table in &report.tables {
            self.lines.field("table", Tone::Plain, &words::table(table));
        }
        let producers: Vec<_> = report
            .metadata
            .producers
            .iter()
            .map(|producer| format!("{}: {} {}", producer.field, producer.name, producer.version))
            .map(|producer| shorten(&producer, words::LONGEST_NAME).into_owned())
            .collect();
        if !producers.is_empty() {
            self.lines.field("producers", Tone::Plain, &producers.join(", "));
        }
        if !report.metadata.target_features.is_empty() {
            self.lines.field(
                "features",
                Tone::Plain,
                &short_names(&report.metadata.target_features).join(" "),
            );
        }
        let exports: Vec<_> =
            report.exports.iter().map(|export| shorten(&export.name, words::LONGEST_NAME)).collect();
        self.lines.field("exports", Tone::Plain, &words::some_of(&exports, 60));
        for section in &report.sections {
            let custom = if section.custom { "custom " } else { "" };
            let line = format!(
                "{custom}{} at {:#x}, {}",
                shorten(&section.name, words::LONGEST_NAME),
                section.offset,
                words::bytes(u64::from(section.size_bytes))
            );
            self.lines.field("section", Tone::Soft, &line);
        }
    }

    fn component(&mut self, report: &Report) {
        let Some(component) = &report.component else { return };
        self.heading("Component");
        for (label, names) in [("imports", &component.imports), ("exports", &component.exports)] {
            let limit = if self.verbose { usize::MAX - 1 } else { SHORT_LIST };
            let names = short_names(names);
            let names = if names.is_empty() { "nothing".to_owned() } else { words::some_of(&names, limit) };
            self.lines.field(label, Tone::Plain, &names);
        }
        for (index, module) in component.modules.iter().enumerate() {
            self.lines.gap();
            let name = module
                .report
                .name
                .as_deref()
                .map(|name| format!(" {}", shorten(name, words::LONGEST_NAME)))
                .unwrap_or_default();
            let about = format!("{} at offset {:#x}", words::bytes(module.size_bytes), module.offset);
            let title = Line::new().with(Tone::Heading, format!("Core module {index}{name}"));
            self.lines.line(title.plain("  ").with(Tone::Soft, about));
            self.report(&module.report);
        }
    }
}

fn short_names(names: &[String]) -> Vec<Cow<'_, str>> {
    names.iter().map(|name| shorten(name, words::LONGEST_NAME)).collect()
}

pub(crate) const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Runs => Tone::Good,
        Outcome::RunsIf => Tone::Warn,
        Outcome::No => Tone::Bad,
    }
}

const fn region_tone(kind: RegionKind) -> Tone {
    match kind {
        RegionKind::Null | RegionKind::Unknown => Tone::Soft,
        RegionKind::Data => Tone::First,
        RegionKind::Bss => Tone::Second,
        RegionKind::Stack => Tone::Third,
        RegionKind::Room | RegionKind::Growth => Tone::Good,
    }
}
