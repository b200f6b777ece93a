//! A connection that breaks where a test wants it to: a relay between client and server.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Forwards connections to a server. The replies of each are cut after so many bytes; where the list of cuts ends, no more
/// are.
pub struct Relay {
    pub url: String,
    // Ends the relay when dropped.
    _tasks: JoinSet<()>,
}

impl Relay {
    pub async fn start(server: &str, cuts: impl IntoIterator<Item = usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/api/v1", listener.local_addr().expect("an address"));
        let server = server.trim_start_matches("http://").to_owned();
        let cuts = Arc::new(Mutex::new(cuts.into_iter().collect::<std::collections::VecDeque<_>>()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let cut = cuts.lock().expect("the cuts").pop_front().unwrap_or(usize::MAX);
                connections.spawn(forward(client, server.clone(), cut));
            }
        });
        Self { url, _tasks: tasks }
    }
}

async fn forward(client: TcpStream, server: String, cut: usize) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.is_ok() };
    let down = async {
        let (mut left, mut buffer) = (cut, [0; 4_096]);
        while left > 0 {
            let Ok(count) = from_server.read(&mut buffer).await else { return };
            let passed = count.min(left);
            if count == 0 || to_client.write_all(&buffer[..passed]).await.is_err() {
                return;
            }
            left -= passed;
        }
    };
    // Whichever side ends, both connections do.
    tokio::select! { _ = up => {}, () = down => {} }
}
