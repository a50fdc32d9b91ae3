//! Questions about texts that the directory does not keep as they are shown. A URL of ours is a prefix, the same for all
//! resources of a type, and an id; an entity tag is a version in quotes. So a question about the whole text is a question about
//! what the directory keeps of it, or none.

use std::borrow::Cow;

use crate::scim::filter::CompareOp;

/// What stands around the part that is kept. That part is not empty; the last character of `before` is not in it. `behind` is
/// that character, and then the part is made of ASCII digits; or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Around {
    /// What the text begins with.
    pub before: Cow<'static, str>,
    /// What it ends with.
    pub behind: &'static str,
}

/// What a question about such a text comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// It is true of all of them.
    Every,
    /// It is true of none.
    None,
    /// It is true where the part that is kept compares so.
    Kept(CompareOp, &'a str),
}

impl Around {
    /// The beginning of a URL, up to its last slash.
    pub fn url(before: String) -> Self {
        Self {
            before: before.into(),
            behind: "",
        }
    }

    /// What a comparison with `wanted` comes down to.
    pub fn ask<'a>(&self, op: CompareOp, wanted: &'a str) -> Asked<'a> {
        let before = self.before.as_ref();
        let of = |holds: bool| if holds { Asked::Every } else { Asked::None };
        match (op, wanted.strip_prefix(before)) {
            (CompareOp::Equal | CompareOp::NotEqual, rest) => {
                match rest.and_then(|rest| rest.strip_suffix(self.behind)) {
                    Some(kept) => Asked::Kept(op, kept),
                    None => of(op == CompareOp::NotEqual),
                }
            }
            (CompareOp::StartsWith, Some(rest)) => match self.without_end(rest) {
                Some(kept) => Asked::Kept(CompareOp::Equal, kept),
                None => Asked::Kept(op, rest),
            },
            (CompareOp::StartsWith, None) => of(before.starts_with(wanted)),
            (CompareOp::EndsWith, _) if wanted.is_empty() => Asked::Every,
            (CompareOp::EndsWith, _) => match wanted.strip_suffix(self.behind) {
                Some(rest) => self.behind_before(rest, op, CompareOp::Equal),
                None => Asked::None,
            },
            (CompareOp::Contains, _) if before.contains(wanted) => Asked::Every,
            (CompareOp::Contains, _) => match self.without_end(wanted) {
                Some(rest) => self.behind_before(rest, CompareOp::EndsWith, CompareOp::Equal),
                None => self.behind_before(wanted, op, CompareOp::StartsWith),
            },
            (_, Some(rest)) => self.ordered(op, rest),
            // They differ within what stands before, or the text ends there.
            (CompareOp::Greater | CompareOp::GreaterOrEqual, None) => of(before > wanted),
            (CompareOp::Less | CompareOp::LessOrEqual, None) => of(before < wanted),
        }
    }

    fn without_end<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.strip_suffix(self.behind).filter(|_| !self.behind.is_empty())
    }

    /// Takes off `text` what can only stand before the part that is kept: `all` says how the rest compares if that is all of
    /// the beginning, `some` if the text may begin within the part.
    fn behind_before<'a>(&self, text: &'a str, some: CompareOp, all: CompareOp) -> Asked<'a> {
        let last = self.before.chars().next_back().unwrap_or_default();
        let (beginning, kept) = text.split_at(text.rfind(last).map_or(0, |at| at + last.len_utf8()));
        if beginning.is_empty() {
            Asked::Kept(some, kept)
        } else if self.before.ends_with(beginning) {
            Asked::Kept(all, kept)
        } else {
            Asked::None
        }
    }

    /// Text that the same stands before is ordered as its rest, but for what stands behind: a quote, which is less than a digit.
    fn ordered<'a>(&self, op: CompareOp, rest: &'a str) -> Asked<'a> {
        if self.behind.is_empty() {
            return Asked::Kept(op, rest);
        }
        let digits = rest.trim_start_matches(|next: char| next.is_ascii_digit()).len();
        let (kept, end) = rest.split_at(rest.len() - digits);
        match (self.behind.cmp(end), op) {
            (std::cmp::Ordering::Equal, _) => Asked::Kept(op, kept),
            // Where the digits are the same, the text that was asked about is the greater one, as it is without our end.
            (std::cmp::Ordering::Less, _) => Asked::Kept(op, rest),
            // Where they are the same, ours is the greater one.
            (std::cmp::Ordering::Greater, CompareOp::Less | CompareOp::LessOrEqual) => {
                Asked::Kept(CompareOp::Less, kept)
            }
            (std::cmp::Ordering::Greater, _) => Asked::Kept(CompareOp::GreaterOrEqual, kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::scim::filter::{Literal, satisfies};
    use crate::scim::schema::{Attribute, Kind};
    use crate::translate::version::TAG;

    const PREFIX: &str = "https://ab/a/";

    fn holds(op: CompareOp, text: &str, wanted: &str) -> bool {
        let exact = Attribute::new(Kind::Reference, "url", "");
        satisfies(&exact, op, &Value::from(text), &Literal::Text(wanted.to_owned()))
    }

    fn check(around: &Around, kept: &str, wanted: &str) {
        let whole = format!("{}{kept}{}", around.before, around.behind);
        for op in CompareOp::ALL {
            let asked = match around.ask(op, wanted) {
                Asked::Every => true,
                Asked::None => false,
                Asked::Kept(op, text) => holds(op, kept, text),
            };
            assert_eq!(asked, holds(op, &whole, wanted), "{whole} {op:?} {wanted}");
        }
    }

    fn check_parts(around: &Around, kept: &[&str]) {
        let whole = format!("{}{}{}", around.before, kept[0], around.behind);
        for kept in kept {
            for start in 0..whole.len() {
                for end in start..=whole.len() {
                    check(around, kept, &whole[start..end]);
                }
            }
        }
    }

    #[test]
    fn a_question_about_a_url_is_answered_by_its_id() {
        check_parts(&Around::url(PREFIX.to_owned()), &["ab-1", "ab-2", "a", "b"]);
    }

    #[test]
    fn a_question_about_an_entity_tag_is_answered_by_its_version() {
        check_parts(&TAG, &["10", "1", "9", "101", "100"]);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_about_a_url(id in "[ab-]{1,4}", wanted in "(https://ab/)?[ab/-]{0,6}") {
            check(&Around::url(PREFIX.to_owned()), &id, &wanted);
        }

        #[test]
        fn whatever_is_asked_about_an_entity_tag(version in "[1-3][0-3]{0,2}", wanted in "(W?/?\")?[0-3]{0,2}[W/0-3\" #x]{0,3}") {
            check(&TAG, &version, &wanted);
        }
    }
}
