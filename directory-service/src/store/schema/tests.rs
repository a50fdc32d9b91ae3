use sea_orm::TransactionTrait as _;

use super::testing::empty;
use super::*;
use crate::store::testing::on_postgres;

#[test]
fn a_migration_does_not_wait_for_long_transactions_in_front_of_everybody_else() {
    on_postgres(|db| async move {
        empty(&db.db).await;
        Migrator::up(db.db.writer(), Some(1)).await.unwrap();
        let reader = db.db.writer().begin().await.unwrap();
        reader.execute_unprepared("SELECT 1 FROM users").await.unwrap();

        let refused = migrate(&db.db, Duration::from_millis(1)).await.unwrap_err();

        assert!(matches!(refused, SchemaError::InUse(_)), "{refused}");
        assert!(refused.to_string().contains("pg_stat_activity"));
        let (migrated, ended) = tokio::join!(migrate(&db.db, Duration::from_secs(60)), reader.rollback());
        ended.unwrap();
        assert!(migrated.unwrap().fits());
    });
}

#[test]
fn a_migration_that_waits_for_a_writer_is_not_waited_for_by_it() {
    on_postgres(|db| async move {
        empty(&db.db).await;
        Migrator::up(db.db.writer(), Some(1)).await.unwrap();
        let writer = db.db.writer().begin().await.unwrap();
        // Groups come before users, as in ARCHITECTURE.md.
        writer.execute_unprepared("SELECT 1 FROM groups").await.unwrap();
        let migrating = tokio::spawn({
            let db = db.db.clone();
            async move { migrate(&db, Duration::from_secs(60)).await }
        });
        db.until_somebody_waits_for_a_lock().await;

        writer
            .execute_unprepared("SET LOCAL lock_timeout = '100ms'")
            .await
            .unwrap();
        writer.execute_unprepared("SELECT 1 FROM users").await.unwrap();

        writer.commit().await.unwrap();
        assert!(migrating.await.unwrap().unwrap().fits());
    });
}

#[test]
fn who_waits_too_long_for_the_lock_is_told_whom_to_look_for() {
    on_postgres(|db| async move {
        empty(&db.db).await;
        let holder = db.db.writer().begin().await.unwrap();
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended('rollcall migrations', 0))";
        holder.execute_unprepared(lock).await.unwrap();

        let refused = migrate(&db.db, Duration::from_millis(1)).await.unwrap_err();

        assert!(matches!(refused, SchemaError::Locked(_)), "{refused}");
        assert!(refused.to_string().contains("pg_locks"));
        holder.rollback().await.unwrap();
        assert!(migrate(&db.db, Duration::from_millis(1)).await.unwrap().fits());
    });
}
