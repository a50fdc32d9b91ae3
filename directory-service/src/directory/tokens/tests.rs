use secrecy::ExposeSecret as _;

use super::*;
use crate::clock::ManualClock;
use crate::domain::actor::Agent;
use crate::domain::tenant::{NewTenant, ProvisioningSource, Settings};
use crate::store::testing::{TestDb, on_every_database};

const T0: i64 = 1_700_000_000_000_000;

on_every_database! {
    an_issued_token_is_verified_until_it_is_revoked
    tokens_are_listed_by_id_while_they_live
    another_tenants_token_is_not_found
    the_first_end_of_a_live_provision_token_is_known
    only_held_scopes_are_handed_on_and_only_where_they_belong
}

async fn tenant(directory: &Directory, slug: &str) -> TokenOwner {
    let actor = Actor {
        tenant: TenantId::generate(),
        agent: Agent::Token(TokenId::generate()),
        source: None,
        request_id: None,
        trace_id: None,
    };
    let new = NewTenant {
        slug: slug.parse().unwrap(),
        settings: Settings::named(DisplayName::parse("display_name", slug).unwrap()),
    };
    directory.create_tenant(&actor, &new).await.unwrap();
    TokenOwner::Tenant(actor)
}

fn new(scope: Scope) -> NewToken {
    ending(scope, None)
}

fn ending(scope: Scope, ends_us: Option<i64>) -> NewToken {
    let source = (scope == Scope::Provision).then(ProvisioningSource::default);
    NewToken::new(
        DisplayName::parse("token.name", "a token").unwrap(),
        [scope].into_iter().collect(),
        source,
        ends_us,
    )
    .unwrap()
}

async fn the_first_end_of_a_live_provision_token_is_known(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = Directory::new(db.db, clock.clock());
    let (acme, beta) = (tenant(&directory, "acme").await, tenant(&directory, "beta").await);
    let issue = async |owner: &TokenOwner, scope, ends_us| {
        let token = ending(scope, ends_us);
        directory
            .issue_token(owner, Scopes::OPERATOR, token)
            .await
            .unwrap()
            .0
            .id
    };
    issue(&acme, Scope::Provision, None).await;
    issue(&acme, Scope::Read, Some(T0 + 1)).await;
    assert_eq!(directory.first_token_expiry().await.unwrap(), None);

    issue(&acme, Scope::Provision, Some(T0 + 30)).await;
    issue(&beta, Scope::Provision, Some(T0 + 20)).await;
    let first = issue(&beta, Scope::Provision, Some(T0 + 10)).await;
    assert_eq!(directory.first_token_expiry().await.unwrap(), Some(T0 + 10));

    directory.revoke_token(&beta, &first.to_string()).await.unwrap();
    assert_eq!(directory.first_token_expiry().await.unwrap(), Some(T0 + 20));
    clock.advance_us(20);
    assert_eq!(directory.first_token_expiry().await.unwrap(), Some(T0 + 30));
}

async fn an_issued_token_is_verified_until_it_is_revoked(db: TestDb) {
    let directory = Directory::new(db.db, ManualClock::at(T0).clock());
    let acme = tenant(&directory, "acme").await;

    let (token, secret) = directory
        .issue_token(&acme, Scopes::OPERATOR, new(Scope::Provision))
        .await
        .unwrap();
    let text = TokenText::parse(secret.expose_secret()).unwrap();

    let verified = directory.verify_token(&text).await.unwrap().expect("it lives");
    assert_eq!(verified.token, token);
    assert_eq!(
        verified.tenant.map(|tenant| tenant.slug.to_string()).as_deref(),
        Some("acme")
    );

    directory.revoke_token(&acme, &token.id.to_string()).await.unwrap();
    assert!(directory.verify_token(&text).await.unwrap().is_none());
    let again = directory.revoke_token(&acme, &token.id.to_string()).await;
    assert!(matches!(again, Err(DirectoryError::TokenNotFound)));
}

async fn tokens_are_listed_by_id_while_they_live(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = Directory::new(db.db, clock.clock());
    let acme = tenant(&directory, "acme").await;
    let other = tenant(&directory, "other").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(
            directory
                .issue_token(&acme, Scopes::OPERATOR, new(Scope::Read))
                .await
                .unwrap()
                .0
                .id,
        );
    }
    directory
        .issue_token(&other, Scopes::OPERATOR, new(Scope::Read))
        .await
        .unwrap();
    let name = DisplayName::parse("token.name", "short-lived").unwrap();
    let short = NewToken::new(name, [Scope::Read].into_iter().collect(), None, Some(T0 + 1)).unwrap();
    directory.issue_token(&acme, Scopes::OPERATOR, short).await.unwrap();
    clock.advance_us(1);

    let (first, more) = directory.list_tokens(&acme, None, 2).await.unwrap();
    assert_eq!(
        (first.iter().map(|token| token.id).collect::<Vec<_>>(), more),
        (ids[..2].to_vec(), true)
    );

    let (second, more) = directory.list_tokens(&acme, Some(ids[1]), 2).await.unwrap();
    assert_eq!(
        (second.iter().map(|token| token.id).collect::<Vec<_>>(), more),
        (ids[2..].to_vec(), false)
    );
}

async fn another_tenants_token_is_not_found(db: TestDb) {
    let directory = Directory::new(db.db, ManualClock::at(T0).clock());
    let acme = tenant(&directory, "acme").await;
    let other = tenant(&directory, "other").await;
    let (token, secret) = directory
        .issue_token(&acme, Scopes::OPERATOR, new(Scope::Read))
        .await
        .unwrap();

    for stranger in [&other, &TokenOwner::Operators] {
        let refused = directory.revoke_token(stranger, &token.id.to_string()).await;
        assert!(matches!(refused, Err(DirectoryError::TokenNotFound)));
    }
    for nonsense in ["", "x", &"z".repeat(22), secret.expose_secret()] {
        assert!(matches!(
            directory.revoke_token(&acme, nonsense).await,
            Err(DirectoryError::TokenNotFound)
        ));
    }
    let text = TokenText::parse(secret.expose_secret()).unwrap();
    assert!(
        directory.verify_token(&text).await.unwrap().is_some(),
        "nobody revoked it"
    );
}

async fn only_held_scopes_are_handed_on_and_only_where_they_belong(db: TestDb) {
    let directory = Directory::new(db.db, ManualClock::at(T0).clock());
    let acme = tenant(&directory, "acme").await;
    let admin: Scopes = [Scope::Admin].into_iter().collect();

    let read = directory.issue_token(&acme, admin, new(Scope::Read)).await;
    assert!(read.is_ok(), "admin includes read");
    for (held, scope) in [
        (admin, Scope::Provision),
        (admin, Scope::Operator),
        (admin, Scope::Activate),
    ] {
        let refused = directory.issue_token(&acme, held, new(scope)).await.map(|_| ());
        assert!(
            matches!(refused, Err(DirectoryError::ScopeMissing(missing)) if missing == scope),
            "{scope:?}"
        );
    }

    let homeless = directory
        .issue_token(&TokenOwner::Operators, Scopes::OPERATOR, new(Scope::Admin))
        .await
        .map(|_| ());
    assert!(matches!(homeless, Err(DirectoryError::TenantRequired)));
    let tied = directory
        .issue_token(&acme, Scopes::OPERATOR, new(Scope::Operator))
        .await
        .map(|_| ());
    assert!(matches!(tied, Err(DirectoryError::Invalid(invalid)) if invalid.field() == "token.scopes"));
    let (operator, _) = directory
        .issue_token(&TokenOwner::Operators, Scopes::OPERATOR, new(Scope::Operator))
        .await
        .unwrap();
    assert_eq!(operator.tenant, None);

    let name = DisplayName::parse("token.name", "late").unwrap();
    let late = NewToken::new(name, admin, None, Some(T0)).unwrap();
    let late = directory.issue_token(&acme, Scopes::OPERATOR, late).await.map(|_| ());
    assert!(matches!(late, Err(DirectoryError::Invalid(invalid)) if invalid.field() == "token.expire_time"));
}
