//! The tree of stacks as a flame graph draws it, and what passes through each call site.

use std::collections::{BTreeMap, HashMap};

use memgrove_profile::{Frame, NodeSummary, Site};
use serde::Serialize;

use super::HeapProfile;

/// What a frame's width or a site's figure can be: its own blocks, in the order of [`METRICS`].
pub(super) type Figures = [u64; 5];

/// Names of [`Figures`], with their units.
pub(super) const METRICS: [(&str, &str); 5] = [
    ("held at the peak", "bytes"),
    ("live at the end", "bytes"),
    ("asked for", "bytes"),
    ("allocations", "count"),
    ("freed by the next call", "count"),
];

fn figures(node: &NodeSummary) -> Figures {
    [node.at_peak_bytes, node.final_bytes, node.bytes, node.count, node.temporary]
}

fn add(to: &mut Figures, more: &Figures) {
    for (to, more) in to.iter_mut().zip(more) {
        *to = to.saturating_add(*more);
    }
}

/// What the page's script draws. A frame's parent comes before it.
#[derive(Serialize, Default)]
pub(super) struct Flame {
    /// Words that frames refer to.
    texts: Vec<String>,
    /// Parent, function and place as positions in `texts`, 1 if inlined, and the figures of its own blocks.
    frames: Vec<(usize, usize, usize, u8, Figures)>,
}

struct Builder {
    flame: Flame,
    of_text: HashMap<String, usize>,
    /// Frames by parent, function and place.
    of_frame: HashMap<(usize, usize, usize), usize>,
}

impl Builder {
    fn text(&mut self, text: String) -> usize {
        let next = self.flame.texts.len();
        let place = *self.of_text.entry(text.clone()).or_insert(next);
        if place == next {
            self.flame.texts.push(text);
        }
        place
    }

    fn frame(&mut self, parent: usize, frame: &Frame) -> usize {
        let function = self.text(frame.function.clone());
        let place = self.text(place(frame));
        let next = self.flame.frames.len();
        let at = *self.of_frame.entry((parent, function, place)).or_insert(next);
        if at == next {
            self.flame.frames.push((parent, function, place, u8::from(frame.is_inlined), Figures::default()));
        }
        at
    }
}

/// Where a call lies, in words.
pub(super) fn place(frame: &Frame) -> String {
    match (&frame.file, frame.line, frame.offset) {
        (Some(file), Some(line), _) => format!("{file}:{line}"),
        (Some(file), None, _) => file.clone(),
        (None, _, Some(offset)) => format!("{offset:#x}"),
        (None, _, None) if frame.is_entry => "called by the host".to_owned(),
        (None, _, None) => String::new(),
    }
}

impl HeapProfile<'_> {
    /// The flame graph's data. An entry by the host is shown only where the host asks for memory itself: else the
    /// function's own frame follows. Linear in the nodes and their frames.
    pub(super) fn flame(&self) -> Flame {
        let root = Frame { function: "all".to_owned(), ..Frame::default() };
        let mut builder =
            Builder { flame: Flame::default(), of_text: HashMap::new(), of_frame: HashMap::new() };
        builder.frame(0, &root);
        let mut of_site: HashMap<Site, Vec<Frame>> = HashMap::new();
        // The frame of each node, under which its callees stand.
        let mut places: Vec<usize> = Vec::with_capacity(self.profile.nodes.len());
        for (index, node) in self.profile.nodes.iter().enumerate() {
            let position = u32::try_from(index).unwrap_or(u32::MAX);
            let own = self.summary.nodes.get(&position).map(figures);
            let parent = places.get(node.parent as usize).copied().unwrap_or(0);
            let mut at = parent;
            if index > 0 {
                let frames = of_site.entry(node.site).or_insert_with(|| self.frames_of(node.site));
                let is_entry = matches!(node.site, Site::Entry(_));
                if is_entry && own.is_some() {
                    let figures = own.unwrap_or_default();
                    for frame in frames.iter().rev() {
                        at = builder.frame(at, frame);
                    }
                    add(&mut builder.flame.frames[at].4, &figures);
                    at = parent;
                } else if !is_entry {
                    for frame in frames.iter().rev() {
                        at = builder.frame(at, frame);
                    }
                    add(&mut builder.flame.frames[at].4, &own.unwrap_or_default());
                }
            } else if let Some(own) = own {
                add(&mut builder.flame.frames[0].4, &own);
            }
            places.push(at);
        }
        builder.flame
    }

    /// What was asked for below each call site, with the site itself; a site that recurs in a stack counts once.
    /// Linear in the nodes.
    pub(super) fn through_sites(&self) -> BTreeMap<Site, Figures> {
        let nodes = &self.profile.nodes;
        let mut totals: Vec<Figures> = vec![Figures::default(); nodes.len()];
        for (&node, own) in &self.summary.nodes {
            if let Some(total) = totals.get_mut(node as usize) {
                *total = figures(own);
            }
        }
        // A node comes after its caller, so backwards every node is whole when it is added to its caller's.
        for index in (1..nodes.len()).rev() {
            let own = totals[index];
            add(&mut totals[nodes[index].parent as usize], &own);
        }
        let mut first_child = vec![0; nodes.len()];
        let mut next_sibling = vec![0; nodes.len()];
        for index in (1..nodes.len()).rev() {
            let parent = nodes[index].parent as usize;
            next_sibling[index] = first_child[parent];
            first_child[parent] = index;
        }
        let mut through: BTreeMap<Site, Figures> = BTreeMap::new();
        let mut active: HashMap<Site, u32> = HashMap::new();
        // From each node down to its first callee, then to the next; a node is left when its callees are done.
        let (mut index, mut entering) = (first_child.first().copied().unwrap_or(0), true);
        while index != 0 {
            let site = nodes[index].site;
            if entering {
                let depth = active.entry(site).or_default();
                *depth += 1;
                if *depth == 1 {
                    add(through.entry(site).or_default(), &totals[index]);
                }
                if first_child[index] != 0 {
                    index = first_child[index];
                    continue;
                }
            }
            if let Some(depth) = active.get_mut(&site) {
                *depth -= 1;
            }
            entering = next_sibling[index] != 0;
            index = if entering { next_sibling[index] } else { nodes[index].parent as usize };
        }
        through
    }
}
