//! Server-sent events out of a byte stream: the little of it that a demo needs.

/// Cuts a byte stream into events.
#[derive(Debug, Default)]
pub struct SseReader {
    buffer: Vec<u8>,
}

impl SseReader {
    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The data of the next event that is whole. Comments are passed over.
    pub fn next_data(&mut self) -> Option<String> {
        loop {
            let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&block);
            let data: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_come_in() {
        let stream = ": hello\n\nid: 1\nevent: a\ndata: {\"ä\":1}\n\nid: 2\ndata: x\ndata: y\n\ndata: unfinished";
        for size in [1, 3, 1_000] {
            let mut reader = SseReader::default();
            let mut found = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                reader.push(chunk);
                found.extend(std::iter::from_fn(|| reader.next_data()));
            }
            assert_eq!(found, ["{\"ä\":1}", "x\ny"]);
        }
    }
}
