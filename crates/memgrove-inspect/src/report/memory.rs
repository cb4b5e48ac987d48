//! What the report says about memory.

use super::{Conclusion, Evidence};
use serde::Serialize;

/// Everything about the module's memories. The layout is that of memory 0.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryReport {
    /// Each memory of the module.
    pub memories: Vec<MemorySummary>,
    /// Static data: from the first to behind the last byte with an initial value or a known place.
    pub static_data: Conclusion<StaticData>,
    /// Zero-initialised static data that no segment covers.
    pub bss: Conclusion<AddressRange>,
    /// The shadow stack.
    pub stack: Conclusion<Stack>,
    /// First address that static data and stack leave to the heap.
    pub heap_base: Conclusion<u64>,
    /// Bytes between heap base and the end of the initial memory.
    pub room_before_growth_bytes: Conclusion<u64>,
    /// Who makes memory larger.
    pub growth: Conclusion<Growth>,
    /// Memory 0 from address 0 upwards, without gaps or overlaps, as far as it is known.
    pub regions: Vec<Region>,
}

/// One memory.
#[derive(Debug, Clone, Serialize)]
pub struct MemorySummary {
    /// Index in the memory index space.
    pub index: u32,
    /// Where it comes from: `[module, name]` of the import; `None` where the module has its own.
    pub imported: Option<ImportName>,
    /// Names under which it is exported.
    pub exported_as: Vec<String>,
    /// Initial size in pages.
    pub min_pages: u64,
    /// Declared maximum in pages.
    pub max_pages: Option<u64>,
    /// Initial size in bytes.
    pub min_bytes: u64,
    /// Declared maximum in bytes.
    pub max_bytes: Option<u64>,
    /// Size of a page in bytes.
    pub page_size_bytes: u64,
    /// Whether threads share it.
    pub shared: bool,
    /// Whether addresses have 64 bits.
    pub memory64: bool,
}

/// The two names of an import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ImportName {
    /// Module name.
    pub module: String,
    /// Name in that module.
    pub name: String,
}

impl std::fmt::Display for ImportName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// Addresses from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AddressRange {
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
}

impl AddressRange {
    /// Number of bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// Data segments taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StaticData {
    /// First address that a segment covers.
    pub start: u64,
    /// First address behind the last segment. Static data may go on behind it (`bss`).
    pub end: u64,
    /// Number of active segments.
    pub active_segments: u32,
    /// Number of passive segments.
    pub passive_segments: u32,
    /// Number of active segments whose address is known only when the module is loaded.
    pub relocatable_segments: u32,
    /// Bytes in all segments.
    pub bytes: u64,
}

/// The stack that compiled code keeps in linear memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// Index of the global that points to its top.
    pub pointer_global: u32,
    /// Whether that global is imported: the host chooses the place.
    pub imported: bool,
    /// Address at which it begins to be filled.
    pub base: Option<u64>,
    /// Where it lies, if both ends are known.
    pub range: Option<AddressRange>,
    /// Which way it grows.
    pub direction: StackDirection,
    /// Where it lies relative to static data.
    pub placement: StackPlacement,
}

/// Which way a stack grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StackDirection {
    /// Towards lower addresses: LLVM.
    Down,
    /// Towards higher addresses: Emscripten's fastcomp (until 2020).
    Up,
    /// Not seen.
    Unknown,
}

/// Where the stack lies relative to static data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackPlacement {
    /// Below static data: an overflow traps or wraps instead of overwriting data.
    First,
    /// Above static data.
    AfterData,
    /// Not known.
    Unknown,
}

/// Who makes memory 0 larger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// The short answer.
    pub who: Grower,
    /// Every `memory.grow` that is not constant zero.
    pub sites: Vec<GrowSite>,
    /// The functions that hold them, each once.
    pub functions: Vec<GrowFunction>,
    /// Imports through which the host is asked; the first of them where there are many.
    pub imports: Vec<ImportName>,
    /// Whether minimum and maximum are equal: nobody can grow it.
    pub fixed: bool,
}

/// The short answer to who makes memory larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grower {
    /// The module itself, by `memory.grow`.
    Module,
    /// The host, when the module calls an import.
    Import,
    /// Both ways are there.
    ModuleAndImport,
    /// The module never asks: the host must grow it before, or nobody does.
    Host,
    /// Nobody can: minimum and maximum are equal, or it is neither exported nor imported and never grown.
    Nobody,
    /// There is no memory.
    NoMemory,
}

/// A `memory.grow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrowSite {
    /// Function that holds it; what is known of it is in [`Growth::functions`].
    pub func: u32,
    /// Byte offset in the input.
    pub offset: u32,
}

/// A function that holds a `memory.grow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrowFunction {
    /// Its index.
    pub func: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How it is reached: exports, the start function, a table. Followed for the first functions only.
    pub reached_from: Vec<String>,
}

/// A stretch of memory 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Region {
    /// What it is for.
    pub kind: RegionKind,
    /// First address.
    pub start: u64,
    /// First address behind; `None` where it ends with the memory, however large that gets.
    pub end: Option<u64>,
    /// A label for people.
    pub label: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// What a stretch of memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// Kept free so that null pointers point nowhere.
    Null,
    /// Data segments.
    Data,
    /// Zero-initialised static data.
    Bss,
    /// The shadow stack.
    Stack,
    /// Free for the heap before memory has to grow.
    Room,
    /// Behind the initial memory, up to the maximum.
    Growth,
    /// Not known.
    Unknown,
}
