//! A conclusion, how sure it is, and what it rests on.

use serde::Serialize as DeriveSerialize;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// How sure a conclusion is, from 0 (unknown) to 1 (the file says so itself).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f32);

/// A confidence as one of four words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveSerialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is concluded.
    Unknown,
    /// Below 0.5: a guess, worth showing with its evidence.
    Low,
    /// From 0.5: more likely than not.
    Medium,
    /// From 0.85: wrong only if somebody imitates it.
    High,
}

impl Confidence {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self(0.0);
    /// A guess.
    pub const LOW: Self = Self(0.3);
    /// More likely than not.
    pub const MEDIUM: Self = Self(0.6);
    /// Wrong only if somebody imitates it.
    pub const HIGH: Self = Self(0.9);
    /// The file says so itself.
    pub const CERTAIN: Self = Self(1.0);

    /// From a number, clamped to 0..=1. NaN counts as unknown.
    #[must_use]
    pub fn new(value: f32) -> Self {
        Self(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) })
    }

    /// From a number of the source, which lies in 0..=1.
    pub(crate) const fn new_const(value: f32) -> Self {
        Self(value)
    }

    /// As a number from 0 to 1.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }

    /// As it is shown. Two decimals: more would pretend to a precision that no fingerprint has.
    pub(super) fn rounded(self) -> f64 {
        f64::from((self.0 * 100.0).round()) / 100.0
    }

    /// As a word.
    #[must_use]
    pub fn level(self) -> Level {
        match self.0 {
            v if v >= 0.85 => Level::High,
            v if v >= 0.5 => Level::Medium,
            v if v > 0.0 => Level::Low,
            _ => Level::Unknown,
        }
    }
}

/// Something seen in the file that a conclusion rests on.
#[derive(Debug, Clone, PartialEq, Eq, DeriveSerialize)]
pub struct Evidence {
    /// What was seen, in words.
    pub text: String,
    /// Byte offset in the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// Function index, where it was seen in a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub func: Option<u32>,
}

impl Evidence {
    /// Something seen in the file as a whole.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), offset: None, func: None }
    }

    /// Something seen at a byte offset.
    #[must_use]
    pub fn at(offset: u32, text: impl Into<String>) -> Self {
        Self { text: text.into(), offset: Some(offset), func: None }
    }

    /// Something seen in a function.
    #[must_use]
    pub fn in_func(func: u32, offset: u32, text: impl Into<String>) -> Self {
        Self { text: text.into(), offset: Some(offset), func: Some(func) }
    }
}

/// What is concluded about one question. Serialises as
/// `{"value": …, "confidence": 0.9, "level": "high", "evidence": […]}`, with a `null` value where unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion<T> {
    /// The answer; `None` where it is unknown.
    pub value: Option<T>,
    /// How sure it is; [`Confidence::UNKNOWN`] exactly where `value` is `None`.
    pub confidence: Confidence,
    /// What it rests on. An unknown answer has evidence too: what was seen.
    pub evidence: Vec<Evidence>,
}

impl<T> Conclusion<T> {
    /// An answer without evidence yet.
    #[must_use]
    pub fn new(value: T, confidence: Confidence) -> Self {
        Self { value: Some(value), confidence, evidence: Vec::new() }
    }

    /// No answer.
    #[must_use]
    pub fn unknown() -> Self {
        Self { value: None, confidence: Confidence::UNKNOWN, evidence: Vec::new() }
    }

    /// With one more piece of evidence.
    #[must_use]
    pub fn because(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// With more evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// The level of confidence in words.
    #[must_use]
    pub fn level(&self) -> Level {
        self.confidence.level()
    }
}

impl<T: Serialize> Serialize for Conclusion<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Conclusion", 4)?;
        out.serialize_field("value", &self.value)?;
        out.serialize_field("confidence", &self.confidence.rounded())?;
        out.serialize_field("level", &self.level())?;
        out.serialize_field("evidence", &self.evidence)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_has_words() {
        let check = |value: f32, level| assert_eq!(Confidence::new(value).level(), level, "{value}");
        check(f32::NAN, Level::Unknown);
        check(-1.0, Level::Unknown);
        check(0.0, Level::Unknown);
        check(0.49, Level::Low);
        check(0.5, Level::Medium);
        check(0.85, Level::High);
        check(7.0, Level::High);
    }

    #[test]
    fn a_conclusion_serialises_with_its_level() {
        let conclusion = Conclusion::new(3, Confidence::new(0.9)).because(Evidence::at(16, "three of them"));
        let json = serde_json::to_string(&conclusion).unwrap();
        assert_eq!(
            json,
            r#"{"value":3,"confidence":0.9,"level":"high","evidence":[{"text":"three of them","offset":16}]}"#
        );
        let json = serde_json::to_string(&Conclusion::<u8>::unknown()).unwrap();
        assert_eq!(json, r#"{"value":null,"confidence":0.0,"level":"unknown","evidence":[]}"#);
    }
}
