//! Filters in RFC 7644's notation, so that tests can compare what was printed with what is read back.

use std::fmt;

use time::format_description::well_known::Rfc3339;

use super::ast::{Filter, Literal};
use crate::scim::attribute_path::AttributePath;

impl Filter {
    fn fmt_in(&self, f: &mut fmt::Formatter<'_>, in_element: bool) -> fmt::Result {
        match self {
            Self::And(filters) => join(f, filters, " and ", in_element),
            Self::Or(filters) => join(f, filters, " or ", in_element),
            Self::Not(filter) => {
                f.write_str("not (")?;
                filter.fmt_in(f, in_element)?;
                f.write_str(")")
            }
            Self::Present(path) => {
                fmt_path(f, path, in_element)?;
                f.write_str(" pr")
            }
            Self::Compare { path, op, value } => {
                fmt_path(f, path, in_element)?;
                write!(f, " {} {value}", op.as_str())
            }
            Self::Element { attribute, filter } => {
                write!(f, "{attribute}[")?;
                filter.fmt_in(f, true)?;
                f.write_str("]")
            }
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, filters: &[Filter], word: &str, in_element: bool) -> fmt::Result {
    for (index, filter) in filters.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        // `and` binds tighter than `or`, but brackets cost nothing and spare the reader the rule.
        if matches!(filter, Filter::And(_) | Filter::Or(_)) {
            f.write_str("(")?;
            filter.fmt_in(f, in_element)?;
            f.write_str(")")?;
        } else {
            filter.fmt_in(f, in_element)?;
        }
    }
    Ok(())
}

fn fmt_path(f: &mut fmt::Formatter<'_>, path: &AttributePath, in_element: bool) -> fmt::Result {
    match path.part_name() {
        Some(name) if in_element => f.write_str(name),
        Some(_) | None => write!(f, "{path}"),
    }
}

/// RFC 7644's notation, which parses to the same tree. Holds values: not for logs.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_in(f, false)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Decimal(number) => write!(f, "{number:?}"),
            Self::Time(time) => write!(f, "\"{}\"", time.format(&Rfc3339).map_err(|_| fmt::Error)?),
        }
    }
}
