//! The recordings of the threads of one check, as one.

use std::collections::HashSet;

use super::MergeError;
use crate::findings::Findings;
use crate::links::Tree;
use crate::read::{Node, NumberedCall, Profile, Site};

/// A stack, as far as it tells one report from another.
type Path = Vec<(Site, Option<NumberedCall>)>;

/// All threads together have one numbering of nodes: each node is of one recording, in which its callers are, too.
pub(super) fn merge(profiles: &[Profile]) -> Result<Profile, MergeError> {
    let all: Option<Vec<&Findings>> = profiles.iter().map(|profile| profile.findings.as_ref()).collect();
    let all = all.ok_or(MergeError::Kinds)?;
    if profiles.iter().any(|profile| !profile.is_of_one_instance) {
        return Err(MergeError::NotNumbered);
    }
    // A thread that never came to know the shadow has checked nothing.
    let mut shadows = profiles.iter().filter_map(|profile| profile.counter);
    let shadow = shadows.next();
    if shadows.any(|other| Some(other) != shadow) {
        return Err(MergeError::Counters);
    }
    let (tree, owned) = nodes(profiles)?;
    let threads = all.iter().map(|findings| findings.threads as usize).max().unwrap_or(0);
    let recorded = profiles.iter().filter(|profile| profile.counter.is_some()).count();
    let mut merged = Findings { are_others_missing: threads > recorded, ..Findings::default() };
    let mut told = HashSet::new();
    for findings in all {
        for misuse in &findings.misuses {
            let mut misuse = misuse.clone();
            merged.are_others_missing |=
                misuse.keep_nodes(|node| owned.get(node as usize).copied().unwrap_or(false));
            // What one site does is told once by each thread.
            let stack = if misuse.site.is_some() { Path::new() } else { path(&tree, misuse.own_node()) };
            if told.insert((misuse.key(), stack)) {
                merged.misuses.push(misuse);
            }
        }
        if findings.is_finished {
            (merged.is_finished, merged.search) = (true, findings.search);
        }
        merged.unknown_frees = merged.unknown_frees.saturating_add(findings.unknown_frees);
        merged.left_out = merged.left_out.saturating_add(findings.left_out);
        merged.is_unchecked |= findings.is_unchecked;
        merged.was_cut |= findings.was_cut;
        merged.same_layout |= findings.same_layout;
    }
    let is_any = |flag: fn(&Profile) -> bool| profiles.iter().any(flag);
    Ok(Profile {
        original: profiles.first().map_or([0; 32], |first| first.original),
        is_log_cut: is_any(|profile| profile.is_log_cut),
        are_nodes_full: is_any(|profile| profile.are_nodes_full),
        event_count: 0,
        allocated_bytes: 0,
        events: Vec::new(),
        are_stacks_cut: is_any(|profile| profile.are_stacks_cut),
        are_stacks_mixed: is_any(|profile| profile.are_stacks_mixed),
        sample_bytes: None,
        are_samples_full: false,
        findings: Some(merged),
        is_of_one_instance: false,
        own_nodes: Vec::new(),
        numbers: Vec::new(),
        counter: shadow,
        missing_events: 0,
        nodes: tree.nodes,
        calls: tree.calls,
        funcs: tree.funcs,
    })
}

/// The nodes of all, each from the recording that it is of. Live blocks are counted in one of them, at everybody's nodes.
/// Returns with them which of them are of any.
fn nodes(profiles: &[Profile]) -> Result<(Tree, Vec<bool>), MergeError> {
    let count = profiles.iter().map(|profile| profile.nodes.len()).max().unwrap_or(1);
    let mut tree = Tree::default();
    let mut owned = Vec::with_capacity(count);
    for at in 0..count {
        let mut owners = profiles.iter().filter(|profile| profile.own_nodes.get(at) == Some(&true));
        let owner = owners.next();
        if owners.next().is_some() {
            return Err(MergeError::SameNode { node: u32::try_from(at).unwrap_or(u32::MAX) });
        }
        let counted = profiles.iter().filter_map(|profile| profile.nodes.get(at));
        let (blocks, bytes) = counted.fold((0_u64, 0_u64), |(blocks, bytes), node| {
            (blocks.saturating_add(node.count), bytes.saturating_add(node.bytes))
        });
        let own = owner.and_then(|owner| owner.nodes.get(at)).copied().unwrap_or_default();
        let call = owner.and_then(|owner| owner.calls.get(at).copied().flatten());
        let func = owner.and_then(|owner| owner.funcs.get(at).copied().flatten());
        tree.push(Node { count: blocks, bytes, ..own }, call, func);
        owned.push(owner.is_some());
    }
    Ok((tree, owned))
}

/// The calls of a stack, the innermost first.
fn path(tree: &Tree, node: u32) -> Path {
    let mut path = Vec::new();
    let mut next = node as usize;
    while let Some(node) = tree.nodes.get(next).filter(|_| next != 0) {
        path.push((node.site, tree.calls.get(next).copied().flatten()));
        next = node.parent as usize;
    }
    path
}
