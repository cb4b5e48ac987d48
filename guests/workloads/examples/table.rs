//! Prints every workload as JSON, for the guests' manifest.

use serde_json::{Value, json};
use workloads::{Kind, threaded, workloads};

fn main() {
    let single = workloads().map(|workload| {
        let kind = match workload.kind {
            Kind::Pattern => "pattern",
            Kind::Program => "program",
        };
        json!({ "id": workload.id, "title": workload.title, "source": workload.source, "kind": kind })
    });
    let threads = threaded::TABLE.iter().map(|workload| {
        let kind = if workload.passing { "threads-passing" } else { "threads-apart" };
        json!({ "id": workload.id, "title": workload.title, "source": workload.source, "kind": kind })
    });
    println!("{}", single.chain(threads).collect::<Value>());
}
