//! A job: submitted, followed, polled. Once acknowledged it comes to its end whatever happens.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use tokio::time::Instant;

use super::Way;
use super::follow::{Cut, Follower};
use crate::client::{Ask, Lost, PATIENCE};

impl Way<'_> {
    pub(super) async fn job(&mut self, keyed: bool, cut: Cut) -> Result<()> {
        let Some(id) = self.submit(keyed).await? else { return Ok(()) };
        let follower = Follower {
            case: self.case,
            client: &self.client,
            session: &self.told.session,
            path: self.path(&format!("runs/{id}/trace/stream")),
            choices: self.case.choices(&format!("{} cuts", self.told.marker)),
            cut,
        };
        let (followed, polled) = tokio::join!(follower.follow(), self.poll(&id));
        let end = polled?;
        self.told.end = Some(end);
        self.told.followed = followed?;
        Ok(())
    }

    pub(super) async fn cancelled_job(&mut self, after: u32) -> Result<()> {
        let Some(id) = self.submit(false).await? else { return Ok(()) };
        tokio::time::sleep(Duration::from_millis(u64::from(after))).await;
        let path = self.path(&format!("jobs/{id}"));
        let ask = Ask { method: Method::DELETE, ..Ask::get(&path) };
        let reply = self.client.insist(ask).await?;
        match reply.body["status"].as_str() {
            Some("cancelled") => self.told.cancelled = true,
            Some("completed" | "failed") => {}
            _ => self.violation(&format!("cancelling was answered {} {}", reply.status, reply.body)),
        }
        self.told.end = Some(self.poll(&id).await?);
        Ok(())
    }

    /// The id of the job, where it was acknowledged.
    async fn submit(&mut self, keyed: bool) -> Result<Option<String>> {
        let path = self.path("jobs");
        let body = self.told.shape.request(&self.told.marker);
        loop {
            match self.client.once(self.tagged(Ask::post(&path, &body), keyed)).await? {
                Ok(reply) if reply.status == 202 => {
                    let id = reply.body["executionId"].as_str().context("a 202 without an id")?.to_owned();
                    self.told.acknowledged = true;
                    self.told.execution = Some(id.clone());
                    self.case.tally.count(|counts| counts.jobs += 1);
                    return Ok(Some(id));
                }
                Ok(reply) if reply.is_refusal_for_now() || keyed && reply.status >= 500 => self.moment().await,
                Ok(reply) if reply.status >= 500 => return Ok(None),
                Ok(reply) => {
                    self.violation(&format!("a job was answered {} {}", reply.status, reply.body));
                    return Ok(None);
                }
                Err(Lost) if keyed => {}
                Err(Lost) => return Ok(None),
            }
        }
    }

    /// The end of a job: its status and result.
    async fn poll(&self, id: &str) -> Result<(String, serde_json::Value)> {
        let until = Instant::now() + PATIENCE;
        let mut looks = self.case.choices(&format!("{} looks", self.told.marker));
        let (polled, traced) = (self.path(&format!("jobs/{id}?wait=1")), self.path(&format!("runs/{id}/trace")));
        loop {
            if looks.percent(40) {
                self.note_trace(&self.client.insist(Ask::get(&traced)).await?.body);
            }
            let reply = self.client.insist(Ask::get(&polled)).await?;
            match reply.body["status"].as_str() {
                Some(status @ ("completed" | "failed" | "cancelled")) => {
                    return Ok((status.to_owned(), reply.body["result"].clone()));
                }
                Some("pending" | "running") if Instant::now() < until => {}
                _ => bail!("job {id} of {} does not end: {} {}", self.told.marker, reply.status, reply.body),
            }
        }
    }
}
