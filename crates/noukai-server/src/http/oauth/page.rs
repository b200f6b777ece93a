//! The pages a person sees: sign in, consent, refusal. Plain HTML without scripts; every text from outside is escaped.
//! Nothing of a page is loaded from anywhere, and nothing may frame it.

use std::fmt::{self, Write as _};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS},
    },
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use url::Url;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.4rem}label{display:block;margin:1rem 0 .3rem}input,select{font:inherit;width:100%;padding:.5rem;\
box-sizing:border-box}button{font:inherit;padding:.5rem 1.2rem;margin:1.5rem .5rem 0 0}.warn{color:#a00}\
code{word-break:break-all}li{margin:.3rem 0}";

/// A text from outside, fit to stand in a page.
pub(super) struct Safe<'a>(pub &'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // Would turn the direction of what follows, and with it the meaning of an address.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

/// Asks for email address and password.
pub(super) fn sign_in(client: &str, query: &str, problem: Option<&str>) -> String {
    let problem = problem.map_or_else(String::new, |text| format!("<p class=warn role=alert>{}</p>", Safe(text)));
    page(
        "Sign in",
        &format!(
            "<p>to let <b>{}</b> work for you.</p>{problem}<form method=post action=sign-in>\
             <input type=hidden name=query value=\"{}\">\
             <label for=email>Email address</label><input id=email name=email type=email autocomplete=username required>\
             <label for=password>Password</label>\
             <input id=password name=password type=password autocomplete=current-password required>\
             <button>Sign in</button></form>",
            Safe(client),
            Safe(query),
        ),
    )
}

/// What a person decides on.
pub(super) struct Consent<'a> {
    pub client: &'a str,
    pub redirect_uri: &'a str,
    pub email: &'a str,
    pub query: &'a str,
    pub csrf: &'a str,
    /// Id, address, and what the client would get.
    pub choices: &'a [(String, String, String)],
}

/// Asks whether a client may do what it asks for, and where.
pub(super) fn consent(asked: &Consent<'_>) -> String {
    let mut options = String::new();
    for (id, address, scopes) in asked.choices {
        // Writing to a string cannot fail.
        let _ = write!(options, "<option value=\"{}\">{}: {}</option>", Safe(id), Safe(address), Safe(scopes));
    }
    page(
        "Let a program work for you?",
        &format!(
            "<p><b>{client}</b> wants to work for you, <b>{email}</b>. Nobody has checked what it calls itself. You will \
             be sent to</p><p><code>{uri}</code></p><p>If you did not start this, choose <i>Deny</i>.</p>\
             <ul><li>execute: run flows and read what they did</li><li>author: change, test and publish flows</li>\
             <li>admin: manage keys, projects and settings</li></ul>\
             <form method=post action=consent><input type=hidden name=query value=\"{query}\">\
             <input type=hidden name=csrf value=\"{csrf}\">\
             <label for=project>In this project, and with these rights</label>\
             <select id=project name=project>{options}</select>\
             <button name=decision value=allow>Allow</button><button name=decision value=deny>Deny</button></form>",
            client = Safe(asked.client),
            email = Safe(asked.email),
            uri = Safe(asked.redirect_uri),
            query = Safe(asked.query),
            csrf = Safe(asked.csrf),
        ),
    )
}

/// Says why nothing can be done.
pub(super) fn refusal(text: &str) -> String {
    page("This did not work", &format!("<p>{}</p>", Safe(text)))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport \
         content=\"width=device-width,initial-scale=1\"><title>{title} - Noukai</title><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    )
}

/// A page as a reply. `then`: where a form of the page may lead in the end, which some browsers also hold against the
/// policy.
pub(super) fn reply(status: StatusCode, html: String, then: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    guard(response.headers_mut(), then);
    response
}

fn guard(headers: &mut HeaderMap, then: Option<&str>) {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let then = then.and_then(source).map_or_else(String::new, |source| format!(" {source}"));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'{then}; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    let fixed: [(HeaderName, &'static str); 3] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` browsers would send forms without their origin.
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// An address as a content security policy names it: its origin, or its scheme where it has none.
fn source(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let origin = url.origin();
    Some(if origin.is_tuple() { origin.ascii_serialization() } else { format!("{}:", url.scheme()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_html() {
        let evil = "\"'><script>alert(1)</script>&\u{202e}";
        let choices = [(evil.to_owned(), evil.to_owned(), evil.to_owned())];
        let asked =
            Consent { client: evil, redirect_uri: evil, email: evil, query: evil, csrf: evil, choices: &choices };
        for html in [consent(&asked), sign_in(evil, evil, Some(evil)), refusal(evil)] {
            assert!(!html.contains("<script") && !html.contains("\"'>") && !html.contains('\u{202e}'), "{html}");
            assert!(html.contains("&lt;script&gt;"), "{html}");
        }
    }

    #[test]
    fn a_form_leads_nowhere_else() {
        let policy = |then: Option<&str>| {
            let response = reply(StatusCode::OK, String::new(), then);
            response.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned()
        };
        assert!(policy(None).contains("form-action 'self'; frame-ancestors 'none'"), "{}", policy(None));
        assert!(policy(Some("https://a.test:8443/cb?x;y")).contains("form-action 'self' https://a.test:8443;"));
        assert!(policy(Some("cursor://host/cb; script-src *")).contains("form-action 'self' cursor:;"));
        assert!(!policy(Some("cursor://host/cb; script-src *")).contains("script-src"));
    }
}
