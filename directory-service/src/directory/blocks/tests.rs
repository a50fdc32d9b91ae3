use crate::clock::ManualClock;
use crate::directory::{Blocked, Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::group::NewGroup;
use crate::domain::id::UserId;
use crate::domain::membership::MembersChange;
use crate::domain::tenant::{GroupDeletionPolicy, ProvisioningSource, Setting};
use crate::domain::user::{Cause, User, UserChange, UserParts, UserUpdate};
use crate::domain::version::Version;
use crate::store::testing::{T0, TestDb, on_every_database, user_named};

on_every_database! {
    an_administrators_block_stands_beside_the_sources_word
    the_source_lifts_an_administrators_block_only_where_the_tenant_says_so
    unblocking_never_touches_the_sources_word
    the_deletion_of_a_group_blocks_whom_the_policy_says
    two_groups_deleted_at_once_leave_their_shared_member_blocked
    a_deletion_beside_an_add_to_another_group_leaves_the_user_unblocked
    a_group_of_many_members_is_deleted_by_few_statements
}

/// An administrator is of no provisioning source.
fn administrator(actor: &Actor) -> Actor {
    Actor {
        source: None,
        ..actor.clone()
    }
}

fn saying(id: UserId, active: bool) -> UserUpdate {
    UserUpdate {
        id,
        expected: None,
        changes: vec![UserChange::SourceActive(active)],
        extensions: None,
    }
}

fn group(name: &str, members: &[UserId]) -> NewGroup {
    NewGroup {
        display_name: name.parse().unwrap(),
        external_id: None,
        members: MembersChange::adding(members.to_vec()),
        extensions: Default::default(),
    }
}

async fn read(directory: &Directory, actor: &Actor, id: UserId) -> User {
    directory.get_user(actor.tenant, id, UserParts::ALL).await.unwrap()
}

async fn an_administrators_block_stands_beside_the_sources_word(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let admin = administrator(&actor);
    let id = directory.create_user(&actor, &user_named("ada")).await.unwrap().id;
    clock.advance_us(5);

    let stale = directory.block_user(&admin, id, Some(Version::new(7))).await;
    assert!(matches!(stale, Err(DirectoryError::VersionMismatch)), "{stale:?}");
    let Blocked { user, source_may_lift } = directory.block_user(&admin, id, Some(Version::FIRST)).await.unwrap();

    let cause = Cause {
        since_us: T0 + 5,
        actor: admin.agent.to_string(),
    };
    assert_eq!(
        (user.blocks.administrator.as_ref(), source_may_lift),
        (Some(&cause), false)
    );
    assert!(user.blocks.source_active());
    assert_eq!(user.version.get(), 2);
    clock.advance_us(5);
    let again = directory.block_user(&admin, id, None).await.unwrap();
    assert_eq!(again.user, user, "a block that is there stays as it is");
    assert_eq!(
        db.changes(actor.tenant).await.last(),
        Some(&(2, id.uuid(), 2, vec!["blocks".to_owned()], 0))
    );
    let nobody = directory.block_user(&admin, UserId::generate(), None).await;
    assert!(matches!(nobody, Err(DirectoryError::UserNotFound)), "{nobody:?}");
}

async fn the_source_lifts_an_administrators_block_only_where_the_tenant_says_so(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let id = directory.create_user(&actor, &user_named("ada")).await.unwrap().id;
    directory.block_user(&administrator(&actor), id, None).await.unwrap();

    let user = directory.update_user(&actor, &saying(id, true)).await.unwrap();
    assert!(user.blocks.administrator.is_some());

    let yields = [Setting::AdministratorBlockYieldsToSource(true)];
    directory.update_tenant(&actor, &yields).await.unwrap();
    assert!(
        read(&directory, &actor, id).await.blocks.any(),
        "a setting alone lets nobody in"
    );
    let blocked = directory.block_user(&administrator(&actor), id, None).await.unwrap();
    assert!(blocked.source_may_lift);
    let user = directory.update_user(&actor, &saying(id, true)).await.unwrap();
    assert!(!user.blocks.any());
}

async fn unblocking_never_touches_the_sources_word(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let admin = administrator(&actor);
    let id = directory.create_user(&actor, &user_named("ada")).await.unwrap().id;
    let group = directory.create_group(&actor, &group("Sales", &[id])).await.unwrap().id;
    directory.delete_group(&actor, group, None).await.unwrap();
    directory.update_user(&actor, &saying(id, false)).await.unwrap();
    directory.block_user(&admin, id, None).await.unwrap();

    let user = directory.unblock_user(&admin, id, None, false).await.unwrap();
    assert!(user.blocks.administrator.is_none() && user.blocks.group_deleted.is_some());
    let user = directory.unblock_user(&admin, id, None, true).await.unwrap();
    assert!(user.blocks.group_deleted.is_none());

    assert!(user.blocks.any() && !user.blocks.source_active());
    let version = user.version;
    let same = directory.unblock_user(&admin, id, None, true).await.unwrap();
    assert_eq!(same.version, version, "what changes nothing writes nothing");
}

async fn the_deletion_of_a_group_blocks_whom_the_policy_says(db: TestDb) {
    use GroupDeletionPolicy as P;
    for (index, (policy, alone, elsewhere)) in [
        (P::BlockMembersLeftWithoutGroup, true, false),
        (P::BlockAllMembers, true, true),
        (P::KeepMembers, false, false),
    ]
    .into_iter()
    .enumerate()
    {
        let actor = db.tenant(&format!("tenant-{index}")).await;
        let clock = ManualClock::at(T0);
        let directory = db.directory(&clock);
        let setting = [Setting::OnGroupDeletion(policy)];
        directory.update_tenant(&actor, &setting).await.unwrap();
        let mut ids = Vec::new();
        for name in ["alone", "elsewhere", "off", "outside"] {
            ids.push(directory.create_user(&actor, &user_named(name)).await.unwrap().id);
        }
        directory.update_user(&actor, &saying(ids[2], false)).await.unwrap();
        let sales = directory
            .create_group(&actor, &group("Sales", &ids[..3]))
            .await
            .unwrap()
            .id;
        directory
            .create_group(&actor, &group("Staff", &ids[1..2]))
            .await
            .unwrap();
        clock.advance_us(7);

        directory.delete_group(&actor, sales, None).await.unwrap();

        let mut blocked = Vec::new();
        for id in &ids {
            let user = read(&directory, &actor, *id).await;
            blocked.push(user.blocks.group_deleted.is_some());
            if let Some(deleted) = &user.blocks.group_deleted {
                assert_eq!((deleted.group_id, deleted.group_name.as_str()), (sales, "Sales"));
                let cause = Cause {
                    since_us: T0 + 7,
                    actor: actor.agent.to_string(),
                };
                assert_eq!(deleted.cause, cause);
            }
        }
        assert_eq!(blocked, [alone, elsewhere, alone, false], "{policy:?}");
        let changes = db.changes(actor.tenant).await;
        let blocks = changes
            .iter()
            .filter(|(_, _, _, attributes, _)| attributes == &["blocks"])
            .count();
        assert_eq!(
            blocks,
            blocked.iter().filter(|blocked| **blocked).count(),
            "one record a user"
        );

        // It comes back, under a new id, and its members are named again.
        directory
            .create_group(&actor, &group("Sales", &ids[..3]))
            .await
            .unwrap();
        for id in &ids[..3] {
            let user = read(&directory, &actor, *id).await;
            assert_eq!(user.blocks.group_deleted, None);
            assert_eq!(user.blocks.any(), *id == ids[2], "the source's word stays");
        }
    }
}

async fn two_groups_deleted_at_once_leave_their_shared_member_blocked(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let id = directory.create_user(&actor, &user_named("ada")).await.unwrap().id;
    for round in 0..30 {
        let first = group(&format!("a{round}"), &[id]);
        let second = group(&format!("b{round}"), &[id]);
        let first = directory.create_group(&actor, &first).await.unwrap().id;
        let second = directory.create_group(&actor, &second).await.unwrap().id;
        assert!(!read(&directory, &actor, id).await.blocks.any(), "round {round}");

        let (one, other) = tokio::join!(
            directory.delete_group(&actor, first, None),
            directory.delete_group(&actor, second, None)
        );

        one.unwrap();
        other.unwrap();
        let user = read(&directory, &actor, id).await;
        assert!(user.blocks.group_deleted.is_some(), "round {round}");
    }
}

async fn a_deletion_beside_an_add_to_another_group_leaves_the_user_unblocked(db: TestDb) {
    use crate::domain::group::GroupUpdate;
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let id = directory.create_user(&actor, &user_named("ada")).await.unwrap().id;
    let stays = directory.create_group(&actor, &group("Staff", &[])).await.unwrap().id;
    let members = |change| GroupUpdate {
        members: Some(change),
        ..GroupUpdate::of(stays)
    };
    for round in 0..30 {
        let goes = group(&format!("g{round}"), &[id]);
        let goes = directory.create_group(&actor, &goes).await.unwrap().id;
        let add = members(MembersChange::adding(vec![id]));

        let (deleted, added) = tokio::join!(
            directory.delete_group(&actor, goes, None),
            directory.update_group(&actor, &add)
        );

        deleted.unwrap();
        added.unwrap();
        assert!(!read(&directory, &actor, id).await.blocks.any(), "round {round}");
        let nobody = MembersChange {
            remove: vec![id],
            ..MembersChange::default()
        };
        directory.update_group(&actor, &members(nobody)).await.unwrap();
    }
}

async fn a_group_of_many_members_is_deleted_by_few_statements(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let ids = crate::store::testing::insert_users(&db, &actor, 3_000).await;
    let sales = directory.create_group(&actor, &group("Sales", &ids)).await.unwrap().id;

    directory.delete_group(&actor, sales, None).await.unwrap();

    let user = read(&directory, &actor, ids[2_999]).await;
    assert_eq!((user.blocks.any(), user.version.get()), (true, 2));
    let changes = db.changes(actor.tenant).await;
    let of_users = changes
        .iter()
        .filter(|(kind, _, version, attributes, _)| (*kind, *version) == (2, 2) && attributes == &["blocks"]);
    assert_eq!(of_users.count(), 3_000);
    assert_eq!(actor.source, Some(ProvisioningSource::default()));
}
