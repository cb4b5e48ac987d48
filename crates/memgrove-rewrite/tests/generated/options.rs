//! What is asked of fixing.

use memgrove_rewrite::{Options, Stubs};

/// What is asked for: mostly everything, sometimes less, sometimes for a host that has something.
pub fn options(seed: u64) -> Options {
    let provided = |names: &[(&str, &str)]| {
        names.iter().map(|(module, name)| ((*module).to_owned(), (*name).to_owned())).collect()
    };
    match seed % 5 {
        0 => Options { stubs: Stubs::none(), ..Options::default() },
        1 => Options {
            provided: provided(&[("env", "memory"), ("env", "abort"), ("a:b", "memory")]),
            ..Options::default()
        },
        2 => Options {
            provided: provided(&[("wasi_snapshot_preview1", "fd_write"), ("env", "a"), ("env", "sbrk")]),
            export_memory: true,
            ..Options::default()
        },
        _ => Options::default(),
    }
}
