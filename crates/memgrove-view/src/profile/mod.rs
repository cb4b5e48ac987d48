//! What a heap profile says: who holds the memory, and who asked for it.

mod diff;
mod flame;
mod html;
mod json;
mod resolve;
mod text;

pub use diff::ProfileDiff;
pub(crate) use json::FrameRecord;
pub use resolve::resolve;

use memgrove_module::code::CallOffsets;
use memgrove_module::facts::Facts;
use memgrove_profile::{Export, Frame, Metric, Names, Profile, Site, Summary};
use memgrove_text::{escape_name, shorten};

use crate::words::LONGEST_NAME;

/// Finds out where the calls of a profile's stacks lie in the module that was traced.
pub fn locate(profile: &mut Profile, module: &Facts<'_>) {
    let mut offsets = CallOffsets::new(module);
    profile.settle(
        |offset| function_at(module, offset),
        |call| offsets.offset(call.caller, call.callee, call.number),
    );
    profile.locate(|call| offsets.offset(call.caller, call.callee, call.number));
}

/// The function whose body holds this offset of the module. Logarithmic.
fn function_at(module: &Facts<'_>, offset: u32) -> Option<u32> {
    let at = module.functions.partition_point(|function| function.body_offset <= offset).checked_sub(1)?;
    let function = module.functions.get(at)?;
    let is_inside = offset - function.body_offset < function.body_len;
    is_inside.then(|| module.imported_func_count().saturating_add(u32::try_from(at).unwrap_or(u32::MAX)))
}

/// A profile together with the names of the module that was traced.
pub struct HeapProfile<'p> {
    /// The module's name.
    pub name: &'p str,
    /// What its functions and call sites are called.
    pub names: &'p dyn Names,
    /// The profile.
    pub profile: &'p Profile,
    /// Its figures.
    pub summary: &'p Summary,
    /// Stacks to show in each list.
    pub top: usize,
}

/// Names as they may be shown: escaped, and not as long as a file.
pub(crate) struct Shown<'p>(pub(crate) &'p dyn Names);

impl Names for Shown<'_> {
    fn frames(&self, site: Site) -> Vec<Frame> {
        let mut frames = self.0.frames(site);
        for frame in &mut frames {
            frame.function = escape_name(&shorten(&frame.function, LONGEST_NAME)).into_owned();
            frame.file =
                frame.file.as_ref().map(|file| escape_name(&shorten(file, LONGEST_NAME)).into_owned());
        }
        frames
    }
}

impl HeapProfile<'_> {
    /// Writes it in another tool's format; names are escaped in all of them.
    pub fn export<T>(&self, write: impl FnOnce(&Export<'_>) -> T) -> T {
        let module = escape_name(self.name);
        let names = Shown(self.names);
        write(&Export { profile: self.profile, summary: self.summary, names: &names, module: &module })
    }

    /// Collapsed stacks, as flame graph tools read them.
    #[must_use]
    pub fn collapsed(&self, metric: Metric) -> String {
        self.export(|export| export.collapsed(metric))
    }

    /// The frames of a call site, escaped.
    fn frames_of(&self, site: Site) -> Vec<Frame> {
        Shown(self.names).frames(site)
    }

    /// The frames of a node with those of its callers, escaped; the innermost first.
    fn frames(&self, node: u32) -> Vec<Frame> {
        let names = Shown(self.names);
        self.profile.stack(node).flat_map(|site| names.frames(site)).collect()
    }
}
