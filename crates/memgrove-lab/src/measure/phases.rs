//! The phases of a run. Each step that is in the record already is skipped, and the record is saved after
//! each step, so that a run can be interrupted anywhere and continued.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rayon::prelude::*;

use super::catalogue::{Catalogue, Guest};
use super::clock::MachineClock;
use super::count::{Expectation, count, counting_engine};
use super::dearest::{Marked, dearest};
use super::failure::Failure;
use super::lock::{TimingLock, busy_warning, load_average};
use super::repeat;
use super::results::{Count, Figures, Repeated, Results, ThreadWall};
use super::saved::ResultsError;
use super::subject::{Subject, Work};
use super::threads::Crew;
use super::wall::{Entrant, Rounds, time};
use super::{Event, MeasureError, Plan};
use crate::engine::{Engine, EngineId, Settings, open};
use crate::guest::Role;

/// The longest that one workload's rounds may go on, on one engine: a slow engine takes fewer rounds.
const ROUNDS_BUDGET: Duration = Duration::from_secs(20);

/// Fewer rounds have no spread.
const FEWEST_ROUNDS: usize = 3;

/// Keeps a record: whoever runs a measurement says how and where.
pub type Save<'a> = &'a (dyn Fn(&Results) -> Result<(), ResultsError> + Sync);

/// What every phase of a run is given.
#[derive(Clone, Copy)]
struct Run<'a> {
    plan: &'a Plan,
    guests: &'a [Guest],
    save: Option<Save<'a>>,
    tell: &'a (dyn Fn(Event<'_>) + Sync),
}

/// Measures what `plan` asks for and `results` lacks. With `save`, the record is handed to it after every
/// measurement.
///
/// # Errors
/// [`MeasureError`]; what was measured until then is in `results`, and saved.
pub fn run(
    plan: &Plan,
    catalogue: &Catalogue,
    results: &mut Results,
    save: Option<Save<'_>>,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Result<(), MeasureError> {
    let infos =
        plan.setting.allocators.iter().filter_map(|allocator| {
            catalogue.manifest.guests.iter().find(|info| info.allocator == allocator.id)
        });
    let guests = infos.map(|info| catalogue.guest(info)).collect::<Result<Vec<_>, _>>()?;
    let run = Run { plan, guests: &guests, save, tell };
    counts(run, results)?;
    if plan.calls {
        dearest_calls(run, results)?;
    }
    repeats(run, results)?;
    if plan.setting.rounds == 0 {
        return Ok(());
    }
    let _lock = TimingLock::take(&plan.lock_path)?;
    if let Some(warning) = busy_warning(load_before_us(), plan.setting.machine.cores) {
        tell(Event::Warning(warning));
    }
    for &engine in &plan.engines {
        walls(engine, run, results)?;
    }
    for &engine in &plan.engines {
        threads(engine, run, results)?;
    }
    Ok(())
}

/// Counting has just kept the cores busy itself; the load average remembers that for a minute. What others
/// do shows in the number of threads that want to run right now.
fn load_before_us() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let running: f64 = text.split_whitespace().nth(3)?.split('/').next()?.parse().ok()?;
    Some((running - 1.0).max(0.0).min(load_average()?))
}

fn saved(results: &Results, save: Option<Save<'_>>) -> Result<(), MeasureError> {
    Ok(save.map_or(Ok(()), |save| save(results))?)
}

/// Compiles every guest; those that cannot be are reported as failures of all workloads later.
fn load(engine: &dyn Engine, guests: &[Guest]) -> Vec<Result<Subject, Failure>> {
    guests.par_iter().map(|guest| load_one(engine, guest)).collect()
}

fn load_one(engine: &dyn Engine, guest: &Guest) -> Result<Subject, Failure> {
    Subject::load(engine, &guest.wasm).map_err(|error| Failure::Unusable { words: error.to_string() })
}

/// Whether a guest is timed under a workload. What failed the count is not; a leak runs, and its times say something.
fn is_sound(count: &Count) -> bool {
    matches!(count.failure, None | Some(Failure::Leaks { .. }))
}

fn counts(run: Run<'_>, results: &mut Results) -> Result<(), MeasureError> {
    let Run { plan, guests, save, tell } = run;
    tell(Event::Phase { name: "counting", steps: plan.works.len() * guests.len() });
    let engine = counting_engine(None)?;
    let subjects = load(&*engine, guests);
    let base = guests.iter().position(|guest| guest.info.allocator == plan.setting.base);
    for work in &plan.works {
        let one = |at: usize, expectation: Option<Expectation>| -> Count {
            let (id, role) = (&guests[at].info.allocator, guests[at].info.role);
            match &subjects[at] {
                Ok(subject) => count(subject, id, role, work, expectation),
                Err(failure) => Count {
                    allocator: id.clone(),
                    workload: work.id.clone(),
                    figures: None,
                    failure: Some(failure.clone()),
                },
            }
        };
        let missing =
            |results: &Results, at: usize| results.count(&guests[at].info.allocator, &work.id).is_none();
        // The base first: it says what the others may take and must answer.
        if let Some(base) = base.filter(|&base| missing(results, base)) {
            let counted = one(base, None);
            results.counts.push(counted);
            saved(results, save)?;
        }
        let expectation = results
            .figures(&plan.setting.base, &work.id)
            .map(|figures| Expectation { fuel: figures.fuel, checksum: figures.checksum });
        let rest: Vec<usize> = (0..guests.len()).filter(|&at| missing(results, at)).collect();
        (0..guests.len() - rest.len()).for_each(|_| tell(Event::Step));
        // Fuel and bytes do not depend on what else runs, so these may run side by side.
        let record = Mutex::new((&mut *results, Ok(())));
        rest.par_iter().for_each(|&at| {
            let counted = one(at, expectation);
            if let Some(failure) = &counted.failure {
                tell(Event::Failed { allocator: &counted.allocator, workload: &work.id, failure });
            }
            tell(Event::Step);
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.0.counts.push(counted);
            let outcome = saved(record.0, save);
            if record.1.is_ok() {
                record.1 = outcome;
            }
        });
        record.into_inner().unwrap_or_else(PoisonError::into_inner).1?;
    }
    order(plan, results);
    saved(results, save)
}

/// The dearest single call of each allocator under each workload that it did soundly, by the floor's calls.
fn dearest_calls(run: Run<'_>, results: &mut Results) -> Result<(), MeasureError> {
    let Run { plan, guests, save, tell } = run;
    let floor = guests.iter().position(|guest| Some(&guest.info.allocator) == plan.setting.floor.as_ref());
    let Some(floor) = floor else { return Ok(()) };
    tell(Event::Phase { name: "calls, one by one", steps: plan.works.len() });
    let engine = counting_engine(None)?;
    // Compiled when it is first needed, as a run that goes on may need few.
    let marked: Vec<OnceLock<Option<Marked>>> = guests.iter().map(|_| OnceLock::new()).collect();
    for work in &plan.works {
        tell(Event::Step);
        let figures: Vec<Option<Figures>> =
            guests.iter().map(|guest| results.figures(&guest.info.allocator, &work.id).copied()).collect();
        let is_due = |at: usize| {
            guests[at].info.role != Role::Floor
                && figures[at].is_some_and(|figures| figures.dearest_call_fuel.is_none())
        };
        let due: Vec<usize> = (0..guests.len()).filter(|&at| is_due(at)).collect();
        if due.is_empty() {
            continue;
        }
        let calls_of = |at: usize| {
            let figures = figures[at]?;
            let marked = marked[at].get_or_init(|| Marked::load(&*engine, &guests[at].wasm)).as_ref()?;
            let between = marked.run(work, figures.fuel.saturating_mul(2), figures.checksum)?;
            (between.len() as u64 == figures.calls).then_some(between)
        };
        let Some(on_floor) = calls_of(floor) else { continue };
        let found: Vec<Option<u64>> = due.par_iter().map(|&at| dearest(&calls_of(at)?, &on_floor)).collect();
        for (at, fuel) in due.into_iter().zip(found) {
            let id = &guests[at].info.allocator;
            let is_its = |count: &&mut Count| count.allocator == *id && count.workload == work.id;
            if let Some(figures) =
                results.counts.iter_mut().find(is_its).and_then(|count| count.figures.as_mut())
            {
                figures.dearest_call_fuel = fuel;
            }
        }
        saved(results, save)?;
    }
    Ok(())
}

/// Puts counts into the plan's order: they came in as they were done.
fn order(plan: &Plan, results: &mut Results) {
    let work = |id: &str| plan.works.iter().position(|work| work.id == id);
    let allocator = |id: &str| plan.setting.allocators.iter().position(|allocator| allocator.id == id);
    results.counts.sort_by_key(|count| (work(&count.workload), allocator(&count.allocator)));
}

fn walls(engine: EngineId, run: Run<'_>, results: &mut Results) -> Result<(), MeasureError> {
    let Run { plan, guests, save, tell } = run;
    let name = match engine {
        EngineId::Wasmtime => "timing on wasmtime",
        EngineId::Wasmi => "timing on wasmi",
        EngineId::Node => "timing on node",
        EngineId::WasmtimePy => "timing on wasmtime-py",
    };
    tell(Event::Phase { name, steps: plan.works.len() });
    // Only what has ended under fuel is timed.
    let settings = Settings { timing: true, apart: true, ..Settings::default() };
    let opened = open(engine, &settings)?;
    // A guest that fails every count may not even end when it is asked for its name: here nothing counts its fuel.
    let subjects: Vec<Option<Subject>> = guests
        .par_iter()
        .map(|guest| {
            let id = &guest.info.allocator;
            let known = results.counts.iter().any(|count| count.allocator == *id && is_sound(count));
            known.then(|| load_one(&*opened, guest).ok()).flatten()
        })
        .collect();
    // Another compilation of the base's guest, as separate as any other allocator's.
    let base = guests.iter().position(|guest| guest.info.allocator == plan.setting.base);
    let control = base.map(|base| load_one(&*opened, &guests[base]));
    let clock = MachineClock::new();
    let rounds = Rounds {
        minimum: FEWEST_ROUNDS.min(plan.setting.rounds),
        maximum: plan.setting.rounds,
        budget: ROUNDS_BUDGET,
    };
    for work in &plan.works {
        tell(Event::Step);
        if results.wall(engine, &work.id, &plan.setting.base, false).is_some() {
            continue;
        }
        let sound = |id: &str| results.count(id, &work.id).is_some_and(is_sound);
        let mut entrants: Vec<Entrant<'_>> = guests
            .iter()
            .zip(&subjects)
            .filter(|(guest, _)| sound(&guest.info.allocator))
            .filter_map(|(guest, subject)| {
                let subject = subject.as_ref()?;
                Some(Entrant { allocator: &guest.info.allocator, control: false, subject })
            })
            .collect();
        if let (Some(Ok(subject)), true) = (&control, sound(&plan.setting.base)) {
            entrants.push(Entrant { allocator: &plan.setting.base, control: true, subject });
        }
        let walls = time(engine, &entrants, work, rounds, &clock);
        for wall in &walls {
            if let Some(failure) = &wall.failure {
                tell(Event::Failed { allocator: &wall.allocator, workload: &wall.workload, failure });
            }
        }
        results.walls.extend(walls);
        saved(results, save)?;
    }
    Ok(())
}

/// What heaps hold after many rounds of the same work, of those that did it soundly.
fn repeats(run: Run<'_>, results: &mut Results) -> Result<(), MeasureError> {
    let Run { plan, guests, save, tell } = run;
    let rounds = plan.setting.repeats;
    if rounds == 0 {
        return Ok(());
    }
    let guests: Vec<_> = guests.iter().filter(|guest| guest.info.role != Role::Floor).collect();
    tell(Event::Phase { name: "repeating", steps: plan.works.len() * guests.len() });
    let engine = repeat::engine()?;
    for guest in guests {
        let id = &guest.info.allocator;
        // What each work answered when it was counted, of those that are to be repeated.
        let missing: Vec<(&Work, u64)> = plan
            .works
            .iter()
            .filter(|work| results.repeated(id, &work.id).is_none())
            .filter_map(|work| Some((work, results.figures(id, &work.id)?.checksum)))
            .collect();
        (missing.len()..plan.works.len()).for_each(|_| tell(Event::Step));
        if missing.is_empty() {
            continue;
        }
        let subject = load_one(&*engine, guest);
        let repeated: Vec<Repeated> = missing
            .par_iter()
            .map(|&(work, checksum)| {
                let repeated = repeat::repeat(subject.as_ref(), id, work, rounds, checksum);
                if let Some(failure) = &repeated.failure {
                    tell(Event::Failed { allocator: id, workload: &work.id, failure });
                }
                tell(Event::Step);
                repeated
            })
            .collect();
        results.repeated.extend(repeated);
        saved(results, save)?;
    }
    Ok(())
}

fn threads(engine: EngineId, run: Run<'_>, results: &mut Results) -> Result<(), MeasureError> {
    let Run { plan, guests, save, tell } = run;
    let with_threads: Vec<_> =
        guests.iter().filter(|guest| guest.threads.is_some() && guest.info.role != Role::Floor).collect();
    if !engine.has_threads() || plan.thread_workloads.is_empty() || with_threads.is_empty() {
        return Ok(());
    }
    let name = if engine == EngineId::Node { "threads on node" } else { "threads on wasmtime" };
    tell(Event::Phase { name, steps: plan.thread_workloads.len() * plan.threads.len() });
    let settings = Settings { timing: true, apart: true, ..Settings::default() };
    let most = plan.threads.iter().copied().max().unwrap_or(1);
    for workload in &plan.thread_workloads {
        for &count in &plan.threads {
            tell(Event::Step);
            let done = |wall: &ThreadWall| {
                (wall.engine, wall.workload.as_str(), wall.threads) == (engine, workload.as_str(), count)
            };
            if results.threads.iter().any(done) {
                continue;
            }
            // A fresh heap for each series; threads that hang are left behind with it.
            let mut crews: Vec<(ThreadWall, Option<Crew>)> = Vec::new();
            for guest in &with_threads {
                let Some(wasm) = &guest.threads else { continue };
                let id = &guest.info.allocator;
                match Crew::assemble(engine, &settings, wasm, most) {
                    Ok(crew) if crew.has(workload) => {
                        crews.push((crew.begin(id, workload, count), Some(crew)))
                    }
                    Ok(_) => {}
                    Err(error) => crews.push((
                        ThreadWall {
                            engine,
                            workload: workload.clone(),
                            allocator: id.clone(),
                            threads: count,
                            elapsed_ns: Vec::new(),
                            heap_bytes: 0,
                            failure: Some(Failure::Unusable { words: error.to_string() }),
                        },
                        None,
                    )),
                }
            }
            for round in 0..plan.setting.rounds.max(FEWEST_ROUNDS) {
                for turn in 0..crews.len() {
                    let at = (turn + round) % crews.len();
                    let (wall, crew) = &mut crews[at];
                    if let Some(crew) = crew {
                        crew.round(wall, plan.setting.scale_percent, plan.setting.seed);
                    }
                }
            }
            for (wall, _) in crews {
                if let Some(failure) = &wall.failure {
                    tell(Event::Failed { allocator: &wall.allocator, workload: &wall.workload, failure });
                }
                results.threads.push(wall);
            }
            saved(results, save)?;
        }
    }
    Ok(())
}
