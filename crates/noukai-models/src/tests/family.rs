//! What differs among those who speak OpenAI's chat completions, vendor by vendor.

use noukai_engine::{
    Image, Message, Model, ModelError, ModelErrorKind, ModelReply, ModelRequest, StructuredOutput, TokenDetails,
    Tokens, ToolChoice, ToolChoiceMode,
};
use serde_json::{Value, json};

use super::{
    Pieces, call,
    mock::{Answer, Asked, CANARY, Mock, models},
    output, request, tool,
};
use crate::{PRESETS, ProviderConfig, Secret, decimal_text};

const FAMILY: [&str; 10] =
    ["openrouter", "openai", "mistral", "groq", "deepseek", "xai", "azure", "bedrock", "ollama", "vllm"];

fn config(name: &str, mock: &Mock) -> ProviderConfig {
    let mut config = ProviderConfig::named(name, Some(mock.url.clone()), vec![Secret::new(CANARY)]).unwrap();
    config.models = vec!["*".to_owned()];
    config
}

async fn ask(name: &str, answer: Answer, request: &ModelRequest) -> (Result<ModelReply, ModelError>, Asked) {
    let mock = Mock::start(answer).await;
    let got = models(vec![config(name, &mock)]).complete(request, None).await;
    (got, mock.last())
}

async fn stream(
    name: &str,
    text: &str,
    request: &ModelRequest,
) -> (Result<ModelReply, ModelError>, Vec<String>, Asked) {
    let mock = Mock::start(Answer::sse(text)).await;
    let pieces = Pieces::default();
    let got = models(vec![config(name, &mock)]).complete(request, Some(&pieces)).await;
    (got, pieces.take(), mock.last())
}

fn completion(message: Value, usage: Value) -> Answer {
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Answer::json(json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}))
}

fn hello() -> Answer {
    completion(
        json!({"role": "assistant", "content": "hello"}),
        json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
    )
}

#[tokio::test]
async fn text_and_system() {
    for name in FAMILY {
        let mut request = request("who/knows", "hi");
        request.messages.insert(0, Message::System { text: "be brief".to_owned() });
        let (got, asked) = ask(name, hello(), &request).await;
        let got = got.unwrap();
        assert_eq!((got.text.as_deref(), got.tokens), (Some("hello"), Tokens::new(3, 4)), "{name}");
        assert_eq!((got.provider.as_deref(), got.cost), (Some(name), None), "{name}: an unknown model has no price");
        assert_eq!(asked.body["messages"][0], json!({"role": "system", "content": "be brief"}), "{name}");
        let key = asked.headers.get(if name == "azure" { "api-key" } else { "authorization" }).unwrap();
        assert!(key.to_str().unwrap().ends_with(CANARY), "{name}");
    }
}

#[tokio::test]
async fn streams() {
    let chunk = |delta: Value, finish: Option<&str>| {
        format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    let text = format!(
        ": keep-alive\n\n{}{}{}data: {}\n\ndata: [DONE]\n\n",
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"content": "Hé "}), None),
        chunk(json!({"content": "日本"}), Some("stop")),
        json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}),
    );
    for name in FAMILY {
        let (got, pieces, asked) = stream(name, &text, &request("who/knows", "hi")).await;
        let got = got.unwrap();
        assert_eq!(pieces, ["Hé ", "日本"], "{name}");
        assert_eq!((got.text.as_deref(), got.tokens), (Some("Hé 日本"), Tokens::new(3, 4)), "{name}");
        let usage = (name != "mistral").then(|| json!({"include_usage": true}));
        assert_eq!(asked.body.get("stream_options").cloned(), usage, "{name}");
    }
}

#[tokio::test]
async fn images_by_url() {
    for name in FAMILY {
        let mut request = request("who/knows", "");
        let image = Image { url: "https://example.com/a.png".to_owned(), mime_type: "image/png".to_owned() };
        request.messages = vec![Message::User { text: "see".to_owned(), images: vec![image] }];
        let mock = Mock::start(hello()).await;
        let models = models(vec![config(name, &mock)]);
        let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
        let types = models.describe("who/knows").image_types;
        assert_eq!(types.map(|types| types.len()), (!preset.images_by_url).then_some(0), "{name}");
        if preset.images_by_url {
            models.complete(&request, None).await.unwrap();
            let part = mock.last().body["messages"][0]["content"][1].clone();
            assert_eq!(part, json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}), "{name}");
        }
    }
}

#[tokio::test]
async fn tools_parallel_calls_and_ids() {
    let calls = json!([
        {"id": "call_a", "index": 0, "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
        {"id": "call_b", "index": 1, "type": "function", "function": {"name": "look", "arguments": ""}},
    ]);
    for name in FAMILY {
        let mut request = request("who/knows", "hi");
        request.tools = vec![tool("look", json!({"type": "object"}))];
        let (got, asked) =
            ask(name, completion(json!({"content": null, "tool_calls": calls}), json!(null)), &request).await;
        let got = got.unwrap();
        assert_eq!(asked.body["tools"][0]["function"]["name"], "look", "{name}");
        let seen: Vec<_> = got.tool_calls.iter().map(|call| (&*call.id, &*call.function.arguments)).collect();
        assert_eq!(seen, [("call_a", "{\"at\":1}"), ("call_b", "{}")], "{name}");
        request.messages.push(Message::Assistant { text: None, tool_calls: got.tool_calls, carried: got.carried });
        for id in ["call_a", "call_b"] {
            request.messages.push(Message::Tool { call_id: id.to_owned(), name: None, content: id.to_owned() });
        }
        let messages = ask(name, hello(), &request).await.1.body["messages"].clone();
        let ids = |index: usize| messages[1]["tool_calls"][index]["id"].clone();
        assert_eq!(
            (messages[2]["tool_call_id"].clone(), messages[3]["tool_call_id"].clone()),
            (ids(0), ids(1)),
            "{name}"
        );
        assert_eq!(
            (messages[2]["content"].clone(), messages[3]["content"].clone()),
            (json!("call_a"), json!("call_b"))
        );
    }
}

#[tokio::test]
async fn forced_choices() {
    for name in FAMILY {
        let mut request = request("who/knows", "hi");
        request.tools = vec![tool("look", json!({"type": "object"}))];
        request.tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::Required));
        let word = if name == "mistral" { "any" } else { "required" };
        assert_eq!(ask(name, hello(), &request).await.1.body["tool_choice"], word, "{name}");
        request.tool_choice = Some(super::forced("look"));
        let named = json!({"type": "function", "function": {"name": "look"}});
        assert_eq!(ask(name, hello(), &request).await.1.body["tool_choice"], named, "{name}");
    }
}

#[tokio::test]
async fn structured_output() {
    for name in FAMILY {
        let mock = Mock::start(hello()).await;
        let how = models(vec![config(name, &mock)]).describe("who/knows").structured_output;
        let expected = match name {
            "groq" | "bedrock" => StructuredOutput::Tool,
            "deepseek" => StructuredOutput::Instruction,
            _ => StructuredOutput::Native,
        };
        assert_eq!(how, expected, "{name}");
        let mut request = request("who/knows", "hi");
        request.output = output(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}));
        let native = ask(name, hello(), &request).await.1.body;
        assert_eq!(native["response_format"]["json_schema"]["strict"], true, "{name}");
        request.output.as_mut().unwrap().by_tool = true;
        let calls = json!([{"id": "a", "type": "function", "function": {"name": "out", "arguments": "{\"n\":1}"}}]);
        let (got, asked) =
            ask(name, completion(json!({"content": null, "tool_calls": calls}), json!(null)), &request).await;
        let got = got.unwrap();
        assert_eq!((got.text.as_deref(), got.tool_calls.len()), (Some("{\"n\":1}"), 0), "{name}");
        assert_eq!(asked.body["tool_choice"]["function"]["name"], "out", "{name}");
        assert_eq!(asked.body.get("response_format"), None, "{name}");
    }
}

#[tokio::test]
async fn structured_by_tool_beside_other_tools_and_streamed() {
    let mut request = request("who/knows", "hi");
    request.output = output(json!({"type": "object"}));
    request.output.as_mut().unwrap().by_tool = true;
    request.tools = vec![tool("out", json!({"type": "object"}))];
    let calls = |name: &str| json!([{"id": "a", "index": 0, "function": {"name": name, "arguments": "{\"n\":1}"}}]);
    let chunk = |name: &str| {
        let choice = json!({"index": 0, "delta": {"tool_calls": calls(name)}, "finish_reason": "tool_calls"});
        format!("data: {}\n\ndata: [DONE]\n\n", json!({"choices": [choice]}))
    };
    let (got, pieces, asked) = stream("groq", &chunk("out_"), &request).await;
    assert_eq!((got.unwrap().text.as_deref(), pieces), (Some("{\"n\":1}"), vec!["{\"n\":1}".to_owned()]));
    assert_eq!(asked.body["tool_choice"], "required");
    assert_eq!(asked.body["tools"][1]["function"]["name"], "out_", "the caller's tool keeps its name");
    let (got, pieces, _) = stream("groq", &chunk("out"), &request).await;
    assert_eq!((got.unwrap().tool_calls.len(), pieces.len()), (1, 0), "the caller's tool is called");
}

#[tokio::test]
async fn reasons_to_stop() {
    use ModelErrorKind::{Declined, Filtered, Server};
    let ended =
        |reason: &str| Answer::json(json!({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]}));
    for name in FAMILY {
        let request = request("who/knows", "hi");
        assert!(ask(name, ended("length"), &request).await.0.unwrap().truncated, "{name}");
        assert!(!ask(name, ended("stop"), &request).await.0.unwrap().truncated, "{name}");
        assert_eq!(ask(name, ended("content_filter"), &request).await.0.unwrap_err().kind, Filtered, "{name}");
        let refusal = completion(json!({"content": null, "refusal": "I cannot"}), json!(null));
        assert_eq!(ask(name, refusal, &request).await.0.unwrap_err().kind, Declined, "{name}");
    }
    assert!(ask("mistral", ended("model_length"), &request("a/b", "hi")).await.0.unwrap().truncated);
    let resources = ask("deepseek", ended("insufficient_system_resource"), &request("a/b", "hi")).await;
    assert_eq!(resources.0.unwrap_err().kind, Server);
}

#[tokio::test]
async fn usage_with_the_cache_and_thoughts() {
    let openai = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30, "accepted_prediction_tokens": 0}});
    let deepseek = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36, "completion_tokens_details": {"reasoning_tokens": 30}});
    // Thoughts beside the completion.
    let xai = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 30}});
    for name in FAMILY {
        let usage = match name {
            "deepseek" => &deepseek,
            "xai" => &xai,
            _ => &openai,
        };
        let answer = completion(json!({"content": "x", "reasoning_content": "hm"}), usage.clone());
        let got = ask(name, answer, &request("openai/gpt-4o", "hi")).await.0.unwrap();
        assert_eq!(got.tokens, Tokens::new(100, 50), "{name}");
        assert_eq!(got.details, TokenDetails { cached: 64, cache_written: 0, reasoning: 30 }, "{name}");
        // 36 x 2.50 + 64 x 1.25 + 50 x 10, in millionths.
        assert_eq!(decimal_text(&got.cost.unwrap()), "0.00067", "{name}");
    }
}

#[tokio::test]
async fn a_cached_prompt() {
    let cache = json!({"type": "ephemeral"});
    for name in FAMILY {
        let mut request = request("who/knows", "hi");
        request.messages.insert(0, Message::System { text: "be brief".to_owned() });
        request.config.insert("cache_control".to_owned(), cache.clone());
        let body = ask(name, hello(), &request).await.1.body;
        let part = |text: &str| json!([{"type": "text", "text": text, "cache_control": cache}]);
        assert_eq!(body.get("cache_control"), None, "{name}");
        if name != "openrouter" {
            assert!(!body.to_string().contains("ephemeral"), "{name} caches by itself");
            continue;
        }
        let contents = |body: &Value| [body["messages"][0]["content"].clone(), body["messages"][1]["content"].clone()];
        assert_eq!(contents(&body), [part("be brief"), json!("hi")]);
        request.messages.push(super::user("more"));
        let body = ask(name, hello(), &request).await.1.body;
        assert_eq!(
            (contents(&body), &body["messages"][2]["content"]),
            ([part("be brief"), json!("hi")], &part("more"))
        );
    }
}

#[tokio::test]
async fn errors_and_rate_limits() {
    use ModelErrorKind::{Filtered, KeyRejected, NotAvailable, RateLimited, Refused, ReplyInvalid, Server};
    let openai =
        |code: &str| json!({"error": {"message": "said so", "type": "some_error", "param": null, "code": code}});
    let flat = |code: Value| json!({"object": "error", "message": "said so", "type": "some_error", "code": code});
    for (name, status, body, kind) in [
        ("openai", 401, openai("invalid_api_key"), KeyRejected),
        ("openai", 404, openai("model_not_found"), NotAvailable),
        ("openai", 429, openai("rate_limit_exceeded"), RateLimited),
        ("openrouter", 402, json!({"error": {"code": 402, "message": "said so"}}), Refused),
        (
            "openrouter",
            403,
            json!({"error": {"code": 403, "message": "said so", "metadata": {"reasons": ["x"]}}}),
            Filtered,
        ),
        ("mistral", 422, json!({"detail": [{"type": "extra_forbidden"}], "message": "said so"}), Refused),
        ("mistral", 401, json!({"message": "said so", "request_id": "r"}), KeyRejected),
        ("mistral", 429, flat(json!("1300")), RateLimited),
        ("groq", 400, openai("tool_use_failed"), ReplyInvalid),
        ("groq", 413, openai("rate_limit_exceeded"), Refused),
        ("groq", 503, openai(""), Server),
        ("deepseek", 402, openai("invalid_request_error"), Refused),
        ("xai", 400, json!({"code": "Client specified an invalid argument", "error": "said so"}), Refused),
        ("azure", 400, openai("content_filter"), Filtered),
        ("azure", 404, openai("DeploymentNotFound"), NotAvailable),
        ("bedrock", 403, json!({"message": "said so"}), KeyRejected),
        ("bedrock", 429, json!({"message": "said so"}), RateLimited),
        ("ollama", 404, json!({"error": {"message": "said so", "type": "api_error"}}), NotAvailable),
        ("vllm", 404, flat(json!(404)), NotAvailable),
        ("vllm", 400, flat(json!(400)), Refused),
    ] {
        let answer = Answer::of(status, "application/json", &body).with("x-ratelimit-remaining-tokens", "0");
        let error =
            ask(name, answer.with("x-ratelimit-reset-tokens", "1m2s"), &request("a/b", "hi")).await.0.unwrap_err();
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{name} {body}");
        assert!(error.message.contains("said so"), "{name}: {}", error.message);
        assert_eq!(error.retry_after.unwrap().as_secs(), 62, "{name}");
        assert_eq!(error.provider.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn streams_that_break() {
    use ModelErrorKind::{RateLimited, ReplyInvalid, Server, Unreachable};
    let begun = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"be\"}}]}\n\n";
    for name in FAMILY {
        for (more, kind) in [
            (
                "data: {\"error\":{\"code\":502,\"message\":\"gone\"},\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
                Server,
            ),
            ("data: {\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\"}}\n\n", RateLimited),
            ("", ReplyInvalid),
        ] {
            let (got, pieces, _) = stream(name, &format!("{begun}{more}"), &request("a/b", "hi")).await;
            assert_eq!((got.unwrap_err().kind, pieces.len()), (kind, 1), "{name} {more}");
        }
        let cut = super::mock::raw(Some(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: {\"",
        ));
        let config = ProviderConfig { base_url: cut.await, ..config(name, &Mock::start(hello()).await) };
        let got = models(vec![config]).complete(&request("a/b", "hi"), Some(&Pieces::default())).await;
        assert_eq!(got.unwrap_err().kind, Unreachable, "{name}");
    }
}

#[tokio::test]
async fn openrouter_gets_back_the_thoughts_it_gave() {
    let details = json!([{"type": "reasoning.encrypted", "data": "abc", "id": "r", "index": 0}]);
    let calls = json!([{"id": "a", "index": 0, "function": {"name": "look", "arguments": "{}"}}]);
    let message = json!({"content": null, "tool_calls": calls, "reasoning_details": details});
    let mut request = request("google/gemini-3", "hi");
    request.tools = vec![tool("look", json!({"type": "object"}))];
    let whole = ask("openrouter", completion(message, json!(null)), &request).await.0.unwrap();
    let delta = json!({"tool_calls": calls, "reasoning_details": details});
    let chunk = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]});
    let streamed = stream("openrouter", &format!("data: {chunk}\n\n"), &request).await.0.unwrap();
    for reply in [whole, streamed] {
        let turn = Message::Assistant { text: None, tool_calls: reply.tool_calls, carried: reply.carried };
        let request = ModelRequest { messages: vec![request.messages[0].clone(), turn], ..request.clone() };
        assert_eq!(ask("openrouter", hello(), &request).await.1.body["messages"][1]["reasoning_details"], details);
        assert_eq!(ask("openai", hello(), &request).await.1.body["messages"][1].get("reasoning_details"), None);
    }
}

#[tokio::test]
async fn mistral_takes_short_ids_and_gives_thoughts_as_parts() {
    let mut request = request("mistralai/mistral-small", "hi");
    let calls = vec![call("call_0123456789", "look", "{}"), call("AbCdEf123", "look", "{}")];
    request.messages.push(Message::Assistant { text: None, tool_calls: calls, carried: None });
    let parts =
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hello"}]);
    let (got, asked) = ask("mistral", completion(json!({"content": parts}), json!(null)), &request).await;
    assert_eq!(got.unwrap().text.as_deref(), Some("hello"));
    assert_eq!(asked.body["model"], "mistral-small");
    let id = asked.body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(asked.body["messages"][1]["tool_calls"][1]["id"], "AbCdEf123");
}

#[tokio::test]
async fn azure_has_its_own_paths() {
    let mock = Mock::start(hello()).await;
    let mut config = config("azure", &mock);
    config.base_url = mock.url.replace("/v1", "");
    models(vec![config.clone()]).complete(&request("azure/my gpt?", "hi"), None).await.unwrap();
    let asked = mock.last();
    assert_eq!(asked.path, "/openai/deployments/my%20gpt%3F/chat/completions");
    assert_eq!(asked.query.as_deref(), Some("api-version=2024-10-21"));
    assert_eq!(asked.headers["api-key"], CANARY);
    assert_eq!(asked.headers.get("authorization"), None);
    config.base_url = format!("{}/openai/v1/", config.base_url);
    models(vec![config]).complete(&request("azure/my-gpt", "hi"), None).await.unwrap();
    assert_eq!((mock.last().path.as_str(), mock.last().query), ("/openai/v1/chat/completions", None));
    assert_eq!(mock.last().body["model"], "my-gpt");
    let filters = json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]});
    let text = format!(
        "data: {filters}\n\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    assert_eq!(stream("azure", &text, &request("a/b", "hi")).await.0.unwrap().text.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key() {
    for name in ["ollama", "vllm", "my-own"] {
        let mock = Mock::start(hello()).await;
        let models = models(vec![ProviderConfig::named(name, Some(mock.url.clone()), Vec::new()).unwrap()]);
        models.complete(&request(&format!("{name}/llama3.2:1b"), "hi"), None).await.unwrap();
        assert_eq!(mock.last().body["model"], "llama3.2:1b");
        assert_eq!(mock.last().headers.get("authorization"), None);
    }
}
