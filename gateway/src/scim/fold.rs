//! How text without a case rule of its own is compared: Unicode's canonical caseless match.
//!
//! The directory has the same function (`domain/fold.rs`) for its keys. It cannot be shared: the two crates have only the
//! contract in common, and `proto` compares no text. They must agree all the same, or a filter in a PATCH path would
//! select other values than the same filter in a query: the table below stands in both.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::DecomposingNormalizer;

/// NFD(casefold(NFD(text))): two texts are equal without regard to case exactly if their folds are.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let nfd = DecomposingNormalizer::new_nfd();
    let decomposed = nfd.normalize(text);
    let folded = CaseMapper::new().fold_string(&decomposed).into_owned();
    Cow::Owned(nfd.normalize(&folded).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_composition_do_not_matter_and_letters_do() {
        for (one, other) in [
            ("Ada@Example.COM", "ada@example.com"),
            ("ÄRGER", "ärger"),
            ("straße", "STRASSE"),
            ("straße", "STRAẞE"),
            ("ſ", "S"),
            ("\u{e9}", "e\u{301}"),
            ("\u{c5}", "\u{212b}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("K", "\u{212a}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("a", "ä"), ("i", "ı"), ("ss", "s"), ("a", "a "), ("oe", "ö")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn folding_a_key_again_changes_nothing(text: String) {
            let key = fold(&text).into_owned();

            prop_assert_eq!(fold(&key), key.as_str());
        }

        #[test]
        fn the_short_way_for_ascii_agrees_with_the_long_one(text in "[ -~]{0,40}") {
            prop_assert_eq!(fold(&text), CaseMapper::new().fold_string(&text));
        }
    }
}
