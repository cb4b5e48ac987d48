//! Runs the command as its users do.

mod budget;
mod fix;
mod golden;
mod hostile;
mod output;
mod outputs;
mod support;
