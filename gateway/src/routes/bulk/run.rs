//! Running the operations of a bulk request, one after the other, in the order of its plan. Each stands by itself: one
//! that fails takes nothing back. Only the operations of a circle stand or fall together (`circle.rs`).

use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::door::{Door, Reply, Single, encode};
use crate::error::try_again;
use crate::scim::bulk::{
    BulkOperation, BulkRequest, Endpoint, Method, OperationPath, OperationResult, Plan, ResolvedData, ResourceName,
    Step, Wanted,
};
use crate::scim::error::ScimError;
use crate::translate::link::BaseUrl;

/// How much time there is.
pub struct Times {
    /// Until when operations are begun.
    pub begin_until: Instant,
    /// Until when operations are waited for.
    pub end: Instant,
}

/// The operations of one request, on their way to their results.
pub struct Run<'a, D> {
    door: &'a D,
    base: &'a BaseUrl,
    plan: Plan,
    pub(super) operations: Vec<BulkOperation>,
    /// What each was answered, as far as it was run. The `id` of a POST is that of what it created.
    pub(super) replies: Vec<Option<Reply>>,
    errors_left: usize,
    times: Times,
}

impl<'a, D: Door> Run<'a, D> {
    pub fn new(door: &'a D, base: &'a BaseUrl, request: BulkRequest, times: Times) -> Self {
        let BulkRequest {
            fail_on_errors,
            operations,
        } = request;
        Self {
            door,
            base,
            plan: Plan::new(&operations),
            replies: operations.iter().map(|_| None).collect(),
            operations,
            errors_left: fail_on_errors.map_or(usize::MAX, usize::from),
            times,
        }
    }

    /// Runs what is to be run, and gives the results in the order of the request. Those that failOnErrors left alone
    /// have none.
    pub async fn finish(mut self) -> Vec<OperationResult> {
        for step in self.plan.steps() {
            if self.errors_left == 0 {
                break;
            }
            match step {
                Step::Run(operation) => {
                    let span = tracing::info_span!("scim.bulk.operation", scim.operation = operation + 1);
                    let reply = self.run(operation).instrument(span).await;
                    self.settle(operation, reply);
                }
                Step::Circle(circle) => {
                    let span = tracing::info_span!("scim.bulk.circle", scim.operations = circle.len());
                    self.run_circle(&circle).instrument(span).await;
                }
            }
        }
        let results = (0..self.operations.len()).filter_map(|operation| self.result(operation));
        results.collect()
    }

    pub(super) fn settle(&mut self, operation: usize, reply: Reply) {
        if !reply.is_good() {
            self.errors_left = self.errors_left.saturating_sub(1);
        }
        self.replies[operation] = Some(reply);
    }

    async fn run(&mut self, operation: usize) -> Reply {
        match self.prepare(operation) {
            Ok(single) => self.send(single).await,
            Err(error) => {
                let reply = Reply::from(error);
                self.tell_of_refusal(operation, &reply).await;
                reply
            }
        }
    }

    /// Tells of an operation that was refused without being sent, and would have disabled a user.
    async fn tell_of_refusal(&self, operation: usize, reply: &Reply) {
        let BulkOperation { path, disables, .. } = &self.operations[operation];
        let users = path
            .as_ref()
            .filter(|path| *disables && path.endpoint == Endpoint::Users);
        if let Some(user) = users.and_then(|path| path.resource.as_ref()) {
            self.door.refused_disable(&self.named(user), reply).await;
        }
    }

    /// The operation with ids in place of references.
    fn prepare(&mut self, operation: usize) -> Result<Single, ScimError> {
        self.check(operation)?;
        // Each is run once, so that its data is not needed again.
        let (method, endpoint, resource, version, data) = match &mut self.operations[operation].wanted {
            Ok(Wanted::Create { endpoint, data }) => (Method::Post, *endpoint, None, None, Some(data.take())),
            Ok(Wanted::Change {
                method,
                endpoint,
                resource,
                version,
                data,
            }) => (*method, *endpoint, Some(resource.clone()), version.take(), data.take()),
            Err(error) => return Err(error.clone()),
        };
        Ok(Single {
            method,
            endpoint,
            id: resource.map(|resource| self.named(&resource)),
            version,
            data: data.map(|data| self.resolve(method, data)).transpose()?,
        })
    }

    /// Whether an operation can be begun: it is one, there is time, and everything that it refers to exists, but for what
    /// is in a circle with it.
    pub(super) fn check(&self, operation: usize) -> Result<(), ScimError> {
        self.check_time()?;
        if let Err(error) = &self.operations[operation].wanted {
            return Err(error.clone());
        }
        self.plan.check(operation)?;
        let needed = self.plan.before(operation);
        match needed.iter().find(|needed| self.created(**needed).is_none()) {
            None => Ok(()),
            Some(missing) => Err(ScimError::new(
                409,
                format!(
                    "The operation refers to what operation {} of this bulk request should have created, but did not.",
                    missing + 1
                ),
            )),
        }
    }

    /// 503 once it is too late to begin.
    pub(super) fn check_time(&self) -> Result<(), ScimError> {
        if Instant::now() < self.times.begin_until {
            return Ok(());
        }
        Err(try_again(
            1,
            "The bulk request took too long, and this operation was not begun: send it again.",
        ))
    }

    pub(super) fn resolve(&self, method: Method, data: Value) -> Result<Value, ScimError> {
        ResolvedData::resolve(method, data, |bulk_id| self.id_of(bulk_id)).map(|ResolvedData(data)| data)
    }

    pub(super) async fn send(&self, single: Single) -> Reply {
        let cut_off = || {
            try_again(
                1,
                "The bulk request took too long. This operation was begun, and may have been done or not: read the \
                 resource, then decide.",
            )
        };
        let sent = timeout_at(self.times.end, self.door.send(single)).await;
        sent.unwrap_or_else(|_| cut_off().into())
    }

    /// The id of what an operation created, unless it failed or creates nothing.
    pub(super) fn created(&self, operation: usize) -> Option<(Endpoint, &str)> {
        let BulkOperation { method, path, .. } = &self.operations[operation];
        let reply = self.replies[operation].as_ref()?;
        let is_created = *method == Some(Method::Post) && reply.is_good();
        is_created.then_some((path.as_ref()?.endpoint, reply.id.as_deref()?))
    }

    fn id_of(&self, bulk_id: &str) -> Option<&str> {
        self.created(self.plan.creator(bulk_id)?).map(|(_, id)| id)
    }

    /// The id of a resource; of one that was not created, what it was called instead.
    fn named(&self, resource: &ResourceName) -> String {
        match resource {
            ResourceName::Id(id) => id.clone(),
            ResourceName::BulkId(bulk_id) => self.id_of(bulk_id).map_or_else(|| resource.to_string(), str::to_owned),
        }
    }

    fn result(&self, operation: usize) -> Option<OperationResult> {
        let reply = self.replies[operation].clone()?;
        let operation = &self.operations[operation];
        let path = operation.path.as_ref();
        Some(OperationResult {
            method: operation.method,
            bulk_id: operation.bulk_id.clone(),
            location: match operation.method {
                // Also where it failed, if something is left of it.
                Some(Method::Post) => path.zip(reply.id).map(|(path, id)| self.url(path.endpoint, &id)),
                Some(Method::Put | Method::Patch | Method::Delete) | None => path.map(|path| self.location(path)),
            },
            version: reply.version,
            status: reply.status,
            response: reply.error,
        })
    }

    /// What a path names, as a URL: every operation but a POST that failed has one (RFC 7644 §3.7.3).
    fn location(&self, path: &OperationPath) -> String {
        match &path.resource {
            Some(resource) => self.url(path.endpoint, &self.named(resource)),
            None => format!("{}/{}", self.base.as_str(), path.endpoint.as_str()),
        }
    }

    fn url(&self, endpoint: Endpoint, id: &str) -> String {
        match endpoint {
            Endpoint::Users => self.base.user(&encode(id)),
            Endpoint::Groups => self.base.group(&encode(id)),
        }
    }
}
