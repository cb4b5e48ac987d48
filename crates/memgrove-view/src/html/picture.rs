//! A chart as a file of its own, for documents that show pictures.

use super::markup::{Html, element};
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
        let (legend, lines) = legend(&self.names());
        let above = TITLE_HEIGHT + lines * LEGEND_HEIGHT;
        let height = above + HEIGHT;
        let style = concat!(include_str!("colours.css"), include_str!("svg.css"));
        let title = element("text")
            .attr("x", MARGIN)
            .attr("y", 20)
            .attr("style", "font-size:15px;font-weight:600")
            .child(self.title());
        let svg = element("svg")
            .attr("xmlns", "http://www.w3.org/2000/svg")
            .attr("viewBox", format!("0 0 {WIDTH} {height}"))
            .attr("width", WIDTH)
            .attr("height", height)
            .attr("role", "img")
            .attr("aria-label", self.title())
            .child(element("style").child(Html::trusted(style)))
            .child(
                element("rect")
                    .attr("width", WIDTH)
                    .attr("height", height)
                    .attr("style", "fill:var(--paper)"),
            )
            .child(title)
            .child(legend)
            .child(element("g").attr("transform", format!("translate(0 {above})")).child(drawing));
        Some(format!("{}\n", Html::from(svg)))
    }
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
    fn without_values_there_is_no_picture() {
        assert_eq!(XyChart::new("t", Axis::new("x"), Axis::new("y")).to_svg(), None);
    }
}
