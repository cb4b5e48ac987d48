//! Every part of the page shell on one page, to look at after a change of the style sheet:
//! `cargo run -p memgrove-view --example gallery > out/gallery.html`.

use std::io::Write;

use memgrove_view::html::{
    Axis, BarChart, Cell, Column, Html, Page, Table, Tone, XyChart, badge, details, element,
};

fn main() -> std::io::Result<()> {
    let mut table =
        Table::new([Column::text("allocator"), Column::number("own bytes"), Column::code("growth site")])
            .caption("Own code after wasm-opt")
            .sortable();
    for (name, bytes) in [("first fit", 264.0), ("segregated lists", 1147.0), ("boundary tags", 4759.0)] {
        table.row([Cell::from(name), Cell::number(bytes, bytes.to_string()), Cell::from("func 12 at 0x1f3")]);
    }
    let bars = BarChart::new("Fuel per workload", "ratio to the control")
        .series(["warm", "cold"])
        .row("first fit", [Some(1.31), Some(1.9)])
        .row("segregated lists", [Some(0.62), None])
        .row("boundary tags", [Some(1.0), Some(1.04)])
        .reference(1.0);
    let scatter = XyChart::new(
        "Size and speed",
        Axis::new("own code, bytes").log(),
        Axis::new("fuel, ratio to the control"),
    )
    .points("sound", [(264.0, 1.31, "first fit"), (1147.0, 0.62, "segregated lists")])
    .points("leaks", [(290.0, 1.3, "bump with a long name"), (4759.0, 1.0, "boundary tags")]);
    let steps = XyChart::new("Footprint", Axis::new("calls"), Axis::new("pages"))
        .step("live", [(0.0, 1.0), (10.0, 4.0), (25.0, 2.0), (40.0, 9.0), (60.0, 3.0)])
        .line("peak", [(0.0, 1.0), (10.0, 4.0), (40.0, 9.0), (60.0, 9.0)]);

    let tones =
        [Tone::Good, Tone::Warn, Tone::Bad, Tone::Neutral].map(|tone| badge(tone, format!("{tone:?}")));
    let mut page = Page::new("Gallery");
    page.lede("What the page shell offers, drawn with made-up values.").contents();
    page.section("Badges", Html::join(tones, " "));
    page.section("Table", table);
    page.section("Bars", bars);
    page.section("Points", scatter);
    page.section("Steps and lines", steps);
    page.section("Folded", details("Evidence", element("p").child("exports <malloc>")));
    page.footer("The values on this page are examples.");
    std::io::stdout().write_all(page.render().as_bytes())
}
