//! Ordinary library code: formatting, maps, sorting, parsing, hashing, string work. Its allocator does
//! nothing, so that every function in the module counts as "not an allocator".
use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::fmt::Write as _;

struct Bump;
static mut NEXT: usize = 1 << 21;
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let at = (NEXT + layout.align() - 1) & !(layout.align() - 1);
        NEXT = at + layout.size();
        at as *mut u8
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
#[global_allocator]
static A: Bump = Bump;

#[no_mangle]
pub extern "C" fn run(n: u32, x: f64) -> u32 {
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    let mut heap = BinaryHeap::new();
    let mut queue = VecDeque::new();
    let mut text = String::new();
    for i in 0..n {
        *map.entry(format!("key {i} {:>8.3}", x * f64::from(i))).or_insert(0_u64) += u64::from(i);
        tree.insert((i.rotate_left(7), i), text.len());
        heap.push(i ^ 0x5bd1_e995);
        queue.push_front(i);
        let _ = write!(text, "{i:#x} {:?} {:e}", (i, "quoted\n"), x);
        if i % 3 == 0 {
            queue.pop_back();
            tree.remove(&(i, i));
        }
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    let mut floats: Vec<f64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    floats.sort_by(f64::total_cmp);
    let lines = String::from_utf8_lossy(text.as_bytes()).to_uppercase().replace('X', "yz");
    let sum: u64 = map.values().sum::<u64>() + tree.len() as u64 + floats.len() as u64;
    let popped = std::iter::from_fn(|| heap.pop()).take(100).fold(0, u32::wrapping_add);
    let found = lines.find("1E5").unwrap_or(0) + queue.iter().position(|&q| q == 5).unwrap_or(1);
    u32::try_from(sum % 1000).unwrap() + popped + u32::try_from(found).unwrap()
}
