//! Instances of an instrumented module with one memory, in Node: a script makes them and saves their recordings.

use std::fs;
use std::path::Path;
use std::process::Command;

use memgrove_profile::Profile;

use crate::fix_support;
use crate::own_js::Node;

/// The file in the script's folder that holds the instrumented module.
pub const MODULE: &str = "instrumented.wasm";

/// Runs `script` in a folder with [`MODULE`], of which `start(memory)` makes an instance; `save(name, exports)` saves its recording,
/// after its check was finished if it is one. `false`: there is no Node for it.
pub fn run(folder: &Path, script: &str) -> bool {
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return false;
    };
    let reader = fix_support::root().join("crates/memgrove-profile/profile.mjs");
    let head = format!(
        "import {{ readProfile }} from {reader:?};
         import fs from 'node:fs';
         import {{ Worker, isMainThread, parentPort, workerData }} from 'node:worker_threads';
         const module = new WebAssembly.Module(fs.readFileSync('{MODULE}'));
         const start = memory => new WebAssembly.Instance(module, {{ env: {{ memory }} }}).exports;
         const save = (name, e) => {{ e.memgrove_finish?.(); fs.writeFileSync(name, readProfile(e.memgrove_profile)) }};
        "
    );
    fs::write(folder.join("script.mjs"), head + script).expect("it can be written");
    let output =
        Command::new(node.path()).arg("script.mjs").current_dir(folder).output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// The recording that a script saved under this name, of a module that was `wasm` before.
pub fn read(folder: &Path, name: &str, wasm: &[u8]) -> Profile {
    let bytes = fs::read(folder.join(name)).expect("it was written");
    let mut profile = Profile::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    memgrove_view::profile::locate(&mut profile, &facts);
    profile
}
