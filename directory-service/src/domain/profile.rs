//! A user's attributes that carry no rules of their own: what the source said, kept as it was spelled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attribute::{ListAttribute, SubAttribute, TextAttribute};
use super::text::Text;
use super::{Invalid, attribute::Case, fold};

/// What a source said about a user. An attribute that is not in here is unassigned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    #[serde(flatten)]
    texts: BTreeMap<TextAttribute, Text>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lists: BTreeMap<ListAttribute, Vec<Element>>,
}

/// One element of a multi-valued attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: BTreeMap<SubAttribute, Text>,
    /// Whether it is the preferred one; absent is not false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

impl Element {
    /// An element that says only whether it is the preferred one.
    pub fn with_primary(primary: Option<bool>) -> Self {
        Self {
            texts: BTreeMap::new(),
            primary,
        }
    }

    /// The text of a sub-attribute.
    pub fn text(&self, sub: SubAttribute) -> Option<&Text> {
        self.texts.get(&sub)
    }

    /// Puts the text of a sub-attribute in.
    ///
    /// # Errors
    /// [`Invalid`]: out of bounds.
    pub fn set(&mut self, list: ListAttribute, sub: SubAttribute, text: Option<String>) -> Result<(), Invalid> {
        let Some(text) = text else { return Ok(()) };
        let field = format!("{}.{}", list.path(), sub.path());
        let indexed = list == ListAttribute::Emails && sub == SubAttribute::Value;
        let text = if indexed {
            Text::parse_indexed(&field, text)?
        } else {
            Text::parse(&field, text)?
        };
        self.texts.insert(sub, text);
        Ok(())
    }

    /// The key that a sub-attribute compares by.
    pub fn key(&self, list: ListAttribute, sub: SubAttribute) -> Option<String> {
        let case = if sub == SubAttribute::Value {
            list.value_case()
        } else {
            Case::Folded
        };
        self.text(sub).map(|text| key(text, case))
    }
}

impl Profile {
    /// The text of an attribute.
    pub fn text(&self, attribute: TextAttribute) -> Option<&Text> {
        self.texts.get(&attribute)
    }

    /// Puts the text of an attribute in, or takes it away.
    pub fn set_text(&mut self, attribute: TextAttribute, text: Option<Text>) {
        match text {
            Some(text) => self.texts.insert(attribute, text),
            None => self.texts.remove(&attribute),
        };
    }

    /// The elements of a multi-valued attribute.
    pub fn list(&self, attribute: ListAttribute) -> &[Element] {
        self.lists.get(&attribute).map_or(&[], Vec::as_slice)
    }

    /// Puts the elements of a multi-valued attribute in; none takes it away.
    pub fn set_list(&mut self, attribute: ListAttribute, elements: Vec<Element>) {
        if elements.is_empty() {
            self.lists.remove(&attribute);
        } else {
            self.lists.insert(attribute, elements);
        }
    }

    /// The key that an attribute compares by.
    pub fn key(&self, attribute: TextAttribute) -> Option<String> {
        self.text(attribute).map(|text| key(text, attribute.case()))
    }
}

impl TextAttribute {
    /// Checks the text of this attribute.
    ///
    /// # Errors
    /// [`Invalid`]: out of bounds.
    pub fn parse(self, text: String) -> Result<Text, Invalid> {
        if self.is_indexed() {
            Text::parse_indexed(self.path(), text)
        } else {
            Text::parse(self.path(), text)
        }
    }
}

fn key(text: &Text, case: Case) -> String {
    match case {
        Case::Folded => fold(text.as_str()),
        Case::Exact => text.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_survives_being_written_as_json() {
        let mut element = Element {
            primary: Some(false),
            ..Element::default()
        };
        element
            .set(ListAttribute::Emails, SubAttribute::Value, Some("A@x.io".to_owned()))
            .unwrap();
        let mut profile = Profile::default();
        profile.set_text(
            TextAttribute::GivenName,
            Some(TextAttribute::GivenName.parse("Ada".to_owned()).unwrap()),
        );
        profile.set_list(ListAttribute::Emails, vec![element]);
        profile.set_list(ListAttribute::Roles, Vec::new());

        let json = serde_json::to_value(&profile).unwrap();

        let expected = serde_json::json!({
            "name.given_name": "Ada",
            "lists": { "emails": [{ "texts": { "value": "A@x.io" }, "primary": false }] },
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Profile>(json).unwrap(), profile);
    }
}
