//! Text that a source sent: kept as it was spelled, within bounds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Invalid, fold};

/// The most bytes of any text.
pub const MAX_TEXT_BYTES: usize = 65_536;
/// The most bytes of an indexed text when it is folded.
pub const MAX_KEY_BYTES: usize = 1_024;

/// Text of at most 65,536 bytes without U+0000. It may be personal: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// Checks text that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`]: too long, or it holds U+0000.
    pub fn parse(field: &str, text: String) -> Result<Self, Invalid> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Invalid::new(field, "must have at most 65,536 bytes"));
        }
        check_no_nul(field, &text)?;
        Ok(Self(text))
    }

    /// Checks text whose folded form is indexed.
    ///
    /// # Errors
    /// [`Invalid`]: more than 1,024 bytes when folded, or it holds U+0000.
    pub fn parse_indexed(field: &str, text: String) -> Result<Self, Invalid> {
        let text = Self::parse(field, text)?;
        check_key(field, &fold(&text.0))?;
        Ok(text)
    }

    /// Text that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as it was sent.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(<redacted>)")
    }
}

/// The source's own id of a resource: compared exactly, not unique, at most 1,024 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// Checks an external id that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`]: too long, or it holds U+0000.
    pub fn parse(field: &str, text: String) -> Result<Self, Invalid> {
        if text.len() > MAX_KEY_BYTES {
            return Err(Invalid::new(field, "must have at most 1,024 bytes"));
        }
        check_no_nul(field, &text)?;
        Ok(Self(text))
    }

    /// An external id that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The id as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalId(<redacted>)")
    }
}

/// A key of more than 1,024 bytes does not fit into an index.
pub(super) fn check_key(field: &str, key: &str) -> Result<(), Invalid> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Invalid::new(field, "must have at most 1,024 bytes when folded"));
    }
    Ok(())
}

/// PostgreSQL cannot store U+0000.
pub(super) fn check_no_nul(field: &str, text: &str) -> Result<(), Invalid> {
    check_each(field, text, "", |character| character != '\0')
}

/// Refuses the first character that is not allowed, naming it and its position, counted from 1.
pub(super) fn check_each(field: &str, text: &str, class: &str, allowed: impl Fn(char) -> bool) -> Result<(), Invalid> {
    let Some((index, character)) = text.chars().enumerate().find(|(_, character)| !allowed(*character)) else {
        return Ok(());
    };
    let rule = format!(
        "must not hold the {class}character U+{:04X}, which stands at position {}",
        u32::from(character),
        index + 1
    );
    Err(Invalid::new(field, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_hold_anything_but_nul_up_to_its_bound() {
        let most = "x".repeat(MAX_TEXT_BYTES);

        assert_eq!(Text::parse("title", most.clone()).unwrap().as_str(), most);
        assert_eq!(
            Text::parse("title", most + "x"),
            Err(Invalid::new("title", "must have at most 65,536 bytes"))
        );
        assert_eq!(
            Text::parse("title", "ab\0".to_owned()),
            Err(Invalid::new(
                "title",
                "must not hold the character U+0000, which stands at position 3"
            ))
        );
        for kept in ["", " ", "a\r\n\tb", "%_\\\"'", "\u{202e}", "\u{1}"] {
            assert_eq!(Text::parse("title", kept.to_owned()).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn an_indexed_text_is_bounded_when_folded() {
        let refused = Invalid::new("display_name", "must have at most 1,024 bytes when folded");

        assert!(Text::parse_indexed("display_name", "x".repeat(1024)).is_ok());
        assert_eq!(
            Text::parse_indexed("display_name", "x".repeat(1025)),
            Err(refused.clone())
        );
        assert_eq!(
            Text::parse_indexed("display_name", "\u{e9}".repeat(400)),
            Err(refused),
            "3 bytes each in NFD"
        );
    }

    #[test]
    fn debug_shows_no_text() {
        assert_eq!(format!("{:?}", Text::from_row("Ada".to_owned())), "Text(<redacted>)");
        assert_eq!(
            format!("{:?}", ExternalId::from_row("Ada".to_owned())),
            "ExternalId(<redacted>)"
        );
    }
}
