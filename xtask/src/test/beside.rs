//! Steps that run beside others, each as a process whose output is shown when the others have ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, ensure};

use super::{Done, Step};
use crate::workspace::Workspace;

/// Steps that run, one after another.
pub(super) struct Running(JoinHandle<Vec<(Done, PathBuf)>>);

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
                (Done::run(step, || run(&program, &root, step, &output)), output)
            })
            .collect()
    };
    Ok(Running(thread::spawn(run_all)))
}

impl Running {
    /// Waits for the last of them, and prints what each has written.
    pub(super) fn end(self) -> Result<Vec<Done>> {
        let all = self.0.join().map_err(|_| anyhow!("what ran beside other steps has panicked"))?;
        for (done, output) in &all {
            println!("\n==== {} (ran beside other steps)", done.step.name);
            let written = std::fs::read(output).with_context(|| output.display().to_string())?;
            println!("{}", String::from_utf8_lossy(&written).trim_end());
            done.print_result();
        }
        Ok(all.into_iter().map(|(done, _)| done).collect())
    }
}

fn run(program: &Path, root: &Path, step: &Step, output: &Path) -> Result<()> {
    let file = File::create(output).with_context(|| output.display().to_string())?;
    let status = Command::new(program)
        .args(["test", "--no-setup", "--step", step.name])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| program.display().to_string())?;
    ensure!(status.success(), "{status}");
    Ok(())
}
