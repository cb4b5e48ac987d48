//! Runs the command as its users do.

mod budget;
mod fix;
mod fix_host;
mod golden;
mod hostile;
mod output;
mod outputs;
mod poison;
mod sarif;
mod signals;
mod support;
