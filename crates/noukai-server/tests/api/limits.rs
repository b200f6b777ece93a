//! Bounds on what is sent. Past each: a clear 4xx that names it, and no run.

use futures::stream;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{TestServer, flows};

/// A body of exactly so many bytes.
fn body_of(bytes: usize) -> String {
    let frame = json!({"message": ""}).to_string().len();
    json!({"message": "x".repeat(bytes - frame)}).to_string()
}

#[tokio::test]
async fn the_limits_in_force_are_published() {
    let server = TestServer::with(|config| config.limits.tools = 3).await;
    let limits = server.get("/limits").send().await.ok();
    assert_eq!(
        (&limits["tools"], &limits["jsonDepth"], &limits["bodyBytes"]),
        (&json!(3), &json!(64), &json!(10_485_760))
    );
}

#[tokio::test]
async fn a_body_has_so_many_bytes_and_no_more() {
    let server = TestServer::with(|config| config.limits.body_bytes = 1_000).await;
    let send = |body: Body| server.request(Method::POST, "/seq/acme/demo/echo/execute").body(body).send();
    let chunked = |text: String| {
        let parts: Vec<_> = text.into_bytes().chunks(100).map(|part| Ok::<_, std::io::Error>(part.to_vec())).collect();
        Body::wrap_stream(stream::iter(parts))
    };
    send(body_of(1_000).into()).await.ok();
    send(chunked(body_of(1_000))).await.ok();
    for over in
        [Body::from(body_of(1_001)), chunked(body_of(1_001)), chunked(body_of(100_000)), body_of(3_000_000).into()]
    {
        let detail = send(over).await.refused(413, "PAYLOAD_TOO_LARGE");
        assert!(detail["message"].as_str().is_some_and(|text| text.contains("1000")), "{detail}");
    }
    assert_eq!(server.runs().await, 2);
    // The same door for every body.
    let keys = server.request(Method::POST, "/keys").body(body_of(1_001)).send().await;
    keys.refused(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn json_has_so_many_levels_and_no_more() {
    let server = TestServer::start().await;
    let nested = |levels: usize| {
        format!(r#"{{"message": "x", "parameters": {{"deep": {}{}}}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    let send = |body: String| server.request(Method::POST, "/seq/acme/demo/echo/execute").body(body).send();
    send(nested(62)).await.ok();
    for levels in [63, 200, 1_000_000] {
        let detail = send(nested(levels)).await.refused(400, "BAD_REQUEST");
        assert!(detail["message"].as_str().is_some_and(|text| text.contains("64")), "{detail}");
    }
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn messages_have_so_many_bytes_and_no_more() {
    let server = TestServer::start().await;
    let send = |chars: usize| {
        let body = json!({"messages": [{"role": "user", "content": "x".repeat(chars)}]});
        let request = server.post("/seq/acme/demo/echo/execute", &body);
        request.send()
    };
    send(999_000).await.ok();
    send(1_000_000).await.refused(413, "MESSAGES_TOO_LARGE");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn attachments_and_tools_are_so_many_and_no_more() {
    let server = TestServer::start().await;
    let attachments = |count: usize| -> Value {
        let all = vec![json!({"url": "https://example.com/cat.png", "mime_type": "image/png"}); count];
        json!({"message": "x", "attachments": all})
    };
    server.execute("echo", attachments(10)).await;
    let detail =
        server.post("/seq/acme/demo/echo/execute", &attachments(11)).send().await.refused(400, "ATTACHMENT_INVALID");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("10")), "{detail}");
    let tools = |count: usize| json!({"message": "x", "tools": flows::tools(count)});
    server.execute("tools", tools(64)).await;
    let detail = server.post("/seq/acme/demo/tools/execute", &tools(65)).send().await.refused(400, "TOOLS_INVALID");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("64")), "{detail}");
    assert_eq!(server.runs().await, 2);
}

#[tokio::test]
async fn containers_in_containers_give_so_much_and_no_more() {
    let server = TestServer::with(|config| config.limits.step_output_bytes = 4_000).await;
    let leaf = |id: &str| json!({"id": id, "llm": {"prompt": "{{ initial.message }}"}});
    let pair = |id: &str, first: Value, second: Value| json!({"id": id, "parallel": [first, second]});
    // Each level holds its children's outputs, their fields and themselves: it doubles what is below.
    let nest = pair("top", pair("left", leaf("a"), leaf("b")), pair("right", leaf("c"), leaf("d")));
    let flow = json!({"schema": 1, "slug": "nest", "input": {"message": "string"}, "steps": [nest]});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");

    assert_eq!(server.execute("nest", json!({"message": "x"})).await["status"], "completed");
    let reply = server.execute("nest", json!({"message": "x".repeat(500)})).await;
    let error = &reply["result"]["error"];
    assert_eq!((&reply["status"], &error["code"]), (&json!("failed"), &json!("LIMIT_EXCEEDED")), "{reply:#}");
    assert_eq!(error["stepId"], "top", "{reply:#}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("4000")), "{reply:#}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_server_lives_on() {
    let server = TestServer::start().await;
    let address = server.server.url().replace("http://", "");
    for head in [
        format!("GET /api/v1/limits HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000)),
        format!("GET /api/v1/limits HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(1_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(200_000)),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
        // The server may hang up before all of it is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut reply = [0; 12];
        if stream.read_exact(&mut reply).await.is_ok() {
            assert!(reply.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&reply));
        }
    }
    server.get("/limits").send().await.ok();
}
