//! Databases for tests: `on_every_database!` runs one test on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the one that `ROLLCALL_TEST_POSTGRES_URL` names, a URL of a database in which databases may be made.
//! Without it the SQLite half runs and says so; `ROLLCALL_TEST_REQUIRE_POSTGRES=1` makes that a failure.

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, Database as SeaDatabase, DatabaseConnection, DbBackend,
    EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, Statement,
};
use sea_orm_migration::MigratorTrait as _;
use secrecy::SecretString;
use uuid::Uuid;

use super::connect::Database;
use super::migrations::Migrator;
use crate::clock::ManualClock;
use crate::directory::Directory;
use crate::domain::FOLD_VERSION;
use crate::domain::actor::{Actor, Agent};
use crate::domain::attribute::{ListAttribute, SubAttribute};
use crate::domain::id::{TenantId, UserId};
use crate::domain::profile::Element;
use crate::domain::tenant::ProvisioningSource;
use crate::domain::text::Text;
use crate::domain::token::TokenId;
use crate::domain::user::{NewUser, UserParts};

/// A fresh, migrated database that goes away after the test.
pub(crate) struct TestDb {
    /// The database.
    pub db: Database,
    /// Its URL, for tests that open it themselves.
    pub url: SecretString,
}

/// Runs an `async fn(TestDb)` as one test on SQLite and one on PostgreSQL.
macro_rules! on_every_database {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                $crate::store::testing::on_sqlite(super::$name);
            }

            #[test]
            fn postgres() {
                $crate::store::testing::on_postgres(super::$name);
            }
        }
    )*};
}
pub(crate) use on_every_database;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a test on a SQLite file.
pub(crate) fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(TestDb) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let url = SecretString::from(format!("sqlite:{}/test.db", folder.path().display()));
    runtime().block_on(async {
        let db = Database::connect(&url, 4).await.unwrap();
        Migrator::up(db.writer(), None).await.unwrap();
        test(TestDb { db, url }).await;
    });
}

/// Runs a test on a new PostgreSQL database, if there is a PostgreSQL.
pub(crate) fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(TestDb) -> F) {
    let Ok(server) = std::env::var("ROLLCALL_TEST_POSTGRES_URL") else {
        let required = std::env::var("ROLLCALL_TEST_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "ROLLCALL_TEST_POSTGRES_URL is not set and PostgreSQL is required"
        );
        eprintln!("skipped on PostgreSQL: ROLLCALL_TEST_POSTGRES_URL is not set");
        return;
    };
    let name = format!("rollcall_{}", Uuid::now_v7().simple());
    let (base, _) = server.rsplit_once('/').expect("the URL ends in a database's name");
    let url = SecretString::from(format!("{base}/{name}"));
    let runtime = runtime();
    let admin: DatabaseConnection = runtime.block_on(async {
        let admin = SeaDatabase::connect(&server).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        admin.execute_unprepared(&create).await.unwrap();
        admin
    });
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let db = Database::connect(&url, 8).await.unwrap();
            Migrator::up(db.writer(), None).await.unwrap();
            test(TestDb { db, url }).await;
        });
    }));
    runtime.block_on(async {
        admin
            .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
            .await
            .unwrap();
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// A moment for tests: 2026-01-01T00:00:00Z in microseconds.
pub(crate) const T0: i64 = 1_767_225_600_000_000;

impl TestDb {
    /// The directory in this database, under a clock.
    pub fn directory(&self, clock: &ManualClock) -> Directory {
        Directory::new(self.db.clone(), clock.clock())
    }

    /// Makes a tenant that `entra` provisions; the actor that writes there.
    pub async fn tenant(&self, slug: &str) -> Actor {
        let id = TenantId::generate();
        let row = super::entities::tenant::ActiveModel {
            id: Set(id.uuid()),
            slug: Set(slug.to_owned()),
            display_name: Set(slug.to_owned()),
            provisioning_source: Set("entra".to_owned()),
            strict_patch: Set(false),
            version: Set(1),
            created_us: Set(T0),
            fold_version: Set(FOLD_VERSION),
            activation_email_on_creation: Set(false), // tests of activation set it
            ..Default::default()
        };
        super::entities::tenant::Entity::insert(row)
            .exec_without_returning(self.db.writer())
            .await
            .unwrap();
        Actor {
            tenant: id,
            agent: Agent::Token(TokenId::generate()),
            source: Some(ProvisioningSource::default()),
            request_id: Some("request-1".to_owned()),
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        }
    }

    /// What changed in a tenant, in order: kind, resource, version, attributes, and how many members.
    pub async fn changes(&self, tenant: TenantId) -> Vec<(i16, Uuid, i64, Vec<String>, usize)> {
        use super::entities::change;
        let rows = change::Entity::find()
            .filter(change::Column::TenantId.eq(tenant.uuid()))
            .order_by_asc(change::Column::InsertionOrder)
            .all(self.db.reader())
            .await
            .unwrap();
        let read = |row: change::Model| {
            let attributes = serde_json::from_value(row.attributes).unwrap();
            let members = row.member_ids.map_or(0, |ids| ids.as_array().unwrap().len());
            (row.kind, row.resource_id, row.resource_version, attributes, members)
        };
        rows.into_iter().map(read).collect()
    }

    /// Waits until a transaction waits for another one; on SQLite nobody waits inside the database.
    pub async fn until_somebody_waits_for_a_lock(&self) {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.db.backend() == DbBackend::Postgres {
            let statement = Statement::from_string(DbBackend::Postgres, waiting);
            if self.db.reader().query_one_raw(statement).await.unwrap().is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Runs SQL that only a test needs.
    pub async fn sql(&self, sql: &str) {
        self.db.writer().execute_unprepared(sql).await.unwrap();
    }
}

/// Whole users, but for the groups that they are in.
pub(crate) const WITHOUT_GROUPS: UserParts = UserParts {
    groups: false,
    ..UserParts::ALL
};

/// A user of this name.
pub(crate) fn user_named(name: &str) -> NewUser {
    NewUser::named(name.parse().unwrap())
}

/// Text as a row holds it.
pub(crate) fn text(text: &str) -> Text {
    Text::from_row(text.to_owned())
}

/// An element of a multi-valued attribute.
pub(crate) fn element(list: ListAttribute, texts: &[(SubAttribute, &str)], primary: Option<bool>) -> Element {
    let mut element = Element::with_primary(primary);
    for (sub, text) in texts {
        element.set(list, *sub, Some((*text).to_owned())).unwrap();
    }
    element
}

/// A mail address without a label.
pub(crate) fn email(value: &str) -> Element {
    element(ListAttribute::Emails, &[(SubAttribute::Value, value)], None)
}

/// The tables in which a resource stands by its own id or as a user.
pub(crate) async fn rows_of(db: &TestDb, id: Uuid) -> Vec<&'static str> {
    use super::entities::{mail, membership, refused_disable, tombstone, user, user_value};
    let conn = db.db.reader();
    let counts = [
        (
            "users",
            user::Entity::find()
                .filter(user::Column::Id.eq(id))
                .count(conn)
                .await
                .unwrap(),
        ),
        (
            "user_values",
            user_value::Entity::find()
                .filter(user_value::Column::UserId.eq(id))
                .count(conn)
                .await
                .unwrap(),
        ),
        (
            "memberships",
            membership::Entity::find()
                .filter(membership::Column::UserId.eq(id))
                .count(conn)
                .await
                .unwrap(),
        ),
        (
            "mails",
            mail::Entity::find()
                .filter(mail::Column::UserId.eq(id))
                .count(conn)
                .await
                .unwrap(),
        ),
        (
            "refused_disables",
            refused_disable::Entity::find()
                .filter(refused_disable::Column::UserId.eq(id))
                .count(conn)
                .await
                .unwrap(),
        ),
        (
            "tombstones",
            tombstone::Entity::find()
                .filter(tombstone::Column::Id.eq(id))
                .count(conn)
                .await
                .unwrap(),
        ),
    ];
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(table, _)| table)
        .collect()
}

/// Inserts many users at once, by rows: ids in order.
pub(crate) async fn insert_users(db: &TestDb, actor: &Actor, count: usize) -> Vec<UserId> {
    use super::entities::{user, user_value};
    let ids: Vec<_> = (0..count).map(|_| UserId::generate()).collect();
    let null = || Set(None);
    let rows = ids.iter().enumerate().map(|(index, id)| user::ActiveModel {
        tenant_id: Set(actor.tenant.uuid()),
        id: Set(id.uuid()),
        version: Set(1),
        created_us: Set(T0 + index as i64),
        updated_us: Set(T0 + index as i64),
        user_name: Set(format!("user{index}@example.com")),
        user_name_key: Set(format!("user{index}@example.com")),
        external_id: Set(Some(format!("ext{index}"))),
        display_name_key: Set(Some(format!("user {index}"))),
        employee_number_key: Set(Some(format!("e{index}"))),
        manager_id: Set(None),
        provisioning_since_us: Set(None),
        provisioning_actor: null(),
        group_deleted_since_us: Set(None),
        group_deleted_actor: null(),
        group_deleted_group_id: Set(None),
        group_deleted_group_name: null(),
        administrator_since_us: Set(None),
        administrator_actor: null(),
        document: Set(serde_json::json!({})),
        search_keys: Set(serde_json::json!({})),
        extensions: Set(None),
        extension_keys: Set(None),
        ..Default::default()
    });
    let rows: Vec<_> = rows.collect();
    for rows in rows.chunks(1_000) {
        user::Entity::insert_many(rows.to_vec())
            .exec_without_returning(db.db.writer())
            .await
            .unwrap();
    }
    let rows = ids.iter().enumerate().map(|(index, id)| user_value::ActiveModel {
        tenant_id: Set(actor.tenant.uuid()),
        user_id: Set(id.uuid()),
        attribute: Set(1),
        position: Set(0),
        email_key: Set(Some(format!("user{index}@example.com"))),
        type_key: Set(Some("work".to_owned())),
        ..Default::default()
    });
    let rows: Vec<_> = rows.collect();
    for rows in rows.chunks(1_000) {
        user_value::Entity::insert_many(rows.to_vec())
            .exec_without_returning(db.db.writer())
            .await
            .unwrap();
    }
    ids
}
