//! Checking passwords: slowly once, quickly for a while after.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::Clock;
use tokio::sync::Semaphore;

use super::htpasswd::Htpasswd;
use crate::settings::Random;

/// How long a password that was right is remembered, in milliseconds. One
/// push sends it with dozens of requests; a bcrypt check takes tens of
/// milliseconds of a processor.
const REMEMBERED: u64 = 60_000;

/// How many passwords are remembered at most.
const REMEMBERED_LIMIT: usize = 4096;

/// The checks that run at once: each takes a whole processor for a while, and
/// wrong passwords must not take all of them.
const CHECKS_AT_ONCE: usize = 2;

/// Checks passwords against a file of hashes.
pub(super) struct Passwords {
    file: Htpasswd,
    clock: Clock,
    key: [u8; 32],
    /// When each keyed hash of a right user and password is forgotten.
    right: Mutex<HashMap<[u8; 32], u64>>,
    checks: Semaphore,
}

impl Passwords {
    pub(super) fn new(file: Htpasswd, clock: &Clock, random: &Random) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&random.next().to_le_bytes());
        key[16..].copy_from_slice(&random.next().to_le_bytes());
        Self {
            file,
            clock: clock.clone(),
            key,
            right: Mutex::default(),
            checks: Semaphore::new(CHECKS_AT_ONCE),
        }
    }

    /// Says whether this is the user's password.
    pub(super) async fn accept(&self, user: &str, password: &str) -> bool {
        let fingerprint = self.fingerprint(user, password);
        let now = self.clock.now();
        // What is looked up is the output of a keyed hash, so that the time
        // it takes tells nothing of the password.
        if self
            .remembered()
            .get(&fingerprint)
            .is_some_and(|until| *until > now)
        {
            return true;
        }
        let accepted = self.check(user, password).await;
        if accepted {
            let mut remembered = self.remembered();
            if remembered.len() >= REMEMBERED_LIMIT {
                remembered.retain(|_, until| *until > now);
            }
            if remembered.len() < REMEMBERED_LIMIT {
                remembered.insert(fingerprint, now + REMEMBERED);
            }
        }
        accepted
    }

    async fn check(&self, user: &str, password: &str) -> bool {
        let known = self.file.hash(user);
        let Some(hash) = known.or_else(|| self.file.any_hash()) else {
            return false;
        };
        let (hash, password) = (hash.to_owned(), password.to_owned());
        // The semaphore is never closed.
        let Ok(_turn) = self.checks.acquire().await else {
            return false;
        };
        // `verify` compares in constant time.
        let right =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        right.await.unwrap_or(false) && known.is_some()
    }

    fn fingerprint(&self, user: &str, password: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&(user.len() as u64).to_le_bytes());
        mac.update(user.as_bytes());
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<[u8; 32], u64>> {
        // A map is whole whatever its holder panicked on.
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn right_passwords_are_remembered_for_a_minute() {
        let hash = bcrypt::hash("secret", 4).expect("hashes");
        let file = Htpasswd::parse(&format!("alice:{hash}")).expect("valid");
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let clock = Clock::new(move || clock.load(Ordering::Relaxed));
        let passwords = Passwords::new(file, &clock, &Random::new(|| 7));
        assert!(!passwords.accept("alice", "wrong").await);
        assert!(!passwords.accept("mallory", "secret").await);
        assert!(passwords.remembered().is_empty());
        assert!(passwords.accept("alice", "secret").await);
        assert_eq!(
            passwords.remembered().values().copied().collect::<Vec<_>>(),
            [60_000]
        );
        // With every check taken, only what is remembered is accepted.
        let _taken = passwords.checks.acquire_many(2).await.expect("open");
        assert!(passwords.accept("alice", "secret").await);
        now.store(60_000, Ordering::Relaxed);
        drop(_taken);
        assert!(passwords.accept("alice", "secret").await);
        assert_eq!(
            passwords.remembered().values().copied().collect::<Vec<_>>(),
            [120_000]
        );
    }

    #[test]
    fn user_and_password_do_not_run_together() {
        let file = Htpasswd::parse(&format!("a:{}", bcrypt::hash("x", 4).expect("hashes")))
            .expect("valid");
        let passwords = Passwords::new(file, &Clock::new(|| 0), &Random::new(|| 7));
        assert_ne!(
            passwords.fingerprint("ab", "c"),
            passwords.fingerprint("a", "bc")
        );
    }
}
