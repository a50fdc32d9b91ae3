//! Where each attribute is stored: columns, JSON keys, and related rows.

use std::convert::Infallible;

use sea_orm::DbBackend;
use sea_orm::sea_query::{CaseStatement, Condition, Expr, ExprTrait as _, Func, Query, SelectStatement};
use uuid::Uuid;

use super::{Columns, Operand, compile, extensions, present};
use crate::domain::activation::ActivationStatus;
use crate::domain::attribute::{
    BlockAttribute, ElementAttribute, GroupAttribute, ListAttribute, MemberAttribute, SubAttribute, TextAttribute,
    UserAttribute, UserGroupAttribute,
};
use crate::domain::filter::{Filter, GroupElement, Operator, UserElement};
use crate::domain::fold;
use crate::domain::id::TenantId;
use crate::store::entities::{group, membership, tenant, user, user_value};
use crate::store::values;

pub(super) struct Users {
    pub tenant: TenantId,
    pub backend: DbBackend,
    /// Whether PostgreSQL may make joins of element matches.
    pub joins: bool,
}

impl Columns<UserAttribute, UserElement> for Users {
    fn operand(&self, attribute: UserAttribute) -> Operand {
        user_operand(attribute, self.tenant, self.backend)
    }

    fn element(&self, element: &UserElement, negated: bool) -> Condition {
        match element {
            UserElement::Values(list, filter) => {
                let values = Values {
                    list: *list,
                    backend: self.backend,
                };
                let select = of_list(*list, self.tenant)
                    .cond_where(compile(filter, false, &values))
                    .take();
                let selective = *list == ListAttribute::Emails
                    && names_value(filter, |attribute| {
                        matches!(attribute, ElementAttribute::Text(SubAttribute::Value, _))
                    });
                let related = related(
                    select,
                    user_column(user::Column::Id),
                    value_column(user_value::Column::UserId),
                    selective,
                    negated,
                );
                unjoined(related, self.joins && selective, self.backend)
            }
            UserElement::Groups(filter) => {
                let select = self.groups_of(filter);
                let selective = names_value(filter, |attribute| attribute == UserGroupAttribute::Value);
                let related = related(
                    select,
                    user_column(user::Column::Id),
                    member(membership::Column::UserId),
                    selective,
                    negated,
                );
                unjoined(related, self.joins && selective, self.backend)
            }
            UserElement::Blocks(filter) => self.blocks(filter, negated),
            UserElement::Extension(question) => extensions::condition(
                user_column(user::Column::ExtensionKeys),
                question,
                negated,
                self.backend,
            ),
        }
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }
}

impl Users {
    fn groups_of(&self, filter: &Filter<UserGroupAttribute>) -> SelectStatement {
        let groups = Condition::all()
            .add(group_column(group::Column::TenantId).eq(member(membership::Column::TenantId)))
            .add(group_column(group::Column::Id).eq(member(membership::Column::GroupId)));
        Query::select()
            .from(membership::Entity)
            .inner_join(group::Entity, groups)
            .and_where(member(membership::Column::TenantId).eq(self.tenant.uuid()))
            .cond_where(compile(filter, false, &UserGroups { backend: self.backend }))
            .take()
    }

    /// At most one block of each reason, each in columns of its own.
    fn blocks(&self, filter: &Filter<BlockAttribute>, negated: bool) -> Condition {
        let join = if negated { Condition::all() } else { Condition::any() };
        BlockColumns::ALL.iter().fold(join, |join, columns| {
            let block = (columns, self.backend);
            let one = if negated { Condition::any() } else { Condition::all() };
            let since = present(Operand::Number(user_column(columns.since)), negated);
            join.add(one.add(since).add(compile(filter, negated, &block)))
        })
    }
}

/// A related row satisfies a condition: by a set that an index yields if the condition is selective, else row by row,
/// which stops with the page.
fn related(mut select: SelectStatement, outer: Expr, inner: Expr, selective: bool, negated: bool) -> Expr {
    if selective {
        select.expr(inner);
        return if negated {
            outer.not_in_subquery(select)
        } else {
            outer.in_subquery(select)
        };
    }
    select.expr(Expr::cust("1")).and_where(inner.eq(outer));
    if negated {
        Expr::not_exists(select)
    } else {
        Expr::exists(select)
    }
}

/// Keeps PostgreSQL from making a join of a condition unless it is wanted; SeaQuery has no `IS TRUE`.
fn unjoined(related: Expr, joins: bool, backend: DbBackend) -> Condition {
    Condition::all().add(if joins || backend != DbBackend::Postgres {
        related
    } else {
        Expr::cust_with_exprs("(($1) IS TRUE)", [related])
    })
}

/// Whether only few elements can satisfy the filter because it compares the indexed sub-attribute for equality.
fn names_value<A: Copy>(filter: &Filter<A>, is_value: impl Fn(A) -> bool + Copy) -> bool {
    match filter {
        Filter::And(filters) => filters.iter().any(|filter| names_value(filter, is_value)),
        Filter::Or(filters) => !filters.is_empty() && filters.iter().all(|filter| names_value(filter, is_value)),
        Filter::Compare(comparison) => comparison.operator() == Operator::Equal && is_value(comparison.attribute()),
        Filter::Not(_) | Filter::Present(_) => false,
        Filter::Element(never) => match *never {},
    }
}

pub(in crate::store) fn user_column(column: user::Column) -> Expr {
    Expr::col((user::Entity, column))
}

fn value_column(column: user_value::Column) -> Expr {
    Expr::col((user_value::Entity, column))
}

pub(in crate::store) fn group_column(column: group::Column) -> Expr {
    Expr::col((group::Entity, column))
}

fn member(column: membership::Column) -> Expr {
    Expr::col((membership::Entity, column))
}

pub(in crate::store) fn user_operand(attribute: UserAttribute, tenant: TenantId, backend: DbBackend) -> Operand {
    use user::Column as C;
    match attribute {
        UserAttribute::Id => Operand::Id(user_column(C::Id)),
        UserAttribute::Version => Operand::Number(user_column(C::Version)),
        UserAttribute::CreateTime => Operand::Number(user_column(C::CreatedUs)),
        UserAttribute::UpdateTime => Operand::Number(user_column(C::UpdatedUs)),
        UserAttribute::UserName => Operand::Text(user_column(C::UserNameKey)),
        UserAttribute::ExternalId => Operand::Text(user_column(C::ExternalId)),
        UserAttribute::SourceActive => Operand::Truth(user_column(C::ProvisioningSinceUs).is_null()),
        UserAttribute::Blocked => Operand::Truth(blocked()),
        UserAttribute::Manager => Operand::Id(manager(C::Id, tenant)),
        UserAttribute::ManagerDisplayName => Operand::Text(manager(C::DisplayNameKey, tenant)),
        UserAttribute::Language => {
            let own = user_column(C::LanguageKey);
            Operand::Text(Func::coalesce([own, Func::lower(default_language(tenant)).into()]).into())
        }
        UserAttribute::ActivationStatus => Operand::Text(activation_status(backend)),
        UserAttribute::ActivationCodeExpireTime => Operand::Number(user_column(C::ActivationExpiresUs)),
        UserAttribute::ActivateTime => Operand::Number(user_column(C::ActivatedUs)),
        UserAttribute::Text(TextAttribute::DisplayName) => Operand::Text(user_column(C::DisplayNameKey)),
        UserAttribute::Text(TextAttribute::EmployeeNumber) => Operand::Text(user_column(C::EmployeeNumberKey)),
        UserAttribute::Text(text) => Operand::Text(search_key(text, backend)),
    }
}

/// The language of the tenant's users who prefer none; tags are ASCII.
pub(in crate::store) fn default_language(tenant: TenantId) -> Expr {
    Query::select()
        .column((tenant::Entity, tenant::Column::DefaultLanguage))
        .from(tenant::Entity)
        .and_where(Expr::col((tenant::Entity, tenant::Column::Id)).eq(tenant.uuid()))
        .take()
        .into()
}

/// The folded name of the status.
fn activation_status(backend: DbBackend) -> Expr {
    let is = |status: ActivationStatus| user_column(user::Column::ActivationStatus).eq(status.number());
    let name: Expr = CaseStatement::new()
        .case(is(ActivationStatus::Activated), "activated")
        .case(is(ActivationStatus::Pending), "pending_activation")
        .finally("not_activated")
        .into();
    if backend == DbBackend::Postgres {
        Expr::cust_with_exprs("(($1) COLLATE \"C\")", [name])
    } else {
        name
    }
}

/// Whether any block reason holds.
pub(in crate::store) fn blocked() -> Expr {
    let [first, second, third] = &BlockColumns::ALL;
    let holds = |columns: &BlockColumns| user_column(columns.since).is_not_null();
    holds(first).or(holds(second)).or(holds(third))
}

/// Whether no block reason holds.
pub(in crate::store) fn unblocked() -> Expr {
    let [first, second, third] = &BlockColumns::ALL;
    let absent = |columns: &BlockColumns| user_column(columns.since).is_null();
    absent(first).and(absent(second)).and(absent(third))
}

/// Whether the user has a mail address, usable or not.
pub(in crate::store) fn has_mail_address() -> Expr {
    let address = value_column(user_value::Column::EmailKey);
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(user_value::Entity)
            .and_where(value_column(user_value::Column::TenantId).eq(user_column(user::Column::TenantId)))
            .and_where(value_column(user_value::Column::UserId).eq(user_column(user::Column::Id)))
            .and_where(value_column(user_value::Column::Attribute).eq(values::number(ListAttribute::Emails)))
            .and_where(address.ne(""))
            .take(),
    )
}

/// A column of the manager, if it is a user: who is not is left out on read, and so here.
fn manager(column: user::Column, tenant: TenantId) -> Expr {
    Query::select()
        .expr(Expr::col(("boss", column)))
        .from_as(user::Entity, "boss")
        .and_where(Expr::col(("boss", user::Column::TenantId)).eq(tenant.uuid()))
        .and_where(Expr::col(("boss", user::Column::Id)).eq(user_column(user::Column::ManagerId)))
        .take()
        .into()
}

/// A key in `search_keys`. The operator is the same text on both databases and has one name in SeaQuery for each; the
/// path is a constant of ours.
fn search_key(attribute: TextAttribute, backend: DbBackend) -> Expr {
    let collation = if backend == DbBackend::Postgres {
        " COLLATE \"C\""
    } else {
        ""
    };
    Expr::cust(format!(
        "((\"users\".\"search_keys\" ->> '{}'){collation})",
        attribute.path()
    ))
}

struct Values {
    list: ListAttribute,
    backend: DbBackend,
}

impl Columns<ElementAttribute, Infallible> for Values {
    fn operand(&self, attribute: ElementAttribute) -> Operand {
        match attribute {
            ElementAttribute::Text(sub, _) => Operand::Text(value_column(key_column(self.list, sub))),
            ElementAttribute::Primary => Operand::Boolean(value_column(user_value::Column::IsPrimary)),
        }
    }

    fn element(&self, never: &Infallible, _: bool) -> Condition {
        match *never {}
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }
}

/// The column that holds a sub-attribute's key. Addresses of mail have one of their own, the indexed one.
pub(in crate::store) const fn key_column(list: ListAttribute, sub: SubAttribute) -> user_value::Column {
    use user_value::Column as C;
    match sub {
        SubAttribute::Value if matches!(list, ListAttribute::Emails) => C::EmailKey,
        SubAttribute::Value => C::ValueKey,
        SubAttribute::Display => C::DisplayKey,
        SubAttribute::Type => C::TypeKey,
        SubAttribute::Formatted => C::FormattedKey,
        SubAttribute::StreetAddress => C::StreetAddressKey,
        SubAttribute::Locality => C::LocalityKey,
        SubAttribute::Region => C::RegionKey,
        SubAttribute::PostalCode => C::PostalCodeKey,
        SubAttribute::Country => C::CountryKey,
    }
}

/// The elements of a multi-valued attribute.
fn of_list(list: ListAttribute, tenant: TenantId) -> SelectStatement {
    Query::select()
        .from(user_value::Entity)
        .and_where(value_column(user_value::Column::TenantId).eq(tenant.uuid()))
        .and_where(value_column(user_value::Column::Attribute).eq(values::number(list)))
        .take()
}

struct UserGroups {
    backend: DbBackend,
}

impl Columns<UserGroupAttribute, Infallible> for UserGroups {
    fn operand(&self, attribute: UserGroupAttribute) -> Operand {
        match attribute {
            UserGroupAttribute::Value => Operand::Id(member(membership::Column::GroupId)),
            UserGroupAttribute::Display => Operand::Text(group_column(group::Column::DisplayNameKey)),
        }
    }

    fn element(&self, never: &Infallible, _: bool) -> Condition {
        match *never {}
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }
}

/// The columns of one block reason.
struct BlockColumns {
    reason: &'static str,
    since: user::Column,
    actor: user::Column,
    group: Option<(user::Column, user::Column)>,
}

impl BlockColumns {
    const ALL: [Self; 3] = [
        Self {
            reason: "PROVISIONING",
            since: user::Column::ProvisioningSinceUs,
            actor: user::Column::ProvisioningActor,
            group: None,
        },
        Self {
            reason: "GROUP_DELETED",
            since: user::Column::GroupDeletedSinceUs,
            actor: user::Column::GroupDeletedActor,
            group: Some((user::Column::GroupDeletedGroupId, user::Column::GroupDeletedGroupName)),
        },
        Self {
            reason: "ADMINISTRATOR",
            since: user::Column::AdministratorSinceUs,
            actor: user::Column::AdministratorActor,
            group: None,
        },
    ];
}

impl Columns<BlockAttribute, Infallible> for (&BlockColumns, DbBackend) {
    fn operand(&self, attribute: BlockAttribute) -> Operand {
        let (columns, backend) = *self;
        let null = || Expr::val(Option::<String>::None);
        match attribute {
            BlockAttribute::Reason => Operand::Constant(fold(columns.reason)),
            BlockAttribute::Since => Operand::Number(user_column(columns.since)),
            BlockAttribute::Actor => Operand::Text(user_column(columns.actor)),
            BlockAttribute::GroupId => Operand::Id(
                columns
                    .group
                    .map_or_else(|| Expr::val(Option::<Uuid>::None), |(id, _)| user_column(id)),
            ),
            BlockAttribute::GroupName => {
                let collation = if backend == DbBackend::Postgres {
                    "($1 COLLATE \"C\")"
                } else {
                    "?"
                };
                let name = columns.group.map_or_else(null, |(_, name)| user_column(name));
                Operand::Text(Expr::cust_with_exprs(collation, [name]))
            }
        }
    }

    fn element(&self, never: &Infallible, _: bool) -> Condition {
        match *never {}
    }

    fn backend(&self) -> DbBackend {
        self.1
    }
}

pub(super) struct Groups {
    pub tenant: TenantId,
    pub backend: DbBackend,
    /// Whether PostgreSQL may make joins of element matches.
    pub joins: bool,
}

impl Columns<GroupAttribute, GroupElement> for Groups {
    fn operand(&self, attribute: GroupAttribute) -> Operand {
        group_operand(attribute)
    }

    fn element(&self, element: &GroupElement, negated: bool) -> Condition {
        let filter = match element {
            GroupElement::Members(filter) => filter,
            GroupElement::Extension(question) => {
                let keys = group_column(group::Column::ExtensionKeys);
                return extensions::condition(keys, question, negated, self.backend);
            }
        };
        let select = Query::select()
            .from(membership::Entity)
            .and_where(member(membership::Column::TenantId).eq(self.tenant.uuid()))
            .cond_where(compile(filter, false, &Members { backend: self.backend }))
            .take();
        let selective = names_value(filter, |attribute| attribute == MemberAttribute::Value);
        let related = related(
            select,
            group_column(group::Column::Id),
            member(membership::Column::GroupId),
            selective,
            negated,
        );
        unjoined(related, self.joins && selective, self.backend)
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }
}

pub(in crate::store) fn group_operand(attribute: GroupAttribute) -> Operand {
    use group::Column as C;
    match attribute {
        GroupAttribute::Id => Operand::Id(group_column(C::Id)),
        GroupAttribute::Version => Operand::Number(group_column(C::Version)),
        GroupAttribute::CreateTime => Operand::Number(group_column(C::CreatedUs)),
        GroupAttribute::UpdateTime => Operand::Number(group_column(C::UpdatedUs)),
        GroupAttribute::DisplayName => Operand::Text(group_column(C::DisplayNameKey)),
        GroupAttribute::ExternalId => Operand::Text(group_column(C::ExternalId)),
    }
}

struct Members {
    backend: DbBackend,
}

impl Columns<MemberAttribute, Infallible> for Members {
    fn operand(&self, attribute: MemberAttribute) -> Operand {
        match attribute {
            MemberAttribute::Value => Operand::Id(member(membership::Column::UserId)),
        }
    }

    fn element(&self, never: &Infallible, _: bool) -> Condition {
        match *never {}
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }
}

/// What stands for a multi-valued attribute when users are ordered by it: this sub-attribute of the primary element, else of
/// the first.
pub(in crate::store) fn main_value(list: ListAttribute, sub: SubAttribute, tenant: TenantId) -> Expr {
    let column = key_column(list, sub);
    let not_primary = Expr::case(value_column(user_value::Column::IsPrimary), 0).finally(1);
    of_list(list, tenant)
        .expr(value_column(column))
        .and_where(value_column(user_value::Column::UserId).eq(user_column(user::Column::Id)))
        .order_by_expr(not_primary.into(), sea_orm::Order::Asc)
        .order_by((user_value::Entity, user_value::Column::Position), sea_orm::Order::Asc)
        .limit(1)
        .take()
        .into()
}

/// The first group of a user by id.
pub(in crate::store) fn first_group(tenant: TenantId) -> Expr {
    first_of(tenant, membership::Column::GroupId)
        .and_where(member(membership::Column::UserId).eq(user_column(user::Column::Id)))
        .take()
        .into()
}

/// The first member of a group by id.
pub(in crate::store) fn first_member(tenant: TenantId) -> Expr {
    first_of(tenant, membership::Column::UserId)
        .and_where(member(membership::Column::GroupId).eq(group_column(group::Column::Id)))
        .take()
        .into()
}

fn first_of(tenant: TenantId, column: membership::Column) -> SelectStatement {
    Query::select()
        .expr(member(column))
        .from(membership::Entity)
        .and_where(member(membership::Column::TenantId).eq(tenant.uuid()))
        .order_by((membership::Entity, column), sea_orm::Order::Asc)
        .limit(1)
        .take()
}
