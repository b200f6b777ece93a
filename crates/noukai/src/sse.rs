//! Server-sent events out of a byte stream that may be cut anywhere.
//!
//! Takes what the standard allows (LF, CRLF and CR, a byte order mark, comments, data over several lines, `id` without
//! `event`), keeps no more than one event, and refuses one that is too large.

use crate::{Error, ErrorKind, Result};

/// One event as it stood in the stream. The parser fills the same one again and again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RawEvent {
    /// Its own id; the standard's lasting one is of no use here.
    pub id: Option<EventId>,
    /// Empty where the stream named none.
    pub kind: String,
    pub data: String,
}

impl RawEvent {
    fn clear(&mut self) {
        self.id = None;
        self.kind.clear();
        self.data.clear();
    }
}

/// An event's id. Our servers number events; others may name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventId {
    Number(u64),
    Name(String),
}

impl EventId {
    fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Number)
    }

    /// Whether an event with this id is later than one with the other; names only tell that it is another one.
    pub fn is_after(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(own), Self::Number(other)) => own > other,
            _ => self != other,
        }
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

const MARK: &[u8] = b"\xef\xbb\xbf";

/// Takes bytes, gives events.
#[derive(Debug)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    /// Where the line begins that is not whole yet.
    line: usize,
    /// How far that line has been searched for its end.
    searched: usize,
    /// A CR ended the last line; a LF right after it belongs to it.
    after_cr: bool,
    /// Nothing has been read yet, so a byte order mark may stand first.
    at_start: bool,
    event: RawEvent,
    has_data: bool,
    /// The event was told; the next line begins another.
    is_told: bool,
    most: usize,
}

impl Parser {
    /// A parser for events of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            buffer: Vec::new(),
            line: 0,
            searched: 0,
            after_cr: false,
            at_start: true,
            event: RawEvent::default(),
            has_data: false,
            is_told: false,
            most,
        }
    }

    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.line);
        self.searched -= self.line;
        self.line = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Goes on to the next event that is whole; false where more of the stream is needed.
    pub fn advance(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.is_told) {
            self.event.clear();
        }
        while let Some((start, end)) = self.next_line() {
            if self.take(start, end)? {
                self.is_told = true;
                return Ok(true);
            }
        }
        self.check(self.buffer.len() - self.line)?;
        Ok(false)
    }

    /// The event that [`advance`](Self::advance) went to.
    pub const fn event(&self) -> &RawEvent {
        &self.event
    }

    /// Where the next whole line stands, without its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.after_cr && self.line < self.buffer.len() {
            self.after_cr = false;
            if self.buffer[self.line] == b'\n' {
                self.line += 1;
            }
            self.searched = self.searched.max(self.line);
        }
        if self.at_start {
            self.skip_mark()?;
        }
        let Some(at) = memchr::memchr2(b'\n', b'\r', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return None;
        };
        let (start, end) = (self.line, self.searched + at);
        self.after_cr = self.buffer[end] == b'\r';
        self.line = end + 1;
        self.searched = self.line;
        Some((start, end))
    }

    /// Passes a byte order mark; `None` while it may still be coming.
    fn skip_mark(&mut self) -> Option<()> {
        let known = self.buffer.len().min(MARK.len());
        let is_mark = self.buffer[..known] == MARK[..known];
        if is_mark && known < MARK.len() {
            return None;
        }
        self.at_start = false;
        if is_mark {
            (self.line, self.searched) = (MARK.len(), MARK.len());
        }
        Some(())
    }

    /// Reads a line; whether it ends an event.
    fn take(&mut self, start: usize, end: usize) -> Result<bool> {
        let line = &self.buffer[start..end];
        if line.is_empty() {
            if !self.has_data {
                self.event.clear();
            }
            return Ok(std::mem::take(&mut self.has_data));
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(&String::from_utf8_lossy(value));
                self.has_data = true;
                let size = self.event.data.len();
                self.check(size)?;
            }
            b"event" => {
                self.event.kind.clear();
                self.event.kind.push_str(&String::from_utf8_lossy(value));
            }
            b"id" if !value.contains(&0) => self.event.id = Some(EventId::of(&String::from_utf8_lossy(value))),
            // Comments, and fields that mean nothing here.
            _ => {}
        }
        Ok(false)
    }

    fn check(&self, size: usize) -> Result<()> {
        if size <= self.most {
            return Ok(());
        }
        let message = format!("the server sent an event of more than {} bytes", self.most);
        Err(Error::new(ErrorKind::Decode, message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1_000;

    fn event(id: Option<&str>, kind: &str, data: &str) -> RawEvent {
        RawEvent { id: id.map(EventId::of), kind: kind.to_owned(), data: data.to_owned() }
    }

    fn parsed<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<RawEvent> {
        let mut parser = Parser::new(MOST);
        let mut events = Vec::new();
        for chunk in chunks {
            parser.push(chunk);
            while parser.advance().expect("no event is too large") {
                events.push(parser.event().clone());
            }
        }
        events
    }

    #[test]
    fn events_come_out_as_the_standard_says() {
        let stream = "\u{feff}: hello\n\nid: 1\nevent: a\ndata: {\"ä\":1}\n\n:\ndata\n\nevent: lost\n\nid:2\ndata:x\n\
                      data:  y\nretry: 5\nunknown: z\nevent: b\n\nid: no\0pe\ndata: z\n\ndata: unfinished\n";
        let expected = [
            event(Some("1"), "a", "{\"ä\":1}"),
            event(None, "", ""),
            event(Some("2"), "b", "x\n y"),
            event(None, "", "z"),
        ];
        assert_eq!(parsed([stream.as_bytes()]), expected);
        assert_eq!(parsed([stream.replace('\n', "\r\n").as_bytes()]), expected);
        assert_eq!(parsed([stream.replace('\n', "\r").as_bytes()]), expected);
    }

    #[test]
    fn a_mark_counts_at_the_very_beginning_alone() {
        assert_eq!(parsed([b"\xef".as_slice(), b"\xbb", b"\xbfdata: x\n\n"]), [event(None, "", "x")]);
        assert_eq!(parsed(["data: \u{feff}x\n\n".as_bytes()]), [event(None, "", "\u{feff}x")]);
        assert_eq!(parsed([b"\xefdata: x\n\ndata: y\n\n".as_slice()]), [event(None, "", "y")]);
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_kept() {
        for stream in ["x".repeat(MOST + 1), format!("data: {}\n", "x".repeat(600)).repeat(2)] {
            let mut parser = Parser::new(MOST);
            let mut kept = 0;
            let error = stream.as_bytes().chunks(100).find_map(|chunk| {
                parser.push(chunk);
                kept = kept.max(parser.buffer.len());
                parser.advance().err()
            });
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Decode));
            assert!(kept <= MOST + 200);
        }
        // Many small ones, and comments without end, are not.
        let mut parser = Parser::new(MOST);
        for _ in 0..10_000 {
            parser.push(b": still here, waiting\n\ndata: x\n\n");
            assert!(parser.advance().expect("small"));
            assert_eq!(*parser.event(), event(None, "", "x"));
            assert!(!parser.advance().expect("small"));
        }
        assert!(parser.buffer.capacity() < 4 * MOST);
    }

    #[test]
    fn ids_are_numbers_or_names() {
        let id = EventId::of;
        assert!(id("10").is_after(&id("9")) && !id("9").is_after(&id("9")) && !id("8").is_after(&id("9")));
        assert!(id("b").is_after(&id("a")) && id("a").is_after(&id("b")) && !id("a").is_after(&id("a")));
        assert_eq!((id("7").to_string(), id("x-7").to_string()), ("7".to_owned(), "x-7".to_owned()));
    }

    /// Pieces that streams are made of, the awkward ones included.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data: {\"a\":1}".to_vec()),
            Just(b"data:".to_vec()),
            Just("data: zwölf \u{2028} 🎈".as_bytes().to_vec()),
            Just(b"event: step_started".to_vec()),
            Just(b"id: 7".to_vec()),
            Just(b": comment".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b"\r\n\r\n".to_vec()),
            Just(b"\xef\xbb\xbf".to_vec()),
            Just(b"\xff\xfe".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..8),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(stream in pieces(), cuts in proptest::collection::vec(0_usize..400, 0..20)) {
            let whole = parsed([stream.as_slice()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
            prop_assert_eq!(&parsed(chunks), &whole);
            prop_assert_eq!(&parsed(stream.chunks(1)), &whole);
        }
    }
}
