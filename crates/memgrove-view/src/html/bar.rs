//! Horizontal bars, set in HTML instead of SVG so that their text stays readable on a narrow screen.

use super::markup::{Html, element};
use super::scale::short;
use super::series_colour;

/// The share of the track that the longest bar takes; the rest is for its figure.
const LONGEST_PERCENT: f64 = 80.0;

/// Rows of bars from zero, one bar a series; becomes [`Html`] with `into()`.
#[derive(Clone, Debug)]
#[must_use]
pub struct BarChart {
    pub(super) title: String,
    unit: String,
    pub(super) series: Vec<String>,
    pub(super) rows: Vec<(String, Vec<Option<f64>>)>,
    reference: Option<f64>,
    only_measured: bool,
}

impl BarChart {
    /// A chart with one unnamed series; `unit` stands beside the title and may be empty.
    pub fn new(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            unit: unit.into(),
            series: Vec::new(),
            rows: Vec::new(),
            reference: None,
            only_measured: false,
        }
    }

    /// Names the series; each row then has one value for each.
    pub fn series<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.series = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a row with one bar.
    pub fn bar(self, label: impl Into<String>, value: f64) -> Self {
        self.row(label, [Some(value)])
    }

    /// Adds a row with one bar for each series; `None` was not measured and is shown as a dash.
    pub fn row(mut self, label: impl Into<String>, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        self.rows.push((label.into(), values.into_iter().collect()));
        self
    }

    /// Leaves no line for what is `None`: for series of which each row has one.
    pub const fn only_measured(mut self) -> Self {
        self.only_measured = true;
        self
    }

    /// Draws a dashed line at `value`, for example at the ratio 1.
    pub const fn reference(mut self, value: f64) -> Self {
        self.reference = Some(value);
        self
    }
}

impl From<BarChart> for Html {
    fn from(chart: BarChart) -> Self {
        let values = chart.rows.iter().flat_map(|(_, values)| values).flatten().copied();
        let longest = values.chain(chart.reference).filter(|v| v.is_finite()).fold(0.0, f64::max);
        let percent = |value: f64| match longest > 0.0 && value.is_finite() {
            true => (value.max(0.0) / longest * LONGEST_PERCENT).min(LONGEST_PERCENT),
            false => 0.0,
        };
        let reference = chart.reference.map(|value| {
            let left = format!("left:{:.2}%", percent(value));
            element("div").class("reference").attr("style", left)
        });
        let mut bars = Self::empty();
        for (label, values) in &chart.rows {
            bars.push(element("div").class("name").child(label.as_str()));
            let lines = values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.is_some() || !chart.only_measured)
                .map(|(index, value)| {
                    let Some(value) = value else {
                        return element("div").class("bar soft").child("–");
                    };
                    let style = format!("width:{:.2}%;background:{}", percent(*value), series_colour(index));
                    element("div")
                        .class("bar")
                        .child(element("div").class("fill").attr("style", style))
                        .child(element("span").class("value").child(short(*value)))
                });
            bars.push(element("div").class("track").children(reference.clone()).children(lines));
        }
        let mut caption = element("figcaption").child(chart.title.as_str());
        if !chart.unit.is_empty() {
            caption = caption.child(" ").child(element("span").class("unit").child(chart.unit.as_str()));
        }
        element("figure")
            .child(caption)
            .child(legend(&chart.series))
            .child(element("div").class("bars").child(bars))
            .into()
    }
}

/// The names of the series beside their colours; nothing for a single one.
pub(crate) fn legend(series: &[String]) -> Html {
    if series.len() < 2 {
        return Html::empty();
    }
    let names = series.iter().enumerate().map(|(index, name)| {
        let colour = element("i").attr("style", format!("background:{}", series_colour(index)));
        element("span").child(colour).child(name.as_str())
    });
    element("div").class("legend").children(names).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_shares_of_the_longest() {
        let chart = BarChart::new("size", "bytes").bar("a", 50.0).bar("b", 100.0).reference(25.0);
        let html = Html::from(chart);
        for part in ["width:40.00%", "width:80.00%", "left:20.00%", ">50<", ">100<"] {
            assert!(html.as_str().contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let chart = BarChart::new("", "").series(["x", "y"]).row("a", [None, Some(f64::NAN)]);
        let html = Html::from(chart);
        assert!(html.as_str().contains("<div class=\"bar soft\">–</div>"), "{html}");
        assert!(html.as_str().contains("width:0.00%"), "{html}");
        let chart = BarChart::new("", "").series(["x", "y"]).row("a", [None, Some(1.0)]).only_measured();
        assert_eq!(Html::from(chart).as_str().matches("class=\"bar").count(), 1 + 1, "the chart and one bar");
    }
}
