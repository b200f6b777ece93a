//! `noukai flow push`: what was changed here, put on the server as the operations that lead there.

use std::process::ExitCode;

use noukai_flow::Operation;
use serde_json::{Value, json};

use crate::{
    error::CliError,
    folder::{Pair, Standing, Synced, Where},
    output, units,
};

const EXAMPLES: &str = "\
Examples:
  noukai flow push
  noukai flow push triage --dry-run
  noukai flow push triage --force     also over changes made on the server

Pushing twice changes nothing the second time. A flow with problems is pushed too, as a draft; it cannot be published.
Where the server has moved on since the last pull, nothing at all is pushed.";

/// Put changed files on the server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Slugs of the flows [default: all]
    flows: Vec<String>,
    /// Put yours on the server, also over changes made there
    #[arg(long)]
    force: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Where,
}

/// What became of a flow.
struct Pushed {
    slug: String,
    action: &'static str,
    revision: Option<u64>,
    operations: Vec<Operation>,
}

/// Pushes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut synced = args.place.open().await?;
    let done = push(&mut synced, &args).await?;
    if args.place.json {
        let flows: Vec<Value> = done.iter().map(row).collect();
        output::json(&json!({"project": synced.project.label, "dry_run": args.dry_run, "flows": flows}));
    } else if done.is_empty() {
        output::note("there are no flow files here; `noukai flow pull` writes those of the server");
    }
    Ok(ExitCode::SUCCESS)
}

async fn push(synced: &mut Synced, args: &Args) -> Result<Vec<Pushed>, CliError> {
    let pairs = synced.pairs(&args.flows).await?;
    // Before anything is sent.
    if let Some(pair) = pairs.iter().find(|pair| pair.standing() == Standing::ChangedBoth && !args.force) {
        return Err(refused(pair));
    }
    let mut done = Vec::new();
    let mut settled = Vec::new();
    let mut failed = None;
    for pair in &pairs {
        match push_one(synced, pair, args).await {
            Ok(None) => {}
            Ok(Some((pushed, equal))) => {
                settled.extend(equal);
                report(args, &pushed, pair);
                done.push(pushed);
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(pairs);
    // What was pushed is known, whatever became of the rest.
    for (slug, flow, document) in settled {
        synced.settle(&slug, &flow, &document)?;
    }
    failed.map_or(Ok(done), Err)
}

/// A flow that is equal on both sides now.
type Equal = (String, noukai_api::FlowSummary, Value);

async fn push_one(synced: &Synced, pair: &Pair<'_>, args: &Args) -> Result<Option<(Pushed, Option<Equal>)>, CliError> {
    let Some(here) = pair.here() else { return Ok(None) };
    let slug = pair.slug.clone();
    let standing = pair.standing();
    let equal = |flow: &noukai_api::FlowSummary| Some((slug.clone(), flow.clone(), here.clone()));
    let pushed = |action, revision, operations| Pushed { slug: slug.clone(), action, revision, operations };
    let Some(draft) = &pair.remote else {
        if args.dry_run {
            return Ok(Some((pushed("created", None, Vec::new()), None)));
        }
        let flow = synced.project.create(here).await?;
        return Ok(Some((pushed("created", Some(flow.revision), Vec::new()), equal(&flow))));
    };
    let revision = Some(draft.flow.revision);
    match standing {
        Standing::Same => return Ok(Some((pushed("unchanged", revision, Vec::new()), equal(&draft.flow)))),
        Standing::ChangedThere if !args.force => return Ok(Some((pushed("left", revision, Vec::new()), None))),
        _ => {}
    }
    let operations = noukai_flow::edit_script(&draft.document, here);
    if args.dry_run {
        return Ok(Some((pushed("changed", revision, operations), None)));
    }
    let change = synced.project.replace(&draft.flow, here).await?;
    Ok(Some((pushed("changed", Some(change.flow.revision), operations), equal(&change.flow))))
}

fn refused(pair: &Pair<'_>) -> CliError {
    let slug = &pair.slug;
    let hint = format!(
        "`noukai flow diff {slug}` shows how they differ; `noukai flow pull {slug} --force` takes the server's, `noukai flow push \
         {slug} --force` puts yours in its place"
    );
    CliError::failure(pair.conflict()).with_hint(hint)
}

fn report(args: &Args, pushed: &Pushed, pair: &Pair<'_>) {
    for problem in pair.file.into_iter().flat_map(|file| file.problem_lines(noukai_flow::Problem::is_error)) {
        output::warning(&problem);
    }
    if args.place.json {
        return;
    }
    let Pushed { slug, action, revision, operations } = pushed;
    let would = if args.dry_run { "would be " } else { "" };
    let at = revision.filter(|_| !args.dry_run).map(|revision| format!(", revision {revision}")).unwrap_or_default();
    output::line(&match *action {
        "unchanged" => format!("{slug}: nothing to push"),
        "left" => format!("{slug}: not changed here, newer on the server; `noukai flow pull` takes it"),
        "created" => format!("{slug}: {would}created{at}"),
        _ => format!("{slug}: {would}changed, {}{at}", units::count(operations.len(), "operation")),
    });
    operations.iter().for_each(|operation| output::line(&format!("  {operation}")));
}

fn row(pushed: &Pushed) -> Value {
    let Pushed { slug, action, revision, operations } = pushed;
    json!({"slug": slug, "action": action, "revision": revision, "operations": operations})
}
