//! The crates as a registry takes them: are their manifests complete, may all they depend on be passed on, do they package,
//! and does a program use them by version?

mod licence;
mod manifest;
mod overlay;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::workspace::Workspace;
use manifest::Metadata;

/// What the registry takes at most.
const MOST_BYTES: u64 = 10 * 1024 * 1024;

#[derive(clap::Args, Default)]
pub struct PackagesArgs {
    /// Print the order in which the crates are published, one a line, and stop.
    #[arg(long)]
    order: bool,
    /// Also build what is in the packages, but for the engines: a minute or two.
    #[arg(long)]
    verify: bool,
}

impl PackagesArgs {
    /// Everything that is checked.
    pub fn checked() -> Self {
        Self { verify: true, ..Self::default() }
    }
}

/// Crates whose packages are not built here, as they bring an engine; `cargo publish` builds them again anyway.
const HEAVY: &[&str] = &["memgrove-lab", "memgrove-cli"];

pub fn run(workspace: &Workspace, args: &PackagesArgs) -> Result<()> {
    let metadata = Metadata::read(&workspace.shell()?)?;
    let order = metadata.publish_order()?;
    if args.order {
        order.iter().for_each(|name| println!("{name}"));
        return Ok(());
    }
    check(workspace, &metadata)?;
    let packages = pack_with(workspace, &metadata)?;
    if args.verify {
        verify(workspace, &order)?;
    }
    overlay::check(workspace, &packages)
}

/// What needs no build: manifests, versions, the order, the licences.
pub fn check_manifests(workspace: &Workspace) -> Result<()> {
    check(workspace, &Metadata::read(&workspace.shell()?)?)
}

fn check(workspace: &Workspace, metadata: &Metadata) -> Result<()> {
    let mut faults = metadata.incomplete(workspace.root());
    faults.extend(metadata.licences());
    let order = metadata.publish_order()?;
    if !faults.is_empty() {
        bail!("{} faults:\n{}", faults.len(), faults.join("\n"));
    }
    println!(
        "packages: {} crates can be published in order, {} packages may be passed on",
        order.len(),
        metadata.packages.len()
    );
    Ok(())
}

/// Makes the `.crate` files of everything that is published, in `out/packages`; returns them in the order of publishing.
pub fn pack(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    pack_with(workspace, &Metadata::read(&workspace.shell()?)?)
}

fn pack_with(workspace: &Workspace, metadata: &Metadata) -> Result<Vec<PathBuf>> {
    let sh = workspace.shell()?;
    let order = metadata.publish_order()?;
    let target = workspace.out().join("target/packages");
    let names: Vec<&str> = order.iter().flat_map(|name| ["-p", name]).collect();
    // The work tree is what is released: the release task asks that it is committed.
    cmd!(sh, "cargo package --quiet --locked --no-verify --allow-dirty --target-dir {target}")
        .args(names)
        .run()?;
    let folder = workspace.out().join("packages");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut packages = Vec::new();
    for name in &order {
        let file = format!("{name}-{}.crate", metadata.version(name)?);
        let made = target.join("package").join(&file);
        let bytes = fs::metadata(&made).with_context(|| made.display().to_string())?.len();
        if bytes > MOST_BYTES {
            bail!("{file} has {bytes} bytes; the registry takes {MOST_BYTES}");
        }
        println!("packages: {file}: {bytes} bytes");
        fs::copy(&made, folder.join(&file))?;
        packages.push(folder.join(file));
    }
    Ok(packages)
}

/// Uses the packages in a folder by version.
pub fn used(workspace: &Workspace, folder: &std::path::Path) -> Result<()> {
    let metadata = Metadata::read(&workspace.shell()?)?;
    let file = |name: &String| Ok(folder.join(format!("{name}-{}.crate", metadata.version(name)?)));
    overlay::check(workspace, &metadata.publish_order()?.iter().map(file).collect::<Result<Vec<_>>>()?)
}

/// Builds the packages from what is in them, each with the others as packages.
fn verify(workspace: &Workspace, order: &[String]) -> Result<()> {
    let sh = workspace.shell()?;
    let light = order.iter().filter(|name| !HEAVY.contains(&name.as_str()));
    let names: Vec<&str> = light.flat_map(|name| ["-p", name]).collect();
    let target = workspace.out().join("target/packages");
    println!("skipped: the packages of {} are not built here (an engine each)", HEAVY.join(" and "));
    Ok(cmd!(sh, "cargo package --quiet --locked --allow-dirty --target-dir {target}").args(names).run()?)
}
