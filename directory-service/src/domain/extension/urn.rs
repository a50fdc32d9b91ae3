//! The name of an extension schema.

use serde::{Deserialize, Serialize};

use crate::domain::Invalid;

const MAX_CHARACTERS: usize = 256;
/// What SCIM and this product define themselves.
const RESERVED: [&str; 4] = [
    "urn:ietf:params:scim:schemas:core",
    "urn:ietf:params:scim:schemas:extension:enterprise",
    "urn:ietf:params:scim:api",
    "urn:rollcall",
];

/// A URN of letters, digits, and `-._:`, compared without regard to case. It is no secret and not personal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaUrn(String);

impl SchemaUrn {
    /// Checks a URN that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`]: not of that form, or reserved.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let refuse = |rule: &str| Err(Invalid::new(field, rule));
        let Some(name) = text
            .get(..4)
            .filter(|start| start.eq_ignore_ascii_case("urn:"))
            .map(|_| &text[4..])
        else {
            return refuse("must begin with urn:");
        };
        if name.is_empty() || name.len() > MAX_CHARACTERS {
            return refuse("must have 1 to 256 characters after urn:");
        }
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte))
        {
            return refuse("may hold letters, digits, -, ., _ and : only");
        }
        if name.split(':').any(str::is_empty) {
            return refuse("must not have an empty part");
        }
        let urn = Self(text.to_owned());
        if RESERVED.iter().any(|reserved| urn.contains_or_is_in(reserved)) {
            return refuse("must not be a URN of SCIM's own schemas or of urn:rollcall:");
        }
        Ok(urn)
    }

    /// The URN as it was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URN by which it compares.
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// What a text compares by where URNs are compared.
    pub fn key_of(text: &str) -> String {
        text.to_ascii_lowercase()
    }

    /// Whether one is the other, or goes on with a colon where the other ends: an attribute's path would be ambiguous.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        self.contains_or_is_in(&other.key())
    }

    fn contains_or_is_in(&self, other: &str) -> bool {
        let own = self.key();
        let continues = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with(':'));
        own == other || continues(&own, other) || continues(other, &own)
    }
}

/// As they compare.
impl PartialEq for SchemaUrn {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for SchemaUrn {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        SchemaUrn::parse("schema.id", text).unwrap_err().to_string()
    }

    #[test]
    fn a_urn_has_letters_digits_and_four_signs() {
        for good in [
            "urn:ietf:params:scim:schemas:extension:Acme:2.0:User",
            "URN:acme",
            "urn:a-b._c:1",
            "urn:rollcallers:x",
            &format!("urn:{}", "x".repeat(256)),
        ] {
            assert_eq!(SchemaUrn::parse("schema.id", good).unwrap().as_str(), good);
        }
        for bad in ["", "urn", "acme:2.0", "ürn:x"] {
            assert_eq!(refusal(bad), "schema.id must begin with urn:");
        }
        for bad in ["urn:", &format!("urn:{}", "x".repeat(257))] {
            assert_eq!(refusal(bad), "schema.id must have 1 to 256 characters after urn:");
        }
        for bad in ["urn:a b", "urn:ä", "urn:a\0", "urn:a/b", "urn:a[b]", "urn:'\"%"] {
            assert_eq!(refusal(bad), "schema.id may hold letters, digits, -, ., _ and : only");
        }
        for bad in ["urn::a", "urn:a:", "urn:a::b", "urn::"] {
            assert_eq!(refusal(bad), "schema.id must not have an empty part");
        }
    }

    #[test]
    fn scim_s_own_urns_and_ours_are_reserved_whole_and_in_part() {
        for reserved in [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:core",
            "URN:IETF:params:scim:schemas:extension:enterprise:2.0:User",
            "urn:ietf:params:scim:api:messages:2.0:PatchOp",
            "urn:ietf:params:scim",
            "urn:rollcall:params:scim:schemas:extension:status:2.0:User",
            "urn:rollcall",
        ] {
            assert_eq!(
                refusal(reserved),
                "schema.id must not be a URN of SCIM's own schemas or of urn:rollcall:"
            );
        }
    }

    #[test]
    fn two_urns_conflict_where_a_path_could_mean_either() {
        let urn = |text: &str| SchemaUrn::parse("schema.id", text).unwrap();

        for other in ["urn:acme:a", "URN:ACME:A", "urn:acme", "urn:acme:a:b"] {
            assert!(urn("urn:acme:a").conflicts_with(&urn(other)), "{other}");
        }
        for other in ["urn:acme:b", "urn:acme:ab", "urn:acm"] {
            assert!(!urn("urn:acme:a").conflicts_with(&urn(other)), "{other}");
        }
    }
}
