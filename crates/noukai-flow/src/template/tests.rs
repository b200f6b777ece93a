//! Templates as authors and attackers write them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{LoopItem, StepOutput};

fn scope(pipeline: Value) -> Scope {
    Scope {
        pipeline: pipeline.into(),
        item: None,
        steps: vec![],
        initial: json!({"message": "hello", "tone": "plain"}).into(),
    }
}

fn render(source: &str, pipeline: Value) -> Result<String, TemplateError> {
    Template::compile(source)?.render(&scope(pipeline))
}

#[test]
fn what_authors_write() {
    let pipeline = json!({
        "label": "bug", "n": 3, "pi": 1.5, "yes": true, "nothing": null, "list": ["a", 1, null, {"k": "v"}],
        "people": [{"name": "Ann", "age": 3}, {"name": "Bob", "age": 2}], "deep": {"a": {"b": [10, 20]}}, "html": "<a> & \"b\"",
        "big": 18_446_744_073_709_551_615_u64,
    });
    for (source, expected) in [
        ("plain", "plain"),
        ("{{ initial.message }}", "hello"),
        ("{{ message }} {{ label }}", "hello bug"),
        ("{{ n }} {{ pi }} {{ yes }} {{ nothing }} {{ big }}", "3 1.5 true null 18446744073709551615"),
        ("{{ list }}", r#"["a",1,null,{"k":"v"}]"#),
        ("{{ deep }} {{ deep.a.b[1] }} {{ deep['a'].b.0 }}", r#"{"a":{"b":[10,20]}} 20 10"#),
        ("{{ [n, deep.a] }}", r#"[3,{"b":[10,20]}]"#),
        ("{{ html }}", "<a> & \"b\""),
        ("{{ list|length }} {{ list[-1].k }} {{ list[0]|upper }}", "4 v A"),
        ("{{ people|map(attribute='name')|join(', ') }}", "Ann, Bob"),
        ("{{ people|join('/', attribute='age') }}", "3/2"),
        ("{{ people|sort(attribute='age')|map(attribute='name')|first }}", "Bob"),
        ("{{ people|selectattr('age', 'gt', 2)|length }}", "1"),
        (
            "{% for p in people %}{{ loop.index }}. {{ p.name }}{% if not loop.last %}; {% endif %}{% endfor %}",
            "1. Ann; 2. Bob",
        ),
        ("{% for k, v in deep.a|items %}{{ k }}={{ v }}{% endfor %}", "b=[10,20]"),
        ("{% for key in deep %}{{ key }}{% endfor %}", "a"),
        ("{% for i in range(3) %}{i}{% endfor %}", "012"),
        ("{% if label == 'bug' and n > 2 %}y{% else %}n{% endif %}", "y"),
        ("{% if nothing is none and gone is not defined %}y{% endif %}", "y"),
        ("{{ gone|default('-') }} {{ label|default('-') }}", "- bug"),
        ("{{ 'x' if label in ['bug', 'other'] else 'y' }}", "x"),
        ("{{ deep|tojson }} {{ label|tojson }}", r#"{"a":{"b":[10,20]}} "bug""#),
        ("{{ 'a-b'|replace('-', '+') }} {{ 'abcdef'|truncate(5) }} {{ ' x '|trim }}", "a+b ab... x"),
        ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
        ("{{ list ~ n }}", r#"["a",1,null,{"k":"v"}]3"#),
        ("{{ previous_output|length > 10 }}", "true"),
        ("{# no #}{% raw %}{{ a }} {label}{% endraw %}", "{{ a }} {label}"),
        ("line\n", "line"),
    ] {
        assert_eq!(render(source, pipeline.clone()).as_deref(), Ok(expected), "{source}");
    }
}

/// Only these are worth a short way; that it is right is seen below.
#[test]
fn plain_templates_need_no_engine() {
    let scope = scope(json!({"label": "bug", "n": 3, "deep": {"a": "b"}}));
    let plain = |source: &str| Template::compile(source).unwrap().render_plain(&scope);
    assert_eq!(plain("{{ label }}: {{deep.a}} {message}, {{ initial.message }}\n").unwrap(), "bug: b hello, hello");
    for source in
        ["{{ n }}", "{{ deep }}", "{gone}", "{{ label|upper }}", "{{- label }}", "{% if n %}x{% endif %}", "{# x #}"]
    {
        assert_eq!(plain(source), None, "{source}");
    }
    let long = "x".repeat(MAX_OUTPUT / 2 + 1);
    let scope = Scope { initial: json!({"message": long}).into(), ..scope.clone() };
    let template = Template::compile("{message}{message}").unwrap();
    assert!(template.0.plain.is_some());
    assert_eq!(template.render_plain(&scope), None, "too long is the engine's to say");
}

#[test]
fn single_braces() {
    let pipeline = json!({"label": "bug", "obj": {"a": 1}});
    for (source, expected) in [
        ("{label}", "bug"),
        ("{label}{label}", "bugbug"),
        ("{obj}", r#"{"a":1}"#),
        ("{gone} {initial.message} { label }", "{gone} {initial.message} { label }"),
        (r#"Answer as {"label": "{label}", "x": {}}"#, r#"Answer as {"label": "bug", "x": {}}"#),
        (r#"{"a": {"b": {label}}}"#, r#"{"a": {"b": bug}}"#),
        ("{message}", "hello"),
        ("{range} {true} {dict} {namespace} {self}", "{range} {true} {dict} {namespace} {self}"),
        ("{% for label in range(2) %}{label}{% endfor %}{label}", "01bug"),
        ("{label", "{label"),
        ("}{label}{", "}bug{"),
    ] {
        assert_eq!(render(source, pipeline.clone()).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn loops_and_earlier_steps_are_in_scope() {
    let step = StepOutput { id: "per-kind".into(), name: "Per kind".into(), output: json!({"x": 1}).into() };
    let item = LoopItem { item: json!({"sku": "s1"}).into(), index: 4 };
    let scope = Scope { item: Some(item), steps: vec![step], ..scope(json!({})) };
    let text = Template::compile("{{ item.sku }} {index} {{ per_kind.x }} {per_kind}").unwrap().render(&scope);
    assert_eq!(text.as_deref(), Ok(r#"s1 4 1 {"x":1}"#));
}

#[test]
fn unknown_names_are_errors_that_help() {
    let pipeline = json!({"label": "bug", "deep": {"first": 1, "second": {"x": 1}}});
    for (source, expected) in [
        (
            "a\n{{ lable }}",
            "line 2: `lable` is not there; names in scope: label, deep, initial, previous_output, message; did you mean `label`?",
        ),
        (
            "{{ deep.frist }}",
            "line 1: `deep.frist` is not there; fields of `deep`: first, second; did you mean `first`?",
        ),
        ("{{ deep.second.y.z }}", "line 1: `deep.second.y` is not there; fields of `deep.second`: x"),
        ("{{ label.x }}", "line 1: `label.x` is not there; `label` is no object"),
        (
            "{% for x in gone %}{% endfor %}",
            "line 1: `gone` is not there; names in scope: label, deep, initial, previous_output, message",
        ),
    ] {
        assert_eq!(render(source, pipeline.clone()).unwrap_err().to_string(), expected, "{source}");
    }
}

#[test]
fn syntax_errors_name_their_line() {
    for source in ["a\n{{ }", "a\n{% if %}", "a\n{% endfor %}", "a\n{{ a|nofilter( }}", "a\n{% raw %}", "a\n{{ 'x }}"] {
        assert_eq!(Template::compile(source).unwrap_err().line(), Some(2), "{source}");
    }
}

#[test]
fn escapes_lead_nowhere() {
    for source in [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ initial.__class__ }}",
        "{{ self }}",
        "{{ config }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ debug() }}",
        "{{ namespace() }}",
        "{{ dict() }}",
        "{{ initial.constructor() }}",
        "{{ range.constructor }}",
        "{{ 'a'|attr('__class__') }}",
        "{{ 'a'|format('b') }}",
        "{{ 'a'.format(b) }}",
        "{{ '%s'|format(initial) }}",
        "{{ [1]|map('upper')|list }}",
    ] {
        assert!(render(source, json!({})).is_err(), "{source}");
    }
}

#[test]
fn work_and_size_are_bounded() {
    let text = json!({"a": "x".repeat(1_000_000), "list": vec!["y"; 1000]});
    let many = "{{ a }}".repeat(11);
    let raw = format!("{{% for i in range(100000) %}}{}{{% endfor %}}", "z".repeat(10_000));
    let reads = "{% for i in range(1000) %}{% if a == 'b' %}{% endif %}{% endfor %}";
    for (source, word) in [
        ("{% for i in range(100000000) %}{% endfor %}", "too many"),
        ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "too many steps"),
        (many.as_str(), "longer than"),
        (raw.as_str(), "longer than"),
        (reads, "reads more than"),
        ("{{ a|replace('x', a) }}", "longer than"),
        ("{{ a|replace('', a) }}", "longer than"),
        ("{{ list|join(a) }}", "longer than"),
        ("{{ 'x'|indent(1000000000) }}", "at most 100"),
        ("{{ [a,a,a,a,a,a,a,a,a,a,a] }}", "longer than"),
        ("{{ [a,a,a,a,a,a,a,a,a,a,a]|string|length }}", "longer than"),
    ] {
        let message = render(source, text.clone()).unwrap_err().to_string();
        assert!(message.contains(word), "{}: {message}", &source[..source.len().min(60)]);
    }
}

/// On a thread with the stack of a server's worker.
#[test]
fn nesting_does_not_exhaust_the_stack() {
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let sources = [
        format!("{}x{}", "{% if a %}".repeat(140), "{% endif %}".repeat(140)),
        format!("{}x{}", "{% if a %}".repeat(20_000), "{% endif %}".repeat(20_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200)),
        format!("{{{{ {}1{} }}}}", "[".repeat(140), "]".repeat(140)),
        format!("{{{{ {}1 }}}}", "-".repeat(390)),
        format!("{{{{ {}a }}}}", "not ".repeat(390)),
        format!("{{{{ a{} }}}}", ".a".repeat(190)),
        format!("{{{{ a{} }}}}", "[0]".repeat(120)),
        format!("{{{{ {}a }}}}", "a if a else ".repeat(90)),
        format!("{{{{ a{} }}}}", " and a".repeat(190)),
        format!("{{{{ a{} }}}}", " == a".repeat(130)),
        "{".repeat(100_000),
        "{{".repeat(100_000),
        "{%".repeat(100_000),
        "{{ a }}".repeat(30_000),
        format!("{}{{{{ a }}}}", "\n".repeat(100_000)),
        format!("{{{{ {}a }}}}", "\n".repeat(100_000)),
        "{a}".repeat(80_000),
    ];
    let all = move || sources.iter().for_each(|source| drop(render(source, json!({"a": true}))));
    worker.spawn(all).unwrap().join().unwrap();
}

#[test]
fn data_is_never_rendered_again() {
    let hostile = "{{ initial.secret }} {label} {% for i in range(9) %}x{% endfor %} {# x #} {% raw %}";
    let pipeline = json!({"label": hostile, "list": [hostile]});
    assert_eq!(render("{{ label }}{label}", pipeline.clone()), Ok(hostile.repeat(2)));
    assert_eq!(render("{{ label|string|trim ~ '' }}", pipeline.clone()).as_deref(), Ok(hostile));
    assert_eq!(render("{{ list }}", pipeline), Ok(json!([hostile]).to_string()));
}

#[test]
fn required_names_leave_out_what_may_be_absent() {
    let source = "{{ a.b }}{{ c|default('') }}{% for x in d %}{{ x }}{{ loop.index }}{% endfor %}{% if e is defined %}{{ e }}{% endif %}{f}{{ range(2) }}";
    assert_eq!(Template::compile(source).unwrap().required_names(), ["a", "d"]);
}

#[test]
fn templates_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&Template::compile("").unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(source in any::<String>()) {
        let _ = render(&source, json!({"a": 1}));
    }

    #[test]
    fn arbitrary_code_never_panics(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "a", " ", "if ", "else", "endif", "for x in ", "endfor", "a.b", "|", "default", "(", ")",
            "[", "]", "'", "\"", "\\", "raw", "endraw", "-", "+", "~", "1", ",", "is ", "not ", "range", "loop", "ä", "\n", "in ", "[::-1]", "|join", "|int",
        ]), 0..24)
    ) {
        let source = parts.concat();
        prop_assert_eq!(segments::segments(&source).map(Segment::source).collect::<String>(), source.clone());
        let _ = render(&source, json!({"a": {"b": [1, "x"]}}));
    }

    /// The short way gives what the engine gives, or nothing.
    #[test]
    fn plain_templates_are_the_engines(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{{ label }}", "{{label}}", "{{ deep.a.b }}", "{{\n message\t}}", "{{ previous_output }}", "{{ item.k }}", "{{ index }}", "{label}", "{gone}",
            "{{ n }}", "{{ deep }}", "{{ list }}", "{{ label.x }}", "{{ deep.a.gone }}", "{{ gone }}", "{{ true }}", "{{ range }}", "{{- label }}",
            "{{ label -}}", "{{ label|upper }}", "{{ gone|default('x') }}", "{% if label %}", "{% endif %}", "{# no #}", "{{ 'label' }}", "{{ list.0 }}",
            " ", "\n", "\r\n", "\r", "{", "}", "ä", "text", "{{", "}}",
        ]), 0..8)
    ) {
        let source = parts.concat();
        if let Ok(template) = Template::compile(&source) {
            let pipeline = json!({"label": "bu{g}\n", "n": 3, "list": ["a"], "deep": {"a": {"b": "{{ label }}"}}});
            let item = Some(LoopItem { item: json!({"k": "v"}).into(), index: 1 });
            let scope = Scope { item, ..scope(pipeline) };
            if let Some(text) = template.render_plain(&scope) {
                prop_assert_eq!(template.render_with(&scope).ok(), Some(text), "{}", source);
            }
        }
    }

    #[test]
    fn text_without_braces_is_printed_as_it_is(source in "[^{]{1,40}[^{\r\n]") {
        prop_assert_eq!(render(&source, json!({})), Ok(source));
    }
}
