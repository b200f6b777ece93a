//! A long call gives way: it goes on only with what the short calls of other projects leave.
//!
//! A priority alone does not do that. A worker that is woken while a long call has the processor may have to wait for the
//! end of its slice; one that finds the processor idle does not.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::time;

/// A call that has the processor for longer than this after the first look loses its claim on it to everyone else.
const SHORT: Duration = Duration::from_millis(5);

/// How often that is looked at, first so long after the call began.
const LOOK: Duration = Duration::from_millis(5);

/// How nice a worker with a long call is to others.
const NICE: i32 = 19;

/// How long a long call runs before others are looked at.
const SLICE: Duration = Duration::from_millis(2);

/// The most that it stands still of the time it has: it always goes on, if slowly.
const STILL: f64 = 0.98;

/// Waits until the call has had the processor for long. On a busy machine a short call may wait for it long, so only time
/// on the processor counts.
pub async fn until_long(pid: Option<Pid>) {
    time::sleep(LOOK).await;
    let before = pid.and_then(processor_time);
    loop {
        time::sleep(LOOK).await;
        let now = pid.and_then(processor_time);
        if now.zip(before).is_none_or(|(now, before)| now.saturating_sub(before) >= SHORT) {
            return;
        }
    }
}

/// Holds a worker with a long call back while others need the processors. `others` tells how long, in parts of what the
/// machine could do at once, short calls of other projects have run since the server started.
pub async fn give_way(pid: Option<Pid>, others: impl Fn() -> Duration) -> Infallible {
    let Some(pid) = pid else { return std::future::pending().await };
    if let Err(error) = rustix::process::setpriority_process(Some(pid), NICE) {
        tracing::debug!(%error, "a worker with a long call keeps its priority");
    }
    let (mut seen, mut since) = (others(), Instant::now());
    loop {
        time::sleep(SLICE).await;
        let all = others();
        let pause = pause(all.saturating_sub(seen), since.elapsed());
        (seen, since) = (all, Instant::now());
        if pause >= Duration::from_millis(1) && rustix::process::kill_process(pid, Signal::STOP).is_ok() {
            time::sleep(pause).await;
            // It fails only for a worker that is gone, which whoever waits for its answer will see.
            let _ = rustix::process::kill_process(pid, Signal::CONT);
        }
    }
}

/// How long to stand still after a slice, when others used so much of the time since the last look.
fn pause(used: Duration, elapsed: Duration) -> Duration {
    let part = (used.as_secs_f64() / elapsed.as_secs_f64().max(1e-9)).min(STILL);
    SLICE.mul_f64(part / (1.0 - part))
}

/// How long a process has had the processor.
fn processor_time(pid: Pid) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_call_stands_still_as_much_as_others_work() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(Duration::ZERO, second), Duration::ZERO);
        assert_eq!(pause(second / 2, second), SLICE);
        assert_eq!(pause(second, second).as_millis(), 98);
        assert_eq!(pause(second * 9, second).as_millis(), 98);
        assert_eq!(pause(Duration::ZERO, Duration::ZERO), Duration::ZERO);
    }
}
