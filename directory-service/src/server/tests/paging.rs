//! Pages as clients see them.

use directory_proto::client::MAX_MESSAGE_BYTES;
use directory_proto::v1::search_result::Resource;
use directory_proto::v1::{
    BatchGetUsersRequest, CreateGroupRequest, CreateUserRequest, Group, ListGroupsRequest, ListUsersRequest, Order,
    SearchRequest, Selection, User,
};
use prost::Message as _;
use prost_types::FieldMask;

use super::*;
use crate::domain::page::PAGE_BYTES;
use crate::domain::text::MAX_TEXT_BYTES;

on_every_database! { pages_of_large_users_fit_into_messages_and_go_both_ways }

const LARGE: usize = 24;

/// Some 900 KiB.
fn large(index: usize) -> User {
    let long = || Some("x".repeat(MAX_TEXT_BYTES));
    User {
        user_name: format!("large-{index:02}"),
        nick_name: long(),
        profile_url: long(),
        title: long(),
        user_type: long(),
        preferred_language: long(),
        locale: long(),
        timezone: long(),
        name: Some(directory_proto::v1::Name {
            formatted: long(),
            family_name: long(),
            given_name: long(),
            middle_name: long(),
            honorific_prefix: long(),
            honorific_suffix: long(),
        }),
        ..User::default()
    }
}

fn names(users: &[User]) -> Vec<String> {
    users.iter().map(|user| user.user_name.clone()).collect()
}

async fn pages_of_large_users_fit_into_messages_and_go_both_ways(db: TestDb) {
    let running = Running::start(&db).await;
    let operator = running.as_operator();
    operator.tenants().create_tenant(tenant("acme")).await.unwrap();
    let in_acme = operator.clone().for_tenant("acme").unwrap();
    let issued = in_acme.tokens().issue_token(token(&[Scope::Provision], "entra")).await;
    let client = running
        .client()
        .with_token(&issued.unwrap().into_inner().secret.into())
        .unwrap();
    let mut ids = Vec::new();
    for index in 0..LARGE {
        let user = Some(large(index));
        let user = client.users().create_user(CreateUserRequest { user }).await.unwrap();
        ids.push(user.into_inner().id);
        let group = Some(Group {
            display_name: format!("group-{index:02}"),
            ..Group::default()
        });
        let request = CreateGroupRequest {
            group,
            member_ids: Vec::new(),
        };
        client.groups().create_group(request).await.unwrap();
    }
    let all: Vec<String> = (0..LARGE).map(|index| format!("large-{index:02}")).collect();

    let request = |page_token: &str| ListUsersRequest {
        page_size: 1_000,
        page_token: page_token.to_owned(),
        include_total_size: true,
        ..ListUsersRequest::default()
    };
    let first = client.users().list_users(request("")).await.unwrap().into_inner();
    let next = request(&first.next_page_token);
    let second = client.users().list_users(next.clone()).await.unwrap().into_inner();
    let before = request(&second.previous_page_token);
    let before = client.users().list_users(before).await.unwrap().into_inner();

    assert!((PAGE_BYTES..MAX_MESSAGE_BYTES).contains(&first.encoded_len()));
    assert_eq!([names(&first.users), names(&second.users)].concat(), all);
    assert_eq!(
        (first.previous_page_token.as_str(), second.next_page_token.as_str()),
        ("", "")
    );
    assert_eq!((first.total_size, second.total_size), (Some(24), Some(24)));
    assert_eq!(names(&before.users), names(&first.users));
    assert_eq!(before.previous_page_token, "");

    let mut names_alone = request("");
    names_alone.read_mask = Some(FieldMask {
        paths: vec!["user_name".to_owned()],
    });
    let small = client.users().list_users(names_alone).await.unwrap().into_inner();
    assert_eq!(names(&small.users), all, "what the mask leaves out takes no room");

    // A token is good for its own question.
    let mut ordered = next.clone();
    ordered.order = Some(Order::default());
    assert_eq!(
        refused(client.users().list_users(ordered).await),
        Some(ErrorReason::InvalidPageToken)
    );
    assert_eq!(
        refused(in_acme.users().list_users(next.clone()).await),
        Some(ErrorReason::InvalidPageToken),
        "of other rights"
    );
    let mut skipping = next;
    skipping.skip = 1;
    assert_eq!(
        refused(client.users().list_users(skipping).await),
        Some(ErrorReason::InvalidField)
    );

    // Batches.
    let batch = |ids: &[String]| BatchGetUsersRequest {
        ids: ids.to_vec(),
        read_mask: None,
    };
    let too_many = client.users().batch_get_users(batch(&ids)).await.unwrap_err();
    assert_eq!(reason_of(&too_many), Some(ErrorReason::InvalidField));
    assert_eq!(violations_of(&too_many)[0].field, "ids");
    let repeated = [ids[3].clone(), ids[1].clone(), ids[3].clone()];
    let few = client
        .users()
        .batch_get_users(batch(&repeated))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(names(&few.users), ["large-03", "large-01"]);

    // Groups.
    let request = |page_token: String| ListGroupsRequest {
        page_size: 12,
        page_token,
        ..ListGroupsRequest::default()
    };
    let first = client
        .groups()
        .list_groups(request(String::new()))
        .await
        .unwrap()
        .into_inner();
    let second = client
        .groups()
        .list_groups(request(first.next_page_token))
        .await
        .unwrap()
        .into_inner();
    let before = client
        .groups()
        .list_groups(request(second.previous_page_token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((first.groups.len(), second.groups.len()), (12, 12));
    assert_eq!(before.groups, first.groups);

    // Both.
    let selection = |order_by: &str| {
        Some(Selection {
            filter: None,
            order_by: order_by.to_owned(),
        })
    };
    let mut request = SearchRequest {
        users: selection("user_name"),
        groups: selection("display_name"),
        page_size: 30,
        include_total_size: true,
        ..SearchRequest::default()
    };
    let first = client.search().search(request.clone()).await.unwrap().into_inner();
    let is_group = |resource: &Option<Resource>| matches!(resource, Some(Resource::Group(_)));
    let groups = first
        .results
        .iter()
        .take_while(|result| is_group(&result.resource))
        .count();
    assert_eq!((groups, first.results.len(), first.total_size), (24, 30, Some(48)));
    request.page_token = first.next_page_token;
    let second = client.search().search(request.clone()).await.unwrap().into_inner();
    assert_eq!((second.results.len(), second.next_page_token.as_str()), (18, ""));
    request.descending = true;
    assert_eq!(
        refused(client.search().search(request.clone()).await),
        Some(ErrorReason::InvalidPageToken)
    );
    request.page_token = String::new();
    request.groups = selection("version");
    let unlike = client.search().search(request.clone()).await.unwrap_err();
    assert_eq!(violations_of(&unlike)[0].field, "groups.order_by");
    request.groups = selection("shoe_size");
    let unknown = client.search().search(request).await.unwrap_err();
    assert_eq!(violations_of(&unknown)[0].field, "groups.order_by");
    assert_eq!(
        refused(operator.search().search(SearchRequest::default()).await),
        Some(ErrorReason::TenantRequired)
    );

    running.stop().await;
}
