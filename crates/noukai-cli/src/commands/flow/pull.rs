//! `noukai flow pull`: what the server has, as files. A file that is equal already is left as it is, comments and all.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    error::CliError,
    folder::{Pair, Standing, Synced, Where},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai flow pull
  noukai flow pull triage --folder flows
  noukai flow pull triage --force     the server's, also over changes made here

A file is written only where the server's flow is another. Of a file that is written anew, only the comments at its top
stay. Where both sides have changed, nothing is written.";

/// Write the server's flows as files
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Slugs of the flows [default: all]
    flows: Vec<String>,
    /// Take the server's, also over changes made here
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Where,
}

/// What is done with a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    Write(&'static str),
    Keep,
    Leave(&'static str),
}

/// Pulls.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut synced = args.place.open().await?;
    let done = pull(&mut synced, &args).await?;
    if args.place.json {
        let flows: Vec<Value> = done.iter().map(|(slug, what)| json!({"slug": slug, "action": what})).collect();
        output::json(&json!({"project": synced.project.label, "flows": flows}));
    } else if done.is_empty() {
        output::note(&format!("{} has no flows", synced.project.label));
    }
    Ok(ExitCode::SUCCESS)
}

async fn pull(synced: &mut Synced, args: &Args) -> Result<Vec<(String, &'static str)>, CliError> {
    let mut done = Vec::new();
    let mut settled = Vec::new();
    let pairs = synced.pairs(&args.flows).await?;
    let plans = pairs.iter().map(|pair| plan(pair, args.force)).collect::<Result<Vec<_>, _>>()?;
    for (pair, plan) in pairs.iter().zip(plans) {
        let Some(draft) = &pair.remote else { continue };
        let what = match plan {
            Plan::Write(what) => {
                let path = write(&synced.folder, pair, &synced.project.api.base().replace("/api/v1", ""))?;
                say(args, &format!("{}: {what}", path.display()));
                what
            }
            Plan::Keep => "unchanged",
            Plan::Leave(why) => {
                say(args, &format!("{}: {why}", pair.slug));
                "left"
            }
        };
        if !matches!(plan, Plan::Leave(_)) {
            settled.push((pair.slug.clone(), draft.flow.clone(), draft.document.clone()));
        }
        done.push((pair.slug.clone(), what));
    }
    drop(pairs);
    for (slug, flow, document) in settled {
        synced.settle(&slug, &flow, &document)?;
    }
    Ok(done)
}

fn say(args: &Args, line: &str) {
    if !args.place.json {
        output::line(line);
    }
}

fn plan(pair: &Pair<'_>, force: bool) -> Result<Plan, CliError> {
    Ok(match pair.standing() {
        Standing::Same | Standing::OnlyHere => Plan::Keep,
        Standing::OnlyThere => Plan::Write("written"),
        Standing::ChangedThere => Plan::Write("changed"),
        Standing::ChangedHere | Standing::ChangedBoth if force => Plan::Write("replaced"),
        Standing::ChangedHere => Plan::Leave("changed here alone, left as it is"),
        Standing::ChangedBoth => {
            let slug = &pair.slug;
            let hint = format!(
                "`noukai flow diff {slug}` shows how; `noukai flow pull {slug} --force` takes the server's, `noukai flow push \
                 {slug} --force` puts yours in its place"
            );
            return Err(CliError::failure(pair.conflict()).with_hint(hint));
        }
    })
}

/// Writes the server's document where the file is, else under the flow's slug; all of it or nothing.
fn write(folder: &Path, pair: &Pair<'_>, server: &str) -> Result<PathBuf, CliError> {
    // `./a.flow.yaml` is how nobody writes a file of the current folder.
    let folder = folder.strip_prefix(".").unwrap_or(folder);
    let path = pair.file.map_or_else(|| folder.join(format!("{}.flow.yaml", pair.slug)), |file| file.path.clone());
    let document = pair.there().unwrap_or(&Value::Null);
    let text = if path.extension().is_some_and(|ending| ending == "json") {
        format!("{document:#}\n")
    } else {
        let schema = || format!("# yaml-language-server: $schema={server}{}\n", noukai_flow::SCHEMA_PATH);
        let head = pair.file.map_or_else(schema, |file| comments(&file.text));
        head + &noukai_flow::to_yaml(document)
    };
    let unwritten = |error: std::io::Error| CliError::failure(format!("{}: {error}", path.display()));
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(rights()).tempfile_in(beside).map_err(unwritten)?;
    file.write_all(text.as_bytes()).map_err(unwritten)?;
    file.persist(&path).map_err(|error| unwritten(error.error))?;
    Ok(path)
}

/// The comments at the top of a file.
fn comments(text: &str) -> String {
    let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let lines: Vec<&str> = text.lines().take_while(is_comment).collect();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// As other files have them, within the user's mask.
#[cfg(unix)]
fn rights() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_at_the_top_stay() {
        assert_eq!(comments("# a\n\n# b\nschema: 1\n# c\n"), "# a\n\n# b\n");
        assert_eq!(comments("schema: 1\n"), "");
    }
}
