//! A trace on every allocator: what `memgrove advise` measures.

use memgrove_inspect::knowledge::Price;
use memgrove_results::advice::{Advice, Candidate, PAGE_BYTES, Priced, Taken};
use rayon::prelude::*;

use super::catalogue::{BASE, Catalogue};
use super::count::{Expectation, count, counting_engine};
use super::failure::Failure;
use super::replayer::replayer;
use super::results::{Count, Figures};
use super::subject::{Subject, Work};
use super::{MeasureError, Trace};
use crate::engine::{Engine, EngineError};
use crate::guest::{GuestInfo, Role};

/// Allocators that are ready to replay.
pub struct Replayers {
    version: String,
    price: Option<Chain>,
    guests: Vec<Guest>,
}

/// A chain, and what it charges.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Id of the host.
    pub host: String,
    /// Its prices.
    pub price: Price,
}

/// An allocator, ready to replay.
struct Guest {
    info: GuestInfo,
    counted: Result<Subject, Failure>,
    /// The same, in the chain's steps.
    priced: Option<Result<Subject, Failure>>,
}

impl Replayers {
    /// Makes these allocators ready (names or groups as [`Catalogue::allocators`] takes them), and with them the floor,
    /// the base, and what has traps at misuse. With a `price`, a chain's is counted beside instructions.
    ///
    /// # Errors
    /// [`MeasureError`] for a name that is not known, a broken catalogue, or a build without the engine.
    pub fn load(
        catalogue: &Catalogue,
        allocators: &[String],
        price: Option<Chain>,
    ) -> Result<Self, MeasureError> {
        let chosen = catalogue.allocators(allocators)?;
        let is_needed = |info: &&GuestInfo| {
            info.role == Role::Floor
                || info.role == Role::Hardened
                || info.allocator == BASE
                || chosen.iter().any(|chosen| chosen.allocator == info.allocator)
        };
        let infos: Vec<&GuestInfo> = catalogue.manifest.guests.iter().filter(is_needed).collect();
        let engine = counting_engine(None)?;
        let pricing = price.as_ref().map(|chain| counting_engine(Some(&chain.price))).transpose()?;
        let ready = |info: &GuestInfo| {
            let guest = catalogue.guest(info)?;
            let wasm = replayer(&guest.wasm).map_err(|error| Failure::Unusable { words: error.to_string() });
            let load = |engine: &dyn Engine| load(engine, wasm.as_ref().map_err(Clone::clone)?);
            let (counted, priced) = (load(&*engine), pricing.as_ref().map(|engine| load(&**engine)));
            Ok::<_, MeasureError>(Guest { info: guest.info, counted, priced })
        };
        let guests = infos.into_par_iter().map(ready).collect::<Result<_, _>>()?;
        Ok(Self { version: engine.version().to_owned(), price, guests })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.guests.len()
    }

    /// Replays a trace on all. `step` is called when one is done. What an allocator fails is a result.
    #[must_use]
    pub fn advise(&self, trace: &Trace, step: &(dyn Fn() + Sync)) -> Advice {
        let work = trace.work();
        let summary = trace.summary();
        let final_live_blocks = summary.allocations.saturating_sub(summary.frees);
        let is_empty = final_live_blocks == 0;
        let one = |at: usize, expectation: Option<Expectation>| -> Measured {
            let Guest { info, counted, priced } = &self.guests[at];
            let mut measured = match counted {
                Ok(subject) => measure(subject, info, &work, expectation, is_empty),
                Err(failure) => Measured { failure: Some(failure.clone()), ..Measured::default() },
            };
            measured.steps =
                priced.as_ref().and_then(|priced| steps(priced.as_ref().ok()?, &work, &measured));
            step();
            measured
        };
        // The base first: it says what the others may take and must answer.
        let base_at = self.guests.iter().position(|guest| guest.info.allocator == BASE);
        let base = base_at.map(|at| one(at, None));
        let expectation = base.as_ref().and_then(|base| {
            base.figures.map(|figures| Expectation { fuel: figures.fuel, checksum: figures.checksum })
        });
        let others: Vec<Option<Measured>> = (0..self.guests.len())
            .into_par_iter()
            .map(|at| (Some(at) != base_at).then(|| one(at, expectation)))
            .collect();
        let mut base = base;
        let all: Vec<(&GuestInfo, Measured)> = (self.guests.iter().map(|guest| &guest.info))
            .zip(others)
            .filter_map(|(info, measured)| Some((info, measured.or_else(|| base.take())?)))
            .collect();

        let floor = all.iter().find(|(info, _)| info.role == Role::Floor);
        // The floor copies at each reallocation, which is an allocator's own doing.
        let copied = summary.copied_bytes;
        let floor_fuel = (floor.and_then(|(_, floor)| floor.figures))
            .map_or(0, |figures| figures.fuel.saturating_sub(copied));
        let copied_steps =
            copied.saturating_mul(self.price.as_ref().map_or(0, |chain| chain.price.byte.into()));
        let floor_steps =
            floor.and_then(|(_, floor)| floor.steps).map(|steps| steps.saturating_sub(copied_steps));
        let units = |steps: Option<u64>| {
            let chain = self.price.as_ref()?;
            Some(steps?.saturating_sub(floor_steps?).saturating_mul(chain.price.step))
        };
        let candidates = all.into_iter().map(|(info, measured)| Candidate {
            allocator: info.allocator.clone(),
            title: info.title.clone(),
            version: info.version.clone(),
            role: info.role,
            known_defects: info.known_defects.clone(),
            own_code: info.own_code,
            figures: (measured.figures.as_ref()).map(|figures| Taken {
                units: units(measured.steps),
                ..taken(figures, measured.fixed_pages, floor_fuel, is_empty)
            }),
            failure: measured.failure,
        });
        Advice {
            engine: format!("wasmtime {}", self.version),
            calls: summary.allocations + summary.reallocations + summary.frees,
            peak_live_bytes: summary.peak_live_bytes,
            final_live_bytes: summary.live_bytes,
            price: self.price.as_ref().map(|chain| Priced {
                host: chain.host.clone(),
                unit: chain.price.unit.clone(),
                without: chain.price.without.clone(),
            }),
            final_live_blocks,
            candidates: candidates.collect(),
        }
    }
}

/// What one allocator took.
#[derive(Default)]
struct Measured {
    figures: Option<Figures>,
    steps: Option<u64>,
    fixed_pages: Option<u64>,
    failure: Option<Failure>,
}

/// Steps of the same run, at a chain's prices. An instruction has at most 255, and a byte or page as many.
fn steps(subject: &Subject, work: &Work, measured: &Measured) -> Option<u64> {
    const MOST_STEPS: u64 = 512;
    let figures = measured.figures?;
    let run = subject.begin(work).ok()?.run(figures.fuel.saturating_mul(MOST_STEPS)).ok()?;
    run.fuel.filter(|_| run.checksum == figures.checksum)
}

fn load(engine: &dyn Engine, replayer: &[u8]) -> Result<Subject, Failure> {
    Subject::load_replayer(engine, replayer)
        .map_err(|error: EngineError| Failure::Unusable { words: error.to_string() })
}

fn measure(
    subject: &Subject,
    info: &GuestInfo,
    work: &Work,
    expectation: Option<Expectation>,
    ends_empty: bool,
) -> Measured {
    let Count { figures, failure, .. } = count(subject, &info.allocator, info.role, work, expectation);
    // What a log leaves live is there twice after the same calls again, with any allocator.
    let failure = failure.filter(|failure| ends_empty || !matches!(failure, Failure::Leaks { .. }));
    let is_sound = failure.is_none() && info.role != Role::Floor;
    let fixed_pages = figures.filter(|_| is_sound).and_then(|figures| fewest_pages(subject, work, &figures));
    Measured { figures, steps: None, fixed_pages, failure }
}

/// A replay in a heap that cannot grow. Pages are counted in the memory as a whole, as some guests take one whenever they
/// are called; what of it is not the heap's is the same in every run.
struct FixedHeap<'a> {
    subject: &'a Subject,
    work: &'a Work,
    checksum: u64,
    peak_live_bytes: u64,
    fuel_limit: u64,
    /// Pages of the memory before and after a run in which it grows.
    first: u64,
    last: u64,
    /// Bytes of the memory that are not the heap's.
    others: u64,
}

impl<'a> FixedHeap<'a> {
    fn new(subject: &'a Subject, work: &'a Work, figures: &Figures) -> Option<Self> {
        let fuel_limit = figures.fuel.saturating_mul(super::failure::FUEL_LIMIT_RATIO);
        let mut bout = subject.begin(work).ok()?;
        let first = bout.memory_pages().ok()?;
        let run = bout.run(fuel_limit).ok()?;
        let last = bout.memory_pages().ok()?;
        let heap_bytes = bout.counter("heap_bytes").ok().filter(|_| run.checksum == figures.checksum)?;
        let others = (bout.memory_pages().ok()? * PAGE_BYTES).checked_sub(heap_bytes)?;
        let (checksum, peak_live_bytes) = (figures.checksum, figures.peak_live_bytes);
        Some(Self { subject, work, checksum, peak_live_bytes, fuel_limit, first, last, others })
    }

    /// The heap's part of a memory of so many pages.
    fn heap_pages(&self, pages: u64) -> u64 {
        (pages * PAGE_BYTES).saturating_sub(self.others).div_ceil(PAGE_BYTES)
    }

    /// Whether a memory of so many pages holds the replay.
    fn runs(&self, pages: u64) -> bool {
        let Ok(mut bout) = self.subject.begin(self.work) else { return false };
        bout.limit_pages(pages).is_ok()
            && bout.run(self.fuel_limit).is_ok_and(|run| run.checksum == self.checksum)
    }

    /// The pages of the smallest memory that holds it, while one page fewer does not, by bisection: it ran with what it took
    /// itself, and cannot with less than what is live.
    fn fewest(&self) -> Option<u64> {
        let mut holds = self.last;
        if !self.runs(holds) {
            return None;
        }
        // Memory is never less than what it begins with.
        if self.runs(self.first) {
            return Some(self.first);
        }
        let live = (self.others + self.peak_live_bytes) / PAGE_BYTES;
        let mut fails = self.first.max(live.saturating_sub(1));
        while holds.saturating_sub(fails) > 1 {
            let middle = fails + (holds - fails) / 2;
            if self.runs(middle) {
                holds = middle;
            } else {
                fails = middle;
            }
        }
        Some(holds)
    }
}

/// The pages of the smallest heap that cannot grow and holds a replay.
fn fewest_pages(subject: &Subject, work: &Work, figures: &Figures) -> Option<u64> {
    let heap = FixedHeap::new(subject, work, figures)?;
    heap.fewest().map(|pages| heap.heap_pages(pages))
}

fn taken(figures: &Figures, fixed_pages: Option<u64>, floor_fuel: u64, ends_empty: bool) -> Taken {
    let [second, third] = figures.growth_bytes;
    let pages = |bytes: u64| bytes.div_ceil(PAGE_BYTES);
    let after_two = figures.heap_bytes + second;
    Taken {
        peak_pages: pages(figures.heap_bytes),
        repeated_pages: ends_empty.then(|| [pages(after_two), pages(after_two + third)]),
        fixed_pages,
        instructions: figures.fuel.saturating_sub(floor_fuel),
        units: None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use memgrove_trace::Encoder;

    use super::*;

    /// Blocks of sizes far apart, of which one in three lives long: what a heap cannot grow for has to fit into its holes.
    fn trace() -> Trace {
        const SIZES: [u64; 5] = [24, 70_000, 300, 4000, 33];
        let mut encoder = Encoder::new();
        let mut live = Vec::new();
        for (round, size) in (0..400).zip(SIZES.into_iter().cycle()) {
            live.push(encoder.allocate(size + round as u64, 8, false));
            if round % 3 > 0 {
                let block = live.swap_remove(round * 7 % live.len());
                encoder.free(block);
            }
        }
        live.into_iter().for_each(|block| encoder.free(block));
        Trace::of(encoder.finish(), Path::new("made.mgtr")).expect("it is a trace")
    }

    /// The floor copies whenever a block grows, which must not be taken off what others take.
    #[test]
    fn what_the_floor_copies_is_not_taken_off() {
        let mut encoder = Encoder::new();
        let blocks = [encoder.allocate(1000, 8, false), encoder.allocate(1000, 8, false)];
        for size in (2..200).map(|thousands| thousands * 1000) {
            blocks.iter().for_each(|block| encoder.reallocate(*block, size));
        }
        blocks.into_iter().for_each(|block| encoder.free(block));
        let trace = Trace::of(encoder.finish(), Path::new("made.mgtr")).expect("it is a trace");
        let catalogue = Catalogue::embedded().expect("it is there");
        let names = ["memgrove-dlmalloc", "dlmalloc"].map(str::to_owned);
        let advice =
            Replayers::load(&catalogue, &names, None).expect("they are ready").advise(&trace, &|| ());
        for candidate in advice.candidates.iter().filter(|candidate| candidate.role != Role::Floor) {
            let taken = candidate.figures.expect("it gets through").instructions;
            assert!(taken > advice.calls * 10, "{}: {taken} in {} calls", candidate.allocator, advice.calls);
        }
    }

    #[test]
    fn one_page_fewer_than_the_smallest_fixed_heap_fails_and_every_smaller_one() {
        let names = ["memgrove-wee", "memgrove-dlmalloc", "dlmalloc"].map(str::to_owned);
        let catalogue = Catalogue::embedded().expect("it is there");
        let replayers = Replayers::load(&catalogue, &names, None).expect("they are ready");
        let trace = trace();
        let work = trace.work();
        let advice = replayers.advise(&trace, &|| ());
        for name in names {
            let guest =
                replayers.guests.iter().find(|guest| guest.info.allocator == name).expect("it was asked for");
            let Ok(subject) = &guest.counted else { panic!("{name}: {:?}", guest.counted.as_ref().err()) };
            let figures = count(subject, &name, guest.info.role, &work, None).figures.expect("it runs");
            let heap = FixedHeap::new(subject, &work, &figures).expect("it runs again");
            let fewest = heap.fewest().expect("it holds what it took");
            // Not only the one below, which the bisection asked itself: more room is never too little.
            let least = advice.peak_live_bytes / PAGE_BYTES;
            assert!(heap.first < least && least < fewest && fewest <= heap.last, "{name}: {fewest}");
            for pages in least..=heap.last + 2 {
                assert_eq!(heap.runs(pages), pages >= fewest, "{name} with {pages} pages, of {fewest}");
            }
            let said = advice.candidates.iter().find(|candidate| candidate.allocator == name);
            let said = said.and_then(|candidate| candidate.figures).and_then(|figures| figures.fixed_pages);
            assert_eq!(said, Some(heap.heap_pages(fewest)), "{name}");
        }
    }
}
