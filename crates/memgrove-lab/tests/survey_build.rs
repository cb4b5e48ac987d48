//! Building: what a broken toolchain leads to, and an interrupted run. The toolchains here are stubs.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use memgrove_lab::engine::EngineId;
use memgrove_lab::survey::{
    Engines, Failure, MANIFEST_FILE, Manifest, Origin, Progress, Rebuild, Rebuilt, rebuild, rebuilt_subjects,
    survey,
};
use memgrove_lab::toolchain::{Absence, RECIPES, Recipe, Tools};

/// A folder of stub programs, and one for results.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder }
    }

    fn stub(&self, name: &str, script: &str) {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, progress: &mut dyn Progress) -> Vec<Rebuilt> {
        let tools = Tools::on(self.path("bin"));
        let (modules, cache) = (self.path("modules"), self.path("cache"));
        let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes);
        let plan =
            Rebuild { samples: &samples(), modules: &modules, cache: &cache, tools: &tools, write: &write };
        rebuild(&plan, progress).unwrap().1
    }

    fn manifest(&self) -> Manifest {
        let text = fs::read_to_string(self.path("modules").join(MANIFEST_FILE)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Every file in the results is a finished module with an entry, or the manifest.
    fn check_whole(&self) {
        let manifest = self.manifest();
        for entry in fs::read_dir(self.path("modules")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name == MANIFEST_FILE {
                continue;
            }
            let id = name.strip_suffix(".wasm").unwrap_or_else(|| panic!("{name} was left behind"));
            let wasm = fs::read(&path).unwrap();
            assert!(manifest.entry(id).unwrap().is_of(&wasm), "{name} is not what the manifest says");
        }
        let left: Vec<_> =
            fs::read_dir(self.path("cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left in the cache: {left:?}");
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").canonicalize().unwrap()
}

/// A compiler that writes a module where `-o` says, `.wasm` in the place of `.js`.
const WORKING: &str = r#"
case "$1" in --version) echo "emcc (a stub) 9.9.9 ()"; exit 0;; esac
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
base=${out%.js}
printf '\0asm\1\0\0\0' > "${base%.wasm}.wasm"
case "$out" in *.js) printf '' > "$out";; esac
"#;

const FAILING: &str = r#"
case "$1" in --version) echo "emcc (a stub) 9.9.9 ()"; exit 0;; esac
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
printf 'half a module' > "$out"
printf 'half a module' > "${out%.js}.wasm"
echo "stub: error: the moon is in the wrong phase" >&2
exit 3
"#;

fn of<'r>(rebuilt: &'r [Rebuilt], id: &str) -> &'r Rebuilt {
    rebuilt.iter().find(|rebuilt| rebuilt.recipe.id == id).unwrap()
}

#[test]
fn a_failing_compiler_is_quoted_and_the_rest_goes_on() {
    let place = Place::new();
    place.stub("emcc", FAILING);
    place.stub("em++", FAILING);
    let broken = "echo 'clang: cannot load libLLVM' >&2; exit 127";
    for name in ["clang", "clang++", "wasm-ld"] {
        place.stub(name, broken);
    }
    let rebuilt = place.run(&mut ());
    assert_eq!(rebuilt.len(), RECIPES.len());

    match &of(&rebuilt, "c-emscripten-dlmalloc").result {
        Err(Failure::Build(words)) => assert!(words.contains("the moon is in the wrong phase"), "{words}"),
        other => panic!("{other:?}"),
    }
    match &of(&rebuilt, "c-musl2018").result {
        Err(Failure::Toolchain(Absence::Broken(words))) => assert!(words.contains("libLLVM"), "{words}"),
        other => panic!("{other:?}"),
    }
    assert!(of(&rebuilt, "c-zig").result.as_ref().is_err_and(Failure::is_missing));
    assert!(of(&rebuilt, "c-fastcomp2018-handmade").result.is_ok());
    place.check_whole();
    let kept: Vec<String> = place.manifest().modules.into_iter().map(|entry| entry.id).collect();
    let expected = ["c-fastcomp2018-handmade", "c-fastcomp2018-handmade-fixed"];
    assert_eq!(kept, expected, "only what was built is in the manifest");

    // In the survey the shipped modules stand in, and say why.
    let subjects = rebuilt_subjects(rebuilt).unwrap();
    let engines = Engines::only(&[EngineId::Wasmi], Tools::on(place.path("bin")));
    let result = survey(&subjects, &engines, Vec::new());
    let row = result.rows.iter().find(|row| row.id == "c-emscripten-dlmalloc").unwrap();
    match &row.origin {
        Origin::Prebuilt { because: Some(because), .. } => {
            assert!(because.contains("wrong phase"), "{because}")
        }
        other => panic!("{other:?}"),
    }
    assert!(row.module.is_some());
}

/// Ends the run, as an interruption would, when the `at`-th module is to be built.
struct Interrupted {
    at: usize,
}

impl Progress for Interrupted {
    fn building(&mut self, _: &Recipe, index: usize, _: usize) {
        assert!(index < self.at, "interrupted");
    }
    fn built(&mut self, _: &Rebuilt) {}
}

#[test]
fn an_interrupted_run_leaves_whole_files_and_can_be_repeated() {
    let place = Place::new();
    place.stub("emcc", WORKING);
    place.stub("em++", WORKING);
    let interrupted = std::panic::catch_unwind(|| place.run(&mut Interrupted { at: 3 }));
    assert!(interrupted.is_err());
    place.check_whole();
    let before = place.manifest();
    assert_eq!(before.modules.len(), 3, "three were finished");

    let rebuilt = place.run(&mut ());
    assert!(of(&rebuilt, "cpp-emscripten-dlmalloc").result.is_ok());
    place.check_whole();
    let after = place.manifest();
    assert!(after.modules.len() > before.modules.len());
    for entry in &before.modules {
        assert_eq!(after.entry(&entry.id), Some(entry), "the same module again");
    }
}

#[test]
fn a_killed_compiler_leaves_nothing() {
    let place = Place::new();
    place.stub("emcc", "case \"$1\" in --version) echo '(a stub) 9.9.9'; exit 0;; esac; kill -9 $$");
    place.stub("em++", WORKING);
    let rebuilt = place.run(&mut ());
    match &of(&rebuilt, "c-emscripten-dlmalloc").result {
        Err(Failure::Build(words)) => assert!(words.contains("signal"), "{words}"),
        other => panic!("{other:?}"),
    }
    assert!(of(&rebuilt, "cpp-emscripten-dlmalloc").result.is_ok());
    place.check_whole();
}

#[test]
fn what_a_killed_run_left_is_swept_away() {
    let place = Place::new();
    fs::create_dir(place.path("modules")).unwrap();
    fs::write(place.path("modules").join(".unfinished-x"), "half a module").unwrap();
    fs::create_dir_all(place.path("cache").join("building-c-zig-x")).unwrap();
    place.run(&mut ());
    place.check_whole();
}

#[test]
fn something_that_is_no_module_is_not_kept() {
    let place = Place::new();
    let bad = WORKING.replace(r"\0asm\1\0\0\0", r"\0asm\1\0\0\0\377\377");
    place.stub("emcc", &bad);
    place.stub("em++", &bad);
    let rebuilt = place.run(&mut ());
    assert!(matches!(&of(&rebuilt, "c-emscripten-dlmalloc").result, Err(Failure::Build(_))));
    place.check_whole();
    assert!(place.manifest().entry("c-emscripten-dlmalloc").is_none());
}
