//! How well a library tells modules apart that took no part in it.

use std::fs;

use anyhow::{Context, Result, ensure};
use memgrove_inspect::fingerprint::{Library, search};
use memgrove_inspect::report::Level;
use rayon::prelude::*;

use super::distil::{Sample, kin};

/// The scores of one module: its own design's, and the best of another design.
pub struct Scored<'s> {
    pub sample: &'s Sample,
    /// 0 where nothing was found, or for background.
    pub own: f32,
    pub other: f32,
    /// Whose that is.
    pub other_name: String,
}

/// Scores every function of each module: harder than what the inspector does, which looks near growth first.
pub fn score<'s>(library: &Library, samples: &'s [Sample]) -> Result<Vec<Scored<'s>>> {
    samples
        .par_iter()
        .map(|sample| {
            let bytes = fs::read(&sample.path)?;
            let facts = memgrove_inspect::facts(&bytes).with_context(|| sample.name.clone())?;
            let searched = search(library, &facts, facts.imported_func_count()..facts.func_count());
            let own = sample.class.as_ref().map_or("", |(allocator, _)| kin(allocator));
            let design = |profile: usize| kin(&library.profiles[profile].allocator);
            let best =
                |mine: bool| searched.matches.iter().find(|found| (design(found.profile) == own) == mine);
            Ok(Scored {
                sample,
                own: best(true).map_or(0.0, |found| found.score),
                other: best(false).map_or(0.0, |found| found.score),
                other_name: best(false).map_or(String::new(), |found| design(found.profile).to_owned()),
            })
        })
        .collect()
}

/// No other design may come nearer to a module than this: it would be named.
const OTHER_AT_MOST: f32 = 0.18;

/// Prints the scores and fails where the inspector's thresholds (detect/allocator.rs) would not hold on them.
pub fn report(scored: &[Scored<'_>]) -> Result<()> {
    let mut wrong = Vec::new();
    for scored in scored {
        let name = &scored.sample.name;
        println!("{name:44} own {:.3}  other {:.3} {}", scored.own, scored.other, scored.other_name);
        if scored.other >= OTHER_AT_MOST {
            wrong.push(name.clone());
        }
    }
    let mut own: Vec<f32> =
        scored.iter().filter(|scored| scored.sample.class.is_some()).map(|scored| scored.own).collect();
    own.sort_by(f32::total_cmp);
    let at = |share: usize| own.get(own.len() * share / 100).copied().unwrap_or(0.0);
    let most = scored.iter().map(|scored| scored.other).fold(0.0, f32::max);
    println!(
        "own design: least {:.2}, tenth {:.2}, median {:.2}; another design: at most {most:.2}",
        at(0),
        at(10),
        at(50)
    );
    ensure!(wrong.is_empty(), "another design comes too near: {}", wrong.join(", "));
    Ok(())
}

/// A module without its custom sections: no names, no producers.
fn stripped(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = bytes[..8].to_vec();
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        if let Some((id, range)) = payload?.as_section().filter(|(id, _)| *id != 0) {
            out.push(id);
            let contents = &bytes[usize::try_from(range.start)?..usize::try_from(range.end)?];
            let mut len = contents.len();
            while len >= 0x80 {
                out.push(0x80 | u8::try_from(len & 0x7f)?);
                len >>= 7;
            }
            out.push(u8::try_from(len)?);
            out.extend(contents);
        }
    }
    Ok(out)
}

/// What the inspector itself answers about the stripped modules: it looks near growth first and weighs the rest
/// of the evidence.
pub fn answers(samples: &[Sample]) -> Result<()> {
    let mut counts = [[0_usize; 4]; 2];
    let mut wrong = Vec::new();
    for sample in samples {
        let Some((allocator, _)) = &sample.class else { continue };
        let bytes = stripped(&fs::read(&sample.path)?)?;
        let facts = memgrove_inspect::facts(&bytes).with_context(|| sample.name.clone())?;
        let (_, conclusion) = memgrove_inspect::detect::origin(&facts);
        let right = conclusion.value.as_ref().is_some_and(|found| found.id == *allocator);
        let column = match conclusion.level() {
            Level::High => 0,
            Level::Medium => 1,
            Level::Low => 2,
            Level::Unknown => 3,
        };
        counts[usize::from(right)][column] += 1;
        if !right {
            let found = conclusion.value.as_ref().map_or("unknown", |found| &found.id);
            println!("✗ {}: expected {allocator}, found {found} ({:?})", sample.name, conclusion.level());
            if conclusion.level() == Level::High {
                wrong.push(sample.name.clone());
            }
        }
    }
    let [bad, good] = counts;
    for (level, (good, bad)) in
        ["high", "medium", "low", "unknown"].into_iter().zip(good.into_iter().zip(bad))
    {
        println!("answered with {level:8} confidence: {good:3} right, {bad:3} wrong");
    }
    ensure!(wrong.is_empty(), "wrong with high confidence: {}", wrong.join(", "));
    Ok(())
}
