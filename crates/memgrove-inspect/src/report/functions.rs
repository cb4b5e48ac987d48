//! Which functions of a module allocate, as the report shows it.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

pub use memgrove_module::allocator::{Abi, Convention, Operation as Role, Param, Returned};

use super::{AddressRange, Allocator, Conclusion, Confidence, Evidence};

/// Which allocator is inside, and which functions are its interface.
#[derive(Debug, Clone, Serialize)]
pub struct AllocatorReport {
    /// Which allocator it is.
    #[serde(flatten)]
    pub identity: Conclusion<Allocator>,
    /// The functions that allocate and free, in the order of [`Role`], then of the module. They may be known where
    /// the allocator is not, and the other way round.
    pub functions: Vec<AllocatorFunction>,
}

/// A function with a role in allocating.
#[derive(Debug, Clone, PartialEq)]
pub struct AllocatorFunction {
    /// What it does.
    pub role: Role,
    /// Index in the function index space.
    pub func: u32,
    /// Its best name, if it has one.
    pub name: Option<String>,
    /// What its parameters and its result mean; `None` where that is unknown.
    pub abi: Option<Abi>,
    /// Which size it is given; `None` where it takes none.
    pub size_is: Option<SizeIs>,
    /// Memory and globals that only the allocator uses, where that can be proven; the same for all roles.
    pub static_state: Option<StaticState>,
    /// Functions outside of the allocator that call, past its interface, what this one is built on, or this one where
    /// it is no part of the interface: they know how the allocator works inside.
    pub callers_of_internals: Vec<u32>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// How sure it is: above 0.9 only for an exact name with the exact type.
    pub confidence: Confidence,
}

impl Serialize for AllocatorFunction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("AllocatorFunction", 10)?;
        out.serialize_field("role", &self.role)?;
        out.serialize_field("func", &self.func)?;
        out.serialize_field("name", &self.name)?;
        out.serialize_field("abi", &self.abi)?;
        out.serialize_field("size_is", &self.size_is)?;
        out.serialize_field("static_state", &self.static_state)?;
        out.serialize_field("callers_of_internals", &self.callers_of_internals)?;
        out.serialize_field("confidence", &self.confidence.rounded())?;
        out.serialize_field("level", &self.confidence.level())?;
        out.serialize_field("evidence", &self.evidence)?;
        out.end()
    }
}

/// Which size a function is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeIs {
    /// What the program asked for.
    Requested,
    /// That, rounded up by a caller.
    Rounded,
    /// That, with a header of a caller's.
    WithHeader,
    /// It cannot be told: callers may have done something to it.
    Unknown,
}

/// What only the allocator uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaticState {
    /// Addresses in memory 0.
    pub addresses: Vec<AddressRange>,
    /// Mutable globals, by index.
    pub globals: Vec<u32>,
}
