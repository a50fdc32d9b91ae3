//! What only a directory that misbehaves can show: broken streams and lost races. The rest is shown with the real one
//! by the system tests.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use directory_proto::client::DirectoryClient;
use directory_proto::status::refuse;
use directory_proto::v1;
use directory_proto::v1::group_service_server::{GroupService, GroupServiceServer};
use directory_proto::v1::search_result::Resource;
use directory_proto::v1::search_service_server::{SearchService, SearchServiceServer};
use directory_proto::v1::token_service_server::{TokenService, TokenServiceServer};
use directory_proto::v1::user_service_server::{UserService, UserServiceServer};
use http::request::Builder;
use http::{Method, Request};
use serde_json::{Value, json};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::auth::Callers;
use crate::config::Limits;
use crate::server::router;
use crate::upstream::Gateway;

const ID: &str = "0193a1b2-0000-7000-8000-000000000001";
const PAGES: usize = 3;

/// A directory with one user and one group, whose group breaks at a page and whose user moves on between read and write.
#[derive(Default)]
struct Fake {
    page_that_breaks: Option<usize>,
    races_to_lose: i64,
    races_lost: AtomicI64,
    pages_read: AtomicUsize,
    users_read: AtomicUsize,
    reports: Mutex<Vec<String>>,
}

type Answer<T> = Result<tonic::Response<T>, Status>;

fn unused<T>() -> Answer<T> {
    Err(Status::unimplemented("not part of the fake"))
}

struct Shared(Arc<Fake>);

#[tonic::async_trait]
impl TokenService for Shared {
    async fn who_am_i(&self, _: tonic::Request<v1::WhoAmIRequest>) -> Answer<v1::WhoAmIResponse> {
        let scopes = vec![v1::Scope::Provision.into()];
        let token = Some(v1::Token {
            scopes,
            ..v1::Token::default()
        });
        Ok(tonic::Response::new(v1::WhoAmIResponse {
            token,
            tenant: Some(v1::Tenant::default()),
            extension_schemas: Vec::new(),
        }))
    }
    async fn issue_token(&self, _: tonic::Request<v1::IssueTokenRequest>) -> Answer<v1::IssueTokenResponse> {
        unused()
    }
    async fn list_tokens(&self, _: tonic::Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensResponse> {
        unused()
    }
    async fn revoke_token(&self, _: tonic::Request<v1::RevokeTokenRequest>) -> Answer<()> {
        unused()
    }
}

#[tonic::async_trait]
impl UserService for Shared {
    async fn get_user(&self, _: tonic::Request<v1::GetUserRequest>) -> Answer<v1::User> {
        self.0.users_read.fetch_add(1, Ordering::SeqCst);
        Ok(tonic::Response::new(v1::User {
            id: ID.to_owned(),
            version: 1,
            ..v1::User::default()
        }))
    }
    async fn update_user(&self, request: tonic::Request<v1::UpdateUserRequest>) -> Answer<v1::User> {
        if self.0.races_lost.fetch_add(1, Ordering::SeqCst) < self.0.races_to_lose {
            return Err(refuse(Code::Aborted, v1::ErrorReason::VersionMismatch, "moved on").into());
        }
        let user = request.into_inner().user.unwrap_or_default();
        Ok(tonic::Response::new(v1::User { version: 2, ..user }))
    }
    async fn create_user(&self, _: tonic::Request<v1::CreateUserRequest>) -> Answer<v1::User> {
        unused()
    }
    async fn batch_get_users(&self, _: tonic::Request<v1::BatchGetUsersRequest>) -> Answer<v1::BatchGetUsersResponse> {
        unused()
    }
    async fn list_users(&self, _: tonic::Request<v1::ListUsersRequest>) -> Answer<v1::ListUsersResponse> {
        unused()
    }
    async fn delete_user(&self, _: tonic::Request<v1::DeleteUserRequest>) -> Answer<()> {
        unused()
    }
    async fn block_user(&self, _: tonic::Request<v1::BlockUserRequest>) -> Answer<v1::BlockUserResponse> {
        unused()
    }
    async fn unblock_user(&self, _: tonic::Request<v1::UnblockUserRequest>) -> Answer<v1::User> {
        unused()
    }
    async fn explain_user(&self, _: tonic::Request<v1::ExplainUserRequest>) -> Answer<v1::ExplainUserResponse> {
        unused()
    }
    async fn report_refused_disable(&self, request: tonic::Request<v1::ReportRefusedDisableRequest>) -> Answer<()> {
        let v1::ReportRefusedDisableRequest { id, reason, .. } = request.into_inner();
        self.0.reports.lock().unwrap().push(format!("{id} {reason}"));
        Err(Status::internal("full"))
    }
}

#[tonic::async_trait]
impl GroupService for Shared {
    async fn get_group(&self, request: tonic::Request<v1::GetGroupRequest>) -> Answer<v1::Group> {
        let id = request.into_inner().id;
        let display_name = "Sales".to_owned();
        Ok(tonic::Response::new(v1::Group {
            id,
            version: 3,
            display_name,
            ..v1::Group::default()
        }))
    }
    async fn list_members(&self, request: tonic::Request<v1::ListMembersRequest>) -> Answer<v1::ListMembersResponse> {
        self.0.pages_read.fetch_add(1, Ordering::SeqCst);
        let page: usize = request.into_inner().page_token.parse().unwrap_or(0);
        if self.0.page_that_breaks == Some(page) {
            return Err(Status::internal("broken"));
        }
        let members = (0..1_000)
            .map(|index| v1::Member {
                user_id: format!("{page}-{index}"),
            })
            .collect();
        let next_page_token = if page + 1 < PAGES {
            (page + 1).to_string()
        } else {
            String::new()
        };
        Ok(tonic::Response::new(v1::ListMembersResponse {
            members,
            next_page_token,
        }))
    }
    async fn list_groups(&self, _: tonic::Request<v1::ListGroupsRequest>) -> Answer<v1::ListGroupsResponse> {
        let group = |id: &str| v1::Group {
            id: id.to_owned(),
            ..v1::Group::default()
        };
        let groups = vec![group("a"), group("b")];
        Ok(tonic::Response::new(v1::ListGroupsResponse {
            groups,
            total_size: Some(2),
            ..Default::default()
        }))
    }
    async fn create_group(&self, _: tonic::Request<v1::CreateGroupRequest>) -> Answer<v1::Group> {
        unused()
    }
    async fn update_group(&self, _: tonic::Request<v1::UpdateGroupRequest>) -> Answer<v1::Group> {
        unused()
    }
    async fn delete_group(&self, _: tonic::Request<v1::DeleteGroupRequest>) -> Answer<()> {
        unused()
    }
    async fn list_user_groups(
        &self,
        _: tonic::Request<v1::ListUserGroupsRequest>,
    ) -> Answer<v1::ListUserGroupsResponse> {
        unused()
    }
    async fn check_membership(
        &self,
        _: tonic::Request<v1::CheckMembershipRequest>,
    ) -> Answer<v1::CheckMembershipResponse> {
        unused()
    }
}

#[tonic::async_trait]
impl SearchService for Shared {
    async fn search(&self, request: tonic::Request<v1::SearchRequest>) -> Answer<v1::SearchResponse> {
        let request = request.into_inner();
        if request.page_token == "old" {
            return Err(refuse(Code::InvalidArgument, v1::ErrorReason::PageTokenExpired, "old").into());
        }
        let user = request.users.map(|_| {
            Resource::User(v1::User {
                id: ID.to_owned(),
                ..Default::default()
            })
        });
        let group = request.groups.map(|_| {
            Resource::Group(v1::Group {
                id: "g".to_owned(),
                ..Default::default()
            })
        });
        let found = [group.clone(), user, group].into_iter().flatten();
        Ok(tonic::Response::new(v1::SearchResponse {
            results: found
                .map(|resource| v1::SearchResult {
                    resource: Some(resource),
                })
                .collect(),
            next_page_token: "next".to_owned(),
            previous_page_token: request.page_token,
            total_size: Some(7),
        }))
    }
}

async fn gateway(fake: &Arc<Fake>) -> Router {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(TokenServiceServer::new(Shared(fake.clone())))
        .add_service(UserServiceServer::new(Shared(fake.clone())))
        .add_service(GroupServiceServer::new(Shared(fake.clone())))
        .add_service(SearchServiceServer::new(Shared(fake.clone())))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    let directory = DirectoryClient::new(&format!("http://{address}")).unwrap();
    let gateway = Gateway {
        directory,
        callers: Callers::new(),
        scheme: "http",
        public_base: None,
        trusts_forwarded: false,
    };
    router(gateway, Limits::default())
}

async fn ask(fake: Fake, request: Builder, body: &str) -> (Response, Arc<Fake>) {
    let fake = Arc::new(fake);
    let request = request.header("authorization", "Bearer rc_x").header("host", "h");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    (gateway(&fake).await.oneshot(request).await.unwrap(), fake)
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
}

fn group(query: &str) -> Builder {
    Request::builder().uri(format!("/scim/v2/Groups/{ID}{query}"))
}

fn patch() -> (Builder, &'static str) {
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(format!("/scim/v2/Users/{ID}"));
    (
        request,
        r#"{"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}"#,
    )
}

#[tokio::test]
async fn members_of_every_page_are_in_the_answer_and_only_if_they_are_wanted() {
    let (response, _) = ask(Fake::default(), group(""), "").await;
    assert_eq!(response.headers()["etag"], "W/\"3\"");
    let whole = json(response).await;
    let members = whole["members"].as_array().unwrap();
    assert_eq!(members.len(), 1_000 * PAGES);
    assert_eq!(
        members[1_999],
        json!({"value": "1-999", "$ref": "http://h/scim/v2/Users/1-999", "type": "User"})
    );
    assert_eq!(whole["displayName"], "Sales");

    let (response, fake) = ask(Fake::default(), group("?excludedAttributes=members"), "").await;
    assert_eq!(json(response).await.get("members"), None);
    assert_eq!(fake.pages_read.load(Ordering::SeqCst), 0);

    let (response, _) = ask(Fake::default(), group("?attributes=members.value"), "").await;
    assert_eq!(json(response).await["members"][0], json!({"value": "0-0"}));
}

#[tokio::test]
async fn a_list_of_groups_shows_the_members_of_each() {
    let (response, _) = ask(
        Fake::default(),
        Request::builder().uri("/scim/v2/Groups?startIndex=1"),
        "",
    )
    .await;

    let list = json(response).await;

    assert_eq!(
        (&list["totalResults"], &list["itemsPerPage"], &list["startIndex"]),
        (&json!(2), &json!(2), &json!(1))
    );
    for group in list["Resources"].as_array().unwrap() {
        assert_eq!(group["members"].as_array().unwrap().len(), 1_000 * PAGES);
    }
}

#[tokio::test]
async fn the_root_lists_users_and_groups_with_their_members() {
    let at = |query: &str| Request::builder().uri(format!("/scim/v2{query}"));
    for query in ["?cursor=5.here", "?cursor=5.here&count=5"] {
        let list = json(ask(Fake::default(), at(query), "").await.0).await;

        let found = list["Resources"].as_array().unwrap();
        let ids: Vec<&str> = found.iter().map(|found| found["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["g", ID, "g"]);
        assert_eq!(found[2]["members"].as_array().unwrap().len(), 1_000 * PAGES);
        assert_eq!(
            [
                &list["totalResults"],
                &list["itemsPerPage"],
                &list["nextCursor"],
                &list["previousCursor"]
            ],
            [&json!(7), &json!(3), &json!("5.next"), &json!("5.here")]
        );
        assert_eq!(list.get("startIndex"), None);
    }

    let (response, fake) = ask(Fake::default(), at("?attributes=userName"), "").await;
    assert_eq!(json(response).await["Resources"].as_array().unwrap().len(), 3);
    assert_eq!(fake.pages_read.load(Ordering::SeqCst), 0, "members are not wanted");

    let users_alone = "?filter=meta.resourceType+eq+%22User%22&startIndex=2";
    let list = json(ask(Fake::default(), at(users_alone), "").await.0).await;
    assert_eq!(list["Resources"].as_array().unwrap().len(), 1);
    assert_eq!(list["startIndex"], json!(2));
    assert_eq!(list.get("nextCursor"), None, "not asked for by cursor");
}

#[tokio::test]
async fn an_old_cursor_has_expired() {
    let request = Request::builder().uri("/scim/v2?cursor=5.old");

    let error = json(ask(Fake::default(), request, "").await.0).await;

    assert_eq!(
        (&error["status"], &error["scimType"]),
        (&json!("400"), &json!("expiredCursor"))
    );
}

#[tokio::test]
async fn a_failure_before_the_first_member_is_an_error_and_a_later_one_breaks_off() {
    let breaking = |page| Fake {
        page_that_breaks: Some(page),
        ..Fake::default()
    };

    let (response, _) = ask(breaking(0), group(""), "").await;
    assert_eq!(response.status(), 500);
    assert_eq!(json(response).await["status"], "500");

    let (response, _) = ask(breaking(2), group(""), "").await;
    assert_eq!(response.status(), 200);
    assert!(to_bytes(response.into_body(), usize::MAX).await.is_err());
}

#[tokio::test]
async fn a_patch_that_loses_a_race_is_applied_again() {
    let (request, body) = patch();
    let losing = Fake {
        races_to_lose: 3,
        ..Fake::default()
    };

    let (response, fake) = ask(losing, request, body).await;

    assert_eq!(response.headers()["etag"], "W/\"2\"");
    assert_eq!(json(response).await["active"], json!(false));
    assert_eq!(fake.users_read.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_patch_that_loses_every_race_is_told_to_come_back() {
    let (request, body) = patch();
    let losing = Fake {
        races_to_lose: i64::MAX,
        ..Fake::default()
    };

    let (response, fake) = ask(losing, request, body).await;

    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(fake.users_read.load(Ordering::SeqCst), 24);
}

#[tokio::test]
async fn a_patch_with_if_match_is_applied_once() {
    let (request, body) = patch();
    let losing = Fake {
        races_to_lose: 1,
        ..Fake::default()
    };

    let (response, fake) = ask(losing, request.header("if-match", "W/\"1\""), body).await;

    assert_eq!(response.status(), 412);
    assert_eq!(fake.users_read.load(Ordering::SeqCst), 1);

    let (request, body) = patch();
    let (response, fake) = ask(Fake::default(), request.header("if-match", "W/\"9\""), body).await;
    assert_eq!(
        (response.status().as_u16(), fake.races_lost.load(Ordering::SeqCst)),
        (412, 0)
    );
}

#[tokio::test]
async fn a_refused_disable_is_told_once_and_answered_the_same_if_it_cannot_be_noted() {
    let disable = r#"{"op": "Replace", "path": "active", "value": "False"}"#;
    let put = || {
        Request::builder()
            .method(Method::PUT)
            .uri(format!("/scim/v2/Users/{ID}"))
    };
    for (request, body, told) in [
        (
            patch().0,
            format!(r#"{{"Operations": [{disable}, {{"op": "add", "path": "nobody", "value": 1}}]}}"#),
            Some("invalidPath"),
        ),
        (
            patch().0.uri(format!("/scim/v2/Users/{ID}?attributes=%ZZ")),
            format!(r#"{{"Operations": [{disable}]}}"#),
            Some("invalidValue"),
        ),
        (
            put(),
            r#"{"userName": 7, "active": false}"#.to_owned(),
            Some("invalidValue"),
        ),
        (put(), r#"{"userName": 7, "active": true}"#.to_owned(), None),
        (
            patch().0,
            r#"{"Operations": [{"op": "add", "path": "nobody", "value": 1}]}"#.to_owned(),
            None,
        ),
        (patch().0.header("if-match", "W/\"9\""), patch().1.to_owned(), None),
    ] {
        let (response, fake) = ask(Fake::default(), request, &body).await;

        let status = response.status().as_u16();
        assert!([400, 412].contains(&status), "{status}: {body}");
        let expected: Vec<String> = told.map(|reason| format!("{ID} {reason}")).into_iter().collect();
        assert_eq!(*fake.reports.lock().unwrap(), expected, "{body}");
    }
}
