//! Which functions of a module hold how much of which known allocator.

use super::{Library, for_each_gram};
use crate::facts::Facts;

/// An allocator is rarely spread over more functions; more would only add up noise.
const MAX_FUNCS: usize = 8;
/// A function takes part only if it holds this much of a profile by itself, in thousandths of its weight.
const MIN_SHARE: u64 = 25;

/// How much of a profile was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Position in [`Library::profiles`].
    pub profile: usize,
    /// Share of the profile's weight that is there, from 0 to 1.
    pub score: f32,
    /// The functions that hold it, most telling first.
    pub funcs: Vec<u32>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Searched {
    /// One for each profile that is there at all, best first.
    pub matches: Vec<Match>,
    /// How many functions were looked at.
    pub funcs_searched: usize,
}

/// Compares functions of a module with a library. O(operators of the functions).
#[must_use]
pub fn search(library: &Library, facts: &Facts<'_>, funcs: impl IntoIterator<Item = u32>) -> Searched {
    let mut searched = Searched::default();
    // For each profile: (weight, function, which of `hits` are its).
    let mut candidates: Vec<Vec<(u64, u32, std::ops::Range<usize>)>> =
        vec![Vec::new(); library.profiles.len()];
    let mut hits: Vec<usize> = Vec::new();
    let mut seen = vec![0_u32; library.grams.len()];
    for (stamp, func) in (1_u32..).zip(funcs) {
        let Some(operators) = facts.operators(func) else { continue };
        searched.funcs_searched += 1;
        let start = hits.len();
        let mut weights = vec![0_u64; library.profiles.len()];
        for_each_gram(operators, |gram| {
            let Some(position) = library.find(gram) else { return };
            if std::mem::replace(&mut seen[position], stamp) != stamp {
                hits.push(position);
                for posting in library.postings(position) {
                    weights[usize::from(posting.profile)] += u64::from(posting.weight);
                }
            }
        });
        let mut kept = false;
        for (profile, &weight) in weights.iter().enumerate() {
            if weight * 1000 >= u64::from(library.profiles[profile].total_weight) * MIN_SHARE && weight > 0 {
                candidates[profile].push((weight, func, start..hits.len()));
                kept = true;
            }
        }
        if !kept {
            hits.truncate(start);
        }
    }
    for (profile, mut holders) in candidates.into_iter().enumerate() {
        if holders.is_empty() {
            continue;
        }
        holders.sort_unstable_by_key(|(weight, func, _)| (std::cmp::Reverse(*weight), *func));
        holders.truncate(MAX_FUNCS);
        let mut found: Vec<usize> =
            holders.iter().flat_map(|(_, _, range)| hits[range.clone()].iter().copied()).collect();
        found.sort_unstable();
        found.dedup();
        let weight: u32 = found
            .iter()
            .flat_map(|&position| library.postings(position))
            .filter(|posting| usize::from(posting.profile) == profile)
            .map(|posting| u32::from(posting.weight))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "both are far below 2^24")]
        let score = weight as f32 / library.profiles[profile].total_weight.max(1) as f32;
        let funcs = holders.into_iter().map(|(_, func, _)| func).collect();
        searched.matches.push(Match { profile, score, funcs });
    }
    searched.matches.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.profile.cmp(&b.profile)));
    searched
}
