//! The Python package: its wheel, its tests, and the recipes on the engines they are for. What Python needs lies in a virtual
//! environment in the git-ignored `out/venv`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::workspace::Workspace;

/// What the wheel is made and tested with, and what the recipes run on.
const PACKAGES: &[&str] = &["duckdb", "maturin", "mypy", "pyarrow", "pyspark", "pytest", "ray[data]"];

/// The folder of the virtual environment's commands, made where it is not there.
fn commands(workspace: &Workspace, sh: &Shell) -> Result<PathBuf> {
    let venv = workspace.out().join("venv");
    let bin = venv.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let mark = venv.join("memgrove-packages");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(bin);
    }
    println!("python: {} into out/venv", PACKAGES.join(", "));
    // Packages that other tools have put on the path are not this environment's.
    sh.set_var("PYTHONPATH", "");
    cmd!(sh, "python3 -m venv {venv}").run()?;
    let pip = bin.join("pip");
    cmd!(sh, "{pip} install --quiet").args(PACKAGES).run()?;
    fs::write(mark, wanted)?;
    Ok(bin)
}

/// Makes the wheel.
pub fn wheel(workspace: &Workspace) -> Result<PathBuf> {
    let sh = workspace.shell()?;
    let maturin = commands(workspace, &sh)?.join("maturin");
    let (out, target) = (workspace.out().join("wheels"), workspace.out().join("target/python"));
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let manifest = workspace.root().join("crates/memgrove-python/Cargo.toml");
    sh.set_var("CARGO_TARGET_DIR", target);
    cmd!(sh, "{maturin} build --quiet --release --locked --manifest-path {manifest} --out {out}").run()?;
    let made = fs::read_dir(&out)?.next().context("maturin made no wheel")??;
    Ok(made.path())
}

/// Installs a wheel into a folder of its own and runs the package's tests on it.
pub fn test_wheel(workspace: &Workspace, wheel: &Path) -> Result<()> {
    let sh = workspace.shell()?;
    let bin = commands(workspace, &sh)?;
    let (pip, python) = (bin.join("pip"), bin.join("python"));
    let place = tempfile::tempdir()?;
    let at = place.path();
    cmd!(sh, "{pip} install --quiet --no-deps --target {at} {wheel}").run()?;
    sh.set_var("PYTHONPATH", at);
    let tests = workspace.root().join("crates/memgrove-python/tests");
    cmd!(sh, "{python} -m pytest -q -p no:cacheprovider {tests}").run()?;
    cmd!(sh, "{python} -m mypy --strict --ignore-missing-imports --cache-dir {at}/mypy -p memgrove").run()?;
    Ok(())
}

/// The step `rows`.
pub fn test(workspace: &Workspace, sh: &Shell) -> Result<()> {
    let target = workspace.out().join("target/rows");
    let build = ["--locked", "--no-default-features", "--features", "rows", "--target-dir"];
    cmd!(sh, "cargo test -p memgrove-cli").args(build).arg(&target).args(["--test", "cli", "rows"]).run()?;
    cmd!(sh, "cargo test --locked -p memgrove-rows --features parquet --target-dir {target}").run()?;
    let wheel = wheel(workspace)?;
    test_wheel(workspace, &wheel)?;
    recipes(workspace, &wheel, &target.join("debug/memgrove"))
}

/// Each recipe, on its engine, over the prebuilt samples.
fn recipes(workspace: &Workspace, wheel: &Path, memgrove: &Path) -> Result<()> {
    let sh = workspace.shell()?;
    let bin = commands(workspace, &sh)?;
    let (pip, python) = (bin.join("pip"), bin.join("python"));
    let place = tempfile::tempdir()?;
    let at = place.path();
    let packages = at.join("packages");
    cmd!(sh, "{pip} install --quiet --no-deps --target {packages} {wheel}").run()?;
    sh.set_var("PYTHONPATH", &packages);
    // Spark's workers, too, are this environment's.
    sh.set_var("PYSPARK_PYTHON", &python);
    let samples = workspace.root().join("samples/prebuilt");
    let recipes = workspace.root().join("recipes");
    let rows = at.join("rows");
    cmd!(sh, "{memgrove} --quiet inspect --format parquet -o {rows} {samples}").run()?;
    for (script, folder) in
        [("duckdb_sql.py", None), ("spark_rows.py", Some("spark")), ("ray_rows.py", Some("ray"))]
    {
        let script = recipes.join(script);
        match folder {
            None => cmd!(sh, "{python} {script} {rows}").run()?,
            Some(folder) => {
                let out = at.join(folder);
                cmd!(sh, "{python} {script} {samples} {out}").run()?;
            }
        }
    }
    Ok(())
}
