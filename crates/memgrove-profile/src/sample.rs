//! What a sample tells of all blocks.

use crate::read::Profile;
use crate::replay::Step;

/// What the blocks of a sample tell of all: bytes and blocks, each with the interval that holds the truth in 95 % of
/// the samples.
///
/// A block is in the sample with the probability that one of its bytes is hit, where hits have a mean distance: so it
/// stands for as many as that probability is small (Horvitz and Thompson).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    mean_bytes: f64,
    bytes: f64,
    bytes_variance: f64,
    blocks: f64,
    blocks_variance: f64,
}

impl Estimate {
    /// Nothing yet, of a profile with these hits ([`crate::Profile::sample_bytes`]).
    #[must_use]
    pub fn new(mean_bytes: u32) -> Self {
        Self {
            mean_bytes: f64::from(mean_bytes.max(1)),
            bytes: 0.0,
            bytes_variance: 0.0,
            blocks: 0.0,
            blocks_variance: 0.0,
        }
    }

    /// A block of this size is in the sample.
    pub fn add(&mut self, size: u64) {
        self.change(size, 1.0);
    }

    /// A block of this size is in it no longer.
    pub fn remove(&mut self, size: u64) {
        self.change(size, -1.0);
    }

    fn change(&mut self, size: u64, sign: f64) {
        let size = size as f64;
        let probability = -(-size / self.mean_bytes).exp_m1();
        // A block without bytes is never hit.
        if probability <= 0.0 {
            return;
        }
        let spread = (1.0 - probability) / (probability * probability);
        self.bytes += sign * size / probability;
        self.bytes_variance += sign * size * size * spread;
        self.blocks += sign / probability;
        self.blocks_variance += sign * spread;
    }

    /// Bytes: the estimate.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.bytes.max(0.0)
    }

    /// Bytes: the interval.
    #[must_use]
    pub fn bytes_interval(&self) -> (f64, f64) {
        interval(self.bytes, self.bytes_variance)
    }

    /// Blocks: the estimate.
    #[must_use]
    pub fn blocks(&self) -> f64 {
        self.blocks.max(0.0)
    }

    /// Blocks: the interval.
    #[must_use]
    pub fn blocks_interval(&self) -> (f64, f64) {
        interval(self.blocks, self.blocks_variance)
    }
}

fn interval(value: f64, variance: f64) -> (f64, f64) {
    // 97.5 % of a normal distribution lie below its mean and so many deviations.
    let half = 1.959_964 * variance.max(0.0).sqrt();
    ((value - half).max(0.0), value + half)
}

/// What a sampled profile tells of the whole heap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    /// Live when the estimate was highest.
    pub peak: Estimate,
    /// Live at the end of the log.
    pub end: Estimate,
}

impl Profile {
    /// The estimates of a sampled profile; `None` if every block was recorded. Linear in the log.
    #[must_use]
    pub fn estimates(&self) -> Option<Estimates> {
        let mut end = Estimate::new(self.sample_bytes?);
        let mut peak = end;
        self.replay(|step, _| {
            match step {
                Step::Born(block) => end.add(block.size),
                Step::Died(block, _) => end.remove(block.size),
                Step::Moved(old, new) => {
                    end.remove(old.size);
                    end.add(new.size);
                }
                Step::Refused(_) => {}
            }
            if end.bytes > peak.bytes {
                peak = end;
            }
        });
        Some(Estimates { peak, end })
    }
}
