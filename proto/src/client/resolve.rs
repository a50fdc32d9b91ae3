//! Which addresses a directory has at the moment.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::target::{Place, Target};

/// Tells which addresses a directory has, each as `host:port`. It is asked again from time to time, and when one of them
/// does not answer.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses. An error, or none at all, leaves those that were known.
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<Arc<str>>>>;
}

/// A place in words of its own: the name is looked up with the system's resolver.
impl Resolve for Target {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<Arc<str>>>> {
        Box::pin(async move {
            match &self.place {
                Place::One(address) => Ok(vec![address.clone()]),
                Place::Addresses(addresses) => Ok(addresses.clone()),
                Place::Name { host, port } => {
                    let found = tokio::net::lookup_host((host.as_ref(), *port)).await?;
                    Ok(found.map(|address| address.to_string().into()).collect())
                }
            }
        })
    }
}
