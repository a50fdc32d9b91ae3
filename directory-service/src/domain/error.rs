//! Why a value is refused.

/// A value that the directory refuses. It names the field and the rule and never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct Invalid {
    field: String,
    rule: String,
}

impl Invalid {
    /// Refuses `field` because of `rule`, which reads on after the field's name: "must not be empty".
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
        }
    }

    /// The path of the field in the request.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The rule that the value breaks.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}
