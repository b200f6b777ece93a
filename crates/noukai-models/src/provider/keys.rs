//! The keys of a provider: the one with the fewest calls under way is next, and one that is refused or limited stands
//! aside for a while.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use hyper::header::HeaderValue;
use noukai_engine::ModelErrorKind;
use tokio::time::Instant;

use super::ProviderError;
use crate::{Secret, wire::Fault};

/// How long a key that the provider refused is not used.
const REFUSED: Duration = Duration::from_secs(300);
/// How long a limited key is not used where the provider names no time; and the longest time it may name.
const LIMITED: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3600);

/// All keys of a provider.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    turn: AtomicUsize,
    began: Instant,
}

/// One key, as it is sent.
#[derive(Debug)]
pub(super) struct Key {
    secret: Secret,
    /// `None`: nothing is sent.
    pub(super) header: Option<HeaderValue>,
    calls: AtomicU32,
    /// Whether it was taken since somebody asked.
    used: AtomicBool,
    /// Milliseconds since the keys were made until which it stands aside.
    aside: AtomicU64,
}

/// A key in use by one call.
pub(super) struct InUse<'a>(&'a Key);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::ops::Deref for InUse<'_> {
    type Target = Key;

    fn deref(&self) -> &Key {
        self.0
    }
}

impl Key {
    fn new(secret: Secret, prefix: &str, provider: &str) -> Result<Self, ProviderError> {
        let header = (!secret.is_empty()).then(|| HeaderValue::from_str(&format!("{prefix}{}", secret.expose())));
        let mut header = header.transpose().map_err(|_| ProviderError::ApiKey(provider.to_owned()))?;
        header.iter_mut().for_each(|value| value.set_sensitive(true));
        let (calls, aside) = (AtomicU32::new(0), AtomicU64::new(0));
        Ok(Self { secret, header, calls, used: AtomicBool::new(false), aside })
    }

    /// The key itself, to be taken out of texts.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }
}

impl Keys {
    /// `prefix` stands before a key in its header. Without keys, calls go out without.
    pub(super) fn new(secrets: &[Secret], prefix: &str, provider: &str) -> Result<Self, ProviderError> {
        let secrets = if secrets.is_empty() { &[Secret::default()][..] } else { secrets };
        let keys = secrets.iter().map(|secret| Key::new(secret.clone(), prefix, provider));
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, turn: AtomicUsize::new(0), began: Instant::now() })
    }

    /// The key for the next call. Where all stand aside, the one whose time ends first.
    pub(super) fn take(&self) -> Option<InUse<'_>> {
        let key = if let [only] = self.keys.as_slice() { only } else { self.best()? };
        key.calls.fetch_add(1, Ordering::Relaxed);
        key.used.store(true, Ordering::Relaxed);
        Some(InUse(key))
    }

    /// The positions of those that were taken since this was asked last.
    pub(super) fn take_used(&self) -> Vec<usize> {
        let used = |key: &Key| key.used.swap(false, Ordering::Relaxed);
        self.keys.iter().enumerate().filter(|(_, key)| used(key)).map(|(position, _)| position).collect()
    }

    fn best(&self) -> Option<&Key> {
        let now = self.now();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.keys.len().max(1);
        let (before, from) = self.keys.split_at(turn);
        let rank = |key: &&Key| {
            let aside = key.aside.load(Ordering::Relaxed);
            (if aside > now { aside } else { 0 }, key.calls.load(Ordering::Relaxed))
        };
        from.iter().chain(before).min_by_key(rank)
    }

    /// Sets a key aside whose fault this was. True where another one can take the call.
    pub(super) fn judge(&self, key: &Key, fault: &Fault) -> bool {
        let time = match fault.kind {
            ModelErrorKind::KeyRejected => REFUSED,
            ModelErrorKind::RateLimited => fault.retry_after.unwrap_or(LIMITED).clamp(Duration::from_secs(1), LONGEST),
            _ => return false,
        };
        if self.keys.len() < 2 {
            return false;
        }
        let now = self.now();
        key.aside.store(now + u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.keys.iter().any(|key| key.aside.load(Ordering::Relaxed) <= now)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(&["a", "b", "c"].map(Secret::new), "", "p").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_spread_over_the_keys() {
        let keys = keys();
        let mut held: Vec<_> = (0..6).map(|_| keys.take().unwrap()).collect();
        let mut names: Vec<String> = held.iter().map(|key| key.secret().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["a", "a", "b", "b", "c", "c"]);
        let free = held.swap_remove(3).secret().to_owned();
        assert_eq!(keys.take().unwrap().secret(), free);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_and_a_limited_key_stand_aside_for_their_time() {
        let keys = keys();
        let fault = |kind| Fault::new(kind, "");
        let [a, b, c] = [&keys.keys[0], &keys.keys[1], &keys.keys[2]];
        assert!(!keys.judge(a, &fault(ModelErrorKind::Server)));
        assert!(keys.judge(a, &fault(ModelErrorKind::KeyRejected)));
        assert!(
            keys.judge(b, &Fault { retry_after: Some(Duration::from_secs(30)), ..fault(ModelErrorKind::RateLimited) })
        );
        assert!((0..9).all(|_| keys.take().unwrap().secret() == "c"));
        assert!(!keys.judge(c, &fault(ModelErrorKind::RateLimited)));
        assert_eq!(keys.take().unwrap().secret(), "c", "its time ends first");
        tokio::time::advance(Duration::from_secs(31)).await;
        let names: Vec<String> = (0..4).map(|_| keys.take().unwrap().secret().to_owned()).collect();
        assert!(names.contains(&"b".to_owned()) && !names.contains(&"a".to_owned()), "{names:?}");
    }
}
