//! How large a value is, measured without writing it anywhere.

use serde_json::Value;

/// Bytes of a value as JSON.
pub fn json_size(value: &Value) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and a JSON value can always be written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
