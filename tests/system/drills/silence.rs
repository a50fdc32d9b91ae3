//! A way to a server that breaks as a lost machine breaks it: what was connected hears nothing any more, not even an end.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::eventually;

/// A running way to one server, ended on drop.
pub struct Way {
    pub address: SocketAddr,
    /// What everybody holds who speaks.
    voice: watch::Sender<Arc<()>>,
    _task: JoinSet<()>,
}

impl Way {
    /// Opens a way to a server.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let voice = watch::Sender::new(Arc::new(()));
        let voices = voice.subscribe();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(carry(client, server.clone(), voices.clone()));
            }
        });
        Self {
            address,
            voice,
            _task: task,
        }
    }

    /// Lets every connection that there is fall silent for ever. New ones get through.
    pub async fn falls_silent(&self) {
        let old = self.voice.send_replace(Arc::new(()));
        eventually("everybody is silent", async || {
            (Arc::strong_count(&old) == 1).then_some(())
        })
        .await;
    }
}

async fn carry(mut client: TcpStream, server: String, mut voices: watch::Receiver<Arc<()>>) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let voice = voices.borrow_and_update().clone();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = voices.changed() => {}
    }
    drop(server); // there, everybody is gone; here, nobody is told
    drop(voice);
    std::future::pending::<()>().await;
}
