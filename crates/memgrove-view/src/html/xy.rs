//! Lines and points over two axes, as SVG.

use super::bar::legend;
use super::markup::{Html, element};
use super::scale::{Scale, short};
use super::series_colour;

pub(crate) const WIDTH: f64 = 720.0;
pub(crate) const HEIGHT: f64 = 360.0;
const LEFT: f64 = 58.0;
/// Room for the label of a point at the edge.
const RIGHT: f64 = 112.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
/// How much larger letters are on a narrow screen (style.css): labels that do not meet there do not meet anywhere.
const NARROW: f64 = 16.0 / 12.0;
/// The height of a line of the labels beside points, on a narrow screen.
const LABEL_HEIGHT: f64 = 17.0;
/// So many lines away from its point a label may stand: the whole height.
const MOST_LINES: i32 = 20;
/// How far to the right a label may go at a time.
const COLUMN_WIDTH: f64 = 120.0;

/// About how wide a text is that svg.css sets, to see which ones would meet. It need not be exact.
pub(crate) fn text_width(text: &str) -> f64 {
    const MEAN_LETTER_WIDTH: f64 = 6.6;
    text.chars().map(|_| MEAN_LETTER_WIDTH).sum()
}

/// One of the two axes of an [`XyChart`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Axis {
    label: String,
    log: bool,
    from_zero: bool,
    whole: bool,
}

impl Axis {
    /// A linear axis that begins at zero; `label` holds the unit.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: false, from_zero: true, whole: false }
    }

    /// Makes it logarithmic; values of zero and less are left out.
    pub const fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// Lets it begin where the values begin.
    pub const fn loose(mut self) -> Self {
        self.from_zero = false;
        self
    }

    /// Marks whole numbers only: there is nothing between two threads and three.
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Where the marks are.
    fn ticks(&self, scale: &Scale, wanted: u32) -> impl Iterator<Item = f64> {
        scale.ticks(wanted).into_iter().filter(|tick| !self.whole || tick.fract() == 0.0)
    }

    const fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }
}

#[derive(Clone, Debug)]
struct Point {
    x: f64,
    y: f64,
    label: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Line,
    Step,
    Points,
}

/// A line, step or scatter chart; becomes [`Html`] with `into()`.
///
/// ```
/// use memgrove_view::html::{Axis, Html, XyChart};
/// let chart = XyChart::new("speed and size", Axis::new("own code, bytes").log(), Axis::new("fuel, ratio"))
///     .points("allocators", [(340.0, 0.9, "wee"), (4759.0, 1.0, "dlmalloc")]);
/// assert!(Html::from(chart).as_str().contains("<svg"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct XyChart {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<(String, Mark, Vec<Point>)>,
}

impl XyChart {
    /// A chart without series.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, series: Vec::new() }
    }

    /// Adds a line through `points`, in their order.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().map(|(x, y)| Point { x, y, label: String::new() });
        self.with(name, Mark::Line, points.collect())
    }

    /// Adds a line that keeps its value until the next point, as a footprint over time does.
    pub fn step(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().map(|(x, y)| Point { x, y, label: String::new() });
        self.with(name, Mark::Step, points.collect())
    }

    /// Adds points, each with its label.
    pub fn points<S: Into<String>>(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64, S)>,
    ) -> Self {
        let points = points.into_iter().map(|(x, y, label)| Point { x, y, label: label.into() });
        self.with(name, Mark::Points, points.collect())
    }

    fn with(mut self, name: impl Into<String>, mark: Mark, mut points: Vec<Point>) -> Self {
        points.retain(|point| self.x.shows(point.x) && self.y.shows(point.y));
        self.series.push((name.into(), mark, points));
        self
    }

    fn all(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|(_, _, points)| points)
    }

    /// What it shows, in a line.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// The names of the series, in the order of their colours.
    pub(crate) fn names(&self) -> Vec<String> {
        self.series.iter().map(|(name, _, _)| name.clone()).collect()
    }

    /// The axes and what is between them: [`WIDTH`] by [`HEIGHT`]. `None` without a single value.
    pub(crate) fn drawing(&self) -> Option<Html> {
        self.all().next()?;
        let frame = Frame {
            x: Scale::covering(self.all().map(|p| p.x), self.x.log, self.x.from_zero),
            y: Scale::covering(self.all().map(|p| p.y), self.y.log, self.y.from_zero),
        };
        let mut drawing = frame.axes(&self.x, &self.y);
        let mut labels = Labels::default();
        for point in
            self.series.iter().filter(|(_, mark, _)| *mark == Mark::Points).flat_map(|(_, _, points)| points)
        {
            let (x, y) = frame.at(point.x, point.y);
            labels.taken.push((x - 6.0, x + 6.0, y + 4.0));
        }
        for (index, (_, mark, points)) in self.series.iter().enumerate() {
            let colour = series_colour(index);
            match mark {
                Mark::Line | Mark::Step => drawing.push(frame.path(points, *mark == Mark::Step, colour)),
                Mark::Points => {
                    drawing.extend(points.iter().map(|point| frame.dot(point, colour, &mut labels)));
                }
            }
        }
        Some(drawing)
    }
}

impl From<XyChart> for Html {
    /// Without a single value there is nothing to draw, and nothing is.
    fn from(chart: XyChart) -> Self {
        let Some(drawing) = chart.drawing() else { return Self::empty() };
        let svg = element("svg")
            .attr("viewBox", format!("0 0 {WIDTH} {HEIGHT}"))
            .attr("role", "img")
            .attr("aria-label", &chart.title)
            .child(drawing);
        element("figure")
            .child(element("figcaption").child(chart.title()))
            .child(legend(&chart.names()))
            .child(element("div").class("scroll chart").child(svg))
            .into()
    }
}

/// The two scales on the drawing.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT);
        let down = HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - TOP - BOTTOM);
        (across, down)
    }

    fn axes(&self, x: &Axis, y: &Axis) -> Html {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut out = Html::empty();
        for tick in y.ticks(&self.y, 6) {
            let (_, y) = self.at(self.x.low, tick);
            out.push(line("grid", (LEFT, y), (right, y)));
            out.push(text(LEFT - 6.0, y + 4.0, "end", short(tick)));
        }
        for tick in x.ticks(&self.x, 8) {
            let (x, _) = self.at(tick, self.y.low);
            out.push(line("grid", (x, TOP), (x, bottom)));
            out.push(text(x, bottom + 16.0, "middle", short(tick)));
        }
        out.push(line("axis", (LEFT, bottom), (right, bottom)));
        out.push(line("axis", (LEFT, TOP), (LEFT, bottom)));
        out.push(text((LEFT + right) / 2.0, HEIGHT - 8.0, "middle", x.label.as_str()));
        let middle = (TOP + bottom) / 2.0;
        out.push(
            element("text")
                .class("soft")
                .attr("transform", format!("translate(12 {middle}) rotate(-90)"))
                .attr("text-anchor", "middle")
                .child(y.label.as_str()),
        );
        out
    }

    fn path(&self, points: &[Point], step: bool, colour: &str) -> Html {
        let mut path = String::new();
        for point in points {
            let (x, y) = self.at(point.x, point.y);
            path += &match (path.is_empty(), step) {
                (true, _) => format!("M{x:.1} {y:.1}"),
                (false, true) => format!("H{x:.1}V{y:.1}"),
                (false, false) => format!("L{x:.1} {y:.1}"),
            };
        }
        let path = element("path").attr("d", path).attr("fill", "none");
        path.attr("stroke", colour).attr("stroke-width", 1.8).attr("stroke-linejoin", "round").into()
    }

    fn dot(&self, point: &Point, colour: &str, labels: &mut Labels) -> Html {
        let (x, y) = self.at(point.x, point.y);
        let tip = format!("{}: {}, {}", point.label, short(point.x), short(point.y));
        let circle =
            element("circle").attr("cx", format!("{x:.1}")).attr("cy", format!("{y:.1}")).attr("r", 4.5);
        let mut out = Html::from(circle.attr("fill", colour).child(element("title").child(tip)));
        if !point.label.is_empty() {
            out.push(labels.place(x, y, &point.label));
        }
        out
    }
}

/// The points, and the labels drawn so far, so that the next label does not cover them.
#[derive(Default)]
struct Labels {
    taken: Vec<(f64, f64, f64)>,
}

impl Labels {
    fn place(&mut self, x: f64, y: f64, label: &str) -> Html {
        let width = text_width(label) * NARROW;
        let free = |start: f64, y: f64| {
            let apart = |(from, to, at): &(f64, f64, f64)| {
                start > *to || start + width < *from || (y - at).abs() >= LABEL_HEIGHT
            };
            (LEFT..WIDTH - width).contains(&start)
                && (TOP..HEIGHT - BOTTOM).contains(&y)
                && self.taken.iter().all(apart)
        };
        // Right of the point or left of it, else as near as there is room, to the right if need be.
        let (right, left) = (x + 8.0, x - 8.0 - width);
        let lines = (-MOST_LINES..=MOST_LINES).map(|n| y + 4.0 + f64::from(n) * LABEL_HEIGHT);
        let starts = [left, right].into_iter().chain((1..4).map(|n| right + f64::from(n) * COLUMN_WIDTH));
        let mut places: Vec<_> = lines.flat_map(|y| starts.clone().map(move |start| (start, y))).collect();
        let distance = |(start, baseline): &(f64, f64)| {
            (baseline - y - 4.0).abs()
                + (start - right).max(0.0) / 2.0
                + if *start < right { 1.0 } else { 0.0 }
        };
        places.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        let (start, baseline) = places
            .into_iter()
            .find(|&(start, y)| free(start, y))
            .unwrap_or((if right + width > WIDTH { left } else { right }, y + 4.0));
        self.taken.push((start, start + width, baseline));
        let (anchor, at) = if start < x { ("end", x - 8.0) } else { ("start", start) };
        let text = element("text")
            .attr("x", format!("{at:.1}"))
            .attr("y", format!("{baseline:.1}"))
            .attr("text-anchor", anchor)
            .child(label);
        let mut out = Html::from(text);
        if (baseline - y - 4.0).abs() > LABEL_HEIGHT || start > right {
            out.push(line("axis", (x, y), (at, baseline - 4.0)));
        }
        out
    }
}

fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Html {
    element("line")
        .class(class)
        .attr("x1", format!("{:.1}", from.0))
        .attr("y1", format!("{:.1}", from.1))
        .attr("x2", format!("{:.1}", to.0))
        .attr("y2", format!("{:.1}", to.1))
        .into()
}

fn text(x: f64, y: f64, anchor: &str, content: impl Into<Html>) -> Html {
    element("text")
        .class("soft")
        .attr("x", format!("{x:.1}"))
        .attr("y", format!("{y:.1}"))
        .attr("text-anchor", anchor)
        .child(content)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_keeps_its_value() {
        let chart = XyChart::new("t", Axis::new("x"), Axis::new("y")).step("s", [(0.0, 0.0), (10.0, 5.0)]);
        let html = Html::from(chart);
        assert!(html.as_str().contains("d=\"M58.0 316.0H"), "{html}");
    }

    #[test]
    fn between_counts_there_are_no_marks() {
        let chart =
            |axis| Html::from(XyChart::new("t", axis, Axis::new("y")).line("s", [(1.0, 1.0), (2.0, 3.0)]));
        assert!(chart(Axis::new("x").loose()).as_str().contains(">1.2<"));
        let html = chart(Axis::new("x").loose().whole());
        assert!(html.as_str().contains(">1<") && html.as_str().contains(">2<"), "{html}");
        assert!(!html.as_str().contains(">1.2<"), "{html}");
    }

    #[test]
    fn values_without_a_place_are_left_out() {
        let axis = || Axis::new("v").log();
        let chart = XyChart::new("t", axis(), axis()).points("p", [(0.0, 1.0, "zero"), (1.0, 2.0, "one")]);
        let html = Html::from(chart);
        assert!(!html.as_str().contains("zero") && html.as_str().contains("one"), "{html}");
        assert!(!html.as_str().contains("NaN"), "{html}");
    }

    #[test]
    fn without_values_there_is_no_chart() {
        let chart = XyChart::new("t", Axis::new("x").log(), Axis::new("y")).points("p", [(0.0, 1.0, "zero")]);
        assert_eq!(Html::from(chart).as_str(), "");
    }

    #[test]
    fn labels_do_not_cover_one_another() {
        let mut labels = Labels::default();
        let first = labels.place(200.0, 100.0, "talc").to_string();
        let second = labels.place(201.0, 100.0, "rlsf").to_string();
        assert!(first.contains("y=\"104.0\"") && first.contains("start"), "{first}");
        assert!(second.contains("y=\"104.0\"") && second.contains("end"), "{second}");
        let third = labels.place(202.0, 100.0, "lol").to_string();
        assert!(third.contains("y=\"87.0\""), "{third}");
        // More labels at one place than there are lines: some go to the side, and a line leads there.
        let many: Vec<_> =
            (0..40).map(|n| labels.place(200.0, 100.0, &format!("talc {n}")).to_string()).collect();
        assert!(
            many.iter().any(|label| label.contains("<line") && label.contains("x=\"328.0\"")),
            "{many:?}"
        );
        let places: std::collections::BTreeSet<_> =
            labels.taken.iter().map(|(start, _, at)| format!("{start} {at}")).collect();
        assert_eq!(places.len(), labels.taken.len());
    }
}
