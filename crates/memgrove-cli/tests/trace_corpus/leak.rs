//! The README's leak: found in a stripped module and mended, in three commands.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fix_support;
use super::own_js::Node;

/// wasm-flate 1.0.2, with wee_alloc inside.
const MODULE: &str = "ac117124a64442a4";

/// The module without any custom section: nothing in it has a name but its exports.
pub(super) fn stripped(wasm: &[u8]) -> Vec<u8> {
    let mut out = wasm[..8].to_vec();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        let payload = payload.expect("a valid module");
        if let Some((id, range)) = payload.as_section().filter(|(id, _)| *id != 0) {
            let [start, end] =
                [range.start, range.end].map(|at| usize::try_from(at).expect("it is in memory"));
            out.push(id);
            let mut len = end - start;
            while len > 0x7f {
                out.push(u8::try_from(len & 0x7f).expect("seven bits") | 0x80);
                len >>= 7;
            }
            out.push(u8::try_from(len).expect("seven bits"));
            out.extend(&wasm[start..end]);
        }
    }
    out
}

/// What the command prints on standard output and standard error.
fn memgrove(folder: &Path, command: &str) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_memgrove"));
    let output = process.args(command.split(' ')).current_dir(folder).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{command}: {printed}");
    printed
}

fn load(node: &Node, folder: &Path, arguments: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace_corpus/leak.mjs");
    let arguments = arguments.split(' ');
    let output = Command::new(node.path())
        .arg(script)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_leak_of_the_readme_is_found_and_mended_in_three_commands() {
    let Some(modules) = fix_support::corpus() else { return };
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return;
    };
    let (_, wasm) = modules.iter().find(|(id, _)| id == MODULE).expect("it is in the corpus");
    let readme = fs::read_to_string(fix_support::root().join("README.md")).expect("it is there");
    let section = readme.split("### A leak, found and mended").nth(1).expect("the README has it");
    let session = section.split("```").nth(1).expect("a session");

    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path();
    fs::write(folder.join("flate.wasm"), stripped(wasm)).expect("a writable folder");

    // Every command of the session is run, and each line that it quotes is printed.
    let (mut printed, mut commands) = (String::new(), 0);
    for line in session.lines().skip(1).map(str::trim_end) {
        if let Some(command) = line.strip_prefix("$ memgrove ") {
            printed = memgrove(folder, command);
            commands += 1;
        } else if let Some(command) = line.strip_prefix("$ node app.js ") {
            printed = load(&node, folder, command);
        } else if !["", "  …"].contains(&line) {
            assert!(printed.lines().any(|other| other.trim_end() == line), "{line:?} is not in:\n{printed}");
        }
    }
    assert_eq!(commands, 3);

    // The leak goes on for as long as the program does, and the mended module stays as it is.
    let pages = |said: &str| -> u64 {
        said.split(' ').rev().nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages")
    };
    let [before, after] =
        ["flate.wasm", "mended.wasm"].map(|file| load(&node, folder, &format!("{file} 300")));
    assert_eq!(before.split(',').next(), after.split(',').next(), "they answer alike");
    assert!(pages(&before) > 1000 && pages(&after) < 50, "{before}; {after}");
}
