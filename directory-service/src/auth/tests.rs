use std::convert::Infallible;

use directory_proto::status::{metadata_of, reason_of};
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tower::{ServiceExt as _, service_fn};

use super::*;
use crate::clock::ManualClock;
use crate::domain::tenant::{DisplayName, NewTenant, ProvisioningSource, Settings};
use crate::domain::token::NewToken;
use crate::store::testing::{TestDb, on_every_database};

const T0: i64 = 1_700_000_000_000_000;
const SECOND_US: i64 = 1_000_000;

/// A directory with a tenant `acme`, an operator token, and a clock that stands still.
struct World {
    directory: Directory,
    clock: ManualClock,
    acme: Actor,
    operator: SecretString,
}

impl World {
    async fn new(db: TestDb) -> Self {
        let clock = ManualClock::at(T0);
        let directory = Directory::new(db.db, clock.clock());
        let operator = TokenText::generate();
        assert!(directory.register_operator(&operator, false).await.unwrap());
        let acme = Actor {
            tenant: TenantId::generate(),
            agent: Agent::Token(operator.id()),
            source: None,
            request_id: None,
            trace_id: None,
        };
        let new = NewTenant {
            slug: "acme".parse().unwrap(),
            settings: Settings::named(DisplayName::parse("display_name", "Acme").unwrap()),
        };
        directory.create_tenant(&acme, &new).await.unwrap();
        Self {
            directory,
            clock,
            acme,
            operator: operator.into_secret(),
        }
    }

    fn owner(&self) -> TokenOwner {
        TokenOwner::Tenant(self.acme.clone())
    }

    async fn issue(&self, scopes: &[Scope], expires_us: Option<i64>) -> (Token, SecretString) {
        let name = DisplayName::parse("token.name", "a token").unwrap();
        let source = scopes.contains(&Scope::Provision).then(ProvisioningSource::default);
        let new = NewToken::new(name, scopes.iter().copied().collect(), source, expires_us).unwrap();
        self.directory
            .issue_token(&self.owner(), Scopes::OPERATOR, new)
            .await
            .unwrap()
    }
}

fn bearer_of(token: &SecretString) -> HeaderMap {
    bearer_text(token.expose_secret())
}

fn bearer_text(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers
}

fn with_tenant(mut headers: HeaderMap, slug: &'static str) -> HeaderMap {
    headers.append(TENANT, HeaderValue::from_static(slug));
    headers
}

fn reason(refused: Result<Caller, Status>) -> (Code, Option<ErrorReason>, String) {
    let status = refused.map(|_| ()).unwrap_err();
    (status.code(), reason_of(&status), status.message().to_owned())
}

on_every_database! {
    a_token_tells_its_tenant_and_its_rights
    every_bad_token_gets_the_same_answer
    a_revocation_is_effective_after_five_seconds
    an_expiry_counts_while_the_token_is_remembered
    only_an_operator_names_a_tenant
    a_use_is_noted_once_a_minute
    nothing_but_health_and_reflection_is_open
}

async fn a_token_tells_its_tenant_and_its_rights(db: TestDb) {
    let world = World::new(db).await;
    let (auth, _used) = Authenticator::new(world.directory.clone());
    let (token, secret) = world.issue(&[Scope::Provision], None).await;
    let mut headers = bearer_of(&secret);
    headers.insert(REQUEST_ID, HeaderValue::from_static("req-1"));

    let caller = auth.authenticate(&headers).await.unwrap();

    assert_eq!(caller.token(), &token);
    assert_eq!(caller.reader().unwrap(), world.acme.tenant);
    assert_eq!(
        caller.provisioner().unwrap(),
        Actor {
            tenant: world.acme.tenant,
            agent: Agent::Token(token.id),
            source: Some(ProvisioningSource::default()),
            request_id: Some("req-1".to_owned()),
            trace_id: None,
        }
    );
    let refused = Status::from(caller.administrator().unwrap_err());
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(reason_of(&refused), Some(ErrorReason::ScopeMissing));
    assert_eq!(metadata_of(&refused, "scope").as_deref(), Some("admin"));
    assert!(matches!(
        caller.operator(),
        Err(DirectoryError::ScopeMissing(Scope::Operator))
    ));
}

async fn every_bad_token_gets_the_same_answer(db: TestDb) {
    let world = World::new(db).await;
    let (auth, _used) = Authenticator::new(world.directory.clone());
    let (_, expired) = world.issue(&[Scope::Read], Some(T0 + SECOND_US)).await;
    world.clock.advance_us(SECOND_US);
    let (revoked_token, revoked) = world.issue(&[Scope::Read], None).await;
    world
        .directory
        .revoke_token(&world.owner(), &revoked_token.id.to_string())
        .await
        .unwrap();
    let (_, good) = world.issue(&[Scope::Read], None).await;
    let good = good.expose_secret();
    let unknown = TokenText::generate().into_secret();
    // The id of a token that lives, and another's secret with a checksum that is right.
    let forged = {
        let body = format!("{}{}", &good[..26], &unknown.expose_secret()[26..69]);
        format!("{body}{}", checksum_of(&body))
    };
    assert!(TokenText::parse(&forged).is_ok());
    let mut twice = bearer_text(good);
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
    let mut basic = HeaderMap::new();
    basic.insert(AUTHORIZATION, format!("Basic {good}").parse().unwrap());

    let message = "the bearer token is missing, unknown, expired or revoked".to_owned();
    let same = (Code::Unauthenticated, Some(ErrorReason::TokenInvalid), message);
    for bad in [
        HeaderMap::new(),
        basic,
        twice,
        bearer_text(""),
        bearer_text("rc_"),
        bearer_text(&good[..74]),
        bearer_text(&forged),
        bearer_of(&unknown),
        bearer_of(&expired),
        bearer_of(&revoked),
        with_tenant(bearer_of(&unknown), "acme"),
    ] {
        assert_eq!(reason(auth.authenticate(&bad).await), same);
    }
    assert!(auth.authenticate(&bearer_text(good)).await.is_ok());
}

fn checksum_of(body: &str) -> String {
    let number = crc32fast::hash(body.as_bytes());
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".as_bytes();
    let place = |power: u32| digits[(u64::from(number) / 62_u64.pow(power) % 62) as usize] as char;
    (0..6).rev().map(place).collect()
}

async fn a_revocation_is_effective_after_five_seconds(db: TestDb) {
    let world = World::new(db).await;
    let (auth, _used) = Authenticator::new(world.directory.clone());
    let (token, secret) = world.issue(&[Scope::Read], None).await;
    let headers = bearer_of(&secret);
    auth.authenticate(&headers).await.unwrap();

    world
        .directory
        .revoke_token(&world.owner(), &token.id.to_string())
        .await
        .unwrap();

    assert!(auth.authenticate(&headers).await.is_ok(), "it was verified just now");
    world.clock.advance_us(CACHE_SECONDS * SECOND_US);
    assert_eq!(
        reason(auth.authenticate(&headers).await).1,
        Some(ErrorReason::TokenInvalid)
    );
}

async fn an_expiry_counts_while_the_token_is_remembered(db: TestDb) {
    let world = World::new(db).await;
    let (auth, _used) = Authenticator::new(world.directory.clone());
    let (_, secret) = world.issue(&[Scope::Read], Some(T0 + 1)).await;
    let headers = bearer_of(&secret);
    auth.authenticate(&headers).await.unwrap();

    world.clock.advance_us(1);

    assert_eq!(
        reason(auth.authenticate(&headers).await).1,
        Some(ErrorReason::TokenInvalid)
    );
}

async fn only_an_operator_names_a_tenant(db: TestDb) {
    let world = World::new(db).await;
    let (auth, _used) = Authenticator::new(world.directory.clone());
    let (_, admin) = world.issue(&[Scope::Admin], None).await;
    let operator = bearer_of(&world.operator);

    let own = auth.authenticate(&with_tenant(bearer_of(&admin), "acme")).await;
    assert_eq!(
        reason(own),
        (
            Code::PermissionDenied,
            Some(ErrorReason::TenantNotAllowed),
            "only operator tokens may name a tenant in metadata rollcall-tenant".to_owned()
        )
    );

    let nowhere = auth.authenticate(&operator).await.unwrap();
    assert!(matches!(nowhere.reader(), Err(DirectoryError::TenantRequired)));
    assert!(matches!(nowhere.administrator(), Err(DirectoryError::TenantRequired)));
    assert!(matches!(nowhere.token_owner(), Ok(TokenOwner::Operators)));

    let inside = auth.authenticate(&with_tenant(operator.clone(), "acme")).await.unwrap();
    assert_eq!(inside.reader().unwrap(), world.acme.tenant);
    assert_eq!(inside.administrator().unwrap().tenant, world.acme.tenant);
    assert!(matches!(
        inside.provisioner(),
        Err(DirectoryError::ScopeMissing(Scope::Provision))
    ));

    for slug in ["other", "", "Acme", "../acme"] {
        let unknown = auth.authenticate(&with_tenant(operator.clone(), slug)).await;
        assert_eq!(reason(unknown).1, Some(ErrorReason::TenantNotFound), "{slug:?}");
    }
    let twice = with_tenant(with_tenant(operator, "acme"), "acme");
    assert_eq!(
        reason(auth.authenticate(&twice).await).1,
        Some(ErrorReason::TenantNotFound)
    );
}

async fn a_use_is_noted_once_a_minute(db: TestDb) {
    let world = World::new(db).await;
    let (_, secret) = world.issue(&[Scope::Read], None).await;
    let mut noted = Vec::new();
    for wait_us in [0, 30 * SECOND_US, 30 * SECOND_US] {
        world.clock.advance_us(wait_us);
        let (auth, used) = Authenticator::new(world.directory.clone());
        auth.authenticate(&bearer_of(&secret)).await.unwrap();
        drop(auth);
        used.note().await;
        let (tokens, _) = world.directory.list_tokens(&world.owner(), None, 10).await.unwrap();
        noted.push(tokens[0].last_used_us);
    }

    assert_eq!(noted, [Some(T0), Some(T0), Some(T0 + 60 * SECOND_US)]);
}

async fn nothing_but_health_and_reflection_is_open(db: TestDb) {
    let world = World::new(db).await;
    let (auth, _used) = Authenticator::new(world.directory.clone());
    let layer = AuthLayer::new(auth);
    let handler = |request: Request<Body>| async move {
        let mut response = Response::new(Body::empty());
        let seen = if request.extensions().get::<Caller>().is_some() {
            "caller"
        } else {
            "nobody"
        };
        response.headers_mut().insert("seen", HeaderValue::from_static(seen));
        Ok::<_, Infallible>(response)
    };
    let call = |path: &str, headers: HeaderMap| {
        let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
        *request.headers_mut() = headers;
        layer.layer(service_fn(handler)).oneshot(request)
    };

    for open in [
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        assert_eq!(call(open, HeaderMap::new()).await.unwrap().headers()["seen"], "nobody");
    }
    for closed in [
        "/directory.v1.UserService/GetUser",
        "/",
        "/grpc.health.v1.HealthX/Check",
        "/unknown",
    ] {
        let response = call(closed, HeaderMap::new()).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "16", "{closed}");
        assert!(
            !response.headers().contains_key("seen"),
            "{closed} did not reach the handler"
        );
    }
    let response = call("/directory.v1.TokenService/WhoAmI", bearer_of(&world.operator))
        .await
        .unwrap();
    assert_eq!(response.headers()["seen"], "caller");
}
