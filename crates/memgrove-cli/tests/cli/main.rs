//! Runs the command as its users do.

mod golden;
mod output;
mod support;
