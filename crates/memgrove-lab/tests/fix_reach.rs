//! What becomes import-free, and what tells: a name, the code around an import's uses, or the JavaScript beside the module.
//!
//! A list for people over the corpus, which `cargo xtask corpus fetch` brings:
//! `cargo test --locked --workspace --test fix_reach -- --ignored --nocapture`. For what only JavaScript can tell, packages are
//! fetched with npm.

mod fix_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memgrove_inspect::facts;
use memgrove_rewrite::{DecidedBy, Decision, Glue, GlueError, Options, Plan, plan};

/// What told of the imports that are inside, for people.
fn by(plan: &Plan) -> &'static str {
    let used = |wanted: DecidedBy| {
        plan.imports
            .iter()
            // A memory, a table or a global is the module's by what it does with it, whatever its name.
            .filter(|item| item.ty.starts_with("func "))
            .any(|item| matches!(item.decision, Decision::Inside { decided_by, .. } if decided_by == wanted))
    };
    match (plan.imports.is_empty(), used(DecidedBy::Glue), used(DecidedBy::Use)) {
        (true, ..) => "imports nothing",
        (_, true, _) => "glue",
        (_, _, true) => "use",
        _ => "name",
    }
}

/// The JavaScript of a package that may belong to a module: what lies beside it first.
fn scripts(folder: &Path, module: &Path) -> Vec<PathBuf> {
    const MOST: usize = 40;
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_script = path.extension().is_some_and(|end| end == "js" || end == "mjs" || end == "cjs");
            match path.is_dir() {
                true => folders.push(path),
                false if is_script => found.push(path),
                false => {}
            }
        }
    }
    found.sort_by_key(|path| {
        (path.parent() != module.parent(), path.file_stem() != module.file_stem(), path.clone())
    });
    found.truncate(MOST);
    found
}

/// The plan with the first of a package's scripts that belongs to the module.
fn with_glue(wasm: &[u8], package: &str, path: &str) -> Result<Plan, String> {
    let folder = fix_support::fetch(package)?;
    let facts = facts(wasm).map_err(|error| error.to_string())?;
    let mut why = "no JavaScript in it passes the module's imports".to_owned();
    for script in scripts(&folder, &folder.join(path)) {
        let Ok(text) = std::fs::read_to_string(&script) else { continue };
        match Glue::read(&text, &facts) {
            Ok(glue) => {
                let options = Options { glue: Some(glue), ..Options::default() };
                return plan(wasm, &options).map_err(|error| error.to_string());
            }
            Err(GlueError::NothingMinified) => return Err("nothing is minified".to_owned()),
            Err(GlueError::NoObject { .. }) => {}
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

#[test]
#[ignore = "a list for people; fetches packages"]
fn what_becomes_import_free_and_what_tells() {
    let Some(modules) = fix_support::corpus() else { return };
    let list = std::fs::read_to_string(fix_support::root().join("knowledge/corpus/modules.csv"))
        .expect("the corpus's list");
    let rows: BTreeMap<&str, Vec<&str>> = list
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter_map(|row| Some((*row.first()?, row)))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, wasm) in &modules {
        let row = rows.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let (package, path) =
            (row.get(1).copied().unwrap_or_default(), row.get(2).copied().unwrap_or_default());
        let alone = plan(wasm, &Options::default()).expect("a valid module");
        let (told, plan, why) = if alone.is_complete() {
            (by(&alone), alone, String::new())
        } else {
            match with_glue(wasm, package, path) {
                Ok(plan) if plan.is_complete() => ("glue", plan, String::new()),
                Ok(plan) => ("stays, also with glue", plan, String::new()),
                Err(why) => ("stays", alone, format!("; glue: {why}")),
            }
        };
        *counts.entry(told).or_default() += 1;
        let stays = plan.remaining().count();
        let first = plan.remaining().next().map(|item| match &item.decision {
            Decision::Stays { why } => format!(", as {}.{}: {why}", item.module, item.name),
            _ => String::new(),
        });
        fix_support::say(&format!(
            "{id} {package} {path}: {told}; {} imports, {stays} stay{}{why}",
            plan.imports.len(),
            first.unwrap_or_default()
        ));
    }
    fix_support::say(&format!("{} modules: {counts:?}", modules.len()));
    assert!(counts.get("name").is_some_and(|&count| count > 0), "{counts:?}");
    assert!(counts.get("use").is_some_and(|&count| count > 0), "{counts:?}");
}
