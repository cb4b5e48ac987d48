//! The guests' modules in one file. They differ in the allocator only, so together they take a sixth of what they take one by
//! one: in the command, in the package of `memgrove-lab` and in each commit that builds them again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use memgrove_results::guest::{Manifest, PACKED};

use crate::sources;

/// The best that has no need of more memory to unpack than the modules themselves.
const ZSTD_LEVEL: i32 = 19;

/// Modules by allocator, and whether for threads.
#[derive(Debug, Default, PartialEq)]
pub struct Modules(BTreeMap<(String, bool), Vec<u8>>);

impl Modules {
    /// The packed modules of a folder; none where nothing was packed yet.
    pub fn read(folder: &Path, manifest: &Manifest) -> Result<Self> {
        let path = folder.join(PACKED);
        if !path.exists() {
            return Ok(Self::default());
        }
        let all =
            zstd::stream::decode_all(fs::File::open(&path)?).with_context(|| path.display().to_string())?;
        let mut rest = all.as_slice();
        let mut modules = Self::default();
        for module in manifest.modules() {
            let split =
                usize::try_from(module.size_bytes).ok().and_then(|length| rest.split_at_checked(length));
            let Some((wasm, after)) = split.filter(|(wasm, _)| sources::digest(wasm) == module.sha256) else {
                bail!(
                    "{}: not what the manifest says at {}\nhint: without this file all guests are built",
                    path.display(),
                    module.allocator
                );
            };
            modules.insert(module.allocator, module.has_threads, wasm.to_vec());
            rest = after;
        }
        Ok(modules)
    }

    pub fn insert(&mut self, allocator: &str, has_threads: bool, wasm: Vec<u8>) {
        self.0.insert((allocator.to_owned(), has_threads), wasm);
    }

    /// Packs those that the manifest names, in its order.
    pub fn write(&self, folder: &Path, manifest: &Manifest) -> Result<()> {
        let mut all = Vec::new();
        for module in manifest.modules() {
            let wasm = self.0.get(&(module.allocator.to_owned(), module.has_threads));
            all.extend(wasm.with_context(|| format!("no module of {}", module.allocator))?);
        }
        Ok(fs::write(folder.join(PACKED), zstd::bulk::compress(&all, ZSTD_LEVEL)?)?)
    }
}

#[cfg(test)]
mod tests {
    use memgrove_results::guest::{GuestInfo, Role, ThreadsInfo};

    use super::*;

    fn guest(allocator: &str, wasm: &[u8], threads: Option<&[u8]>) -> GuestInfo {
        GuestInfo {
            allocator: allocator.to_owned(),
            title: String::new(),
            version: String::new(),
            source: String::new(),
            role: Role::Peer,
            known_defects: Vec::new(),
            size_bytes: wasm.len() as u64,
            sha256: sources::digest(wasm),
            threads: threads
                .map(|wasm| ThreadsInfo { size_bytes: wasm.len() as u64, sha256: sources::digest(wasm) }),
            own_code: None,
        }
    }

    #[test]
    fn one_is_replaced_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = Manifest {
            abi_version: 1,
            tools: Vec::new(),
            workloads: Vec::new(),
            guests: vec![guest("a", b"first", Some(b"twin")), guest("b", b"second", None)],
        };
        let mut modules = Modules::read(folder.path(), &manifest).unwrap();
        assert_eq!(modules, Modules::default());
        modules.insert("a", false, b"first".to_vec());
        modules.insert("a", true, b"twin".to_vec());
        assert_eq!(modules.write(folder.path(), &manifest).unwrap_err().to_string(), "no module of b");
        modules.insert("b", false, b"second".to_vec());
        modules.write(folder.path(), &manifest).unwrap();

        let mut modules = Modules::read(folder.path(), &manifest).unwrap();
        modules.insert("a", false, b"longer than before".to_vec());
        manifest.guests[0] = guest("a", b"longer than before", Some(b"twin"));
        assert!(Modules::read(folder.path(), &manifest).is_err(), "the file is still the old one");
        modules.write(folder.path(), &manifest).unwrap();
        assert_eq!(Modules::read(folder.path(), &manifest).unwrap(), modules);
    }
}
