//! Questions about users and groups together: one filter and one order, as what each of the two types makes of them.

use directory_proto::v1;

use super::filter::Translator;
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::{Narrowed, parse_beside};

/// What a search of the SCIM root asks the directory for.
#[derive(Debug, PartialEq)]
pub struct Search {
    /// Which users, if the filter can select any.
    pub users: Option<v1::Selection>,
    /// Which groups, if the filter can select any.
    pub groups: Option<v1::Selection>,
    /// The largest first.
    pub descending: bool,
}

impl Search {
    /// Translates filter, `sortBy` and `sortOrder`. An attribute that only one type has is without a value in the other
    /// (RFC 7644 §3.4.2.1).
    ///
    /// # Errors
    /// 400 `invalidFilter` and 400 `invalidValue`, as for lists of one type, for what neither type can answer.
    pub fn parse(
        users: &Translator,
        groups: &Translator,
        filter: Option<&str>,
        sort_by: Option<&str>,
        sort_order: Option<&str>,
    ) -> Result<Self, ScimError> {
        let order = SearchOrder::parse(users, groups, sort_by, sort_order)?;
        let of_users = selection(users, groups, filter, order.users)?;
        let of_groups = selection(groups, users, filter, order.groups)?;
        if of_groups.is_some() && order.puts_groups_on_the_wrong_side {
            return Err(ScimError::invalid_value(
                "active orders users only for a token that may not provision: sort by it at /Users, or ask for users \
                 alone with meta.resourceType eq \"User\".",
            ));
        }
        Ok(Self {
            users: of_users,
            groups: of_groups,
            descending: order.descending,
        })
    }
}

fn selection(
    of: &Translator,
    beside: &Translator,
    filter: Option<&str>,
    order_by: String,
) -> Result<Option<v1::Selection>, ScimError> {
    let parsed = filter.map(|text| parse_beside(&of.resource_type, &beside.resource_type, text));
    let filter = match parsed.transpose()?.map(|filter| filter.narrow(&of.resource_type)) {
        Some(Narrowed::Nothing) => return Ok(None),
        Some(Narrowed::Some(filter)) => Some(of.filter(&filter)?),
        Some(Narrowed::All) | None => None,
    };
    Ok(Some(v1::Selection { filter, order_by }))
}

/// The fields that users and groups are ordered by; empty where a type has no value.
#[derive(Default)]
struct SearchOrder {
    users: String,
    groups: String,
    descending: bool,
    /// The directory keeps the opposite of what users are ordered by. Turning the direction round makes that right for
    /// users, but not for groups, which have no value and would come first instead of last.
    puts_groups_on_the_wrong_side: bool,
}

impl SearchOrder {
    fn parse(
        users: &Translator,
        groups: &Translator,
        sort_by: Option<&str>,
        sort_order: Option<&str>,
    ) -> Result<Self, ScimError> {
        let Some(sort_by) = sort_by else {
            return Ok(Self::default());
        };
        let knows = |of: &Translator| AttributePath::resolve(&of.resource_type, sort_by).is_ok();
        let order = |of: &Translator| of.order(Some(sort_by), sort_order);
        // What neither knows, the users' error names.
        let of_users = if knows(users) || !knows(groups) {
            order(users)?
        } else {
            None
        };
        let of_groups = if knows(groups) { order(groups)? } else { None };
        let is_descending = sort_order.is_some_and(|order| order.eq_ignore_ascii_case("descending"));
        let descending = [&of_users, &of_groups]
            .into_iter()
            .flatten()
            .map(|order| order.descending)
            .next();
        let descending = descending.unwrap_or(is_descending);
        let field = |order: Option<v1::Order>| order.map(|order| order.attribute).unwrap_or_default();
        let mut order = Self {
            users: field(of_users),
            groups: field(of_groups),
            descending,
            puts_groups_on_the_wrong_side: descending != is_descending,
        };
        if order.users.is_empty() && order.groups.is_empty() {
            // meta.resourceType is the same for all of a type: any value of groups puts them before users, as it shall be.
            order.groups = "id".to_owned();
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::schema::{ResourceKind, ResourceTypes};
    use crate::translate::ActiveView;
    use crate::translate::link::BaseUrl;

    fn parse(view: ActiveView, filter: Option<&str>, sort: Option<(&str, &str)>) -> Result<Search, ScimError> {
        let of = |kind| Translator {
            resource_type: ResourceTypes::standard().get(kind).clone(),
            view,
            base: BaseUrl::public("https://h"),
        };
        let (users, groups) = (of(ResourceKind::User), of(ResourceKind::Group));
        Search::parse(
            &users,
            &groups,
            filter,
            sort.map(|(by, _)| by),
            sort.map(|(_, order)| order),
        )
    }

    /// The fields that users and groups are ordered by, and whether the largest comes first.
    fn order(view: ActiveView, by: &str, order: &str) -> Result<(String, String, bool), ScimError> {
        let search = parse(view, None, Some((by, order)))?;
        let field = |selection: Option<v1::Selection>| selection.unwrap().order_by;
        Ok((field(search.users), field(search.groups), search.descending))
    }

    #[test]
    fn the_directory_is_not_asked_for_a_type_that_the_filter_excludes() {
        for (filter, users, groups) in [
            (None, Some(false), Some(false)),
            (Some("displayName pr"), Some(true), Some(true)),
            (Some("userName pr"), Some(true), None),
            (Some("userName ne \"a\""), Some(true), Some(false)),
            (Some("meta.resourceType eq \"Group\""), None, Some(false)),
            (Some("meta.resourceType eq \"Device\""), None, None),
        ] {
            let search = parse(ActiveView::SourceWord, filter, None).unwrap();
            let filtered = |selection: Option<v1::Selection>| selection.map(|selection| selection.filter.is_some());
            assert_eq!(
                (filtered(search.users), filtered(search.groups)),
                (users, groups),
                "{filter:?}"
            );
        }
    }

    #[test]
    fn each_type_is_ordered_by_the_attribute_or_has_no_value() {
        let order = |by, order_by| order(ActiveView::SourceWord, by, order_by);
        let of = |users: &str, groups: &str, descending| Ok((users.to_owned(), groups.to_owned(), descending));

        assert_eq!(
            order("displayName", "ascending"),
            of("display_name", "display_name", false)
        );
        assert_eq!(
            order("meta.created", "DESCENDING"),
            of("create_time", "create_time", true)
        );
        assert_eq!(order("name.familyName", "descending"), of("name.family_name", "", true));
        assert_eq!(order("members", "ascending"), of("", "members", false));
        assert_eq!(order("active", "descending"), of("source_active", "", true));
        assert_eq!(order("meta.resourceType", "descending"), of("", "id", true));
        for (by, order_by) in [
            ("shoeSize", ""),
            ("name", ""),
            ("members.type", ""),
            ("displayName", "up"),
            ("members", "up"),
            ("urn:nobody:title", ""),
        ] {
            let refused = order(by, order_by).unwrap_err();
            assert_eq!(refused.scim_type, Some(ScimType::InvalidValue), "{by} {order_by}");
        }
    }

    #[test]
    fn what_is_in_effect_orders_users_alone() {
        let users = Some("meta.resourceType eq \"User\"");

        let search = parse(ActiveView::InEffect, users, Some(("active", "ascending"))).unwrap();

        assert_eq!(search.users.unwrap().order_by, "blocked");
        assert!(search.descending, "who is blocked is not active, and comes first");
        let refused = order(ActiveView::InEffect, "active", "ascending").unwrap_err();
        assert_eq!(refused.scim_type, Some(ScimType::InvalidValue));
    }
}
