//! From a question of the domain to a condition of SeaQuery. Values are always bound, never pasted.
//!
//! Every condition is true or not true: where a value is missing, a comparison is not true and its negation is
//! (RFC 7644 §3.4.2.2 read with two truth values). So a negation is pushed down to the comparisons, where NULL can be
//! decided, and never stands above one.

mod columns;
mod extensions;

use sea_orm::DbBackend;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Func};

use crate::domain::filter::{
    Comparison, Filter, GroupElement, GroupFilter, Literal, Operator, UserElement, UserFilter,
};
use crate::domain::id::{TenantId, parse_uuid};

use columns::{Groups, Users};
pub(super) use columns::{
    blocked, default_language, first_group, first_member, group_column, group_operand, has_mail_address, main_value,
    unblocked, user_column, user_operand,
};
pub(super) use extensions::order_operand;

/// What an attribute is in a statement.
pub(super) enum Operand {
    /// Text by its key, in the order of bytes.
    Text(Expr),
    /// A UUID.
    Id(Expr),
    /// A whole number, or microseconds.
    Number(Expr),
    /// A nullable boolean column.
    Boolean(Expr),
    /// A condition that is never NULL.
    Truth(Expr),
    /// A text known now.
    Constant(String),
}

/// Where attributes `A` and multi-valued attributes `E` are found.
trait Columns<A, E> {
    fn operand(&self, attribute: A) -> Operand;
    fn element(&self, element: &E, negated: bool) -> Condition;
    fn backend(&self) -> DbBackend;
}

/// PostgreSQL makes joins of at most so many element matches: planning grows exponentially with them.
const MOST_JOINS: usize = 4;

/// The condition that selects the users of `filter`.
pub(super) fn users(filter: &UserFilter, tenant: TenantId, backend: DbBackend) -> Condition {
    let is_join = |element: &UserElement| match element {
        UserElement::Values(..) | UserElement::Groups(_) => true,
        UserElement::Blocks(_) | UserElement::Extension(_) => false,
    };
    let joins = elements(filter, &is_join) <= MOST_JOINS;
    compile(filter, false, &Users { tenant, backend, joins })
}

/// The condition that selects the groups of `filter`.
pub(super) fn groups(filter: &GroupFilter, tenant: TenantId, backend: DbBackend) -> Condition {
    let is_join = |element: &GroupElement| match element {
        GroupElement::Members(_) => true,
        GroupElement::Extension(_) => false,
    };
    let joins = elements(filter, &is_join) <= MOST_JOINS;
    compile(filter, false, &Groups { tenant, backend, joins })
}

/// How many element matches a filter holds that can be joins: those whose elements are rows.
fn elements<A, E>(filter: &Filter<A, E>, is_join: &impl Fn(&E) -> bool) -> usize {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().map(|filter| elements(filter, is_join)).sum(),
        Filter::Not(filter) => elements(filter, is_join),
        Filter::Present(_) | Filter::Compare(_) => 0,
        Filter::Element(element) => usize::from(is_join(element)),
    }
}

fn compile<A: Copy, E>(filter: &Filter<A, E>, negated: bool, columns: &impl Columns<A, E>) -> Condition {
    let each = |filters: &[Filter<A, E>], all: bool| {
        let mut conditions: Vec<_> = filters.iter().map(|filter| compile(filter, negated, columns)).collect();
        balanced(&mut conditions, all)
    };
    match filter {
        Filter::And(filters) => each(filters, !negated),
        Filter::Or(filters) => each(filters, negated),
        Filter::Not(filter) => compile(filter, !negated, columns),
        Filter::Present(attribute) => present(columns.operand(*attribute), negated),
        Filter::Compare(comparison) => compare(comparison, negated, columns),
        Filter::Element(element) => columns.element(element, negated),
    }
}

/// Joins conditions as a tree of pairs: in a chain of 1,000, SQLite would find its limit on the depth of expressions.
fn balanced(conditions: &mut [Condition], all: bool) -> Condition {
    match conditions {
        [] => truth(all),
        [one] => std::mem::replace(one, Condition::all()),
        many => {
            let join = if all { Condition::all() } else { Condition::any() };
            let (left, right) = many.split_at_mut(many.len() / 2);
            join.add(balanced(left, all)).add(balanced(right, all))
        }
    }
}

/// A condition that is known now; SeaQuery has no literal for it that both databases take.
fn truth(truth: bool) -> Condition {
    Condition::all().add(Expr::cust(if truth { "1 = 1" } else { "1 = 0" }))
}

fn present(operand: Operand, negated: bool) -> Condition {
    match operand {
        Operand::Text(expr) | Operand::Id(expr) | Operand::Number(expr) | Operand::Boolean(expr) => {
            Condition::all().add(if negated { expr.is_null() } else { expr.is_not_null() })
        }
        Operand::Truth(_) | Operand::Constant(_) => truth(!negated),
    }
}

fn compare<A: Copy, E>(comparison: &Comparison<A>, negated: bool, columns: &impl Columns<A, E>) -> Condition {
    // `ne` is the negation of `eq`, so it is also true where there is no value.
    let (operator, negated) = match comparison.operator() {
        Operator::NotEqual => (Operator::Equal, !negated),
        operator => (operator, negated),
    };
    match (columns.operand(comparison.attribute()), comparison.literal()) {
        (Operand::Text(expr), Literal::Text(text)) => text_condition(expr, operator, text, negated, columns.backend()),
        (Operand::Id(expr), Literal::Text(text)) => id_condition(expr, operator, text, negated, columns.backend()),
        (Operand::Number(expr), Literal::Integer(number)) => {
            relation(expr, Relation::from(operator), Expr::val(*number), negated)
        }
        (Operand::Number(expr), Literal::Text(text)) => text_condition(
            number_text(expr, columns.backend()),
            operator,
            text,
            negated,
            columns.backend(),
        ),
        (Operand::Number(expr), Literal::Time(nanos)) => time_condition(expr, operator, *nanos, negated),
        (Operand::Boolean(expr), Literal::Boolean(is)) => relation(expr, Relation::Equal, Expr::val(*is), negated),
        (Operand::Truth(expr), Literal::Boolean(is)) => {
            Condition::all().add(if *is == negated { expr.not() } else { expr })
        }
        (Operand::Constant(constant), Literal::Text(text)) => truth(holds(&constant, operator, text) != negated),
        // `Comparison::new` lets no literal of another type through.
        (
            Operand::Text(_)
            | Operand::Id(_)
            | Operand::Number(_)
            | Operand::Boolean(_)
            | Operand::Truth(_)
            | Operand::Constant(_),
            _,
        ) => truth(negated),
    }
}

/// The comparisons that SQL has for ordered values.
#[derive(Clone, Copy)]
enum Relation {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl From<Operator> for Relation {
    fn from(operator: Operator) -> Self {
        match operator {
            Operator::Greater => Self::Greater,
            Operator::GreaterOrEqual => Self::GreaterOrEqual,
            Operator::Less => Self::Less,
            Operator::LessOrEqual => Self::LessOrEqual,
            Operator::Equal | Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
                Self::Equal
            }
        }
    }
}

fn relation(expr: Expr, relation: Relation, value: Expr, negated: bool) -> Condition {
    let column = expr.clone();
    let holds = match (relation, negated) {
        (Relation::Equal, false) => expr.eq(value),
        (Relation::Equal, true) => expr.ne(value),
        (Relation::Greater, false) | (Relation::LessOrEqual, true) => expr.gt(value),
        (Relation::GreaterOrEqual, false) | (Relation::Less, true) => expr.gte(value),
        (Relation::Less, false) | (Relation::GreaterOrEqual, true) => expr.lt(value),
        (Relation::LessOrEqual, false) | (Relation::Greater, true) => expr.lte(value),
    };
    if negated {
        or_null(holds, column)
    } else {
        Condition::all().add(holds)
    }
}

fn or_null(holds: Expr, column: Expr) -> Condition {
    Condition::any().add(holds).add(column.is_null())
}

fn text_condition(expr: Expr, operator: Operator, text: &str, negated: bool, backend: DbBackend) -> Condition {
    let holds = match operator {
        Operator::StartsWith => return starts_with(expr, text, negated),
        Operator::EndsWith if text.is_empty() => return present(Operand::Text(expr), negated),
        Operator::Contains => position(expr.clone(), text, backend).gt(0),
        Operator::EndsWith => ending(expr.clone(), text, backend).eq(text),
        Operator::Equal
        | Operator::NotEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::Less
        | Operator::LessOrEqual => return relation(expr, Relation::from(operator), Expr::val(text), negated),
    };
    if negated {
        or_null(holds.not(), expr)
    } else {
        Condition::all().add(holds)
    }
}

/// A range uses the index on both databases, and has no wildcards to escape.
fn starts_with(expr: Expr, prefix: &str, negated: bool) -> Condition {
    let column = expr.clone();
    let end = after_prefix(prefix);
    if negated {
        let before = Condition::any().add(expr.clone().lt(prefix)).add(column.is_null());
        return end.into_iter().fold(before, |any, end| any.add(expr.clone().gte(end)));
    }
    let from = Condition::all().add(expr.gte(prefix));
    end.into_iter().fold(from, |all, end| all.add(column.clone().lt(end)))
}

/// The least text that is greater than every text with this prefix, if there is one.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Where `text` stands, or 0. Not LIKE: SQLite's ignores the case of ASCII, and `%` and `_` would need escapes.
fn position(expr: Expr, text: &str, backend: DbBackend) -> Expr {
    let function = if backend == DbBackend::Postgres {
        "strpos"
    } else {
        "instr"
    };
    Func::cust(function).arg(expr).arg(text).into()
}

/// As many characters of the end as `text` has.
fn ending(expr: Expr, text: &str, backend: DbBackend) -> Expr {
    let characters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    if backend == DbBackend::Postgres {
        Func::cust("right").arg(expr).arg(characters).into()
    } else {
        Func::cust("substr").arg(expr).arg(-characters).into()
    }
}

fn id_condition(expr: Expr, operator: Operator, text: &str, negated: bool, backend: DbBackend) -> Condition {
    match (operator, parse_uuid(text)) {
        (Operator::Equal, Some(id)) => relation(expr, Relation::Equal, Expr::val(id), negated),
        (Operator::Equal, None) => truth(negated),
        (
            Operator::NotEqual
            | Operator::Contains
            | Operator::StartsWith
            | Operator::EndsWith
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual,
            _,
        ) => text_condition(uuid_text(expr, backend), operator, text, negated, backend),
    }
}

/// A number as text: PostgreSQL would compare it in the order of a language, and SeaQuery cannot say in which.
fn number_text(expr: Expr, backend: DbBackend) -> Expr {
    if backend == DbBackend::Postgres {
        Expr::cust_with_exprs("(CAST($1 AS text) COLLATE \"C\")", [expr])
    } else {
        expr.cast_as("text")
    }
}

/// A UUID as text: on PostgreSQL as a number is, on SQLite from sixteen bytes.
fn uuid_text(expr: Expr, backend: DbBackend) -> Expr {
    if backend == DbBackend::Postgres {
        return number_text(expr, backend);
    }
    let hyphenated = "lower(substr(hex(?), 1, 8) || '-' || substr(hex(?), 9, 4) || '-' || substr(hex(?), 13, 4) || '-' \
                      || substr(hex(?), 17, 4) || '-' || substr(hex(?), 21))";
    // hex(NULL) is '', which would be a value.
    let text = Expr::cust_with_exprs(hyphenated, std::iter::repeat_n(expr.clone(), 5));
    Expr::case(expr.is_not_null(), text).into()
}

/// A literal may be finer than the microseconds of rows.
fn time_condition(expr: Expr, operator: Operator, nanos: i128, negated: bool) -> Condition {
    let micros = nanos.div_euclid(1_000);
    let exact = nanos.rem_euclid(1_000) == 0;
    let bound = |micros: i128| match i64::try_from(micros) {
        Ok(micros) => micros,
        Err(_) if micros < 0 => i64::MIN,
        Err(_) => i64::MAX,
    };
    let relate = match (Relation::from(operator), exact) {
        (Relation::Equal, false) => return truth(negated),
        (Relation::GreaterOrEqual, false) => Relation::Greater,
        (Relation::Less, false) => Relation::LessOrEqual,
        (same, _) => same,
    };
    relation(expr, relate, Expr::val(bound(micros)), negated)
}

/// Compares a text that is known now.
fn holds(constant: &str, operator: Operator, text: &str) -> bool {
    match operator {
        Operator::Equal => constant == text,
        Operator::NotEqual => constant != text,
        Operator::Contains => constant.contains(text),
        Operator::StartsWith => constant.starts_with(text),
        Operator::EndsWith => constant.ends_with(text),
        Operator::Greater => constant > text,
        Operator::GreaterOrEqual => constant >= text,
        Operator::Less => constant < text,
        Operator::LessOrEqual => constant <= text,
    }
}

#[cfg(test)]
mod tests;
