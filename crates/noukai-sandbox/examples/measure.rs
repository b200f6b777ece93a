//! Measures the sandbox beside CPython: `cargo run --release -p noukai-sandbox --example measure [FILE]`.
//!
//! Everything is measured in turns, round by round, so that a busy machine troubles all alike; figures are medians. With
//! FILE, the table goes there too, between the two markers.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use noukai_engine::{Code, CodeCall, CodeSource};
use noukai_flow::Language;
use noukai_sandbox::{Sandbox, Settings};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use uuid::Uuid;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ROUNDS: usize = 7;
const CALLS: usize = 400;
const WARM: usize = 20;
const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";

const TRIVIAL: &str = "return {'sum': a + 1}";
const TRIVIAL_JAVASCRIPT: &str = "return {sum: a + 1}";
const RESHAPE: &str = "import json\n\
    orders = json.loads(text)\n\
    large = [order for order in orders if order['total'] > 50 and order['state'] != 'void']\n\
    people = {}\n\
    for order in large:\n    \
        name = order['customer']['name'].strip().title()\n    \
        entry = people.setdefault(name, {'orders': 0, 'total': 0.0, 'items': []})\n    \
        entry['orders'] += 1\n    \
        entry['total'] = round(entry['total'] + order['total'], 2)\n    \
        entry['items'].extend(item['sku'] for item in order['items'])\n\
    ranked = sorted(people.items(), key=lambda pair: -pair[1]['total'])\n\
    return {'people': [{'name': name, **entry} for name, entry in ranked[:20]], 'count': len(large)}";
const RESHAPE_JAVASCRIPT: &str = "const orders = JSON.parse(text)\n\
    const large = orders.filter((order) => order.total > 50 && order.state !== 'void')\n\
    const people = new Map()\n\
    for (const order of large) {\n\
        const name = order.customer.name.trim()\n\
        const entry = people.get(name) ?? {name, orders: 0, total: 0, items: []}\n\
        people.set(name, entry)\n\
        entry.orders += 1\n\
        entry.total = Math.round((entry.total + order.total) * 100) / 100\n\
        for (const item of order.items) entry.items.push(item.sku)\n\
    }\n\
    const ranked = [...people.values()].sort((a, b) => b.total - a.total)\n\
    return {people: ranked.slice(0, 20), count: large.length}";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // As a task of its own, as runs are in the server: what is driven by `block_on` is woken by other threads.
    runtime.block_on(async { tokio::spawn(measure()).await? })
}

async fn measure() -> Result<()> {
    let (sandbox, mut peer) = (Sandbox::new(settings()?), Peer::start()?);
    let text = orders();
    let mut latency = Latency::default();
    for _ in 0..ROUNDS {
        latency.round(&sandbox, &mut peer, &text).await?;
        let (python, peer) = tokio::task::spawn_blocking(bound).await??;
        latency.python_bound.extend(python);
        latency.peer_bound.extend(peer);
    }
    let (alone, part) = neighbours(&sandbox).await?;
    let start = first_calls().await?;
    publish(&latency.table(start, alone, part, text.len()))
}

fn settings() -> Result<Settings> {
    let mut program = std::env::current_exe()?;
    program.pop();
    program.pop();
    program.push("noukai-sandbox-worker");
    if !program.exists() {
        return Err("build the worker first: cargo build --release -p noukai-sandbox".into());
    }
    Ok(Settings { program, ..Settings::default() })
}

/// About 100 KB of JSON.
fn orders() -> String {
    let order = |n: u32| {
        let items: Vec<Value> =
            (0..n % 4 + 1).map(|i| json!({"sku": format!("sku-{}", n * 7 + i), "quantity": i + 1})).collect();
        json!({"id": n, "customer": {"name": format!("  person {}", n % 37), "city": "Wien"}, "state": if n.is_multiple_of(9) { "void" } else { "paid" },
            "total": f64::from(n * 37 % 200) + 0.5, "items": items})
    };
    Value::from((0..540).map(order).collect::<Vec<_>>()).to_string()
}

fn call(language: Language, tenant: u128, parameter: &str, body: &str, value: Value) -> CodeCall {
    let source = CodeSource { language, parameters: [parameter.to_owned()].into(), body: body.into() };
    CodeCall {
        tenant: Uuid::from_u128(tenant),
        source: Arc::new(source),
        initial: Arc::new(json!({})),
        arguments: vec![Arc::new(value)],
        timeout: Duration::from_secs(10),
    }
}

/// Both contestants and who asks them on one processor, with workers of their own: nobody is woken on another, which in
/// a virtual machine takes longer than the call, and which the kernel decides by what the processes did before.
fn bound() -> Result<(Vec<f64>, Vec<f64>)> {
    let inner = || -> Result<_> {
        let mut one = CpuSet::new();
        one.set(0);
        sched_setaffinity(None, &one)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (sandbox, mut peer) = (Sandbox::new(settings()?), Peer::start()?);
            let (mut python, mut waiting) = (Vec::new(), Vec::new());
            trivial(&sandbox, &mut peer, &mut python, &mut waiting).await?;
            Ok((python, waiting))
        })
    };
    // A thread of its own: it stays bound, and so does what it starts.
    std::thread::spawn(inner).join().map_err(|_| "the bound thread panicked")?
}

/// The trivial body in both, one after the other.
async fn trivial(sandbox: &Sandbox, peer: &mut Peer, python: &mut Vec<f64>, waiting: &mut Vec<f64>) -> Result<()> {
    time(sandbox, &call(Language::Python, 1, "a", TRIVIAL, json!(1)), CALLS, python).await?;
    for number in 0..CALLS + WARM {
        let (took, _) = peer.ask(1, "a", TRIVIAL, &json!(1)).await?;
        if number >= WARM {
            waiting.push(took);
        }
    }
    Ok(())
}

/// Times of all rounds, in microseconds.
#[derive(Default)]
struct Latency {
    python_bound: Vec<f64>,
    peer_bound: Vec<f64>,
    python: Vec<f64>,
    javascript: Vec<f64>,
    peer: Vec<f64>,
    spawned: Vec<f64>,
    reshape: Vec<f64>,
    reshape_javascript: Vec<f64>,
    reshape_peer: Vec<f64>,
    reshape_body: Vec<f64>,
}

impl Latency {
    async fn round(&mut self, sandbox: &Sandbox, peer: &mut Peer, text: &str) -> Result<()> {
        let (python, javascript, few) = (Language::Python, Language::JavaScript, CALLS / 8);
        trivial(sandbox, peer, &mut self.python, &mut self.peer).await?;
        time(sandbox, &call(javascript, 1, "a", TRIVIAL_JAVASCRIPT, json!(1)), CALLS, &mut self.javascript).await?;
        for _ in 0..8 {
            self.spawned.push(spawned().await?);
        }
        time(sandbox, &call(python, 1, "text", RESHAPE, text.into()), few, &mut self.reshape).await?;
        for _ in 0..few {
            let (whole, body) = peer.ask(2, "text", RESHAPE, &text.into()).await?;
            self.reshape_peer.push(whole);
            self.reshape_body.push(body);
        }
        let reshape = call(javascript, 1, "text", RESHAPE_JAVASCRIPT, text.into());
        time(sandbox, &reshape, few, &mut self.reshape_javascript).await
    }

    fn table(&self, start: f64, alone: f64, part: f64, bytes: usize) -> String {
        let p50 = |times: &[f64]| quantile(times, 0.5);
        let row =
            |what: &str, times: &[f64]| format!("| {what} | {:.0} | {:.0} |\n", p50(times), quantile(times, 0.99));
        let mut table = String::from("| | p50, µs | p99, µs |\n| --- | ---: | ---: |\n");
        table += &row("Python block, trivial, warm", &self.python);
        table += &row("JavaScript block, trivial, warm", &self.javascript);
        table += &row("the same body in a waiting CPython, over a pipe", &self.peer);
        table += &row("Python block, trivial, warm, all on one processor", &self.python_bound);
        table += &row("the same body in a waiting CPython, over a pipe, on that processor", &self.peer_bound);
        table += &row("the same body in a CPython started for it", &self.spawned);
        table += &row(&format!("Python block, {} KB of JSON parsed, filtered, reshaped", bytes / 1000), &self.reshape);
        table += &row("the same in JavaScript", &self.reshape_javascript);
        table += &row("the same body in a waiting CPython, over a pipe", &self.reshape_peer);
        table += &row("the same body in CPython, the function alone", &self.reshape_body);
        let ratios = [
            ("starting CPython / Python block", p50(&self.spawned) / p50(&self.python)),
            ("waiting CPython / Python block", p50(&self.peer) / p50(&self.python)),
            ("on one processor: waiting CPython / Python block", p50(&self.peer_bound) / p50(&self.python_bound)),
            ("reshaping: waiting CPython / Python block", p50(&self.reshape_peer) / p50(&self.reshape)),
            ("reshaping: CPython's function alone / Python block", p50(&self.reshape_body) / p50(&self.reshape)),
            ("throughput beside a project in endless loops / alone", part),
        ];
        table += "\n| ratio | |\n| --- | ---: |\n";
        for (what, ratio) in ratios {
            table += &format!("| {what} | {ratio:.2} |\n");
        }
        table
            + &format!(
                "\nThroughput alone: {alone:.0} calls/s. A project's first call, which starts its worker: {start:.0} µs.\n"
            )
    }
}

async fn time(sandbox: &Sandbox, call: &CodeCall, calls: usize, times: &mut Vec<f64>) -> Result<()> {
    for number in 0..calls + WARM {
        let start = Instant::now();
        sandbox.call(call).await.map_err(|error| error.message)?;
        if number >= WARM {
            times.push(micros(start));
        }
    }
    Ok(())
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn quantile(times: &[f64], at: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let last = times.len().saturating_sub(1) as f64;
    times.get((last * at).round() as usize).copied().unwrap_or_default()
}

/// A project's calls per second alone, and what part of that is left beside one whose blocks never end: in turns, each
/// time with it between two times without.
async fn neighbours(sandbox: &Sandbox) -> Result<(f64, f64)> {
    let (mut alone, mut parts) = (vec![throughput(sandbox).await?], Vec::new());
    for round in 0..ROUNDS {
        let hostile: Vec<_> = (0..8).map(|_| tokio::spawn(endless(sandbox.clone()))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let beside = throughput(sandbox).await?;
        hostile.iter().for_each(tokio::task::JoinHandle::abort);
        for task in hostile {
            drop(task.await);
        }
        alone.push(throughput(sandbox).await?);
        parts.push(beside * 2.0 / (alone[round] + alone[round + 1]));
    }
    Ok((quantile(&alone, 0.5), quantile(&parts, 0.5)))
}

async fn endless(sandbox: Sandbox) {
    let call = call(Language::Python, 666, "a", "while True:\n    pass", json!(1));
    let call = CodeCall { timeout: Duration::from_secs(1), ..call };
    loop {
        drop(sandbox.call(&call).await);
    }
}

async fn throughput(sandbox: &Sandbox) -> Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let body = "total = 0\nfor i in range(500):\n    total += i * a\nreturn {'total': total}";
    let start = Instant::now();
    let tasks: Vec<_> = (0..cores)
        .map(|_| {
            let (sandbox, stop, done) = (sandbox.clone(), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let call = call(Language::Python, 7, "a", body, json!(1));
                while !stop.load(Ordering::Relaxed) && sandbox.call(&call).await.is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await?;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

/// The median time of a first call, in microseconds.
async fn first_calls() -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS * 3 {
        let sandbox = Sandbox::new(settings()?);
        let start = Instant::now();
        sandbox.call(&call(Language::Python, 1, "a", TRIVIAL, json!(1))).await.map_err(|error| error.message)?;
        times.push(micros(start));
    }
    Ok(quantile(&times, 0.5))
}

/// A CPython that waits for requests, spoken to as the workers are: over pipes, from a task.
struct Peer {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Result<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/measure.py");
        let mut command = Command::new(python());
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".into());
        };
        Ok(Self { _child: child, input, output: BufReader::new(output) })
    }

    /// How long the whole took, and the function alone, in microseconds.
    async fn ask(&mut self, number: u32, parameter: &str, body: &str, value: &Value) -> Result<(f64, f64)> {
        let start = Instant::now();
        let request = json!({"number": number, "parameters": [parameter], "body": body, "values": [{}, value]});
        self.input.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        let answer: Value = serde_json::from_str(&line)?;
        Ok((micros(start), answer["took"].as_f64().ok_or("no time")? * 1e6))
    }
}

/// The Python to compare with: `PYTHON`, else what the shell finds. A wrapper script would be measured too.
fn python() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Starts CPython for one call of the trivial body.
async fn spawned() -> Result<f64> {
    let script = "import json,sys\ndef block(initial, a):\n    return {'sum': a + 1}\nprint(json.dumps(block(*json.loads(sys.argv[1]))))";
    let start = Instant::now();
    let output = Command::new(python()).args(["-I", "-S", "-c", script, "[{}, 1]"]).output().await?;
    let sum: Value = serde_json::from_slice(&output.stdout)?;
    if sum != json!({"sum": 2}) {
        return Err("CPython gave something else".into());
    }
    Ok(micros(start))
}

fn publish(table: &str) -> Result<()> {
    io::stdout().write_all(table.as_bytes())?;
    let Some(file) = std::env::args().nth(1) else { return Ok(()) };
    let text = std::fs::read_to_string(&file)?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        return Err("the file has no markers".into());
    };
    std::fs::write(file, format!("{}\n{table}{}", &text[..begin + BEGIN.len()], &text[end..]))?;
    Ok(())
}
