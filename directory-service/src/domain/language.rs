//! Languages: BCP 47 tags, lists of them as `Accept-Language` spells them, and the look-up of RFC 4647.

use std::fmt;

use super::Invalid;

/// The language of last resort.
pub const DEFAULT_LANGUAGE: &str = "en";

/// A list has at most so many tags; what follows is not read.
const MAX_TAGS: usize = 32;
const MAX_TAG_BYTES: usize = 64;
const MAX_SUBTAG: usize = 8;

/// A well-formed BCP 47 tag such as `fr-CH`, in the spelling that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageTag(String);

impl LanguageTag {
    /// Checks a tag that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::new(field, "must be a language tag such as en or fr-CH (BCP 47)"))
    }

    fn read(text: &str) -> Option<Self> {
        let mut subtags = text.split('-');
        let language = subtags.next()?;
        let is_language =
            (2..=MAX_SUBTAG).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        let is_subtag = |subtag: &str| {
            (1..=MAX_SUBTAG).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        (text.len() <= MAX_TAG_BYTES && is_language && subtags.all(is_subtag)).then(|| Self(text.to_owned()))
    }

    /// A tag that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The tag as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first of the languages that are `available` that this tag leads to, shortened from its end (RFC 4647 §3.4).
    pub fn look_up<'a>(&self, available: &[&'a str]) -> Option<&'a str> {
        let mut range = self.0.as_str();
        loop {
            if let Some(found) = available.iter().find(|tag| tag.eq_ignore_ascii_case(range)) {
                return Some(found);
            }
            range = range.rsplit_once('-')?.0;
            // A single letter introduces what follows it, and goes with it.
            if let Some((before, single)) = range.rsplit_once('-')
                && single.len() == 1
            {
                range = before;
            }
        }
    }
}

impl Default for LanguageTag {
    fn default() -> Self {
        Self(DEFAULT_LANGUAGE.to_owned())
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tags of a user's `preferred_language`, the best first: one tag, or a list with qualities as in RFC 9110 §12.5.4.
/// What is no tag is left out.
pub fn preferred(list: &str) -> Vec<LanguageTag> {
    let mut tags: Vec<(u16, LanguageTag)> = list.split(',').take(MAX_TAGS).filter_map(weighted).collect();
    tags.sort_by_key(|(thousandths, _)| std::cmp::Reverse(*thousandths)); // stable: equals keep their order
    tags.into_iter().map(|(_, tag)| tag).collect()
}

/// A tag with its quality in thousandths; quality 0 means "not this".
fn weighted(item: &str) -> Option<(u16, LanguageTag)> {
    let mut parts = item.split(';').map(str::trim);
    let tag = LanguageTag::read(parts.next()?)?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let thousandths = quality.map_or(Some(1_000), thousandths)?;
    (thousandths > 0).then_some((thousandths, tag))
}

fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &str) -> Vec<String> {
        preferred(list).into_iter().map(|tag| tag.0).collect()
    }

    #[test]
    fn a_list_is_read_the_best_first_and_what_is_no_tag_is_left_out() {
        for (list, expected) in [
            ("fr-CH", &["fr-CH"][..]),
            (
                "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5",
                &["fr-CH", "fr", "en", "de"],
            ),
            ("en;q=0.1,nl;Q=1.000,de;q=0.75", &["nl", "de", "en"]),
            ("de;q=0,en", &["en"]),
            ("sr-Latn-RS", &["sr-Latn-RS"]),
            ("de;q=2,it;q=0.1234,es;q=x,nl", &["nl"]),
            ("", &[]),
            ("english!,x,\u{e4}\u{e4}", &[]),
        ] {
            assert_eq!(tags(list), expected, "{list}");
        }
        assert_eq!(tags(&"en,".repeat(1_000)).len(), MAX_TAGS);
    }

    #[test]
    fn a_tag_is_shortened_until_a_language_is_there() {
        let available = ["en", "de", "zh-Hant"];
        for (tag, expected) in [
            ("de", Some("de")),
            ("DE-at", Some("de")),
            ("de-AT-1996-x-vienna", Some("de")),
            ("zh-Hant-CN-x-private1-private2", Some("zh-Hant")),
            ("zh-Hans", None),
            ("fr-CH", None),
        ] {
            let tag = LanguageTag::parse("tag", tag).unwrap();
            assert_eq!(tag.look_up(&available), expected, "{tag}");
        }
    }

    #[test]
    fn only_well_formed_tags_are_tags() {
        for bad in ["", "e", "en-", "-en", "en_GB", "en-abcdefghi", "e1", "en US", "\u{e9}n"] {
            assert!(
                LanguageTag::parse("default_language", bad).is_err(),
                "{bad:?} is no tag"
            );
        }
        for good in ["en", "fr-CH", "sr-Latn-RS", "de-1996", "es-419"] {
            assert!(LanguageTag::parse("default_language", good).is_ok(), "{good:?}");
        }
    }
}
