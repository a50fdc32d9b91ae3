use crate::clock::ManualClock;
use crate::directory::{DirectoryError, Whom};
use crate::domain::actor::Actor;
use crate::domain::change::ChangeKind;
use crate::domain::id::UserId;
use crate::domain::refused_disable::Refusal;
use crate::domain::tenant::ProvisioningSource;
use crate::store::testing::{T0, TestDb, on_every_database, user_named};

on_every_database! {
    a_user_is_explained_by_its_newest_changes_and_refusals
    a_refused_disable_of_another_source_is_kept_and_of_a_user_whom_there_is_not_is_not
}

fn refusal(number: usize) -> Refusal {
    Refusal {
        reason: "invalidPath".to_owned(),
        attribute: format!("attribute{number}"),
    }
}

async fn a_user_is_explained_by_its_newest_changes_and_refusals(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let ada = directory.create_user(&actor, &user_named("Ada")).await.unwrap().id;
    for number in 0..25 {
        clock.advance_us(1);
        directory
            .keep_refused_disable(&actor, ada, &refusal(number))
            .await
            .unwrap();
        if number % 2 == 0 {
            directory.block_user(&actor, ada, None).await.unwrap();
        } else {
            directory.unblock_user(&actor, ada, None, false).await.unwrap();
        }
    }

    let explained = directory
        .explain_user(actor.tenant, &Whom::Name("ADA".parse().unwrap()))
        .await
        .unwrap();

    assert_eq!((explained.user.id, explained.mail), (ada, None));
    assert!(explained.user.blocks.administrator.is_some());
    let refused: Vec<&Refusal> = explained
        .refused_disables
        .iter()
        .map(|refused| &refused.refusal)
        .collect();
    let newest: Vec<Refusal> = (5..25).rev().map(refusal).collect();
    assert_eq!(
        refused,
        newest.iter().collect::<Vec<_>>(),
        "the 20 newest, and no more are kept"
    );
    let first = &explained.refused_disables[0];
    assert_eq!((first.at_us, first.request_id.as_deref()), (T0 + 25, Some("request-1")));
    assert_eq!((explained.changes.len(), explained.changes[0].version.get()), (20, 26));
    assert_eq!(explained.changes[0].kind, ChangeKind::Updated);
    assert_eq!(
        (explained.changes[0].at_us, explained.changes[0].actor.clone()),
        (T0 + 25, actor.agent.to_string())
    );

    let other = db.tenant("other").await;
    let elsewhere = directory.explain_user(other.tenant, &Whom::Id(ada)).await;
    assert!(matches!(elsewhere, Err(DirectoryError::UserNotFound)), "{elsewhere:?}");
}

async fn a_refused_disable_of_another_source_is_kept_and_of_a_user_whom_there_is_not_is_not(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let ada = directory.create_user(&actor, &user_named("ada")).await.unwrap().id;
    let stranger = Actor {
        source: Some(ProvisioningSource::parse("source", "okta").unwrap()),
        ..actor.clone()
    };

    directory
        .keep_refused_disable(&stranger, ada, &refusal(1))
        .await
        .unwrap();

    let explained = directory.explain_user(actor.tenant, &Whom::Id(ada)).await.unwrap();
    assert_eq!(explained.refused_disables.len(), 1);
    let nobody = directory
        .keep_refused_disable(&actor, UserId::generate(), &refusal(1))
        .await;
    assert!(matches!(nobody, Err(DirectoryError::UserNotFound)), "{nobody:?}");
}
