//! What stands before gateways in a cluster: every request goes to one whose probe says that it is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::fleet::{Fleet, Role};
use crate::support::system::local;

/// How often each probe is asked.
const ASK_AGAIN: Duration = Duration::from_millis(100);
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// A running balancer, ended on drop.
pub struct Balancer {
    /// The tenant URL of all gateways together.
    pub base: String,
    inside: Arc<Inside>,
    _tasks: JoinSet<()>,
}

struct Inside {
    gateways: Vec<Gateway>,
    http: reqwest::Client,
    turn: AtomicUsize,
    refused: AtomicUsize,
}

struct Gateway {
    listen: String,
    probe: String,
    is_ready: AtomicBool,
}

impl Balancer {
    /// Stands before the fleet's gateways.
    pub async fn start(fleet: &Fleet) -> Self {
        let gateways = fleet.of(Role::Gateway).map(|place| Gateway {
            listen: place.listen.clone(),
            probe: format!("http://{}/readyz", local(place.admin)),
            is_ready: AtomicBool::new(false),
        });
        let inside = Arc::new(Inside {
            gateways: gateways.collect(),
            http: client(),
            turn: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/scim/v2", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(inside.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        for number in 0..inside.gateways.len() {
            inside.gateways[number].look(&inside.http).await;
            let inside = inside.clone();
            tasks.spawn(async move {
                let mut again = tokio::time::interval(ASK_AGAIN);
                loop {
                    again.tick().await;
                    inside.gateways[number].look(&inside.http).await;
                }
            });
        }
        Self {
            base,
            inside,
            _tasks: tasks,
        }
    }

    /// How often a gateway that had just been ready took no connection; another one was asked instead.
    pub fn refused(&self) -> usize {
        self.inside.refused.load(Ordering::SeqCst)
    }
}

impl Gateway {
    async fn look(&self, http: &reqwest::Client) {
        let answer = http.get(&self.probe).send().await;
        let is_ready = answer.is_ok_and(|answer| answer.status() == StatusCode::OK);
        self.is_ready.store(is_ready, Ordering::SeqCst);
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

/// Sends a request on; only one that reached nobody is sent again, to the next gateway.
async fn forward(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES).await.unwrap();
    for _ in 0..inside.gateways.len() {
        let turn = inside.turn.fetch_add(1, Ordering::SeqCst);
        let mut ready = inside
            .gateways
            .iter()
            .cycle()
            .skip(turn % inside.gateways.len())
            .take(inside.gateways.len());
        let Some(gateway) = ready.find(|gateway| gateway.is_ready.load(Ordering::SeqCst)) else {
            break;
        };
        let url = format!("http://{}{}", gateway.listen, parts.uri);
        let request = inside
            .http
            .request(parts.method.clone(), url)
            .headers(parts.headers.clone());
        match request.body(body.clone()).send().await {
            Ok(answer) => return passed_on(answer).await,
            Err(error) if error.is_connect() => {
                inside.refused.fetch_add(1, Ordering::SeqCst);
                gateway.is_ready.store(false, Ordering::SeqCst);
            }
            Err(error) => return (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
        }
    }
    (StatusCode::BAD_GATEWAY, "no gateway is ready").into_response()
}

async fn passed_on(answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("connection");
    headers.remove("transfer-encoding");
    match answer.bytes().await {
        Ok(body) => (status, headers, Body::from(body)).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
    }
}
