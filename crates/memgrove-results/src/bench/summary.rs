//! What a record adds up to: one line for each allocator, and ratios by workload.

use memgrove_module::PAGE_BYTES;

use super::failure::Failure;
use super::results::{Allocator, Count, Figures, Heat, Repeated, Results, ThreadWall};
use super::stats::{Comparison, Summary, geometric_mean, ratios_by_round};
use crate::EngineId;
use crate::guest::Role;

/// All of one allocator.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Which one.
    pub allocator: &'a Allocator,
    /// Geometric mean of its fuel by the base's, over the workloads that both did.
    pub fuel_ratio: Option<f64>,
    /// Its own fuel per call, less the floor's: of every workload.
    pub own_fuel: Option<OwnFuel>,
    /// Geometric mean of heap bytes by peak live bytes.
    pub footprint: Option<f64>,
    /// Growths of memory in a workload's first run: the mean.
    pub growths: Option<f64>,
    /// The most fuel that one call took, less the floor's for the same call.
    pub dearest_call_fuel: Option<u64>,
    /// Geometric mean of its heap's bytes by the base's, after the last round of repeated work.
    pub held_ratio: Option<f64>,
    /// Under how many of the repeated workloads it still grew after the second round, and how many there are.
    pub grows_late: Option<(usize, usize)>,
    /// Number of workloads it did soundly, leaks not counted as sound.
    pub sound: usize,
    /// Number of workloads it was counted under.
    pub counted: usize,
    /// Its failures, by workload.
    pub failures: Vec<(&'a str, &'a Failure)>,
}

/// An allocator's own fuel per call over several workloads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnFuel {
    /// The smallest.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub most: f64,
}

impl Results {
    /// One line for each allocator, in the record's order.
    #[must_use]
    pub fn lines(&self) -> Vec<Line<'_>> {
        self.setting.allocators.iter().map(|allocator| self.line(allocator)).collect()
    }

    fn line<'a>(&'a self, allocator: &'a Allocator) -> Line<'a> {
        let counts: Vec<_> = self.counts.iter().filter(|count| count.allocator == allocator.id).collect();
        let failures: Vec<_> = counts
            .iter()
            .filter_map(|count| Some((count.workload.as_str(), count.failure.as_ref()?)))
            .collect();
        let own = counts.iter().filter_map(|count| self.own_fuel_per_call(&allocator.id, &count.workload));
        let own: Vec<f64> = own.collect();
        let own_fuel = Summary::of(own.iter().copied()).filter(|_| allocator.role != Role::Floor);
        let growths = counts.iter().filter_map(|count| self.growths(&allocator.id, &count.workload));
        let repeated: Vec<_> = self.repeated.iter().filter(|other| other.allocator == allocator.id).collect();
        let late = repeated.iter().filter(|repeated| repeated.last_growth_round > 2).count();
        Line {
            allocator,
            growths: mean(&growths.map(to_f64).collect::<Vec<_>>()),
            dearest_call_fuel: counts
                .iter()
                .filter_map(|count| self.figures(&allocator.id, &count.workload)?.dearest_call_fuel)
                .max(),
            held_ratio: geometric_mean(repeated.iter().filter_map(|repeated| self.held_ratio(repeated))),
            grows_late: (!repeated.is_empty()).then_some((late, repeated.len())),
            fuel_ratio: geometric_mean(
                counts.iter().filter_map(|count| self.fuel_ratio(&allocator.id, &count.workload)),
            ),
            own_fuel: own_fuel.map(|summary| OwnFuel {
                least: own.iter().copied().fold(f64::INFINITY, f64::min),
                median: summary.median,
                most: own.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            }),
            footprint: geometric_mean(
                counts.iter().filter_map(|count| self.footprint(&allocator.id, &count.workload)),
            ),
            sound: counts.len() - failures.len(),
            counted: counts.len(),
            failures,
        }
    }

    /// Fuel by the base's.
    #[must_use]
    pub fn fuel_ratio(&self, allocator: &str, workload: &str) -> Option<f64> {
        let fuel = |id: &str| self.figures(id, workload).map(|figures| to_f64(figures.fuel));
        Some(fuel(allocator)? / fuel(&self.setting.base)?)
    }

    /// Heap bytes by peak live bytes; `None` where less than a page of 64 KiB is ever live, because memory
    /// comes in pages.
    #[must_use]
    pub fn footprint(&self, allocator: &str, workload: &str) -> Option<f64> {
        let figures = self.figures(allocator, workload)?;
        (figures.peak_live_bytes >= PAGE_BYTES)
            .then(|| to_f64(figures.heap_bytes) / to_f64(figures.peak_live_bytes))
    }

    /// Fuel per call, less what the floor takes for the same work. `None` where the floor is none: a bump allocator
    /// copies what others make longer in place, so it may take more than they do.
    #[must_use]
    pub fn own_fuel_per_call(&self, allocator: &str, workload: &str) -> Option<f64> {
        let floor = self.figures(self.setting.floor.as_deref()?, workload)?;
        let below = |count: &Count| count.figures.as_ref().is_some_and(|figures| figures.fuel < floor.fuel);
        if self.counts.iter().any(|count| count.workload == workload && below(count)) {
            return None;
        }
        let Figures { fuel, calls, .. } = self.figures(allocator, workload)?;
        (*calls > 0).then(|| (to_f64(*fuel) - to_f64(floor.fuel)) / to_f64(*calls))
    }

    /// How often memory grew in the first run.
    #[must_use]
    pub fn growths(&self, allocator: &str, workload: &str) -> Option<u64> {
        self.figures(allocator, workload)?.growths
    }

    /// Heap bytes after the last round by the base's after as many; `None` where [`Self::footprint`] has none.
    #[must_use]
    pub fn held_ratio(&self, repeated: &Repeated) -> Option<f64> {
        self.footprint(&self.setting.base, &repeated.workload)?;
        let base = self.repeated(&self.setting.base, &repeated.workload)?;
        let sound = |of: &Repeated| of.held.last().copied().filter(|_| of.failure.is_none());
        let (own, base) = (sound(repeated)?, sound(base)?);
        (own.round == base.round && own.heap_bytes > 0 && base.heap_bytes > 0)
            .then(|| to_f64(own.heap_bytes) / to_f64(base.heap_bytes))
    }

    /// Wall time of one workload by the base's.
    #[must_use]
    pub fn wall_ratio(
        &self,
        engine: EngineId,
        heat: Heat,
        allocator: &str,
        workload: &str,
        control: bool,
    ) -> Option<Comparison> {
        let samples = |id: &str, control| {
            let wall = self.wall(engine, workload, id, control)?;
            wall.failure.is_none().then(|| wall.samples(heat))
        };
        let base = &self.setting.base;
        Comparison::of_rounds(
            samples(allocator, control)?,
            samples(base, false)?,
            samples(base, true).unwrap_or(&[]),
        )
    }

    /// Wall time of all workloads by the base's: the geometric mean, and its noise. `control` asks for the base
    /// under its second name.
    #[must_use]
    pub fn wall_mean(
        &self,
        engine: EngineId,
        heat: Heat,
        allocator: &str,
        control: bool,
    ) -> Option<Comparison> {
        let parts = |id: &str, control| -> Vec<Comparison> {
            let workloads = self.setting.workloads.iter();
            workloads.filter_map(|info| self.wall_ratio(engine, heat, id, &info.id, control)).collect()
        };
        Comparison::of_workloads(&parts(allocator, control), &parts(&self.setting.base, true))
    }

    /// The engines that wall times were taken on.
    #[must_use]
    pub fn timed_engines(&self) -> Vec<EngineId> {
        let timed = |engine: &EngineId| self.walls.iter().any(|wall| wall.engine == *engine);
        EngineId::ALL.into_iter().filter(timed).collect()
    }

    /// The time of several threads by the time of one, for one allocator and workload, by round.
    #[must_use]
    pub fn scaling(&self, wall: &ThreadWall) -> Option<Summary> {
        let alone = self.threads.iter().find(|other| {
            (other.engine, &other.workload, &other.allocator, other.threads)
                == (wall.engine, &wall.workload, &wall.allocator, 1)
        })?;
        Summary::of(ratios_by_round(&wall.elapsed_ns, &alone.elapsed_ns))
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).ok().filter(|&count| count > 0)?;
    Some(values.iter().sum::<f64>() / f64::from(count))
}

/// A count as a number to calculate with; exact below 2^53, and counts of a run are far below.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::results::{Results, sample_setting};
    use super::*;

    fn record() -> Results {
        let allocator = |id: &str, role| Allocator {
            id: id.to_owned(),
            title: id.to_owned(),
            version: String::new(),
            source: String::new(),
            role,
            known_defects: Vec::new(),
            own_code: None,
            sha256: String::new(),
            has_threads: false,
        };
        let mut setting = sample_setting();
        setting.allocators = vec![
            allocator("base", Role::Peer),
            allocator("floor", Role::Floor),
            allocator("fast", Role::Ours),
        ];
        setting.floor = Some("floor".to_owned());
        let mut results = Results::new(setting);
        for (id, workload, fuel, failure) in [
            ("base", "w1", 300, None),
            ("floor", "w1", 100, None),
            ("fast", "w1", 150, None),
            ("base", "w2", 300, None),
            ("floor", "w2", 100, None),
            ("fast", "w2", 999, Some(Failure::RunsOut)),
        ] {
            let figures = Figures {
                fuel,
                calls: 10,
                peak_live_bytes: 100_000,
                heap_bytes: 130_000,
                growth_bytes: [0, 0],
                growths: None,
                dearest_call_fuel: None,
                checksum: 0,
            };
            results.counts.push(Count {
                allocator: id.to_owned(),
                workload: workload.to_owned(),
                figures: Some(figures),
                failure,
            });
        }
        results
    }

    #[test]
    fn a_footprint_of_less_than_a_page_says_nothing() {
        let mut results = record();
        assert_eq!(results.footprint("base", "w1"), Some(1.3));
        results.counts[0].figures.as_mut().unwrap().peak_live_bytes = 1000;
        assert_eq!(results.footprint("base", "w1"), None);
    }

    #[test]
    fn where_an_allocator_takes_less_than_the_floor_there_is_no_floor() {
        let mut results = record();
        assert_eq!(results.own_fuel_per_call("base", "w1"), Some(20.0));
        results.counts[2].figures.as_mut().unwrap().fuel = 99;
        assert_eq!(results.own_fuel_per_call("base", "w1"), None);
        assert_eq!(results.own_fuel_per_call("base", "w2"), Some(20.0));
    }

    #[test]
    fn a_line_leaves_failed_workloads_out_of_its_means_and_shows_them() {
        let results = record();
        let lines = results.lines();
        let [base, floor, fast] = lines.as_slice() else { panic!() };
        assert_eq!(base.fuel_ratio, Some(1.0));
        assert_eq!(base.own_fuel.unwrap().median, 20.0);
        assert_eq!(floor.own_fuel, None);
        assert_eq!(fast.fuel_ratio.map(|ratio| (ratio * 1000.0).round()), Some(500.0));
        assert_eq!((fast.own_fuel.unwrap().median, fast.own_fuel.unwrap().most), (5.0, 5.0));
        assert_eq!(fast.footprint.map(|ratio| (ratio * 1000.0).round()), Some(1300.0));
        assert_eq!((fast.sound, fast.counted), (1, 2));
        assert_eq!(fast.failures, [("w2", &Failure::RunsOut)]);
    }
}
