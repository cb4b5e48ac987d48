//! What `memgrove survey` found: one row for each module, and what they add up to.

mod conclusion;
mod facts;
mod program;
mod row;

pub use conclusion::{Conclusion, Stopper, conclude, rank};
pub use facts::{MemoryFacts, ModuleFacts};
pub use program::{Contract, Program};
pub use row::{
    EngineState, EngineTrial, HostVerdict, Module, Origin, Row, RunsAs, SCHEMA_VERSION, Survey,
    ToolchainState, Trial,
};
