//! The modules shipped with memgrove, embedded so that a survey needs nothing but the command itself.

use super::manifest::{Entry, Manifest};
use crate::toolchain::{RECIPES, Recipe};

include!(concat!(env!("OUT_DIR"), "/prebuilt.rs"));

/// A shipped module and the record of how it was made.
#[derive(Debug, Clone)]
pub struct Prebuilt {
    /// What it is.
    pub recipe: &'static Recipe,
    /// How it was made.
    pub entry: Entry,
    /// The module.
    pub wasm: &'static [u8],
}

/// Why the embedded modules cannot be used: a broken build of memgrove.
#[derive(Debug, thiserror::Error)]
pub enum PrebuiltError {
    /// The embedded manifest cannot be read.
    #[error("the embedded manifest is broken: {0}")]
    Manifest(#[from] serde_json::Error),
}

/// The shipped modules, in the order of the recipes. A recipe without a module is left out.
///
/// # Errors
/// When the embedded manifest cannot be read.
pub fn prebuilt() -> Result<Vec<Prebuilt>, PrebuiltError> {
    let manifest: Manifest = serde_json::from_str(MANIFEST)?;
    Ok(RECIPES
        .iter()
        .filter_map(|recipe| {
            let entry = manifest.entry(recipe.id)?.clone();
            let (_, wasm) = MODULES.iter().find(|(id, _)| *id == recipe.id)?;
            Some(Prebuilt { recipe, entry, wasm })
        })
        .collect())
}
