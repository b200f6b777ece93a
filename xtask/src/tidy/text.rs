//! Small helpers to look at source text without parsing it.

/// Whether `word` stands in `line` as a whole identifier.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

/// The line without its `//` comment. A `//` inside a string counts as a comment unless a `:` stands before it.
pub fn without_comment(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        assert!(has_word("use axum::Router;", "axum"));
        assert!(has_word("(axum)", "axum"));
        assert!(!has_word("use axum_extra::x;", "axum"));
        assert!(!has_word("my_axum", "axum"));
        assert!(has_word("axum_extra axum", "axum"));
    }

    #[test]
    fn comments_go_and_urls_stay() {
        assert_eq!(without_comment("a(); // b"), "a(); ");
        assert_eq!(without_comment("//! axum"), "");
        assert_eq!(without_comment("get(\"http://x\") // y"), "get(\"http://x\") ");
    }
}
