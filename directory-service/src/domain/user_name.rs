//! The name under which a user is known in a tenant.

use std::fmt;
use std::str::FromStr;

use super::text::{check_each, check_key};
use super::{Invalid, fold};

const FIELD: &str = "user_name";
const MAX_CHARACTERS: usize = 256;

/// A user name, unique within its tenant when case is ignored (RFC 7643 §4.1.1).
#[derive(Clone, PartialEq, Eq)]
pub struct UserName {
    spelling: String,
    key: String,
}

impl UserName {
    /// The name as the source spelled it.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The folded name, for comparing.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A name that the store wrote, so it was checked before.
    pub(crate) fn from_row(spelling: String, key: String) -> Self {
        Self { spelling, key }
    }
}

impl FromStr for UserName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new(FIELD, "is required"));
        }
        if text.chars().count() > MAX_CHARACTERS {
            return Err(Invalid::new(FIELD, "must have at most 256 characters"));
        }
        check_each(FIELD, text, "control ", |character| !character.is_control())?;
        check_ends(text)?;
        let key = fold(text);
        check_key(FIELD, &key)?;
        Ok(Self {
            spelling: text.to_owned(),
            key,
        })
    }
}

fn check_ends(text: &str) -> Result<(), Invalid> {
    let last = text.chars().count();
    for (end, position) in [(text.chars().next(), 1), (text.chars().next_back(), last)] {
        if let Some(character) = end.filter(|character| character.is_whitespace()) {
            let code = u32::from(character);
            let rule = format!("must not start or end with white space: U+{code:04X} stands at position {position}");
            return Err(Invalid::new(FIELD, rule));
        }
    }
    Ok(())
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserName(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<UserName>().unwrap_err().rule().to_owned()
    }

    #[test]
    fn whatever_entra_allows_in_a_upn_is_a_user_name() {
        for name in [
            "ada@example.com",
            "o'neil_a.b-c!#^~@x.io",
            "DOMAIN\\ada",
            "ada lovelace",
            "Ä",
            "用户",
            "a\u{301}",
        ] {
            let parsed: UserName = name.parse().unwrap();
            assert_eq!(parsed.as_str(), name);
            assert_eq!(parsed.key(), fold(name));
        }
        assert!("ä".repeat(256).parse::<UserName>().is_ok());
    }

    #[test]
    fn a_refusal_names_the_rule_the_character_and_its_position() {
        assert_eq!(refusal(""), "is required");
        assert_eq!(refusal(&"x".repeat(257)), "must have at most 256 characters");
        assert_eq!(
            refusal("ad\u{7}a"),
            "must not hold the control character U+0007, which stands at position 3"
        );
        assert_eq!(
            refusal(" ada"),
            "must not start or end with white space: U+0020 stands at position 1"
        );
        assert_eq!(
            refusal("ädä\u{a0}"),
            "must not start or end with white space: U+00A0 stands at position 4"
        );
        assert_eq!(
            refusal(&"\u{1d5}".repeat(256)),
            "must have at most 1,024 bytes when folded"
        );
    }

    #[test]
    fn debug_shows_no_name() {
        assert_eq!(
            format!("{:?}", "ada@example.com".parse::<UserName>().unwrap()),
            "UserName(<redacted>)"
        );
    }
}
