//! One background thread for the network, and waiting on the caller's own.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::runtime::{Builder, Handle};

use crate::{Error, Result};

/// The thread's owner; it ends with the last of its clients. Safe to use and to drop anywhere, inside a runtime too.
#[derive(Debug)]
pub(super) struct Runtime(Option<tokio::runtime::Runtime>, Handle);

impl Runtime {
    pub fn new() -> Result<Arc<Self>> {
        let built = Builder::new_multi_thread().worker_threads(1).thread_name("noukai").enable_all().build();
        let runtime = built.map_err(|error| Error::invalid(format!("no background thread: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Arc::new(Self(Some(runtime), handle)))
    }

    /// Does the work on this thread, which sleeps while the network is waited for.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let _entered = self.1.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut work = pin!(work);
        loop {
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
