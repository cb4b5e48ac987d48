//! Which proposals the result is to do without, and which of them it needs nevertheless.

use memgrove_inspect::Facts;
use memgrove_inspect::facts::Proposal;
use memgrove_rewrite::LOWERABLE;

use crate::host::HostTarget;

/// What the host lacks.
pub const HOST: &str = "host";
/// All of [`LOWERABLE`].
pub const ALL: &str = "all";

/// The proposals that the words on the command line stand for, and that of `memory.discard` where that is to go.
pub(super) fn proposals(
    words: &[String],
    discards: bool,
    host: &HostTarget,
    facts: &Facts<'_>,
) -> Vec<Proposal> {
    let is_asked = |word: &str| words.iter().any(|asked| asked == word);
    let lacking = if is_asked(HOST) { host.lacking(facts) } else { Vec::new() };
    let is_wanted = |proposal: &Proposal| {
        let is_discard = discards && *proposal == Proposal::MemoryControl;
        is_asked(ALL) || is_asked(proposal.id()) || lacking.contains(proposal) || is_discard
    };
    LOWERABLE.iter().copied().filter(is_wanted).collect()
}

/// The host lacks something that can be lowered, at least in part.
pub(super) fn helps(host: &HostTarget, result: &Facts<'_>) -> bool {
    host.lacking(result).iter().any(|proposal| LOWERABLE.contains(proposal))
}

/// What of the result needs one of these proposals still.
pub(super) fn still_needed(proposals: &[Proposal], result: &Facts<'_>) -> Vec<String> {
    let used = proposals.iter().filter_map(|&proposal| result.proposals.first_use(proposal));
    used.map(|first| {
        let id = first.proposal.id();
        format!(
            "{id} is still needed: {} at {:#x} of the result cannot be lowered",
            first.describe(),
            first.offset
        )
    })
    .collect()
}
