use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::{hash, word};
use crate::Load;

/// FNV without random keys: the same table in every guest.
#[derive(Default)]
struct Fixed(u64);

impl Hasher for Fixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(5) ^ hash(bytes);
    }
}

/// Rows keyed by strings, inserted, looked up through a second, ordered index, changed and deleted: an in-memory
/// database's mix of large tables and small strings.
pub fn run(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut rows: HashMap<String, (u64, Vec<String>), BuildHasherDefault<Fixed>> = HashMap::default();
    let mut index: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut sum = 0u64;
    for step in 0..load.times(15_000) {
        let key = format!("{}-{}", word(&mut rng), rng.below(400));
        match rng.below(4) {
            0 => {
                if let Some((number, tags)) = rows.remove(&key) {
                    for tag in &tags {
                        if let Some(keys) = index.get_mut(tag) {
                            keys.retain(|other| *other != key);
                        }
                    }
                    sum = sum.rotate_left(3) ^ number;
                }
            }
            1 => {
                let from = word(&mut rng);
                for (tag, keys) in index.range(from..).take(5) {
                    sum = sum.rotate_left(1) ^ (tag.len() * 31 + keys.len()) as u64;
                }
            }
            _ => {
                let tags: Vec<String> = (0..rng.below(4)).map(|_| word(&mut rng)).collect();
                for tag in &tags {
                    index.entry(tag.clone()).or_default().push(key.clone());
                }
                rows.insert(key, (step as u64, tags));
            }
        }
    }
    sum ^ (rows.len() as u64) << 32 ^ index.len() as u64
}
