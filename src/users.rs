//! `rollcall user`: the users of a tenant.

mod view;

use clap::{Args, Subcommand};
use directory_proto::status::reason_of;
use directory_proto::v1::{
    self, Comparison, ErrorReason, Filter, GetUserRequest, ListUsersRequest, comparison, filter,
};

use crate::connection::{Connection, ConnectionArgs, TenantArgs};
use crate::failure::Failure;
use crate::output::{self, Page};

use self::view::{User, UserSummary};

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
    /// Shows one user: the state in effect and why, the attributes, the groups.
    Show {
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
            Action::Show { user } => output::show(output, &User::from(find(&connection, &user).await?)),
        }
    }
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
async fn find(connection: &Connection, id_or_name: &str) -> Result<v1::User, Failure> {
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
    found.users.into_iter().next().ok_or_else(|| {
        Failure::new("no user of this tenant has this id or user name: `rollcall user list` shows the users")
    })
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
