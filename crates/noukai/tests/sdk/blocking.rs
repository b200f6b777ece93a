//! The surface without async: the same results, the same errors, usable anywhere.

use std::time::Duration;

use noukai::{ErrorKind, StreamEvent, Tool, ToolCall, blocking};
use noukai_mock::{Piece, Reply, Server};

use crate::support::{builder, finished, leaf, started, stream, two_calls};

fn flow(server: &Server) -> blocking::Flow {
    builder(server).build_blocking().expect("a client").flow("acme/demo/hello").expect("a flow")
}

#[test]
fn calls_wait_for_their_results() {
    let server = Server::demo();
    let flow = flow(&server);
    let done = flow.execute().message("Ada").send().expect("a reply").completed().expect("an end");
    assert_eq!(done.result, "Hello: Ada");
    let job = flow.execute_async().message("Ada").send().expect("a job");
    assert_eq!(job.wait().send().expect("an end").output::<String>().expect("a text"), "Hello: Ada");
    assert_eq!(flow.run(&done.execution_id).trace().expect("a trace").steps.len(), 1);
    assert_eq!(flow.run(&done.execution_id).live_trace().count(), 6);
    let error = flow.execute().version("main").send().expect_err("no version");
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
}

#[test]
fn streams_are_iterators() {
    let [first, second] = two_calls();
    let server = Server::script([stream(1, &first), stream(7, &second)]);
    let outputs: Vec<_> =
        flow(&server).steps().message("hi").stream().map(|step| step.expect("a step").output).collect();
    assert_eq!(outputs, ["one", "two"]);
}

#[test]
fn tools_are_answered_by_a_plain_closure_and_by_hand() {
    let server = Server::demo();
    let client = builder(&server).build_blocking().expect("a client");
    let weather = client.flow("acme/demo/weather").expect("a flow");
    let tools = || [Tool::new("get_weather")];
    let mut asked = 0;
    let handler = move |calls: Vec<ToolCall>| {
        asked += calls.len();
        calls.iter().map(|call| call.answer(format!("{asked} °C"))).collect::<Vec<_>>()
    };
    let done = weather.execute().message("Oslo").tools(tools()).tool_handler(handler).send().expect("a reply");
    assert_eq!(done.completed().expect("an end").result, "In Oslo: 1 °C");
    let paused = weather.execute().message("Rome").tools(tools()).send().expect("a reply").paused().expect("a pause");
    let done = paused.resume([paused.tool_calls[0].answer("hot")]).expect("a reply").completed().expect("an end");
    assert_eq!(done.result, "In Rome: hot");
    for event in weather.events().message("Bonn").tools(tools()).stream() {
        match event.expect("an event") {
            StreamEvent::ToolCallsRequired(pause) => {
                pause.resume([pause.tool_calls[0].answer("wet")]).expect("it fits")
            }
            StreamEvent::FlowCompleted(flow) => assert_eq!(flow.result, "In Bonn: wet"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn it_works_and_ends_inside_a_runtime_too() {
    let server = Server::demo();
    let flow = flow(&server);
    assert_eq!(
        flow.execute().message("Ada").send().expect("a reply").completed().expect("an end").result,
        "Hello: Ada"
    );
    assert_eq!(flow.steps().message("Ada").stream().count(), 1);
}

#[test]
fn several_threads_share_a_client() {
    let server = Server::demo();
    let flow = flow(&server);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    flow.execute().message("Ada").send().expect("a reply");
                }
            });
        }
    });
    assert_eq!(server.requests().len(), 40);
}

#[test]
fn timeouts_and_breaks_are_as_without_blocking() {
    let server = Server::start(|_| Reply::new(200, "application/json", "").pieces([Piece::Silence]));
    let error = flow(&server).execute().timeout(Duration::from_millis(50)).send().expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let all = [vec![started()], leaf(0, "first", "one"), vec![finished("one")]].concat();
    let half =
        crate::support::numbered(1, &all[..3]).iter().map(|(id, data)| Piece::event(*id, data)).collect::<Vec<_>>();
    let server = Server::script([Reply::stream([half, vec![Piece::Cut]].concat()), stream(4, &all[3..])]);
    let events = flow(&server).events().message("hi").stream().collect::<Result<Vec<_>, _>>();
    assert_eq!(events.expect("events").len(), 6);
}
