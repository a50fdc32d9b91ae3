//! `GroupService`: messages to use cases and back.

use directory_proto::v1 as proto;
use directory_proto::v1::group_service_server::GroupService;
use tonic::{Request, Response, Status};

use super::convert::{PageFields, ReadMask, bind, fitting, open, page_size, page_size_within, seal, timestamp};
use super::extensions::{submitted, values_to_wire};
use super::filter::{group_filter, group_order, schemas};
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::group::{Group, GroupUpdate, NewGroup};
use crate::domain::id::{GroupId, UserId};
use crate::domain::membership::MembersChange;
use crate::domain::page::PageRequest;
use crate::domain::text::ExternalId;
use crate::domain::version::Version;
use crate::page_token::{PageTokens, Question};

const DEFAULT_MEMBERS: u32 = 1_000;
const MAX_MEMBERS: u32 = 10_000;
const FIELDS: &[&str] = &[
    "id",
    "version",
    "create_time",
    "update_time",
    "display_name",
    "external_id",
    "extensions",
];

/// Serves `GroupService`.
pub struct Groups {
    directory: Directory,
    page_tokens: PageTokens,
}

impl Groups {
    /// Serves this directory.
    pub const fn new(directory: Directory, page_tokens: PageTokens) -> Self {
        Self { directory, page_tokens }
    }
}

#[tonic::async_trait]
impl GroupService for Groups {
    async fn create_group(
        &self,
        request: Request<proto::CreateGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let new = NewGroup::try_from(request.into_inner()).map_err(DirectoryError::from)?;
        let group = self.directory.create_group(&actor, &new).await?;
        Ok(Response::new(group.into()))
    }

    async fn get_group(&self, request: Request<proto::GetGroupRequest>) -> Result<Response<proto::Group>, Status> {
        let tenant = Caller::of(&request)?.reader()?;
        let proto::GetGroupRequest { id, read_mask } = request.into_inner();
        let mask = ReadMask::of(read_mask, FIELDS).map_err(DirectoryError::from)?;
        let group = self
            .directory
            .get_group(tenant, find_group(&id)?, mask.wants("extensions"))
            .await?;
        Ok(Response::new(masked(group, &mask)))
    }

    async fn list_groups(
        &self,
        request: Request<proto::ListGroupsRequest>,
    ) -> Result<Response<proto::ListGroupsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let tenant = caller.reader()?;
        let wire = request.into_inner();
        let proto::ListGroupsRequest {
            filter,
            order,
            page_size,
            page_token,
            skip,
            include_total_size,
            read_mask,
        } = wire;
        let mask = ReadMask::of(read_mask, FIELDS).map_err(DirectoryError::from)?;
        let question = Question::new("groups", Some(tenant), caller.rights());
        let question = bind(question, filter.as_ref(), order.as_ref());
        let fields = PageFields {
            page_size,
            page_token,
            skip,
            include_total_size,
        };
        let page = fields.request(&self.page_tokens, &question)?;
        let schemas = schemas(&self.directory, tenant, filter.as_ref(), order.as_ref()).await?;
        let filter = filter.map(|filter| group_filter(filter, &schemas)).transpose()?;
        let order = group_order(order, &schemas).map_err(DirectoryError::from)?;
        let page = self
            .directory
            .list_groups(tenant, filter.as_ref(), order, &page, mask.wants("extensions"))
            .await?;
        let page = fitting(page, |group| masked(group, &mask));
        Ok(Response::new(proto::ListGroupsResponse {
            next_page_token: seal(&self.page_tokens, &question, page.next.as_ref()),
            previous_page_token: seal(&self.page_tokens, &question, page.previous.as_ref()),
            total_size: page.total.and_then(|total| i64::try_from(total).ok()),
            groups: page.items,
        }))
    }

    async fn update_group(
        &self,
        request: Request<proto::UpdateGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let wire = request.into_inner();
        let id = find_group(wire.group.as_ref().map(|group| group.id.as_str()).unwrap_or_default())?;
        let update = group_update(id, wire).map_err(DirectoryError::from)?;
        let group = self.directory.update_group(&actor, &update).await?;
        Ok(Response::new(group.into()))
    }

    async fn delete_group(&self, request: Request<proto::DeleteGroupRequest>) -> Result<Response<()>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let proto::DeleteGroupRequest { id, expected_version } = request.into_inner();
        self.directory
            .delete_group(&actor, find_group(&id)?, expected_version.map(Version::new))
            .await?;
        Ok(Response::new(()))
    }

    async fn list_members(
        &self,
        request: Request<proto::ListMembersRequest>,
    ) -> Result<Response<proto::ListMembersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let tenant = caller.reader()?;
        let proto::ListMembersRequest {
            group_id,
            page_size,
            page_token,
        } = request.into_inner();
        let size = page_size_within(page_size, DEFAULT_MEMBERS, MAX_MEMBERS).map_err(DirectoryError::from)?;
        let question = Question::new("members", Some(tenant), caller.rights()).with(group_id.as_bytes());
        let after = open(&self.page_tokens, &question, &page_token)?;
        let request = PageRequest::first(size).after(after);
        let page = self
            .directory
            .list_members(tenant, find_group(&group_id)?, &request)
            .await?;
        Ok(Response::new(proto::ListMembersResponse {
            next_page_token: seal(&self.page_tokens, &question, page.next.as_ref()),
            members: page
                .items
                .iter()
                .map(|id| proto::Member {
                    user_id: id.to_string(),
                })
                .collect(),
        }))
    }

    async fn list_user_groups(
        &self,
        request: Request<proto::ListUserGroupsRequest>,
    ) -> Result<Response<proto::ListUserGroupsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let tenant = caller.reader()?;
        let proto::ListUserGroupsRequest {
            user_id,
            page_size: size,
            page_token,
        } = request.into_inner();
        let size = page_size(size).map_err(DirectoryError::from)?;
        let question = Question::new("user-groups", Some(tenant), caller.rights()).with(user_id.as_bytes());
        let after = open(&self.page_tokens, &question, &page_token)?;
        let request = PageRequest::first(size).after(after);
        let page = self
            .directory
            .list_user_groups(tenant, find_user(&user_id)?, &request)
            .await?;
        let page = fitting(page, proto::Group::from);
        Ok(Response::new(proto::ListUserGroupsResponse {
            next_page_token: seal(&self.page_tokens, &question, page.next.as_ref()),
            groups: page.items,
        }))
    }

    async fn check_membership(
        &self,
        request: Request<proto::CheckMembershipRequest>,
    ) -> Result<Response<proto::CheckMembershipResponse>, Status> {
        let tenant = Caller::of(&request)?.reader()?;
        let proto::CheckMembershipRequest { group_id, user_id } = request.into_inner();
        let (group, user) = (find_group(&group_id)?, find_user(&user_id)?);
        let check = self.directory.check_membership(tenant, group, user).await?;
        Ok(Response::new(proto::CheckMembershipResponse {
            member: check.member,
            blocked: check.blocked,
        }))
    }
}

/// What is no id is the id of no group.
fn find_group(id: &str) -> Result<GroupId, DirectoryError> {
    GroupId::find(id).ok_or(DirectoryError::GroupNotFound)
}

fn find_user(id: &str) -> Result<UserId, DirectoryError> {
    UserId::find(id).ok_or(DirectoryError::UserNotFound)
}

impl TryFrom<proto::CreateGroupRequest> for NewGroup {
    type Error = Invalid;

    fn try_from(wire: proto::CreateGroupRequest) -> Result<Self, Invalid> {
        let proto::CreateGroupRequest { group, member_ids } = wire;
        let group = group.unwrap_or_default();
        Ok(Self {
            display_name: group.display_name.parse()?,
            external_id: external_id(group.external_id)?,
            extensions: submitted(group.extensions)?,
            members: members(proto::MembersChange {
                add: member_ids,
                ..proto::MembersChange::default()
            }),
        })
    }
}

fn group_update(id: GroupId, wire: proto::UpdateGroupRequest) -> Result<GroupUpdate, Invalid> {
    let proto::UpdateGroupRequest {
        group,
        update_mask,
        members: change,
        expected_version,
    } = wire;
    let group = group.unwrap_or_default();
    let mut update = GroupUpdate::of(id);
    update.expected = expected_version.map(Version::new);
    update.members = change.map(members);
    for path in update_mask.unwrap_or_default().paths {
        match path.as_str() {
            "display_name" => update.display_name = Some(group.display_name.parse()?),
            "external_id" => update.external_id = Some(external_id(group.external_id.clone())?),
            "extensions" => update.extensions = Some(submitted(group.extensions.clone())?),
            _ => {
                return Err(Invalid::new(
                    "update_mask",
                    "may name display_name, external_id and extensions only",
                ));
            }
        }
    }
    Ok(update)
}

fn external_id(text: Option<String>) -> Result<Option<ExternalId>, Invalid> {
    text.map(|text| ExternalId::parse("external_id", text)).transpose()
}

/// What is no id cannot be a member: removing it has no effect, adding it is refused by name.
fn members(wire: proto::MembersChange) -> MembersChange {
    let proto::MembersChange {
        remove_all,
        remove,
        add,
    } = wire;
    let mut change = MembersChange {
        remove_all,
        ..MembersChange::default()
    };
    change.remove = remove.iter().filter_map(|id| UserId::find(id)).collect();
    for id in add {
        match UserId::find(&id) {
            Some(id) => change.add.push(id),
            None => change.unknown.push(id),
        }
    }
    change
}

fn masked(group: Group, mask: &ReadMask) -> proto::Group {
    let proto::Group {
        id,
        version,
        create_time,
        update_time,
        display_name,
        external_id,
        extensions,
    } = group.into();
    proto::Group {
        id,
        version,
        create_time: create_time.filter(|_| mask.wants("create_time")),
        update_time: update_time.filter(|_| mask.wants("update_time")),
        display_name: if mask.wants("display_name") {
            display_name
        } else {
            String::new()
        },
        external_id: external_id.filter(|_| mask.wants("external_id")),
        extensions: if mask.wants("extensions") {
            extensions
        } else {
            Default::default()
        },
    }
}

impl From<Group> for proto::Group {
    fn from(group: Group) -> Self {
        let Group {
            id,
            version,
            created_us,
            updated_us,
            display_name,
            external_id,
            extensions,
        } = group;
        Self {
            id: id.to_string(),
            version: version.get(),
            create_time: Some(timestamp(created_us)),
            update_time: Some(timestamp(updated_us)),
            display_name: display_name.as_str().to_owned(),
            external_id: external_id.map(|id| id.as_str().to_owned()),
            extensions: values_to_wire(&extensions),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;
    use crate::domain::extension::Extensions;

    #[test]
    fn a_read_mask_keeps_what_it_names_beside_id_and_version() {
        let group = || Group {
            id: GroupId::generate(),
            version: Version::new(7),
            created_us: 1,
            updated_us: 2,
            display_name: "Sales".parse().unwrap(),
            external_id: Some(ExternalId::parse("external_id", "x".to_owned()).unwrap()),
            extensions: Extensions::default(),
        };
        let mask = |paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            ReadMask::of(Some(FieldMask { paths }), FIELDS)
        };

        let one = group();
        let named = masked(one.clone(), &mask(&["display_name"]).unwrap());
        let expected = proto::Group {
            id: one.id.to_string(),
            version: 7,
            display_name: "Sales".to_owned(),
            ..proto::Group::default()
        };
        assert_eq!(named, expected);
        let whole = group();
        assert_eq!(masked(whole.clone(), &mask(&[]).unwrap()), proto::Group::from(whole));
        assert_eq!(
            mask(&["members"]).err(),
            Some(Invalid::new("read_mask", "must name top-level fields only"))
        );
    }
}
