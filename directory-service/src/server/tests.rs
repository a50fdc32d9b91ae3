mod extensions;

use directory_proto::client::DirectoryClient;
use directory_proto::status::{reason_of, violations_of};
use directory_proto::v1::{
    AttributeDefinition, CreateTenantRequest, DeleteTenantRequest, ErrorReason, ExtensionSchema, GetTenantRequest,
    IssueTokenRequest, ListTenantsRequest, ListTokensRequest, RegisterExtensionSchemaRequest, RevokeTokenRequest,
    Scope, Tenant, Token, UpdateTenantRequest, WhoAmIRequest, extension_schema,
};
use prost_types::{FieldMask, Timestamp};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Status;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

mod paging;

use super::*;
use crate::init::init;
use crate::store::testing::{TestDb, on_every_database};

on_every_database! {
    tenants_and_tokens_live_through_the_api
    schemas_are_shown_to_who_may_read
    the_api_describes_itself_and_its_health
    an_open_stream_does_not_hold_the_stop_back
    a_connection_is_told_to_go_when_it_is_old
}

struct Running {
    endpoint: String,
    operator: SecretString,
    runtime: Runtime,
    served: tokio::task::JoinHandle<Result<(), RunError>>,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start(db: &TestDb) -> Self {
        Self::start_with(db, |_| {}).await
    }

    async fn start_with(db: &TestDb, adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyring = folder.path().join("directory.keyring");
        Keyring::create_if_absent(&keyring).unwrap();
        let mut config = Config::new(db.url.clone(), keyring);
        config.shutdown_grace = Duration::from_millis(100);
        config.database.max_connections = 4;
        adjust(&mut config);
        let operator = init(&config, false).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let runtime = Runtime::new(CancellationToken::new(), Default::default());
        let serving = runtime.clone();
        let served = tokio::spawn(async move { run(config, listener, &serving).await });
        Self {
            endpoint,
            operator,
            runtime,
            served,
            _folder: folder,
        }
    }

    fn client(&self) -> DirectoryClient {
        DirectoryClient::new(&self.endpoint).unwrap()
    }

    fn as_operator(&self) -> DirectoryClient {
        self.client().with_token(&self.operator).unwrap()
    }

    async fn stop(self) {
        self.runtime.stop.cancel();
        timeout(Duration::from_secs(10), self.served)
            .await
            .expect("it stops")
            .unwrap()
            .unwrap();
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Option<ErrorReason> {
    reason_of(&answer.unwrap_err())
}

fn tenant(slug: &str) -> CreateTenantRequest {
    CreateTenantRequest {
        tenant: Some(Tenant {
            slug: slug.to_owned(),
            ..Tenant::default()
        }),
    }
}

fn token(scopes: &[Scope], source: &str) -> IssueTokenRequest {
    let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
    let token = Token {
        name: "a token".to_owned(),
        scopes,
        source: source.to_owned(),
        ..Token::default()
    };
    IssueTokenRequest { token: Some(token) }
}

async fn tenants_and_tokens_live_through_the_api(db: TestDb) {
    let running = Running::start(&db).await;
    let operator = running.as_operator();

    assert_eq!(
        refused(running.client().tokens().who_am_i(WhoAmIRequest {}).await),
        Some(ErrorReason::TokenInvalid)
    );
    let me = operator.tokens().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (me.token.unwrap().scopes, me.tenant),
        (vec![i32::from(Scope::Operator)], None)
    );

    // Tenants.
    let created = operator
        .tenants()
        .create_tenant(tenant("acme"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            created.display_name.as_str(),
            created.provisioning_source.as_str(),
            created.version
        ),
        ("acme", "entra", 1)
    );
    assert_eq!(
        refused(operator.tenants().create_tenant(tenant("acme")).await),
        Some(ErrorReason::TenantSlugTaken)
    );
    let invalid = operator.tenants().create_tenant(tenant("No Slug")).await.unwrap_err();
    assert_eq!(reason_of(&invalid), Some(ErrorReason::InvalidField));
    assert_eq!(violations_of(&invalid)[0].field, "tenant.slug");
    operator.tenants().create_tenant(tenant("beta")).await.unwrap();
    let page = ListTenantsRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let first = operator.tenants().list_tenants(page).await.unwrap().into_inner();
    assert_eq!(first.tenants, std::slice::from_ref(&created));
    let page = ListTenantsRequest {
        page_size: 1,
        page_token: first.next_page_token,
    };
    let second = operator
        .tenants()
        .list_tenants(page.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (second.tenants[0].slug.as_str(), second.next_page_token.as_str()),
        ("beta", "")
    );

    // Tokens.
    let in_acme = operator.clone().for_tenant("acme").unwrap();
    let homeless = operator.tokens().issue_token(token(&[Scope::Admin], "")).await;
    assert_eq!(refused(homeless), Some(ErrorReason::TenantRequired));
    let issued = in_acme
        .tokens()
        .issue_token(token(&[Scope::Admin], ""))
        .await
        .unwrap()
        .into_inner();
    let admin = running.client().with_token(&issued.secret.into()).unwrap();
    let me = admin.tokens().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (me.token.unwrap().id, me.tenant),
        (issued.token.unwrap().id, Some(created.clone()))
    );
    let provision = admin.tokens().issue_token(token(&[Scope::Provision], "entra")).await;
    assert_eq!(refused(provision), Some(ErrorReason::ScopeMissing));
    let sourceless = in_acme.tokens().issue_token(token(&[Scope::Provision], "")).await;
    assert_eq!(refused(sourceless), Some(ErrorReason::InvalidField));
    let mut past = token(&[Scope::Read], "");
    past.token.as_mut().unwrap().expire_time = Some(Timestamp { seconds: 1, nanos: 0 });
    assert_eq!(
        refused(admin.tokens().issue_token(past).await),
        Some(ErrorReason::InvalidField)
    );
    let entra = in_acme
        .tokens()
        .issue_token(token(&[Scope::Provision], "entra"))
        .await
        .unwrap()
        .into_inner();
    let entra = entra.token.unwrap();
    assert_eq!(
        (entra.source.as_str(), entra.scopes.as_slice()),
        ("entra", &[i32::from(Scope::Provision)][..])
    );

    // Pages belong to whom they were made for.
    let page = ListTokensRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let first = admin.tokens().list_tokens(page).await.unwrap().into_inner();
    let page = ListTokensRequest {
        page_size: 1,
        page_token: first.next_page_token,
    };
    assert_eq!(
        refused(in_acme.tokens().list_tokens(page.clone()).await),
        Some(ErrorReason::InvalidPageToken)
    );
    let second = admin.tokens().list_tokens(page).await.unwrap().into_inner();
    assert_eq!(
        (second.tokens[0].id.as_str(), second.next_page_token.as_str()),
        (entra.id.as_str(), "")
    );

    // Revoking, and what an administrator may do elsewhere: nothing.
    admin
        .tokens()
        .revoke_token(RevokeTokenRequest { id: entra.id.clone() })
        .await
        .unwrap();
    let again = admin.tokens().revoke_token(RevokeTokenRequest { id: entra.id }).await;
    assert_eq!(refused(again), Some(ErrorReason::TokenNotFound));
    let named = admin
        .clone()
        .for_tenant("beta")
        .unwrap()
        .tokens()
        .who_am_i(WhoAmIRequest {})
        .await;
    assert_eq!(refused(named), Some(ErrorReason::TenantNotAllowed));
    let own = admin
        .tenants()
        .get_tenant(GetTenantRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(own, created);
    let other = admin
        .tenants()
        .get_tenant(GetTenantRequest {
            slug: "beta".to_owned(),
        })
        .await;
    assert_eq!(refused(other), Some(ErrorReason::TenantNotFound));
    assert_eq!(
        refused(admin.tenants().create_tenant(tenant("mine")).await),
        Some(ErrorReason::ScopeMissing)
    );

    // Settings.
    let strict = |slug: &str, paths: &[&str]| UpdateTenantRequest {
        tenant: Some(Tenant {
            slug: slug.to_owned(),
            strict_patch: true,
            ..Tenant::default()
        }),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let updated = admin
        .tenants()
        .update_tenant(strict("acme", &["strict_patch"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        updated,
        Tenant {
            strict_patch: true,
            version: 2,
            ..created
        }
    );
    let elsewhere = admin.tenants().update_tenant(strict("beta", &["strict_patch"])).await;
    assert_eq!(refused(elsewhere), Some(ErrorReason::TenantNotFound));
    for mask in [&[][..], &["slug"], &["strict_patch", "nonsense"]] {
        let maskless = operator.tenants().update_tenant(strict("acme", mask)).await;
        assert_eq!(refused(maskless), Some(ErrorReason::InvalidField));
    }

    // The end of a tenant.
    let delete = DeleteTenantRequest {
        slug: "beta".to_owned(),
        force: false,
    };
    assert_eq!(
        refused(admin.tenants().delete_tenant(delete.clone()).await),
        Some(ErrorReason::ScopeMissing)
    );
    operator.tenants().delete_tenant(delete.clone()).await.unwrap();
    assert_eq!(
        refused(operator.tenants().delete_tenant(delete).await),
        Some(ErrorReason::TenantNotFound)
    );

    running.stop().await;
}

async fn schemas_are_shown_to_who_may_read(db: TestDb) {
    let running = Running::start(&db).await;
    let operator = running.as_operator();
    operator.tenants().create_tenant(tenant("acme")).await.unwrap();
    let in_acme = operator.for_tenant("acme").unwrap();
    let badge = AttributeDefinition {
        name: "badge".to_owned(),
        ..AttributeDefinition::default()
    };
    let schema = ExtensionSchema {
        id: "urn:acme:User".to_owned(),
        resource_type: extension_schema::ResourceType::User.into(),
        name: "Acme".to_owned(),
        attributes: vec![badge],
        ..ExtensionSchema::default()
    };
    let register = RegisterExtensionSchemaRequest {
        slug: "acme".to_owned(),
        schema: Some(schema),
    };
    in_acme.tenants().register_extension_schema(register).await.unwrap();

    for (scope, shown) in [(Scope::Read, 1), (Scope::Admin, 1), (Scope::Activate, 0)] {
        let issued = in_acme.tokens().issue_token(token(&[scope], "")).await.unwrap();
        let client = running.client().with_token(&issued.into_inner().secret.into()).unwrap();
        let me = client.tokens().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
        assert!(me.tenant.is_some());
        assert_eq!(me.extension_schemas.len(), shown, "{scope:?}");
    }
    running.stop().await;
}

async fn the_api_describes_itself_and_its_health(db: TestDb) {
    let running = Running::start(&db).await;
    let channel = Endpoint::from_shared(running.endpoint.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();

    let mut health = HealthClient::new(channel.clone());
    for service in ["", USERS, GROUPS, SEARCH, TENANTS, TOKENS] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut states = health.watch(request).await.unwrap().into_inner();
        while states.message().await.unwrap().unwrap().status()
            != tonic_health::pb::health_check_response::ServingStatus::Serving
        {}
    }
    assert!(running.runtime.health.ready());

    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = futures_util::stream::iter([ask]);
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("the answer lists the services");
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in [USERS, GROUPS, SEARCH, TENANTS, TOKENS, "grpc.health.v1.Health"] {
        assert!(names.iter().any(|name| name == service), "{service} is in {names:?}");
    }

    running.stop().await;
}

async fn an_open_stream_does_not_hold_the_stop_back(db: TestDb) {
    let running = Running::start(&db).await;
    let idle = tokio::net::TcpStream::connect(running.endpoint.trim_start_matches("http://"))
        .await
        .unwrap();
    let channel = Endpoint::from_shared(running.endpoint.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut states = HealthClient::new(channel)
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    use tonic_health::pb::health_check_response::ServingStatus as State;
    while states.message().await.unwrap().unwrap().status() != State::Serving {}
    let health = running.runtime.health.clone();

    running.stop().await;

    assert!(!health.ready());
    assert_eq!(
        states.message().await.unwrap().unwrap().status(),
        State::NotServing,
        "clients were told first"
    );
    drop(idle);
}

async fn a_connection_is_told_to_go_when_it_is_old(db: TestDb) {
    let running = Running::start_with(&db, |config| config.max_connection_age = Duration::from_millis(100)).await;
    let address = running.endpoint.strip_prefix("http://").unwrap();
    let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    peer.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap(); // empty SETTINGS

    // Frame by frame (RFC 9113 §4.1), until a GOAWAY.
    let told = timeout(Duration::from_secs(10), async {
        loop {
            let mut head = [0; 9];
            peer.read_exact(&mut head).await.unwrap();
            if head[3] == 7 {
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            peer.read_exact(&mut vec![0; length as usize]).await.unwrap();
        }
    });

    told.await.expect("a GOAWAY comes");
    drop(peer);
    running.stop().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = folder.path().join("directory.keyring");
    Keyring::create_if_absent(&keyring).unwrap();
    // Hangs up on whoever comes.
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = database.local_addr().unwrap();
    let config = Config::new(format!("postgres://nobody@{address}/none").into(), keyring);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let runtime = Runtime::new(CancellationToken::new(), Default::default());

    let waiting = run(config, listener, &runtime);
    let (stopped, ()) = tokio::join!(waiting, async {
        for _ in 0..2 {
            drop(database.accept().await.unwrap());
        }
        assert!(!runtime.health.started());
        runtime.stop.cancel();
    });

    stopped.expect("being stopped while waiting is no failure");
}

#[tokio::test]
async fn an_unusable_keyring_is_told_before_anything_else() {
    let config = Config::new("sqlite:/nowhere/at/all.db".to_owned().into(), "/nowhere/keyring".into());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let runtime = Runtime::new(CancellationToken::new(), Default::default());

    assert!(matches!(
        run(config, listener, &runtime).await,
        Err(RunError::Keyring(KeyringError::Io { .. }))
    ));
}
