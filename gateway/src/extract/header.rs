//! The grammar that many header fields share (RFC 9110 §5.6): lists, parameters, and quoted strings.

use std::borrow::Cow;

/// The parts of a list between separators, none of which counts inside a quoted string; each without the white space
/// around it.
pub fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let is_escaped = std::mem::take(&mut escaped);
        match character {
            '\\' if quoted => escaped = !is_escaped,
            '"' if !is_escaped => quoted = !quoted,
            _ => {}
        }
        character == separator && !quoted
    })
    .map(|part| part.trim_matches([' ', '\t']))
}

/// The name and the value of a parameter, the value without its quotes; `None` if it is none.
pub fn parameter(text: &str) -> Option<(&str, Cow<'_, str>)> {
    let (name, value) = text.split_once('=')?;
    is_token(name).then_some(())?;
    match value.strip_prefix('"') {
        Some(rest) => Some((name, unescaped(rest.strip_suffix('"')?)?)),
        None => is_token(value).then_some((name, Cow::Borrowed(value))),
    }
}

/// The text of a quoted string.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['\\', '"']) {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next()?),
            '"' => return None,
            _ => plain.push(character),
        }
    }
    Some(Cow::Owned(plain))
}

/// Whether a text is a token (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_quotes_separate_nothing() {
        let parts: Vec<&str> = split(r#"a=1 ; b="x;\"y;" ;c"#, ';').collect();

        assert_eq!(parts, ["a=1", r#"b="x;\"y;""#, "c"]);
    }

    #[test]
    fn parameters_lose_their_quotes_and_bad_ones_are_none() {
        assert_eq!(parameter("charset=utf-8"), Some(("charset", Cow::Borrowed("utf-8"))));
        assert_eq!(parameter(r#"a="b\"c\\""#), Some(("a", Cow::Borrowed("b\"c\\"))));
        for wrong in [
            "a",
            "=b",
            "a=",
            "a =b",
            r#"a="b"#,
            r#"a=b""#,
            r#"a="b"c""#,
            r#"a="\"#,
            r#"a="\""#,
        ] {
            assert_eq!(parameter(wrong), None, "{wrong}");
        }
    }
}
