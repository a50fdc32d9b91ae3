use std::sync::Arc;

use crate::clock::ManualClock;
use crate::directory::{Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::attribute::{ListAttribute, TextAttribute};
use crate::domain::extension::Submitted;
use crate::domain::filter::Order;
use crate::domain::group::NewGroup;
use crate::domain::id::UserId;
use crate::domain::membership::MembersChange;
use crate::domain::page::PageRequest;
use crate::domain::search::{Found, Search, Selection};
use crate::domain::tenant::ProvisioningSource;
use crate::domain::user::{Blocks, Cause, Manager, User, UserChange, UserParts, UserUpdate};
use crate::domain::version::Version;
use crate::store::StoreError;
use crate::store::testing::{T0, TestDb, WITHOUT_GROUPS, email, insert_users, on_every_database, text, user_named};

fn update(user: &User, changes: Vec<UserChange>) -> UserUpdate {
    UserUpdate {
        extensions: None,
        id: user.id,
        expected: None,
        changes,
    }
}

fn title(value: &str) -> UserChange {
    UserChange::Text(TextAttribute::Title, Some(text(value)))
}

async fn group_of(
    directory: &Directory,
    actor: &Actor,
    name: &str,
    members: Vec<UserId>,
) -> crate::domain::group::Group {
    let members = MembersChange::adding(members);
    let new = NewGroup {
        extensions: Submitted::default(),
        display_name: name.parse().unwrap(),
        external_id: None,
        members,
    };
    directory.create_group(actor, &new).await.unwrap()
}

on_every_database! { an_offset_beyond_the_end_is_an_empty_page_with_its_total }

/// RFC 7644 §3.4.2.4.
async fn an_offset_beyond_the_end_is_an_empty_page_with_its_total(db: TestDb) {
    let actor = db.tenant("acme").await;
    insert_users(&db, &actor, 3).await;
    let directory = db.directory(&ManualClock::at(T0));
    for skip in [3, 10_000_001, i64::MAX as u64] {
        let mut request = PageRequest::first(2);
        (request.skip, request.total) = (skip, true);

        let page = directory
            .list_users(actor.tenant, None, Order::default(), &request, WITHOUT_GROUPS)
            .await
            .unwrap();

        assert_eq!((page.items.len(), page.next, page.total), (0, None, Some(3)), "{skip}");
    }
}

on_every_database! { a_part_that_is_not_wanted_is_not_read }

/// What is spoilt is noticed by who reads it.
async fn a_part_that_is_not_wanted_is_not_read(db: TestDb) {
    let actor = db.tenant("acme").await;
    let tenant = actor.tenant;
    let directory = db.directory(&ManualClock::at(T0));
    let mut new = user_named("ada");
    new.manager = Some(directory.create_user(&actor, &user_named("boss")).await.unwrap().id);
    let ada = directory.create_user(&actor, &new).await.unwrap();
    group_of(&directory, &actor, "Sales", vec![ada.id]).await;
    db.sql("UPDATE users SET document = '\"spoilt\"', search_keys = '\"spoilt\"', extensions = '\"spoilt\"'")
        .await;
    let find = Search::new(
        Some(Selection {
            filter: None,
            key: None,
        }),
        None,
        false,
    )
    .unwrap();
    let page = PageRequest::first(10);
    let (profile, extensions) = ("a user's document", "extension values");

    let nothing = UserParts::default();
    for (parts, unreadable) in [
        (nothing, None),
        (
            UserParts {
                profile: true,
                ..nothing
            },
            Some(profile),
        ),
        (
            UserParts {
                manager: true,
                ..nothing
            },
            None,
        ),
        (
            UserParts {
                extensions: true,
                ..nothing
            },
            Some(extensions),
        ),
        (
            UserParts {
                groups: true,
                ..nothing
            },
            None,
        ),
    ] {
        let of_users = |read: Result<Vec<User>, DirectoryError>| match read {
            Ok(users) => {
                let read = users.iter().find(|user| user.id == ada.id).unwrap();
                assert_eq!(read.user_name, ada.user_name);
                assert_eq!(read.manager.is_some(), parts.manager);
                assert_eq!(read.groups.len(), usize::from(parts.groups));
                None
            }
            Err(DirectoryError::Store(StoreError::Unreadable(what))) => Some(what),
            Err(other) => panic!("{other:?}"),
        };
        let one = directory.get_user(tenant, ada.id, parts).await;
        assert_eq!(of_users(one.map(|user| vec![user])), unreadable);
        let batch = directory.batch_get_users(tenant, &[ada.id], parts).await;
        assert_eq!(of_users(batch), unreadable);
        let listed = directory.list_users(tenant, None, Order::default(), &page, parts).await;
        assert_eq!(of_users(listed.map(|page| page.items)), unreadable);
        let found = directory.search(tenant, &find, &page, parts).await;
        let users = found.map(|page| {
            page.items.into_iter().map(|found| match found {
                Found::User(user) => *user,
                Found::Group(group) => panic!("{group:?}"),
            })
        });
        assert_eq!(of_users(users.map(Iterator::collect)), unreadable);
    }
}

on_every_database! { a_created_user_is_read_back_with_its_change_record }

async fn a_created_user_is_read_back_with_its_change_record(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let mut boss = user_named("boss");
    boss.profile
        .set_text(TextAttribute::DisplayName, Some(text("The Boss")));
    let boss = directory.create_user(&actor, &boss).await.unwrap();
    let mut new = user_named("Ada@Example.com");
    new.manager = Some(boss.id);
    new.source_active = false;
    new.profile.set_text(TextAttribute::Title, Some(text("Countess")));
    new.profile
        .set_list(ListAttribute::Emails, vec![email("a@x.io"), email("b@x.io")]);

    let created = directory.create_user(&actor, &new).await.unwrap();

    let manager = Manager {
        id: boss.id,
        exists: true,
        display_name: Some(text("The Boss")),
    };
    assert_eq!(created.manager, Some(manager));
    let cause = Cause {
        since_us: T0,
        actor: actor.agent.to_string(),
    };
    assert_eq!(
        created.blocks,
        Blocks {
            provisioning: Some(cause),
            ..Blocks::default()
        }
    );
    assert_eq!(created.version, Version::FIRST);
    assert_eq!(
        directory
            .get_user(actor.tenant, created.id, UserParts::ALL)
            .await
            .unwrap(),
        created
    );
    let attributes = [
        "user_name",
        "enterprise.manager",
        "source_active",
        "blocks",
        "title",
        "emails",
    ];
    let attributes = attributes.map(str::to_owned).to_vec();
    assert_eq!(
        db.changes(actor.tenant).await[1],
        (1, created.id.uuid(), 1, attributes, 0)
    );
}

on_every_database! { user_names_are_unique_within_a_tenant_ignoring_case }

async fn user_names_are_unique_within_a_tenant_ignoring_case(db: TestDb) {
    let (acme, other) = (db.tenant("acme").await, db.tenant("other").await);
    let directory = db.directory(&ManualClock::at(T0));
    let ada = directory.create_user(&acme, &user_named("Ärger@x.io")).await.unwrap();
    let bob = directory.create_user(&acme, &user_named("bob")).await.unwrap();

    for same in ["ärger@x.io", "ÄRGER@X.IO", "a\u{308}rger@x.io"] {
        let again = directory.create_user(&acme, &user_named(same)).await;
        assert!(matches!(again, Err(DirectoryError::UserNameTaken)), "{same}: {again:?}");
        let rename = update(&bob, vec![UserChange::UserName(same.parse().unwrap())]);
        let renamed = directory.update_user(&acme, &rename).await;
        assert!(
            matches!(renamed, Err(DirectoryError::UserNameTaken)),
            "{same}: {renamed:?}"
        );
    }
    directory.create_user(&other, &user_named("ärger@x.io")).await.unwrap();
    let spelled = UserChange::UserName("ärger@X.io".parse().unwrap());
    let respelled = directory
        .update_user(&acme, &update(&ada, vec![spelled]))
        .await
        .unwrap();
    assert_eq!(
        (respelled.user_name.as_str(), respelled.version.get()),
        ("ärger@X.io", 2)
    );
    assert_eq!(
        db.changes(acme.tenant).await.len(),
        3,
        "a refused write leaves no record"
    );
}

on_every_database! { what_changes_nothing_writes_nothing }

async fn what_changes_nothing_writes_nothing(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let mut new = user_named("ada");
    new.profile.set_text(TextAttribute::Title, Some(text("Dr")));
    new.profile.set_list(ListAttribute::Emails, vec![email("a@x.io")]);
    let created = directory.create_user(&actor, &new).await.unwrap();
    clock.advance_us(5);

    let same = vec![
        title("Dr"),
        UserChange::List(ListAttribute::Emails, vec![email("a@x.io")]),
        UserChange::List(ListAttribute::Roles, Vec::new()),
        UserChange::Manager(None),
        UserChange::SourceActive(true),
    ];
    let unchanged = directory.update_user(&actor, &update(&created, same)).await.unwrap();

    assert_eq!(unchanged, created);
    assert_eq!(db.changes(actor.tenant).await.len(), 1);
}

on_every_database! { an_update_changes_values_index_version_time_and_record }

async fn an_update_changes_values_index_version_time_and_record(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let mut new = user_named("ada");
    new.profile.set_list(ListAttribute::Emails, vec![email("a@x.io")]);
    let created = directory.create_user(&actor, &new).await.unwrap();
    let group = group_of(&directory, &actor, "Sales", vec![created.id]).await;
    clock.advance_us(5);

    let changes = vec![
        title("Dr"),
        UserChange::List(ListAttribute::Emails, vec![email("b@x.io"), email("c@x.io")]),
        UserChange::Manager(Some(created.id)),
        UserChange::SourceActive(false),
    ];
    let changed = directory.update_user(&actor, &update(&created, changes)).await.unwrap();

    assert_eq!(
        (changed.version.get(), changed.created_us, changed.updated_us),
        (2, T0, T0 + 5)
    );
    assert_eq!(changed.groups[0].id, group.id);
    assert!(changed.manager.as_ref().unwrap().exists, "one may manage oneself");
    assert_eq!(
        directory
            .get_user(actor.tenant, created.id, UserParts::ALL)
            .await
            .unwrap(),
        changed
    );
    let records = db.changes(actor.tenant).await;
    let attributes = ["enterprise.manager", "source_active", "blocks", "title", "emails"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(records.last(), Some(&(2, created.id.uuid(), 2, attributes, 0)));
}

on_every_database! { an_expected_version_that_does_not_match_is_refused }

async fn an_expected_version_that_does_not_match_is_refused(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let created = directory.create_user(&actor, &user_named("ada")).await.unwrap();
    let at = |version| UserUpdate {
        extensions: None,
        id: created.id,
        expected: Some(Version::new(version)),
        changes: vec![title("Dr")],
    };

    let refused = directory.update_user(&actor, &at(2)).await;
    assert!(matches!(refused, Err(DirectoryError::VersionMismatch)), "{refused:?}");
    let refused = directory.delete_user(&actor, created.id, Some(Version::new(2))).await;
    assert!(matches!(refused, Err(DirectoryError::VersionMismatch)), "{refused:?}");
    directory.update_user(&actor, &at(1)).await.unwrap();
    directory
        .delete_user(&actor, created.id, Some(Version::new(2)))
        .await
        .unwrap();
}

on_every_database! { only_the_tenants_own_source_writes }

async fn only_the_tenants_own_source_writes(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let created = directory.create_user(&actor, &user_named("ada")).await.unwrap();
    let foreign = Actor {
        source: Some(ProvisioningSource::parse("source", "okta").unwrap()),
        ..actor.clone()
    };
    let nobody = Actor {
        source: None,
        ..actor.clone()
    };

    for actor in [&foreign, &nobody] {
        let refusals = [
            directory.create_user(actor, &user_named("bob")).await.map(|_| ()),
            directory
                .update_user(actor, &update(&created, vec![title("Dr")]))
                .await
                .map(|_| ()),
            directory.delete_user(actor, created.id, None).await,
        ];
        for refused in refusals {
            let Err(DirectoryError::SourceConflict {
                tenant_source,
                token_source,
            }) = refused
            else {
                panic!("{refused:?}");
            };
            assert_eq!((tenant_source.as_str(), token_source), ("entra", actor.source.clone()));
        }
    }
    assert_eq!(
        directory
            .get_user(actor.tenant, created.id, WITHOUT_GROUPS)
            .await
            .unwrap(),
        created
    );
}

on_every_database! { a_deleted_user_leaves_a_tombstone_and_nothing_else }

async fn a_deleted_user_leaves_a_tombstone_and_nothing_else(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let mut new = user_named("ada");
    new.profile.set_list(ListAttribute::Emails, vec![email("a@x.io")]);
    let ada = directory.create_user(&actor, &new).await.unwrap();
    let mut report = user_named("bob");
    report.manager = Some(ada.id);
    let report = directory.create_user(&actor, &report).await.unwrap();
    let sales = group_of(&directory, &actor, "Sales", vec![ada.id, report.id]).await;
    let before = db.changes(actor.tenant).await.len();
    clock.advance_us(7);

    directory.delete_user(&actor, ada.id, None).await.unwrap();

    let gone = directory.get_user(actor.tenant, ada.id, WITHOUT_GROUPS).await;
    assert!(matches!(gone, Err(DirectoryError::UserNotFound)), "{gone:?}");
    let again = directory.delete_user(&actor, ada.id, None).await;
    assert!(matches!(again, Err(DirectoryError::UserNotFound)), "{again:?}");
    let group = directory.get_group(actor.tenant, sales.id, true).await.unwrap();
    assert_eq!((group.version.get(), group.updated_us), (2, T0 + 7));
    let records = db.changes(actor.tenant).await;
    let removed = (5, sales.id.uuid(), 2, vec!["members".to_owned()], 1);
    assert_eq!(records[before..], [removed, (3, ada.id.uuid(), 2, Vec::new(), 0)]);
    let orphan = directory
        .get_user(actor.tenant, report.id, WITHOUT_GROUPS)
        .await
        .unwrap();
    assert!(!orphan.manager.unwrap().exists);
    let left = crate::store::testing::rows_of(&db, ada.id.uuid()).await;
    assert_eq!(left, ["tombstones"]);
    directory
        .create_user(&actor, &user_named("ADA"))
        .await
        .expect("the name is free at once");
}

on_every_database! { another_tenants_user_does_not_exist }

async fn another_tenants_user_does_not_exist(db: TestDb) {
    let (acme, other) = (db.tenant("acme").await, db.tenant("other").await);
    let directory = db.directory(&ManualClock::at(T0));
    let ada = directory.create_user(&acme, &user_named("ada")).await.unwrap();

    let refusals = [
        directory
            .get_user(other.tenant, ada.id, UserParts::ALL)
            .await
            .map(|_| ()),
        directory
            .update_user(&other, &update(&ada, vec![title("Dr")]))
            .await
            .map(|_| ()),
        directory.delete_user(&other, ada.id, None).await,
    ];
    for refused in refusals {
        assert!(matches!(refused, Err(DirectoryError::UserNotFound)), "{refused:?}");
    }
    assert!(
        directory
            .batch_get_users(other.tenant, &[ada.id], UserParts::ALL)
            .await
            .unwrap()
            .is_empty()
    );
}

on_every_database! { a_batch_comes_in_the_order_of_the_request_with_groups }

async fn a_batch_comes_in_the_order_of_the_request_with_groups(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(directory.create_user(&actor, &user_named(name)).await.unwrap().id);
    }
    group_of(&directory, &actor, "One", vec![ids[0], ids[1]]).await;
    group_of(&directory, &actor, "Two", vec![ids[0]]).await;

    let asked = [ids[2], UserId::generate(), ids[0], ids[1]];
    let users = directory
        .batch_get_users(actor.tenant, &asked, UserParts::ALL)
        .await
        .unwrap();

    let shown = |user: &User| {
        let groups = user.groups.iter().map(|group| group.display_name.as_str().to_owned());
        (user.user_name.as_str().to_owned(), groups.collect::<Vec<_>>().join(","))
    };
    let expected = [("c", ""), ("a", "One,Two"), ("b", "One")].map(|(name, groups)| (name.into(), groups.into()));
    assert_eq!(users.iter().map(shown).collect::<Vec<(String, String)>>(), expected);
    let many = vec![ids[0]; 1_001];
    assert!(matches!(
        directory.batch_get_users(actor.tenant, &many, UserParts::ALL).await,
        Err(DirectoryError::Invalid(_))
    ));
}

on_every_database! { writers_that_meet_all_win_or_are_told }

async fn writers_that_meet_all_win_or_are_told(db: TestDb) {
    let actor = Arc::new(db.tenant("acme").await);
    let directory = db.directory(&ManualClock::at(T0));
    let ada = directory.create_user(&actor, &user_named("ada")).await.unwrap();
    let bob = directory.create_user(&actor, &user_named("bob")).await.unwrap();
    let sales = group_of(&directory, &actor, "Sales", vec![bob.id]).await;

    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..12 {
        let (directory, actor, ada, bob, sales) = (directory.clone(), actor.clone(), ada.clone(), bob.id, sales.id);
        tasks.spawn(async move {
            let mut members = crate::domain::group::GroupUpdate::of(sales);
            members.members = Some(MembersChange::adding(vec![ada.id, bob]));
            match index % 3 {
                0 => directory
                    .update_user(&actor, &update(&ada, vec![title(&index.to_string())]))
                    .await
                    .map(|_| ()),
                1 => directory.update_group(&actor, &members).await.map(|_| ()),
                _ => directory.delete_user(&actor, bob, None).await,
            }
        });
    }
    let mut deleted = 0;
    while let Some(outcome) = tasks.join_next().await {
        match outcome.unwrap() {
            Ok(()) => deleted += 1,
            Err(DirectoryError::UserNotFound | DirectoryError::MembersNotFound { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    assert!(deleted >= 5, "four updates and one deletion win");
    assert_eq!(
        directory
            .get_user(actor.tenant, ada.id, WITHOUT_GROUPS)
            .await
            .unwrap()
            .version
            .get(),
        5
    );
}

on_every_database! { a_user_that_comes_into_a_group_while_it_is_deleted_leaves_it_again }

async fn a_user_that_comes_into_a_group_while_it_is_deleted_leaves_it_again(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let ada = directory.create_user(&actor, &user_named("ada")).await.unwrap();
    let sales = group_of(&directory, &actor, "Sales", Vec::new()).await;
    let tx = db.db.begin_write().await.unwrap();
    crate::store::users::lock_members(&tx, actor.tenant, &[ada.id])
        .await
        .unwrap();
    crate::store::memberships::insert(&tx, actor.tenant, sales.id, &[ada.id], T0)
        .await
        .unwrap();

    let deletion = {
        let (directory, actor, id) = (directory.clone(), actor.clone(), ada.id);
        tokio::spawn(async move { directory.delete_user(&actor, id, None).await })
    };
    db.until_somebody_waits_for_a_lock().await;
    tx.commit().await.unwrap();
    deletion.await.unwrap().unwrap();

    assert_eq!(
        directory
            .get_group(actor.tenant, sales.id, true)
            .await
            .unwrap()
            .version
            .get(),
        2
    );
    assert_eq!(crate::store::testing::rows_of(&db, ada.id.uuid()).await, ["tombstones"]);
}
