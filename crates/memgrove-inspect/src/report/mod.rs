//! The report: everything concluded from the facts, ready to be shown or serialised.

mod conclusion;
mod functions;
mod memory;
mod origin;
mod short;
mod table;
mod verdict;
mod warning;

pub use conclusion::{Conclusion, Confidence, Evidence, Level};
pub use functions::{
    Abi, AllocatorFunction, AllocatorReport, Convention, Param, Returned, Role as AllocatorRole, SizeIs,
    StaticState,
};
pub use memory::{
    AddressRange, GrowFunction, GrowSite, Grower, Growth, ImportName, MemoryReport, MemorySummary, Region,
    RegionKind, Stack, StackDirection, StackPlacement, StaticData,
};
pub use origin::{Allocator, Toolchain};
pub(crate) use short::{short, short_to, some_of};
pub use table::{TableGrower, TableReport};
pub use verdict::{
    EngineSupport, ImportUse, MAX_REASON_IMPORTS, Outcome, ProposalUse, PurposeGroup, Reason, Requirements,
    Verdict,
};
pub use warning::{Warning, WarningId};

use crate::facts::{BinaryKind, ExternKind};
use serde::Serialize;

/// Version of the JSON schema: raised when a field is removed, renamed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// Everything concluded about a module or component.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Module or component.
    pub kind: BinaryKind,
    /// Size in bytes.
    pub size_bytes: u64,
    /// The module's own name, if the `name` section gives one.
    pub name: Option<String>,
    /// Which toolchain made it.
    pub toolchain: Conclusion<Toolchain>,
    /// Which allocator is inside, and which functions allocate.
    pub allocator: AllocatorReport,
    /// What `memgrove fix` has put into it, as far as its marks are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mended: Option<Mended>,
    /// Its memory.
    pub memory: MemoryReport,
    /// Its tables.
    pub tables: Vec<TableReport>,
    /// What will bite somebody, each with its cure.
    pub warnings: Vec<Warning>,
    /// How it is meant to be started.
    pub startup: Startup,
    /// What it imports, grouped by purpose.
    pub requirements: Requirements,
    /// Extensions of WebAssembly 1.0 that it uses.
    pub proposals: Vec<ProposalUse>,
    /// For each host profile: does it run there?
    pub verdicts: Vec<Verdict>,
    /// For each engine: which of the proposals does it lack?
    pub engines: Vec<EngineSupport>,
    /// What it exports.
    pub exports: Vec<ExportReport>,
    /// Its sections.
    pub sections: Vec<SectionReport>,
    /// Numbers of things.
    pub counts: Counts,
    /// What the custom sections say.
    pub metadata: Metadata,
    /// What only a component has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentReport>,
}

/// A module that `memgrove fix` has been at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// Functions that it added, the first of them: stand-ins for imports and what runs before the program.
    pub helpers: Vec<FunctionRef>,
    /// How many there are.
    pub helper_count: u32,
    /// What was seen.
    pub evidence: Vec<Evidence>,
}

/// How a module is meant to be started.
#[derive(Debug, Clone, Serialize)]
pub struct Startup {
    /// Application or library.
    pub role: Conclusion<Role>,
    /// The start function, which runs while the module is instantiated.
    pub start_function: Option<FunctionRef>,
    /// Functions that must run before any other export: constructors of static objects.
    pub constructors: Vec<FunctionRef>,
    /// Functions that run the program.
    pub entry_points: Vec<FunctionRef>,
}

/// What a module is, as far as starting it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A program with an entry point, run once.
    Application,
    /// Functions to be called, after constructors if there are any.
    Library,
    /// A side module that a dynamic linker loads into another one's memory.
    SideModule,
    /// An object file, to be linked first.
    Object,
    /// Data only: nothing in it can be called.
    Data,
}

/// A function, by index and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionRef {
    /// Index in the function index space.
    pub func: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether it is exported.
    pub exported: bool,
    /// Whether the start function calls it, directly or not.
    pub run_by_start: bool,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// Its name.
    pub name: String,
    /// What is exported.
    pub kind: ExternKind,
    /// Its type in the notation of [`ImportUse::ty`].
    #[serde(rename = "type")]
    pub ty: String,
    /// Index in the index space of its kind.
    pub index: u32,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionReport {
    /// Its name.
    pub name: String,
    /// Whether it is a custom section.
    pub custom: bool,
    /// Byte offset of its contents.
    pub offset: u32,
    /// Length of its contents in bytes.
    pub size_bytes: u32,
}

/// Numbers of things in a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Functions defined.
    pub functions: u32,
    /// Functions imported.
    pub imported_functions: u32,
    /// Globals, imported and defined.
    pub globals: u32,
    /// Tables, imported and defined.
    pub tables: u32,
    /// Data segments.
    pub data_segments: u32,
    /// Element segments.
    pub element_segments: u32,
    /// Distinct direct calls.
    pub call_edges: u32,
    /// `memory.grow` instructions.
    pub memory_grow_sites: u32,
    /// `memory.size` instructions.
    pub memory_size_sites: u32,
}

/// What the custom sections say.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Metadata {
    /// `producers`, as `field: name version`.
    pub producers: Vec<ProducerReport>,
    /// `target_features`, each with its prefix (`+simd128`).
    pub target_features: Vec<String>,
    /// Whether there is a `name` section.
    pub names: bool,
    /// Whether there is DWARF debug information inside.
    pub dwarf: bool,
    /// URL of a source map.
    pub source_mapping_url: Option<String>,
    /// URL of debug information outside.
    pub external_debug_info: Option<String>,
    /// Build id in hexadecimal.
    pub build_id: Option<String>,
    /// Whether it is an object file.
    pub object_file: bool,
    /// `dylink.0`.
    pub dylink: Option<DylinkReport>,
}

/// An entry of the `producers` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProducerReport {
    /// `language`, `sdk` or `processed-by`.
    pub field: String,
    /// Language or tool.
    pub name: String,
    /// Version; may be empty.
    pub version: String,
}

/// The `dylink.0` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DylinkReport {
    /// Bytes of memory to reserve.
    pub memory_size_bytes: u32,
    /// Their alignment in bytes.
    pub memory_align_bytes: u64,
    /// Table elements to reserve.
    pub table_size: u32,
    /// Libraries to be loaded first.
    pub needed: Vec<String>,
}

/// What only a component has.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentReport {
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
    /// Number of components inside, at any depth.
    pub nested_components: u32,
    /// The core modules inside, in the order of the file.
    pub modules: Vec<InnerModule>,
}

/// A core module inside a component.
#[derive(Debug, Clone, Serialize)]
pub struct InnerModule {
    /// Byte offset in the component.
    pub offset: u32,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Its report.
    pub report: Report,
}
