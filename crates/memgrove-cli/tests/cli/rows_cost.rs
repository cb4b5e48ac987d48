//! What rows cost: memory of a worker, and bytes of a row. The bounds are those of docs/rows.md.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{memgrove, root};

/// Of a worker, with the limits that docs/rows.md names for small machines.
#[cfg(target_os = "linux")]
const MOST_WORKER_BYTES: u64 = 200_000_000;
/// Of a row in CSV, on average.
const MOST_CSV_BYTES: u64 = 600;
/// Of a row in Parquet, on average.
#[cfg(feature = "rows")]
const MOST_PARQUET_BYTES: u64 = 200;

/// The bytes of a number as LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

/// Writes `count` modules into a folder, no two with the same bytes: the samples, each with a section of its own.
fn many(folder: &Path, count: usize) -> String {
    let mut samples: Vec<_> = fs::read_dir(root().join("samples/prebuilt"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    samples.sort();
    assert!(samples.len() > 30, "{samples:?}");
    let mut list = String::new();
    for (number, sample) in samples.iter().cycle().take(count).enumerate() {
        let mut bytes = fs::read(sample).unwrap();
        bytes.extend([0, 10, 1, b'n']);
        bytes.extend((number as u64).to_le_bytes());
        let name = format!("{number}-{}", sample.file_name().unwrap().to_str().unwrap());
        fs::write(folder.join(&name), bytes).unwrap();
        list += &(name + "\n");
    }
    list
}

/// The largest memory that each of a process's children had until now, by its id.
#[cfg(target_os = "linux")]
fn peaks_of_children(process: u32) -> Vec<(String, u64)> {
    let peak = |pid: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes << 10)
    };
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children: Vec<String> = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    children.into_iter().filter_map(|pid| Some((pid.clone(), peak(&pid)?))).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_takes_little_memory_whatever_the_files_are() {
    use std::collections::BTreeMap;
    use std::os::unix::fs::OpenOptionsExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    // So that opening a FIFO that nobody reads is refused.
    const O_NONBLOCK: i32 = 0o4000;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let magic = b"\0asm\x01\0\0\0";
    let mut list = many(folder.path(), 60);
    // As large as a file may be, in one section.
    let large = fs::File::create(at("large.wasm")).unwrap();
    let section = (64 << 20) - 64;
    (&large).write_all(&[&magic[..], &[0], &leb(section), &[1, b'x']].concat()).unwrap();
    large.set_len(magic.len() as u64 + 1 + 4 + section as u64).unwrap();
    // As many functions as a megabyte has.
    let functions = 100_000;
    let bodies = [2, 0, 0x0b].repeat(functions);
    let count = leb(functions);
    let mut module = magic.to_vec();
    for (id, body) in [
        (1, [&[1, 0x60, 0, 0][..]].concat()),
        (3, [&count[..], &vec![0; functions]].concat()),
        (10, [&count[..], &bodies].concat()),
    ] {
        module.push(id);
        module.extend(leb(body.len()));
        module.extend(body);
    }
    fs::write(at("functions.wasm"), module).unwrap();
    // Unpacks to more than it may.
    let mut gzip =
        GzEncoder::new(BufWriter::new(fs::File::create(at("bomb.wasm.gz")).unwrap()), Compression::fast());
    gzip.write_all(magic).unwrap();
    (0..100).for_each(|_| gzip.write_all(&vec![0; 1 << 20]).unwrap());
    gzip.finish().unwrap();
    fs::write(at("nested.wat"), "(block".repeat(200_000)).unwrap();
    fs::File::create(at("beyond.wasm")).unwrap().set_len(3 << 30).unwrap();
    // Once it is opened for reading, the worker has done everything before it and is still there.
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    list += "large.wasm\nfunctions.wasm\nbomb.wasm.gz\nnested.wat\nbeyond.wasm\npipe\n";
    fs::write(at("list"), list).unwrap();

    let limits = ["--max-size", "64MiB", "--max-memory", "512MiB", "--max-time", "60"];
    let mut run = memgrove(folder.path())
        .args(["inspect", "--format", "csv", "-o", "rows.csv", "--jobs", "1", "--files-from", "list"])
        .args(limits)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peaks = BTreeMap::new();
    while run.try_wait().unwrap().is_none() {
        // A worker that is replaced leaves the peak that was read last.
        let pipe = fs::OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(at("pipe"));
        peaks.extend(peaks_of_children(run.id()));
        drop(pipe);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(run.wait().unwrap().success());
    let rows = fs::read_to_string(at("rows.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 60 + 6, "{rows}");
    for (source, status) in
        [("large.wasm", "ok"), ("functions.wasm", "ok"), ("beyond.wasm", "too-large"), ("pipe", "not-wasm")]
    {
        let row = rows.lines().find(|row| row.contains(&format!(",{source},"))).unwrap();
        assert!(row.contains(&format!(",{status},")), "{row}");
    }
    // Which limit it meets first is not said.
    let row = rows.lines().find(|row| row.contains(",bomb.wasm.gz,")).unwrap();
    assert!(row.contains(",too-large,") || row.contains(",out-of-memory,"), "{row}");
    let peak = peaks.values().copied().max().unwrap();
    assert!(peak > 64 << 20, "the large module was held by none of {peaks:?}");
    assert!(peak < MOST_WORKER_BYTES, "a worker took {peak} bytes: {peaks:?}");
}

#[test]
fn a_row_takes_few_bytes() {
    const COUNT: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list"), many(folder.path(), COUNT)).unwrap();
    let run = |format: &str, out: &str| {
        let done = memgrove(folder.path())
            .args(["inspect", "--format", format, "-o", out, "--files-from", "list"])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run("csv", "rows.csv");
    let rows = fs::read_to_string(folder.path().join("rows.csv")).unwrap();
    assert_eq!(rows.matches(",ok,").count(), COUNT);
    let bytes = rows.len() as u64 / COUNT as u64;
    assert!((300..=MOST_CSV_BYTES).contains(&bytes), "{bytes} bytes a row in CSV");
    #[cfg(feature = "rows")]
    {
        run("parquet", "rows");
        let size = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
        let total: u64 = fs::read_dir(folder.path().join("rows")).unwrap().map(size).sum();
        let bytes = total / COUNT as u64;
        // No two have the same hash, of 64 characters.
        assert!((64..=MOST_PARQUET_BYTES).contains(&bytes), "{bytes} bytes a row in Parquet");
    }
}
