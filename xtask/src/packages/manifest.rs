//! What `cargo metadata` says of our crates and of everything below them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use xshell::{Shell, cmd};

use super::licence;

#[derive(Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
pub struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    readme: Option<String>,
    rust_version: Option<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    manifest_path: String,
    dependencies: Vec<Dependency>,
    /// `Some([])`: of nobody's registry.
    publish: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `*` where none is written.
    req: String,
    kind: Option<String>,
    /// Only of a dependency that is named by its path.
    path: Option<String>,
}

/// The registry's categories that we use; it refuses others.
const CATEGORIES: &[&str] = &[
    "command-line-interface",
    "command-line-utilities",
    "development-tools",
    "development-tools::debugging",
    "development-tools::profiling",
    "development-tools::testing",
    "memory-management",
    "no-std",
    "parser-implementations",
    "text-processing",
    "wasm",
];

impl Metadata {
    pub fn read(sh: &Shell) -> Result<Self> {
        let text = cmd!(sh, "cargo metadata --locked --all-features --format-version 1").quiet().read()?;
        serde_json::from_str(&text).context("cargo metadata")
    }

    /// Our crates that go to the registry.
    fn published(&self) -> impl Iterator<Item = &Package> {
        let ours = self.packages.iter().filter(|package| self.workspace_members.contains(&package.id));
        ours.filter(|package| package.publish.as_ref().is_none_or(|registries| !registries.is_empty()))
    }

    pub fn version(&self, name: &str) -> Result<&str> {
        let found = self.published().find(|package| package.name == name);
        found.map(|package| package.version.as_str()).with_context(|| name.to_owned())
    }

    /// The crates, each after those that it depends on.
    pub fn publish_order(&self) -> Result<Vec<String>> {
        let needs = self.published().map(|package| {
            let needed = package.dependencies.iter().filter(|it| it.path.is_some() && it.stays());
            (package.name.clone(), needed.map(|it| it.name.clone()).collect())
        });
        order(needs.collect())
    }

    /// What the registry or its readers would miss.
    pub fn incomplete(&self, root: &Path) -> Vec<String> {
        self.published().flat_map(|package| package.incomplete(root)).collect()
    }

    /// Packages whose licence is not one that lets us pass them on.
    pub fn licences(&self) -> Vec<String> {
        let refused = self.packages.iter().filter_map(|package| {
            let fault = match &package.license {
                Some(expression) => licence::refusal(expression)?,
                None => "no licence is given".to_owned(),
            };
            Some(format!("{} {}: {fault}", package.name, package.version))
        });
        refused.collect()
    }
}

impl Dependency {
    /// Whether it is in the package: one for tests that has a path and no version is not.
    fn stays(&self) -> bool {
        self.kind.as_deref() != Some("dev") || self.req != "*"
    }
}

impl Package {
    fn incomplete(&self, root: &Path) -> Vec<String> {
        let mut faults = Vec::new();
        let mut require = |is_there: bool, what: &str| {
            if !is_there {
                faults.push(format!("{}: {what}", self.name));
            }
        };
        require(self.description.is_some(), "no description");
        require(self.license.is_some(), "no licence");
        require(self.repository.is_some(), "no repository");
        require(self.rust_version.is_some(), "no rust-version");
        require(!self.keywords.is_empty() && self.keywords.len() <= 5, "1 to 5 keywords");
        for word in &self.keywords {
            require(word.len() <= 20, &format!("the keyword `{word}` is longer than 20 characters"));
        }
        require(!self.categories.is_empty() && self.categories.len() <= 5, "1 to 5 categories");
        for category in &self.categories {
            require(CATEGORIES.contains(&category.as_str()), &format!("`{category}` is not in our list"));
        }
        let folder = Path::new(&self.manifest_path).parent().unwrap_or(root);
        let readme = self.readme.as_ref().is_some_and(|name| folder.join(name).is_file());
        require(readme, "no README");
        for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
            require(folder.join(name).exists(), &format!("no {name}: link the one in the root"));
        }
        for dependency in self.dependencies.iter().filter(|it| it.path.is_some() && it.stays()) {
            let wanted = format!("^{}", self.version);
            require(
                dependency.req == wanted,
                &format!("asks for {} {}, not {wanted}", dependency.name, dependency.req),
            );
        }
        faults
    }
}

/// Names in an order in which each follows those that it needs.
fn order(mut needs: BTreeMap<String, BTreeSet<String>>) -> Result<Vec<String>> {
    let mut order = Vec::new();
    while !needs.is_empty() {
        let ready = |needed: &BTreeSet<String>| needed.iter().all(|name| order.contains(name));
        let Some(name) = needs.iter().find(|(_, needed)| ready(needed)).map(|(name, _)| name.clone()) else {
            let rest: Vec<_> = needs.into_keys().collect();
            bail!("need each other, or a crate that is not published: {}", rest.join(", "));
        };
        needs.remove(&name);
        order.push(name);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(edges: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges.iter().map(|(name, needed)| ((*name).to_owned(), set(needed))).collect()
    }

    #[test]
    fn a_crate_follows_what_it_needs() {
        let found = order(needs(&[("a", &["c", "b"]), ("b", &["c"]), ("c", &[])])).unwrap();
        assert_eq!(found, ["c", "b", "a"]);
    }

    #[test]
    fn a_circle_is_told() {
        let error = order(needs(&[("a", &["b"]), ("b", &["a"]), ("c", &[])])).unwrap_err();
        assert_eq!(error.to_string(), "need each other, or a crate that is not published: a, b");
    }
}
