//! How long it takes to give a whole project to an author, and to apply one operation, the store included: 50 flows of
//! 20 blocks, each with a version, a checkpoint and three test cases; and a flow of 200 blocks in loops, parallel containers
//! and rows.
//!
//! `cargo run --release -p noukai-server --example authoring_bench`

use std::{
    error::Error,
    io::Write as _,
    time::{Duration, Instant},
};

use noukai_api::{CreateCheckpoint, CreateFlow, CreateTestCase, PublishVersion, Scope};
use noukai_server::{App, Author, Caller, Config, KeyRequest, Overrides, Project};
use serde_json::{Value, json};

const FLOWS: usize = 50;
const BLOCKS: usize = 20;
const CASES: usize = 3;
const ROUNDS: usize = 50;
const OPERATIONS: usize = 300;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
/// Makes the operation of a round.
type Make = fn(usize) -> Value;

#[tokio::main]
async fn main() -> Outcome {
    let data = tempfile::tempdir()?;
    let overrides = Overrides { data: Some(data.path().to_owned()), ..Overrides::default() };
    let mut config = Config::load(None, overrides)?;
    // This program is no worker that could run functions: started as one, it would start itself again and again.
    config.code.enabled = false;
    let app = App::open(&config).await?;
    let project = app.ensure_project("acme", "demo").await?;
    let author = Author::local(&project, "bench");
    hydrates(&app, &author, &project).await?;
    let large = create(&app, &author, large()).await?;
    for (what, operation) in kinds() {
        let mut applied = Vec::with_capacity(OPERATIONS);
        for number in 0..OPERATIONS {
            let operations = App::read_operations(vec![operation(number)])?;
            let begun = Instant::now();
            app.apply_operations(&author, &large, None, &operations).await?;
            applied.push(begun.elapsed());
        }
        show(&format!("{what}, 200 blocks, stored"), applied)?;
    }
    app.close().await;
    Ok(())
}

async fn hydrates(app: &App, author: &Author, project: &Project) -> Outcome {
    let caller = caller(app, project).await?;
    for number in 0..FLOWS {
        let flow = create(app, author, document(&format!("flow-{number}"), BLOCKS)).await?;
        let checkpoint = CreateCheckpoint { step_id: "block-3".to_owned(), note: "before".to_owned() };
        app.create_checkpoint(author, &flow, None, checkpoint).await?;
        app.publish_version(author, &flow, PublishVersion::default()).await?;
        for case in 0..CASES {
            let case = json!({"name": format!("case {case}"), "input": {"message": "x"}});
            app.create_test_case(&caller, &flow, serde_json::from_value::<CreateTestCase>(case)?).await?;
        }
    }
    let mut hydrated = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let all = app.hydrate_project(author, &project.id.to_string(), None, None).await?;
        hydrated.push(begun.elapsed());
        if all.flows.len() != FLOWS || all.flows.iter().any(|flow| flow.test_cases.len() != CASES) {
            return Err("the project is not whole".into());
        }
    }
    show(&format!("hydrate {FLOWS} flows of {BLOCKS} blocks"), hydrated)
}

async fn caller(app: &App, project: &Project) -> Outcome<Caller> {
    let request = KeyRequest {
        name: "bench".to_owned(),
        environment: "test".to_owned(),
        scopes: Scope::ALL.to_vec(),
        expires_at: None,
        created_by: "bench".to_owned(),
    };
    let key = app.issue_key(project, request).await?.key;
    Ok(app.authenticate(Some(&format!("Bearer {key}"))).await?)
}

async fn create(app: &App, author: &Author, document: Value) -> Outcome<String> {
    let request = CreateFlow { document: Some(document), ..CreateFlow::default() };
    Ok(app.create_flow(author, request).await?.flow.flow_id)
}

fn block(number: usize) -> Value {
    let output = json!({"label": {"type": "string", "enum": ["a", "b"]}, "score": "number"});
    json!({"id": format!("block-{number}"), "llm": {"prompt": "Label this: {{ message }}", "output": output}})
}

fn document(slug: &str, blocks: usize) -> Value {
    json!({"schema": 1, "slug": slug, "steps": (0..blocks).map(block).collect::<Vec<_>>()})
}

/// 20 groups of ten blocks: four in a row, three at once, three in a loop.
fn large() -> Value {
    let steps = (0..20).flat_map(|group| {
        let blocks = |from: usize, to: usize| (from..to).map(move |number| block(group * 10 + number));
        let both = json!({"id": format!("both-{group}"), "parallel": blocks(4, 7).collect::<Vec<_>>()});
        let each = json!({"over": "initial.items", "steps": blocks(7, 10).collect::<Vec<_>>()});
        blocks(0, 4).chain([both, json!({"id": format!("each-{group}"), "loop": each})])
    });
    let input = json!({"message": "string", "items": {"type": "array"}, "others": {"type": "array"}});
    json!({"schema": 1, "slug": "large", "input": input, "steps": steps.collect::<Vec<_>>()})
}

/// Operations that differ from round to round, so that each is one.
fn kinds() -> Vec<(&'static str, Make)> {
    vec![
        ("set a prompt", |number| {
            let content = format!("Say {number}: {{{{ message }}}}");
            json!({"op": "update_block_draft", "step_id": "block-190", "content": content})
        }),
        ("change a loop", |number| {
            let field = if number.is_multiple_of(2) { "initial.others" } else { "initial.items" };
            json!({"op": "update_loop", "step_id": "each-19", "array_field": field})
        }),
        ("wrap in a loop, and unwrap", |number| match number % 2 {
            0 => json!({"op": "wrap_in_loop", "node_ids": ["block-190", "block-191"], "array_field": "initial.items"}),
            _ => json!({"op": "unwrap_node", "step_id": "loop"}),
        }),
        ("move a block", |number| {
            let target = if number.is_multiple_of(2) { "block-1" } else { "block-199" };
            json!({"op": "move_block", "step_id": "block-100", "target_id": target})
        }),
    ]
}

fn show(what: &str, mut times: Vec<Duration>) -> Outcome {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    writeln!(std::io::stdout(), "{what}: median {:?}, p99 {:?}", at(50), at(99))?;
    Ok(())
}
