//! Runs the command as its users do.

mod budget;
mod fix;
mod golden;
mod output;
mod support;
