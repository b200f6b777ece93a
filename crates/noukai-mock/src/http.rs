//! Just enough HTTP/1.1: one request read, one reply written piece by piece.

use std::{
    collections::HashMap,
    io::{BufRead, Read, Write},
};

use serde_json::Value;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without `?`; empty where there is none.
    pub query: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A part of a reply's body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// These bytes, sent at once.
    Bytes(Vec<u8>),
    /// These bytes for ever, until nobody reads any more.
    Endless(Vec<u8>),
    /// Nothing more, and no end either, until the other side goes away.
    Silence,
    /// The connection breaks.
    Cut,
}

/// What the server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    /// One piece of bytes goes out with its length, anything else in chunks.
    pieces: Vec<Piece>,
}

impl Reply {
    /// A reply with a body of some type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, pieces: vec![Piece::Bytes(body.into())] }
    }

    /// A reply with JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// An error as the contract has it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::json(status, &serde_json::json!({"detail": {"code": code, "message": format!("{code} it is")}}))
            .header("x-request-id", "req-1")
    }

    /// A stream of events, in these pieces.
    pub fn stream(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self { pieces: pieces.into_iter().collect(), ..Self::new(200, "text/event-stream", "") }
    }

    /// A stream of events `(id, data)`; the type is the data's `eventType`.
    pub fn events(events: &[(u64, Value)]) -> Self {
        Self::stream(events.iter().map(|(id, data)| Piece::event(*id, data)))
    }

    /// With pieces in place of the body.
    #[must_use]
    pub fn pieces(self, pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self { pieces: pieces.into_iter().collect(), ..self }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Piece {
    /// An event; 0 stands for no id.
    pub fn event(id: u64, data: &Value) -> Self {
        let id = if id == 0 { String::new() } else { format!("id: {id}\n") };
        let kind = data["eventType"].as_str().unwrap_or("message");
        Self::Bytes(format!("{id}event: {kind}\ndata: {data}\n\n").into_bytes())
    }
}

/// The next request; `None` where the connection ends.
pub fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let mut first = lines.first()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

/// Writes a reply; whether the connection can be used again.
pub fn write(writer: &mut (impl Write + Read), reply: &Reply) -> bool {
    let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let [Piece::Bytes(body)] = &reply.pieces[..] {
        head += &format!("content-length: {}\r\n\r\n", body.len());
        return writer.write_all(&[head.as_bytes(), body].concat()).is_ok();
    }
    head += "transfer-encoding: chunked\r\n\r\n";
    if writer.write_all(head.as_bytes()).is_err() {
        return false;
    }
    reply.pieces.iter().all(|piece| write_piece(writer, piece)) && writer.write_all(b"0\r\n\r\n").is_ok()
}

fn write_piece(writer: &mut (impl Write + Read), piece: &Piece) -> bool {
    match piece {
        Piece::Bytes(bytes) => write_chunk(writer, bytes),
        Piece::Endless(bytes) => {
            while write_chunk(writer, bytes) {}
            false
        }
        Piece::Silence => {
            // Ends when the other side does.
            let _ = writer.read(&mut [0]);
            false
        }
        Piece::Cut => false,
    }
}

fn write_chunk(writer: &mut impl Write, bytes: &[u8]) -> bool {
    let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    writer.write_all(&chunk).is_ok()
}
