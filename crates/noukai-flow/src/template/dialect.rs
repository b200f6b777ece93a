//! Which part of the engine's language templates may use, so that no template can grow its values without bound.
//!
//! The engine counts steps, not bytes: forty times `{% set a = a ~ a %}` takes a few hundred steps and a terabyte. So
//! nothing that makes a larger value may be bound to a name: there is no `set`, `with` or `macro`, and what `for` walks
//! over is a path with filters. One piece of code makes few new values, whatever their size.

use super::{
    TemplateError,
    segments::{Segment, segments, string_end},
};
use crate::nearest;

/// Bytes of source.
const MAX_SOURCE: usize = 256 * 1024;
/// Operators, filters and list entries in one piece of code.
const MAX_OPERATORS: usize = 32;
/// Words and signs in one piece of code; bounds the depth of what the engine parses.
const MAX_TOKENS: usize = 400;
/// `elif`s in a template; each is one level deeper for the engine's parser.
const MAX_ELIFS: usize = 64;
/// Loops inside each other.
const MAX_LOOPS: usize = 4;
/// The statements there are.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor"];

/// Checks that `source` keeps to the dialect.
pub(super) fn check(source: &str) -> Result<(), TemplateError> {
    if source.len() > MAX_SOURCE {
        return Err(TemplateError::new(format!("the template has more than {MAX_SOURCE} bytes; shorten it"), None));
    }
    let mut checker = Checker::default();
    let mut line = 1;
    for segment in segments(source) {
        if let Segment::Code(code) = segment {
            checker.code(code).map_err(|message| TemplateError::new(message, Some(line)))?;
        }
        line += segment.source().matches('\n').count();
    }
    Ok(())
}

/// The names that are read in a way that allows for their absence: with `default`, or in a test (`is defined`).
pub(super) fn optional_names(source: &str) -> Vec<&str> {
    let codes = segments(source).filter_map(|segment| match segment {
        Segment::Code(code) => Some(tokens(code)),
        _ => None,
    });
    codes.flat_map(|tokens| tokens.windows(3).filter_map(optional_name).collect::<Vec<_>>()).collect()
}

fn optional_name<'a>(window: &[Token<'a>]) -> Option<&'a str> {
    match window {
        [Token::Word(name), Token::Sign(b'|'), Token::Word("default" | "d")] => Some(name),
        [Token::Word(name), Token::Word("is"), _] => Some(name),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// An identifier, keyword or number.
    Word(&'a str),
    Text,
    Sign(u8),
}

/// The tokens of a piece of code, its delimiters left out.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let code = &code[2..code.len() - 2];
    let bytes = code.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            _ if byte.is_ascii_whitespace() => {}
            b'"' | b'\'' => {
                at = string_end(bytes, start, byte).map_or(bytes.len(), |end| end + 1);
                tokens.push(Token::Text);
            }
            _ if is_word(byte) => {
                at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
                tokens.push(Token::Word(&code[start..at]));
            }
            sign => tokens.push(Token::Sign(sign)),
        }
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What has to be remembered from one piece of code to the next.
#[derive(Default)]
struct Checker {
    loops: usize,
    elifs: usize,
}

impl Checker {
    fn code(&mut self, code: &str) -> Result<(), String> {
        let tokens = tokens(code);
        if tokens.contains(&Token::Sign(b'*')) {
            return Err("`*` and `**` are not part of the template language; multiply in a code block".to_owned());
        }
        let operators = |token: &&Token| matches!(token, Token::Sign(b'~' | b'+' | b'|' | b','));
        if tokens.iter().filter(operators).count() > MAX_OPERATORS || tokens.len() > MAX_TOKENS {
            return Err(format!(
                "one piece of code has at most {MAX_TOKENS} words and signs and {MAX_OPERATORS} of `~ + | ,`; split it"
            ));
        }
        if code.starts_with("{%") { self.statement(&tokens) } else { Ok(()) }
    }

    fn statement(&mut self, tokens: &[Token]) -> Result<(), String> {
        let name = tokens.iter().find_map(|token| match token {
            Token::Word(name) => Some(*name),
            _ => None,
        });
        match name {
            Some("for") => self.open_loop(tokens),
            Some("endfor") => {
                self.loops = self.loops.saturating_sub(1);
                Ok(())
            }
            Some("elif") => self.elif(),
            Some(name) if !STATEMENTS.contains(&name) => Err(format!(
                "`{name}` is not part of the template language; its statements are {} and raw",
                nearest::list(STATEMENTS)
            )),
            _ => Ok(()),
        }
    }

    fn elif(&mut self) -> Result<(), String> {
        self.elifs += 1;
        if self.elifs > MAX_ELIFS {
            return Err(format!("a template has at most {MAX_ELIFS} `elif`; use a branch instead"));
        }
        Ok(())
    }

    fn open_loop(&mut self, tokens: &[Token]) -> Result<(), String> {
        self.loops += 1;
        if self.loops > MAX_LOOPS {
            return Err(format!("at most {MAX_LOOPS} loops fit into each other; use a loop container instead"));
        }
        let start = tokens.iter().position(|token| *token == Token::Word("in")).map_or(tokens.len(), |at| at + 1);
        if makes_a_value(&tokens[start..]) {
            return Err(
                "`for` walks over a path with filters, such as `items|sort`, or over `range(n)`; it makes no new \
                        list or text, and it is not recursive"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Whether an expression joins texts or lists, writes a list, tuple or object out, or is recursive.
fn makes_a_value(expression: &[Token]) -> bool {
    let mut open = 0_isize;
    let mut after_value = false;
    for token in expression {
        match token {
            Token::Sign(b'~' | b'+' | b'{') | Token::Word("recursive") => return true,
            Token::Sign(b'(' | b'[') if !after_value => return true,
            Token::Sign(b',') if open == 0 => return true,
            Token::Sign(b'(' | b'[') => open += 1,
            Token::Sign(b')' | b']') => open -= 1,
            _ => {}
        }
        after_value = match token {
            Token::Word(word) => !matches!(*word, "in" | "and" | "or" | "not" | "if" | "else" | "is"),
            Token::Sign(sign) => matches!(sign, b')' | b']'),
            Token::Text => false,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_prompt_needs_is_there() {
        for source in [
            "",
            "{{ a.b[0]['c'] | default('x, y') | upper }}",
            "{% if a and not b %}x{% elif c == 'set' %}y{% else %}z{% endif %}",
            "{% for x in items %}{{ loop.index + 1 }}{% endfor %}",
            "{% for key, value in a|dictsort(by='value', reverse=true) %}{{ key ~ value }}{% endfor %}",
            "{% for x in a.b[0]|selectattr('ok') if x.y is defined %}{% endfor %}",
            "{% for i in range(1, 3) %}{% for j in range(2) %}{% endfor %}{% endfor %}",
            "{% raw %}{% set a = a * a %}{% endraw %}{# {% set b = 1 %} #} {% set",
            "{{ '{% set a = 1 %} *' }}",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn what_could_grow_is_not() {
        let chain = format!("{{{{ a{} }}}}", ".b".repeat(300));
        let sum = format!("{{{{ a{} }}}}", " ~ a".repeat(40));
        let elifs = format!("{{% if a %}}{}{{% endif %}}", "{% elif b %}".repeat(100));
        let loops = "{% for a in b %}".repeat(5);
        for source in [
            "{% set a = 1 %}",
            "{%- with a = b %}{% endwith %}",
            "{% macro m() %}{% endmacro %}",
            "{% include 'x' %}",
            "{% import 'x' as y %}",
            "{% extends 'x' %}",
            "{% filter upper %}{% endfilter %}",
            "{% autoescape true %}{% endautoescape %}",
            "{% do x() %}",
            "{{ 'a' * 100000000 }}",
            "{{ 9 ** 9 }}",
            "{% for x in [a, a] %}{% endfor %}",
            "{% for x in (a, a) %}{% endfor %}",
            "{% for x in a, a %}{% endfor %}",
            "{% for x in {'a': 1} %}{% endfor %}",
            "{% for x in a ~ a %}{% endfor %}",
            "{% for x in a + a %}{% endfor %}",
            "{% for x in a if [x] %}{% endfor %}",
            "{% for x in a recursive %}{{ loop(x) }}{% endfor %}",
            chain.as_str(),
            sum.as_str(),
            elifs.as_str(),
            loops.as_str(),
        ] {
            assert!(check(source).is_err(), "{source}");
        }
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(check("a\n{% if b %}\n{% set c = 1 %}{% endif %}").unwrap_err().line(), Some(3));
    }

    #[test]
    fn names_that_may_be_absent_are_known() {
        let names = optional_names("{{ a|default('') }}{{ b }}{% if c is defined %}{{ d | d(1) }}{% endif %}{e}");
        assert_eq!(names, ["a", "c", "d"]);
    }
}
