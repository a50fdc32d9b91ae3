use crate::clock::ManualClock;
use crate::directory::{Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::extension::Submitted;
use crate::domain::filter::Order;
use crate::domain::group::{Group, GroupUpdate, NewGroup};
use crate::domain::id::{GroupId, UserId};
use crate::domain::membership::{MembersChange, MembershipCheck};
use crate::domain::page::PageRequest;
use crate::domain::tenant::{GroupDeletionPolicy, Setting};
use crate::domain::text::ExternalId;
use crate::domain::user::{Blocks, Cause, GroupDeleted, UserChange, UserParts, UserUpdate};
use crate::domain::version::Version;
use crate::store::StoreError;
use crate::store::testing::{T0, TestDb, WITHOUT_GROUPS, on_every_database, text, user_named};

fn named(name: &str, external_id: Option<&str>, members: Vec<UserId>) -> NewGroup {
    let external_id = external_id.map(|id| ExternalId::from_row(id.to_owned()));
    NewGroup {
        extensions: Submitted::default(),
        display_name: name.parse().unwrap(),
        external_id,
        members: MembersChange::adding(members),
    }
}

fn changing(group: &Group, members: MembersChange) -> GroupUpdate {
    GroupUpdate {
        members: Some(members),
        ..GroupUpdate::of(group.id)
    }
}

async fn users(directory: &Directory, actor: &Actor, count: usize) -> Vec<UserId> {
    let mut ids = Vec::new();
    for index in 0..count {
        ids.push(
            directory
                .create_user(actor, &user_named(&format!("user-{index}")))
                .await
                .unwrap()
                .id,
        );
    }
    ids
}

async fn members(directory: &Directory, actor: &Actor, group: GroupId) -> Vec<UserId> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest::first(7_000).after(after);
        let page = directory.list_members(actor.tenant, group, &request).await.unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

on_every_database! { extension_values_that_are_not_wanted_are_not_read }

/// What is spoilt is noticed by who reads it.
async fn extension_values_that_are_not_wanted_are_not_read(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let sales = named("Sales", None, Vec::new());
    let sales = directory.create_group(&actor, &sales).await.unwrap();
    db.sql("UPDATE groups SET extensions = '\"spoilt\"'").await;
    let page = PageRequest::first(10);

    for extensions in [false, true] {
        let one = directory.get_group(actor.tenant, sales.id, extensions).await;
        let all = directory.list_groups(actor.tenant, None, Order::default(), &page, extensions);
        for read in [one.map(|group| vec![group]), all.await.map(|page| page.items)] {
            match read {
                Ok(groups) => assert_eq!((groups, extensions), (vec![sales.clone()], false)),
                Err(DirectoryError::Store(StoreError::Unreadable(_))) => assert!(extensions),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

on_every_database! { a_name_may_be_used_again_with_another_external_id }

async fn a_name_may_be_used_again_with_another_external_id(db: TestDb) {
    let (acme, other) = (db.tenant("acme").await, db.tenant("other").await);
    let directory = db.directory(&ManualClock::at(T0));
    let first = directory
        .create_group(&acme, &named("Ärger", None, Vec::new()))
        .await
        .unwrap();
    let second = directory
        .create_group(&acme, &named("Ärger", Some("X"), Vec::new()))
        .await
        .unwrap();

    for (name, external_id) in [("ÄRGER", None), ("a\u{308}rger", Some("")), ("ärger", Some("X"))] {
        let again = directory
            .create_group(&acme, &named(name, external_id, Vec::new()))
            .await;
        assert!(matches!(again, Err(DirectoryError::GroupTaken)), "{name}: {again:?}");
    }
    let update = GroupUpdate {
        external_id: Some(None),
        ..GroupUpdate::of(second.id)
    };
    assert!(matches!(
        directory.update_group(&acme, &update).await,
        Err(DirectoryError::GroupTaken)
    ));
    directory
        .create_group(&acme, &named("ärger", Some("x"), Vec::new()))
        .await
        .expect("compared exactly");
    directory
        .create_group(&other, &named("Ärger", None, Vec::new()))
        .await
        .expect("another tenant");
    assert_eq!(directory.get_group(acme.tenant, first.id, true).await.unwrap(), first);
}

on_every_database! { members_change_by_sets_with_one_version_and_their_records }

async fn members_change_by_sets_with_one_version_and_their_records(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let ids = users(&directory, &actor, 4).await;
    let group = directory
        .create_group(&actor, &named("Sales", None, vec![ids[0], ids[1], ids[0]]))
        .await
        .unwrap();
    let before = db.changes(actor.tenant).await.len();
    clock.advance_us(3);

    let change = MembersChange {
        remove: vec![ids[0], ids[2], ids[3], UserId::generate()],
        add: vec![ids[2], ids[1]],
        ..MembersChange::default()
    };
    let update = GroupUpdate {
        display_name: Some("Sellers".parse().unwrap()),
        ..changing(&group, change)
    };
    let changed = directory.update_group(&actor, &update).await.unwrap();

    assert_eq!(
        (changed.version.get(), changed.updated_us, changed.display_name.as_str()),
        (2, T0 + 3, "Sellers")
    );
    assert_eq!(members(&directory, &actor, group.id).await, ids[1..3]);
    let member_record = |kind, count| (kind, group.id.uuid(), 2, vec!["members".to_owned()], count);
    let updated = (2, group.id.uuid(), 2, vec!["display_name".to_owned()], 0);
    assert_eq!(
        db.changes(actor.tenant).await[before..],
        [updated, member_record(5, 1), member_record(4, 1)]
    );
    assert_eq!(
        directory.get_group(actor.tenant, group.id, true).await.unwrap(),
        changed
    );
}

on_every_database! { members_that_are_there_or_not_there_already_change_nothing }

async fn members_that_are_there_or_not_there_already_change_nothing(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let ids = users(&directory, &actor, 2).await;
    let group = directory
        .create_group(&actor, &named("Sales", None, vec![ids[0]]))
        .await
        .unwrap();
    let before = db.changes(actor.tenant).await;

    let same = MembersChange {
        remove: vec![ids[1]],
        add: vec![ids[0]],
        ..MembersChange::default()
    };
    let mut update = changing(&group, same);
    update.display_name = Some(group.display_name.clone());
    update.external_id = Some(None);
    let replaced = MembersChange {
        remove_all: true,
        add: vec![ids[0]],
        ..MembersChange::default()
    };

    assert_eq!(directory.update_group(&actor, &update).await.unwrap(), group);
    assert_eq!(
        directory
            .update_group(&actor, &changing(&group, replaced))
            .await
            .unwrap(),
        group
    );
    assert_eq!(db.changes(actor.tenant).await, before);
}

on_every_database! { unknown_members_and_groups_are_refused_by_name }

async fn unknown_members_and_groups_are_refused_by_name(db: TestDb) {
    let (actor, other) = (db.tenant("acme").await, db.tenant("other").await);
    let directory = db.directory(&ManualClock::at(T0));
    let ids = users(&directory, &actor, 1).await;
    let theirs = users(&directory, &other, 1).await[0];
    let group = directory
        .create_group(&actor, &named("Sales", None, ids.clone()))
        .await
        .unwrap();
    let unknown = UserId::generate();
    let add = |add: Vec<UserId>, unknown: Vec<String>| {
        changing(
            &group,
            MembersChange {
                add,
                unknown,
                ..MembersChange::default()
            },
        )
    };

    let refused = directory
        .update_group(&actor, &add(vec![ids[0], unknown, theirs], vec!["x".to_owned()]))
        .await;
    let Err(DirectoryError::MembersNotFound { count, ids: named_ids }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (count, named_ids),
        (3, vec![theirs.to_string(), unknown.to_string(), "x".to_owned()])
    );
    let as_user = UserId::from_uuid(group.id.uuid());
    let refused = directory
        .create_group(&actor, &named("Nested", None, vec![as_user, unknown]))
        .await;
    let Err(DirectoryError::MembersAreGroups { count, ids: named_ids }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((count, named_ids), (1, vec![group.id.to_string()]));
    let many = (0..30).map(|_| UserId::generate()).collect();
    let refused = directory.update_group(&actor, &add(many, Vec::new())).await;
    let Err(DirectoryError::MembersNotFound { count, ids: named_ids }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((count, named_ids.len()), (30, 20));
    let too_many = (0..100_001).map(|_| unknown).collect();
    let refused = directory.update_group(&actor, &add(too_many, Vec::new())).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid(_))), "{refused:?}");
    assert_eq!(directory.get_group(actor.tenant, group.id, true).await.unwrap(), group);
}

on_every_database! { many_members_are_written_in_chunks }

async fn many_members_are_written_in_chunks(db: TestDb) {
    const MANY: usize = 25_000;
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let ids = crate::store::testing::insert_users(&db, &actor, MANY).await;
    let group = directory
        .create_group(&actor, &named("Everybody", None, ids.clone()))
        .await
        .unwrap();

    assert_eq!(members(&directory, &actor, group.id).await, ids);
    let records = db.changes(actor.tenant).await;
    assert_eq!(records.len(), 26);
    assert!(records[1..].iter().all(|record| (record.0, record.4) == (4, 1_000)));

    let kept: Vec<_> = ids.iter().copied().step_by(2).collect();
    let replace = MembersChange {
        remove_all: true,
        add: kept.clone(),
        ..MembersChange::default()
    };
    let replaced = directory
        .update_group(&actor, &changing(&group, replace))
        .await
        .unwrap();
    assert_eq!(replaced.version.get(), 2);
    assert_eq!(members(&directory, &actor, group.id).await, kept);

    let others: Vec<_> = ids.iter().copied().skip(1).step_by(2).collect();
    let remove = MembersChange {
        remove: ids.clone(),
        add: others.clone(),
        ..MembersChange::default()
    };
    directory.update_group(&actor, &changing(&group, remove)).await.unwrap();
    assert_eq!(members(&directory, &actor, group.id).await, others);

    let clear = MembersChange {
        remove_all: true,
        ..MembersChange::default()
    };
    directory.update_group(&actor, &changing(&group, clear)).await.unwrap();
    assert!(members(&directory, &actor, group.id).await.is_empty());
    let total: usize = db
        .changes(actor.tenant)
        .await
        .iter()
        .filter(|record| record.0 == 5)
        .map(|record| record.4)
        .sum();
    assert_eq!(total, 12_500 + 12_500 + 12_500);
}

on_every_database! { naming_a_member_lifts_group_deleted_and_nothing_else }

async fn naming_a_member_lifts_group_deleted_and_nothing_else(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let ids = users(&directory, &actor, 3).await;
    let group = directory
        .create_group(&actor, &named("Sales", None, vec![ids[0]]))
        .await
        .unwrap();
    db.sql(
        "UPDATE users SET group_deleted_since_us = 1, group_deleted_actor = 't', group_deleted_group_name = 'Old',
         group_deleted_group_id = tenant_id, administrator_since_us = 2, administrator_actor = 'a'",
    )
    .await;
    clock.advance_us(9);
    let before = db.changes(actor.tenant).await.len();

    let add = MembersChange::adding(vec![ids[0], ids[1]]);
    let changed = directory
        .update_group(&actor, &changing(&group, add.clone()))
        .await
        .unwrap();

    assert_eq!(changed.version.get(), 2);
    let administrator = Some(Cause {
        since_us: 2,
        actor: "a".to_owned(),
    });
    for id in &ids[..2] {
        let user = directory.get_user(actor.tenant, *id, WITHOUT_GROUPS).await.unwrap();
        assert_eq!(
            user.blocks,
            Blocks {
                administrator: administrator.clone(),
                ..Blocks::default()
            }
        );
        assert_eq!((user.version.get(), user.updated_us), (2, T0 + 9));
    }
    let untouched = directory.get_user(actor.tenant, ids[2], WITHOUT_GROUPS).await.unwrap();
    let group_deleted = GroupDeleted {
        cause: Cause {
            since_us: 1,
            actor: "t".to_owned(),
        },
        group_id: GroupId::from_uuid(actor.tenant.uuid()),
        group_name: text("Old"),
    };
    assert_eq!(untouched.blocks.group_deleted, Some(group_deleted));
    let mut lifts = db.changes(actor.tenant).await.split_off(before);
    assert_eq!(lifts.remove(0), (4, group.id.uuid(), 2, vec!["members".to_owned()], 1));
    lifts.sort_by_key(|record| record.1);
    let lift = |id: UserId| (2, id.uuid(), 2, vec!["blocks".to_owned()], 0);
    assert_eq!(lifts, [lift(ids[0]), lift(ids[1])]);
    let again = directory.update_group(&actor, &changing(&group, add)).await.unwrap();
    assert_eq!(again.version.get(), 2);

    let touch = UserUpdate {
        extensions: None,
        id: ids[2],
        expected: None,
        changes: vec![UserChange::ExternalId(None)],
    };
    let touched = directory.update_user(&actor, &touch).await.unwrap();
    assert_eq!((touched.blocks.group_deleted, touched.version.get()), (None, 2));
}

on_every_database! { a_deleted_group_takes_its_memberships_along }

async fn a_deleted_group_takes_its_memberships_along(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let keep = [Setting::OnGroupDeletion(GroupDeletionPolicy::KeepMembers)];
    directory.update_tenant(&actor, &keep).await.unwrap();
    let ids = users(&directory, &actor, 2).await;
    let group = directory
        .create_group(&actor, &named("Sales", None, ids.clone()))
        .await
        .unwrap();

    let refused = directory.delete_group(&actor, group.id, Some(Version::new(7))).await;
    assert!(matches!(refused, Err(DirectoryError::VersionMismatch)), "{refused:?}");
    directory
        .delete_group(&actor, group.id, Some(Version::FIRST))
        .await
        .unwrap();

    let gone = directory.delete_group(&actor, group.id, None).await;
    assert!(matches!(gone, Err(DirectoryError::GroupNotFound)), "{gone:?}");
    let user = directory.get_user(actor.tenant, ids[0], UserParts::ALL).await.unwrap();
    assert_eq!((user.groups, user.version.get()), (Vec::new(), 1));
    assert_eq!(
        db.changes(actor.tenant).await.last(),
        Some(&(3, group.id.uuid(), 2, Vec::new(), 0))
    );
    assert_eq!(
        crate::store::testing::rows_of(&db, group.id.uuid()).await,
        ["tombstones"]
    );
    directory
        .create_group(&actor, &named("Sales", None, ids))
        .await
        .expect("the name is free at once");
}

on_every_database! { memberships_are_listed_and_checked_from_both_sides }

async fn memberships_are_listed_and_checked_from_both_sides(db: TestDb) {
    let (actor, other) = (db.tenant("acme").await, db.tenant("other").await);
    let directory = db.directory(&ManualClock::at(T0));
    let ids = users(&directory, &actor, 2).await;
    let disable = UserUpdate {
        extensions: None,
        id: ids[1],
        expected: None,
        changes: vec![UserChange::SourceActive(false)],
    };
    directory.update_user(&actor, &disable).await.unwrap();
    let mut groups = Vec::new();
    for name in ["a", "b", "c"] {
        groups.push(
            directory
                .create_group(&actor, &named(name, None, vec![ids[0]]))
                .await
                .unwrap(),
        );
    }
    let check = |group: GroupId, user: UserId| directory.check_membership(actor.tenant, group, user);

    let first = directory
        .list_user_groups(actor.tenant, ids[0], &PageRequest::first(2))
        .await
        .unwrap();
    let rest = PageRequest::first(2).after(first.next);
    let rest = directory.list_user_groups(actor.tenant, ids[0], &rest).await.unwrap();
    assert_eq!([first.items, rest.items].concat(), groups);
    assert_eq!(rest.next, None);
    assert!(
        directory
            .list_user_groups(actor.tenant, ids[1], &PageRequest::first(2))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let member = MembershipCheck {
        member: true,
        blocked: false,
    };
    assert_eq!(check(groups[0].id, ids[0]).await.unwrap(), member);
    let blocked = MembershipCheck {
        member: false,
        blocked: true,
    };
    assert_eq!(check(groups[0].id, ids[1]).await.unwrap(), blocked);
    assert!(matches!(
        check(GroupId::generate(), ids[0]).await,
        Err(DirectoryError::GroupNotFound)
    ));
    assert!(matches!(
        check(groups[0].id, UserId::generate()).await,
        Err(DirectoryError::UserNotFound)
    ));
    let theirs = directory.check_membership(other.tenant, groups[0].id, ids[0]).await;
    assert!(matches!(theirs, Err(DirectoryError::GroupNotFound)));
    let page = PageRequest::first(5);
    let theirs = directory.list_members(other.tenant, groups[0].id, &page).await;
    assert!(matches!(theirs, Err(DirectoryError::GroupNotFound)));
    let theirs = directory.list_user_groups(other.tenant, ids[0], &page).await;
    assert!(matches!(theirs, Err(DirectoryError::UserNotFound)));
}
