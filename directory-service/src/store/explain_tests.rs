//! What the indexes are for: equality on an indexed attribute is one search in the attribute's own index, and a page in
//! its order is read from there, on both databases, among 10,000 analysed rows.

use sea_orm::sea_query::SelectStatement;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::jobs;
use super::testing::{T0, TestDb, insert_users, on_every_database, on_postgres};
use crate::domain::attribute::{
    Attribute, ElementAttribute, GroupAttribute, ListAttribute, MemberAttribute, UserAttribute, UserGroupAttribute,
};
use crate::domain::extension::{ExtensionQuestion, Test};
use crate::domain::filter::{
    Comparison, Filter, GroupElement, GroupFilter, Literal, Operator, Order, UserElement, UserFilter, UserOrderKey,
};
use crate::domain::id::{GroupId, TenantId};
use crate::domain::mail::MailState;
use crate::domain::page::{PageKey, PagePosition, PageRequest, Place, Walk};
use crate::domain::search::{Search, Selection};
use crate::domain::user::UserParts;

const ROWS: usize = 10_000;

async fn plan(db: &TestDb, select: &SelectStatement) -> String {
    let explain = match db.db.backend() {
        DbBackend::Postgres => "EXPLAIN",
        _ => "EXPLAIN QUERY PLAN",
    };
    explained(db.db.writer(), explain, db.db.backend().build(select)).await
}

/// What an EXPLAIN says of a statement.
async fn explained<C: ConnectionTrait>(conn: &C, explain: &str, mut statement: Statement) -> String {
    let column = match conn.get_database_backend() {
        DbBackend::Postgres => 0,
        _ => 3,
    };
    statement.sql = format!("{explain} {}", statement.sql);
    let rows = conn.query_all_raw(statement).await.unwrap();
    let lines = rows.iter().map(|row| row.try_get_by_index::<String>(column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The line that searches `index` also names `key`: on SQLite it is the same line, on PostgreSQL its condition.
fn searches(plan: &str, index: &str, key: &str) -> bool {
    let mut lines = plan.lines().skip_while(|line| !line.contains(index));
    lines.next().is_some_and(|line| names(line, key, "=?"))
        || lines
            .next()
            .is_some_and(|line| line.contains("Index Cond") && names(line, key, " = "))
}

/// Whether a condition names the whole column: `tenant_id = $1` does not name `id`.
fn names(line: &str, key: &str, relation: &str) -> bool {
    let condition = format!("{key}{relation}");
    let mut found = line.match_indices(&condition);
    found.any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

#[test]
fn a_search_by_tenant_alone_is_no_search_by_id() {
    let postgres = |condition: &str| format!("Index Scan using users_pkey on users\n  Index Cond: ({condition})");

    assert!(!searches(&postgres("tenant_id = '0'::uuid"), "users_pkey", "id"));
    assert!(searches(
        &postgres("(tenant_id = '0'::uuid) AND (id = '1'::uuid)"),
        "users_pkey",
        "id"
    ));
    assert!(!searches("SEARCH users USING INDEX u (tenant_id=?)", "INDEX u", "id"));
    assert!(searches(
        "SEARCH users USING INDEX u (tenant_id=? AND id=?)",
        "INDEX u",
        "id"
    ));
}

/// Whether a plan reads a whole table. Two tenants are read so, as PostgreSQL knows how few they are.
fn scans(plan: &str) -> bool {
    plan.lines().any(|line| {
        let of_tenants = line.contains("Seq Scan on tenants");
        !of_tenants
            && ["Seq Scan", "SCAN users", "SCAN groups"]
                .iter()
                .any(|scan| line.contains(scan))
    })
}

fn equal<A: Attribute>(path: &str, literal: Literal) -> Comparison<A> {
    let attribute = A::find(path).unwrap();
    Comparison::new(attribute, attribute.kind(), Operator::Equal, literal).unwrap()
}

fn text(text: impl Into<String>) -> Literal {
    Literal::Text(text.into())
}

fn user_page(db: &TestDb, tenant: TenantId, filter: &UserFilter) -> SelectStatement {
    let backend = db.db.backend();
    let listing = super::users::listing(backend, tenant, Some(filter), Order::default());
    listing.statement(
        &PageRequest::first(100),
        super::users::resources(backend, tenant, UserParts::ALL),
    )
}

fn group_page(db: &TestDb, tenant: TenantId, filter: &GroupFilter) -> SelectStatement {
    let backend = db.db.backend();
    let listing = super::groups::listing(backend, tenant, Some(filter), Order::default());
    listing.statement(
        &PageRequest::first(100),
        super::groups::resources(backend, tenant, true),
    )
}

on_every_database! { equality_on_an_indexed_attribute_searches_its_own_index }

async fn equality_on_an_indexed_attribute_searches_its_own_index(db: TestDb) {
    let actor = db.tenant("acme").await;
    let other = db.tenant("other").await;
    let ids = insert_users(&db, &actor, ROWS).await;
    insert_users(&db, &other, 100).await;
    db.sql(
        "INSERT INTO groups (tenant_id, id, version, created_us, updated_us, display_name, display_name_key,
             external_id, external_id_key)
         SELECT tenant_id, id, 1, created_us, updated_us, user_name, user_name_key, external_id, external_id FROM users",
    )
    .await;
    db.sql(
        "INSERT INTO memberships (tenant_id, group_id, user_id, created_us)
         SELECT tenant_id, id, id, created_us FROM users",
    )
    .await;
    db.sql("ANALYZE").await;
    let tenant = actor.tenant;
    let id = ids[5_000].to_string();
    let time = || Literal::Time(i128::from(T0 + 5_000) * 1_000);
    let value = ElementAttribute::of(ListAttribute::Emails, "value").unwrap();
    let mail = Comparison::new(value, value.kind(), Operator::Equal, text("user5000@example.com")).unwrap();
    let in_group = Filter::Compare(equal::<UserGroupAttribute>("value", text(id.clone())));
    let user = |path: &str, literal| UserFilter::Compare(equal::<UserAttribute>(path, literal));
    let group = |path: &str, literal| GroupFilter::Compare(equal::<GroupAttribute>(path, literal));
    let member = Filter::Compare(equal::<MemberAttribute>("value", text(id.clone())));

    let postgres = db.db.backend() == DbBackend::Postgres;
    let primary = |table: &str| {
        if postgres {
            format!("{table}_pkey")
        } else {
            format!("sqlite_autoindex_{table}_1")
        }
    };
    for (filter, index, key) in [
        (user("id", text(id.clone())), primary("users"), "id"),
        (
            user("user_name", text("User5000@example.com")),
            "users_user_name".to_owned(),
            "user_name_key",
        ),
        (
            user("external_id", text("ext5000")),
            "users_external_id".to_owned(),
            "external_id",
        ),
        (
            user("display_name", text("User 5000")),
            "users_display_name".to_owned(),
            "display_name_key",
        ),
        (
            user("enterprise.employee_number", text("E5000")),
            "users_employee_number".to_owned(),
            "employee_number_key",
        ),
        (user("update_time", time()), "users_updated".to_owned(), "updated_us"),
        (user("create_time", time()), "users_created".to_owned(), "created_us"),
        (
            Filter::Element(UserElement::Values(
                ListAttribute::Emails,
                Filter::Compare(mail.clone()),
            )),
            "user_values_email".to_owned(),
            "email_key",
        ),
        (
            // What is asked about extensions is in the way of no index.
            Filter::And(
                std::iter::once(Filter::Element(UserElement::Values(
                    ListAttribute::Emails,
                    Filter::Compare(mail),
                )))
                .chain((0..5).map(|n| {
                    Filter::Element(UserElement::Extension(ExtensionQuestion::Single {
                        key: format!("urn:acme:user:a{n}"),
                        test: Test::Present,
                    }))
                }))
                .collect(),
            ),
            "user_values_email".to_owned(),
            "email_key",
        ),
        (
            Filter::Element(UserElement::Groups(in_group)),
            primary("memberships"),
            "group_id",
        ),
    ] {
        let plan = plan(&db, &user_page(&db, tenant, &filter)).await;
        assert!(searches(&plan, &index, key), "{index} ({key}):\n{plan}");
        assert!(!scans(&plan), "{plan}");
    }
    for (filter, index, key) in [
        (group("id", text(id.clone())), primary("groups"), "id"),
        (
            group("display_name", text("User5000@example.com")),
            "groups_name".to_owned(),
            "display_name_key",
        ),
        (
            group("external_id", text("ext5000")),
            "groups_external_id".to_owned(),
            "external_id",
        ),
        (group("update_time", time()), "groups_updated".to_owned(), "updated_us"),
        (
            Filter::Element(GroupElement::Members(member)),
            "memberships_of_user".to_owned(),
            "user_id",
        ),
    ] {
        let plan = plan(&db, &group_page(&db, tenant, &filter)).await;
        assert!(searches(&plan, &index, key), "{index} ({key}):\n{plan}");
        assert!(!scans(&plan), "{plan}");
    }
}

on_every_database! { a_page_in_the_order_of_an_indexed_attribute_is_read_from_its_index }

async fn a_page_in_the_order_of_an_indexed_attribute_is_read_from_its_index(db: TestDb) {
    let actor = db.tenant("acme").await;
    let ids = insert_users(&db, &actor, ROWS).await;
    insert_users(&db, &db.tenant("other").await, ROWS).await;
    db.sql("ANALYZE").await;
    let text = |text: &str| PageKey::Text(text.to_owned());
    let time = PageKey::Integer(T0 + 5_000);

    for (path, index, key) in [
        ("user_name", "users_user_name", text("user5000@example.com")),
        ("external_id", "users_external_id", text("ext5000")),
        ("display_name", "users_display_name", text("user 5000")),
        ("enterprise.employee_number", "users_employee_number", text("e5000")),
        ("update_time", "users_updated", time.clone()),
        ("create_time", "users_created", time),
    ] {
        let place = Place {
            key: Some(key),
            id: ids[5_000].uuid(),
        };
        let from = |walk| {
            Some(PagePosition {
                place: place.clone(),
                walk,
                inclusive: false,
            })
        };
        for position in [None, from(Walk::Forward), from(Walk::Backward)] {
            for descending in [false, true] {
                let key = UserAttribute::find(path).map(UserOrderKey::Attribute);
                let backend = db.db.backend();
                let listing = super::users::listing(backend, actor.tenant, None, Order { key, descending });
                let request = PageRequest::first(20).after(position.clone());
                let users = super::users::resources(backend, actor.tenant, UserParts::ALL);
                let plan = plan(&db, &listing.statement(&request, users)).await;
                assert!(plan.contains(index), "{index} {descending} {position:?}:\n{plan}");
                assert!(!scans(&plan), "{plan}");
            }
        }
    }
}

on_every_database! { who_stays_in_a_group_is_looked_up_and_not_searched_for_one_by_one }

async fn who_stays_in_a_group_is_looked_up_and_not_searched_for_one_by_one(db: TestDb) {
    let actor = db.tenant("acme").await;
    let group = GroupId::generate();
    let ids = insert_users(&db, &actor, ROWS).await;
    let (after, until) = (Some(ids[0]), Some(ids[ROWS - 1]));
    let tx = db.db.begin_write().await.unwrap();

    let delete = super::memberships::delete_between(&tx, actor.tenant, group, after, until, &ids);

    let statement = db.db.backend().build(&delete);
    if db.db.backend() != DbBackend::Postgres {
        let plan = explained(&tx, "EXPLAIN QUERY PLAN", statement).await;
        assert!(plan.contains("user_id>? AND user_id<?"), "{plan}");
        return;
    }
    // The plan that is kept for all executions, which knows nothing of the values: PostgreSQL takes it after five of them.
    let values = format!("'{0}', '{1}', '{0}', '{0}', '{{}}'", actor.tenant.uuid(), group.uuid());
    tx.execute_unprepared(&format!("PREPARE others AS {}", statement.sql))
        .await
        .unwrap();
    tx.execute_unprepared("SET LOCAL plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    let execute = Statement::from_string(DbBackend::Postgres, format!("EXECUTE others ({values})"));
    let plan = explained(&tx, "EXPLAIN", execute).await;
    assert!(
        plan.contains("hashed SubPlan") && plan.contains("user_id <= $4"),
        "{plan}"
    );
}

on_every_database! { whether_an_attribute_is_used_is_one_search_for_each_attribute }

/// Among 10,000 users who have values of two attributes, as PostgreSQL knows.
async fn whether_an_attribute_is_used_is_one_search_for_each_attribute(db: TestDb) {
    let actor = db.tenant("acme").await;
    insert_users(&db, &actor, ROWS).await;
    for attribute in ["urn:acme:user:a", "urn:acme:user:b"] {
        db.sql(&format!(
            "INSERT INTO extension_values (tenant_id, attribute_key, value_key, user_id)
             SELECT tenant_id, '{attribute}', user_name_key, id FROM users"
        ))
        .await;
    }
    db.sql("ANALYZE").await;
    let key = |name: &str| format!("urn:acme:user:{name}");
    let find = async |names: &[&str]| {
        let keys = names.iter().map(|name| key(name)).collect();
        let found = super::extensions::find_used(db.db.reader(), actor.tenant, keys).await;
        found.unwrap()
    };

    assert_eq!(find(&["x", "y"]).await, None);
    assert_eq!(find(&["x", "b", "y"]).await, Some(key("b")));
    assert_eq!(find(&[]).await, None);
    let statement = super::extensions::used(actor.tenant, vec![key("x"), key("a")]);
    let plan = plan(&db, &statement).await;
    let index = if db.db.backend() == DbBackend::Postgres {
        "extension_values_pkey"
    } else {
        "sqlite_autoindex_extension_values_1"
    };
    assert!(searches(&plan, index, "attribute_key"), "{plan}");
    for scan in ["Seq Scan on extension_values", "SCAN extension_values", "Sort"] {
        assert!(!plan.contains(scan), "{plan}");
    }
}

/// How many blocks PostgreSQL looks at to run a statement, those of documents that stand apart from their rows among them.
async fn blocks(db: &TestDb, select: &SelectStatement) -> usize {
    let statement = db.db.backend().build(select);
    let plan = explained(db.db.writer(), "EXPLAIN (ANALYZE, BUFFERS)", statement).await;
    let of_all = plan.lines().find(|line| line.contains("Buffers:"));
    let counts = of_all
        .unwrap()
        .split([' ', '='])
        .filter_map(|word| word.parse::<usize>().ok());
    counts.sum()
}

/// On SQLite there is nothing to count: the size of a document stands in its row's header.
#[test]
fn only_the_resources_of_a_page_are_measured() {
    on_postgres(async |db: TestDb| {
        const USERS: usize = 2_000;
        let actor = db.tenant("acme").await;
        insert_users(&db, &actor, USERS).await;
        // No document stands in its row, and each is read from several blocks.
        db.sql(
            "UPDATE users SET document = jsonb_build_object('title',
                 (SELECT string_agg(md5(id::text || n), '') FROM generate_series(1, 200) n))",
        )
        .await;
        db.sql("VACUUM ANALYZE").await;
        let tenant = actor.tenant;
        let page = |skip: usize| {
            let mut request = PageRequest::first(10);
            request.skip = skip as u64;
            request
        };
        let list = |key: Option<&str>, skip: usize| {
            let key = key.and_then(UserAttribute::find).map(UserOrderKey::Attribute);
            let order = Order { key, descending: false };
            let listing = super::users::listing(DbBackend::Postgres, tenant, None, order);
            listing.statement(
                &page(skip),
                super::users::resources(DbBackend::Postgres, tenant, UserParts::ALL),
            )
        };
        let users = Some(Selection {
            filter: None,
            key: None,
        });
        let groups = Some(Selection {
            filter: None,
            key: None,
        });
        let search = Search::new(users, groups, false).unwrap();
        let all = super::search::listings(DbBackend::Postgres, tenant, &search, UserParts::ALL);

        for skip in [0, USERS - 10] {
            for (what, statement) in [
                ("by id", list(None, skip)),
                ("by an index", list(Some("user_name"), skip)),
                ("without an index", list(Some("title"), skip)),
                ("users and groups", all.statement(&page(skip))),
            ] {
                let blocks = blocks(&db, &statement).await;
                assert!(blocks < USERS, "{what}, after {skip}: {blocks} blocks");
            }
        }
    });
}

on_every_database! { the_state_of_the_outbox_is_read_without_the_mails_that_were_sent }

async fn the_state_of_the_outbox_is_read_without_the_mails_that_were_sent(db: TestDb) {
    let actor = db.tenant("acme").await;
    insert_users(&db, &actor, ROWS).await;
    let row = "tenant_id, id, 1, 3, 0, 0, 1, 1";
    db.sql(&format!(
        "INSERT INTO mails (tenant_id, user_id, code_number, state, queued_us, due_us, fence, attempts) \
         SELECT {row} FROM users"
    ))
    .await;
    db.sql("ANALYZE mails").await;

    for (state, index) in [
        (MailState::Waiting, "mails_waiting"),
        (MailState::Parked, "mails_parked"),
    ] {
        let plan = plan(&db, &jobs::counted(state)).await;
        assert!(plan.contains(index), "{state:?}:\n{plan}");
    }
}
