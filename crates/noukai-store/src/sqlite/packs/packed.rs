//! A pack's text made short. Events say much the same, in the same words: two thirds and more of them need not be written,
//! which spares the log and the database's file the pages.
//!
//! The first byte is the dictionary's number, the next four the checksum (CRC-32) of what follows, the next four the text's
//! length in bytes, both least significant byte first; the rest is an LZ4 block.

use lz4_flex::block;

use crate::StoreError;

/// What texts of events have in them; a poorer one would make packs longer, no more. What is written with it is read with
/// it: a better one gets a number of its own.
const DICTIONARY: &[u8] = include_bytes!("dictionary_1.txt");
const NUMBER: u8 = 1;

/// Bytes before what the checksum is of, and before the block.
const SUMMED: usize = 5;
const HEAD: usize = 9;

/// Below so many bytes there is little to win.
const WORTH: usize = 200;

/// No LZ4 block holds more than so many times its own length.
const MOST_TIMES: usize = 255;

/// `None` where it would not get an eighth shorter.
pub(super) fn seal(text: &str) -> Option<Vec<u8>> {
    let length = u32::try_from(text.len()).ok().filter(|_| text.len() >= WORTH)?;
    let mut packed = vec![0; HEAD + block::get_maximum_output_size(text.len())];
    packed[0] = NUMBER;
    packed[SUMMED..HEAD].copy_from_slice(&length.to_le_bytes());
    let bytes = block::compress_into_with_dict(text.as_bytes(), &mut packed[HEAD..], DICTIONARY).ok()?;
    packed.truncate(HEAD + bytes);
    let checksum = crc32fast::hash(&packed[SUMMED..]);
    packed[1..SUMMED].copy_from_slice(&checksum.to_le_bytes());
    (packed.len() < text.len() / 8 * 7).then_some(packed)
}

/// # Errors
/// [`StoreError::Database`] where it is damaged, or another release's.
pub(super) fn open(packed: &[u8]) -> Result<String, StoreError> {
    try_open(packed).ok_or_else(damaged)
}

pub(super) fn damaged() -> StoreError {
    StoreError::Database("the stored events of a run are damaged, or a later release's".into())
}

fn try_open(packed: &[u8]) -> Option<String> {
    let (head, summed) = packed.split_first_chunk::<SUMMED>()?;
    let [NUMBER, checksum @ ..] = *head else { return None };
    if crc32fast::hash(summed) != u32::from_le_bytes(checksum) {
        return None;
    }
    let (length, block) = summed.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > block.len().saturating_mul(MOST_TIMES) {
        return None;
    }
    let text = block::decompress_with_dict(block, length, DICTIONARY).ok()?;
    String::from_utf8(text).ok().filter(|text| text.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let event =
            r#"{"v":1,"k":"completed","step":"draft","output":{"c":{"message":"Grüße"},"n":19},"at":1795326979842221}"#;
        format!("completed\ncompleted\n\n{event}\n{}", event.replace("draft", "polish"))
    }

    /// What is stored with it could not be read any more.
    #[test]
    fn a_dictionary_stays_as_it_is() {
        assert_eq!((NUMBER, DICTIONARY.len(), crc32fast::hash(DICTIONARY)), (1, 1884, 2_399_438_021));
    }

    #[test]
    fn a_text_gets_shorter_and_comes_back() {
        let packed = seal(&text()).unwrap();
        assert!(packed.len() * 2 < text().len(), "{} of {}", packed.len(), text().len());
        assert_eq!(open(&packed).unwrap(), text());
        let long = text().repeat(1_000);
        assert_eq!(open(&seal(&long).unwrap()).unwrap(), long);
    }

    #[test]
    fn what_gains_nothing_stays_a_text() {
        assert_eq!(seal(""), None);
        assert_eq!(seal(&"x".repeat(WORTH - 1)), None);
        let noise: String =
            (0..300_u32).map(|n| char::from_u32(0x4e00 + n * n * 7919 % 20_000).unwrap_or('x')).collect();
        assert_eq!(seal(&noise), None);
    }

    #[test]
    fn damage_is_an_error() {
        let packed = seal(&text()).unwrap();
        for length in 0..packed.len() {
            assert!(open(&packed[..length]).is_err(), "{length} bytes");
        }
        for place in 0..packed.len() {
            let mut other = packed.clone();
            other[place] ^= 0x10;
            assert!(open(&other).is_err(), "at {place}");
        }
    }

    /// As a fault of ours would make it, and no decay.
    #[test]
    fn a_false_length_is_an_error() {
        for length in [0, 1, 100, u32::MAX] {
            let mut packed = seal(&text()).unwrap();
            packed[SUMMED..HEAD].copy_from_slice(&length.to_le_bytes());
            let checksum = crc32fast::hash(&packed[SUMMED..]);
            packed[1..SUMMED].copy_from_slice(&checksum.to_le_bytes());
            assert!(open(&packed).is_err(), "{length} bytes");
        }
    }
}
