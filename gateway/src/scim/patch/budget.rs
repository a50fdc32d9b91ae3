//! How much work one PATCH may be. A body of few megabytes can ask for hours: a list of 400,000 values compared with 400,000
//! others, or a long text copied into each. Nothing waits in between, so no time limit would end it.

use serde_json::Value;

use super::operation::{Change, Elements, Operation};
use crate::scim::error::ScimError;
use crate::scim::filter::{Filter, Literal};

/// How many values the operations of one PATCH may look at, compare, and copy.
pub(super) const MAX_WORK: usize = 10_000_000;
/// Of a text, so many bytes are as much work as one more value.
const TEXT_BYTES: usize = 16;

/// What is left of the work that a PATCH may be.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { left: MAX_WORK }
    }

    /// Takes away what an operation costs on the value that its attribute has now; to be asked before the value is looked at.
    pub(super) fn spend(&mut self, operation: &Operation, before: Option<&Value>) -> Result<(), ScimError> {
        let work = before.map_or(0, |before| work_of(operation, before));
        match self.left.checked_sub(work) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ScimError::new(
                413,
                "The PATCH compares too many values; send less at once.",
            )),
        }
    }
}

/// At the most: every value is compared with every literal, and every element is given the new value.
fn work_of(operation: &Operation, before: &Value) -> usize {
    let values = weight(before);
    let elements = before.as_array().map_or(1, Vec::len);
    let compared = |filter: &Option<Filter>| {
        let (comparisons, literals) = filter.as_ref().map_or((1, 0), size);
        (values.saturating_mul(comparisons)).saturating_add(elements.saturating_mul(literals))
    };
    let selected = match &operation.elements {
        Elements::All => 0,
        Elements::Matching { filter, .. } => {
            let copied = match &operation.change {
                Change::Add(value) | Change::Replace(value) => elements.saturating_mul(weight(value)),
                Change::Remove => 0,
            };
            compared(filter).saturating_add(copied)
        }
    };
    compared(&operation.when).saturating_add(selected)
}

/// How many simple values there are, a long text counted as several.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / TEXT_BYTES,
        Value::Array(elements) => 1 + elements.iter().map(weight).sum::<usize>(),
        Value::Object(parts) => 1 + parts.values().map(weight).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// How many comparisons a filter has, and how much more work their literals are because they are long.
fn size(filter: &Filter) -> (usize, usize) {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().map(size).fold((0, 0), |one, other| {
            (one.0.saturating_add(other.0), one.1.saturating_add(other.1))
        }),
        Filter::Not(filter) | Filter::Element { filter, .. } => size(filter),
        Filter::Compare {
            value: Literal::Text(text),
            ..
        } => (1, text.len() / TEXT_BYTES),
        Filter::Compare { .. } | Filter::Present(_) => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::attribute_path::AttributePath;
    use crate::scim::filter::CompareOp;
    use crate::scim::schema::{ResourceKind, ResourceTypes};

    fn path(name: &str) -> AttributePath {
        AttributePath::resolve(ResourceTypes::standard().get(ResourceKind::User), name).unwrap()
    }

    fn equals(name: &str, text: &str) -> Option<Filter> {
        Some(Filter::Compare {
            path: path(name),
            op: CompareOp::Equal,
            value: Literal::Text(text.to_owned()),
        })
    }

    #[test]
    fn lists_and_long_texts_cost_what_they_hold() {
        let list = json!([{"value": "a", "type": "work"}, {"value": "x".repeat(160)}]);
        let operation = |elements: Elements, change: Change| Operation {
            path: path("emails"),
            elements,
            when: None,
            change,
        };
        let matching = |filter: Option<Filter>| Elements::Matching {
            filter,
            missing: crate::scim::patch::operation::Missing::Refuse,
        };
        let two = Filter::or(
            [equals("emails.value", "a"), equals("emails.value", &"y".repeat(32))]
                .into_iter()
                .flatten()
                .collect(),
        );

        assert_eq!(weight(&list), 16);
        for (operation, work) in [
            (operation(Elements::All, Change::Remove), 16),
            (operation(Elements::All, Change::Add(json!([{"value": "b"}]))), 16),
            (operation(matching(Some(two)), Change::Remove), 16 + 16 * 2 + 2 * 2),
            (
                operation(matching(None), Change::Replace(json!("x".repeat(16)))),
                16 + 16 + 2 * 2,
            ),
        ] {
            assert_eq!(work_of(&operation, &list), work, "{operation:?}");
        }
    }

    #[test]
    fn what_was_spent_is_gone() {
        let removal = Operation {
            path: path("title"),
            elements: Elements::All,
            when: equals("title", "y"),
            change: Change::Remove,
        };
        let long = Value::from("x".repeat(MAX_WORK * TEXT_BYTES / 2));
        let mut budget = Budget::new();

        assert!(budget.spend(&removal, None).is_ok());
        assert!(budget.spend(&removal, Some(&json!("short"))).is_ok());
        assert!(
            budget
                .spend(&removal, Some(&json!("x".repeat(16 * 1024 * 1024))))
                .is_ok()
        );
        assert!(budget.spend(&removal, Some(&long)).is_ok());
        assert_eq!(budget.spend(&removal, Some(&long)).unwrap_err().status, 413);
    }
}
