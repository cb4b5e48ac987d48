//! How well a library tells modules apart that took no part in it, and the thresholds that follow.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use memgrove_inspect::fingerprint::{Library, search};
use rayon::prelude::*;

use super::distil::Sample;

/// The scores of one module: the best of each allocator, best first.
pub struct Scored<'s> {
    pub sample: &'s Sample,
    pub scores: Vec<(String, usize, f32)>,
}

impl Scored<'_> {
    /// The score of the module's own allocator (0 where nothing was found).
    pub fn own(&self) -> f32 {
        let own = self.sample.class.as_ref().map_or("", |(allocator, _)| allocator);
        self.scores.iter().find(|(allocator, ..)| allocator == own).map_or(0.0, |&(.., score)| score)
    }

    /// The best score of an allocator that is not in the module.
    pub fn best_other(&self) -> Option<(&str, f32)> {
        let own = self.sample.class.as_ref().map_or("", |(allocator, _)| allocator);
        self.scores
            .iter()
            .find(|(allocator, ..)| allocator != own)
            .map(|(allocator, _, score)| (allocator.as_str(), *score))
    }
}

/// Scores every function of each module: harder than what the inspector does, which looks near growth first.
pub fn score<'s>(library: &Library, samples: &'s [Sample]) -> Result<Vec<Scored<'s>>> {
    samples
        .par_iter()
        .map(|sample| {
            let bytes = fs::read(&sample.path)?;
            let facts = memgrove_inspect::facts(&bytes).with_context(|| sample.name.clone())?;
            let searched = search(library, &facts, facts.imported_func_count()..facts.func_count());
            let mut best: BTreeMap<&str, (usize, f32)> = BTreeMap::new();
            for found in &searched.matches {
                let allocator = library.profiles[found.profile].allocator.as_str();
                let entry = best.entry(allocator).or_insert((found.profile, found.score));
                if found.score > entry.1 {
                    *entry = (found.profile, found.score);
                }
            }
            let mut scores: Vec<_> =
                best.into_iter().map(|(name, (profile, score))| (name.to_owned(), profile, score)).collect();
            scores.sort_by(|a, b| b.2.total_cmp(&a.2));
            Ok(Scored { sample, scores })
        })
        .collect()
}
