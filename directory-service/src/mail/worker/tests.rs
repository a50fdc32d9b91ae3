use std::path::Path;
use std::time::Duration;

use mail_parser::MessageParser;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::activation_code::ActivationCodes;
use crate::clock::{Clock, ManualClock};
use crate::directory::{Directory, Whom};
use crate::domain::activation::ActivationStatus;
use crate::domain::actor::Actor;
use crate::domain::attribute::ListAttribute;
use crate::domain::id::UserId;
use crate::domain::mail::{Mail, MailState};
use crate::domain::tenant::{ActivationUrlTemplate, Setting};
use crate::domain::user::UserParts;
use crate::keyring::Keyring;
use crate::mail::{Delivery, Mailing};
use crate::outbox::Outbox;
use crate::store::testing::{T0, TestDb, email, on_every_database, user_named};

on_every_database! {
    mails_are_written_to_files_whose_codes_are_good
    without_a_mail_server_mails_stay_queued
    an_unusable_address_is_parked_and_a_corrected_one_gets_another_code
    the_files_of_users_who_are_gone_are_erased_at_the_start
    a_link_is_left_out_when_its_host_is_not_allowed_any_more
}

const HOST: &str = "login.example.com";

struct Running {
    directory: Directory,
    codes: ActivationCodes,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(db: &TestDb, clock: Clock, delivery: Delivery, link_hosts: &[&str]) -> Self {
        let mailing = Mailing {
            delivery,
            link_hosts: link_hosts.iter().map(ToString::to_string).collect(),
            ..Mailing::default()
        };
        let outbox = Outbox::new(mailing.folder().map(Path::to_owned));
        let directory = Directory::new(db.db.clone(), clock)
            .with_outbox(outbox.clone())
            .with_link_hosts(&mailing.link_hosts);
        let codes = ActivationCodes::new(Keyring::fixed(&[[7; 32]]));
        let stop = CancellationToken::new();
        let worker = Worker::new(directory.clone(), outbox, codes.clone(), mailing);
        Self {
            directory,
            codes,
            task: tokio::spawn(worker.run(stop.clone())),
            stop,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    async fn mail(&self, actor: &Actor) -> Vec<Mail> {
        let (mails, more) = self.directory.list_mails(actor.tenant, None, None, 100).await.unwrap();
        assert!(!more);
        mails
    }

    /// Waits until the tenant's one mail is in this state.
    async fn until(&self, actor: &Actor, state: MailState) -> Mail {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mails = self.mail(actor).await;
            if let [mail] = &mails[..]
                && mail.state == state
            {
                return mail.clone();
            }
            assert!(Instant::now() < deadline, "waited in vain for {state:?}: {mails:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A tenant that mails its new users.
async fn tenant(db: &TestDb, directory: &Directory) -> Actor {
    let actor = db.tenant("acme").await;
    let template = ActivationUrlTemplate::parse("template", &format!("https://{HOST}/#{{code}}")).unwrap();
    let settings = [
        Setting::ActivationEmailOnCreation(true),
        Setting::ActivationUrlTemplate(Some(template)),
    ];
    directory.update_tenant(&actor, &settings).await.unwrap();
    actor
}

async fn create(directory: &Directory, actor: &Actor, address: &str) -> UserId {
    let mut new = user_named("ada");
    new.profile.set_list(ListAttribute::Emails, vec![email(address)]);
    directory.create_user(actor, &new).await.unwrap().id
}

fn text_of(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    mail.body_text(0).unwrap().into_owned()
}

fn code_in(text: &str) -> &str {
    let line = text.lines().find_map(|line| line.strip_prefix("Activation code: "));
    line.unwrap()
}

async fn mails_are_written_to_files_whose_codes_are_good(db: TestDb) {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox");
    let running = Running::start(&db, Clock::system(), Delivery::Files(outbox.clone()), &[HOST]);
    let actor = tenant(&db, &running.directory).await;
    let ada = create(&running.directory, &actor, "ada@example.com").await;

    let mail = running.until(&actor, MailState::Sent).await;

    assert_eq!((mail.user, mail.attempts, mail.failure), (ada, 1, None));
    let text = text_of(&outbox.join(format!("{ada}-1.eml")));
    let code = code_in(&text);
    assert!(text.contains(&format!("https://{HOST}/#{code}")), "{text}");
    let user = running
        .directory
        .get_user(actor.tenant, ada, UserParts::ALL)
        .await
        .unwrap();
    assert_eq!(user.activation.status, ActivationStatus::Pending);
    assert!(user.activation.expires_us.is_some());
    let redeemed = running
        .directory
        .redeem_activation_code(&actor, &Whom::Id(ada), code, &running.codes)
        .await;
    assert_eq!(redeemed.unwrap().user, ada);

    running.directory.delete_user(&actor, ada, None).await.unwrap();
    assert_eq!(
        std::fs::read_dir(&outbox).unwrap().count(),
        0,
        "the file goes with the user"
    );
    running.stop().await;
}

async fn without_a_mail_server_mails_stay_queued(db: TestDb) {
    let running = Running::start(&db, Clock::system(), Delivery::Nowhere, &[HOST]);
    let actor = tenant(&db, &running.directory).await;
    create(&running.directory, &actor, "ada@example.com").await;
    running.stop().await;

    let clock = ManualClock::at(T0);
    let later = Running::start(&db, clock.clock(), Delivery::Nowhere, &[HOST]);
    let mail = later.until(&actor, MailState::Waiting).await;
    assert_eq!(mail.attempts, 0, "nobody claimed it");
    later.stop().await;
}

async fn an_unusable_address_is_parked_and_a_corrected_one_gets_another_code(db: TestDb) {
    use crate::domain::user::{UserChange, UserUpdate};
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&db, Clock::system(), Delivery::Files(folder.path().to_owned()), &[HOST]);
    let actor = tenant(&db, &running.directory).await;
    let ada = create(&running.directory, &actor, "ada at example.com").await;

    let parked = running.until(&actor, MailState::Parked).await;
    assert_eq!(parked.failure.as_deref(), Some("the address is not usable"));

    let emails = vec![email("ada@example.com")];
    let update = UserUpdate {
        extensions: None,
        id: ada,
        expected: None,
        changes: vec![UserChange::List(ListAttribute::Emails, emails)],
    };
    running.directory.update_user(&actor, &update).await.unwrap();
    let sent = running.until(&actor, MailState::Sent).await;
    assert_eq!((sent.user, sent.failure), (ada, None));
    assert!(folder.path().join(format!("{ada}-2.eml")).exists());
    running.stop().await;
}

async fn the_files_of_users_who_are_gone_are_erased_at_the_start(db: TestDb) {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join(format!("{}-1.eml", UserId::generate()));
    let foreign = folder.path().join("notes.txt");
    std::fs::write(&gone, "an address and a code").unwrap();
    std::fs::write(&foreign, "mine").unwrap();

    let running = Running::start(&db, Clock::system(), Delivery::Files(folder.path().to_owned()), &[HOST]);
    let actor = tenant(&db, &running.directory).await;
    create(&running.directory, &actor, "ada@example.com").await;
    running.until(&actor, MailState::Sent).await;

    assert!(!gone.exists() && foreign.exists());
    running.stop().await;
}

async fn a_link_is_left_out_when_its_host_is_not_allowed_any_more(db: TestDb) {
    let folder = tempfile::tempdir().unwrap();
    let before = Directory::new(db.db.clone(), Clock::system()).with_link_hosts(&[HOST.to_owned()]);
    let actor = tenant(&db, &before).await;
    let running = Running::start(
        &db,
        Clock::system(),
        Delivery::Files(folder.path().to_owned()),
        &["other.example.com"],
    );
    let ada = create(&running.directory, &actor, "ada@example.com").await;

    running.until(&actor, MailState::Sent).await;

    let text = text_of(&folder.path().join(format!("{ada}-1.eml")));
    assert!(!text.contains("https://"), "{text}");
    running.stop().await;
}
