//! Execute: one call. Without a key an answer that is lost is lost.

use anyhow::Result;

use super::Way;
use crate::client::{Ask, Lost};

/// Times that a keyed request is repeated after a fault of the server.
const MOST_FAULTS: u32 = 4;

impl Way<'_> {
    pub(super) async fn execute(&mut self, keyed: bool) -> Result<()> {
        let path = self.path("execute");
        let body = self.told.shape.request(&self.told.marker);
        let mut faults = 0;
        loop {
            match self.client.once(self.tagged(Ask::post(&path, &body), keyed)).await? {
                Ok(reply) if reply.status == 200 => {
                    self.note_end(&reply.body);
                    return Ok(());
                }
                // Nothing was done.
                Ok(reply) if reply.is_refusal_for_now() => self.moment().await,
                // It is not known what was done: with a key it may be asked again, until it is plain that this is it.
                Ok(reply) if keyed && reply.status >= 500 && faults < MOST_FAULTS => {
                    faults += 1;
                    self.moment().await;
                }
                // The run, if there is one, is looked at in the end.
                Ok(reply) if reply.status >= 500 => return Ok(()),
                Ok(reply) => {
                    self.violation(&format!("execute was answered {} {}", reply.status, reply.body));
                    return Ok(());
                }
                Err(Lost) if keyed => {}
                Err(Lost) => return Ok(()),
            }
        }
    }

    /// A call without its input; what is wrong with it is said however often it is asked.
    pub(super) async fn refused(&mut self) -> Result<()> {
        let path = self.path("execute");
        let body = serde_json::json!({});
        for _ in 0..2 {
            let reply = self.client.insist(self.tagged(Ask::post(&path, &body), true)).await?;
            if reply.status != 422 || reply.code() != "MISSING_MESSAGE" {
                self.violation(&format!("a call without its input was answered {} {}", reply.status, reply.body));
            }
        }
        Ok(())
    }

    /// A moment before asking again.
    pub(super) async fn moment(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
