//! `SearchService`: messages to use cases and back.

use directory_proto::v1 as proto;
use directory_proto::v1::search_service_server::SearchService;
use proto::search_result::Resource;
use tonic::{Request, Response, Status};

use super::convert::{PageFields, ReadMask, encode, fitting, seal};
use super::filter::{group_filter, group_order, schemas, user_filter, user_order};
use super::user_messages::{FIELDS, parts, to_wire};
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::extension::SchemaSet;
use crate::domain::filter::{GroupFilter, GroupOrderKey, Order, UserFilter, UserOrderKey};
use crate::domain::id::TenantId;
use crate::domain::search::{Found, Search, Selection};
use crate::page_token::{PageTokens, Question};

/// Serves `SearchService`.
pub struct Searches {
    directory: Directory,
    page_tokens: PageTokens,
}

impl Searches {
    /// Serves this directory.
    pub const fn new(directory: Directory, page_tokens: PageTokens) -> Self {
        Self { directory, page_tokens }
    }

    /// The tenant's extension schemas, if a selection names one.
    async fn schemas(
        &self,
        tenant: TenantId,
        selections: [Option<&proto::Selection>; 2],
    ) -> Result<SchemaSet, DirectoryError> {
        for selection in selections.into_iter().flatten() {
            let order = order(selection.order_by.clone());
            let schemas = schemas(&self.directory, tenant, selection.filter.as_ref(), order.as_ref()).await?;
            if !schemas.is_empty() {
                return Ok(schemas);
            }
        }
        Ok(SchemaSet::default())
    }
}

#[tonic::async_trait]
impl SearchService for Searches {
    async fn search(&self, request: Request<proto::SearchRequest>) -> Result<Response<proto::SearchResponse>, Status> {
        let caller = Caller::of(&request)?;
        let tenant = caller.reader()?;
        let proto::SearchRequest {
            users,
            groups,
            descending,
            page_size,
            page_token,
            skip,
            include_total_size,
            user_read_mask,
        } = request.into_inner();
        let question = Question::new("search", Some(tenant), caller.rights())
            .with(&encode(users.as_ref()))
            .with(&encode(groups.as_ref()))
            .with(&[descending.into()]);
        let fields = PageFields {
            page_size,
            page_token,
            skip,
            include_total_size,
        };
        let page = fields.request(&self.page_tokens, &question)?;
        let mask = ReadMask::of(user_read_mask, FIELDS)
            .map_err(|invalid| DirectoryError::from(Invalid::new("user_read_mask", invalid.rule())))?;
        let schemas = self.schemas(tenant, [users.as_ref(), groups.as_ref()]).await?;
        let users = users.map(|users| of_users(users, &schemas)).transpose()?;
        let groups = groups.map(|groups| of_groups(groups, &schemas)).transpose()?;
        let search = Search::new(users, groups, descending).map_err(DirectoryError::from)?;
        let page = self.directory.search(tenant, &search, &page, parts(&mask)).await?;
        let page = fitting(page, |found| result(found, &mask));
        Ok(Response::new(proto::SearchResponse {
            next_page_token: seal(&self.page_tokens, &question, page.next.as_ref()),
            previous_page_token: seal(&self.page_tokens, &question, page.previous.as_ref()),
            total_size: page.total.and_then(|total| i64::try_from(total).ok()),
            results: page.items,
        }))
    }
}

fn of_users(
    wire: proto::Selection,
    schemas: &SchemaSet,
) -> Result<Selection<UserFilter, UserOrderKey>, DirectoryError> {
    let proto::Selection { filter, order_by } = wire;
    Ok(Selection {
        filter: filter.map(|filter| user_filter(filter, schemas)).transpose()?,
        key: key("users.order_by", user_order(order(order_by), schemas))?,
    })
}

fn of_groups(
    wire: proto::Selection,
    schemas: &SchemaSet,
) -> Result<Selection<GroupFilter, GroupOrderKey>, DirectoryError> {
    let proto::Selection { filter, order_by } = wire;
    Ok(Selection {
        filter: filter.map(|filter| group_filter(filter, schemas)).transpose()?,
        key: key("groups.order_by", group_order(order(order_by), schemas))?,
    })
}

fn order(attribute: String) -> Option<proto::Order> {
    Some(proto::Order {
        attribute,
        ..proto::Order::default()
    })
}

fn key<K>(field: &str, order: Result<Order<K>, Invalid>) -> Result<Option<K>, Invalid> {
    match order {
        Ok(order) => Ok(order.key),
        Err(invalid) => Err(Invalid::new(field, invalid.rule())),
    }
}

fn result(found: Found, mask: &ReadMask) -> proto::SearchResult {
    let resource = match found {
        Found::User(user) => Resource::User(to_wire(*user, Some(mask))),
        Found::Group(group) => Resource::Group(group.into()),
    };
    proto::SearchResult {
        resource: Some(resource),
    }
}
