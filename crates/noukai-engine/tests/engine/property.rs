//! Any flow gives the same result by one pass, step by step, from any cursor, and after a crash at any point.

use std::sync::Arc;

use noukai_engine::Until;
use noukai_flow::Flow;
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};

use crate::{
    passes::step_through,
    plan::{AnyFlow, Style, any_flow},
    recovery::check_recovery,
    support::{Script, answer, drive, flow_of, roomy, spec},
};

/// The scripted model's reply depends on every letter of the prompt, so prompts hold all there is.
const STYLE: Style = Style {
    prompt: |id| format!("{id} {{{{ previous_output }}}} {{{{ initial.message }}}}"),
    failing: " [fail {{ index % 2 }}]",
    code: |id, fails| match fails {
        true => json!({"input": ["previous_output", "index"], "source": format!("{id} fail odd")}),
        false => json!({"language": "javascript", "input": ["previous_output"], "source": id}),
    },
};

/// At most so many crashes per flow.
const CRASHES: usize = 40;

async fn check(flow: Arc<Flow>, fails: bool, initial: Value) {
    let script = Arc::new(Script::new(answer));
    let ran = drive(roomy(spec(&flow, &initial)), &script).await;
    let whole = ran.result();
    let (stations, stepped) = step_through(&flow, &initial, &script).await;
    assert_eq!(stepped, whole, "step by step; one pass was\n{}", ran.text());
    for client in stations {
        let rest = drive(client.spec(&flow, &initial, Until::End), &script).await;
        assert_eq!(rest.result(), whole, "from cursor {}; one pass was\n{}", client.cursor, ran.text());
    }
    let every = (ran.events.len() / CRASHES).max(1);
    check_recovery(&ran, &initial, &script, every, !fails).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_through_gives_the_same(any in any_flow(&STYLE)) {
        let AnyFlow { document, inputs, fails } = any;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| TestCaseError::fail(error.to_string()))?;
        runtime.block_on(check(flow_of(&document), fails, json!(inputs)));
    }
}
