//! How large a value is, measured without writing it anywhere.

use std::fmt::Write;

use serde_json::{Number, Value};

/// Bytes of a value as JSON.
pub fn json_size(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number_size(number),
        Value::String(text) => text_size(text),
        Value::Array(items) => items.iter().map(json_size).sum::<u64>() + frame(items.len()),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| text_size(name) + 1 + json_size(value);
            fields.iter().map(field).sum::<u64>() + frame(fields.len())
        }
    }
}

/// Brackets, and a comma between each two.
const fn frame(items: usize) -> u64 {
    1 + if items == 0 { 1 } else { items as u64 }
}

fn text_size(text: &str) -> u64 {
    2 + text.len() as u64 + text.bytes().map(|byte| u64::from(escape_size(byte))).sum::<u64>()
}

/// What a byte takes beyond itself: `\"` one more, `\u0001` five.
const fn escape_size(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    }
}

fn number_size(number: &Number) -> u64 {
    struct Count(u64);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 += text.len() as u64;
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = write!(count, "{number}");
    count.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_size_is_that_of_the_text() {
        let every_byte: String = (0..=0x7f_u8).map(char::from).chain("äß€😀".chars()).collect();
        let values = [
            json!(null),
            json!([true, false, null]),
            json!([[], {}, [{}], {"a": []}, {"a": 1, "b": [2, 3]}]),
            json!([0, -1, u64::MAX, i64::MIN, 0.1, -1.5e300, 1e-7, 3.0]),
            json!({&every_byte: every_byte, "": ""}),
        ];
        for value in values {
            assert_eq!(json_size(&value), value.to_string().len() as u64, "{value}");
        }
    }
}
