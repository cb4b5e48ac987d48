//! Statistics of noisy samples: medians, spreads, ratios by round, and when a difference is none.
//!
//! Wall times on shared machines have a long tail to the right and drift over minutes. So nothing here takes
//! a mean of times: samples of different allocators are taken in turn (a *round*), ratios are formed within a
//! round, where the drift is the same for both, and the median of the ratios is what counts. How much of it
//! is noise is read from a control, which is the base measured twice under two names.

use serde::{Deserialize, Serialize};

/// The middle of some samples, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// Half the distance between the quartiles.
    pub spread: f64,
    /// Number of samples.
    pub count: usize,
}

impl Summary {
    /// Of at least one sample; samples that are not finite are left out.
    #[must_use]
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().filter(|sample| sample.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (lower, median, upper) =
            (quantile(&sorted, 0.25)?, quantile(&sorted, 0.5)?, quantile(&sorted, 0.75)?);
        Some(Self { median, spread: (upper - lower) / 2.0, count: sorted.len() })
    }

    /// The spread as a share of the median.
    #[must_use]
    pub fn relative_spread(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.spread / self.median).abs() }
    }
}

/// The value below which `share` of the sorted samples lie, between neighbours in proportion.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "positions in a vector of samples"
)]
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}

/// The geometric mean of positive values; `None` if there are none.
#[must_use]
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
        sum += value.ln();
        count += 1.0;
    }
    (count > 0.0).then(|| (sum / count).exp())
}

/// `samples[i] / base[i]` for every round that both have.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of one run are far below 2^53")]
pub fn ratios_by_round(samples: &[u64], base: &[u64]) -> Vec<f64> {
    samples
        .iter()
        .zip(base)
        .filter(|(_, base)| **base > 0)
        .map(|(sample, base)| *sample as f64 / *base as f64)
        .collect()
}

/// Ratio of an allocator's times to the base's, with what of it is noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Median of the ratios by round, or a geometric mean of such medians.
    pub ratio: f64,
    /// Ratios between `1 - noise` and `1 + noise` say nothing.
    pub noise: f64,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Less time than the base.
    Faster,
    /// More time than the base.
    Slower,
    /// Less than the noise.
    None,
}

impl Comparison {
    /// Compares one workload's samples with the base's. `control` is the base under another name, measured in
    /// the same rounds: what it differs, and what all three scatter, is noise.
    #[must_use]
    pub fn of_rounds(samples: &[u64], base: &[u64], control: &[u64]) -> Option<Self> {
        let own = Summary::of(ratios_by_round(samples, base))?;
        let control = Summary::of(ratios_by_round(control, base));
        let control_noise = control.map_or(0.0, |control| (control.median - 1.0).abs().max(control.spread));
        Some(Self { ratio: own.median, noise: control_noise.max(own.spread) })
    }

    /// Puts workloads together: the geometric mean of the ratios. Independent noise averages out with the
    /// square root of their number; what the control as a whole is off does not.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number of workloads")]
    pub fn of_workloads(parts: &[Self], control: &[Self]) -> Option<Self> {
        let ratio = geometric_mean(parts.iter().map(|part| part.ratio))?;
        let mean_square = parts.iter().map(|part| part.noise * part.noise).sum::<f64>() / parts.len() as f64;
        let averaged = (mean_square / parts.len() as f64).sqrt();
        let offset =
            geometric_mean(control.iter().map(|part| part.ratio)).map_or(0.0, |mean| (mean - 1.0).abs());
        Some(Self { ratio, noise: averaged.max(offset) })
    }

    /// What it says.
    #[must_use]
    pub fn difference(&self) -> Difference {
        if (self.ratio - 1.0).abs() <= self.noise {
            Difference::None
        } else if self.ratio < 1.0 {
            Difference::Faster
        } else {
            Difference::Slower
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn median_and_spread() {
        let summary = Summary::of([5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        near(summary.median, 3.0);
        near(summary.spread, 1.0);
        near(summary.relative_spread(), 1.0 / 3.0);
        near(Summary::of([1.0, 2.0]).unwrap().median, 1.5);
        near(Summary::of([7.0]).unwrap().spread, 0.0);
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([f64::NAN, 2.0]).unwrap().count, 1);
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        let calm = Summary::of([10.0, 11.0, 12.0, 11.0, 10.0]).unwrap();
        let noisy = Summary::of([10.0, 11.0, 1200.0, 11.0, 10.0]).unwrap();
        near(calm.median, noisy.median);
    }

    #[test]
    fn geometric_means() {
        near(geometric_mean([0.5, 2.0]).unwrap(), 1.0);
        near(geometric_mean([4.0, 0.0, f64::INFINITY]).unwrap(), 4.0);
        assert_eq!(geometric_mean([]), None);
    }

    #[test]
    fn drift_that_both_share_cancels_out_by_round() {
        // The machine becomes four times slower from round to round.
        let base = [100, 200, 400];
        let half = [50, 100, 200];
        let comparison = Comparison::of_rounds(&half, &base, &base).unwrap();
        near(comparison.ratio, 0.5);
        near(comparison.noise, 0.0);
        assert_eq!(comparison.difference(), Difference::Faster);
    }

    #[test]
    fn a_difference_below_the_control_is_none() {
        let base = [100, 100, 100, 100];
        let control = [108, 109, 107, 108];
        let check = |sample: u64| Comparison::of_rounds(&[sample; 4], &base, &control).unwrap().difference();
        assert_eq!(check(105), Difference::None);
        assert_eq!(check(93), Difference::None);
        assert_eq!(check(115), Difference::Slower);
        assert_eq!(check(80), Difference::Faster);
    }

    #[test]
    fn scattered_samples_say_nothing() {
        let base = [100, 100, 100, 100];
        let wild = [50, 180, 60, 190];
        assert_eq!(Comparison::of_rounds(&wild, &base, &base).unwrap().difference(), Difference::None);
    }

    #[test]
    fn many_workloads_average_independent_noise_but_not_an_offset() {
        let part = Comparison { ratio: 0.9, noise: 0.2 };
        let calm = Comparison { ratio: 1.0, noise: 0.2 };
        assert_eq!(part.difference(), Difference::None);
        let all = Comparison::of_workloads(&[part; 16], &[calm; 16]).unwrap();
        near(all.noise, 0.05);
        assert_eq!(all.difference(), Difference::Faster);
        let off = Comparison { ratio: 0.85, noise: 0.0 };
        let all = Comparison::of_workloads(&[part; 16], &[off; 16]).unwrap();
        assert_eq!(all.difference(), Difference::None);
    }
}
