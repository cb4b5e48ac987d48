//! A chart as a file of its own, for documents that show pictures.

use super::bar::BarChart;
use super::markup::{Html, element};
use super::scale::short;
use super::series_colour;
use super::xy::{HEIGHT, WIDTH, XyChart, text_width};

/// Room above the drawing for the title.
const TITLE_HEIGHT: f64 = 30.0;
/// The height of a line of the legend.
const LEGEND_HEIGHT: f64 = 18.0;
const MARGIN: f64 = 16.0;

impl XyChart {
    /// A whole SVG file with title, legend and colours for light and dark; `None` without a single value.
    ///
    /// ```
    /// use memgrove_view::html::{Axis, XyChart};
    /// let chart = XyChart::new("t", Axis::new("x"), Axis::new("y")).line("s", [(0.0, 1.0), (2.0, 3.0)]);
    /// assert!(chart.to_svg().unwrap().starts_with("<svg xmlns="));
    /// ```
    #[must_use]
    pub fn to_svg(&self) -> Option<String> {
        let drawing = self.drawing()?;
        Some(file(self.title(), &self.names(), HEIGHT, drawing))
    }
}

/// The height of a bar, and of the room between two rows of them.
const BAR_HEIGHT: f64 = 14.0;
const BETWEEN_ROWS: f64 = 8.0;
/// A longer label of a row is cut.
const MOST_LABEL_CHARS: usize = 40;
/// Room behind the longest row for its figure.
const FIGURE_WIDTH: f64 = 60.0;

impl BarChart {
    /// A whole SVG file as [`XyChart::to_svg`] makes one, the values of a row behind one another; `None` without a single row.
    ///
    /// ```
    /// use memgrove_view::html::BarChart;
    /// let chart = BarChart::new("t", "").series(["yes", "perhaps"]).row("a", [Some(1.0), Some(2.0)]);
    /// assert!(chart.to_svg().unwrap().starts_with("<svg xmlns="));
    /// ```
    #[must_use]
    pub fn to_svg(&self) -> Option<String> {
        let labels: Vec<String> = self.rows.iter().map(|(label, _)| cut(label)).collect();
        let widest = labels.iter().map(|label| text_width(label)).reduce(f64::max)?;
        let left = MARGIN + widest + 8.0;
        let usable = |values: &[Option<f64>]| -> Vec<f64> {
            values
                .iter()
                .map(|value| value.filter(|value| value.is_finite()).unwrap_or_default().max(0.0))
                .collect()
        };
        let longest = self.rows.iter().map(|(_, values)| usable(values).iter().sum()).fold(0.0, f64::max);
        let scale = if longest > 0.0 { (WIDTH - left - FIGURE_WIDTH) / longest } else { 0.0 };
        let mut drawing = Html::empty();
        let mut top = BETWEEN_ROWS;
        for (label, (_, values)) in labels.iter().zip(&self.rows) {
            let text = |x: f64| {
                element("text")
                    .attr("x", format!("{x:.1}"))
                    .attr("y", format!("{:.1}", top + BAR_HEIGHT - 3.0))
            };
            drawing.push(text(left - 8.0).attr("text-anchor", "end").child(label.as_str()));
            let mut x = left;
            for (index, value) in usable(values).into_iter().enumerate() {
                let width = value * scale;
                let bar = element("rect").attr("x", format!("{x:.1}")).attr("y", format!("{top:.1}"));
                let bar = bar.attr("width", format!("{width:.1}")).attr("height", BAR_HEIGHT);
                drawing.push(bar.attr("fill", series_colour(index)));
                x += width;
            }
            let figures: Vec<_> = usable(values).into_iter().map(short).collect();
            drawing.push(text(x + 6.0).attr("class", "soft").child(figures.join(" + ")));
            top += BAR_HEIGHT + BETWEEN_ROWS;
        }
        Some(file(&self.title, &self.series, top + BETWEEN_ROWS, drawing))
    }
}

fn cut(label: &str) -> String {
    match label.char_indices().nth(MOST_LABEL_CHARS) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}

/// A picture with its title and the names of its series.
fn file(title: &str, names: &[String], drawing_height: f64, drawing: Html) -> String {
    let (legend, lines) = legend(names);
    let above = TITLE_HEIGHT + lines * LEGEND_HEIGHT;
    let height = above + drawing_height;
    let style = concat!(include_str!("colours.css"), include_str!("svg.css"));
    let heading = element("text")
        .attr("x", MARGIN)
        .attr("y", 20)
        .attr("style", "font-size:15px;font-weight:600")
        .child(title);
    let svg = element("svg")
        .attr("xmlns", "http://www.w3.org/2000/svg")
        .attr("viewBox", format!("0 0 {WIDTH} {height}"))
        .attr("width", WIDTH)
        .attr("height", height)
        .attr("role", "img")
        .attr("aria-label", title)
        .child(element("style").child(Html::trusted(style)))
        .child(element("rect").attr("width", WIDTH).attr("height", height).attr("style", "fill:var(--paper)"))
        .child(heading)
        .child(legend)
        .child(element("g").attr("transform", format!("translate(0 {above})")).child(drawing));
    format!("{}\n", Html::from(svg))
}

/// The names of the series beside their colours, and how many lines they take; nothing for a single one.
fn legend(names: &[String]) -> (Html, f64) {
    let mut out = Html::empty();
    if names.len() < 2 {
        return (out, 0.0);
    }
    let (mut x, mut lines) = (MARGIN, 1.0);
    for (index, name) in names.iter().enumerate() {
        let width = 20.0 + text_width(name);
        if x > MARGIN && x + width > WIDTH - MARGIN {
            x = MARGIN;
            lines += 1.0;
        }
        let baseline = TITLE_HEIGHT + (lines - 0.35) * LEGEND_HEIGHT;
        let square = element("rect").attr("x", format!("{x:.1}")).attr("y", format!("{:.1}", baseline - 9.0));
        out.push(square.attr("width", 10).attr("height", 10).attr("fill", series_colour(index)));
        let text = element("text").attr("x", format!("{:.1}", x + 14.0)).attr("y", format!("{baseline:.1}"));
        out.push(text.child(name.as_str()));
        x += width + 20.0;
    }
    (out, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::Axis;

    fn chart(names: &[&str]) -> XyChart {
        names.iter().fold(XyChart::new("a < b", Axis::new("x"), Axis::new("y")), |chart, name| {
            chart.line(*name, [(0.0, 1.0), (2.0, 3.0)])
        })
    }

    #[test]
    fn it_takes_nothing_from_elsewhere_and_escapes_its_text() {
        let svg = chart(&["s"]).to_svg().expect("values");
        assert!(svg.contains("a &lt; b") && !svg.contains("a < b"), "{svg}");
        assert_eq!(svg.matches("http").count(), 1, "the name space only: {svg}");
        assert!(svg.contains("--s1:") && svg.contains("svg .grid"), "its own style: {svg}");
    }

    #[test]
    fn a_long_legend_takes_more_lines() {
        let names: Vec<_> = (0..12).map(|n| format!("allocator number {n}")).collect();
        let (few, many) = (legend(&names[..2]).1, legend(&names).1);
        assert!((few - 1.0).abs() < f64::EPSILON && many > 2.0, "{few} {many}");
        assert!(legend(&names[..1]).0.is_empty());
    }

    #[test]
    fn bars_of_a_row_stand_behind_one_another() {
        let chart =
            BarChart::new("t", "").series(["yes", "no"]).row("<a>", [Some(1.0), Some(3.0)]).row("b", [None]);
        let svg = chart.to_svg().expect("rows");
        assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>") && svg.contains(">1 + 3<"), "{svg}");
        let attribute = |rect: &str, name: &str| -> f64 {
            rect.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0.parse().unwrap()
        };
        let bars: Vec<_> = svg.split("<rect ").filter(|rect| rect.contains("height=\"14\"")).collect();
        let (x, width) = (attribute(bars[0], "x"), attribute(bars[0], "width"));
        assert!((attribute(bars[1], "x") - x - width).abs() < 0.2, "{bars:?}");
        assert!((attribute(bars[1], "width") - 3.0 * width).abs() < 0.5, "{bars:?}");
        assert!(attribute(bars[1], "x") + attribute(bars[1], "width") < WIDTH, "{bars:?}");
        assert_eq!(BarChart::new("t", "").to_svg(), None);
    }

    #[test]
    fn without_values_there_is_no_picture() {
        assert_eq!(XyChart::new("t", Axis::new("x"), Axis::new("y")).to_svg(), None);
    }
}
