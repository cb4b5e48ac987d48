//! What the parts of a module are: each question is answered here, once, for everyone who asks.
//!
//! An import is what its name says, in a module of its family and with a type that the family has given it
//! (`table.rs`); or, under a name that a minifier made, what the code around its uses proves (`minified.rs`). Each rule
//! about uses asks for what only the library's own code does with the import: not its type, which a function of the
//! user's can have, too, but where its arguments come from and what becomes of its result. Where a rule is in doubt,
//! nothing is proven: "unknown" beats wrong.

mod break_pointer;
mod component;
mod constructors;
mod errno;
pub(crate) mod growth;
mod imports;
mod library;
mod minified;
mod stack;
mod table;

pub use break_pointer::BreakPointer;
pub use component::is_interface;
pub use constructors::{Constructor, constructor, minified_constructor};
pub(crate) use errno::Errno;
pub use imports::{Imports, Known, Numbers, Role};
pub use minified::{
    ALONE_OF_ITS_TYPE, is_minified, is_minified_env, is_minified_import, is_minified_name, minified_module,
};
pub use stack::{Moves, Prologues, ShownBy, StackPointer};
pub use table::{ENLARGE_MEMORY, IMPORTS, ImportEntry, Purpose, RESIZE_HEAP, by_name};
