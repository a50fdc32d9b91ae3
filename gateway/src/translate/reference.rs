//! Questions about URLs of ours. The directory keeps none: each is a prefix, the same for all resources of a type, and an id,
//! so a question about the URL is a question about the id, or none.

use crate::scim::filter::CompareOp;

/// What a question about a URL comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// It is true of every URL with this prefix.
    Every,
    /// It is true of none.
    None,
    /// It is true where the id compares so.
    Id(CompareOp, &'a str),
}

/// What a comparison of `prefix` and an id with `wanted` comes down to. The prefix ends in a slash, and ids have none.
pub(super) fn ask<'a>(prefix: &str, op: CompareOp, wanted: &'a str) -> Asked<'a> {
    let of = |holds: bool| if holds { Asked::Every } else { Asked::None };
    let behind_prefix = wanted.strip_prefix(prefix);
    let (before_id, id) = wanted.split_at(wanted.rfind('/').map_or(0, |slash| slash + 1));
    let may_begin_before_id = prefix.ends_with(before_id);
    match (op, behind_prefix) {
        (CompareOp::Equal | CompareOp::NotEqual, Some(id)) => Asked::Id(op, id),
        (CompareOp::Equal, None) => Asked::None,
        (CompareOp::NotEqual, None) => Asked::Every,
        (CompareOp::StartsWith, Some(id)) => Asked::Id(op, id),
        (CompareOp::StartsWith, None) => of(prefix.starts_with(wanted)),
        (CompareOp::EndsWith, _) if before_id.is_empty() => Asked::Id(op, id),
        (CompareOp::EndsWith, _) if may_begin_before_id => Asked::Id(CompareOp::Equal, id),
        (CompareOp::EndsWith, _) => Asked::None,
        (CompareOp::Contains, _) if prefix.contains(wanted) => Asked::Every,
        (CompareOp::Contains, _) if before_id.is_empty() => Asked::Id(op, id),
        (CompareOp::Contains, _) if may_begin_before_id => Asked::Id(CompareOp::StartsWith, id),
        (CompareOp::Contains, _) => Asked::None,
        (CompareOp::Greater | CompareOp::GreaterOrEqual | CompareOp::Less | CompareOp::LessOrEqual, Some(id)) => {
            Asked::Id(op, id)
        }
        // They differ within the prefix, or the text ends there.
        (CompareOp::Greater | CompareOp::GreaterOrEqual, None) => of(prefix > wanted),
        (CompareOp::Less | CompareOp::LessOrEqual, None) => of(prefix < wanted),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::scim::filter::{Literal, satisfies};
    use crate::scim::schema::{Attribute, Kind};

    const PREFIX: &str = "https://ab/a/";

    fn holds(op: CompareOp, text: &str, wanted: &str) -> bool {
        let url = Attribute::new(Kind::Reference, "url", "");
        satisfies(&url, op, &Value::from(text), &Literal::Text(wanted.to_owned()))
    }

    fn check(id: &str, wanted: &str) {
        for op in CompareOp::ALL {
            let asked = match ask(PREFIX, op, wanted) {
                Asked::Every => true,
                Asked::None => false,
                Asked::Id(op, text) => holds(op, id, text),
            };
            assert_eq!(
                asked,
                holds(op, &format!("{PREFIX}{id}"), wanted),
                "{id} {op:?} {wanted}"
            );
        }
    }

    #[test]
    fn a_question_about_a_url_is_answered_by_its_id() {
        let url = format!("{PREFIX}ab-1");
        for id in ["ab-1", "ab-2", "a", "b"] {
            for start in 0..url.len() {
                for end in start..=url.len() {
                    check(id, &url[start..end]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked(id in "[ab-]{1,4}", wanted in "(https://ab/)?[ab/-]{0,6}") {
            check(&id, &wanted);
        }
    }
}
