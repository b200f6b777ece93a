//! A wire between a store and its database that breaks around a commit, when it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Where the wire breaks, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Nowhere.
    Whole,
    /// The next commit does not reach the database.
    BeforeCommit,
    /// It does, but its answer does not come back.
    AfterCommit,
}

#[derive(Clone)]
pub struct Wire {
    next: Arc<AtomicU8>,
    port: u16,
    to: u16,
}

impl Wire {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let wire = Self { next: Arc::default(), port: listener.local_addr().unwrap().port(), to: port };
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().carry(client));
            }
        });
        wire
    }

    /// The URL by way of the wire.
    pub fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.to), &format!(":{}/", self.port)) + "?sslmode=disable"
    }

    pub fn break_next(&self, how: Break) {
        self.next.store(how as u8, Ordering::SeqCst);
    }

    /// Whether the break it was told of has come.
    pub fn is_whole(&self) -> bool {
        self.next.load(Ordering::SeqCst) == Break::Whole as u8
    }

    async fn carry(self, client: TcpStream) {
        let server = TcpStream::connect(("127.0.0.1", self.to)).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            let commits = bytes[..read].windows(7).any(|word| word == b"COMMIT\0");
            let breaks = commits && self.take(Break::BeforeCommit);
            if breaks {
                break;
            }
            let after = commits && self.take(Break::AfterCommit);
            if after {
                // From here on nothing comes back.
                back.abort();
            }
            if to_server.write_all(&bytes[..read]).await.is_err() || after {
                break;
            }
        }
        back.abort();
    }

    fn take(&self, how: Break) -> bool {
        let taken = self.next.compare_exchange(how as u8, Break::Whole as u8, Ordering::SeqCst, Ordering::SeqCst);
        taken.is_ok()
    }
}
