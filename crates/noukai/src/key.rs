//! The API key: a secret that shows nowhere, and the masking of whatever looks like one.

use std::fmt;

use reqwest::header::HeaderValue;

use crate::{Error, Result};

/// What every key begins with.
const PREFIX: &str = "nk_";
/// What stands in a text where a key stood.
const MASK: &str = "nk_***";

/// A key. Its text leaves it only inside a header that is marked as sensitive.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// A key as the user gave it.
    pub fn new(text: String) -> Result<Self> {
        let wrong = |what: &str| Err(Error::invalid(format!("the API key {what}")));
        if text.is_empty() {
            return wrong("is empty; set NOUKAI_API_KEY or call `api_key`");
        }
        if !text.starts_with(PREFIX) {
            return wrong("does not begin with `nk_`; a key looks like `nk_live_...` or `nk_test_...`");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("holds spaces, line breaks or other characters that no key has");
        }
        Ok(Self(text))
    }

    /// The value of `Authorization`.
    pub fn header(&self) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .map_err(|_| Error::invalid("the API key cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The text with every key in it masked, wherever it came from: a server may echo one, a user may misplace one.
pub(crate) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let after = &rest[at + PREFIX.len()..];
        let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
        out.push_str(&rest[..at]);
        // A bare `nk_`, as in our own messages, is no secret.
        out.push_str(if end == 0 { PREFIX } else { MASK });
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_wherever_they_stand() {
        assert_eq!(masked("a nk_live_abc_DEF1 b, \"nk_x\""), "a nk_*** b, \"nk_***\"");
        assert_eq!(masked("must begin with `nk_`"), "must begin with `nk_`");
        assert_eq!(masked("nk_nk_a"), "nk_***");
        assert_eq!(masked("ünk_ä nk_é"), "ünk_ä nk_é");
    }

    #[test]
    fn a_key_shows_nowhere() {
        let key = ApiKey::new("nk_test_abcdefgh_secret".to_owned()).expect("a key");
        assert_eq!(format!("{key:?}"), "nk_***");
        assert!(!format!("{:?}", key.header().expect("a header")).contains("secret"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for bad in ["", "sk_secret", "nk_se cret", "nk_secret\n", "nk_sécret"] {
            let error = ApiKey::new(bad.to_owned()).expect_err(bad);
            assert_eq!(error.kind(), crate::ErrorKind::InvalidValue);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
