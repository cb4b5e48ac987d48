//! Steps that run beside others, each as a process whose output is shown when the others have ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use super::{Done, Step};
use crate::workspace::Workspace;

/// Steps that run, one after another.
pub(super) struct Running(JoinHandle<Result<Vec<(Done, PathBuf)>>>);

/// Starts to run steps one after another, beside what the caller does.
pub(super) fn start(workspace: &Workspace, steps: Vec<&'static Step>) -> Result<Running> {
    let folder = workspace.root().join("out/test");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let root = workspace.root().to_owned();
    // Now: a step may build this program again.
    let program = std::env::current_exe()?;
    let run_all = move || {
        steps
            .into_iter()
            .map(|step| {
                let output = folder.join(format!("{}.log", step.name));
                run(&program, &root, step, &output).map(|done| (done, output))
            })
            .collect()
    };
    Ok(Running(thread::spawn(run_all)))
}

impl Running {
    /// Waits for the last of them, and prints what each has written.
    pub(super) fn end(self) -> Result<Vec<Done>> {
        let all = self.0.join().map_err(|_| anyhow!("what ran beside other steps has panicked"))??;
        let mut done = Vec::new();
        for (step, output) in all {
            println!("\n==== {} (ran beside other steps)", step.step.name);
            println!("{}", String::from_utf8_lossy(&std::fs::read(&output)?).trim_end());
            let verdict = if step.passed { "passed in" } else { "FAILED after" };
            println!("==== {}: {verdict} {:.0} s", step.step.name, step.seconds);
            done.push(step);
        }
        Ok(done)
    }
}

fn run(program: &Path, root: &Path, step: &'static Step, output: &Path) -> Result<Done> {
    let file = File::create(output).with_context(|| output.display().to_string())?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(["test", "--no-setup", "--step", step.name])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| program.display().to_string())?;
    Ok(Done { step, seconds: start.elapsed().as_secs_f64(), passed: status.success() })
}
