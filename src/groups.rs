//! `rollcall group`: the groups of a tenant and their members.

use clap::{Args, Subcommand};
use directory_proto::status::reason_of;
use directory_proto::v1::{
    self, BatchGetUsersRequest, ErrorReason, GetGroupRequest, ListGroupsRequest, ListMembersRequest,
};
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs, TenantArgs};
use crate::extensions::Extensions;
use crate::failure::Failure;
use crate::output::{self, Output, Page, Record, Row, rfc3339, to_the_second};
use crate::users::{equal, is_id};

/// How many groups of one name a message lists at most.
const NAMESAKES: i32 = 10;

/// `rollcall group`.
#[derive(Args, Debug)]
pub struct GroupCommand {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the groups in the order of their creation.
    List {
        /// At most so many; 0 lists all.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Shows one group.
    Show {
        /// The group's id or name.
        #[arg(value_name = "ID-OR-NAME")]
        group: String,
    },
    /// Lists the members of a group.
    Members {
        /// The group's id or name.
        #[arg(value_name = "ID-OR-NAME")]
        group: String,
        /// At most so many; 0 lists all.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
}

impl GroupCommand {
    /// Runs the command.
    pub async fn run(self) -> Result<(), Failure> {
        let connection = self.connection.in_tenant(&self.tenant).await?;
        let output = self.connection.output;
        match self.action {
            Action::List { limit } => {
                output::list(output, limit, async |page_size, page_token| {
                    let request = ListGroupsRequest {
                        page_size,
                        page_token,
                        ..Default::default()
                    };
                    let answer = list(&connection, request).await?;
                    let rows = answer.groups.into_iter().map(Group::from).collect();
                    Ok(Page {
                        rows,
                        next_page_token: answer.next_page_token,
                    })
                })
                .await
            }
            Action::Show { group } => output::show(output, &Group::from(find(&connection, &group).await?)),
            Action::Members { group, limit } => {
                let group = find(&connection, &group).await?;
                members(&connection, output, limit, &group.id).await
            }
        }
    }
}

async fn list(connection: &Connection, request: ListGroupsRequest) -> Result<v1::ListGroupsResponse, Failure> {
    let answer = connection.client().groups().list_groups(request).await;
    Ok(answer.map_err(|status| connection.explain(&status))?.into_inner())
}

/// A group by id, else by name. Names need not be unique: Entra allows two groups of one name.
async fn find(connection: &Connection, id_or_name: &str) -> Result<v1::Group, Failure> {
    if is_id(id_or_name) {
        let request = GetGroupRequest {
            id: id_or_name.to_lowercase(),
            ..Default::default()
        };
        match connection.client().groups().get_group(request).await {
            Ok(group) => return Ok(group.into_inner()),
            Err(status) if reason_of(&status) == Some(ErrorReason::GroupNotFound) => {}
            Err(status) => return Err(connection.explain(&status)),
        }
    }
    let filter = Some(equal("display_name", id_or_name));
    let found = list(
        connection,
        ListGroupsRequest {
            filter,
            page_size: NAMESAKES,
            ..Default::default()
        },
    )
    .await?;
    only(found.groups)
}

fn only(mut found: Vec<v1::Group>) -> Result<v1::Group, Failure> {
    match found.len() {
        0 => Err(Failure::new(
            "no group of this tenant has this id or name: `rollcall group list` shows the groups",
        )),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<_> = found.iter().map(|group| group.id.as_str()).collect();
            Err(Failure::new(format!(
                "several groups have this name, so use an id: {}",
                ids.join(", ")
            )))
        }
    }
}

async fn members(connection: &Connection, output: Output, limit: u32, group_id: &str) -> Result<(), Failure> {
    output::list(output, limit, async |page_size, page_token| {
        let request = ListMembersRequest {
            group_id: group_id.to_owned(),
            page_size,
            page_token,
        };
        let answer = connection.client().groups().list_members(request).await;
        let answer = answer.map_err(|status| connection.explain(&status))?.into_inner();
        let ids = answer.members.into_iter().map(|member| member.user_id).collect();
        Ok(Page {
            rows: names(connection, ids).await?,
            next_page_token: answer.next_page_token,
        })
    })
    .await
}

/// The users of these ids. Who was deleted since the ids were read is a member no longer, and left out.
async fn names(connection: &Connection, ids: Vec<String>) -> Result<Vec<Member>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut request = BatchGetUsersRequest {
        ids,
        ..Default::default()
    };
    request.read_mask.get_or_insert_default().paths =
        ["user_name", "display_name", "blocked"].map(ToOwned::to_owned).to_vec();
    let answer = connection.client().users().batch_get_users(request).await;
    let users = answer.map_err(|status| connection.explain(&status))?.into_inner().users;
    Ok(users.into_iter().map(Member::from).collect())
}

/// A group as it is printed.
#[derive(Serialize)]
struct Group {
    id: String,
    display_name: String,
    external_id: Option<String>,
    extensions: Extensions,
    version: i64,
    create_time: Option<String>,
    update_time: Option<String>,
}

impl From<v1::Group> for Group {
    fn from(wire: v1::Group) -> Self {
        let v1::Group {
            id,
            version,
            create_time,
            update_time,
            display_name,
            external_id,
            extensions,
        } = wire;
        Self {
            id,
            display_name,
            external_id,
            extensions: extensions.into(),
            version,
            create_time: create_time.map(|time| rfc3339(time.seconds, time.nanos)),
            update_time: update_time.map(|time| rfc3339(time.seconds, time.nanos)),
        }
    }
}

impl Row for Group {
    const COLUMNS: &[&str] = &["ID", "NAME", "EXTERNAL ID", "UPDATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            self.external_id.clone().unwrap_or_default(),
            to_the_second(self.update_time.as_ref()),
        ]
    }
}

impl Record for Group {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("ID", self.id.clone()),
            ("Name", self.display_name.clone()),
            ("External ID", self.external_id.clone().unwrap_or_default()),
            ("Version", self.version.to_string()),
            ("Created", to_the_second(self.create_time.as_ref())),
            ("Updated", to_the_second(self.update_time.as_ref())),
        ];
        lines.extend(self.extensions.lines());
        lines
    }
}

/// A member as it is printed.
#[derive(Serialize)]
struct Member {
    id: String,
    user_name: String,
    display_name: Option<String>,
    blocked: bool,
}

impl From<v1::User> for Member {
    fn from(wire: v1::User) -> Self {
        Self {
            id: wire.id,
            user_name: wire.user_name,
            display_name: wire.display_name,
            blocked: wire.blocked,
        }
    }
}

impl Row for Member {
    const COLUMNS: &[&str] = &["USER ID", "USER NAME", "DISPLAY NAME", "STATE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.user_name.clone(),
            self.display_name.clone().unwrap_or_default(),
            if self.blocked { "blocked" } else { "active" }.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(id: &str) -> v1::Group {
        v1::Group {
            id: id.to_owned(),
            display_name: "Staff".to_owned(),
            version: 1,
            ..Default::default()
        }
    }

    #[test]
    fn a_name_that_several_groups_have_is_refused_with_their_ids() {
        assert_eq!(only(vec![group("g1")]).unwrap().id, "g1");
        assert_eq!(
            only(vec![group("g1"), group("g2")]).unwrap_err().to_string(),
            "several groups have this name, so use an id: g1, g2"
        );
        assert_eq!(
            only(Vec::new()).unwrap_err().to_string(),
            "no group of this tenant has this id or name: `rollcall group list` shows the groups"
        );
    }

    #[test]
    fn the_json_of_groups_and_members_has_stable_names() {
        let user = v1::User {
            id: "u1".to_owned(),
            user_name: "ada".to_owned(),
            blocked: true,
            ..Default::default()
        };

        assert_eq!(
            serde_json::to_value(Group::from(group("g1"))).unwrap(),
            json!({
                "id": "g1", "display_name": "Staff", "external_id": null, "extensions": {}, "version": 1, "create_time": null,
                "update_time": null
            })
        );
        assert_eq!(
            serde_json::to_value(Member::from(user)).unwrap(),
            json!({ "id": "u1", "user_name": "ada", "display_name": null, "blocked": true })
        );
    }
}
