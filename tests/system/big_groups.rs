//! A group of 100,000 members is written in one request and read in one answer that nobody holds as a whole, and costs what
//! a group of ten costs where its members are not asked for.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::json;
use uuid::Uuid;

use crate::statements::{is_statement, literal, seed};
use crate::support::collector::{Collector, new_trace_id};
use crate::support::databases::Database;
use crate::support::scim::{Answer, Scim, group, user};
use crate::support::system::{Settings, System};

const MIB: u64 = 1024 * 1024;
/// By how much a service may grow while it answers with members, however many they are.
const FLAT_BYTES: u64 = 6 * MIB;
/// What SQLite may keep of its file besides: 2 MB a connection, and two readers at once make three of them at most.
const SQLITE_CACHE_BYTES: u64 = 6 * MIB;

on_every_database! { a_group_of_100_000_members_is_written_in_one_request_and_read_in_flat_memory }

async fn a_group_of_100_000_members_is_written_in_one_request_and_read_in_flat_memory(database: Database) {
    let collector = Collector::start().await;
    // How many threads there are, and with them how many arenas malloc has, must not depend on the machine.
    let threads = vec![("TOKIO_WORKER_THREADS", "2".to_owned())];
    let settings = Settings {
        environment: [collector.environment(), threads].concat(),
        ..Settings::default()
    };
    let cache_bytes = match database {
        Database::Sqlite => SQLITE_CACHE_BYTES,
        Database::Postgres(_) => 0,
    };
    let mut system = System::start_with(database, settings).await;
    let scim = system.tenant("big").await.scim;
    let groups = Groups::seed(&system, &scim).await;
    let mut counted = Counted::default();

    let (shown, read) = reading(&system, &scim, &groups).await;
    let written = writing(&system, &scim, &groups, shown, &mut counted).await;
    pages_are_capped(&scim, groups.many.members.len()).await;
    system.stop_exported().await;

    println!("bytes more: {read:?}, POST of 100,000 members {written:?}");
    for (what, growth) in &read {
        let flat = growth.iter().all(|(_, bytes)| *bytes <= FLAT_BYTES + cache_bytes);
        assert!(flat, "{what} took too much memory: {growth:?}");
    }
    // A POST must hold its members: if that were not seen, nothing above was.
    let seen = written.iter().any(|(_, bytes)| *bytes > 4 * FLAT_BYTES);
    assert!(seen || !MEASURED, "the memory of a POST was not seen: {written:?}");
    counted.check(&collector);
}

/// A group and the ids of its members, sorted.
struct Group {
    id: String,
    members: Vec<String>,
}

/// Groups that share no member but one.
struct Groups {
    few: Group,
    some: Group,
    many: Group,
}

impl Groups {
    async fn seed(system: &System, scim: &Scim) -> Self {
        let sql = system.sql().await;
        let model = scim.create_user(&user("model")).await;
        let group = async |name, size| {
            let id = scim.create_group(name, &[&model]).await;
            seed(&sql, &model, &id, size - 1).await; // the model is the first member
            let members = members_in(&sql, &id).await;
            assert_eq!(members.len() as u64, size);
            Group { id, members }
        };
        let groups = Self {
            few: group("few", 10).await,
            some: group("some", 10_000).await,
            many: group("many", 100_000).await,
        };
        sql.close().await.unwrap();
        groups
    }
}

async fn members_in(sql: &DatabaseConnection, group: &str) -> Vec<String> {
    let group = literal(sql, group);
    let text = format!("SELECT user_id FROM memberships WHERE group_id = {group} ORDER BY user_id");
    let rows = sql
        .query_all_raw(Statement::from_string(sql.get_database_backend(), text))
        .await
        .unwrap();
    let id = |row: &sea_orm::QueryResult| row.try_get::<Uuid>("", "user_id").unwrap().to_string();
    rows.iter().map(id).collect()
}

/// The ids of the members in an answer, sorted.
fn members(answer: &Answer) -> Vec<&str> {
    let members = answer.body["members"].as_array().expect("members");
    let mut ids: Vec<&str> = members.iter().map(|member| member["value"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// By how many bytes each process grew at its peak.
type Growth = Vec<(&'static str, u64)>;

/// Only Linux tells.
const MEASURED: bool = cfg!(target_os = "linux");

async fn growth<T>(system: &System, work: impl Future<Output = T>) -> (T, Growth) {
    if !MEASURED {
        eprintln!("memory is not measured here: this is not Linux");
        return (work.await, Growth::new());
    }
    system.forget_peak_memory();
    let before = system.memory();
    let done = work.await;
    let grew = system.memory().into_iter().zip(before);
    let grew = grew.map(|(now, before)| (now.name, now.peak.saturating_sub(before.resident)));
    (done, grew.collect())
}

/// Reads groups of 10,000 and of 100,000 members, in processes that have never had so much in hand: what they freed before
/// could be used again unseen.
async fn reading(system: &System, scim: &Scim, groups: &Groups) -> (Answer, [(&'static str, Growth); 2]) {
    read_twice(scim, &groups.few).await;
    let (_, some) = growth(system, read_twice(scim, &groups.some)).await;
    let (shown, many) = growth(system, read_twice(scim, &groups.many)).await;
    assert!(shown.text.len() as u64 > 13 * MIB, "{}", shown.text.len());
    (
        shown,
        [("2 GETs of 10,000 members", some), ("2 GETs of 100,000 members", many)],
    )
}

/// One caller leaves the answer unread while another one reads: what is written ahead would pile up.
async fn read_twice(scim: &Scim, group: &Group) -> Answer {
    let path = format!("/Groups/{}", group.id);
    let unread = scim.get_unread(&path).await;
    let read = scim.get(&path).await.expect(200);
    let late = unread.read().await.expect(200);
    assert!(members(&read) == group.members, "not each member once");
    assert!(late.text == read.text, "two answers");
    read
}

/// Writes a group of 100,000 members and counts the statements.
async fn writing(system: &System, scim: &Scim, groups: &Groups, shown: Answer, counted: &mut Counted) -> Growth {
    let Groups { few, some, many } = groups;
    let ids: Vec<&str> = many.members.iter().map(String::as_str).collect();
    let others = &some.members[..9_000];
    assert!(others.iter().all(|id| many.members.binary_search(id).is_err()));

    let traced = counted.trace(scim, "POST", ids.len(), 30);
    let body = group("posted", &ids);
    let post = traced.post("/Groups?excludedAttributes=members", &body);
    let (posted, growth) = growth(system, post).await;
    let id = posted.expect(201).id();
    let sql = system.sql().await;
    assert!(members_in(&sql, &id).await == ids, "not each member once");
    sql.close().await.unwrap();

    let exchanged = exchange(shown, others);
    let traced = counted.trace(scim, "PUT", ids.len(), 40);
    let put = format!("/Groups/{id}?excludedAttributes=members");
    let replaced = traced.put(&put, &exchanged.body).await.expect(200);
    assert_eq!(replaced.body["meta"]["version"], "W/\"2\"");
    let replaced = Group {
        id,
        members: members(&exchanged).into_iter().map(str::to_owned).collect(),
    };

    for group in [few, &replaced] {
        let changed = change_members(scim, group, ids[0], counted).await;
        assert!(scim.members(&group.id).await == changed, "not each member once");
    }

    let one_more = [&ids[..], &[&others[0]]].concat();
    let refused = scim.post("/Groups", &group("too many", &one_more)).await;
    refused.expect_error(400, Some("invalidValue"));
    let found = scim.filter("/Groups", "displayName eq \"too many\"").await.expect(200);
    assert_eq!(found.body["totalResults"], 0);
    growth
}

/// A group as it was shown, under another external id, and with every tenth member, the first one first, exchanged for one
/// of these.
fn exchange(mut shown: Answer, others: &[String]) -> Answer {
    shown.body["externalId"] = json!("exchanged");
    let members = shown.body["members"].as_array_mut().unwrap();
    for (member, other) in members.iter_mut().step_by(10).zip(others) {
        let before = member["value"].as_str().unwrap().to_owned();
        member["$ref"] = json!(member["$ref"].as_str().unwrap().replace(&before, other));
        member["value"] = json!(other);
    }
    shown
}

/// Asks for a group without its members, and takes one in and one out. Who the members are then, sorted.
async fn change_members(scim: &Scim, group: &Group, joiner: &str, counted: &mut Counted) -> Vec<String> {
    let (path, mut members) = (format!("/Groups/{}", group.id), group.members.clone());
    let mut trace = |what, limit| counted.trace(scim, what, group.members.len(), limit);
    let leaver = members.remove(group.members.len() / 2);
    let remove = json!([{"op": "Remove", "path": "members", "value": [{"value": leaver}]}]);

    let shown = trace("GET without members", 2)
        .get(&format!("{path}?excludedAttributes=members"))
        .await
        .expect(200);
    assert!(shown.body.get("members").is_none());
    trace("PATCH of a member in", 7)
        .add_members(&group.id, &[joiner])
        .await
        .expect(204);
    trace("PATCH of a member out", 7).patch(&path, remove).await.expect(204);

    assert!(!members.iter().any(|id| id == joiner), "it was no member");
    members.push(joiner.to_owned());
    members.sort_unstable();
    members
}

/// Whatever is asked for, a page is no longer than ServiceProviderConfig says, and without a wish as long as it says.
async fn pages_are_capped(scim: &Scim, users: usize) {
    let config = scim.get("/ServiceProviderConfig").await.expect(200).body["pagination"].clone();
    assert_eq!(
        (&config["defaultPageSize"], &config["maxPageSize"]),
        (&json!(200), &json!(1_000))
    );
    for (query, length) in [
        ("", 200),
        ("?count=1000", 1_000),
        ("?count=1001", 1_000),
        ("?count=100000", 1_000),
    ] {
        let page = scim.get(&format!("/Users{query}")).await.expect(200).body;
        assert_eq!(page["Resources"].as_array().map(Vec::len), Some(length), "{query}");
        assert_eq!(page["itemsPerPage"], json!(length), "{query}");
        assert!(page["totalResults"].as_u64() > Some(users as u64), "{query}");
    }
}

/// What was asked of a group of how many members, how many statements it may run, and under which trace.
#[derive(Default)]
struct Counted(Vec<(&'static str, usize, usize, String)>);

impl Counted {
    fn trace(&mut self, scim: &Scim, what: &'static str, size: usize, limit: usize) -> Scim {
        let trace = new_trace_id();
        let traced = scim.traced(&trace);
        self.0.push((what, size, limit, trace));
        traced
    }

    /// Each request ran so many statements, locks among them, and no more; and as many with few members as with many.
    fn check(&self, collector: &Collector) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (what, size, limit, trace) in &self.0 {
            let spans = collector.trace(trace);
            let statements = spans.iter().filter(|span| is_statement(span, &spans)).count();
            println!("{size} members, {what}: {statements} statements of {limit}");
            assert!((1..=*limit).contains(&statements), "{what}");
            assert_eq!(*counts.entry(what).or_insert(statements), statements, "{what}");
        }
    }
}
