//! What is said of a module whose functions have no names.
#![cfg(feature = "engines")]

use std::fs;

use wasmparser::Parser;

use crate::support::{run, workspace};

#[test]
fn a_module_without_names_is_told_how_to_get_some() {
    let folder = workspace();
    let named = wat::parse_file(folder.path().join("rounds.wat")).unwrap();
    // The names are the last section, and a custom one.
    let sections = Parser::new(0).parse_all(&named).filter_map(|payload| payload.unwrap().as_section());
    let end = sections.filter(|(id, _)| *id != 0).map(|(_, range)| range.end).max().unwrap();
    fs::write(folder.path().join("named.wasm"), &named).unwrap();
    fs::write(folder.path().join("stripped.wasm"), &named[..usize::try_from(end).unwrap()]).unwrap();
    fs::write(folder.path().join("symbols"), "2:round\n").unwrap();

    for command in ["trace", "check"] {
        let is_told = |args: &[&str]| {
            let ran = run(folder.path(), &[&[command], args, &["--invoke", "work", "10"][..]].concat());
            assert_eq!(ran.status.code(), Some(0), "{args:?}");
            String::from_utf8_lossy(&ran.stderr).contains("functions have no names; build with -g")
        };
        assert!(is_told(&["stripped.wasm"]), "{command}");
        assert!(!is_told(&["named.wasm"]), "{command}");
        assert!(!is_told(&["stripped.wasm", "--symbols", "symbols"]), "{command}");
    }
}
