//! Packages through npm; the wanted files out of them, those inlined in scripts too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use xshell::{Shell, cmd};

use super::{Entry, listed};
use crate::workspace::Workspace;

/// Downloads what is missing into out/corpus.
pub fn run(workspace: &Workspace) -> Result<()> {
    let sh = workspace.shell()?;
    let out = workspace.out().join("corpus");
    fs::create_dir_all(&out)?;
    let entries = listed(workspace)?;
    let mut missing: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &entries {
        if !present(&out, entry) {
            missing.entry(&entry.npm).or_default().push(entry);
        }
    }
    let mut failed = Vec::new();
    for (package, wanted) in &missing {
        println!("corpus: npm package {package}");
        if let Err(error) = fetch(&sh, &out, package, wanted) {
            println!("corpus: {package}: {error:#}");
            failed.push(*package);
        }
    }
    ensure!(failed.is_empty(), "not all could be fetched: {}", failed.join(", "));
    println!("corpus: {} modules in out/corpus", entries.len());
    Ok(())
}

fn present(out: &Path, entry: &Entry) -> bool {
    let path = out.join(&entry.id).with_added_extension("wasm");
    fs::read(path).is_ok_and(|bytes| checksum(&bytes) == entry.sha256)
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn fetch(sh: &Shell, out: &Path, package: &str, wanted: &[&Entry]) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let _in_dir = sh.push_dir(dir.path());
    let listed = cmd!(sh, "npm pack --silent --ignore-scripts {package}").quiet().ignore_stderr().read()?;
    let archive = listed.lines().last().context("npm named no archive")?;
    cmd!(sh, "tar -xzf {archive} --no-same-owner").quiet().run()?;
    fs::remove_file(dir.path().join(archive))?;
    let root = fs::read_dir(dir.path())?.next().context("the archive is empty")??.path();
    for entry in wanted {
        let bytes = fs::read(root.join(&entry.path)).with_context(|| entry.path.clone())?;
        let module = if entry.inline == 1 {
            inlined(&bytes).find(|module| checksum(module) == entry.sha256)
        } else {
            Some(bytes)
        };
        match module {
            Some(module) if checksum(&module) == entry.sha256 => {
                fs::write(out.join(&entry.id).with_added_extension("wasm"), module)?;
            }
            _ => bail!("{}: no module with the recorded checksum", entry.path),
        }
    }
    Ok(())
}

/// Every module that a script may hold: as base64, as hexadecimal digits, or as a list of numbers.
pub fn inlined(script: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    starts(script, b"AGFzbQ")
        .map(|at| base64(&script[at..]))
        .chain(starts(script, b"0061736d01000000").map(|at| hexadecimal(&script[at..])))
        .chain(starts(script, b"[").filter_map(|at| numbers(&script[at + 1..])))
}

fn starts<'s>(script: &'s [u8], needle: &'s [u8]) -> impl Iterator<Item = usize> + 's {
    script.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}

/// Base64 up to the first character that has no place in it; line ends, escaped or not, are skipped.
fn base64(text: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\n' => continue,
            b'\\' => {
                // `\n` is a line end; a lone backslash continues the line.
                if rest.as_slice().first() == Some(&b'n') {
                    rest.next();
                }
                continue;
            }
            _ => break,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

fn hexadecimal(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.chunks_exact(2).map_while(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// `0, 97, 115, 109, …]`
fn numbers(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for item in text.split(|&byte| byte == b',' || byte == b']') {
        let Some(number) = std::str::from_utf8(item).ok().and_then(|item| item.trim().parse().ok()) else {
            break;
        };
        out.push(number);
        if out.len() == 4 && out != *b"\0asm" {
            return None;
        }
    }
    (out.len() > 8).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0";

    #[test]
    fn modules_are_found_however_a_script_holds_them() {
        for script in [
            "x='AGFzbQEAAAABBAFgAAA=';",
            "x='AGFzbQEA\\nAAABBAFgAAA='",
            "x='AGFzbQEA\\\nAAABBAFgAAA='",
            "x='0061736d010000000104016000 00'",
            "x=\"0061736d01000000010401600000\"",
            "x=[0,97,115,109, 1, 0,0,0,1,4,1,96,0,0]",
            "y=[1,2,3];x=new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0])",
        ] {
            let found: Vec<_> = inlined(script.as_bytes()).collect();
            let whole = !script.contains("6000 00");
            assert_eq!(found.iter().any(|module| module == MODULE), whole, "{script}: {found:?}");
        }
    }

    #[test]
    fn checksums_are_sha256_in_hexadecimal() {
        assert_eq!(checksum(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
