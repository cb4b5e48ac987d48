//! Random modules are the same before and after fixing: the fuzzer's body with fixed seeds.

#[path = "fix_support/smith.rs"]
mod smith;

/// Bytes from a seed (splitmix64).
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z.to_le_bytes()[0] ^ (z >> 40).to_le_bytes()[0]
        })
        .collect()
}

#[test]
fn random_modules_do_the_same_before_and_after() {
    let answers: Vec<usize> = (0..150).filter_map(|seed| smith::check(&bytes(seed, 2048))).collect();
    assert!(answers.len() >= 100, "only {} of the seeds made a module", answers.len());
    let compared = answers.iter().filter(|&&count| count > 0).count();
    assert!(compared >= 20, "only {compared} modules ran at all");
}
