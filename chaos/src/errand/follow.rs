//! Following a run by its trace's stream, over as many connections as it takes.

use anyhow::{Result, bail};
use tokio::time::{Instant, timeout_at};

use crate::case::Case;
use crate::choices::Choices;
use crate::client::{Ask, Client, Event, Lost, Opened, PATIENCE, Stream};

/// When a client closes its connection by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After any event, in so many of a hundred.
    Percent(u32),
    /// After the event of that number, from 1, once.
    After(u32),
}

/// One client that follows one run.
pub struct Follower<'a> {
    pub case: &'a Case,
    pub client: &'a Client,
    pub session: &'a str,
    /// Of the stream, after `/api/v1`.
    pub path: String,
    pub choices: Choices,
    pub cut: Cut,
}

/// How one connection ended.
enum Connection {
    /// With the run.
    Ended,
    /// Before it: by a kill, by a fault, or by the client itself.
    Cut,
}

impl Follower<'_> {
    /// Every event, from the first to the end of the run.
    pub async fn follow(self) -> Result<Vec<Event>> {
        self.follow_from(Vec::new()).await
    }

    /// As [`Follower::follow`], where some events are there already.
    pub async fn follow_from(mut self, mut events: Vec<Event>) -> Result<Vec<Event>> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let last = events.iter().rev().find_map(|event| event.id);
            let mut ask = Ask::get(&self.path);
            if let Some(last) = last {
                ask = ask.header("last-event-id", last.to_string());
            }
            match self.client.open(ask).await? {
                Ok(Opened::Stream(stream)) => match timeout_at(until, self.read(stream, &mut events)).await {
                    Ok(Connection::Ended) => return Ok(events),
                    Ok(Connection::Cut) => {}
                    Err(_) => bail!("{} neither ends nor breaks; {} events came", self.path, events.len()),
                },
                Ok(Opened::Refused(reply)) if reply.status >= 500 => {}
                Ok(Opened::Refused(reply)) => bail!("{} was refused: {} {}", self.path, reply.status, reply.body),
                Err(Lost) => {}
            }
        }
        bail!("{} does not end within {PATIENCE:?}; {} events came", self.path, events.len())
    }

    async fn read(&mut self, mut stream: Stream, events: &mut Vec<Event>) -> Connection {
        loop {
            match stream.next().await {
                Ok(Some(event)) => {
                    self.note(&event);
                    events.push(event);
                    if self.cuts(events.len()) {
                        return Connection::Cut;
                    }
                }
                Ok(None) if events.last().is_some_and(|last| last.kind == "flow_completed") => {
                    return Connection::Ended;
                }
                Ok(None) | Err(Lost) => return Connection::Cut,
            }
        }
    }

    fn cuts(&mut self, count: usize) -> bool {
        match self.cut {
            Cut::Percent(chance) => self.choices.percent(chance),
            Cut::After(number) => count == number as usize,
        }
    }

    /// What is shown is stored.
    fn note(&self, event: &Event) {
        if event.kind == "step_completed" {
            let step = event.json()["stepId"].as_str().unwrap_or_default().to_owned();
            self.case.facts.note_shown(self.session, &step, None, self.case.mock.count(), "an event");
        }
    }
}
