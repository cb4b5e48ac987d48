//! What `memgrove advise` found: a recorded program's calls on every allocator, and which one serves it best.

use memgrove_module::counted;
use serde::Serialize;

use crate::bench::failure::Failure;
use crate::guest::{OwnCode, Role};

/// From so many pages on, one page makes no difference.
const MANY_PAGES: u64 = 10;

/// Bytes of a page.
pub const PAGE_BYTES: u64 = 65536;

/// The allocator that the one with traps is built on.
pub const UNHARDENED: &str = "memgrove-dlmalloc";

/// A recorded program's calls, replayed on every allocator.
#[derive(Clone, Debug, Serialize)]
pub struct Advice {
    /// Version of the engine that counted.
    pub engine: String,
    /// Calls of the allocator.
    pub calls: u64,
    /// Largest sum of live requested bytes.
    pub peak_live_bytes: u64,
    /// Bytes live after the last call.
    pub final_live_bytes: u64,
    /// The chain whose prices were counted, if one was named.
    pub price: Option<Priced>,
    /// Blocks live after the last call; with none the program may begin again, and so does the replay.
    pub final_live_blocks: u64,
    /// One for each allocator, in the order of the guests.
    pub candidates: Vec<Candidate>,
}

/// An allocator under the program's calls.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// Its id, as `memgrove bench --list` has it.
    pub allocator: String,
    /// Its name for people.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Ours, or somebody else's.
    pub role: Role,
    /// What is known to be wrong with it.
    pub known_defects: Vec<String>,
    /// Bytes of its code, where they were weighed.
    pub own_code: Option<OwnCode>,
    /// What it took, if it got through.
    pub figures: Option<Taken>,
    /// Why it is out of the question, if it is.
    pub failure: Option<Failure>,
}

/// What the calls took on an allocator. Pages are those of the heap alone: from the end of the program's own data on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Pages of the heap after all calls. They never become fewer, so these are the most.
    pub peak_pages: u64,
    /// Pages after the same calls two and three times; `None` if blocks are left, as no program ends like that and
    /// begins again.
    pub repeated_pages: Option<[u64; 2]>,
    /// Pages in which all calls succeed if the memory can grow no further, and do not in one page fewer; `None` if that was
    /// not found out.
    pub fixed_pages: Option<u64>,
    /// Instructions of the allocator in all calls, and the bytes that it copies and clears: those of the replay less those of the
    /// floor, which only bumps a pointer, without what the floor copies.
    pub instructions: u64,
    /// What these cost on the chain that was named, in its unit.
    pub units: Option<u64>,
}

/// Whose prices were counted.
#[derive(Clone, Debug, Serialize)]
pub struct Priced {
    /// Id of the host.
    pub host: String,
    /// Its unit.
    pub unit: String,
    /// What it charges for besides, and was not counted; empty for nothing.
    pub without: String,
}

impl Taken {
    /// What its instructions cost: in the chain's unit if one was named, else how many they are.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.units.unwrap_or(self.instructions)
    }

    /// Pages that it holds when the program has run for long.
    #[must_use]
    pub fn steady_pages(&self) -> u64 {
        self.repeated_pages.map_or(self.peak_pages, |[_, last]| last)
    }
}

/// The allocator that made the recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Present {
    /// What `memgrove inspect` calls it, if it knows it.
    pub name: Option<String>,
    /// Pages from the lowest block to the end of the highest, in the recording itself, if it has addresses.
    pub recorded_pages: Option<u64>,
    /// The candidates that hold the same allocator.
    pub candidates: Vec<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Verdict {
    /// No allocator got through.
    Nothing,
    /// The present one is as good as any.
    Keep {
        /// Why.
        reason: String,
    },
    /// Another is better.
    Take {
        /// The allocator's id.
        allocator: String,
        /// Why.
        reason: String,
    },
}

/// Ids of `memgrove inspect`, and the guests that hold these allocators.
const HELD_BY: [(&str, &[&str]); 11] = [
    ("dlmalloc-rs", &["std-default", "dlmalloc"]),
    ("dlmalloc-c", &["wasi-libc", "emscripten-dlmalloc"]),
    ("emmalloc", &["emscripten-emmalloc"]),
    ("lol_alloc", &["lol-alloc"]),
    ("rlsf", &["rlsf"]),
    ("talc", &["talc-wasm", "talc-claim"]),
    ("wee_alloc", &["wee-alloc"]),
    ("memgrove-wee", &["memgrove-wee"]),
    ("memgrove-dlmalloc", &["memgrove-dlmalloc"]),
    ("memgrove-jemalloc", &["memgrove-jemalloc"]),
    ("memgrove-hoard", &["memgrove-hoard"]),
];

/// The ids of `memgrove inspect` of which there are guests.
pub fn inspected_ids() -> impl Iterator<Item = &'static str> {
    HELD_BY.iter().map(|(id, _)| *id)
}

/// The guests that hold the allocator that `memgrove inspect` calls by this id.
#[must_use]
pub fn held_by(id: &str) -> &'static [&'static str] {
    HELD_BY.iter().find(|(known, _)| *known == id).map_or(&[], |(_, guests)| guests)
}

impl Candidate {
    /// What it took, if it is to be considered: it got through, and it is an allocator that is there to allocate only.
    fn sound(&self) -> Option<&Taken> {
        let is_asked = !matches!(self.role, Role::Floor | Role::Hardened);
        self.figures.as_ref().filter(|_| self.failure.is_none() && is_asked)
    }

    /// Bytes of its code as a release build has it.
    #[must_use]
    pub fn code_bytes(&self) -> Option<u64> {
        self.own_code.map(|code| code.o3_optimised_bytes)
    }
}

/// Whether `pages` are about as few as `fewest`: a twentieth more makes no difference, nor one page of many, as where its
/// first page begins is chance.
fn about_as_few(pages: u64, fewest: u64) -> bool {
    pages <= fewest + if fewest < MANY_PAGES { 0 } else { (fewest / 20).max(1) }
}

/// Whether so many instructions are about as few.
fn about_as_fast(instructions: u64, fewest: u64) -> bool {
    instructions <= fewest.saturating_add(fewest / 10)
}

impl Advice {
    /// The allocators that get through, the best first: by pages, then by instructions, then by code, where each counts
    /// only if the one before makes no difference.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Candidate> {
        let mut left: Vec<(&Candidate, &Taken)> =
            self.candidates.iter().filter_map(|candidate| Some((candidate, candidate.sound()?))).collect();
        let mut ranked = Vec::new();
        while let Some(best) = best_of(&left) {
            ranked.push(left.remove(best).0);
        }
        ranked
    }

    /// The allocators whose traps at misuse were measured, and what they took.
    pub fn hardened(&self) -> impl Iterator<Item = (&Candidate, &Taken)> {
        let hardened =
            self.candidates.iter().filter(|one| one.role == Role::Hardened && one.failure.is_none());
        hardened.filter_map(|candidate| Some((candidate, candidate.figures.as_ref()?)))
    }

    /// What to do, as the present allocator is this one.
    #[must_use]
    pub fn verdict(&self, present: Option<&Present>) -> Verdict {
        let ranked = self.ranked();
        let Some((best, taken)) = ranked.first().and_then(|best| Some((*best, best.sound()?))) else {
            return Verdict::Nothing;
        };
        if let Some(reason) = present.and_then(|present| keep(present, &ranked, best, taken)) {
            return Verdict::Keep { reason };
        }
        Verdict::Take { allocator: best.allocator.clone(), reason: self.reason(best, taken) }
    }

    /// Why this one is the best.
    fn reason(&self, best: &Candidate, taken: &Taken) -> String {
        let sound = self.candidates.iter().filter_map(Candidate::sound);
        let pages = taken.steady_pages();
        let as_few: Vec<&Taken> = sound.filter(|other| about_as_few(other.steady_pages(), pages)).collect();
        let as_fast = as_few.iter().filter(|other| about_as_fast(other.work(), taken.work())).count();
        let text = counted(pages, "page");
        match (as_few.len(), as_fast) {
            (1, _) => format!("it needs {text}, fewer than any other"),
            (_, 1) => format!("of those that need about {text}, the fewest, none takes {}", self.less_work()),
            _ => match best.code_bytes() {
                Some(bytes) => format!(
                    "of those that need about {text} and {}, none has less code ({bytes} bytes)",
                    self.as_little_work()
                ),
                None => format!("none needs fewer pages ({pages}) or takes {}", self.less_work()),
            },
        }
    }
}

impl Advice {
    fn less_work(&self) -> String {
        self.price
            .as_ref()
            .map_or_else(|| "fewer instructions".to_owned(), |price| format!("less {}", price.unit))
    }

    fn as_little_work(&self) -> String {
        self.price
            .as_ref()
            .map_or_else(|| "as few instructions".to_owned(), |price| format!("as little {}", price.unit))
    }
}

/// The place of the best.
fn best_of(left: &[(&Candidate, &Taken)]) -> Option<usize> {
    let pages = left.iter().map(|(_, taken)| taken.steady_pages()).min()?;
    let as_few = |taken: &Taken| about_as_few(taken.steady_pages(), pages);
    let fewest = left.iter().filter(|(_, taken)| as_few(taken)).map(|(_, taken)| taken.work()).min()?;
    let fit = left
        .iter()
        .enumerate()
        .filter(|(_, (_, taken))| as_few(taken) && about_as_fast(taken.work(), fewest));
    // Code that was not weighed is somebody's default: it counts as the largest.
    let order = |(_, (candidate, taken)): &(usize, &(&Candidate, &Taken))| {
        (candidate.code_bytes().unwrap_or(u64::MAX), taken.steady_pages(), candidate.allocator.clone())
    };
    fit.min_by_key(order).map(|(at, _)| at)
}

/// Why the present allocator should stay; `None` if another is better.
fn keep(present: &Present, ranked: &[&Candidate], best: &Candidate, taken: &Taken) -> Option<String> {
    let name = present.name.as_deref().unwrap_or("the present allocator");
    let held = ranked.iter().filter(|candidate| present.candidates.contains(&candidate.allocator));
    let held: Vec<&Taken> = held.filter_map(|candidate| candidate.sound()).collect();
    let is_as_good = |held: &&Taken| {
        about_as_few(held.steady_pages(), taken.steady_pages()) && about_as_fast(held.work(), taken.work())
    };
    if present.candidates.contains(&best.allocator) || held.iter().any(is_as_good) {
        return Some(format!("{name} is in place, and no other is better"));
    }
    // What is no candidate can be judged by its own run only.
    let recorded = present
        .recorded_pages
        .filter(|&pages| present.candidates.is_empty() && about_as_few(pages, taken.peak_pages))?;
    Some(format!(
        "as far as the recording shows: {name} had its blocks within {}, and {} needs {}",
        counted(recorded, "page"),
        best.title,
        counted(taken.peak_pages, "page")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, pages: u64, instructions: u64, code: u64) -> Candidate {
        let own_code = OwnCode {
            oz_bytes: code,
            oz_optimised_bytes: code,
            oz_brotli_bytes: None,
            o3_bytes: code,
            o3_optimised_bytes: code,
        };
        Candidate {
            allocator: name.to_owned(),
            title: name.to_owned(),
            version: String::new(),
            role: Role::Peer,
            known_defects: Vec::new(),
            own_code: Some(own_code),
            figures: Some(Taken {
                peak_pages: pages,
                repeated_pages: Some([pages; 2]),
                fixed_pages: None,
                instructions,
                units: None,
            }),
            failure: None,
        }
    }

    fn advice(candidates: Vec<Candidate>) -> Advice {
        Advice {
            engine: String::new(),
            calls: 1,
            peak_live_bytes: 1,
            final_live_bytes: 0,
            price: None,
            final_live_blocks: 0,
            candidates,
        }
    }

    fn order(advice: &Advice) -> Vec<&str> {
        advice.ranked().into_iter().map(|candidate| candidate.allocator.as_str()).collect()
    }

    fn present(name: &str, pages: u64, candidates: &[&str]) -> Present {
        Present {
            name: Some(name.to_owned()),
            recorded_pages: Some(pages),
            candidates: candidates.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn pages_count_first_then_instructions_then_code() {
        let all = advice(vec![
            candidate("roomy", 200, 10, 10),
            candidate("slow", 100, 1000, 10),
            candidate("large", 101, 101, 5000),
            candidate("small", 101, 105, 50),
        ]);
        assert_eq!(order(&all), ["small", "large", "slow", "roomy"]);
        let Verdict::Take { allocator, reason } = all.verdict(None) else { panic!() };
        assert_eq!(allocator, "small");
        assert!(reason.contains("less code (50 bytes)"), "{reason}");
    }

    #[test]
    fn what_failed_and_the_floor_are_never_recommended() {
        let mut leaks = candidate("leaks", 1, 1, 1);
        leaks.failure = Some(Failure::Leaks { growth_bytes: 1, peak_live_bytes: 1 });
        let mut floor = candidate("floor", 1, 0, 1);
        floor.role = Role::Floor;
        let mut all = advice(vec![leaks, floor]);
        assert_eq!(all.verdict(None), Verdict::Nothing);
        let mut hardened = candidate("hardened", 1, 1, 1);
        hardened.role = Role::Hardened;
        all.candidates.push(hardened);
        assert_eq!(all.verdict(None), Verdict::Nothing);
        all.candidates.push(candidate("sound", 9, 9, 9));
        assert_eq!(order(&all), ["sound"]);
        assert_eq!(all.hardened().map(|(one, _)| &*one.allocator).collect::<Vec<_>>(), ["hardened"]);
    }

    #[test]
    fn the_present_one_stays_if_no_other_is_better() {
        let all = advice(vec![
            candidate("a", 100, 100, 10),
            candidate("b", 102, 105, 99),
            candidate("c", 300, 9, 9),
        ]);
        // By its own replay, whatever its recording took.
        assert!(matches!(all.verdict(Some(&present("b", 400, &["b"]))), Verdict::Keep { .. }));
        assert!(matches!(all.verdict(Some(&present("c", 100, &["c"]))), Verdict::Take { .. }));
        // One that cannot be replayed, by its recording.
        assert!(matches!(all.verdict(Some(&present("x", 103, &[]))), Verdict::Keep { .. }));
        assert!(matches!(all.verdict(Some(&present("x", 120, &[]))), Verdict::Take { .. }));
    }
}
