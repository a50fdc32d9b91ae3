//! Several clients that write and read without a pause, each in a part of the tenant that nobody else writes, and who know
//! afterwards what must be there: the last value that was acknowledged, or one that was sent since and never answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::eventually;
use crate::support::scim::{Answer, Scim, encode, user};

/// How long a client lets go by before it sends the next request after one that failed.
const AFTER_A_FAILURE: Duration = Duration::from_millis(50);

/// A running load.
pub struct Load {
    scim: Scim,
    shared: Arc<Shared>,
    clients: JoinSet<Share>,
}

#[derive(Default)]
struct Shared {
    stop: CancellationToken,
    answered: AtomicUsize,
    failures: Mutex<Vec<Failure>>,
}

/// A request that was not answered as it ought to be when nothing is wrong.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "read by whoever reads a failed test")]
pub struct Failure {
    pub request: String,
    /// None: there was no answer.
    pub status: Option<u16>,
    pub text: String,
    /// What the answer says about when to try again.
    pub retry_after: String,
    pub began: Instant,
    pub took: Duration,
}

/// A value that one client alone writes.
#[derive(Clone)]
struct Word<T> {
    acknowledged: T,
    /// Values that were sent since and not acknowledged: any may be there.
    perhaps: Vec<T>,
}

impl<T: PartialEq> Word<T> {
    fn new(acknowledged: T) -> Self {
        let perhaps = Vec::new();
        Self { acknowledged, perhaps }
    }

    fn sent(&mut self, value: T, is_acknowledged: bool) {
        if is_acknowledged {
            *self = Self::new(value);
        } else {
            self.perhaps.push(value);
        }
    }

    fn may_be(&self, value: &T) -> bool {
        self.acknowledged == *value || self.perhaps.contains(value)
    }
}

struct KnownUser {
    sent: Value,
    display_name: Word<String>,
    is_member: Word<bool>,
}

/// What one client knows.
struct Share {
    scim: Scim,
    name: String,
    group: String,
    users: BTreeMap<String, KnownUser>,
    /// Creates that were not acknowledged.
    perhaps: Vec<Value>,
}

impl Load {
    /// Starts so many clients on this tenant.
    pub async fn start(base: &str, token: &str, clients: usize) -> Self {
        let scim = Scim::new(base, token);
        let shared = Arc::<Shared>::default();
        let mut running = JoinSet::new();
        for number in 0..clients {
            let name = format!("client{number}");
            let share = Share {
                group: scim.create_group(&name, &[]).await,
                scim: Scim::new(base, token), // connections of its own
                name,
                users: BTreeMap::new(),
                perhaps: Vec::new(),
            };
            running.spawn(share.work(shared.clone()));
        }
        Self {
            scim,
            shared,
            clients: running,
        }
    }

    /// How many requests have been answered as they ought to be.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Waits until so many more are answered.
    pub async fn goes_on(&self, more: usize) {
        let enough = self.answered() + more;
        eventually(&format!("{more} more requests are answered"), async || {
            (self.answered() >= enough).then_some(())
        })
        .await;
    }

    /// The failures so far.
    pub fn failures(&self) -> Vec<Failure> {
        self.shared.failures.lock().unwrap().clone()
    }

    /// Stops the clients, finds everything that they know in the directory and nothing else, and says how it was.
    pub async fn finish(mut self) -> Outcome {
        self.shared.stop.cancel();
        let mut shares = Vec::new();
        while let Some(share) = self.clients.join_next().await {
            shares.push(share.unwrap());
        }
        let mut outcome = Outcome {
            answered: self.answered(),
            failures: self.failures(),
            ..Outcome::default()
        };
        let mut there = everybody(&self.scim).await;
        for share in shares {
            share.compare(&mut there, &mut outcome).await;
        }
        assert!(there.is_empty(), "nobody sent these: {there:?}");
        outcome
    }
}

/// What a load came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub answered: usize,
    pub failures: Vec<Failure>,
    /// How many creates were acknowledged.
    pub created: usize,
    /// How many unanswered creates turned out to be there.
    pub created_unanswered: usize,
}

/// Every user of a tenant by id.
async fn everybody(scim: &Scim) -> BTreeMap<String, Value> {
    let mut there = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = scim
            .get(&format!("/Users?count=1000&cursor={}", encode(&cursor)))
            .await
            .expect(200);
        for found in page.body["Resources"].as_array().cloned().unwrap_or_default() {
            there.insert(found["id"].as_str().unwrap().to_owned(), found);
        }
        match page.body["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return there,
        }
    }
}

impl Share {
    async fn work(mut self, shared: Arc<Shared>) -> Self {
        let mut round = 0;
        while !shared.stop.is_cancelled() {
            round += 1;
            self.round(round, &shared).await;
        }
        self
    }

    /// What Entra does to one user, and to its group.
    async fn round(&mut self, round: usize, shared: &Shared) {
        let name = format!("{}-{round}", self.name);
        let body = user(&name);
        let sent = shared.judge(201, "create", self.scim.try_post("/Users", &body)).await;
        let Some(created) = sent else {
            return self.perhaps.push(body);
        };
        let id = created.id();
        let known = KnownUser {
            display_name: Word::new(body["displayName"].as_str().unwrap().to_owned()),
            is_member: Word::new(false),
            sent: body,
        };
        self.users.insert(id.clone(), known);

        let filter = format!(
            "/Users?filter={}",
            encode(&format!("userName eq \"{name}@example.com\""))
        );
        if let Some(found) = shared.judge(200, "match", self.scim.try_get(&filter)).await {
            assert_eq!(found.ids(), [id.as_str()], "an acknowledged create is found");
        }
        for change in 0..2 {
            self.rename(&id, format!("Change {change} of {name}"), shared).await;
            self.read(&id, shared).await;
        }
        self.set_member(&id, true, shared).await;
        if round.is_multiple_of(3) {
            self.set_member(&id, false, shared).await;
        }
        shared.judge(200, "list", self.scim.try_get("/Users?count=5")).await;
    }

    async fn rename(&mut self, id: &str, display_name: String, shared: &Shared) {
        let change = json!([{"op": "Replace", "path": "displayName", "value": display_name}]);
        let path = format!("/Users/{id}");
        let answer = shared.judge(200, "patch", self.scim.try_patch(&path, change)).await;
        self.known(id).display_name.sent(display_name, answer.is_some());
    }

    async fn read(&mut self, id: &str, shared: &Shared) {
        let path = format!("/Users/{id}");
        if let Some(found) = shared.judge(200, "read", self.scim.try_get(&path)).await {
            self.known(id).is(&found.body);
        }
    }

    async fn set_member(&mut self, id: &str, is_member: bool, shared: &Shared) {
        let op = if is_member { "Add" } else { "Remove" };
        let change = json!([{"op": op, "path": "members", "value": [{"value": id}]}]);
        let path = format!("/Groups/{}", self.group);
        let answer = shared.judge(204, "members", self.scim.try_patch(&path, change)).await;
        self.known(id).is_member.sent(is_member, answer.is_some());
    }

    fn known(&mut self, id: &str) -> &mut KnownUser {
        self.users.get_mut(id).unwrap()
    }

    /// Takes what this client wrote out of what is there.
    async fn compare(self, there: &mut BTreeMap<String, Value>, outcome: &mut Outcome) {
        let members: BTreeSet<String> = self.scim.members(&self.group).await.into_iter().collect();
        outcome.created += self.users.len();
        for (id, known) in &self.users {
            let found = there
                .remove(id)
                .unwrap_or_else(|| panic!("an acknowledged create is lost: {}", known.sent));
            known.is(&found);
            assert!(
                known.is_member.may_be(&members.contains(id)),
                "a change of a member is lost: {}",
                known.sent
            );
        }
        for sent in self.perhaps {
            let id = there.iter().find(|(_, found)| found["userName"] == sent["userName"]);
            let Some(id) = id.map(|(id, _)| id.clone()) else {
                continue;
            };
            outcome.created_unanswered += 1;
            is_whole(&there.remove(&id).unwrap(), &sent);
        }
    }
}

impl KnownUser {
    fn is(&self, found: &Value) {
        is_whole(found, &self.sent);
        let display_name = found["displayName"].as_str().unwrap().to_owned();
        assert!(
            self.display_name.may_be(&display_name),
            "an acknowledged change is lost: {found}"
        );
    }
}

fn is_whole(found: &Value, sent: &Value) {
    for attribute in ["userName", "externalId", "emails", "name", "title", "active"] {
        assert_eq!(found[attribute], sent[attribute], "{attribute} in {found}");
    }
}

impl Shared {
    /// The answer, if it has this status; everything else is kept as a failure.
    async fn judge(
        &self,
        status: u16,
        request: &str,
        sent: impl Future<Output = Result<Answer, reqwest::Error>>,
    ) -> Option<Answer> {
        let began = Instant::now();
        let answer = sent.await;
        let took = began.elapsed();
        let (found, text, retry_after) = match answer {
            Ok(answer) if answer.status == status => {
                self.answered.fetch_add(1, Ordering::SeqCst);
                return Some(answer);
            }
            Ok(answer) => (
                Some(answer.status),
                answer.text.clone(),
                answer.header("retry-after").to_owned(),
            ),
            Err(error) => (None, format!("{error:?}"), String::new()),
        };
        self.failures.lock().unwrap().push(Failure {
            request: request.to_owned(),
            status: found,
            text,
            retry_after,
            began,
            took,
        });
        tokio::time::sleep(AFTER_A_FAILURE).await;
        None
    }
}
