//! The Python package: its wheel, its tests, and the recipes on the engines they are for. What Python needs lies in a virtual
//! environment in the git-ignored `out/venv`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::corpus;
use crate::workspace::{Workspace, folder};

/// What the wheel is made and tested with, and what the recipes run on.
const PACKAGES: &[&str] = &["duckdb", "maturin", "mypy", "pyarrow", "pyspark", "pytest", "ray[data]"];

/// Files that an engine does not hand to its recipe, whatever is in them; docs/rows.md says so.
const LEFT_OUT: [(&str, &[&str]); 2] =
    [("spark", &["_text.txt", ".text.txt", "empty.wasm"]), ("ray", &["_text.txt", ".text.txt"])];

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
    let package = workspace.root().join("crates/memgrove-python");
    let (tests, config) = (package.join("tests"), package.join("pyproject.toml"));
    cmd!(sh, "{python} -m pytest -q -p no:cacheprovider {tests}").run()?;
    // Where caches may lie.
    sh.change_dir(at);
    // The package against its own types, a program that uses it, and the types of its native part against what that has.
    cmd!(sh, "{python} -m mypy --config-file {config} -p memgrove").run()?;
    cmd!(sh, "{python} -m mypy --config-file {config} {tests}/typed.py").run()?;
    cmd!(sh, "{python} -m mypy.stubtest --mypy-config-file {config} memgrove._memgrove").run()?;
    Ok(())
}

/// The step `rows`.
pub fn test(workspace: &Workspace, sh: &Shell) -> Result<()> {
    let target = workspace.out().join("target/rows");
    // The same packages and features both times, or else the second would compile much of it again.
    let build = ["-p", "memgrove-cli", "-p", "memgrove-rows", "--features", "memgrove-cli/rows"];
    for tests in [&["--test", "cli", "rows"][..], &["--test", "rows"]] {
        cmd!(sh, "cargo test --locked --no-default-features --target-dir {target}")
            .args(build)
            .args(tests)
            .run()?;
    }
    let wheel = wheel(workspace)?;
    test_wheel(workspace, &wheel)?;
    recipes(workspace, &wheel, &target.join("debug/memgrove"))
}

/// A shell for the engines and for a Python that has the wheel, which is installed into a folder; that Python.
pub fn with_wheel(workspace: &Workspace, wheel: &Path, packages: &Path) -> Result<(Shell, PathBuf)> {
    let sh = workspace.shell()?;
    let bin = commands(workspace, &sh)?;
    let (pip, python) = (bin.join("pip"), bin.join("python"));
    cmd!(sh, "{pip} install --quiet --no-deps --target {packages} {wheel}").run()?;
    sh.set_var("PYTHONPATH", packages);
    // Spark's workers, too, are this environment's.
    sh.set_var("PYSPARK_PYTHON", &python);
    Ok((sh, python))
}

/// Each recipe on its engine: its rows are the command's, column by column, and DuckDB's questions have the same answers.
fn recipes(workspace: &Workspace, wheel: &Path, memgrove: &Path) -> Result<()> {
    let place = tempfile::tempdir()?;
    let at = place.path();
    let (sh, python) = with_wheel(workspace, wheel, &at.join("packages"))?;
    let recipes = workspace.root().join("recipes");
    let duckdb = recipes.join("duckdb_sql.py");
    let ask = |rows: &Path| cmd!(sh, "{python} {duckdb} {rows}").read();

    // In Parquet the corpus has the answers that it has in CSV.
    let (list, rows) = (at.join("list"), at.join("corpus"));
    corpus::page::write_list(workspace, &list)?;
    cmd!(sh, "{memgrove} --quiet inspect --format parquet --max-time 600 -o {rows} --files-from {list}")
        .run()?;
    corpus::page::same_answers(workspace, &ask(&rows)?)?;

    // A report is the command's, too.
    let prebuilt = workspace.root().join("samples/prebuilt");
    let is_wasm = |name: &PathBuf| name.extension().is_some_and(|extension| extension == "wasm");
    let samples: Vec<_> =
        folder(&prebuilt)?.into_keys().map(|name| prebuilt.join(name)).filter(is_wasm).collect();
    let same_report = workspace.root().join("crates/memgrove-python/tests/same_report.py");
    let compared = cmd!(sh, "{python} {same_report} {memgrove}").args(&samples).read()?;
    ensure!(compared == samples.len().to_string() && samples.len() > 30, "{compared} reports compared");

    // Rows that Spark, Ray and GNU parallel had made are those of the command, also of files that cannot be inspected.
    let place_of_files = at.join("files");
    let files = write_files(workspace, &place_of_files)?;
    let rows_of = |name: &str, files: &[String]| -> Result<(PathBuf, PathBuf)> {
        let (list, rows) = (at.join(format!("{name}.list")), at.join(name));
        fs::write(&list, files.join("\n") + "\n")?;
        cmd!(sh, "{memgrove} --quiet inspect --format parquet -o {rows} --files-from {list}").run()?;
        Ok((list, rows))
    };
    let (list, rows) = rows_of("rows", &files)?;
    let answers = ask(&rows)?;
    ensure!(answers.contains("| wee_alloc |"), "no answers of the samples:\n{answers}");
    let same_rows = workspace.root().join("crates/memgrove-python/tests/same_rows.py");
    let compare = |expected: &Path, rows: &Path| {
        let expected = expected.join("*.parquet");
        cmd!(sh, "{python} {same_rows} {expected} {rows}").read()
    };
    for (engine, left_out) in LEFT_OUT {
        let is_left_out = |file: &String| left_out.iter().any(|name| file.ends_with(&format!("/{name}")));
        let handed: Vec<_> = files.iter().filter(|file| !is_left_out(file)).cloned().collect();
        ensure!(handed.len() + left_out.len() == files.len(), "{left_out:?} are not all there");
        let (_, expected) = rows_of(&format!("rows-of-{engine}"), &handed)?;
        let (script, out) = (recipes.join(format!("{engine}_rows.py")), at.join(engine));
        let printed = cmd!(sh, "{python} {script} {place_of_files} {out}").read()?;
        let counts: BTreeMap<String, u64> = serde_json::from_str(
            &compare(&expected, &out.join("*.parquet")).with_context(|| format!("rows by {engine}"))?,
        )?;
        ensure!(
            counts.len() == 3 && counts.values().sum::<u64>() == handed.len() as u64,
            "{counts:?} of {} files",
            handed.len()
        );
        for (status, count) in counts {
            let is_printed = printed_count(&printed, &status) == Some(count);
            ensure!(
                is_printed,
                "the recipe for {engine} printed other counts than {count} of {status}:\n{printed}"
            );
        }
        // The questions can be asked of these rows, too.
        ensure!(ask(&out)?.replace("file:", "") == answers, "other answers from the rows by {engine}");
    }
    let out = parallel(&sh, &recipes.join("parallel.sh"), memgrove, &list, files.len())?;
    compare(&rows, &out.join("list-*.ndjson")).context("rows by GNU parallel")?;
    Ok(())
}

/// The samples, and files that have nothing but a status; their paths, sorted.
fn write_files(workspace: &Workspace, to: &Path) -> Result<Vec<String>> {
    let sample = workspace.root().join("samples/prebuilt/rust-no-std-wee_alloc.wasm");
    let mut bytes = fs::read(&sample).with_context(|| sample.display().to_string())?;
    fs::create_dir(to)?;
    for (name, bytes) in folder(&workspace.root().join("samples/prebuilt"))? {
        fs::write(to.join(name), bytes)?;
    }
    bytes.truncate(bytes.len() / 2);
    fs::write(to.join("cut.wasm"), bytes)?;
    fs::write(to.join("empty.wasm"), "")?;
    for name in ["text.txt", "_text.txt", ".text.txt"] {
        fs::write(to.join(name), "no module\n")?;
    }
    let mut paths =
        fs::read_dir(to)?.map(|entry| Ok(entry?.path().display().to_string())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The number that stands behind a status in what a recipe printed.
fn printed_count(printed: &str, status: &str) -> Option<u64> {
    let (_, behind) = printed.split_once(&format!("'{status}'"))?;
    let digits = behind.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Runs the recipe for GNU parallel twice: the second time everything is there already, and no row may be there twice. The folder of
/// its rows.
fn parallel(sh: &Shell, script: &Path, memgrove: &Path, list: &Path, files: usize) -> Result<PathBuf> {
    let out = list.with_file_name("parallel");
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
        ensure!(count.trim() == files.to_string(), "{count} rows of {files} files");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::printed_count;
    use crate::workspace::folder;

    #[test]
    fn recipes_stay_short() {
        let recipes = folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes")).unwrap();
        let programs: Vec<_> = recipes
            .iter()
            .filter(|(name, _)| Path::new(name).extension().is_some_and(|it| it != "sql"))
            .collect();
        assert!(programs.len() >= 4, "{programs:?}");
        for (name, text) in programs {
            let lines = text.split(|&byte| byte == b'\n').count() - 1;
            assert!((5..=30).contains(&lines), "{} has {lines} lines", name.display());
        }
    }

    #[test]
    fn counts_of_statuses_are_read_as_engines_print_them() {
        let spark = "[Row(status='ok', count=41), Row(status='not-wasm', count=2)]";
        let ray = "[{'status': 'not-wasm', 'count()': 2}, {'status': 'ok', 'count()': 41}]";
        for printed in [spark, ray] {
            assert_eq!(printed_count(printed, "ok"), Some(41));
            assert_eq!(printed_count(printed, "not-wasm"), Some(2));
            assert_eq!(printed_count(printed, "broken"), None);
        }
    }
}
