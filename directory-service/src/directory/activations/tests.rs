use crate::activation_code::ActivationCodes;
use crate::clock::ManualClock;
use crate::directory::{Attempt, Directory, DirectoryError, Whom};
use crate::domain::activation::{ActivationMail, ActivationStatus};
use crate::domain::actor::Actor;
use crate::domain::attribute::ListAttribute;
use crate::domain::id::UserId;
use crate::domain::mail::MailState;
use crate::domain::tenant::Setting;
use crate::domain::user::{NewUser, User, UserChange, UserParts, UserUpdate};
use crate::keyring::Keyring;
use crate::store::testing::{T0, TestDb, email, on_every_database, user_named};

on_every_database! {
    a_mailed_code_activates_its_user_once
    whoever_cannot_redeem_gets_the_same_answer
    wrong_codes_pause_and_void_a_code
    a_code_expires_so_many_days_after_its_delivery
    a_new_code_is_asked_for_once_a_minute
    a_mail_is_due_until_the_user_can_have_it
}

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
const MINUTE_US: i64 = 60 * 1_000_000;

fn codes() -> ActivationCodes {
    ActivationCodes::new(Keyring::fixed(&[[7; 32]]))
}

fn with_mail(name: &str) -> NewUser {
    let mut new = user_named(name);
    new.profile
        .set_list(ListAttribute::Emails, vec![email(&format!("{name}@x.io"))]);
    new
}

struct World {
    directory: Directory,
    clock: ManualClock,
    actor: Actor,
}

impl World {
    async fn new(db: &TestDb) -> Self {
        let clock = ManualClock::at(T0);
        let directory = db.directory(&clock);
        let actor = db.tenant("acme").await;
        let mails = [Setting::ActivationEmailOnCreation(true)];
        directory.update_tenant(&actor, &mails).await.unwrap();
        Self {
            directory,
            clock,
            actor,
        }
    }

    async fn create(&self, new: &NewUser) -> User {
        self.directory.create_user(&self.actor, new).await.unwrap()
    }

    async fn read(&self, id: UserId) -> User {
        self.directory
            .get_user(self.actor.tenant, id, UserParts::ALL)
            .await
            .unwrap()
    }

    /// Mails what is due, as a worker whose server accepts everything.
    async fn deliver(&self) -> usize {
        let claimed = self.directory.claim_mails(100, MINUTE_US).await.unwrap();
        for mail in &claimed {
            if self.directory.mail_to_send(mail).await.unwrap().is_some() {
                assert!(self.directory.end_mail_attempt(mail, &Attempt::Accepted).await.unwrap());
            }
        }
        self.clock.advance_us(MINUTE_US);
        claimed.len()
    }

    fn code(&self, user: &User) -> String {
        let number = user.activation.code_number;
        codes().derive(self.actor.tenant, user.id, number).grouped()
    }

    async fn redeem(&self, whom: Whom, code: &str) -> bool {
        let tried = self
            .directory
            .redeem_activation_code(&self.actor, &whom, code, &codes())
            .await;
        match tried {
            Ok(_) => true,
            Err(DirectoryError::ActivationCodeInvalid) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn change(&self, id: UserId, change: UserChange) -> User {
        let update = UserUpdate {
            id,
            expected: None,
            changes: vec![change],
            extensions: None,
        };
        self.directory.update_user(&self.actor, &update).await.unwrap()
    }
}

async fn a_mailed_code_activates_its_user_once(db: TestDb) {
    let world = World::new(&db).await;
    let ada = world.create(&with_mail("Ada")).await;
    assert_eq!(
        (ada.activation.status, ada.activation.mail),
        (ActivationStatus::Pending, ActivationMail::Queued)
    );
    assert_eq!(world.deliver().await, 1);
    let ada = world.read(ada.id).await;
    assert_eq!(ada.activation.expires_us, Some(T0 + 21 * DAY_US));

    let by_name = Whom::Name("ADA".parse().unwrap());
    assert!(world.redeem(by_name.clone(), &world.code(&ada).to_lowercase()).await);

    let now = world.read(ada.id).await;
    assert_eq!(now.activation.status, ActivationStatus::Activated);
    assert_eq!(now.activation.activated_us, Some(T0 + MINUTE_US));
    assert!(!world.redeem(by_name, &world.code(&ada)).await, "a code is good once");
    assert_eq!(
        db.changes(world.actor.tenant).await.last(),
        Some(&(2, ada.id.uuid(), now.version.get(), vec!["activation".to_owned()], 0))
    );
}

async fn whoever_cannot_redeem_gets_the_same_answer(db: TestDb) {
    let world = World::new(&db).await;
    let (ada, bob) = (
        world.create(&with_mail("ada")).await,
        world.create(&with_mail("bob")).await,
    );
    world.deliver().await;
    let other = db.tenant("other").await;

    assert!(!world.redeem(Whom::Id(UserId::generate()), &world.code(&ada)).await);
    assert!(
        !world
            .redeem(Whom::Name("nobody".parse().unwrap()), &world.code(&ada))
            .await
    );
    assert!(!world.redeem(Whom::Id(bob.id), &world.code(&ada)).await);
    let elsewhere = world
        .directory
        .redeem_activation_code(&other, &Whom::Id(ada.id), &world.code(&ada), &codes())
        .await;
    assert!(matches!(elsewhere, Err(DirectoryError::ActivationCodeInvalid)));

    world.change(ada.id, UserChange::SourceActive(false)).await;
    assert!(
        !world.redeem(Whom::Id(ada.id), &world.code(&ada)).await,
        "a blocked user"
    );
    world.change(ada.id, UserChange::SourceActive(true)).await;
    assert!(
        world.redeem(Whom::Id(ada.id), &world.code(&ada)).await,
        "the code survived"
    );
}

async fn wrong_codes_pause_and_void_a_code(db: TestDb) {
    let world = World::new(&db).await;
    let ada = world.create(&with_mail("ada")).await;
    world.deliver().await;
    let (whom, code) = (Whom::Id(ada.id), world.code(&ada));

    let version = world.read(ada.id).await.version;
    for _ in 0..5 {
        assert!(!world.redeem(whom.clone(), "2222-2222-2222").await);
    }
    assert_eq!(world.read(ada.id).await.version, version, "a try is no change");
    assert!(!world.redeem(whom.clone(), &code).await, "paused");
    assert_eq!(world.read(ada.id).await.activation.wrong_codes, 5, "and not counted");
    for _ in 0..3 {
        world.clock.advance_us(15 * MINUTE_US);
        for _ in 0..5 {
            assert!(!world.redeem(whom.clone(), "2222-2222-2222").await);
        }
    }
    world.clock.advance_us(15 * MINUTE_US);

    assert!(!world.redeem(whom.clone(), &code).await, "void");
    let user = world.read(ada.id).await;
    assert_eq!(user.activation.status, ActivationStatus::NotActivated);
    world.directory.send_activation(&world.actor, ada.id).await.unwrap();
    assert_eq!(world.deliver().await, 1);
    let user = world.read(ada.id).await;
    assert!(!world.redeem(whom.clone(), &code).await);
    assert!(world.redeem(whom, &world.code(&user)).await);
}

async fn a_code_expires_so_many_days_after_its_delivery(db: TestDb) {
    let world = World::new(&db).await;
    let days = [Setting::activation_validity_days(2).unwrap()];
    world.directory.update_tenant(&world.actor, &days).await.unwrap();
    let ada = world.create(&with_mail("ada")).await;
    world.clock.advance_us(90 * DAY_US);
    assert_eq!(
        world.directory.end_expired_codes().await.unwrap(),
        0,
        "nothing was delivered"
    );
    world.deliver().await;

    world.clock.advance_us(2 * DAY_US);
    assert!(
        !world.redeem(Whom::Id(ada.id), &world.code(&ada)).await,
        "also before the sweep"
    );
    assert_eq!(world.directory.end_expired_codes().await.unwrap(), 1);
    assert_eq!(world.directory.end_expired_codes().await.unwrap(), 0);

    let user = world.read(ada.id).await;
    assert_eq!(user.activation.status, ActivationStatus::NotActivated);
    assert_eq!(
        user.activation.mail,
        ActivationMail::Queued,
        "it is not mailed again by itself"
    );
    assert_eq!(world.deliver().await, 0);
}

async fn a_new_code_is_asked_for_once_a_minute(db: TestDb) {
    let world = World::new(&db).await;
    let ada = world.create(&with_mail("ada")).await;
    world.deliver().await;

    let asked = world.directory.send_activation(&world.actor, ada.id).await.unwrap();
    assert_eq!(asked.activation.code_number, ada.activation.code_number + 1);
    let again = world.directory.send_activation(&world.actor, ada.id).await;
    assert!(
        matches!(again, Err(DirectoryError::ActivationRateLimited { wait_us: MINUTE_US })),
        "{again:?}"
    );
    assert!(
        !world.redeem(Whom::Id(ada.id), &world.code(&ada)).await,
        "the one before is void"
    );
    assert_eq!(world.deliver().await, 1);
    assert!(world.redeem(Whom::Id(ada.id), &world.code(&asked)).await);

    let activated = world.directory.send_activation(&world.actor, ada.id).await;
    assert!(
        matches!(activated, Err(DirectoryError::AlreadyActivated)),
        "{activated:?}"
    );
    let nobody = world.directory.send_activation(&world.actor, UserId::generate()).await;
    assert!(matches!(nobody, Err(DirectoryError::UserNotFound)), "{nobody:?}");
}

async fn a_mail_is_due_until_the_user_can_have_it(db: TestDb) {
    let world = World::new(&db).await;
    let mut new = user_named("ada");
    new.source_active = false;
    let ada = world.create(&new).await;
    let emails = |address: &str| UserChange::List(ListAttribute::Emails, vec![email(address)]);
    let mail = async |id| {
        let explained = world
            .directory
            .explain_user(world.actor.tenant, &Whom::Id(id))
            .await
            .unwrap();
        explained.mail.map(|mail| mail.state)
    };

    let user = world.change(ada.id, emails("a@x.io")).await;
    assert_eq!((user.activation.mail, mail(ada.id).await), (ActivationMail::Due, None));
    let user = world.change(ada.id, UserChange::SourceActive(true)).await;
    assert_eq!(user.activation.mail, ActivationMail::Queued);
    assert_eq!(mail(ada.id).await, Some(MailState::Waiting));

    // Blocked before the worker comes: nothing is sent, and it is due again.
    world.change(ada.id, UserChange::SourceActive(false)).await;
    assert_eq!(world.deliver().await, 1);
    let user = world.read(ada.id).await;
    assert_eq!((user.activation.mail, mail(ada.id).await), (ActivationMail::Due, None));
    assert_eq!(user.activation.expires_us, None);
    world.change(ada.id, UserChange::SourceActive(true)).await;
    assert_eq!(world.deliver().await, 1);
    assert_eq!(mail(ada.id).await, Some(MailState::Sent));

    // Another address: the code that was mailed to the one before is void.
    let before = world.read(ada.id).await;
    let user = world.change(ada.id, emails("b@x.io")).await;
    assert_eq!(mail(ada.id).await, Some(MailState::Waiting));
    assert!(!world.redeem(Whom::Id(ada.id), &world.code(&before)).await);
    assert_eq!(world.deliver().await, 1);
    assert!(world.redeem(Whom::Id(ada.id), &world.code(&user)).await);

    // The setting of the moment of creation counts.
    let off = [Setting::ActivationEmailOnCreation(false)];
    world.directory.update_tenant(&world.actor, &off).await.unwrap();
    let bob = world.create(&with_mail("bob")).await;
    let on = [Setting::ActivationEmailOnCreation(true)];
    world.directory.update_tenant(&world.actor, &on).await.unwrap();
    world.change(bob.id, emails("bob@x.io")).await;
    assert_eq!(world.read(bob.id).await.activation.mail, ActivationMail::NotWanted);
    assert_eq!(world.deliver().await, 0);
}
