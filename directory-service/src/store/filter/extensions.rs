//! Questions about extension attributes: text keys in the column `extension_keys`, a key for each single-valued attribute and
//! sub-attribute and a list for each multi-valued one. Names are bound like every other value.

use std::convert::Infallible;

use sea_orm::DbBackend;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Func, Query, SelectStatement, Value};

use super::{Columns, Operand, compile, present, text_condition};
use crate::domain::extension::{ElementTest, ExtensionOrder, ExtensionQuestion, Test};
use crate::domain::filter::{Filter, Literal, Operator};

/// An element of a list of keys.
const ELEMENT: &str = "element";

/// The condition that a question about the keys in this column is true.
pub(super) fn condition(column: Expr, question: &ExtensionQuestion, negated: bool, backend: DbBackend) -> Condition {
    match question {
        ExtensionQuestion::Single { key, test } => holds(text_at(column, key, backend), test, negated, backend),
        ExtensionQuestion::Element { key, filter } => {
            let exists = Expr::exists(elements(column, key, filter, backend));
            Condition::all().add(if negated { exists.not() } else { exists })
        }
    }
}

/// What a list is ordered by.
pub(in crate::store) fn order_operand(column: Expr, order: &ExtensionOrder, backend: DbBackend) -> Operand {
    Operand::Text(match order {
        ExtensionOrder::Single { key, .. } => text_at(column, key, backend),
        // The keys of the preferred element are written first.
        ExtensionOrder::Main { key, sub, .. } => {
            text_at(at(at(column, key.as_str(), backend), 0, backend), sub, backend)
        }
    })
}

/// The elements of a list that satisfy a filter; none where there is no list.
fn elements(column: Expr, key: &str, filter: &Filter<Infallible, ElementTest>, backend: DbBackend) -> SelectStatement {
    let function = if backend == DbBackend::Postgres {
        "jsonb_array_elements"
    } else {
        "json_each"
    };
    Query::select()
        .expr(Expr::cust("1"))
        .from_function(Func::cust(function).arg(at(column, key, backend)), ELEMENT)
        .cond_where(compile(filter, false, &Elements { backend }))
        .take()
}

struct Elements {
    backend: DbBackend,
}

impl Columns<Infallible, ElementTest> for Elements {
    fn operand(&self, never: Infallible) -> Operand {
        match never {}
    }

    fn element(&self, ElementTest { sub, test }: &ElementTest, negated: bool) -> Condition {
        let element = Expr::col((ELEMENT, "value"));
        holds(text_at(element, sub, self.backend), test, negated, self.backend)
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }
}

fn holds(key: Expr, test: &Test, negated: bool, backend: DbBackend) -> Condition {
    match test {
        Test::Present => present(Operand::Text(key), negated),
        Test::Compare(Operator::NotEqual, Literal::Text(text)) => {
            text_condition(key, Operator::Equal, text, !negated, backend)
        }
        Test::Compare(operator, Literal::Text(text)) => text_condition(key, *operator, text, negated, backend),
        // The domain makes a text key of every literal.
        Test::Compare(_, Literal::Boolean(_) | Literal::Integer(_) | Literal::Decimal(_) | Literal::Time(_)) => {
            super::truth(negated)
        }
    }
}

/// What stands in JSON under a name, or in a list at a place. The operators are the same text on both databases and have one
/// name in SeaQuery for each.
fn at(json: Expr, name: impl Into<Value>, backend: DbBackend) -> Expr {
    let operator = if backend == DbBackend::Postgres {
        "($1 -> $2)"
    } else {
        "(? -> ?)"
    };
    Expr::cust_with_exprs(operator, [json, Expr::val(name)])
}

/// The text that stands in JSON under a name, in the order of bytes.
fn text_at(json: Expr, name: &str, backend: DbBackend) -> Expr {
    let operator = if backend == DbBackend::Postgres {
        "(($1 ->> $2) COLLATE \"C\")"
    } else {
        "(? ->> ?)"
    };
    Expr::cust_with_exprs(operator, [json, Expr::val(name)])
}

#[cfg(test)]
mod tests;
