//! One self-contained page, with charts.

use crate::html::{Axis, BarChart, Cell, Column, Html, Page, Table, Tone, element};

use super::{heading, noise, plots, tables};
use crate::grid::Grid;
use memgrove_results::bench::results::{Heat, Results};
use memgrove_results::guest::Role;

/// The page.
#[must_use]
pub fn html(results: &Results) -> String {
    let mut page = Page::new("Allocators side by side");
    page.contents().lede(element("p").child(heading(results)));
    let lines = results.lines();
    // With more than two engines the window has no room for cold times, which have tables of their own.
    let heats = if results.timed_engines().len() > 2 { &[Heat::Warm] } else { tables::HEATS };
    page.section(
        "All workloads",
        Html::from_iter([
            plots::fuel_and_footprint(&lines).into(),
            plots::fuel_and_size(&lines).into(),
            table(&tables::overview(results, heats), true),
        ]),
    );
    let memory = tables::memory(results);
    if !memory.is_empty() {
        page.section("Memory and code", table(&memory, true));
    }
    page.section(
        "Fuel by workload",
        by_workload_chart(results, "fuel, ratio to the base", Results::fuel_ratio),
    );
    page.section("Fuel, figures", table(&tables::by_workload(results, tables::fuel_cell), true));
    page.section("Own fuel per call", table(&tables::by_workload(results, tables::own_fuel_cell), true));
    let dearest = tables::by_workload(results, tables::dearest_cell);
    if !dearest.is_empty() {
        page.section("Dearest single call, fuel", table(&dearest, true));
    }
    page.section(
        "Footprint by workload",
        by_workload_chart(results, "heap bytes / peak live bytes", Results::footprint),
    );
    page.section("Footprint, figures", table(&tables::by_workload(results, tables::footprint_cell), true));
    if !results.repeated.is_empty() {
        page.section(
            "The same work again and again",
            Html::from_iter([
                element("p").child(format!("{}.", tables::repeated_words(results))).into(),
                table(&tables::by_workload(results, tables::repeated_cell), true),
            ]),
        );
    }
    for engine in results.timed_engines() {
        for (heat, word) in [(Heat::Warm, "Warm"), (Heat::Cold, "Cold")] {
            let cell = |results: &Results, allocator: &str, workload: &str| {
                tables::wall_cell(results, engine, heat, allocator, workload)
            };
            let grid = tables::by_workload(results, cell);
            if !grid.is_empty() {
                page.section(format!("{word} wall time on {engine}"), table(&grid, true));
            }
        }
    }
    let scaling = tables::scaling(results);
    if !scaling.is_empty() {
        page.section("Threads", Html::from_iter([scaling_chart(results), table(&scaling, true)]));
    }
    let failures = tables::failures(results);
    if !failures.is_empty() {
        page.section("Failures", table(&failures, false));
    }
    page.section("Workloads", workloads(results));
    page.footer(element("p").child(noise(results)));
    page.render()
}

fn by_workload_chart(
    results: &Results,
    unit: &str,
    figure: impl Fn(&Results, &str, &str) -> Option<f64>,
) -> Html {
    let shown: Vec<_> =
        results.setting.allocators.iter().filter(|allocator| allocator.role != Role::Floor).collect();
    let names: Vec<_> = shown.iter().map(|allocator| allocator.id.clone()).collect();
    let mut chart = BarChart::new("by workload", unit).series(names).reference(1.0);
    for workload in &results.setting.workloads {
        let values: Vec<_> =
            shown.iter().map(|allocator| figure(results, &allocator.id, &workload.id)).collect();
        if values.iter().any(Option::is_some) {
            chart = chart.row(workload.id.clone(), values);
        }
    }
    chart.into()
}

fn scaling_chart(results: &Results) -> Html {
    let mut charts = Vec::new();
    for workload in &results.setting.workloads {
        for engine in results.timed_engines() {
            let title = format!("{} on {engine}", workload.id);
            let mut chart = crate::html::XyChart::new(
                title,
                Axis::new("threads").whole(),
                Axis::new("time by one thread's"),
            );
            let mut any = false;
            for allocator in &results.setting.allocators {
                let own = results.threads.iter().filter(|wall| {
                    (&wall.workload, &wall.allocator, wall.engine) == (&workload.id, &allocator.id, engine)
                });
                let points: Vec<_> = own
                    .filter_map(|wall| Some((f64::from(wall.threads), results.scaling(wall)?.median)))
                    .collect();
                if !points.is_empty() {
                    any = true;
                    chart = chart.line(allocator.id.clone(), points);
                }
            }
            if any {
                charts.push(Html::from(chart));
            }
        }
    }
    Html::from_iter(charts)
}

fn workloads(results: &Results) -> Html {
    let mut table =
        Table::new([Column::code("workload"), Column::text("what it does"), Column::text("from")]);
    for info in &results.setting.workloads {
        table.row([info.id.as_str(), info.title.as_str(), info.source.as_str()]);
    }
    table.into()
}

/// A name whose hyphens do not break it, and softly what follows it, such as a version.
fn unbroken(cell: &str) -> Html {
    let (name, rest) = cell.split_once(' ').unwrap_or((cell, ""));
    let name = element("span").class("nowrap").child(name);
    match rest {
        "" => name.into(),
        rest => {
            Html::from_iter([name.into(), Html::text(" "), element("span").class("soft").child(rest).into()])
        }
    }
}

fn table(grid: &Grid, sortable: bool) -> Html {
    let columns = grid.headings().iter().enumerate().map(|(index, heading)| match index {
        0 => Column::code(heading),
        _ if sortable => Column::number(heading),
        _ => Column::text(heading),
    });
    let mut table = Table::new(columns).wide();
    if sortable {
        table = table.sortable();
    }
    for row in grid.rows() {
        table.row(row.iter().enumerate().map(|(index, cell)| {
            if index == 0 {
                return Cell::new(unbroken(cell));
            }
            let digits =
                cell.trim_start_matches('≈').split([' ', '(']).next().and_then(|text| text.parse().ok());
            let shown = match digits {
                Some(value) => Cell::number(value, cell.as_str()),
                None => Cell::new(cell.as_str()),
            };
            if cell.contains("FAIL") || cell.contains("leaks") { shown.tone(Tone::Bad) } else { shown }
        }));
    }
    table.into()
}
