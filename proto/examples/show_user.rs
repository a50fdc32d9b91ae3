//! Reads one user over gRPC, as an internal service would: `show_user USER_NAME`, the token in `ROLLCALL_TOKEN`
//! (any token with scope `read`), the address in `ROLLCALL_GRPC_ENDPOINT`.

use directory_proto::client::DirectoryClient;
use directory_proto::v1::comparison::{Literal, Operator};
use directory_proto::v1::filter::Expression;
use directory_proto::v1::{Comparison, Filter, ListUsersRequest};
use secrecy::SecretString;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let user_name = std::env::args().nth(1).ok_or("usage: show_user USER_NAME")?;
    let endpoint = std::env::var("ROLLCALL_GRPC_ENDPOINT").unwrap_or_else(|_| "http://127.0.0.1:50051".to_owned());
    let token = SecretString::from(std::env::var("ROLLCALL_TOKEN")?);

    let directory = DirectoryClient::new(&endpoint)?.with_token(&token)?;
    let named = Comparison {
        attribute: "user_name".to_owned(),
        operator: Operator::Equal.into(),
        literal: Some(Literal::Text(user_name)),
    };
    let request = ListUsersRequest {
        filter: Some(Filter {
            expression: Some(Expression::Comparison(named)),
        }),
        ..ListUsersRequest::default()
    };
    let answer = directory.users().list_users(request).await?.into_inner();

    let user = answer.users.first().ok_or("no such user")?;
    println!("id:      {}", user.id);
    println!("name:    {}", user.display_name());
    println!("blocked: {}", user.blocked); // the one question that access control must ask
    for group in &user.groups {
        println!("group:   {} ({})", group.display_name, group.id);
    }
    Ok(())
}
