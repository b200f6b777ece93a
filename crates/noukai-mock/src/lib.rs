//! A scripted HTTP server on the loopback interface, for the tests and examples of the client. Written by hand, so that
//! it can do what no proper server does: break off, lie about its content, never end.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests and examples use it; a fault in it is a failed test"
)]

mod demo;
mod http;

use std::{
    error::Error,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

pub use http::{Piece, Reply, Request};

/// The key that the demonstration takes.
pub const KEY: &str = "nk_test_abcdefgh_0123456789abcdef0123456789abcdef";

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server that ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<Handler>,
    stopping: AtomicBool,
    requests: Mutex<Vec<Request>>,
    connections: Mutex<Vec<TcpStream>>,
    on_close: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Server {
    /// A server that gives each request to `handler`.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            stopping: AtomicBool::new(false),
            requests: Mutex::default(),
            connections: Mutex::default(),
            on_close: Mutex::default(),
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// A server that answers the requests in turn, the last reply for ever.
    pub fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        let next = Mutex::new(0);
        Self::start(move |_| {
            let mut next = next.lock().unwrap();
            let reply = replies[(*next).min(replies.len() - 1)].clone();
            *next += 1;
            reply
        })
    }

    /// The demonstration: flows `acme/demo/hello`, `two-steps`, `weather`, `fails`, `busy` and `slow`.
    pub fn demo() -> Self {
        let demo = demo::Demo::default();
        Self::start(move |request| demo.answer(request))
    }

    /// What the client takes as base URL.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// Calls this whenever a connection ends.
    pub fn on_close(&self, told: impl Fn() + Send + 'static) {
        *self.shared.on_close.lock().unwrap() = Some(Box::new(told));
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, and those that read.
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let _ = stream.set_nodelay(true);
        shared.connections.lock().unwrap().push(stream.try_clone().expect("a second handle"));
        let shared = shared.clone();
        std::thread::spawn(move || serve(stream, &shared));
    }
}

/// One connection, request after request.
fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = std::io::BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    while let Some(request) = http::read(&mut reader) {
        shared.requests.lock().unwrap().push(request.clone());
        let reply = (shared.handler)(&request);
        if !http::write(&mut writer, &reply) {
            let _ = writer.shutdown(Shutdown::Both);
            break;
        }
    }
    if let Some(told) = &*shared.on_close.lock().unwrap() {
        told();
    }
}

/// Runs an example of the documentation against the demonstration. A failed example panics.
pub fn example(run: impl AsyncFnOnce(String, &'static str) -> Result<(), Box<dyn Error>>) {
    let server = Server::demo();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Err(error) = runtime.block_on(run(server.url(), KEY)) {
        panic!("the example failed: {error}");
    }
}

/// As [`example`], without async.
pub fn blocking_example(run: impl FnOnce(String, &'static str) -> Result<(), Box<dyn Error>>) {
    let server = Server::demo();
    if let Err(error) = run(server.url(), KEY) {
        panic!("the example failed: {error}");
    }
}
