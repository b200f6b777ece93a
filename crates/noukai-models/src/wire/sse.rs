//! Server-sent events from bytes cut anywhere: lines, fields, events. Knows nothing of what events say.

/// Gathers bytes into events.
#[derive(Default)]
pub(super) struct Events {
    /// The line begun.
    line: Vec<u8>,
    /// The event begun: its data lines.
    data: Option<Vec<u8>>,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
}

impl Events {
    /// Takes bytes and hands on the data of each event they finish.
    pub(super) fn push<E>(&mut self, bytes: &[u8], mut on: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (part, after) = rest.split_at(at);
            let is_second_half = self.after_return && at == 0 && after.first() == Some(&b'\n');
            self.after_return = after.first() == Some(&b'\r');
            if !is_second_half {
                self.line.extend_from_slice(part);
                self.end_line(&mut on)?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            self.after_return = false;
            self.line.extend_from_slice(rest);
        }
        Ok(())
    }

    /// The bytes are over: what was begun counts, for some servers leave out the last blank line.
    pub(super) fn finish<E>(&mut self, mut on: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.end_line(&mut on)?;
        self.end_event(&mut on)
    }

    fn end_line<E>(&mut self, on: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.line.is_empty() {
            return self.end_event(on);
        }
        if let Some(value) = data_value(&self.line) {
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        self.line.clear();
        Ok(())
    }

    fn end_event<E>(&mut self, on: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.data.take().map_or(Ok(()), |data| on(&data))
    }
}

/// The value of a `data` line. Comments and other fields have none.
fn data_value(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const STREAM: &str =
        ": comment\r\n\r\nevent: x\rdata: one\r\rdata:two\ndata\ndata:  three\n\n\n\r\nid: 4\ndata: last";

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut seen = Vec::new();
        let mut on = |data: &[u8]| {
            seen.push(String::from_utf8(data.to_vec()).unwrap());
            Ok::<_, Infallible>(())
        };
        for piece in pieces {
            events.push(piece, &mut on).unwrap();
        }
        events.finish(&mut on).unwrap();
        seen
    }

    #[test]
    fn reads_the_same_wherever_the_bytes_are_cut() {
        let whole = read(&[STREAM.as_bytes()]);
        assert_eq!(whole, ["one", "two\n\n three", "last"]);
        for at in 0..STREAM.len() {
            let (left, right) = STREAM.as_bytes().split_at(at);
            assert_eq!(read(&[left, right]), whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(read(&single), whole);
    }
}
