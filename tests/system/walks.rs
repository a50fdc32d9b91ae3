//! Walks by cursor (RFC 9865) while others write. On PostgreSQL through two directory-services and two gateways.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::lists::in_order;
use crate::support::databases::Database;
use crate::support::scim::{Answer, Scim, encode, user};
use crate::support::system::{Settings, System};

on_every_database! {
    a_walk_meets_everybody_once_while_others_write,
}

/// How many users, and half as many groups, nobody touches.
const UNTOUCHED: usize = 40;
/// How many tasks write users; one more writes groups.
const WRITERS: usize = 4;
/// What is bounded by these does not end otherwise: the writes of one task, and the pages of one walk.
const MOST_WRITES: usize = 20_000;
const MOST_PAGES: usize = 500;

async fn a_walk_meets_everybody_once_while_others_write(database: Database) {
    let settings = Settings {
        more_pairs: 1,
        ..Settings::default()
    };
    let system = System::start_with(database, settings).await;
    let scim = system.tenant("busy").await.scim;
    let clients = [scim.at(&system.base(0)), scim.at(&system.base(1))];
    let (users, groups) = untouched(&scim).await;

    let is_over = Arc::new(AtomicBool::new(false));
    let (written, writes) = watch::channel(0);
    let mut writers = JoinSet::new();
    for number in 0..=WRITERS {
        let writer = Writer::new(number, clients.clone(), is_over.clone(), written.clone());
        writers.spawn(writer.run());
    }
    drop(written);
    let mut walkers = JoinSet::new();
    for walk in walks(users, groups) {
        walkers.spawn(walk.there_and_back(clients.clone(), writes.clone()));
    }
    let pages: usize = walkers.join_all().await.into_iter().sum();
    is_over.store(true, Ordering::Relaxed);
    let mut sums = Wrote::default();
    for wrote in writers.join_all().await {
        sums = std::array::from_fn(|kind| sums[kind] + wrote[kind]);
    }

    println!("{pages} pages beside {sums:?} writes");
    assert!(pages > 300, "only {pages} pages");
    assert!(
        sums.iter().all(|count| *count > 40),
        "created, deleted, renamed, changed: {sums:?}"
    );
}

/// Something that has its place in every order.
#[derive(Clone)]
struct Untouched {
    id: String,
    name: String,
    nick_name: Option<String>,
}

/// Users and groups that stay as they are.
async fn untouched(scim: &Scim) -> (Vec<Untouched>, Vec<Untouched>) {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for index in 0..UNTOUCHED {
        // Neither in the order in which they are created nor against it; every other one has a nickname, some the same.
        let name = format!("m{:02}", index * 7 % UNTOUCHED);
        let nick_name = (index % 2 == 0).then(|| format!("nick{}", index % 5));
        let mut body = user(&name);
        body["nickName"] = json!(nick_name);
        let id = scim.create_user(&body).await;
        users.push(Untouched { id, name, nick_name });
        if index % 2 == 0 {
            let name = format!("m{:02}", index * 3 % UNTOUCHED);
            let id = scim.create_group(&name, &[]).await;
            groups.push(Untouched {
                id,
                name,
                nick_name: None,
            });
        }
    }
    (users, groups)
}

/// A list that is walked, and what of it must be met in which order.
struct Walk {
    endpoint: &'static str,
    query: String,
    expected: Vec<String>,
    /// By which text everything stands in strict order, and whether that is turned round.
    strictly_by: Option<(&'static str, bool)>,
}

fn walks(users: Vec<Untouched>, groups: Vec<Untouched>) -> Vec<Walk> {
    let ids = |mut list: Vec<Untouched>, is_descending: bool| {
        if is_descending {
            list.reverse();
        }
        list.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let by_id = |list: &[Untouched]| {
        let mut list = list.to_vec();
        list.sort_by(|one, other| one.id.cmp(&other.id));
        list
    };
    let by_name = |list: &[Untouched]| {
        let mut list = list.to_vec();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        list
    };
    // Who has none comes last, and of those who have the same, who came first.
    let key = |one: &Untouched| (one.nick_name.is_none(), one.nick_name.clone(), one.id.clone());
    let mut by_nick_name = users.clone();
    by_nick_name.sort_by_key(key);
    let everything = [users.clone(), groups.clone()].concat();
    let engineers = format!("filter={}&sortBy=emails&count=2", encode("title eq \"Engineer\""));

    let walk = |endpoint, query: &str, expected, strictly_by| Walk {
        endpoint,
        query: query.to_owned(),
        expected,
        strictly_by,
    };
    let sorted = |endpoint, by: &'static str, count: usize, list: &[Untouched], is_strict: bool| {
        [false, true].map(|is_descending| {
            let order = if is_descending { "descending" } else { "ascending" };
            let query = format!(
                "sortBy={by}&sortOrder={order}&count={}",
                count + usize::from(is_descending)
            );
            let strictly_by = is_strict.then_some((by, is_descending));
            walk(endpoint, &query, ids(list.to_vec(), is_descending), strictly_by)
        })
    };
    let mut walks = vec![
        walk("/Users", "count=7", ids(by_id(&users), false), Some(("id", false))),
        walk("/Users", &engineers, ids(by_name(&users), false), None),
        walk("/Groups", "count=3", ids(by_id(&groups), false), Some(("id", false))),
        walk("", "count=9", ids(by_id(&everything), false), Some(("id", false))),
    ];
    walks.extend(sorted("/Users", "userName", 1, &by_name(&users), true));
    walks.extend(sorted("/Users", "nickName", 4, &by_nick_name, false));
    walks.extend(sorted("/Users", "meta.lastModified", 6, &users, false));
    walks.extend(sorted("/Groups", "displayName", 2, &by_name(&groups), true));
    walks
}

impl Walk {
    /// From the first page to the last and back, with a write of somebody before each page; gives how many pages that were.
    async fn there_and_back(self, clients: [Scim; 2], mut writes: watch::Receiver<u64>) -> usize {
        let mut there: Vec<Answer> = Vec::new();
        let mut cursor = Some(String::new());
        while let Some(at) = cursor.take() {
            there.push(self.page(&clients, &mut writes, &at, there.len()).await);
            cursor = there
                .last()
                .and_then(|page| cursor_of(page, "nextCursor"))
                .filter(|_| !self.is_over(&there));
        }
        self.check(&there, "there");

        let mut back: Vec<Answer> = there.last().cloned().into_iter().collect();
        while let Some(at) = back.first().and_then(|page| cursor_of(page, "previousCursor"))
            && !self.is_over(&back)
        {
            back.insert(0, self.page(&clients, &mut writes, &at, back.len()).await);
        }
        self.check(&back, "back");
        there.len() + back.len() - 1
    }

    async fn page(
        &self,
        clients: &[Scim; 2],
        writes: &mut watch::Receiver<u64>,
        cursor: &str,
        number: usize,
    ) -> Answer {
        assert!(number < MOST_PAGES, "{}: a walk without an end", self.query);
        let before = *writes.borrow_and_update();
        writes.wait_for(|now| *now > before).await.expect("somebody writes");
        let path = format!(
            "{}?attributes=userName,displayName&{}&cursor={cursor}",
            self.endpoint, self.query
        );
        clients[number % 2].get(&path).await.expect(200)
    }

    /// By the time of change, what others write moves to one end for ever: there is no last page. It is enough to have met
    /// everybody, and some more.
    fn is_over(&self, pages: &[Answer]) -> bool {
        let is_endless = self.query.contains("lastModified");
        is_endless && {
            let met: BTreeSet<String> = pages.iter().flat_map(in_order).collect();
            self.expected.iter().all(|id| met.contains(id)) && met.len() > self.expected.len() + 10
        }
    }

    /// Who was not touched was met once, in order, and everybody else stood in the order as well.
    fn check(&self, pages: &[Answer], way: &str) {
        let expected: BTreeSet<&String> = self.expected.iter().collect();
        let met: Vec<String> = pages
            .iter()
            .flat_map(in_order)
            .filter(|id| expected.contains(id))
            .collect();
        assert_eq!(met, self.expected, "{}?{} {way}", self.endpoint, self.query);
        let Some((name, is_descending)) = self.strictly_by else {
            return;
        };
        let resources = pages.iter().flat_map(|page| page.body["Resources"].as_array().unwrap());
        let mut keys: Vec<String> = resources
            .map(|one| one[name].as_str().unwrap().to_lowercase())
            .collect();
        if is_descending {
            keys.reverse();
        }
        let is_sorted = keys.is_sorted_by(|one, other| one < other);
        assert!(is_sorted, "{}?{} {way}: {keys:?}", self.endpoint, self.query);
    }
}

fn cursor_of(page: &Answer, name: &str) -> Option<String> {
    page.body.get(name).map(|cursor| cursor.as_str().unwrap().to_owned())
}

/// How many were created, deleted, renamed, and changed.
type Wrote = [usize; 4];

/// Writes its own users, or its own groups, until it is told to stop.
struct Writer {
    number: usize,
    endpoint: &'static str,
    clients: [Scim; 2],
    is_over: Arc<AtomicBool>,
    written: watch::Sender<u64>,
    /// The same in every run, as far as the writers are.
    random: StdRng,
    own: Vec<String>,
}

impl Writer {
    fn new(number: usize, clients: [Scim; 2], is_over: Arc<AtomicBool>, written: watch::Sender<u64>) -> Self {
        Self {
            number,
            endpoint: if number == WRITERS { "/Groups" } else { "/Users" },
            clients,
            is_over,
            written,
            random: StdRng::seed_from_u64(number as u64),
            own: Vec::new(),
        }
    }

    async fn run(mut self) -> Wrote {
        let mut wrote = Wrote::default();
        for step in 0..MOST_WRITES {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            // At first there must be some to write on.
            let kind = if self.own.len() < 8 { 0 } else { step % wrote.len() };
            let scim = self.clients[step % 2].clone();
            let name = self.name(step);
            let at = self.random.random_range(0..self.own.len().max(1));
            match kind {
                0 => {
                    let body = self.body(&name);
                    let created = scim.post(self.endpoint, &body).await.expect(201);
                    self.own.push(created.id());
                }
                1 => {
                    let id = self.own.swap_remove(at);
                    scim.delete(&format!("{}/{id}", self.endpoint)).await.expect(204);
                }
                _ => {
                    let operations = if kind == 2 {
                        self.rename(&name)
                    } else {
                        self.change(&name)
                    };
                    let path = format!("{}/{}", self.endpoint, self.own[at]);
                    let status = scim.patch(&path, operations).await.status;
                    assert!([200, 204].contains(&status), "{path} was answered {status}");
                }
            }
            wrote[kind] += 1;
            self.written.send_modify(|count| *count += 1);
        }
        wrote
    }

    /// A new name before, among, or behind those that stay; anywhere there, or a walk would never reach the last one.
    fn name(&mut self, step: usize) -> String {
        let side = ["a", "m", "z"][self.random.random_range(0..3)];
        let place: u32 = self.random.random_range(0..100);
        format!("{side}{place:02}w{}x{step}", self.number)
    }

    fn body(&self, name: &str) -> Value {
        match self.endpoint {
            "/Users" => user(name),
            _ => crate::support::scim::group(name, &[]),
        }
    }

    fn rename(&self, name: &str) -> Value {
        match self.endpoint {
            "/Users" => json!([{"op": "replace", "path": "userName", "value": format!("{name}@example.com")}]),
            _ => json!([{"op": "replace", "path": "displayName", "value": name}]),
        }
    }

    fn change(&self, name: &str) -> Value {
        match self.endpoint {
            "/Users" => json!([{"op": "replace", "path": "nickName", "value": name}]),
            _ => json!([{"op": "replace", "path": "externalId", "value": name}]),
        }
    }
}
