//! Running the operations of a bulk request, one after the other, in the order of its plan. Each stands by itself: one
//! that fails takes nothing back but what it did itself.

use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::door::{Door, Reply, Single, encode};
use crate::error::try_again;
use crate::scim::bulk::{
    BulkOperation, BulkRequest, Endpoint, Method, OperationResult, Plan, ResolvedData, ResourceName, Step, Wanted,
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
    operations: Vec<BulkOperation>,
    outcomes: Vec<Option<Outcome>>,
    errors_left: usize,
    times: Times,
}

/// What became of one operation.
struct Outcome {
    reply: Reply,
    /// The resource that it works on, or created.
    resource: Option<(Endpoint, String)>,
}

impl Outcome {
    fn refused(error: ScimError) -> Self {
        Self {
            reply: error.into(),
            resource: None,
        }
    }
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
            outcomes: operations.iter().map(|_| None).collect(),
            operations,
            errors_left: fail_on_errors.map_or(usize::MAX, usize::from),
            times,
        }
    }

    /// Runs what is to be run, and gives the results in the order of the request. Those that failOnErrors left alone
    /// have none.
    pub async fn finish(mut self) -> Vec<OperationResult> {
        for step in self.plan.steps() {
            match step {
                Step::Run(operation) if self.errors_left > 0 => {
                    let span = tracing::info_span!("scim.bulk.operation", scim.operation = operation + 1);
                    let outcome = self.run(operation).instrument(span).await;
                    self.settle(operation, outcome);
                }
                Step::Run(_) => {}
                Step::Complete(operation) => {
                    if self.created(operation).is_some() {
                        let span = tracing::info_span!("scim.bulk.complete", scim.operation = operation + 1);
                        self.complete(operation).instrument(span).await;
                    }
                }
            }
        }
        let Self {
            base,
            operations,
            outcomes,
            ..
        } = self;
        let both = operations.into_iter().zip(outcomes);
        both.filter_map(|(operation, outcome)| Some(result(base, operation, outcome?)))
            .collect()
    }

    fn settle(&mut self, operation: usize, outcome: Outcome) {
        if !outcome.reply.is_good() {
            self.errors_left = self.errors_left.saturating_sub(1);
        }
        self.outcomes[operation] = Some(outcome);
    }

    async fn run(&mut self, operation: usize) -> Outcome {
        if Instant::now() >= self.times.begin_until {
            return Outcome::refused(try_again(
                1,
                "The bulk request took too long, and this operation was not begun: send it again.",
            ));
        }
        match self.prepare(operation) {
            Ok(prepared) => self.ask(prepared).await,
            Err(outcome) => outcome,
        }
    }

    /// The operation with ids in place of references.
    fn prepare(&mut self, operation: usize) -> Result<Prepared, Outcome> {
        let wanted = match &mut self.operations[operation].wanted {
            Ok(wanted) => wanted,
            Err(error) => return Err(Outcome::refused(error.clone())),
        };
        let (method, endpoint, resource, version, data) = match wanted {
            Wanted::Create { endpoint, data } => {
                // What is to be completed is needed again, everything else only once.
                let data = if self.plan.after(operation).is_empty() {
                    data.take()
                } else {
                    self.plan.first_part(operation, data)
                };
                (Method::Post, *endpoint, None, None, Some(data))
            }
            Wanted::Change {
                method,
                endpoint,
                resource,
                version,
                data,
            } => (*method, *endpoint, Some(resource.clone()), version.take(), data.take()),
        };
        let id = resource.and_then(|resource| match resource {
            ResourceName::Id(id) => Some(id),
            ResourceName::BulkId(bulk_id) => self.id_of(&bulk_id).map(str::to_owned),
        });
        let refused = |error: ScimError| Outcome {
            reply: error.into(),
            resource: id.clone().map(|id| (endpoint, id)),
        };
        self.plan.check(operation).map_err(&refused)?;
        self.check_needs(self.plan.before(operation)).map_err(&refused)?;
        let data = data.map(|data| ResolvedData::resolve(method, data, |bulk_id| self.id_of(bulk_id)));
        Ok(Prepared {
            method,
            endpoint,
            data: data.transpose().map_err(&refused)?,
            id,
            version,
        })
    }

    async fn ask(&self, prepared: Prepared) -> Outcome {
        let Prepared {
            method,
            endpoint,
            id,
            version,
            data,
        } = prepared;
        let single = Single {
            method,
            endpoint,
            id: id.as_deref(),
            version: version.as_deref(),
            data: data.map(|ResolvedData(data)| data),
        };
        let reply = self.send(single).await;
        let id = id.or_else(|| reply.id.clone());
        Outcome {
            reply,
            resource: id.map(|id| (endpoint, id)),
        }
    }

    async fn send(&self, single: Single<'_>) -> Reply {
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

    /// 409 unless everything that these operations create exists.
    fn check_needs(&self, needed: &[usize]) -> Result<(), ScimError> {
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

    /// The id of what an operation created, unless it failed or creates nothing.
    fn created(&self, operation: usize) -> Option<(Endpoint, &str)> {
        let outcome = self.outcomes[operation].as_ref()?;
        let is_post = self.operations[operation].method == Some(Method::Post);
        let (endpoint, id) = outcome.resource.as_ref()?;
        (is_post && outcome.reply.is_good()).then_some((*endpoint, id))
    }

    fn id_of(&self, bulk_id: &str) -> Option<&str> {
        self.created(self.plan.creator(bulk_id)?).map(|(_, id)| id)
    }

    /// Adds to a resource what it could not be created with. Both steps are one operation for the caller: what cannot be
    /// completed is taken back. A PUT of the same data means just what the POST meant.
    async fn complete(&mut self, operation: usize) {
        match self.completed(operation).await {
            Ok(reply) => {
                if let Some(outcome) = &mut self.outcomes[operation] {
                    outcome.reply.version = reply.version;
                }
            }
            Err(reply) => self.take_back(operation, reply).await,
        }
    }

    async fn completed(&mut self, operation: usize) -> Result<Reply, Reply> {
        self.check_needs(self.plan.after(operation)).map_err(Reply::from)?;
        let data = match &mut self.operations[operation].wanted {
            Ok(Wanted::Create { data, .. }) => data.take(),
            Ok(Wanted::Change { .. }) | Err(_) => return Err(internal().into()),
        };
        let data = ResolvedData::resolve(Method::Put, data, |bulk_id| self.id_of(bulk_id)).map_err(Reply::from)?;
        let (endpoint, id) = self.created(operation).ok_or_else(internal).map_err(Reply::from)?;
        let single = Single {
            method: Method::Put,
            endpoint,
            id: Some(id),
            version: None,
            data: Some(data.0),
        };
        let reply = self.send(single).await;
        if reply.is_good() { Ok(reply) } else { Err(reply) }
    }

    /// Deletes what an operation created, and what others created with a reference to it: a circle of references stands
    /// or falls as a whole.
    async fn take_back(&mut self, operation: usize, reason: Reply) {
        let mut left = vec![(operation, reason)];
        while let Some((operation, reason)) = left.pop() {
            let Some((endpoint, id)) = self.created(operation) else {
                continue;
            };
            let single = Single {
                method: Method::Delete,
                endpoint,
                id: Some(id),
                version: None,
                data: None,
            };
            let gone = self.send(single).await;
            let resource = Some((endpoint, id.to_owned()));
            let outcome = if gone.is_good() || gone.status == 404 {
                Outcome {
                    reply: reason,
                    resource: None,
                }
            } else {
                let reply = left_behind(gone.status).into();
                Outcome { reply, resource }
            };
            self.settle(operation, outcome);
            for &other in self.plan.named_by(operation) {
                left.push((other, self.fallen_with(operation)));
            }
        }
    }

    fn fallen_with(&self, operation: usize) -> Reply {
        let error = self.check_needs(&[operation]).err().unwrap_or_else(internal);
        error.into()
    }
}

/// An operation that is ready to be sent.
struct Prepared {
    method: Method,
    endpoint: Endpoint,
    id: Option<String>,
    version: Option<String>,
    data: Option<ResolvedData>,
}

fn left_behind(status: u16) -> ScimError {
    ScimError::new(
        status,
        "The operation failed after it had created the resource without what refers to others, and the resource could not \
         be deleted again: delete it, or complete it.",
    )
}

fn internal() -> ScimError {
    ScimError::new(500, "Internal error.")
}

fn result(base: &BaseUrl, operation: BulkOperation, outcome: Outcome) -> OperationResult {
    let BulkOperation {
        method,
        bulk_id,
        wanted,
    } = operation;
    let Outcome { reply, resource } = outcome;
    // An operation that failed before it was sent still says which resource it named.
    let named = match wanted {
        Ok(Wanted::Change {
            endpoint,
            resource: ResourceName::Id(id),
            ..
        }) => Some((endpoint, id)),
        Ok(Wanted::Change { .. } | Wanted::Create { .. }) | Err(_) => None,
    };
    let location = resource.or(named).map(|(endpoint, id)| match endpoint {
        Endpoint::Users => base.user(&encode(&id)),
        Endpoint::Groups => base.group(&encode(&id)),
    });
    OperationResult {
        method,
        bulk_id,
        location,
        version: reply.version,
        status: reply.status,
        response: reply.error,
    }
}
