//! The Firefox Profiler's processed profile, with native allocations; written by its authors' crate.
//!
//! Format: `docs-developer/processed-profile-format.md` in <https://github.com/firefox-devtools/profiler>.

use fxprof_processed_profile::{
    CategoryHandle, Frame as FirefoxFrame, FrameFlags, FrameInfo, Profile as FirefoxProfile,
    ReferenceTimestamp, SamplingInterval, StackHandle, ThreadHandle, Timestamp,
};

use super::{Export, Frame};
use crate::replay::{Block, Step};

/// A file in the making.
struct File {
    profile: FirefoxProfile,
    thread: ThreadHandle,
    /// The stack of each node.
    stacks: Vec<Option<StackHandle>>,
}

impl Export<'_> {
    /// A file for <https://profiler.firefox.com>: every allocation and every free with its stack, and the bytes that
    /// are live. A millisecond is a change of the heap.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn firefox(&self) -> serde_json::Result<Vec<u8>> {
        let mut profile = FirefoxProfile::new(
            self.module,
            ReferenceTimestamp::from_millis_since_unix_epoch(0.0),
            SamplingInterval::from_millis(1),
        );
        profile.set_symbolicated(true);
        profile.set_product(&format!("{} (1 ms = 1 change of the heap)", self.module));
        let process = profile.add_process(self.module, 1, at(0));
        let thread = profile.add_thread(process, 1, at(0), true);
        profile.set_thread_name(thread, "heap");
        profile.set_process_end_time(process, at(self.summary.changes));
        profile.set_thread_end_time(thread, at(self.summary.changes));
        let memory = profile.add_counter(process, "malloc", "Memory", "Bytes that are live");
        let stacks = self.firefox_stacks(&mut profile, thread);
        let mut file = File { profile, thread, stacks };
        self.profile.replay(|step, heap| {
            let now = at(heap.changes());
            let delta = match step {
                Step::Born(block) => file.change(now, block, block.node, true),
                Step::Died(block, node) => file.change(now, block, *node, false),
                Step::Moved(old, new) => {
                    file.change(now, old, new.node, false) + file.change(now, new, new.node, true)
                }
                Step::Refused(_) => 0,
            };
            // Within ±2^33, which a float holds.
            #[allow(clippy::cast_precision_loss, reason = "sizes have 32 bits")]
            file.profile.add_counter_sample(memory, now, delta as f64, 1);
        });
        serde_json::to_vec(&file.profile)
    }

    fn firefox_stacks(&self, profile: &mut FirefoxProfile, thread: ThreadHandle) -> Vec<Option<StackHandle>> {
        let mut stacks = Vec::with_capacity(self.profile.nodes.len());
        for (index, node) in self.profile.nodes.iter().enumerate() {
            let frames = if index == 0 { vec![Frame::host()] } else { self.names.frames(node.site) };
            // The root's stack is its own only: a caller's node that is the root means none.
            let mut stack = stacks.get(node.parent as usize).copied().flatten().filter(|_| node.parent != 0);
            for frame in frames.iter().rev() {
                let label = profile.intern_string(&frame.label());
                let info = FrameInfo {
                    frame: FirefoxFrame::Label(label),
                    category_pair: CategoryHandle::OTHER.into(),
                    flags: FrameFlags::empty(),
                };
                let frame = profile.intern_frame(thread, info);
                stack = profile.intern_stack(thread, stack, frame).into();
            }
            stacks.push(stack);
        }
        stacks
    }
}

impl File {
    /// Adds an allocation or a free; returns the bytes that it adds to those that are live.
    fn change(&mut self, now: Timestamp, block: &Block, node: u32, is_born: bool) -> i64 {
        let size = i64::try_from(block.size).unwrap_or(i64::MAX);
        let bytes = if is_born { size } else { -size };
        let stack = self.stacks.get(node as usize).copied().flatten();
        self.profile.add_allocation_sample(self.thread, now, stack, block.address, bytes);
        bytes
    }
}

/// The time of a change: so many milliseconds.
#[allow(clippy::cast_precision_loss, reason = "a log has fewer than 2^53 events")]
fn at(changes: u64) -> Timestamp {
    Timestamp::from_millis_since_reference(changes as f64)
}
