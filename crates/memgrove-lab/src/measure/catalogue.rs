//! Which guests there are, and choosing among them by name.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::guest::{GuestInfo, Manifest, Role};

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The allocator that ratios are to, where it is among the chosen.
pub const BASE: &str = "dlmalloc";

/// A guest: what the manifest says, and the module.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What it holds.
    pub info: GuestInfo,
    /// The single-threaded module.
    pub wasm: Vec<u8>,
    /// The module for threads.
    pub threads: Option<Vec<u8>>,
}

/// What a module must export to be a guest: without these there is nothing to ask.
const EXPORTS: [&str; 7] =
    ["memory", "abi_version", "workload_count", "workload_name", "run", "status", "heap_bytes"];

/// The module in `bytes`, if it can be a guest; else what keeps it from being one.
fn as_guest(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let wasm = wat::parse_bytes(bytes).map_err(|error| error.to_string())?.into_owned();
    let facts = memgrove_inspect::facts(&wasm).map_err(|error| error.to_string())?;
    if let Some(import) = facts.imports.first() {
        return Err(format!("it imports {}.{}", import.module, import.name));
    }
    let missing = EXPORTS.iter().find(|name| !facts.exports.iter().any(|export| export.name == **name));
    match missing {
        Some(name) => Err(format!("it does not export `{name}`")),
        None => Ok(wasm),
    }
}

/// The guests and the workloads that they know.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// What the embedded guests' manifest says.
    pub manifest: Manifest,
    packed: &'static [u8],
    files: Vec<Guest>,
}

/// A guest cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// No allocator or workload has this name.
    #[error("no {kind} `{name}`; there are {known}")]
    Unknown {
        /// `allocator` or `workload`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The most similar name there is.
        suggestion: Option<String>,
        /// Every name there is.
        known: String,
    },
    /// A guest of the user's cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file of the user's does not keep the guests' contract.
    #[error("{path} is not a guest: {words}")]
    NotAGuest {
        /// The file.
        path: String,
        /// What is wrong with it.
        words: String,
    },
    /// What is embedded is not what the manifest says.
    #[error("the embedded guests are broken: {0}")]
    Broken(String),
}

impl CatalogueError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { suggestion, .. } => {
                suggestion.as_ref().map(|suggestion| format!("did you mean `{suggestion}`?"))
            }
            Self::Broken(_) => Some("`cargo xtask guests build` makes them again".to_owned()),
            Self::NotAGuest { .. } => {
                Some("a guest imports nothing and exports what guests/README.md says".to_owned())
            }
            Self::File { .. } => None,
        }
    }
}

impl Catalogue {
    /// The guests that are embedded in this build.
    ///
    /// # Errors
    /// [`CatalogueError::Broken`].
    pub fn embedded() -> Result<Self, CatalogueError> {
        let manifest =
            serde_json::from_str(MANIFEST).map_err(|error| CatalogueError::Broken(error.to_string()))?;
        Ok(Self { manifest, packed: GUESTS, files: Vec::new() })
    }

    /// Guests made at hand, for tests.
    #[must_use]
    pub fn of(manifest: Manifest, guests: Vec<Guest>) -> Self {
        let mut catalogue = Self { manifest, packed: &[], files: Vec::new() };
        guests.into_iter().for_each(|guest| catalogue.add(guest));
        catalogue
    }

    /// Adds a module of the user's own, binary or text; its name is the file's stem.
    ///
    /// # Errors
    /// [`CatalogueError::File`], [`CatalogueError::NotAGuest`].
    pub fn add_file(&mut self, path: &Path) -> Result<String, CatalogueError> {
        let shown = || path.display().to_string();
        let bytes = fs::read(path).map_err(|error| CatalogueError::File { path: shown(), error })?;
        let wasm = as_guest(&bytes).map_err(|words| CatalogueError::NotAGuest { path: shown(), words })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let taken = |name: &str| self.manifest.guests.iter().any(|guest| guest.allocator == name);
        let name = if taken(&stem) { format!("{stem}-file") } else { stem };
        let info = GuestInfo {
            allocator: name.clone(),
            title: name.clone(),
            version: String::new(),
            source: "a file".to_owned(),
            role: Role::Peer,
            known_defects: Vec::new(),
            size_bytes: wasm.len() as u64,
            sha256: sha256(&wasm),
            threads: None,
            own_code: None,
        };
        self.add(Guest { info, wasm, threads: None });
        Ok(name)
    }

    fn add(&mut self, guest: Guest) {
        if !self.manifest.guests.iter().any(|info| info.allocator == guest.info.allocator) {
            self.manifest.guests.push(guest.info.clone());
        }
        self.files.push(guest);
    }

    /// The allocators that `names` ask for, in the manifest's order: ids, or the groups `all`, `ours`, `peers`.
    /// No name means all. What has traps is measured only where it is named.
    ///
    /// # Errors
    /// [`CatalogueError::Unknown`].
    pub fn allocators(&self, names: &[String]) -> Result<Vec<&GuestInfo>, CatalogueError> {
        let guests = &self.manifest.guests;
        for name in names {
            let group = matches!(name.as_str(), "all" | "ours" | "peers");
            if !group && !guests.iter().any(|guest| guest.allocator == *name) {
                return Err(unknown("allocator", name, guests.iter().map(|guest| guest.allocator.as_str())));
            }
        }
        let wanted = |guest: &&GuestInfo| {
            let is_plain = guest.role != Role::Hardened;
            (names.is_empty() && is_plain)
                || names.iter().any(|name| match name.as_str() {
                    "all" => is_plain,
                    "ours" => guest.role == Role::Ours,
                    "peers" => guest.role == Role::Peer,
                    id => guest.allocator == id,
                })
        };
        Ok(guests.iter().filter(wanted).collect())
    }

    /// A guest, checked to be the one of the manifest. The first that is asked for unpacks all that are embedded.
    ///
    /// # Errors
    /// [`CatalogueError::Broken`].
    pub fn guest(&self, info: &GuestInfo) -> Result<Guest, CatalogueError> {
        if let Some(guest) = self.files.iter().find(|guest| guest.info.allocator == info.allocator) {
            return Ok(guest.clone());
        }
        let wasm = self.module(&info.allocator, false)?;
        let threads = match info.threads {
            Some(_) => Some(self.module(&info.allocator, true)?),
            None => None,
        };
        Ok(Guest { info: info.clone(), wasm, threads })
    }

    /// One of the embedded modules.
    fn module(&self, allocator: &str, has_threads: bool) -> Result<Vec<u8>, CatalogueError> {
        let broken = |words: &str| CatalogueError::Broken(format!("{allocator}: {words}"));
        let modules = unpacked(self.packed)?;
        let mut start = 0;
        for module in self.manifest.modules() {
            let length = usize::try_from(module.size_bytes).unwrap_or(usize::MAX);
            let end = length.saturating_add(start);
            if module.allocator == allocator && module.has_threads == has_threads {
                let wasm =
                    modules.get(start..end).ok_or_else(|| broken("is in the manifest and not embedded"))?;
                if sha256(wasm) != module.sha256 {
                    return Err(broken("is not the one of the manifest"));
                }
                return Ok(wasm.to_vec());
            }
            start = end;
        }
        Err(broken("is not in the manifest"))
    }
}

/// The embedded modules, one after the other; `packed` is [`GUESTS`], or empty where none are embedded.
fn unpacked(packed: &[u8]) -> Result<&'static [u8], CatalogueError> {
    // Kept, since who asks for one mostly asks for others, and all lie in one frame.
    static UNPACKED: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    if packed.is_empty() {
        return Ok(&[]);
    }
    let unpack = || {
        let mut modules = Vec::new();
        let mut decoder =
            ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| error.to_string())?;
        decoder.read_to_end(&mut modules).map_err(|error| error.to_string())?;
        Ok(modules)
    };
    UNPACKED.get_or_init(unpack).as_deref().map_err(|words| CatalogueError::Broken(words.clone()))
}

/// The error for a name that does not exist, with the most similar one that does.
#[must_use]
pub fn unknown<'a>(
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> CatalogueError {
    let closest = known.clone().min_by_key(|other| distance(name, other));
    let limit = (name.len() / 2).max(2);
    let suggestion = closest.filter(|other| distance(name, other) <= limit).map(str::to_owned);
    let known = known.collect::<Vec<_>>().join(", ");
    CatalogueError::Unknown { kind, name: name.to_owned(), suggestion, known }
}

/// Number of letters to insert, remove or change to get from one name to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    memgrove_text::hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("talc", "talc"), 0);
        assert_eq!(distance("dlmaloc", "dlmalloc"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("wee", "rlsf"), 4);
    }

    #[test]
    fn an_unknown_name_gets_the_closest_and_the_list() {
        let error = unknown("allocator", "dlmaloc", ["talc", "dlmalloc"].into_iter());
        assert_eq!(error.to_string(), "no allocator `dlmaloc`; there are talc, dlmalloc");
        assert_eq!(error.hint().unwrap(), "did you mean `dlmalloc`?");
        assert_eq!(unknown("workload", "zzzzzz", ["larson"].into_iter()).hint(), None);
    }

    #[test]
    fn every_embedded_guest_unpacks_to_what_the_manifest_says() {
        let catalogue = Catalogue::embedded().unwrap();
        for info in &catalogue.manifest.guests {
            let guest = catalogue.guest(info).unwrap();
            assert_eq!(guest.wasm.len() as u64, info.size_bytes, "{}", info.allocator);
            assert_eq!(guest.threads.is_some(), info.threads.is_some(), "{}", info.allocator);
        }
        let length: u64 = catalogue.manifest.modules().map(|module| module.size_bytes).sum();
        assert_eq!(unpacked(GUESTS).unwrap().len() as u64, length, "and nothing else is embedded");
        let prebuilt = Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt/guests");
        assert_eq!(fs::read(prebuilt.join(crate::guest::PACKED)).unwrap(), GUESTS);
    }

    #[test]
    fn what_is_not_the_manifests_module_is_told() {
        let mut catalogue = Catalogue::embedded().unwrap();
        let words = |catalogue: &Catalogue, index: usize| {
            catalogue.guest(&catalogue.manifest.guests[index]).unwrap_err().to_string()
        };
        catalogue.manifest.guests[1].sha256 = "0".repeat(64);
        let name = catalogue.manifest.guests[1].allocator.clone();
        assert_eq!(
            words(&catalogue, 1),
            format!("the embedded guests are broken: {name}: is not the one of the manifest")
        );
        // All behind it are elsewhere, and the last one ends behind the end.
        catalogue.manifest.guests[1].size_bytes += 1;
        assert!(words(&catalogue, 2).ends_with("is not the one of the manifest"));
        let last = catalogue.manifest.guests.len() - 1;
        assert!(words(&catalogue, last).ends_with("is in the manifest and not embedded"));
    }
}
