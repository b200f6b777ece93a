//! Text of a provider made fit for an error message: no keys, no control characters, one line, short.

const MASK: &str = "[secret]";
const MOST_CHARACTERS: usize = 300;
/// Pieces of the configured key from this length on are taken out.
const SHORTEST_PIECE: usize = 8;
const KEY_PREFIXES: [&str; 8] = ["sk-", "sk_", "pk-", "rk_", "gsk_", "xai-", "AIza", "key-"];
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Takes out the key, its pieces and whatever looks like a key; then cuts.
pub(crate) fn clean(text: &str, key: &str) -> String {
    let text = if key.is_empty() { text.to_owned() } else { text.replace(key, MASK) };
    let mut out = String::with_capacity(text.len().min(MOST_CHARACTERS * 4));
    let mut scheme = false;
    for word in words(&text) {
        let plain = word.trim_end_matches([':', '%']);
        if word.starts_with(is_separator) {
            out.push_str(&spaced(word));
        } else if scheme {
            out.push_str(MASK);
            scheme = false;
        } else {
            scheme = SCHEMES.iter().any(|name| plain.eq_ignore_ascii_case(name));
            mask_pieces(word, key, &mut out);
        }
        if out.len() > MOST_CHARACTERS * 8 {
            break;
        }
    }
    cut(out.trim())
}

/// Runs of separators and of all else, in turn.
fn words(text: &str) -> impl Iterator<Item = &str> {
    split_runs(text, is_separator)
}

fn split_runs(text: &str, belongs: fn(char) -> bool) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next().map(belongs)?;
        let end = rest.find(|c| belongs(c) != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '<' | '>' | '(' | ')')
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '…')
}

fn mask_pieces(word: &str, key: &str, out: &mut String) {
    for piece in split_runs(word, is_key_character) {
        out.push_str(if looks_like_key(piece, key) { MASK } else { piece });
    }
}

fn looks_like_key(piece: &str, key: &str) -> bool {
    let bare = piece.trim_end_matches('.');
    let prefixed = KEY_PREFIXES.iter().any(|prefix| bare.len() > prefix.len() + 3 && bare.starts_with(prefix));
    prefixed || (bare.len() >= SHORTEST_PIECE && key.contains(bare))
}

/// White space and control characters as one space.
fn spaced(separators: &str) -> String {
    let mut out = String::with_capacity(separators.len());
    for c in separators.chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    out
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_and_words_stay() {
        let key = "canary/9f8e7d6c5b4a/tail";
        for (text, expected) in [
            ("plain words, nothing else.", "plain words, nothing else."),
            ("key canary/9f8e7d6c5b4a/tail is bad", "key [secret] is bad"),
            ("it ends in 9f8e7d6c5b4a.", "it ends in [secret]"),
            ("Incorrect API key provided: sk-proj-ab***************xyz.", "Incorrect API key provided: [secret]"),
            ("Authorization: Bearer abc/def==, no", "Authorization: Bearer [secret], no"),
            (r#"{"authorization":"bearer zzz"}"#, r#"{"authorization":"bearer [secret]"}"#),
            ("api_key=sk-1234567890&x=1", "api_key=[secret]&x=1"),
            ("two\nlines\u{7}\t bell", "two lines bell"),
        ] {
            assert_eq!(clean(text, key), expected);
        }
    }

    #[test]
    fn the_key_goes_even_where_the_text_is_cut() {
        let key = "k".repeat(40);
        let text = format!("{}{key}", "a ".repeat(140));
        assert!(!clean(&text, &key).contains("kkk"));
        assert!(clean(&"long ".repeat(1000), &key).chars().count() <= 301);
    }
}
