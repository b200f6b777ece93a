//! A model for tests, apart from the server: counts its calls by prompt, and holds back those it is told to hold.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use serde_json::{Value, json};

#[derive(Default)]
struct Book {
    calls: Vec<String>,
    held: HashSet<String>,
}

#[derive(Default)]
struct Shared {
    book: Mutex<Book>,
    changed: Condvar,
}

/// Answers until the test ends.
pub struct Model {
    pub url: String,
    shared: Arc<Shared>,
}

impl Model {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let shared = Arc::<Shared>::default();
        let book = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let book = book.clone();
                // A caller that was killed is no fault of the model's.
                thread::spawn(move || answer(&book, stream));
            }
        });
        Self { url, shared }
    }

    /// Calls with this prompt get no answer until they are released.
    pub fn hold(&self, prompt: &str) {
        self.shared.book.lock().unwrap().held.insert(prompt.to_owned());
    }

    pub fn release(&self) {
        self.shared.book.lock().unwrap().held.clear();
        self.shared.changed.notify_all();
    }

    pub fn calls(&self, prompt: &str) -> usize {
        self.shared.book.lock().unwrap().count(prompt)
    }

    /// Waits until there were so many calls with this prompt.
    pub fn wait_for(&self, prompt: &str, calls: usize) {
        let book = self.shared.book.lock().unwrap();
        let waited =
            self.shared.changed.wait_timeout_while(book, super::support::PATIENCE, |book| book.count(prompt) < calls);
        assert!(!waited.unwrap().1.timed_out(), "{prompt:?} was not asked {calls} times");
    }
}

impl Book {
    fn count(&self, prompt: &str) -> usize {
        self.calls.iter().filter(|call| *call == prompt).count()
    }
}

fn answer(shared: &Shared, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(request) = read(&mut reader)? else {
            // Asked for its models, without a body.
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
            reader.get_mut().write_all(head.as_bytes()).ok()?;
            continue;
        };
        let prompt = request["messages"][0]["content"].as_str()?.to_owned();
        let mut book = shared.book.lock().unwrap();
        book.calls.push(prompt.clone());
        shared.changed.notify_all();
        let answered = shared.changed.wait_while(book, |book| book.held.contains(&prompt));
        drop(answered);
        let message = json!({"role": "assistant", "content": format!("re {prompt}")});
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
        let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        let body = json!({"id": "x", "model": "m", "choices": choices, "usage": usage}).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        reader.get_mut().write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}

/// The body of the next request, where it has one; `None` once there is no other request.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Option<Value>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).ok())
}
