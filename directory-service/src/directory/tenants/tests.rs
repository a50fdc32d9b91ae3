use secrecy::ExposeSecret as _;

use super::*;
use crate::clock::ManualClock;
use crate::directory::TokenOwner;
use crate::domain::actor::Agent;
use crate::domain::tenant::{DisplayName, Setting, Settings};
use crate::domain::token::{NewToken, Scope, Scopes, TokenId, TokenText};
use crate::store::tenants::testing::{count, fill};
use crate::store::testing::{TestDb, on_every_database};

const T0: i64 = 1_700_000_000_000_000;

on_every_database! {
    a_slug_belongs_to_one_tenant
    tenants_are_listed_by_slug
    an_update_that_changes_nothing_leaves_no_trace
    a_tenant_with_users_goes_only_by_force_and_takes_everything_along
}

fn actor() -> Actor {
    Actor {
        tenant: TenantId::generate(),
        agent: Agent::Token(TokenId::generate()),
        source: None,
        request_id: None,
        trace_id: None,
    }
}

fn new(slug: &str) -> NewTenant {
    NewTenant {
        slug: slug.parse().unwrap(),
        settings: Settings::named(DisplayName::parse("display_name", slug).unwrap()),
    }
}

async fn a_slug_belongs_to_one_tenant(db: TestDb) {
    let directory = Directory::new(db.db.clone(), ManualClock::at(T0).clock());
    let created = directory.create_tenant(&actor(), &new("acme")).await.unwrap();

    let again = directory.create_tenant(&actor(), &new("acme")).await;

    assert!(matches!(again, Err(DirectoryError::TenantSlugTaken)));
    assert_eq!(directory.get_tenant("acme").await.unwrap(), created);
    assert!(matches!(
        directory.get_tenant("Acme").await,
        Err(DirectoryError::TenantNotFound)
    ));
    assert_eq!(count(&db.db, "changes").await, 1);
}

async fn tenants_are_listed_by_slug(db: TestDb) {
    let directory = Directory::new(db.db, ManualClock::at(T0).clock());
    for slug in ["b", "a-1", "c", "a"] {
        directory.create_tenant(&actor(), &new(slug)).await.unwrap();
    }
    let slugs = |tenants: Vec<Tenant>| {
        tenants
            .into_iter()
            .map(|tenant| tenant.slug.to_string())
            .collect::<Vec<_>>()
    };

    let (first, more) = directory.list_tenants(None, 3).await.unwrap();
    assert_eq!(
        (slugs(first), more),
        (vec!["a".to_owned(), "a-1".to_owned(), "b".to_owned()], true)
    );
    let (second, more) = directory.list_tenants(Some("b"), 3).await.unwrap();
    assert_eq!((slugs(second), more), (vec!["c".to_owned()], false));
}

async fn an_update_that_changes_nothing_leaves_no_trace(db: TestDb) {
    let directory = Directory::new(db.db.clone(), ManualClock::at(T0).clock());
    let actor = actor();
    directory.create_tenant(&actor, &new("acme")).await.unwrap();

    let same = [Setting::StrictPatch(false)];
    assert_eq!(directory.update_tenant(&actor, &same).await.unwrap().version, 1);
    assert_eq!(count(&db.db, "changes").await, 1);

    let strict = [Setting::StrictPatch(true)];
    let updated = directory.update_tenant(&actor, &strict).await.unwrap();
    assert_eq!((updated.version, updated.settings.strict_patch), (2, true));
    assert_eq!(directory.get_tenant("acme").await.unwrap(), updated);
    assert_eq!(count(&db.db, "changes").await, 2);
}

async fn a_tenant_with_users_goes_only_by_force_and_takes_everything_along(db: TestDb) {
    let directory = Directory::new(db.db.clone(), ManualClock::at(T0).clock());
    let (acme, other) = (actor(), actor());
    directory.create_tenant(&acme, &new("acme")).await.unwrap();
    directory.create_tenant(&other, &new("other")).await.unwrap();
    let name = DisplayName::parse("token.name", "a token").unwrap();
    let token = NewToken::new(name, [Scope::Read].into_iter().collect(), None, None).unwrap();
    let (_, secret) = directory
        .issue_token(&TokenOwner::Tenant(acme.clone()), Scopes::OPERATOR, token)
        .await
        .unwrap();
    for tenant in [&acme, &other] {
        fill(&db.db, tenant.tenant, 3).await;
    }

    let refused = directory.delete_tenant("acme", false).await;
    assert!(matches!(refused, Err(DirectoryError::TenantNotEmpty)));
    let text = TokenText::parse(secret.expose_secret()).unwrap();
    assert!(
        directory.verify_token(&text).await.unwrap().is_some(),
        "a refusal revokes nothing"
    );

    directory.delete_tenant("acme", true).await.unwrap();

    assert!(matches!(
        directory.get_tenant("acme").await,
        Err(DirectoryError::TenantNotFound)
    ));
    assert!(directory.verify_token(&text).await.unwrap().is_none());
    for (table, rows) in [
        ("users", 3),
        ("groups", 1),
        ("memberships", 3),
        ("changes", 1),
        ("tokens", 0),
        ("tenants", 1),
    ] {
        assert_eq!(
            count(&db.db, table).await,
            rows,
            "{table}: what is left is the other tenant's"
        );
    }
    assert!(matches!(
        directory.delete_tenant("acme", true).await,
        Err(DirectoryError::TenantNotFound)
    ));
}
