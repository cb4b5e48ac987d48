//! The library of known allocators: for each profile the grams that tell it from ordinary code and from the
//! other allocators, with their weights. `cargo xtask fingerprints build` writes it, the crate embeds it.

use std::sync::OnceLock;

use super::SHAPE_VERSION;

/// Starts the file.
const MAGIC: &[u8; 4] = b"MGFP";

/// The embedded library, decoded on first use.
///
/// Where the file is broken or made for another [`SHAPE_VERSION`], the library is empty and nothing is
/// recognised by code; a test makes sure that this is never committed.
#[must_use]
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| Library::decode(crate::knowledge::FINGERPRINTS).unwrap_or_default())
}

/// Known allocators as weighted grams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Library {
    /// The profiles; a [`Posting`] names one by its position.
    pub profiles: Vec<Profile>,
    /// The grams, sorted.
    pub grams: Vec<u32>,
    /// `ends[i]` is where the postings of `grams[i]` end.
    pub ends: Vec<u32>,
    /// In which profiles each gram is, with its weight there.
    pub postings: Vec<Posting>,
    /// One bit for each value of a gram's low 16 bits: most grams of a module end here.
    filter: Vec<u64>,
}

/// An allocator as one family of builds shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Id in knowledge/allocators.
    pub allocator: String,
    /// Which variant of it.
    pub name: String,
    /// Sum of the weights of its grams.
    pub total_weight: u32,
}

/// A gram's weight in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posting {
    /// Position in [`Library::profiles`].
    pub profile: u8,
    /// Higher for grams that more builds have and that less other code has.
    pub weight: u8,
}

impl Library {
    /// Puts a library together. `grams` are `(gram, posting)` pairs in any order.
    #[must_use]
    pub fn new(mut profiles: Vec<Profile>, mut grams: Vec<(u32, Posting)>) -> Self {
        grams.sort_unstable();
        let mut library = Self::default();
        for profile in &mut profiles {
            profile.total_weight = 0;
        }
        for (gram, posting) in grams {
            if library.grams.last() != Some(&gram) {
                library.grams.push(gram);
                library.ends.push(0);
            }
            if let Some(profile) = profiles.get_mut(usize::from(posting.profile)) {
                profile.total_weight += u32::from(posting.weight);
                library.postings.push(posting);
            }
            if let Some(end) = library.ends.last_mut() {
                *end = u32::try_from(library.postings.len()).unwrap_or(u32::MAX);
            }
        }
        library.profiles = profiles;
        library.fill_filter();
        library
    }

    fn fill_filter(&mut self) {
        self.filter = vec![0; 1 << 10];
        for gram in &self.grams {
            self.filter[(gram & 0xffff) as usize >> 6] |= 1 << (gram & 63);
        }
    }

    /// Position of a gram. O(log n), and mostly O(1) for grams that are not in it.
    #[must_use]
    pub fn find(&self, gram: u32) -> Option<usize> {
        let word = self.filter.get((gram & 0xffff) as usize >> 6)?;
        if word >> (gram & 63) & 1 == 0 {
            return None;
        }
        self.grams.binary_search(&gram).ok()
    }

    /// The postings of the gram at a position.
    #[must_use]
    pub fn postings(&self, position: usize) -> &[Posting] {
        let start = if position == 0 { 0 } else { self.ends[position - 1] };
        &self.postings[start as usize..self.ends[position] as usize]
    }

    /// The file: magic, versions, profiles, then grams as differences. All numbers are little-endian.
    ///
    /// ```text
    /// "MGFP" shape_version:u16 profile_count:u8
    ///   { allocator:str8 name:str8 } × profile_count
    /// gram_count:u32 { difference:leb128 posting_count:u8 { profile:u8 weight:u8 } × posting_count } × gram_count
    /// ```
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(SHAPE_VERSION.to_le_bytes());
        out.push(byte(self.profiles.len()));
        for profile in &self.profiles {
            for text in [&profile.allocator, &profile.name] {
                out.push(byte(text.len()));
                out.extend(text.as_bytes());
            }
        }
        out.extend(u32::try_from(self.grams.len()).unwrap_or(u32::MAX).to_le_bytes());
        let mut last = 0;
        for (position, &gram) in self.grams.iter().enumerate() {
            let mut difference = gram - last;
            last = gram;
            while difference >= 0x80 {
                out.push(byte((difference & 0x7f) as usize) | 0x80);
                difference >>= 7;
            }
            out.push(byte(difference as usize));
            let postings = self.postings(position);
            out.push(byte(postings.len()));
            out.extend(postings.iter().flat_map(|posting| [posting.profile, posting.weight]));
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        if input.take(4)? != MAGIC || input.u16()? != SHAPE_VERSION {
            return None;
        }
        let mut library = Self::default();
        for _ in 0..input.u8()? {
            let allocator = input.text()?;
            let name = input.text()?;
            library.profiles.push(Profile { allocator, name, total_weight: 0 });
        }
        let count = input.u32()?;
        let mut gram = 0_u32;
        for _ in 0..count {
            gram = gram.checked_add(input.leb128()?)?;
            library.grams.push(gram);
            for _ in 0..input.u8()? {
                let posting = Posting { profile: input.u8()?, weight: input.u8()? };
                library.profiles.get_mut(usize::from(posting.profile))?.total_weight +=
                    u32::from(posting.weight);
                library.postings.push(posting);
            }
            library.ends.push(u32::try_from(library.postings.len()).ok()?);
        }
        library.fill_filter();
        input.0.is_empty().then_some(library)
    }
}

fn byte(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn leb128(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = u32::from(self.u8()?);
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let len = self.u8()?;
        String::from_utf8(self.take(usize::from(len))?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Library {
        let profile = |name: &str| Profile {
            allocator: "an-allocator".to_owned(),
            name: name.to_owned(),
            total_weight: 0,
        };
        let posting = |profile, weight| Posting { profile, weight };
        Library::new(
            vec![profile("one"), profile("two")],
            vec![
                (900_000_000, posting(1, 7)),
                (5, posting(0, 3)),
                (900_000_000, posting(0, 2)),
                (u32::MAX, posting(1, 1)),
            ],
        )
    }

    #[test]
    fn a_library_survives_its_file() {
        let library = small();
        assert_eq!(library.profiles[0].total_weight, 5);
        assert_eq!(library.profiles[1].total_weight, 8);
        assert_eq!(Library::decode(&library.encode()), Some(library));
    }

    #[test]
    fn a_cut_or_foreign_file_is_refused() {
        let file = small().encode();
        for len in 0..file.len() {
            assert_eq!(Library::decode(&file[..len]), None, "cut at {len}");
        }
        let mut other_version = file;
        other_version[4] ^= 1;
        assert_eq!(Library::decode(&other_version), None);
    }

    #[test]
    fn grams_are_found_with_their_postings() {
        let library = small();
        let at = library.find(900_000_000).unwrap();
        assert_eq!(
            library.postings(at),
            [Posting { profile: 0, weight: 2 }, Posting { profile: 1, weight: 7 }]
        );
        assert_eq!(library.find(6), None);
        assert_eq!(library.find(5 + 65536), None);
    }

    #[test]
    fn the_embedded_library_is_for_this_version_of_shapes() {
        assert!(library().profiles.len() > 10, "rebuild it: cargo xtask fingerprints build");
        assert!(library().grams.len() > 1000);
    }
}
