//! How long it takes to give a whole project to an author, and to apply one operation, the store included: 50 flows of
//! 20 blocks, and a flow of 200.
//!
//! `cargo run --release -p noukai-server --example authoring_bench`

use std::{
    error::Error,
    io::Write as _,
    time::{Duration, Instant},
};

use noukai_api::CreateFlow;
use noukai_server::{App, Author, Config, Overrides};
use serde_json::{Value, json};

const FLOWS: usize = 50;
const BLOCKS: usize = 20;
const ROUNDS: usize = 50;
const OPERATIONS: usize = 300;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let overrides = Overrides { data: Some(data.path().to_owned()), ..Overrides::default() };
    let mut config = Config::load(None, overrides)?;
    // This program is no worker that could run functions: started as one, it would start itself again and again.
    config.code.enabled = false;
    let app = App::open(&config).await?;
    let project = app.ensure_project("acme", "demo").await?;
    let author = Author::local(&project, "bench");
    for number in 0..FLOWS {
        create(&app, &author, document(&format!("flow-{number}"), BLOCKS)).await?;
    }
    let mut hydrated = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let all = app.hydrate_project(&author, &project.id.to_string(), None, None).await?;
        hydrated.push(begun.elapsed());
        if all.flows.len() != FLOWS {
            return Err(format!("{} flows in place of {FLOWS}", all.flows.len()).into());
        }
    }
    show(&format!("hydrate {FLOWS} flows of {BLOCKS} blocks"), hydrated)?;
    let large = create(&app, &author, document("large", 200)).await?;
    let mut applied = Vec::new();
    for number in 0..OPERATIONS {
        let content = format!("Say {number}: {{{{ message }}}}");
        let sent = vec![json!({"op": "update_block_draft", "step_id": "block-100", "content": content})];
        let operations = App::read_operations(sent)?;
        let begun = Instant::now();
        app.apply_operations(&author, &large, None, &operations).await?;
        applied.push(begun.elapsed());
    }
    show("one operation on a flow of 200 blocks, stored", applied)?;
    app.close().await;
    Ok(())
}

async fn create(app: &App, author: &Author, document: Value) -> Result<String, Box<dyn Error>> {
    let request = CreateFlow { document: Some(document), ..CreateFlow::default() };
    Ok(app.create_flow(author, request).await?.flow.flow_id)
}

fn document(slug: &str, blocks: usize) -> Value {
    let block = |number: usize| {
        let output = json!({"label": {"type": "string", "enum": ["a", "b"]}, "score": "number"});
        json!({"id": format!("block-{number}"), "llm": {"prompt": "Label this: {{ message }}", "output": output}})
    };
    json!({"schema": 1, "slug": slug, "steps": (0..blocks).map(block).collect::<Vec<_>>()})
}

fn show(what: &str, mut times: Vec<Duration>) -> Result<(), Box<dyn Error>> {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    writeln!(std::io::stdout(), "{what}: median {:?}, p99 {:?}", at(50), at(99))?;
    Ok(())
}
