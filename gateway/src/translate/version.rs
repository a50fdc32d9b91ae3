//! Versions as SCIM spells them: weak entity tags (RFC 7644 §3.14).

use std::borrow::Cow;

use super::derived::Around;

/// What stands around a version in its entity tag.
pub(super) const TAG: Around = Around {
    before: Cow::Borrowed("W/\""),
    behind: "\"",
};

/// The weak entity tag of a version.
pub fn etag(version: i64) -> String {
    format!("{}{version}{}", TAG.before, TAG.behind)
}

/// The version of an entity tag, weak or strong: we only make weak ones, and compare weakly.
pub fn version_of(tag: &str) -> Option<i64> {
    let version = tag
        .strip_prefix("W/")
        .unwrap_or(tag)
        .strip_prefix('"')?
        .strip_suffix('"')?;
    // Tags are compared letter by letter: "07" is not "7".
    version
        .parse()
        .ok()
        .filter(|number: &i64| number.to_string() == version)
}
