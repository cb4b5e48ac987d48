//! Reports on files, as the command line prints them.

use memgrove_api::policy::{Hosts, Policy};
use memgrove_api::{Error, document, profile_error};
use memgrove_inspect::Knowledge;
use memgrove_view::report::{Failure, HtmlReport, Inspected};
use serde::Deserialize;
use serde_json::json;

use super::{to_json, usage};

/// How the document is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Ndjson,
    Text,
    Table,
    Html,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    /// What each input is called.
    names: Vec<String>,
    #[serde(default, rename = "as")]
    format: Format,
    #[serde(default)]
    verbose: bool,
    /// Host profiles beside those that are known, as TOML.
    #[serde(default)]
    hosts: Vec<String>,
    /// What is demanded of every module: the text of a `memgrove.toml`.
    policy: Option<String>,
    /// Hosts that have to run every module.
    #[serde(default)]
    require: Vec<String>,
    #[serde(default)]
    allow_conditions: bool,
    max_bytes: Option<u64>,
}

impl Request {
    pub(super) fn run(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
        if self.names.len() != inputs.len() {
            return Err(usage(format!("{} names for {} inputs", self.names.len(), inputs.len())));
        }
        let mut knowledge = Knowledge::builtin().clone();
        for host in &self.hosts {
            knowledge
                .add_host("hosts", host)
                .map_err(|errors| Error::from(profile_error(&errors)).failure())?;
        }
        let hosts = Hosts { require: self.require, allow_conditions: self.allow_conditions };
        let policy = self.policy.as_deref().map(|text| (text, "policy"));
        let policy =
            Policy::with(policy, &hosts, &knowledge).map_err(|error| Error::from(error).failure())?;
        let max_bytes = self.max_bytes.unwrap_or(memgrove_open::DEFAULT_MAX_BYTES);
        let files: Vec<Inspected> = self
            .names
            .iter()
            .zip(inputs)
            .flat_map(|(name, bytes)| memgrove_api::inspect(bytes, name, &knowledge, max_bytes))
            .collect();
        let failed = files.iter().filter_map(|file| Some((&file.name, file.result.as_ref().err()?)));
        let failures: Vec<_> = failed
            .map(|(name, failure)| json!({ "file": name, "message": failure.message, "hint": failure.hint }))
            .collect();
        let faults: Vec<_> = files
            .iter()
            .filter_map(|file| Some((&file.name, policy.faults(file.result.as_ref().ok()?))))
            .flat_map(|(name, faults)| {
                faults.into_iter().map(move |fault| json!({ "file": name, "message": fault }))
            })
            .collect();
        let written = match self.format {
            Format::Html => Ok(html(&files)),
            Format::Json => document(memgrove_api::Format::Json, &files, self.verbose),
            Format::Ndjson => document(memgrove_api::Format::Ndjson, &files, self.verbose),
            Format::Text => document(memgrove_api::Format::Text, &files, self.verbose),
            Format::Table => document(memgrove_api::Format::Table, &files, self.verbose),
        };
        let document = written.map_err(|error| usage(error.to_string()))?;
        Ok(vec![
            to_json(&json!({ "files": files.len(), "failures": failures, "faults": faults })),
            document.into_bytes(),
        ])
    }
}

fn html(files: &[Inspected]) -> String {
    let mut page = HtmlReport::new();
    for file in files {
        page.add(file);
    }
    page.render()
}
