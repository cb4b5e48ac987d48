//! Larger free blocks: for every power of two a bitwise trie over the sizes with that leading bit.
//!
//! A node holds a block; its two subtrees hold the sizes whose next lower bit is 0 or 1. (A node's own size may have
//! either bit.) Further blocks of a node's size hang on it as a list. Depth is at most the number of bits below the
//! leading one, whatever the order of operations.

use super::bins::unlink;
use super::block::size;
use super::heap::Heap;
use crate::source::PageSource;
use crate::word::{WORD, load, store};

/// Offset of the child words in a block.
pub(super) const CHILDREN: usize = 2 * WORD;
/// In place of child 0: the block is not a node but a list member. No block's address is odd.
pub(super) const MEMBER: usize = 1;

/// The bits of a size below its leading one, the highest first in the word.
#[inline(always)]
fn path(size: usize) -> usize {
    size << size.leading_zeros() << 1
}

/// Address of the child word that the path goes to next.
#[inline(always)]
fn child(node: usize, path: usize) -> usize {
    node + CHILDREN + if (path as isize) < 0 { WORD } else { 0 }
}

/// Address of a child word that is not empty, child 0 first; of the empty child 1 if there is none.
///
/// # Safety
/// `node` is a trie node (H5).
#[inline(always)]
unsafe fn some_child(node: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { if load(node + CHILDREN) != 0 { node + CHILDREN } else { node + CHILDREN + WORD } }
}

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// Address of the root word of the trie for sizes with this leading bit.
    #[inline(always)]
    pub(super) fn root(&self, leading_bit: usize) -> usize {
        self.bins + (super::heap::SMALL_BINS - Self::FIRST_TREE + leading_bit) * WORD
    }

    /// Puts a free block into its trie.
    ///
    /// # Safety
    /// `block` is marked free, `block_size >= SMALL_LIMIT` bytes long, and in no bin.
    pub(super) unsafe fn insert_tree(&mut self, block: usize, block_size: usize) {
        let leading_bit = block_size.ilog2() as usize;
        self.tree_map |= 1 << leading_bit;
        let mut path = path(block_size);
        let mut link = self.root(leading_bit);
        // SAFETY: from a root, child words lead to nodes or are empty (H5); the block has room for all its words (H1).
        unsafe {
            let mut first_child = 0;
            let mut next = 0;
            loop {
                let node = load(link);
                if node == 0 {
                    break;
                }
                if size(node) == block_size {
                    // Behind the node, which stays where it is.
                    next = load(node);
                    if next != 0 {
                        store(next + WORD, block);
                    }
                    link = node;
                    first_child = MEMBER;
                    break;
                }
                link = child(node, path);
                path <<= 1;
            }
            store(link, block);
            store(block, next);
            store(block + WORD, link);
            store(block + CHILDREN, first_child);
            store(block + CHILDREN + WORD, 0);
        }
    }

    /// Takes a free block out of its trie.
    ///
    /// # Safety
    /// `block` is in a trie (H4).
    pub(super) unsafe fn remove_tree(block: usize) {
        // SAFETY: members, nodes and child words are as H4 and H5 say.
        unsafe {
            if load(block + CHILDREN) == MEMBER {
                return unlink(block);
            }
            // A list mate takes the node's place, else a leaf from below it: any size below a node may stand there.
            let mut heir = load(block);
            if heir == 0 {
                let mut link = some_child(block);
                heir = load(link);
                if heir != 0 {
                    loop {
                        let below = some_child(heir);
                        let node = load(below);
                        if node == 0 {
                            break;
                        }
                        link = below;
                        heir = node;
                    }
                    store(link, 0);
                }
            }
            let link = load(block + WORD);
            store(link, heir);
            if heir != 0 {
                store(heir + WORD, link);
                for offset in [CHILDREN, CHILDREN + WORD] {
                    let subtree = load(block + offset);
                    store(heir + offset, subtree);
                    if subtree != 0 {
                        store(subtree + WORD, heir + offset);
                    }
                }
            }
        }
    }

    /// The smallest block of at least `wanted` bytes in the tries, taken out; and its size.
    pub(super) fn take_best(&mut self, wanted: usize) -> Option<(usize, usize)> {
        let mut best = 0;
        // Too small a block has, wrapped, a rest of more than this; a fit has less.
        let mut best_rest = !wanted;
        let mut subtree = 0;
        let leading_bit = wanted.ilog2() as usize;
        // SAFETY: roots exist where a bit is set (H4); nodes and child words are as H5 says.
        unsafe {
            if self.tree_map >> leading_bit & 1 != 0 {
                let mut path = path(wanted);
                let mut node = load(self.root(leading_bit));
                while node != 0 {
                    let rest = size(node).wrapping_sub(wanted);
                    if rest < best_rest {
                        best_rest = rest;
                        best = node;
                        if rest == 0 {
                            return Some(Self::taken(best, wanted));
                        }
                    }
                    let next = load(child(node, path));
                    let larger = load(node + CHILDREN + WORD);
                    if larger != next {
                        // All sizes there are larger than wanted, and smaller than in such a subtree further up.
                        subtree = if larger != 0 { larger } else { subtree };
                    }
                    node = next;
                    path <<= 1;
                }
            }
            if best == 0 && subtree == 0 {
                loop {
                    let candidates = self.tree_map & (usize::MAX << leading_bit << 1);
                    if candidates == 0 {
                        return None;
                    }
                    let bit = candidates.trailing_zeros() as usize;
                    subtree = load(self.root(bit));
                    if subtree != 0 {
                        break;
                    }
                    // As in the small bins, emptiness is noticed here.
                    self.tree_map &= !(1 << bit);
                }
            }
            while subtree != 0 {
                let rest = size(subtree).wrapping_sub(wanted);
                if rest < best_rest {
                    best_rest = rest;
                    best = subtree;
                }
                subtree = load(some_child(subtree));
            }
            Some(Self::taken(best, wanted + best_rest))
        }
    }

    /// Takes the node `best`, or a list mate of its (which is cheaper), out of its trie.
    ///
    /// # Safety
    /// `best` is a trie node of `block_size` bytes.
    #[inline(always)]
    unsafe fn taken(best: usize, block_size: usize) -> (usize, usize) {
        // SAFETY: the first word of a node leads to a list mate, if there is one (H5).
        unsafe {
            let mate = load(best);
            let block = if mate != 0 { mate } else { best };
            Self::remove_tree(block);
            (block, block_size)
        }
    }
}
