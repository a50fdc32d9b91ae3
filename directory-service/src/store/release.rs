//! What becomes of PostgreSQL's connections when they go back to the pool. sqlx asks each for a sign of life then, and waits
//! for it as long as it takes: connections to a machine that is lost would never be free again.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::ConnectOptions;
use sea_orm::sqlx::{Connection as _, Error};
use tokio::time::timeout;

/// So long a connection may take to answer, and to end what a call that was given up had begun.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// A connection that is given up goes back to the pool at once; this is longer.
const DOUBT_LASTS: Duration = Duration::from_secs(5);

/// Whether what connections are in the middle of is not known.
#[derive(Clone, Debug, Default)]
pub struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    /// Lets no connection that is given back now be used again.
    pub fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn stands(&self) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|at| at.elapsed() < DOUBT_LASTS)
    }
}

/// Closes connections that do not answer when they are given back, or that are in doubt.
pub fn close_what_is_silent(options: &mut ConnectOptions, doubt: &Doubt) {
    let doubt = doubt.clone();
    options.map_sqlx_postgres_pool_opts(move |pool| {
        let doubt = doubt.clone();
        pool.after_release(move |connection, _| {
            let is_in_doubt = doubt.stands();
            // An error closes it without another word to the server.
            Box::pin(async move {
                if is_in_doubt {
                    return Err(Error::Io(io::ErrorKind::Interrupted.into()));
                }
                let answered = timeout(SIGN_OF_LIFE, connection.ping()).await;
                answered.unwrap_or_else(|_| Err(Error::Io(io::ErrorKind::TimedOut.into())))?;
                Ok(true)
            })
        })
    });
}
