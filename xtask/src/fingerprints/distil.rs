//! From compiled modules to the library: which grams tell an allocator from everything else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use memgrove_inspect::fingerprint::{Library, Posting, Profile, shape};
use rayon::prelude::*;

use super::recipe::Build;

/// A compiled module, as the shapes of its functions.
pub struct Sample {
    /// Name of the build.
    pub name: String,
    /// Allocator and profile; none for background.
    pub class: Option<(String, String)>,
    /// Where the module is.
    pub path: PathBuf,
    /// One shape for each function.
    pub shapes: Vec<Vec<u32>>,
}

impl Sample {
    pub fn read(build: &Build<'_>, path: PathBuf) -> Result<Self> {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let facts = memgrove_inspect::facts(&bytes).with_context(|| path.display().to_string())?;
        let first = facts.imported_func_count();
        let shapes =
            (first..facts.func_count()).filter_map(|func| facts.operators(func)).map(shape).collect();
        let class = build.recipe.allocator.clone().zip(build.recipe.profile.clone());
        Ok(Self { name: build.name(), class, path, shapes })
    }

    fn grams(&self) -> HashSet<u32> {
        self.shapes.iter().flatten().copied().collect()
    }
}

/// At most so many grams a profile: more of them tell nothing new.
const MAX_GRAMS: usize = 320;
/// A gram must be in this share of a profile's builds.
const MIN_SUPPORT: f64 = 0.45;
/// Weights are whole numbers up to this.
const MAX_WEIGHT: f64 = 31.0;

/// Allocators that share most of their code: it must not count against either.
pub fn kin(allocator: &str) -> &str {
    match allocator {
        "dlmalloc-c" | "dlmalloc-rs" => "dlmalloc",
        "as-tlsf-arc" | "as-tlsf-minimal" | "as-tlsf-incremental" => "as-tlsf",
        "zig-page" | "zig-arena" => "zig-page",
        other => other,
    }
}

/// How often grams occur in one group of builds.
#[derive(Default)]
struct Frequency {
    builds: u32,
    in_builds: HashMap<u32, u32>,
    functions: u32,
    in_functions: HashMap<u32, u32>,
}

impl Frequency {
    fn add(&mut self, sample: &Sample) {
        self.builds += 1;
        for gram in sample.grams() {
            *self.in_builds.entry(gram).or_default() += 1;
        }
        for shape in &sample.shapes {
            self.functions += 1;
            for &gram in shape {
                *self.in_functions.entry(gram).or_default() += 1;
            }
        }
    }

    /// Share of the builds that have a gram.
    fn support(&self, gram: u32) -> f64 {
        f64::from(self.in_builds.get(&gram).copied().unwrap_or(0)) / f64::from(self.builds.max(1))
    }
}

/// Distils training samples into a library.
///
/// A gram's weight in a profile is the square of its support (share of the profile's builds that have it) times
/// its inverse document frequency, ln(N / n): of N functions in background and other allocators n have it. What
/// most builds of another allocator have too (code of the language's library around both) counts the less.
pub fn distil(samples: &[Sample]) -> Library {
    let mut profiles: BTreeMap<(&str, &str), Frequency> = BTreeMap::new();
    // Background is one more group, with the empty name.
    let mut groups: BTreeMap<&str, Frequency> = BTreeMap::new();
    for sample in samples {
        let class = sample.class.as_ref().map(|(allocator, name)| (allocator.as_str(), name.as_str()));
        groups.entry(class.map_or("", |(allocator, _)| kin(allocator))).or_default().add(sample);
        if let Some(class) = class {
            profiles.entry(class).or_default().add(sample);
        }
    }
    let functions: u32 = groups.values().map(|group| group.functions).sum();
    let top = f64::from(functions).ln();
    let distilled: Vec<Vec<(f64, u32)>> = profiles
        .par_iter()
        .map(|((allocator, _), profile)| {
            let others: Vec<&Frequency> = groups
                .iter()
                .filter(|(group, _)| **group != kin(allocator))
                .map(|(_, group)| group)
                .collect();
            let weigh = |gram: u32| {
                let elsewhere: u32 = others.iter().filter_map(|other| other.in_functions.get(&gram)).sum();
                let rarity = (f64::from(functions) / f64::from(elsewhere + 1)).ln() / top;
                let foreign = others.iter().map(|other| other.support(gram)).fold(0.0, f64::max);
                profile.support(gram).powi(2) * rarity * (1.0 - foreign).powi(2)
            };
            let mut grams: Vec<(f64, u32)> = profile
                .in_builds
                .keys()
                .filter(|&&gram| profile.support(gram) >= MIN_SUPPORT)
                .map(|&gram| (weigh(gram), gram))
                .filter(|&(weight, _)| weight * MAX_WEIGHT >= 0.5)
                .collect();
            grams.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            grams.truncate(MAX_GRAMS);
            grams
        })
        .collect();
    let mut all = Vec::new();
    for (number, grams) in (0_u8..).zip(distilled) {
        for (weight, gram) in grams {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 1 to MAX_WEIGHT"
            )]
            let weight = (weight * MAX_WEIGHT).round().clamp(1.0, MAX_WEIGHT) as u8;
            all.push((gram, Posting { profile: number, weight }));
        }
    }
    let profiles = profiles
        .into_keys()
        .map(|(allocator, name)| Profile {
            allocator: allocator.to_owned(),
            name: name.to_owned(),
            total_weight: 0,
        })
        .collect();
    Library::new(profiles, all)
}
