//! From values to places, with round marks on the way.

/// How an axis runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) log: bool,
}

impl Scale {
    /// A scale that holds all finite `values` (all positive ones, if logarithmic), a little room, and zero if asked.
    pub(crate) fn covering(values: impl Iterator<Item = f64>, log: bool, from_zero: bool) -> Self {
        let usable = values.filter(|v| v.is_finite() && (!log || *v > 0.0));
        let (mut low, mut high) =
            usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            (low, high) = if log { (1.0, 10.0) } else { (0.0, 1.0) };
        }
        if log {
            if high / low < 1.5 {
                (low, high) = (low / 1.5, high * 1.5);
            }
            return Self { low: low / 1.1, high: high * 1.1, log };
        }
        if from_zero {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        if low == high {
            high = low + low.abs().max(1.0);
        }
        let room = (high - low) * 0.05;
        let low = if from_zero && low == 0.0 { 0.0 } else { low - room };
        Self { low, high: high + room, log }
    }

    /// Where `value` lies between the ends, 0 to 1; outside values are held at the ends.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let part = match self.log {
            true => (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Round values between the ends, at most about `wanted` of them.
    pub(crate) fn ticks(&self, wanted: u32) -> Vec<f64> {
        let ticks = if self.log { self.log_ticks(wanted) } else { self.linear_ticks(wanted) };
        ticks.into_iter().filter(|t| *t >= self.low && *t <= self.high).collect()
    }

    fn linear_ticks(&self, wanted: u32) -> Vec<f64> {
        let rough = (self.high - self.low) / f64::from(wanted.max(1));
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .map(|s| s * magnitude)
            .into_iter()
            .find(|s| *s >= rough)
            .unwrap_or(10.0 * magnitude);
        let first = (self.low / step).ceil();
        // A scale that is finite and not empty has fewer marks than this.
        (0..100).map(|n| (first + f64::from(n)) * step).take_while(|t| *t <= self.high).collect()
    }

    fn log_ticks(&self, wanted: u32) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = if decades * 3.0 <= f64::from(wanted) { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut decade = 10f64.powf(self.low.log10().floor());
        let mut ticks = Vec::new();
        while decade <= self.high && ticks.len() < 100 {
            ticks.extend(steps.iter().map(|s| s * decade));
            decade *= 10.0;
        }
        ticks
    }
}

/// A figure short enough for an axis or beside a bar: `0.65`, `1.5 k`, `12 M`.
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let (scaled, suffix) = match value.abs() {
        v if v >= 1e9 => (value / 1e9, " G"),
        v if v >= 1e6 => (value / 1e6, " M"),
        v if v >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let decimals = match scaled.abs() {
        v if v >= 100.0 || v == v.trunc() => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.01 => 2,
        _ => 4,
    };
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::covering([0.0, 97.0].into_iter(), false, true);
        assert_eq!(scale.ticks(5), [0.0, 25.0, 50.0, 75.0, 100.0]);
        let scale = Scale::covering([2.0, 900.0].into_iter(), true, false);
        assert_eq!(scale.ticks(6), [10.0, 100.0]);
    }

    #[test]
    fn odd_values_have_a_place() {
        for scale in [
            Scale::covering(std::iter::empty(), false, true),
            Scale::covering(std::iter::empty(), true, false),
            Scale::covering([5.0].into_iter(), false, false),
            Scale::covering([f64::NAN, f64::INFINITY, -3.0].into_iter(), true, false),
        ] {
            for value in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
                assert!((0.0..=1.0).contains(&scale.place(value)), "{scale:?} {value}");
            }
            assert!(scale.ticks(5).len() < 20, "{scale:?}");
        }
    }

    #[test]
    fn figures_are_short() {
        let shown = [0.0, 0.652, 1.0, 12.34, 340.0, 4759.0, 43_058.0, 1.25e6, f64::NAN].map(short);
        assert_eq!(shown, ["0", "0.65", "1", "12.3", "340", "4759", "43.1 k", "1.25 M", "–"]);
    }
}
