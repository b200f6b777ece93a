//! Serves a router for as long as the parent lives.

use std::{io, thread};

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::output;

/// Binds a free port of the loopback interface, prints `{"url": ...}` on stdout, and serves until stdin ends: a parent
/// that dies, in whatever way, takes its children along.
pub async fn until_stdin_ends(router: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind a port")?;
    let url = format!("http://{}", listener.local_addr()?);
    output::line(&serde_json::json!({ "url": url }).to_string());
    let listener = listener.tap_io(|stream| {
        // Without it the connection only answers later; that shows in the figures.
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        result = async { axum::serve(listener, router).await } => result.context("cannot serve"),
        () = stdin_ends() => Ok(()),
    }
}

async fn stdin_ends() {
    let (sender, receiver) = oneshot::channel::<()>();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(sender);
    });
    let _ = receiver.await;
}
