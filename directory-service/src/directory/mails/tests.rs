use crate::clock::ManualClock;
use crate::directory::{Attempt, Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::attribute::ListAttribute;
use crate::domain::id::UserId;
use crate::domain::mail::{ClaimedMail, MailState};
use crate::domain::tenant::Setting;
use crate::domain::user::{UserChange, UserUpdate};
use crate::store::testing::{T0, TestDb, email, on_every_database, rows_of, user_named};

on_every_database! {
    a_mail_is_claimed_by_one_worker_until_its_lease_ends
    who_comes_after_the_lease_changes_nothing
    failures_are_tried_again_and_parked_with_their_reason
    tenants_take_turns_and_none_sends_faster_than_it_may
    the_mail_of_a_deleted_user_goes_with_it
    a_mail_that_can_be_sent_after_all_is_due_at_once
    an_old_claim_does_not_hold_a_mail_that_was_queued_anew
    mails_are_listed_by_state_and_page
}

const MINUTE_US: i64 = 60 * 1_000_000;

async fn mailing(db: &TestDb, directory: &Directory, slug: &str) -> Actor {
    let actor = db.tenant(slug).await;
    let settings = [
        Setting::ActivationEmailOnCreation(true),
        Setting::mails_per_minute(6_000).unwrap(),
    ];
    directory.update_tenant(&actor, &settings).await.unwrap();
    actor
}

async fn create(directory: &Directory, actor: &Actor, name: &str) -> UserId {
    let mut new = user_named(name);
    new.profile
        .set_list(ListAttribute::Emails, vec![email(&format!("{name}@x.io"))]);
    directory.create_user(actor, &new).await.unwrap().id
}

async fn claim(directory: &Directory) -> Vec<ClaimedMail> {
    directory.claim_mails(16, MINUTE_US).await.unwrap()
}

async fn a_mail_is_claimed_by_one_worker_until_its_lease_ends(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let actor = mailing(&db, &directory, "acme").await;
    for number in 0..5 {
        create(&directory, &actor, &format!("user{number}")).await;
    }

    let (first, second) = tokio::join!(claim(&directory), claim(&directory));

    let mut users: Vec<UserId> = first.iter().chain(&second).map(|mail| mail.user).collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!((users.len(), first.len() + second.len()), (5, 5));
    clock.advance_us(MINUTE_US - 1);
    assert_eq!(claim(&directory).await, []);
    clock.advance_us(1);
    let again = claim(&directory).await;
    assert_eq!(again.len(), 5);
    assert!(
        again
            .iter()
            .all(|mail| mail.attempts == 2 && mail.first_attempt_us == T0)
    );
}

async fn who_comes_after_the_lease_changes_nothing(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let actor = mailing(&db, &directory, "acme").await;
    let ada = create(&directory, &actor, "ada").await;
    let [late] = &claim(&directory).await[..] else {
        panic!("one mail")
    };
    clock.advance_us(MINUTE_US);
    let [now] = &claim(&directory).await[..] else {
        panic!("one mail")
    };

    let failed = Attempt::FailedForGood("550".to_owned());
    assert!(!directory.end_mail_attempt(late, &failed).await.unwrap());
    assert!(directory.end_mail_attempt(now, &Attempt::Accepted).await.unwrap());

    let (mails, _) = directory.list_mails(actor.tenant, None, None, 10).await.unwrap();
    assert_eq!((mails[0].user, mails[0].state), (ada, MailState::Sent));
    assert!(!directory.end_mail_attempt(now, &failed).await.unwrap());
}

async fn failures_are_tried_again_and_parked_with_their_reason(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let actor = mailing(&db, &directory, "acme").await;
    let ada = create(&directory, &actor, "ada").await;
    let mail = async || {
        directory
            .list_mails(actor.tenant, None, None, 10)
            .await
            .unwrap()
            .0
            .remove(0)
    };
    let retried = directory.retry_mail(&actor, ada).await;
    assert!(matches!(retried, Err(DirectoryError::MailNotParked)), "{retried:?}");

    let [first] = &claim(&directory).await[..] else {
        panic!("one mail")
    };
    let busy = Attempt::FailedForNow("451 4.3.2".to_owned());
    assert!(directory.end_mail_attempt(first, &busy).await.unwrap());
    let waiting = mail().await;
    assert_eq!((waiting.state, waiting.due_us), (MailState::Waiting, T0 + MINUTE_US));
    assert_eq!(waiting.failure.as_deref(), Some("451 4.3.2"));

    clock.advance_us(MINUTE_US);
    let [second] = &claim(&directory).await[..] else {
        panic!("one mail")
    };
    let refused = Attempt::FailedForGood("550 5.1.1".to_owned());
    assert!(directory.end_mail_attempt(second, &refused).await.unwrap());
    let parked = mail().await;
    assert_eq!(
        (parked.state, parked.attempts, parked.ended_us),
        (MailState::Parked, 2, Some(T0 + MINUTE_US))
    );
    assert_eq!(parked.failure.as_deref(), Some("550 5.1.1"));
    clock.advance_us(999 * MINUTE_US);
    assert_eq!(claim(&directory).await, []);

    let retried = directory.retry_mail(&actor, ada).await.unwrap();
    assert_eq!((retried.state, retried.attempts), (MailState::Waiting, 0));
    let [third] = &claim(&directory).await[..] else {
        panic!("one mail")
    };
    assert_eq!(third.code_number, first.code_number, "the same code");
    // Busy for more than three days since this first attempt: parked too.
    let mut last = third.clone();
    loop {
        assert!(directory.end_mail_attempt(&last, &busy).await.unwrap());
        if mail().await.state == MailState::Parked {
            break;
        }
        clock.advance_us(240 * MINUTE_US);
        last = claim(&directory).await.remove(0);
    }
    assert!(last.attempts > 15, "{} attempts", last.attempts);
}

async fn tenants_take_turns_and_none_sends_faster_than_it_may(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let (busy, quiet) = (
        mailing(&db, &directory, "busy").await,
        mailing(&db, &directory, "quiet").await,
    );
    let slow = [Setting::mails_per_minute(60).unwrap()];
    directory.update_tenant(&busy, &slow).await.unwrap();
    for number in 0..20 {
        create(&directory, &busy, &format!("user{number:02}")).await;
    }
    create(&directory, &quiet, "ada").await;

    let claimed = claim(&directory).await;
    let of = |actor: &Actor| claimed.iter().filter(|mail| mail.tenant == actor.tenant).count();
    assert_eq!(
        (of(&busy), of(&quiet)),
        (1, 1),
        "one a second, and nobody waits for the other's queue"
    );
    assert_eq!(claim(&directory).await.len(), 0);
    clock.advance_us(999_999);
    assert_eq!(claim(&directory).await.len(), 0);
    clock.advance_us(1);
    assert_eq!(claim(&directory).await.len(), 1);

    let fast = [Setting::mails_per_minute(600).unwrap()];
    directory.update_tenant(&busy, &fast).await.unwrap();
    let mut sent = 0;
    for _ in 0..10 {
        clock.advance_us(100_000);
        sent += claim(&directory).await.len();
    }
    assert!((9..=20).contains(&sent), "{sent} mails in a second");
}

async fn the_mail_of_a_deleted_user_goes_with_it(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let actor = mailing(&db, &directory, "acme").await;
    let ada = create(&directory, &actor, "ada").await;
    assert!(rows_of(&db, ada.uuid()).await.contains(&"mails"));
    let [claimed] = &claim(&directory).await[..] else {
        panic!("one mail")
    };

    directory.delete_user(&actor, ada, None).await.unwrap();

    assert_eq!(rows_of(&db, ada.uuid()).await, ["tombstones"]);
    assert!(directory.mail_to_send(claimed).await.unwrap().is_none());
    assert!(!directory.end_mail_attempt(claimed, &Attempt::Accepted).await.unwrap());
}

async fn a_mail_that_can_be_sent_after_all_is_due_at_once(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let actor = mailing(&db, &directory, "acme").await;
    create(&directory, &actor, "ada").await;
    let [claimed] = &claim(&directory).await[..] else {
        panic!("one mail")
    };

    // As by a worker that saw her blocked, a moment before she was unblocked.
    directory.withdraw_mail(claimed).await.unwrap();

    clock.advance_us(MINUTE_US / 60);
    assert_eq!(claim(&directory).await.len(), 1, "long before the lease ends");
}

async fn an_old_claim_does_not_hold_a_mail_that_was_queued_anew(db: TestDb) {
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    let actor = mailing(&db, &directory, "acme").await;
    let ada = create(&directory, &actor, "ada").await;
    let [old] = &claim(&directory).await[..] else {
        panic!("one mail")
    };
    for addresses in [vec![], vec![email("lovelace@x.io")]] {
        clock.advance_us(MINUTE_US / 60);
        let update = UserUpdate {
            id: ada,
            expected: None,
            changes: vec![UserChange::List(ListAttribute::Emails, addresses)],
            extensions: None,
        };
        directory.update_user(&actor, &update).await.unwrap();
    }
    let [new] = &claim(&directory).await[..] else {
        panic!("one mail")
    };

    directory.withdraw_mail(old).await.unwrap();

    assert!(directory.end_mail_attempt(new, &Attempt::Accepted).await.unwrap());
}

async fn mails_are_listed_by_state_and_page(db: TestDb) {
    let directory = db.directory(&ManualClock::at(T0));
    let (actor, other) = (
        mailing(&db, &directory, "acme").await,
        mailing(&db, &directory, "other").await,
    );
    let mut users = Vec::new();
    for number in 0..3 {
        users.push(create(&directory, &actor, &format!("user{number}")).await);
    }
    create(&directory, &other, "theirs").await;
    let users_of = |mails: &[crate::domain::mail::Mail]| mails.iter().map(|mail| mail.user).collect::<Vec<_>>();

    let (first, more) = directory.list_mails(actor.tenant, None, None, 2).await.unwrap();
    assert_eq!((users_of(&first), more), (users[..2].to_vec(), true));
    let after = Some(users[1]);
    let (rest, more) = directory.list_mails(actor.tenant, None, after, 2).await.unwrap();
    assert_eq!((users_of(&rest), more), (users[2..].to_vec(), false));
    let parked = directory
        .list_mails(actor.tenant, Some(MailState::Parked), None, 2)
        .await
        .unwrap();
    assert_eq!(parked, (vec![], false));
}
