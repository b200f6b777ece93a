//! Passwords: hashed with Argon2id, a few at a time, so that nobody fills the machine by guessing.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU32, Ordering},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::app::AppError;

/// Hashes at the same time; each takes 19 MB.
const AT_ONCE: usize = 2;
/// Callers that wait for one.
const WAITING: u32 = 64;

/// What an account without a password would have: whoever names an address that has no account waits as long as all
/// others do.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody at all").ok());

/// Where passwords are hashed.
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    waiting: AtomicU32,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicU32::new(0) }
    }
}

impl Passwords {
    /// The hash of a new password, with its salt and parameters.
    pub async fn hash(&self, password: &str) -> Result<String, AppError> {
        let password = password.to_owned();
        self.in_turn(move || hash_now(&password)).await?
    }

    /// Whether a password is the one that was hashed; takes as long where there is none.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, AppError> {
        let (password, known, hash) = (password.to_owned(), hash.is_some(), hash.map(str::to_owned));
        self.in_turn(move || {
            let Some(hash) = hash.or_else(|| NOBODY.clone()) else { return false };
            let fits = PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
            fits && known
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
        let waiting = Waiting::enter(&self.waiting)?;
        let place = self.places.clone().acquire_owned().await.map_err(AppError::internal)?;
        drop(waiting);
        // The place goes with the work, also where the caller goes away.
        let work = move || {
            let done = work();
            drop(place);
            done
        };
        spawn_blocking(work).await.map_err(AppError::internal)
    }
}

/// A caller that waits for its turn.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicU32) -> Result<Self, AppError> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Err(AppError::overloaded("too many people sign in at this moment; try again in a moment"));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash_now(password: &str) -> Result<String, AppError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(AppError::internal)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_fits() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse ", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse", Some("not a hash")).await.unwrap());
        assert!(!passwords.verify("nobody at all", None).await.unwrap());
    }

    #[test]
    fn only_so_many_wait() {
        let count = AtomicU32::new(0);
        let all: Vec<_> = (0..WAITING).map(|_| Waiting::enter(&count).unwrap()).collect();
        assert!(Waiting::enter(&count).is_err());
        drop(all);
        assert!(Waiting::enter(&count).is_ok());
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
