use secrecy::SecretString;

use super::*;
use crate::store::schema::testing::{empty, known, pretend_later};
use crate::store::testing::{TestDb, on_every_database};

#[tokio::test]
async fn a_database_that_is_not_there_is_tried_again_for_so_long() {
    let unavailable = || StoreError::Unavailable(sea_orm::DbErr::Custom("gone".to_owned()));
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let second_time = || async {
        match attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err(unavailable().into()),
            attempt => Ok(attempt),
        }
    };

    assert!(
        when_available(Duration::ZERO, second_time)
            .await
            .unwrap_err()
            .is_unavailable()
    );
    attempts.store(0, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(when_available(Duration::from_secs(60), second_time).await.unwrap(), 1);
}

#[tokio::test]
async fn looking_at_a_file_that_is_not_there_does_not_make_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    let config = DatabaseConfig {
        url: SecretString::from(format!("sqlite:{}", file.display())).into(),
        direct_url: None,
        max_connections: 1,
    };

    let schema = look(&config).await.unwrap();

    assert_eq!((schema.applied, schema.pending), (vec![], known()));
    assert!(!file.exists());
}

on_every_database! {
    two_processes_migrate_at_once_and_both_find_it_done
    a_schema_is_changed_past_the_pooler
    a_schema_that_lacks_migrations_does_not_fit
    a_schema_of_a_later_release_fits
}

fn config(db: &TestDb) -> DatabaseConfig {
    DatabaseConfig {
        url: db.url.clone().into(),
        direct_url: None,
        max_connections: 2,
    }
}

async fn two_processes_migrate_at_once_and_both_find_it_done(db: TestDb) {
    empty(&db.db).await;
    let config = config(&db);

    let (first, second) = tokio::join!(prepare(&config, Migrate::OnStart), prepare(&config, Migrate::OnStart));

    let done = Schema {
        applied: known(),
        pending: vec![],
        newer: vec![],
    };
    assert_eq!(first.unwrap(), done);
    assert_eq!(second.unwrap(), done);
    assert_eq!(prepare(&config, Migrate::Check).await.unwrap(), done);
}

async fn a_schema_is_changed_past_the_pooler(db: TestDb) {
    empty(&db.db).await;
    let direct = DatabaseConfig {
        direct_url: Some(db.url.clone().into()),
        ..config(&db)
    };

    assert!(prepare(&direct, Migrate::OnStart).await.unwrap().fits());

    let nowhere = SecretString::from("postgres://nobody@127.0.0.1:1/none".to_owned());
    let past_it_only = DatabaseConfig {
        url: nowhere.into(),
        ..direct
    };
    for migrate in [Migrate::OnStart, Migrate::Check] {
        let refused = prepare(&past_it_only, migrate).await.unwrap_err();
        assert!(refused.is_unavailable(), "what is served must fit, too: {refused}");
    }
}

async fn a_schema_that_lacks_migrations_does_not_fit(db: TestDb) {
    empty(&db.db).await;

    let refused = prepare(&config(&db), Migrate::Check).await.unwrap_err();
    assert!(
        matches!(&refused, MigrateError::Behind(pending) if *pending == known()),
        "{refused}"
    );
    assert_eq!(
        look(&config(&db)).await.unwrap(),
        Schema {
            applied: vec![],
            pending: known(),
            newer: vec![]
        }
    );
}

async fn a_schema_of_a_later_release_fits(db: TestDb) {
    pretend_later(&db.db).await;

    let schema = prepare(&config(&db), Migrate::OnStart).await.unwrap();

    assert_eq!(
        schema,
        Schema {
            applied: known(),
            pending: vec![],
            newer: vec!["m9999_later".to_owned()]
        }
    );
    assert_eq!(schema.version(), known().len() as u64 + 1);
    assert_eq!(look(&config(&db)).await.unwrap(), schema);
}
