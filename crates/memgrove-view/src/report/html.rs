//! Reports as one self-contained HTML file: an overview of all, and a section for each.

use crate::html::{Cell, Column, Html, Page, Table, Tone, badge, details, element};
use memgrove_inspect::report::{Conclusion, Evidence, MemoryReport, Outcome, Report};
use memgrove_text::shorten;

use super::{Inspected, svg};
use crate::words;

/// A page has room for more of a name than a terminal.
const LONGEST_NAME: usize = 1000;

/// With more imports than this their groups are folded.
const MANY_IMPORTS: u32 = 12;

/// A page that takes one file after the other; it keeps the markup, not the reports.
pub struct HtmlReport {
    overview: Table,
    sections: Vec<(String, Html)>,
    failures: Table,
    import_free: usize,
}

impl Default for HtmlReport {
    fn default() -> Self {
        Self::new()
    }
}

impl HtmlReport {
    /// A page without files.
    #[must_use]
    pub fn new() -> Self {
        let overview = Table::new([
            Column::text("file"),
            Column::number("hosts"),
            Column::number("size"),
            Column::number("imports"),
            Column::number("memory"),
            Column::text("grown by"),
            Column::text("allocator"),
            Column::text("toolchain"),
        ]);
        let failures = Table::new([Column::code("file"), Column::text("why"), Column::text("what to try")]);
        Self { overview: overview.sortable(), sections: Vec::new(), failures, import_free: 0 }
    }

    /// Adds a file, read or not.
    pub fn add(&mut self, file: &Inspected) {
        match &file.result {
            Ok(report) => {
                self.overview.row(overview_row(&file.name, self.sections.len() + 1, report));
                self.import_free += usize::from(report.requirements.import_count == 0);
                self.sections.push((file.name.clone(), section(file, report)));
            }
            Err(error) => {
                let hint = error.hint.clone().unwrap_or_default();
                self.failures.row([file.name.clone(), error.message.clone(), hint]);
            }
        }
    }

    /// The page.
    #[must_use]
    pub fn render(self) -> String {
        let single = self.sections.len() == 1 && self.failures.is_empty();
        let title = match self.sections.as_slice() {
            [(name, _)] if single => name.clone(),
            sections => format!("{} inspected", words::count(sections.len() as u64, "module")),
        };
        let mut page = Page::new(title);
        if single {
            for (_, body) in self.sections {
                page.lede(body);
            }
        } else {
            page.lede(format!("{} of {} import nothing.", self.import_free, self.sections.len()));
            if !self.overview.is_empty() {
                page.section("Overview", self.overview);
            }
            if !self.failures.is_empty() {
                page.section("Not readable", self.failures);
            }
            for (index, (name, body)) in self.sections.into_iter().enumerate() {
                // The overview links to these places.
                let anchor = element("span").attr("id", place(index + 1));
                page.section(name, Html::from_iter([anchor.into(), body]));
            }
        }
        page.footer(format!("memgrove {} inspect. Nothing was executed.", env!("CARGO_PKG_VERSION")));
        page.render()
    }
}

fn place(number: usize) -> String {
    format!("file-{number}")
}

#[expect(clippy::cast_precision_loss, reason = "only to sort by")]
fn overview_row(name: &str, number: usize, report: &Report) -> Vec<Cell> {
    let [runs, runs_if, no] = words::outcomes(report);
    let tone = match (runs, runs_if, no) {
        (_, 0, 0) => Tone::Good,
        (0, 0, _) => Tone::Bad,
        _ => Tone::Warn,
    };
    let min = report.memory.memories.first().map(|memory| memory.min_bytes);
    let growth =
        report.memory.growth.value.as_ref().map_or("unknown", |growth| words::growth_short(growth.who));
    let link = element("a").attr("href", format!("#{}", place(number))).child(name);
    vec![
        Cell::new(link),
        Cell::number(runs as f64, badge(tone, format!("✓ {runs}  ~ {runs_if}  ✗ {no}"))),
        Cell::number(report.size_bytes as f64, words::bytes(report.size_bytes)),
        Cell::number(
            f64::from(report.requirements.import_count),
            report.requirements.import_count.to_string(),
        ),
        Cell::number(min.unwrap_or(0) as f64, min.map_or("none".to_owned(), words::bytes)),
        Cell::new(growth),
        Cell::new(words::allocator(report)),
        Cell::new(words::toolchain(report)),
    ]
}

fn section(file: &Inspected, report: &Report) -> Html {
    let mut about = vec![words::kind(report), words::bytes(report.size_bytes)];
    about.extend(file.wrapped_in.iter().map(|wrapping| format!("from {wrapping}")));
    let mut body = Html::from(element("p").class("note").child(about.join(", ")));
    body.push(report_body(report));
    body
}

fn report_body(report: &Report) -> Html {
    let mut body = Html::from(element("p").child(element("strong").child(words::headline(report))));
    body.push(hosts(report));
    body.push(warnings(report));
    body.push(heading("Memory"));
    body.push(memory(&report.memory));
    body.push(heading("Made by"));
    body.push(origin(report));
    body.push(heading("Needs"));
    body.push(requirements(report));
    if !report.proposals.is_empty() {
        body.push(heading("Beyond WebAssembly 1.0"));
        let items = report.proposals.iter().map(|used| {
            let evidence = Html::from(element("span").class("soft").child(words::evidence(&used.evidence)));
            element("li").child(used.proposal.id()).child(" — ").child(evidence)
        });
        body.push(element("ul").children(items));
    }
    body.push(engines(report));
    body.push(component(report));
    body
}

fn heading(text: &str) -> Html {
    element("h3").child(text).into()
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Runs => Tone::Good,
        Outcome::RunsIf => Tone::Warn,
        Outcome::No => Tone::Bad,
    }
}

fn hosts(report: &Report) -> Html {
    let mut table = Table::new([Column::text(""), Column::text("host"), Column::text("why")]);
    for group in words::host_groups(&report.verdicts, true) {
        let (_, word) = words::outcome(group.outcome);
        let hosts = group.verdicts.iter().map(|verdict| {
            Html::from(element("span").attr("title", &verdict.title).child(verdict.host.as_str()))
        });
        table.row([badge(tone(group.outcome), word), Html::join(hosts, ", "), group.why.into()]);
    }
    let mut out = match table.is_empty() {
        true => Html::empty(),
        false => element("div").class("hosts").child(Html::from(table)).into(),
    };
    let notes = words::host_notes(&report.verdicts);
    if !notes.is_empty() {
        let items = notes
            .into_iter()
            .map(|(note, hosts)| element("li").child(format!("{}: {note}", hosts.join(", "))));
        out.push(details("Notes", element("ul").class("soft").children(items)));
    }
    out
}

fn warnings(report: &Report) -> Html {
    if report.warnings.is_empty() {
        return Html::empty();
    }
    let items = report.warnings.iter().map(|warning| {
        let mut item = Html::from(element("p").child(warning.text.as_str()));
        item.push(element("p").class("note").child(format!("→ {}", warning.cure)));
        item.push(evidence(&warning.evidence));
        element("li").child(item)
    });
    Html::from_iter([heading("Warnings"), Html::from(element("ul").children(items))])
}

/// A list of terms, each with what is said about it and, folded, what that rests on.
#[derive(Default)]
struct Terms(Html);

impl Terms {
    fn add(&mut self, term: &str, said: impl Into<Html>) {
        self.0.push(element("dt").child(term));
        self.0.push(element("dd").child(said));
    }

    fn conclusion<T>(&mut self, term: &str, conclusion: &Conclusion<T>, phrase: String) {
        let mut said = Html::from(phrase);
        said.push(evidence(&conclusion.evidence));
        self.add(term, said);
    }
}

impl From<Terms> for Html {
    fn from(terms: Terms) -> Self {
        element("dl").class("facts").child(terms.0).into()
    }
}

fn evidence(evidence: &[Evidence]) -> Html {
    if evidence.is_empty() {
        return Html::empty();
    }
    let items = evidence.iter().map(|seen| element("li").child(words::evidence(seen)));
    details("Evidence", element("ul").class("soft").children(items))
}

fn memory(memory: &MemoryReport) -> Html {
    let mut terms = Terms::default();
    if memory.memories.is_empty() {
        terms.add("memory", "none");
        return terms.into();
    }
    for summary in &memory.memories {
        let term = if memory.memories.len() == 1 {
            "memory".to_owned()
        } else {
            format!("memory {}", summary.index)
        };
        terms.add(&term, words::memory(summary));
    }
    terms.conclusion("grown by", &memory.growth, words::concluded(&memory.growth, words::growth));
    terms.conclusion("stack", &memory.stack, words::concluded(&memory.stack, words::stack));
    terms.conclusion("heap", &memory.heap_base, words::heap(memory));
    Html::from_iter([terms.into(), svg::memory_map(memory)])
}

fn origin(report: &Report) -> Html {
    let mut terms = Terms::default();
    terms.conclusion("allocator", &report.allocator.identity, words::allocator(report));
    for defect in report.allocator.identity.value.iter().flat_map(|allocator| &allocator.defects) {
        terms.add("known defect", defect.text.as_str());
    }
    for function in &report.allocator.functions {
        terms.add(words::allocator_role(function.role), words::allocator_function(function));
    }
    terms.conclusion("toolchain", &report.toolchain, words::toolchain(report));
    if let Some(mended) = &report.mended {
        let mut said = Html::from(words::mended(mended));
        said.push(evidence(&mended.evidence));
        terms.add("mended", said);
    }
    let role = words::concluded(&report.startup.role, |role| words::role(*role).to_owned());
    terms.conclusion("role", &report.startup.role, role);
    let startup = &report.startup;
    for (term, functions) in [
        ("at start", startup.start_function.as_slice()),
        ("constructors", &startup.constructors),
        ("entry points", &startup.entry_points),
    ] {
        if !functions.is_empty() {
            let names: Vec<_> =
                functions.iter().map(|f| words::function(f.func, f.name.as_deref())).collect();
            terms.add(term, words::some_of(&names, 20));
        }
    }
    terms.into()
}

fn requirements(report: &Report) -> Html {
    if report.requirements.groups.is_empty() {
        return element("p").child("Nothing: it imports nothing.").into();
    }
    let short = report.requirements.import_count <= MANY_IMPORTS;
    let groups = report.requirements.groups.iter().map(|group| {
        let mut table =
            Table::new([Column::code("import"), Column::code("type"), Column::text("what it is")]);
        for import in &group.imports {
            let meaning = words::concluded(&import.meaning, Clone::clone);
            let meaning = if import.meaning.value.is_some() { meaning } else { String::new() };
            let name = shorten(&import.name.to_string(), LONGEST_NAME).into_owned();
            table.row([name, import.ty.clone(), meaning]);
        }
        let title = format!("{} ({})", group.title, group.imports.len());
        // A short list answers at once; a long one only if it is asked.
        match short {
            true => Html::from_iter([element("p").child(title).into(), Html::from(table)]),
            false => details(title, table),
        }
    });
    groups.collect()
}

fn engines(report: &Report) -> Html {
    if report.engines.is_empty() {
        return Html::empty();
    }
    let (can, cannot) = words::engines(&report.engines);
    let mut terms = Terms::default();
    if !can.is_empty() {
        terms.add("run it from", can);
    }
    for (missing, engines) in cannot {
        terms.add("do not", format!("{engines}: no {missing}"));
    }
    Html::from_iter([heading("Engines"), terms.into()])
}

fn component(report: &Report) -> Html {
    let Some(component) = &report.component else { return Html::empty() };
    let mut terms = Terms::default();
    for (term, names) in [("imports", &component.imports), ("exports", &component.exports)] {
        let names = if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.iter().map(|name| shorten(name, LONGEST_NAME)).collect::<Vec<_>>().join(", ")
        };
        terms.add(term, names);
    }
    let mut out = Html::from_iter([heading("Component"), terms.into()]);
    for (index, module) in component.modules.iter().enumerate() {
        let name = module.report.name.as_deref().unwrap_or_default();
        let size = words::bytes(module.size_bytes);
        let title = format!("Core module {index} {name}, {size} at offset {:#x}", module.offset);
        out.push(details(title, report_body(&module.report)));
    }
    out
}
