//! How text is compared without regard to case: Unicode's canonical caseless match, one function on every database. The
//! gateway's `scim/fold.rs` must agree with it and says why it exists; the table of cases below stands in both.

use icu_casemap::CaseMapper;
use icu_normalizer::DecomposingNormalizer;

/// Names the rules of [`fold`]: stored with every tenant, raised when keys must be computed anew.
pub const FOLD_VERSION: i32 = 1;

/// The key under which text compares without regard to case: NFD(casefold(NFD(text))), full case folding.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let nfd = DecomposingNormalizer::new_nfd();
    let decomposed = nfd.normalize(text);
    let folded = CaseMapper::new().fold_string(&decomposed);
    nfd.normalize(&folded).into_owned()
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
            let key = fold(&text);

            prop_assert_eq!(fold(&key), key);
        }

        #[test]
        fn the_short_way_for_ascii_agrees_with_the_long_one(text in "[ -~]{0,40}") {
            prop_assert_eq!(fold(&text), CaseMapper::new().fold_string(&text).into_owned());
        }
    }
}
