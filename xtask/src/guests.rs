//! The guests: builds every allocator with every workload, weighs its code, packs it and writes the manifest.

mod pack;
mod record;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use memgrove_results::guest::Manifest;
use serde::Deserialize;
use serde_json::{Value, json};
use xshell::{Shell, cmd};

use self::pack::Modules;
use crate::sources;
use crate::wasm_rust::{WasmRust, registries};
use crate::workspace::Workspace;

#[derive(clap::Subcommand)]
pub enum GuestsTask {
    /// Build the guests into `guests/prebuilt` and write their manifest.
    Build(BuildArgs),
    /// Say whether `guests/prebuilt` was built from the sources as they are.
    Check,
    /// Record the traces that are shipped, from the real programs.
    Record,
}

#[derive(clap::Args, Default)]
pub struct BuildArgs {
    /// Only these allocators; the others stay as they are.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the threaded twins as they are.
    #[arg(long)]
    no_threads: bool,
    /// Do not weigh the allocators' code.
    #[arg(long)]
    no_sizes: bool,
}

/// What the guests are built from in this repository.
const SOURCES: [&str; 3] = ["guests", "crates/memgrove-trace/src", "crates/memgrove/src"];

/// `guests/allocators.toml`.
#[derive(Deserialize)]
struct Catalogue {
    allocator: Vec<Allocator>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocator {
    id: String,
    title: String,
    version: String,
    source: String,
    role: String,
    #[serde(default)]
    known_defects: Vec<String>,
    #[serde(default)]
    threads: bool,
    #[serde(default = "yes")]
    own_code: bool,
    /// What rustc is told when its own code is weighed, where nothing of std is.
    cfg: Option<String>,
    c: Option<String>,
    /// The crate with its sources, and the folder in it: `c` is then a file here that includes them.
    c_package: Option<String>,
}

fn yes() -> bool {
    true
}

impl Allocator {
    /// The cargo feature that chooses it.
    fn feature(&self) -> &str {
        match &self.c {
            Some(source) if !source.ends_with(".zig") => "c-malloc",
            _ => &self.id,
        }
    }
}

/// A guest that was built: its entry in the manifest, and its modules, each with whether it is for threads.
struct Built {
    entry: Value,
    modules: Vec<(bool, Vec<u8>)>,
}

/// Everything that a build needs.
struct Builder<'a> {
    workspace: &'a Workspace,
    rust: WasmRust,
    target: PathBuf,
    prebuilt: PathBuf,
}

pub fn run(workspace: &Workspace, task: &GuestsTask) -> Result<()> {
    match task {
        GuestsTask::Build(args) => build(workspace, args),
        GuestsTask::Check => check(workspace),
        GuestsTask::Record => record::run(&Builder::new(workspace)?),
    }
}

fn check(workspace: &Workspace) -> Result<()> {
    let guests = workspace.root().join("guests");
    let recorded = fs::read_to_string(guests.join("prebuilt/sources.sha256"))?;
    if recorded.trim() != sources::hash(workspace.root(), &SOURCES)? {
        bail!("the prebuilt guests are older than their sources\nhint: cargo xtask guests build");
    }
    println!("guests: prebuilt from the sources as they are");
    Ok(())
}

fn build(workspace: &Workspace, args: &BuildArgs) -> Result<()> {
    let folder = workspace.root().join("guests");
    let catalogue: Catalogue = toml::from_str(&fs::read_to_string(folder.join("allocators.toml"))?)?;
    if let Some(unknown) = args.only.iter().find(|id| !catalogue.allocator.iter().any(|a| a.id == **id)) {
        bail!("no allocator `{unknown}` in guests/allocators.toml");
    }
    let builder = Builder::new(workspace)?;
    fs::create_dir_all(&builder.prebuilt)?;
    let manifest_path = builder.prebuilt.join("manifest.json");
    let before: Value = fs::read(&manifest_path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut modules = match serde_json::from_value::<Manifest>(before.clone()) {
        Ok(manifest) => Modules::read(&builder.prebuilt, &manifest)?,
        Err(_) => Modules::default(),
    };
    let mut entries: BTreeMap<String, Value> = before["guests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|guest| Some((guest["allocator"].as_str()?.to_owned(), guest.clone())))
        .collect();
    let weights = if args.no_sizes { None } else { Some(builder.without_allocator()?) };
    let workloads = workload_table(workspace, &builder.target)?;
    let tools = builder.tools()?;
    for allocator in &catalogue.allocator {
        if !args.only.is_empty() && !args.only.contains(&allocator.id) {
            continue;
        }
        println!("guests: {}", allocator.id);
        let old = entries.get(&allocator.id).cloned().unwrap_or_default();
        match builder.guest(allocator, args, weights, &old) {
            Ok(built) => {
                entries.insert(allocator.id.clone(), built.entry);
                for (has_threads, wasm) in built.modules {
                    modules.insert(&allocator.id, has_threads, wasm);
                }
            }
            // One peer less is no reason to have none: the old build, if any, stays.
            Err(error) => println!("guests: {} is left out: {error:#}", allocator.id),
        }
    }
    let guests: Vec<_> = catalogue.allocator.iter().filter_map(|a| entries.get(&a.id)).collect();
    let manifest = json!({ "abi_version": 1, "tools": tools, "workloads": workloads, "guests": guests });
    modules.write(&builder.prebuilt, &serde_json::from_value(manifest.clone())?)?;
    fs::write(&manifest_path, serde_json::to_string_pretty(&manifest)? + "\n")?;
    fs::write(builder.prebuilt.join("sources.sha256"), sources::hash(workspace.root(), &SOURCES)? + "\n")?;
    Ok(())
}

impl<'a> Builder<'a> {
    fn new(workspace: &'a Workspace) -> Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace.out().join("target"), PathBuf::from)
            .join("guests");
        let rust = WasmRust::find(&workspace.shell()?)?;
        Ok(Self { workspace, rust, target, prebuilt: workspace.root().join("guests/prebuilt") })
    }

    /// A shell for wasm32 builds in `guests`.
    fn shell(&self, flags: &[&str]) -> Result<Shell> {
        let sh = self.workspace.shell()?;
        sh.change_dir(self.workspace.root());
        self.rust.enter(&sh, flags)?;
        sh.change_dir("guests");
        sh.set_var("CARGO_TARGET_DIR", &self.target);
        // A dependency of the interpreter draws constants at compile time; two builds must be the same bytes.
        sh.set_var("CONST_RANDOM_SEED", "memgrove");
        Ok(sh)
    }

    fn guest(
        &self,
        allocator: &Allocator,
        args: &BuildArgs,
        weights: Option<Weight>,
        old: &Value,
    ) -> Result<Built> {
        let objects = self.c_objects(allocator)?;
        let features = format!("{},programs", allocator.feature());
        let module = self.compile("guest", "release", &features, &objects, &[], "std,panic_abort")?;
        let mut entry = json!({
            "allocator": allocator.id, "title": allocator.title, "version": allocator.version,
            "source": allocator.source, "role": allocator.role, "known_defects": allocator.known_defects,
            "size_bytes": module.len(), "sha256": sources::digest(&module),
        });
        let mut modules = vec![(false, module)];
        entry["threads"] = old["threads"].clone();
        if allocator.threads && !args.no_threads {
            let flags = ["-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals"];
            let module =
                self.compile("guest", "release", allocator.feature(), &objects, &flags, "std,panic_abort")?;
            entry["threads"] = json!({ "size_bytes": module.len(), "sha256": sources::digest(&module) });
            modules.push((true, module));
        }
        entry["own_code"] = match weights {
            Some(none) if allocator.own_code => {
                match self.weigh(allocator.feature(), &objects, allocator.cfg.as_deref()) {
                    Ok(weight) => weight.above(none),
                    // The guest is good without its weight, which is then said to be unknown.
                    Err(error) => {
                        println!("guests: {} is not weighed: {error:#}", allocator.id);
                        Value::Null
                    }
                }
            }
            Some(_) => Value::Null,
            None => old["own_code"].clone(),
        };
        Ok(Built { entry, modules })
    }

    /// Builds a package of the guests' workspace and answers its module.
    fn compile(
        &self,
        package: &str,
        profile: &str,
        features: &str,
        objects: &[PathBuf],
        flags: &[&str],
        library: &str,
    ) -> Result<Vec<u8>> {
        let sh = self.shell(flags)?;
        // Built with other flags, or with less of the standard library, cargo would compile all of it again each time.
        let target =
            self.target.join(if flags.is_empty() { package.to_owned() } else { format!("{package}-flags") });
        sh.set_var("CARGO_TARGET_DIR", &target);
        let objects: Vec<_> = objects.iter().map(|path| path.display().to_string()).collect();
        sh.set_var("GUEST_C_OBJECTS", objects.join(";"));
        let arguments = self.rust.arguments(library);
        cmd!(sh, "cargo build --quiet --locked --profile {profile} -p {package} --no-default-features")
            .args(["--features", features])
            .args(arguments)
            .quiet()
            .run()?;
        let path = target.join("wasm32-unknown-unknown").join(profile).join(format!("{package}.wasm"));
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// The objects of a C allocator and of what it asks of its library; none for a Rust one.
    fn c_objects(&self, allocator: &Allocator) -> Result<Vec<PathBuf>> {
        let Some(source) = &allocator.c else { return Ok(Vec::new()) };
        let sh = self.workspace.shell()?;
        let folder = self.target.join("c");
        fs::create_dir_all(&folder)?;
        let host = folder.join("host.o");
        let object = folder.join(format!("{}.o", allocator.id));
        let clang = ["clang-22", "clang"]
            .into_iter()
            .find(|clang| cmd!(sh, "{clang} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok())
            .context("no clang here")?;
        cmd!(sh, "{clang} --target=wasm32 -O2 -fno-builtin -c guests/c/host.c -o {host}").quiet().run()?;
        let root = Path::new("/usr/share/emscripten/system/lib");
        if let Some(package) = &allocator.c_package {
            // The lock file says which version, and its checksum.
            cmd!(sh, "cargo fetch --quiet --locked --manifest-path guests/Cargo.toml").quiet().run()?;
            let sources = registry_source(package)?;
            let built_in = cmd!(sh, "{clang} -print-resource-dir").quiet().read()?;
            cmd!(sh, "{clang} --target=wasm32-wasip1 -nostdinc -isystem {built_in}/include")
                // Two builds must be the same bytes.
                .args(["-Wno-builtin-macro-redefined", "-D__DATE__=\"\"", "-D__TIME__=\"\""])
                .args(["-isystem", "/usr/include/wasm32-wasi", "-O3", "-DNDEBUG", "-I"])
                .arg(sources.join("include"))
                .arg("-I")
                .arg(sources.join("src"))
                .args(["-c", source, "-o"])
                .arg(&object)
                .quiet()
                .run()?;
        } else if source.ends_with(".zig") {
            cmd!(sh, "python3 -m ziglang build-obj {source} -target wasm32-freestanding -O ReleaseFast")
                .arg(format!("-femit-bin={}", object.display()))
                .quiet()
                .run()
                .context("cargo xtask setup installs Zig")?;
        } else if source.ends_with(".c") {
            let source = root.join(source);
            if !source.exists() {
                bail!("no {}\nhint: apt-get install emscripten", source.display());
            }
            cmd!(sh, "emcc -O3 -DNDEBUG -fno-builtin -c {source} -o {object}").quiet().run()?;
        } else {
            let archive = "/usr/lib/wasm32-wasi/libc.a";
            let bytes = cmd!(sh, "llvm-ar-22 p {archive} {source}").quiet().output()?.stdout;
            fs::write(&object, bytes)?;
        }
        Ok(vec![object, host])
    }

    fn without_allocator(&self) -> Result<Weight> {
        self.weigh("none", &[], None)
    }

    /// Code bytes of the minimal module, for size and for speed, as built and after `wasm-opt`.
    fn weigh(&self, feature: &str, objects: &[PathBuf], cfg: Option<&str>) -> Result<Weight> {
        let flags: Vec<&str> = cfg.iter().flat_map(|cfg| ["--cfg", cfg]).collect();
        let mut bytes = [0; 5];
        for (index, (profile, level)) in [("size", "-Oz"), ("speed", "-O3")].into_iter().enumerate() {
            let module = self.compile("minimal", profile, feature, objects, &flags, "core,alloc")?;
            bytes[2 * index] = code_bytes(&module)?;
            let optimised = self.optimise(&module, level)?;
            bytes[2 * index + 1] = code_bytes(&optimised)?;
            if level == "-Oz" {
                bytes[4] = brotli_bytes(&optimised)?;
            }
        }
        Ok(Weight(bytes))
    }

    fn optimise(&self, module: &[u8], level: &str) -> Result<Vec<u8>> {
        let sh = self.workspace.shell()?;
        let (from, to) = (self.target.join("minimal.wasm"), self.target.join("minimal.opt.wasm"));
        fs::write(&from, module)?;
        cmd!(sh, "wasm-opt {level} --all-features {from} -o {to}").quiet().run().context("wasm-opt")?;
        Ok(fs::read(to)?)
    }

    fn tools(&self) -> Result<Vec<String>> {
        let sh = self.workspace.shell()?;
        let mut tools = vec![self.rust.version(&sh)?];
        for tool in ["wasm-opt", "clang-22", "emcc"] {
            if let Ok(version) = cmd!(sh, "{tool} --version").quiet().ignore_stderr().read() {
                tools.extend(version.lines().next().map(str::to_owned));
            }
        }
        Ok(tools)
    }
}

/// Code bytes at -Oz, the same after wasm-opt, at -O3, the same after wasm-opt; the module at -Oz after wasm-opt and
/// Brotli.
#[derive(Clone, Copy)]
struct Weight([u64; 5]);

impl Weight {
    fn above(self, none: Self) -> Value {
        let own = |index: usize| self.0[index].saturating_sub(none.0[index]);
        json!({
            "oz_bytes": own(0), "oz_optimised_bytes": own(1),
            "oz_brotli_bytes": own(4),
            "o3_bytes": own(2), "o3_optimised_bytes": own(3),
        })
    }
}

/// Bytes of a module under Brotli, as `memgrove-lab` counts them of swapped modules.
fn brotli_bytes(module: &[u8]) -> Result<u64> {
    let mut packed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 9, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &module[..], &mut packed, &params)?;
    Ok(packed.len() as u64)
}

/// Bytes of all function bodies with their lengths.
fn code_bytes(module: &[u8]) -> Result<u64> {
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::CodeSectionStart { size, .. } = payload? {
            return Ok(size.into());
        }
    }
    Ok(0)
}

/// The workloads' own table, from a native build.
fn workload_table(workspace: &Workspace, target: &Path) -> Result<Value> {
    let sh = workspace.shell()?;
    sh.change_dir("guests");
    sh.set_var("CARGO_TARGET_DIR", target);
    let text = cmd!(sh, "cargo run --quiet --locked -p workloads --example table").quiet().read()?;
    Ok(serde_json::from_str(&text)?)
}

/// Where cargo has unpacked a folder of a package.
fn registry_source(folder: &str) -> Result<PathBuf> {
    let registries = fs::read_dir(registries()).into_iter().flatten().flatten();
    let found = registries.map(|registry| registry.path().join(folder)).find(|path| path.is_dir());
    found.with_context(|| format!("cargo has not fetched {folder}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_code_is_what_lies_above_the_empty_module() {
        let own = Weight([300, 250, 500, 100, 140]).above(Weight([100, 90, 120, 110, 50]));
        let expected = json!({
            "oz_bytes": 200, "oz_optimised_bytes": 160, "oz_brotli_bytes": 90, "o3_bytes": 380, "o3_optimised_bytes": 0,
        });
        assert_eq!(own, expected);
    }

    #[test]
    fn code_is_weighed_by_its_section() {
        // One type, one function of that type, one empty body: its two bytes and their length make three.
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";
        assert_eq!(code_bytes(module).unwrap(), 3);
        assert_eq!(code_bytes(b"\0asm\x01\0\0\0").unwrap(), 0);
        assert!(code_bytes(b"MGTR").is_err());
    }

    #[test]
    fn every_allocator_of_the_catalogue_is_known_to_the_guests() {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
        let catalogue: Catalogue =
            toml::from_str(&fs::read_to_string(guests.join("allocators.toml")).unwrap()).unwrap();
        let list = fs::read_to_string(guests.join("guest/src/allocator/mod.rs")).unwrap();
        for allocator in &catalogue.allocator {
            assert!(list.contains(&format!("\"{}\"", allocator.feature())), "{}", allocator.id);
            assert!(
                ["floor", "peer", "ours", "hardened"].contains(&allocator.role.as_str()),
                "{}",
                allocator.id
            );
        }
    }
}
