//! Which functions of a module hold how much of which known allocator.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Library, for_each_gram};
use crate::facts::{Facts, offset32};

/// An allocator is rarely spread over more functions; more would only add up noise.
const MAX_FUNCS: usize = 8;
/// A function takes part only if it holds this much of a profile by itself, in thousandths of its weight: fewer are shared by
/// chance. With 35, 17 of the corpus and of the samples score otherwise, by a few hundredths, and no allocator gets another name.
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
    /// For each of them, the share of the profile's weight that it holds by itself.
    pub shares: Vec<f32>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Searched {
    /// One for each profile that is there at all, best first.
    pub matches: Vec<Match>,
    /// How many functions were looked at.
    pub funcs_searched: usize,
}

/// A search that can be widened: each function is read once.
pub struct Search<'l> {
    library: &'l Library,
    /// For each profile, the functions that hold most of it, at most [`MAX_FUNCS`].
    holders: Vec<Vec<Holder>>,
    /// The grams of the functions in `holders`, as positions in the library.
    hits: BTreeMap<u32, Vec<u32>>,
    /// The last function in which each gram was seen, counted from 1.
    seen: Vec<u32>,
    funcs_searched: u32,
}

/// The greatest weight first, and of equal ones the first function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    weight: Reverse<u64>,
    func: u32,
}

/// Compares functions of a module with a library. O(operators of the functions).
#[must_use]
pub fn search(library: &Library, facts: &Facts<'_>, funcs: impl IntoIterator<Item = u32>) -> Searched {
    let mut search = Search::new(library);
    search.add(facts, funcs);
    search.found()
}

impl<'l> Search<'l> {
    /// A search that has looked at nothing yet.
    #[must_use]
    pub fn new(library: &'l Library) -> Self {
        Self {
            library,
            holders: vec![Vec::new(); library.profiles.len()],
            hits: BTreeMap::new(),
            seen: vec![0; library.grams.len()],
            funcs_searched: 0,
        }
    }

    /// Looks at more functions. O(their operators).
    pub fn add(&mut self, facts: &Facts<'_>, funcs: impl IntoIterator<Item = u32>) {
        let library = self.library;
        let mut weights = vec![0_u64; library.profiles.len()];
        let mut hits = Vec::new();
        for func in funcs {
            let Some(operators) = facts.operators(func) else { continue };
            self.funcs_searched += 1;
            let stamp = self.funcs_searched;
            hits.clear();
            weights.fill(0);
            for_each_gram(operators, |gram| {
                let Some(position) = library.find(gram) else { return };
                if std::mem::replace(&mut self.seen[position], stamp) != stamp {
                    hits.push(offset32(position as u64));
                    for posting in library.postings(position) {
                        weights[usize::from(posting.profile)] += u64::from(posting.weight);
                    }
                }
            });
            let mut kept = false;
            for ((profile, holders), &weight) in library.profiles.iter().zip(&mut self.holders).zip(&weights)
            {
                if weight > 0 && weight * 1000 >= u64::from(profile.total_weight) * MIN_SHARE {
                    let holder = Holder { weight: Reverse(weight), func };
                    let at = holders.partition_point(|other| *other < holder);
                    holders.insert(at, holder);
                    holders.truncate(MAX_FUNCS);
                    kept |= at < MAX_FUNCS;
                }
            }
            if kept {
                self.hits.insert(func, hits.clone());
                self.forget();
            }
        }
    }

    /// Gives up the grams of functions that others have taken the place of.
    fn forget(&mut self) {
        // Seldom, so that it costs little: each profile holds few functions.
        let most = 2 * MAX_FUNCS * self.holders.len();
        if self.hits.len() > most {
            let held: BTreeSet<u32> = self.holders.iter().flatten().map(|holder| holder.func).collect();
            self.hits.retain(|func, _| held.contains(func));
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn found(&self) -> Searched {
        let mut matches = Vec::new();
        for (profile, holders) in self.holders.iter().enumerate().filter(|(_, holders)| !holders.is_empty()) {
            let grams = |holder: &Holder| self.hits.get(&holder.func).into_iter().flatten().copied();
            let mut positions: Vec<u32> = holders.iter().flat_map(grams).collect();
            positions.sort_unstable();
            positions.dedup();
            let weight: u64 = positions
                .iter()
                .flat_map(|&position| self.library.postings(position as usize))
                .filter(|posting| usize::from(posting.profile) == profile)
                .map(|posting| u64::from(posting.weight))
                .sum();
            #[expect(clippy::cast_precision_loss, reason = "both are far below 2^24")]
            let share =
                |weight: u64| weight as f32 / self.library.profiles[profile].total_weight.max(1) as f32;
            matches.push(Match {
                profile,
                score: share(weight),
                funcs: holders.iter().map(|holder| holder.func).collect(),
                shares: holders.iter().map(|holder| share(holder.weight.0)).collect(),
            });
        }
        matches.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.profile.cmp(&b.profile)));
        Searched { matches, funcs_searched: self.funcs_searched as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{Posting, Profile, shape};

    fn module(body: &str) -> Vec<u8> {
        wat::parse_str(format!("(module (memory 1) (func (param i32 i32) (result i32) {body}) (func nop))"))
            .unwrap()
    }

    /// A library of one profile: the shape of one function.
    fn library_of(bytes: &[u8]) -> Library {
        let facts = crate::facts(bytes).unwrap();
        let profile = Profile { allocator: "a".to_owned(), name: "a".to_owned(), total_weight: 0 };
        let grams = shape(facts.operators(0).unwrap());
        assert!(grams.len() > 8, "{grams:?}");
        Library::new(
            vec![profile],
            grams.into_iter().map(|gram| (gram, Posting { profile: 0, weight: 3 })).collect(),
        )
    }

    fn score(library: &Library, body: &str) -> f32 {
        let bytes = module(body);
        let searched = search(library, &crate::facts(&bytes).unwrap(), 0..2);
        searched.matches.first().map_or(0.0, |found| found.score)
    }

    const CODE: &str = "local.get 0 i32.const 11 i32.add i32.const -8 i32.and local.tee 1
        i32.const 3 i32.shr_u i32.load offset=24 local.get 1 i32.const 245 i32.lt_u i32.shl";

    #[test]
    fn code_is_found_however_values_are_kept_and_compared() {
        let library = library_of(&module(CODE));
        assert!((score(&library, CODE) - 1.0).abs() < 1e-6);
        let turned = CODE
            .replace("i32.const 245 i32.lt_u", "i32.const 244 i32.le_u")
            .replace("local.tee 1", "local.set 1 local.get 1");
        assert!((score(&library, &turned) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn code_is_found_inside_a_longer_function() {
        let library = library_of(&module(CODE));
        let inlined = format!("local.get 1 i32.const 99 i32.xor drop {CODE} i32.const 7 i32.rotl");
        assert!(score(&library, &inlined) > 0.99);
    }

    #[test]
    fn other_constants_are_other_code() {
        let library = library_of(&module(CODE));
        let other = CODE.replace("11", "15").replace("-8", "-16").replace("245", "512").replace("24", "20");
        assert!(score(&library, &other) < 0.5);
        assert!(score(&library, "local.get 0").abs() < 1e-6);
    }

    #[test]
    fn widening_finds_what_searching_all_at_once_finds() {
        let library = library_of(&module(CODE));
        let bytes = module(CODE);
        let facts = crate::facts(&bytes).unwrap();
        let mut widened = Search::new(&library);
        widened.add(&facts, [1]);
        assert_eq!(widened.found().matches, []);
        widened.add(&facts, [0]);
        assert_eq!(widened.found().matches, search(&library, &facts, 0..2).matches);
    }
}
