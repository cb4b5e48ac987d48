//! The archives as others take them: a folder with `include`, `lib`, a CMake package, pkg-config files and examples, packed
//! as one file, and used from there by CMake, pkg-config and Zig.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::cmd;

use super::{ALLOCATORS, HARDENED, PLAIN, THREADS, clang};
use crate::workspace::Workspace;

/// What is written by hand.
const SOURCES: &str = "crates/memgrove-c/package";

/// Instantiates a module without imports, and has it sum numbers on its heap.
const RUN: &str = "
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const imports = WebAssembly.Module.imports(module).map(({module, name}) => `${module}.${name}`);
    if (imports.length) throw new Error(`imports ${imports}`);
    const {exports} = new WebAssembly.Instance(module, {});
    if (exports.sum(100000) >>> 0 !== 4999950000 % 2 ** 32) throw new Error(`sum is ${exports.sum(100000)}`);";

/// Puts the archives in `out/archives` into a package; returns the packed file.
pub fn pack(workspace: &Workspace) -> Result<PathBuf> {
    let archives = workspace.out().join("archives");
    let sources = workspace.root().join(SOURCES);
    let manifest = fs::read_to_string(workspace.root().join("crates/memgrove-c/Cargo.toml"))?;
    let manifest: toml::Table = manifest.parse()?;
    let version = manifest["package"]["version"].as_str().context("memgrove-c has a version")?;
    let name = format!("memgrove-c-{version}");
    let folder = archives.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let sh = workspace.shell()?;
    for part in ["include", "lib/cmake/memgrove", "lib/pkgconfig"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::copy(
        workspace.root().join("crates/memgrove-c/include/memgrove.h"),
        folder.join("include/memgrove.h"),
    )?;
    let cmake = folder.join("lib/cmake/memgrove");
    fs::copy(sources.join("memgrove-config.cmake"), cmake.join("memgrove-config.cmake"))?;
    let filled = |template: &str, name: &str| -> Result<String> {
        Ok(fs::read_to_string(sources.join(template))?.replace("@version@", version).replace("@name@", name))
    };
    fs::write(cmake.join("memgrove-config-version.cmake"), filled("memgrove-config-version.cmake.in", "")?)?;
    for kind in [PLAIN, THREADS, HARDENED] {
        for allocator in ALLOCATORS {
            let archive = kind.archive(allocator);
            let made = archives.join(&archive);
            fs::copy(&made, folder.join("lib").join(&archive))
                .with_context(|| format!("{} (hint: cargo xtask archives)", made.display()))?;
            let full = format!("{allocator}{}", kind.suffix);
            fs::write(
                folder.join(format!("lib/pkgconfig/memgrove-{full}.pc")),
                filled("memgrove.pc.in", &full)?,
            )?;
        }
    }
    for (from, to) in [
        ("crates/memgrove-c/README.md", "README.md"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
    ] {
        fs::copy(workspace.root().join(from), folder.join(to))?;
    }
    cmd!(sh, "cp -r {sources}/examples {folder}/examples").quiet().run()?;
    let packed = archives.join(format!("{name}.tar.gz"));
    cmd!(
        sh,
        "tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf {packed} -C {archives} {name}"
    )
    .quiet()
    .run()?;
    println!("archives: out/archives/{name}.tar.gz: {} bytes", fs::metadata(&packed)?.len());
    Ok(packed)
}

/// Uses the package as others do, from where they unpack it. What is not installed is skipped, and named.
pub fn check(workspace: &Workspace, packed: &Path) -> Result<()> {
    let sh = workspace.shell()?;
    let place = tempfile::tempdir()?;
    cmd!(sh, "tar -xzf {packed} -C").arg(place.path()).quiet().run()?;
    let name =
        packed.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".tar.gz"));
    let package = place.path().join(name.context("a packed file has a name")?);
    let clang = clang(&sh, "clang")?;
    let runs = |module: &Path, by: &str| -> Result<()> {
        cmd!(sh, "node -e {RUN} {module}").quiet().run().with_context(|| by.to_owned())?;
        println!("archives: the package is used by {by}");
        Ok(())
    };
    let has = |command: &str, argument: &str| {
        cmd!(sh, "{command} {argument}").quiet().ignore_stdout().ignore_stderr().run().is_ok()
    };

    if has("cmake", "--version") {
        let example = package.join("examples/cmake");
        let build = place.path().join("build");
        cmd!(sh, "cmake -S {example} -B {build}")
            .arg(format!("-DCMAKE_TOOLCHAIN_FILE={}", example.join("wasm32.cmake").display()))
            .arg(format!("-DCMAKE_PREFIX_PATH={}", package.display()))
            .arg(format!("-DCMAKE_C_COMPILER={clang}"))
            .quiet()
            .ignore_stdout()
            .run()?;
        cmd!(sh, "cmake --build {build}").quiet().ignore_stdout().run()?;
        runs(&build.join("app.wasm"), "CMake")?;
    } else {
        println!("skipped: CMake is not installed");
    }

    if has("pkg-config", "--version") {
        sh.set_var("PKG_CONFIG_PATH", package.join("lib/pkgconfig"));
        let flags = cmd!(sh, "pkg-config --cflags --libs memgrove-dlmalloc").quiet().read()?;
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let (app, module) = (package.join("examples/cmake/app.c"), place.path().join("pkg-config.wasm"));
        cmd!(sh, "{clang} --target=wasm32 -O2 -fno-builtin -nostdlib -Wl,--no-entry -Wl,--export=sum {app}")
            .args(flags)
            .args(["-o".as_ref(), module.as_os_str()])
            .quiet()
            .run()?;
        runs(&module, "pkg-config")?;
    } else {
        println!("skipped: pkg-config is not installed");
    }

    if cmd!(sh, "python3 -m ziglang version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        let (app, archive) =
            (package.join("examples/zig/app.zig"), package.join("lib/libmemgrove_dlmalloc.a"));
        let module = place.path().join("zig.wasm");
        let cache = workspace.out().join("target/zig");
        sh.set_var("ZIG_GLOBAL_CACHE_DIR", &cache);
        sh.set_var("ZIG_LOCAL_CACHE_DIR", &cache);
        cmd!(
            sh,
            "python3 -m ziglang build-exe {app} {archive} -target wasm32-freestanding -fno-entry --export=sum"
        )
        .args(["-O", "ReleaseSmall", &format!("-femit-bin={}", module.display())])
        .quiet()
        .run()?;
        runs(&module, "Zig")?;
    } else {
        println!("skipped: Zig is not installed (cargo xtask setup)");
    }
    if !package.join("include/memgrove.h").is_file() {
        bail!("the package has no header");
    }
    Ok(())
}
