//! Who called the host, where the host called the program.
//!
//! A stack begins at a function that the host has called. Where that happened inside of a call of the host, the log
//! says which frames had called it; but an exception may have ended these before, and nothing tells the program so.
//! That they went on later proves that they were there all the time, and only then the stacks are joined.

use std::collections::HashMap;

use crate::read::{Entry, Event, Node, NumberedCall, Site};

/// The tree of stacks, and of each node what is only known of it in part.
#[derive(Default)]
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    /// The call, where only its function is known.
    pub calls: Vec<Option<NumberedCall>>,
    /// The function, where nodes stand for frames.
    pub funcs: Vec<Option<u32>>,
}

impl Tree {
    pub fn push(&mut self, node: Node, call: Option<NumberedCall>, func: Option<u32>) {
        self.nodes.push(node);
        self.calls.push(call);
        self.funcs.push(func);
    }
}

/// Calls of the host inside of one another that are followed. A bound, so that time stays linear; deeper ones
/// keep a stack of their own.
const MOST_NESTED: usize = 32;
/// Nodes that may be added for each node of the profile. A bound as well, on memory: joined stacks repeat what they share.
const MOST_ADDED: usize = 8;

/// Events since the host called, until it is known from where.
struct Group {
    place: u32,
    /// The frames that had called the host.
    caller: u32,
    /// Positions of the events.
    events: Vec<usize>,
}

/// The events alone. Stacks that are proven to continue others get nodes that say so.
pub(crate) fn resolve(entries: Vec<Entry>, tree: &mut Tree) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::with_capacity(entries.len());
    let mut open: Vec<Group> = Vec::new();
    let mut joined = Joined { known: HashMap::new(), most: tree.nodes.len().saturating_mul(MOST_ADDED) };
    for entry in entries {
        match entry {
            Entry::Event(event) => {
                if let Some(group) = open.last_mut() {
                    group.events.push(events.len());
                }
                events.push(event);
            }
            Entry::Linked { node, place } => {
                // The same call of the host may be told of again.
                let is_same =
                    |group: &Group| group.place < place || (group.place, group.caller) == (place, node);
                while open.last().is_some_and(|group| !is_same(group)) {
                    open.pop();
                }
                if open.last().is_none_or(|group| group.place < place) && open.len() < MOST_NESTED {
                    open.push(Group { place, caller: node, events: Vec::new() });
                }
            }
            Entry::Resumed { place } => {
                while open.last().is_some_and(|group| group.place > place) {
                    open.pop();
                }
                if let Some(group) = open.pop_if(|group| group.place == place) {
                    for &at in &group.events {
                        if let Some(event) = events.get_mut(at) {
                            event.node = joined.node(event.node, group.caller, tree);
                        }
                    }
                    if let Some(outer) = open.last_mut() {
                        outer.events.extend(group.events);
                    }
                }
            }
        }
    }
    events
}

/// Nodes that were made: a stack on top of another.
struct Joined {
    known: HashMap<(u32, u32), u32>,
    most: usize,
}

impl Joined {
    /// The node of the stack of `node` on top of that of `caller`; `node` itself when there are too many.
    fn node(&mut self, node: u32, caller: u32, tree: &mut Tree) -> u32 {
        if self.most == 0 {
            return node;
        }
        // From the node down to the root, or to what is known already.
        let mut path = Vec::new();
        let mut next = node;
        let mut under = self.call_of_host(caller, tree);
        while next != 0 {
            if let Some(&known) = self.known.get(&(next, caller)) {
                under = known;
                break;
            }
            path.push(next);
            let Some(at) = tree.nodes.get(next as usize) else { return node };
            next = at.parent;
        }
        if self.known.len().saturating_add(path.len()) > self.most {
            self.most = 0;
            return node;
        }
        for old in path.into_iter().rev() {
            let at = old as usize;
            let Some(&Node { site, .. }) = tree.nodes.get(at) else { return node };
            let (call, func) = (tree.calls.get(at).copied().flatten(), tree.funcs.get(at).copied().flatten());
            // Counted are allocations with the node that was recorded.
            let Some(new) = push(tree, Node { parent: under, site, count: 0, bytes: 0 }, call, func) else {
                return node;
            };
            self.known.insert((old, caller), new);
            under = new;
        }
        under
    }

    /// The node of the call by which the innermost function of a stack called the host.
    fn call_of_host(&mut self, caller: u32, tree: &mut Tree) -> u32 {
        // No stack has the root on top of another.
        if let Some(&known) = self.known.get(&(0, caller)) {
            return known;
        }
        let Some(func) = tree.funcs.get(caller as usize).copied().flatten() else { return caller };
        let node = Node { parent: caller, site: Site::Within(func), count: 0, bytes: 0 };
        let node = push(tree, node, None, None).unwrap_or(caller);
        self.known.insert((0, caller), node);
        node
    }
}

/// The position of a new node.
fn push(tree: &mut Tree, node: Node, call: Option<NumberedCall>, func: Option<u32>) -> Option<u32> {
    let position = u32::try_from(tree.nodes.len()).ok()?;
    tree.push(node, call, func);
    Some(position)
}
