//! Runs the command as its users do.

mod fix;
mod golden;
mod output;
mod poison;
mod support;
