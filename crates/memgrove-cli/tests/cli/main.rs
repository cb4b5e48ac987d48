//! Runs the command as its users do.

mod fix;
mod fix_host;
mod golden;
mod output;
mod support;
