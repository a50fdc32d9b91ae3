//! `rollcall user`: the users of a tenant, why they are as they are, and what an administrator can do about it.

mod explanation;
mod view;

use clap::{Args, Subcommand};
use directory_proto::status::reason_of;
use directory_proto::v1::{
    self, BlockUserRequest, Comparison, ErrorReason, ExplainUserRequest, ExplainUserResponse, Filter, GetUserRequest,
    ListUsersRequest, SendActivationRequest, UnblockUserRequest, comparison, explain_user_request, filter,
};
use tonic::Status;

use crate::connection::{Connection, ConnectionArgs, TenantArgs};
use crate::failure::Failure;
use crate::output::{self, Page};

use self::explanation::Explanation;
use self::view::{Standing, User, UserSummary};

/// What a list shows; the rest is read only for one user.
const SUMMARY: [&str; 7] = [
    "user_name",
    "external_id",
    "display_name",
    "source_active",
    "blocked",
    "blocks",
    "update_time",
];

/// `rollcall user`.
#[derive(Args, Debug)]
pub struct UserCommand {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the users in the order of their creation.
    List {
        /// At most so many; 0 lists all.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Shows one user and explains it: whether it is let in and why not, the activation and its mail, refused requests, the
    /// last changes (these need scope admin), the attributes, the groups.
    Show {
        /// The user's id or user name.
        #[arg(value_name = "ID-OR-USER-NAME")]
        user: String,
    },
    /// Blocks a user, whatever the provisioning source says.
    Block {
        /// The user's id or user name.
        #[arg(value_name = "ID-OR-USER-NAME")]
        user: String,
    },
    /// Takes an administrator's block away, and says what still blocks.
    Unblock {
        /// The user's id or user name.
        #[arg(value_name = "ID-OR-USER-NAME")]
        user: String,
        /// Also lets in whom the deletion of a group blocked.
        #[arg(long)]
        group_deleted: bool,
    },
    /// Mails a user a new activation code; the one before is void.
    SendActivation {
        /// The user's id or user name.
        #[arg(value_name = "ID-OR-USER-NAME")]
        user: String,
    },
}

impl UserCommand {
    /// Runs the command.
    pub async fn run(self) -> Result<(), Failure> {
        let connection = self.connection.in_tenant(&self.tenant).await?;
        let output = self.connection.output;
        match self.action {
            Action::List { limit } => {
                output::list(output, limit, async |page_size, page_token| {
                    let answer = list(
                        &connection,
                        ListUsersRequest {
                            page_size,
                            page_token,
                            ..summary()
                        },
                    )
                    .await?;
                    let rows = answer.users.into_iter().map(UserSummary::from).collect();
                    Ok(Page {
                        rows,
                        next_page_token: answer.next_page_token,
                    })
                })
                .await
            }
            Action::Show { user } => match explain(&connection, &user).await? {
                Some(explanation) => output::show(output, &Explanation::from(explanation)),
                None => output::show(output, &User::from(find(&connection, &user).await?)),
            },
            Action::Block { user } => output::show(output, &block(&connection, &user).await?),
            Action::Unblock { user, group_deleted } => {
                output::show(output, &unblock(&connection, &user, group_deleted).await?)
            }
            Action::SendActivation { user } => output::show(output, &send_activation(&connection, &user).await?),
        }
    }
}

async fn block(connection: &Connection, user: &str) -> Result<Standing, Failure> {
    let request = BlockUserRequest {
        id: find(connection, user).await?.id,
        expected_version: None,
    };
    let answer = connection.client().users().block_user(request).await;
    Ok(answer
        .map_err(|status| connection.explain(&status))?
        .into_inner()
        .into())
}

async fn unblock(connection: &Connection, user: &str, group_deleted: bool) -> Result<Standing, Failure> {
    let request = UnblockUserRequest {
        id: find(connection, user).await?.id,
        expected_version: None,
        group_deleted,
    };
    let user = connection.client().users().unblock_user(request).await;
    Ok(user.map_err(|status| connection.explain(&status))?.into_inner().into())
}

async fn send_activation(connection: &Connection, user: &str) -> Result<Standing, Failure> {
    let user_id = find(connection, user).await?.id;
    let request = SendActivationRequest { user_id };
    let user = connection.client().activations().send_activation(request).await;
    Ok(user.map_err(|status| connection.explain(&status))?.into_inner().into())
}

/// Everything that explains a user; `None` for a token that may only read.
async fn explain(connection: &Connection, id_or_name: &str) -> Result<Option<ExplainUserResponse>, Failure> {
    use explain_user_request::User as Named;
    let ask = async |user: Named| {
        let request = ExplainUserRequest { user: Some(user) };
        connection.client().users().explain_user(request).await
    };
    let is = |status: &Status, reason| reason_of(status) == Some(reason);
    let by_name = Named::UserName(id_or_name.to_owned());
    let answer = if is_id(id_or_name) {
        match ask(Named::Id(id_or_name.to_lowercase())).await {
            Err(status) if is(&status, ErrorReason::UserNotFound) => ask(by_name).await,
            answer => answer,
        }
    } else {
        ask(by_name).await
    };
    match answer {
        Ok(explanation) => Ok(Some(explanation.into_inner())),
        Err(status) if is(&status, ErrorReason::ScopeMissing) => Ok(None),
        Err(status) if is(&status, ErrorReason::UserNotFound) => Err(no_such_user()),
        Err(status) => Err(connection.explain(&status)),
    }
}

fn no_such_user() -> Failure {
    Failure::new("no user of this tenant has this id or user name: `rollcall user list` shows the users")
}

/// A request for what a list shows.
fn summary() -> ListUsersRequest {
    let mut request = ListUsersRequest::default();
    request.read_mask.get_or_insert_default().paths = SUMMARY.map(ToOwned::to_owned).to_vec();
    request
}

async fn list(connection: &Connection, request: ListUsersRequest) -> Result<v1::ListUsersResponse, Failure> {
    let answer = connection.client().users().list_users(request).await;
    Ok(answer.map_err(|status| connection.explain(&status))?.into_inner())
}

/// A user by id, else by user name. A user name may look like an id.
pub async fn find(connection: &Connection, id_or_name: &str) -> Result<v1::User, Failure> {
    if is_id(id_or_name) {
        let request = GetUserRequest {
            id: id_or_name.to_lowercase(),
            read_mask: None,
        };
        match connection.client().users().get_user(request).await {
            Ok(user) => return Ok(user.into_inner()),
            Err(status) if reason_of(&status) == Some(ErrorReason::UserNotFound) => {}
            Err(status) => return Err(connection.explain(&status)),
        }
    }
    let filter = Some(equal("user_name", id_or_name));
    let found = list(
        connection,
        ListUsersRequest {
            filter,
            page_size: 1,
            ..Default::default()
        },
    )
    .await?;
    found.users.into_iter().next().ok_or_else(no_such_user)
}

/// Whether a text has the form of an id, a UUID with dashes.
pub fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Asks whether an attribute equals a text.
pub fn equal(attribute: &str, text: &str) -> Filter {
    let comparison = Comparison {
        attribute: attribute.to_owned(),
        operator: comparison::Operator::Equal.into(),
        literal: Some(comparison::Literal::Text(text.to_owned())),
    };
    Filter {
        expression: Some(filter::Expression::Comparison(comparison)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_with_dashes() {
        assert!(is_id("01923f4e-7b1a-7c3d-8e5f-0a1b2c3d4e5f"));
        assert!(is_id("01923F4E-7B1A-7C3D-8E5F-0A1B2C3D4E5F"));
        for text in [
            "",
            "ada@example.com",
            "01923f4e7b1a7c3d8e5f0a1b2c3d4e5f0000",
            "01923f4e-7b1a-7c3d-8e5f-0a1b2c3d4e5g",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
