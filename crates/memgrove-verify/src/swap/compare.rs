//! Original and new module side by side, and what a step comes to in both.

use memgrove_module::counted;

use super::observation::Observation;
use super::observed::Seen;
use super::verify::Subject;
use super::work::{Answer, Called, FIRST, Layout, OTHERS, SECOND, Step, Work};
use crate::engine::{EngineError, TrapReason, Value};
use crate::heap::{Blocks, Heap, Heaps, Own, Place, Run, Runs, Word, number};
use crate::pair::Sides;

/// Why something is not compared.
const DEPENDS: &str = "depends on where the heap's blocks lie, or on bytes that were never written";

/// Where the memory ends is the heap's.
const NOT_THERE: &str = "accesses memory that is not there";
/// A block may have been taken for a length, or for what it is not.
pub(super) const MEANINGLESS: &str = "differs for blocks whose contents mean nothing to it";

/// Heaps in which a block lies where it lies in the new one: for so many blocks, the first ones.
const MOST_ALIKE: usize = 4;
/// By less nothing can be moved with every allocator, in bytes.
const LEAST_SHIFT: u64 = 16;
/// How often the distance is put right for that.
const MOST_TRIES: u32 = 4;

/// What a call came to in all three.
pub(super) enum Same {
    Yes,
    /// In all but addresses, which are the same places.
    ByPlace,
    Exhausted,
    Open(&'static str),
    Different(String),
}

pub(super) struct Three<'w> {
    pub first: Work<'w>,
    pub second: Work<'w>,
    pub new: Work<'w>,
    steps: Vec<Step>,
}

pub(super) struct Check<'c, 's> {
    pub subject: &'c Subject<'c>,
    pub observation: &'c Observation,
    pub sides: &'c Sides<'s>,
}

impl<'c> Check<'c, '_> {
    fn work(&self, layout: Option<Layout>) -> Result<Work<'c>, EngineError> {
        Work::start(self.subject, self.observation, self.sides, layout)
    }

    pub fn start(&self) -> Result<Three<'c>, EngineError> {
        let (first, second) = (self.work(Some(FIRST))?, self.work(Some(SECOND))?);
        Ok(Three { first, second, new: self.work(None)?, steps: Vec::new() })
    }

    pub fn step(&self, three: &mut Three<'c>, step: Step) -> Result<Same, EngineError> {
        let (was, also) = (three.first.step(&step)?, three.second.step(&step)?);
        let is = three.new.step(&step)?;
        let words = match &step {
            Step::Call { export, arguments } => format!("`{export}` with {arguments:?}"),
            Step::Block(contents) => format!("a block of {} bytes", contents.len()),
        };
        three.steps.push(step);
        if [&was, &also, &is].iter().any(|answer| answer.called == Called::Ended) {
            return Ok(Same::Exhausted);
        }
        if let Some(why) = three.first.seen.incomparable().or_else(|| three.second.seen.incomparable()) {
            return Ok(Same::Open(why));
        }
        let is_out_of_bounds = |answer: &Answer| matches!(&answer.called, Called::Trapped(reason) if *reason == format!("{:?}", TrapReason::MemoryOutOfBounds));
        if is_out_of_bounds(&was) || is_out_of_bounds(&also) {
            return Ok(Same::Open(NOT_THERE));
        }
        if was.asked != also.asked || !same_kind(&was.called, &also.called) {
            return Ok(Same::Open(DEPENDS));
        }
        let differs = || Same::Different(format!("{words}: {:?} before, {:?} after", was.called, is.called));
        if let Some(why) = three.new.seen.incomparable() {
            // Memory may be exhausted earlier, which is told where that is asked.
            return Ok(match why.starts_with("memory") || was.asked == is.asked {
                true => Same::Open(why),
                false => self.verdict(three, &was, differs()),
            });
        }
        if was.asked != is.asked {
            let how = Same::Different(format!(
                "{words}: {} of the allocator before, {} after, or other ones",
                counted(was.asked.len() as u64, "call"),
                counted(is.asked.len() as u64, "call"),
            ));
            return Ok(self.verdict(three, &was, how));
        }
        let (Called::Returned(first), Called::Returned(second), Called::Returned(new)) =
            (&was.called, &also.called, &is.called)
        else {
            return Ok(match same_kind(&was.called, &is.called) {
                true => Same::Yes,
                false => self.verdict(three, &was, differs()),
            });
        };
        let mut blocks = Blocks::default();
        let heaps = three.heaps();
        let values = first.iter().zip(second).zip(new);
        let found: Vec<Word> =
            values.map(|((was, also), is)| blocks.value(heaps, *was, *also, *is)).collect();
        Ok(if found.contains(&Word::Differs) {
            self.verdict(three, &was, differs())
        } else if found.contains(&Word::Depends) {
            Same::Open(DEPENDS)
        } else if first == new {
            Same::Yes
        } else {
            Same::ByPlace
        })
    }

    /// Different, if the original does the same as the first time in every heap.
    fn verdict(&self, three: &Three<'_>, was: &Answer, different: Same) -> Same {
        if three.steps.iter().any(|step| matches!(step, Step::Block(_))) {
            return Same::Open(MEANINGLESS);
        }
        let agrees = |other: &Work<'_>, answer: Option<Answer>| {
            let Some(answer) = answer else { return false };
            let same = |(was, is): (&Value, &Value)| {
                was == is || is_same_place(&three.first.seen, was.as_u64(), &other.seen, is.as_u64())
            };
            answer.asked == was.asked
                && match (&was.called, &answer.called) {
                    (Called::Returned(was), Called::Returned(is)) => was.iter().zip(is).all(same),
                    (was, is) => same_kind(was, is),
                }
        };
        let mut again = elsewhere(three).filter_map(|heap| self.again_in(three, heap));
        match again.all(|again| again.is_ok_and(|(other, last)| agrees(&other, last))) {
            true => different,
            false => Same::Open(DEPENDS),
        }
    }

    /// The original once more, in another heap; none where it cannot be had.
    fn again_in(&self, three: &Three<'_>, heap: Elsewhere) -> Option<Again<'c>> {
        match heap {
            Elsewhere::Laid(layout) => Some(self.again(layout, &three.steps)),
            Elsewhere::Alike(block) => self.alike(three, block),
        }
    }

    /// The original in another heap, after the same steps; the last one's answer.
    fn again(&self, layout: Layout, steps: &[Step]) -> Again<'c> {
        let mut other = self.work(Some(layout))?;
        let mut last = None;
        for step in steps {
            last = Some(other.step(step)?);
            if other.seen.incomparable().is_some() {
                return Ok((other, None));
            }
        }
        Ok((other, last))
    }

    /// The original in a heap in which this block lies where it lies in the new one, or so many whole pages from there: an
    /// address is data, too, and what a program makes of it may change with one byte of it.
    fn alike(&self, three: &Three<'_>, block: usize) -> Option<Again<'c>> {
        const PAGE_BYTES: u64 = memgrove_module::PAGE_BYTES;
        let wanted = three.new.seen.address(block)?;
        let at = three.first.seen.address(block)?;
        let mut shift = match wanted.checked_sub(at) {
            Some(shift) if shift >= LEAST_SHIFT => shift,
            _ => PAGE_BYTES + (wanted.wrapping_sub(at)) % PAGE_BYTES,
        };
        // A shift is a block, too, which has a header and is rounded.
        for _ in 0..MOST_TRIES {
            let shift_bytes = u32::try_from(shift).ok()?;
            let layout = Layout { fill: FIRST.fill, shift_bytes, seed: None };
            let again = self.again(layout, &three.steps);
            let Ok((work, _)) = &again else { return Some(again) };
            let too_far = work.seen.address(block)?.wrapping_sub(wanted) % PAGE_BYTES;
            match too_far {
                0 => return Some(again),
                bytes if bytes < PAGE_BYTES / 2 && shift > bytes => shift -= bytes,
                bytes => shift += PAGE_BYTES - bytes,
            }
        }
        None
    }

    /// Memory in all three: how it differs, else how many bytes and blocks were compared.
    pub fn memory(&self, three: &mut Three<'c>) -> Result<Result<(u64, usize), String>, EngineError> {
        let lowest =
            [&three.first, &three.second, &three.new].into_iter().filter_map(|work| work.seen.lowest());
        // A header lies before a block.
        let end = lowest.min().map_or(self.observation.data_end, |lowest| lowest.saturating_sub(64));
        let end = end.min(self.observation.initial_bytes);
        let mut ranges = self.observation.own.clone().unwrap_or_default();
        ranges.retain_mut(|range| {
            range.end = range.end.min(end);
            range.start < range.end
        });
        let found = {
            let Three { first, second, new, .. } = &mut *three;
            let heaps = Heaps { first: &first.seen, second: &second.seen, fixed: Some(&new.seen) };
            let mut runs = Runs {
                first: first.instance.as_mut(),
                second: second.instance.as_mut(),
                fixed: new.instance.as_mut(),
                heaps,
            };
            Blocks::default().memory(&mut runs, &Own { ranges: &ranges, end })?
        };
        if let Some(broken) = found.broken {
            return Ok(Err(broken));
        }
        let mut suspects = found.suspects;
        if suspects.is_empty() {
            return Ok(Ok((found.bytes, found.blocks)));
        }
        for heap in elsewhere(three) {
            let Some(again) = self.again_in(three, heap) else { continue };
            let Ok((mut other, _)) = again else { return Ok(Ok((0, 0))) };
            if other.seen.incomparable().is_some() {
                return Ok(Ok((0, 0)));
            }
            suspects.retain(|(place, bytes)| {
                let was = read(&mut three.first, *place, *bytes);
                let is = read(&mut other, *place, *bytes);
                let (Some(was), Some(is)) = (was, is) else { return false };
                was == is || is_same_place(&three.first.seen, number(&was), &other.seen, number(&is))
            });
            if suspects.is_empty() {
                break;
            }
        }
        Ok(match suspects.first() {
            Some((place, _)) => Err(format!("memory differs {}", place.text())),
            None => Ok((found.bytes, found.blocks)),
        })
    }
}

/// The original in another heap, and its answer to the last step.
type Again<'c> = Result<(Work<'c>, Option<Answer>), EngineError>;

/// Heaps that the original is asked in before anything is called different.
enum Elsewhere {
    Laid(Layout),
    /// With this block where it lies in the new heap.
    Alike(usize),
}

fn elsewhere(three: &Three<'_>) -> impl Iterator<Item = Elsewhere> + use<> {
    let blocks = 0..MOST_ALIKE.min(three.new.seen.count());
    OTHERS.into_iter().map(Elsewhere::Laid).chain(blocks.map(Elsewhere::Alike))
}

impl Three<'_> {
    fn heaps(&self) -> Heaps<'_> {
        Heaps { first: &self.first.seen, second: &self.second.seen, fixed: Some(&self.new.seen) }
    }
}

fn read(work: &mut Work<'_>, place: Place, bytes: u64) -> Option<Vec<u8>> {
    place.read(&mut Run { instance: work.instance.as_mut(), heap: &work.seen }, bytes)
}

fn is_same_place(heap: &Seen, was: Option<u64>, other: &Seen, is: Option<u64>) -> bool {
    let (Some(was), Some(is)) = (was, is) else { return false };
    let places = other.places(is);
    heap.places(was).iter().any(|place| places.contains(place))
}

fn same_kind(was: &Called, is: &Called) -> bool {
    match (was, is) {
        (Called::Trapped(was), Called::Trapped(is)) => was == is,
        (was, is) => std::mem::discriminant(was) == std::mem::discriminant(is),
    }
}
