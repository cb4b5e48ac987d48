//! Runs the command as its users do.

// Most of its commands run modules.
#[cfg(feature = "engines")]
mod bench_engines;
#[cfg(feature = "engines")]
mod book;
mod budget;
mod fail_on;
mod fix;
mod fix_host;
mod golden;
mod hostile;
mod names;
mod output;
mod outputs;
mod poison;
mod rows;
mod rows_cost;
mod sarif;
mod schema_check;
mod schemas;
mod signals;
mod support;
#[cfg(feature = "engines")]
mod swap;
