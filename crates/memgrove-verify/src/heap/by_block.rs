//! A second run of the original beside the first, on another heap: what the two do not have in common depends on more
//! than the program.

use super::blocks::{Blocks, Heaps, Own, Place, Run, Runs, Word, number};
use super::{Layout, Shadow};
use crate::engine::{EngineError, Instance, TrapReason, Value};
use crate::pair::{Answer, Compared, Original, Same, Sides, memory_bytes, trapped};
use crate::{Gap, Reason};

/// Why something is not compared.
const DEPENDS: &str = "depends on where the heap's blocks lie, or on bytes that were never written";
const BEYOND: &str = "writes beyond a block";

/// The original on a second heap, and what is known of the fixed module's.
pub(crate) struct ByBlock<'s> {
    sides: &'s Sides<'s>,
    second: Original,
    blocks: Blocks,
    /// What was called since the start.
    calls: Vec<(String, Vec<Value>)>,
}

impl<'s> ByBlock<'s> {
    /// Starts the second run.
    pub fn start(sides: &'s Sides<'s>) -> Result<Self, EngineError> {
        let second = sides.original_on(Layout::SECOND)?;
        Ok(Self { sides, second, blocks: Blocks::default(), calls: Vec::new() })
    }

    /// Makes the same call in the second run.
    ///
    /// # Errors
    /// Why it cannot be compared.
    pub fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Answer, Same> {
        self.calls.push((export.to_owned(), arguments.to_vec()));
        let (also, _) = self.second.call(export, arguments);
        self.second.not_comparable().map_or(Ok(also), Err)
    }

    /// What the same call did in all three.
    pub fn compare(&mut self, first: &mut Original, was: &Answer, also: &Answer, is: &Answer) -> Same {
        let agree = |answer: &Answer| match (was, answer) {
            (Ok(_), Ok(_)) => true,
            (Err(was), Err(other)) => kind(was) == kind(other),
            _ => false,
        };
        if !agree(also) {
            return Same::Open(DEPENDS);
        }
        match (was, also, is) {
            (Err(was), _, Err(is)) if first.is_same_trap(was, is) => trapped(is),
            (Ok(was), Ok(also), Ok(is)) => {
                let (was, also, is) = (&was.values, &also.values, &is.values);
                let words = {
                    let heaps = (first.heap().lock(), self.second.heap().lock());
                    let all = was.iter().zip(also).zip(is);
                    let word = |((was, also), is): ((&Value, &Value), &Value)| {
                        self.blocks.value(two(&heaps.0, &heaps.1), *was, *also, *is)
                    };
                    all.map(word).collect::<Vec<_>>()
                };
                if words.contains(&Word::Differs) {
                    let heap = first.heap().clone();
                    let same = |answer: &Answer, other: &Shadow| {
                        let Ok(answer) = answer else { return false };
                        let heap = heap.lock();
                        let suspects = words
                            .iter()
                            .zip(was)
                            .zip(&answer.values)
                            .filter(|((word, _), _)| **word == Word::Differs);
                        suspects.into_iter().all(|((_, was), is)| {
                            was == is || is_same_place((&heap, was.as_u64()), (other, is.as_u64()))
                        })
                    };
                    return self.verdict(first, |run, answer| same(answer, &run.heap().lock()));
                }
                if words.contains(&Word::Depends) { Same::Open(DEPENDS) } else { Same::Returned }
            }
            _ => self.verdict(first, |_, answer| agree(answer)),
        }
    }

    /// An exported global in all three.
    pub fn compare_global(&mut self, first: &mut Original, name: &str, was: Value, is: Value) -> Same {
        let Ok(also) = self.second.instance.global(name) else { return Same::Open(DEPENDS) };
        let word = {
            let heaps = (first.heap().lock(), self.second.heap().lock());
            self.blocks.value(two(&heaps.0, &heaps.1), was, also, is)
        };
        match word {
            Word::Same => Same::Returned,
            Word::Depends => Same::Open(DEPENDS),
            Word::Differs => self.verdict(first, |run, _| {
                let global = run.instance.global(name);
                global.is_ok_and(|other| other == was)
            }),
        }
    }

    /// Memory in all three: what each had at the start, and the blocks that it leads to.
    pub fn compare_memory(
        &mut self,
        first: &mut Original,
        fixed: &mut dyn Instance,
        sizes: (u64, u64),
    ) -> Result<Result<Compared, String>, EngineError> {
        let mut compared = Compared::default();
        let grown = memory_bytes(first.instance.as_mut()).saturating_sub(sizes.0);
        let found = {
            let heaps = (first.heap().clone(), self.second.heap().clone());
            let heaps = (heaps.0.lock(), heaps.1.lock());
            if grown != heaps.0.grown_bytes() {
                let words = "memory that something other than the heap grew";
                compared.gaps.push(Gap::new(Reason::MemoryNotVisible, words));
            }
            let mut runs = Runs {
                first: first.instance.as_mut(),
                second: self.second.instance.as_mut(),
                fixed,
                heaps: two(&heaps.0, &heaps.1),
            };
            let end = sizes.0.min(sizes.1);
            self.blocks.memory(&mut runs, &Own { ranges: std::slice::from_ref(&(0..end)), end })?
        };
        (compared.bytes, compared.blocks) = (found.bytes, found.blocks);
        let mut dependent = found.dependent;
        if found.broken.is_some() || !found.suspects.is_empty() {
            if !self.zones_are_whole(first)? {
                compared.gaps.push(Gap::new(Reason::DependsOnHeap, format!("it {BEYOND}")));
                return Ok(Ok(compared));
            }
            if let Some(broken) = found.broken {
                return Ok(Err(broken));
            }
            let words: Vec<_> = {
                let heap = first.heap().clone();
                let heap = heap.lock();
                let mut run = Run { instance: first.instance.as_mut(), heap: &*heap };
                let read = |(place, bytes): &(Place, u64)| (*place, *bytes, place.read(&mut run, *bytes));
                found.suspects.iter().map(read).collect()
            };
            for (place, bytes, was) in words {
                let differs = self.confirm(|run, _| {
                    let (heap, other) = (first.heap().lock(), run.heap().clone());
                    let other = other.lock();
                    let is = place.read(&mut Run { instance: run.instance.as_mut(), heap: &*other }, bytes);
                    match (&was, is) {
                        (Some(was), Some(is)) => {
                            *was == is || is_same_place((&heap, number(was)), (&other, number(&is)))
                        }
                        _ => false,
                    }
                });
                if differs {
                    return Ok(Err(format!("memory differs {}", place.text())));
                }
                dependent += 1;
            }
        }
        let mut not_compared = |count: usize, one: &str, many: &str| {
            if count > 0 {
                let words = memgrove_module::counted_as(count as u64, one, many);
                compared.gaps.push(Gap::new(Reason::DependsOnHeap, words));
            }
        };
        not_compared(dependent, "word of memory depends on addresses", "words of memory depend on addresses");
        not_compared(
            found.unseen,
            "block to which nothing seen points",
            "blocks to which nothing seen points",
        );
        Ok(Ok(compared))
    }

    /// Different, if that is how the original is on every heap.
    fn verdict(&mut self, first: &mut Original, agrees: impl Fn(&mut Original, &Answer) -> bool) -> Same {
        match self.zones_are_whole(first) {
            Ok(true) if self.confirm(agrees) => Same::Different(String::new()),
            Ok(true) => Same::Open(DEPENDS),
            _ => Same::Open(BEYOND),
        }
    }

    fn zones_are_whole(&mut self, first: &mut Original) -> Result<bool, EngineError> {
        let mut whole = true;
        for run in [first, &mut self.second] {
            let heap = run.heap().clone();
            whole &= heap.lock().zones_are_whole(run.instance.as_mut())?;
        }
        Ok(whole)
    }

    /// Whether the original does the same on other heaps, after the same calls.
    fn confirm(&self, agrees: impl Fn(&mut Original, &Answer) -> bool) -> bool {
        Layout::OTHERS.into_iter().all(|layout| {
            let Ok(mut run) = self.sides.original_on(layout) else { return false };
            let mut last = None;
            for (export, arguments) in &self.calls {
                let (answer, _) = run.call(export, arguments);
                if run.not_comparable().is_some() {
                    return false;
                }
                last = Some(answer);
            }
            last.is_some_and(|answer| agrees(&mut run, &answer))
        })
    }
}

/// The heaps of both runs of the original, where nothing is known of the new one.
const fn two<'h>(first: &'h Shadow, second: &'h Shadow) -> Heaps<'h> {
    Heaps { first, second, fixed: None }
}

/// The same place in the same block.
fn is_same_place((heap, was): (&Shadow, Option<u64>), (other, is): (&Shadow, Option<u64>)) -> bool {
    let place = |heap: &Shadow, number: Option<u64>| {
        heap.locate(number?).map(|(block, offset)| (block.number, offset))
    };
    place(heap, was).is_some_and(|place_of| place(other, is) == Some(place_of))
}

/// A trap's reason without a host's words.
fn kind(error: &EngineError) -> Option<TrapReason> {
    error.trap().map(|reason| match reason {
        TrapReason::Host(_) => TrapReason::Host(String::new()),
        other => other.clone(),
    })
}
