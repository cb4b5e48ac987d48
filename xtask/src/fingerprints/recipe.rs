//! The recipes: which allocator is compiled how. The text is xtask/fingerprints/recipes.toml.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    recipe: Vec<Recipe>,
}

/// One allocator (or ordinary code, as background), compiled at several levels.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub id: String,
    /// Id in knowledge/allocators; none for background.
    pub allocator: Option<String>,
    /// Builds with the same profile are distilled into one entry of the library.
    pub profile: Option<String>,
    pub driver: Driver,
    /// `rust`: the dependency line of the manifest.
    pub dependency: Option<String>,
    /// `rust`: type and value of the global allocator.
    pub global: Option<String>,
    /// `rust`: link the standard library.
    #[serde(default)]
    pub std: bool,
    /// `command`: the program and its arguments.
    pub run: Option<String>,
    /// `command`: the module lies beside a file of this extension that the program writes.
    pub output_extension: Option<String>,
    /// `command`: packages to unpack first.
    #[serde(default)]
    pub tool: Vec<String>,
    #[serde(default)]
    pub background: bool,
    pub levels: Vec<String>,
    #[serde(default)]
    pub held_out: Vec<String>,
    #[serde(default)]
    pub wasm_opt: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Rust,
    Command,
}

/// What a module takes part in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The library is distilled from it.
    Train,
    /// Calibration is measured on it.
    HeldOut,
}

/// One module to build.
pub struct Build<'a> {
    pub recipe: &'a Recipe,
    pub level: &'a str,
    pub wasm_opt: Option<&'a str>,
    pub split: Split,
}

impl Build<'_> {
    /// The file name without extension; unique among all builds.
    pub fn name(&self) -> String {
        let level = self.level.replace(' ', "");
        match self.wasm_opt {
            None => format!("{}@{level}", self.recipe.id),
            Some(flag) => format!("{}@{level}+opt{flag}", self.recipe.id),
        }
    }
}

/// Reads and checks the recipes.
pub fn read(path: &Path) -> Result<Vec<Recipe>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
    for recipe in &file.recipe {
        let id = &recipe.id;
        ensure!(recipe.background != recipe.allocator.is_some(), "{id}: either `allocator` or `background`");
        ensure!(
            recipe.allocator.is_some() == recipe.profile.is_some(),
            "{id}: `allocator` and `profile` go together"
        );
        ensure!((recipe.driver == Driver::Command) == recipe.run.is_some(), "{id}: `run` is for `command`");
        for level in &recipe.held_out {
            ensure!(recipe.levels.contains(level), "{id}: {level} is held out, but not built");
        }
    }
    Ok(file.recipe)
}

/// Every module that the recipes make, in their order.
pub fn builds(recipes: &[Recipe]) -> Vec<Build<'_>> {
    let mut builds = Vec::new();
    for recipe in recipes {
        for level in &recipe.levels {
            let split = if recipe.held_out.contains(level) { Split::HeldOut } else { Split::Train };
            builds.push(Build { recipe, level, wasm_opt: None, split });
            builds.extend(recipe.wasm_opt.iter().map(|flag| Build {
                recipe,
                level,
                wasm_opt: Some(flag),
                split,
            }));
        }
    }
    builds
}
