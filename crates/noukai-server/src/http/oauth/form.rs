//! Forms: short `application/x-www-form-urlencoded` bodies, as pairs.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::header::CONTENT_TYPE,
};

use super::reply::OauthError;
use crate::app::{App, GrantError, GrantFault};

/// Longest form; nothing that belongs into one comes near it.
const MOST_BYTES: usize = 32 * 1024;

/// A form's fields.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl FromRequest<App> for Form {
    type Rejection = OauthError;

    async fn from_request(request: Request, _: &App) -> Result<Self, OauthError> {
        let wrong = |why: &str| OauthError::from(GrantError::new(GrantFault::InvalidRequest, why));
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(wrong("the body must be application/x-www-form-urlencoded"));
        }
        let bytes = to_bytes(request.into_body(), MOST_BYTES).await;
        let bytes = bytes.map_err(|_| wrong("the body is too long or broke off"))?;
        Ok(Self::parse(&bytes))
    }
}

impl Form {
    /// Fields of a body or a query.
    pub fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The value of a field. One that stands there twice is none: two readers might each believe another one.
    pub fn one(&self, name: &str) -> Option<String> {
        let mut all = self.0.iter().filter(|(field, _)| field == name);
        let first = all.next().map(|(_, value)| value.clone());
        first.filter(|value| all.next().is_none() && !value.is_empty())
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_where_it_stands_once() {
        let form = Form::parse(b"a=1&b=x%20y&c=&d=1&d=2&e=%26%3d");
        assert_eq!(form.one("a").as_deref(), Some("1"));
        assert_eq!(form.one("b").as_deref(), Some("x y"));
        assert_eq!(form.one("e").as_deref(), Some("&="));
        assert_eq!((form.one("c"), form.one("d"), form.one("f")), (None, None, None));
        assert_eq!(form.all("d"), ["1", "2"]);
    }
}
