//! The operations of a circle of references (RFC 7644 §3.7.1): a resource that refers to what is not there yet is created
//! without that, and replaced by all that was asked for once everything in the circle exists. They stand or fall together:
//! if one of them fails, everything that the others created is deleted again.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::door::{Door, Reply, Single};
use super::run::Run;
use crate::scim::bulk::{Endpoint, Method, Wanted, first_part};
use crate::scim::error::ScimError;
use crate::scim::patch::PATCH_OP_SCHEMA;

impl<D: Door> Run<'_, D> {
    pub(super) async fn run_circle(&mut self, circle: &[usize]) {
        if let Err((failed, reason)) = self.close_circle(circle).await {
            self.take_back(circle, failed, reason).await;
        }
    }

    /// The operation that failed, and why.
    async fn close_circle(&mut self, circle: &[usize]) -> Result<(), (usize, Reply)> {
        for &operation in circle {
            self.check(operation).map_err(|error| (operation, error.into()))?;
        }
        let bulk_ids = circle
            .iter()
            .filter_map(|operation| self.operations[*operation].bulk_id.as_deref());
        let bulk_ids: HashSet<&str> = bulk_ids.collect();
        let mut incomplete = Vec::new();
        for &operation in circle {
            let (single, is_whole) = self
                .first(operation, &bulk_ids)
                .map_err(|error| (operation, error.into()))?;
            if !is_whole {
                incomplete.push(operation);
            }
            self.replies[operation] = Some(good(operation, self.send(single).await)?);
        }
        for operation in incomplete {
            let single = self.rest(operation).map_err(|error| (operation, error.into()))?;
            let completed = good(operation, self.send(single).await)?;
            if let Some(reply) = &mut self.replies[operation] {
                reply.version = completed.version;
            }
        }
        Ok(())
    }

    /// The POST of as much as can be created now, and whether that is all. Groups get their members last, when little can
    /// fail any more.
    fn first(&self, operation: usize, bulk_ids: &HashSet<&str>) -> Result<(Single, bool), ScimError> {
        self.check_time()?;
        let Ok(Wanted::Create { endpoint, data }) = &self.operations[operation].wanted else {
            return Err(internal());
        };
        let whole = match endpoint {
            Endpoint::Users => self.resolve(Method::Post, data.clone()).ok(),
            Endpoint::Groups => None,
        };
        let is_whole = whole.is_some();
        let data = match whole {
            Some(data) => data,
            None => self.resolve(Method::Post, first_part(*endpoint, data, bulk_ids))?,
        };
        let single = Single {
            method: Method::Post,
            endpoint: *endpoint,
            id: None,
            version: None,
            data: Some(data),
        };
        Ok((single, is_whole))
    }

    /// The PUT of all that was asked for: of the same data it means just what the POST meant.
    fn rest(&mut self, operation: usize) -> Result<Single, ScimError> {
        self.check_time()?;
        let Ok(Wanted::Create { data, .. }) = &mut self.operations[operation].wanted else {
            return Err(internal());
        };
        let data = data.take();
        let data = self.resolve(Method::Put, data)?;
        let (endpoint, id) = self.created(operation).ok_or_else(internal)?;
        Ok(with(endpoint, id, Method::Put, Some(data)))
    }

    async fn take_back(&mut self, circle: &[usize], failed: usize, reason: Reply) {
        for &operation in circle {
            let reply = match self.delete_again(operation).await {
                Err(left_behind) => left_behind,
                Ok(()) if operation == failed => reason.clone(),
                Ok(()) => fallen_with(failed).into(),
            };
            self.settle(operation, reply);
        }
    }

    /// Deletes what an operation created, if it did. A group gives up its members first, so that its deletion means nothing
    /// to them.
    async fn delete_again(&self, operation: usize) -> Result<(), Reply> {
        let Some((endpoint, id)) = self.created(operation) else {
            return Ok(());
        };
        let without_members =
            json!({"schemas": [PATCH_OP_SCHEMA], "Operations": [{"op": "remove", "path": "members"}]});
        let mut steps = vec![(Method::Delete, None)];
        if endpoint == Endpoint::Groups {
            steps.insert(0, (Method::Patch, Some(without_members)));
        }
        for (method, data) in steps {
            let reply = self.send(with(endpoint, id, method, data)).await;
            if !reply.is_good() && reply.status != 404 {
                return Err(Reply {
                    id: Some(id.to_owned()),
                    ..left_behind(reply.status).into()
                });
            }
        }
        Ok(())
    }
}

fn with(endpoint: Endpoint, id: &str, method: Method, data: Option<Value>) -> Single {
    Single {
        method,
        endpoint,
        id: Some(id.to_owned()),
        version: None,
        data,
    }
}

fn good(operation: usize, reply: Reply) -> Result<Reply, (usize, Reply)> {
    if reply.is_good() {
        Ok(reply)
    } else {
        Err((operation, reply))
    }
}

fn fallen_with(failed: usize) -> ScimError {
    ScimError::new(
        409,
        format!(
            "The operation is in a circle of references with operation {} of this bulk request, which failed. What \
             the circle had created was deleted again, except where its own result says otherwise.",
            failed + 1
        ),
    )
}

fn left_behind(status: u16) -> ScimError {
    ScimError::new(
        status,
        "The circle of references that the operation is in could not be closed, and what the operation had created could not \
         be deleted again: delete it, or complete it.",
    )
}

fn internal() -> ScimError {
    ScimError::new(500, "Internal error.")
}
