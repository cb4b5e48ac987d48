//! Prints what is concluded about the memory of each file named, one line each: for looking at many at once.
#![allow(clippy::print_stdout, reason = "an example prints")]

use memgrove_inspect::{conclude, facts};

fn main() {
    for path in std::env::args().skip(1) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        match facts(&bytes) {
            Err(error) => println!("{path}\n  {error}"),
            Ok(facts) => {
                let report = conclude(&facts);
                let memory = &report.memory;
                println!("{path}");
                let hex = |value: Option<u64>| value.map_or("?".into(), |value| format!("{value:#x}"));
                println!(
                    "  data {:?} bss {:?} heap {} ({:?}) room {:?}",
                    memory.static_data.value.map(|d| (d.start, d.end)),
                    memory.bss.value.map(|b| (b.start, b.end)),
                    hex(memory.heap_base.value),
                    memory.heap_base.level(),
                    memory.room_before_growth_bytes.value,
                );
                for evidence in &memory.heap_base.evidence {
                    println!("    heap: {}", evidence.text);
                }
                println!("  stack {:?} {:?}", memory.stack.level(), memory.stack.value);
                if let Some(growth) = &memory.growth.value {
                    let ways: Vec<_> = growth.functions.iter().map(|f| (f.func, &f.reached_from)).collect();
                    println!("  growth {:?} fixed {} sites {ways:?}", growth.who, growth.fixed);
                    println!(
                        "    imports {:?}",
                        growth.imports.iter().map(ToString::to_string).collect::<Vec<_>>()
                    );
                }
                println!(
                    "  role {:?} ctors {:?}",
                    report.startup.role.value,
                    report.startup.constructors.len()
                );
                for group in &report.requirements.groups {
                    let names: Vec<_> =
                        group.imports.iter().map(|import| import.name.name.as_str()).collect();
                    println!("  {}: {}", group.purpose, names.join(" "));
                }
                for region in &memory.regions {
                    println!(
                        "    {:#10x} {:>10} {:?}: {}",
                        region.start,
                        hex(region.end),
                        region.kind,
                        region.label
                    );
                }
                let verdicts: Vec<_> = report
                    .verdicts
                    .iter()
                    .map(|verdict| format!("{}={:?}", verdict.host, verdict.outcome))
                    .collect();
                println!("  {}", verdicts.join(" "));
            }
        }
    }
}
