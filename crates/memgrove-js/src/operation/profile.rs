//! What a recording says, in text, as a page and in other tools' formats.

use memgrove_api::profile::{self, HeapFormat};
use memgrove_api::{Error, UserError, check};
use memgrove_inspect::facts;
use memgrove_profile::{Metric, Profile};
use memgrove_symbols::Symbols;
use memgrove_view::check::CheckReport;
use memgrove_view::profile::{HeapProfile, ProfileDiff};
use memgrove_view::report::Failure;
use serde::Deserialize;
use serde_json::json;

use super::{one_module, shown_as, to_json};

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json,
    Html,
    Collapsed,
    Dhat,
    Pprof,
    Firefox,
    Speedscope,
    Heaptrack,
    Mgtr,
    Sarif,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    name: String,
    #[serde(default, rename = "as")]
    format: Format,
    /// The recordings are of instances that had one memory, and are read as one; else two are compared.
    #[serde(default)]
    together: bool,
    /// Stacks in each list.
    #[serde(default = "five")]
    top: usize,
    /// Kinds of misuse that count as a failure; by default all but leaks.
    #[serde(default)]
    fail_on: Vec<String>,
    /// Lines `KIND:FUNCTION` of what is not wanted.
    #[serde(default)]
    suppress: String,
    max_bytes: Option<u64>,
}

const fn five() -> usize {
    5
}

impl Request {
    /// The inputs are the module, as it was before, and one recording or two. Comes out: `{kind, fails}` and the
    /// document.
    pub(super) fn run(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
        self.written(inputs).map_err(|error| error.failure())
    }

    fn written(&self, mut inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let recordings = inputs.split_off(inputs.len().min(1));
        let wasm = one_module(inputs, &self.name, self.max_bytes, "read the recording of")?;
        let original = facts(&wasm)?;
        let read = |bytes| profile::one(bytes, &original);
        let mut profiles: Vec<Profile> = recordings.into_iter().map(read).collect::<Result<_, _>>()?;
        // One of several by itself is one with the others missing.
        if self.together || matches!(&profiles[..], [one] if one.is_of_one_instance) {
            profiles = vec![profile::together(profiles)?];
        }
        let symbols = Symbols::new(&original);
        match &profiles[..] {
            [one] if one.findings.is_some() => {
                let suppressions = check::suppressions(&self.suppress, "suppress")?;
                let report = CheckReport {
                    name: &self.name,
                    module: &original,
                    names: &symbols,
                    profile: one,
                    entered: None,
                    suppressions: &suppressions,
                    top: self.top,
                };
                let document = match self.format {
                    Format::Text => report.text().to_string().into_bytes(),
                    Format::Json => shown_as(report.json())?,
                    Format::Sarif => shown_as(report.sarif())?,
                    _ => return Err(usage("reports of a check are written as text, json or sarif")),
                };
                let failing = check::failing(&report, &self.fail_on);
                let head =
                    json!({ "kind": "check", "fails": !failing.kinds.is_empty(), "notes": failing.notes });
                Ok(vec![to_json(&head), document])
            }
            [one] => {
                let document = self.heap(&self.view(one, &one.summary(), &symbols))?;
                Ok(vec![to_json(&json!({ "kind": "trace", "fails": false })), document])
            }
            [before, after] => {
                let summaries = [before.summary(), after.summary()];
                let [before, after] =
                    [self.view(before, &summaries[0], &symbols), self.view(after, &summaries[1], &symbols)];
                let diff = ProfileDiff { before: &before, after: &after };
                let document = match self.format {
                    Format::Text => diff.text().to_string().into_bytes(),
                    Format::Json => shown_as(diff.json())?,
                    _ => return Err(usage("what two recordings differ in is written as text or json")),
                };
                Ok(vec![to_json(&json!({ "kind": "diff", "fails": false })), document])
            }
            _ => Err(usage("one recording is read, or two are compared")),
        }
    }

    fn view<'p>(
        &'p self,
        profile: &'p Profile,
        summary: &'p memgrove_profile::Summary,
        names: &'p Symbols<'p>,
    ) -> HeapProfile<'p> {
        HeapProfile { name: &self.name, names, profile, summary, top: self.top }
    }

    fn heap(&self, view: &HeapProfile<'_>) -> Result<Vec<u8>, Error> {
        let format = match self.format {
            Format::Text => return Ok(view.text().to_string().into_bytes()),
            Format::Json => return Ok(shown_as(view.json())?),
            Format::Sarif => return Err(usage("SARIF is for the reports of a check")),
            Format::Html => HeapFormat::Html,
            Format::Collapsed => HeapFormat::Collapsed(Metric::Peak),
            Format::Dhat => HeapFormat::Dhat,
            Format::Pprof => HeapFormat::Pprof,
            Format::Firefox => HeapFormat::Firefox,
            Format::Speedscope => HeapFormat::Speedscope,
            Format::Heaptrack => HeapFormat::Heaptrack,
            Format::Mgtr => HeapFormat::Mgtr,
        };
        Ok(profile::write(format, view)?)
    }
}

fn usage(message: &str) -> Error {
    UserError::usage(message).into()
}
