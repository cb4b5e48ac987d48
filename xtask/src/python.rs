//! The Python package: its wheel, its tests, and the recipes on the engines they are for. What Python needs lies in a virtual
//! environment in the git-ignored `out/venv`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::corpus;
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

/// Each recipe on its engine. All that is told of rows is DuckDB's answer to questions.sql, so that is what is compared.
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
    let recipes = workspace.root().join("recipes");
    let duckdb = recipes.join("duckdb_sql.py");
    let ask = |rows: &Path| cmd!(sh, "{python} {duckdb} {rows}").read();

    // In Parquet the corpus has the answers that it has in CSV.
    let (list, rows) = (at.join("list"), at.join("corpus"));
    corpus::page::write_list(workspace, &list)?;
    cmd!(sh, "{memgrove} --quiet inspect --format parquet --max-time 600 -o {rows} --files-from {list}")
        .run()?;
    corpus::page::same_answers(workspace, &ask(&rows)?)?;

    // Rows that Spark and Ray had made are those of the command.
    let samples = workspace.root().join("samples/prebuilt");
    let rows = at.join("rows");
    cmd!(sh, "{memgrove} --quiet inspect --format parquet -o {rows} {samples}").run()?;
    let expected = ask(&rows)?;
    ensure!(expected.contains("| wee_alloc |"), "no answers of the samples:\n{expected}");
    for engine in ["spark", "ray"] {
        let (script, out) = (recipes.join(format!("{engine}_rows.py")), at.join(engine));
        cmd!(sh, "{python} {script} {samples} {out}").run()?;
        // Spark names a file by its address.
        let answers = ask(&out)?.replace("file:", "");
        ensure!(answers == expected, "rows by {engine}:\n{answers}\ninstead of\n{expected}");
    }
    parallel(&sh, &recipes.join("parallel.sh"), memgrove, &samples, at)
}

/// Runs the recipe for GNU parallel twice: the second time everything is there already, and no row may be there twice.
fn parallel(sh: &Shell, script: &Path, memgrove: &Path, samples: &Path, at: &Path) -> Result<()> {
    let mut files = fs::read_dir(samples)?
        .map(|entry| Ok(entry?.path().display().to_string()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let (list, out) = (at.join("files"), at.join("parallel"));
    fs::write(&list, files.join("\n") + "\n")?;
    let path = std::env::split_paths(&sh.var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let folder = memgrove.parent().context("the command lies in no folder")?;
    sh.set_var(
        "PATH",
        std::env::join_paths(std::iter::once(folder).chain(path.iter().map(PathBuf::as_path)))?,
    );
    for _ in 0..2 {
        let count = cmd!(sh, "sh {script} {list} {out} 2")
            .read()
            .context("hint: GNU parallel is Debian's package `parallel`")?;
        ensure!(count.trim() == files.len().to_string(), "{count} rows of {} files", files.len());
    }
    let mut sources = Vec::new();
    for entry in fs::read_dir(&out)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            for line in fs::read_to_string(&path)?.lines() {
                let row: serde_json::Value = serde_json::from_str(line)?;
                sources.push(row["source"].as_str().context("a row without a source")?.to_owned());
            }
        }
    }
    sources.sort();
    ensure!(sources == files, "rows of {sources:?} instead of {files:?}");
    Ok(())
}
