//! The face of this folder: a token in, a principal or a refusal out.
//!
//! ```text
//! SHA-256 -> remembered? -> not expired, key still known -> principal
//!                |no
//!                v
//! form (token) -> claims -> key (keys; may ask the issuer) -> algorithm of the key -> signature
//! ```
//!
//! The signature is the expensive step: well below a millisecond, once for a token. It runs where
//! the caller runs; handing it to another thread would cost more than it frees.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::claims::Expected;
use super::config::Config;
use super::error::Error;
use super::fetch::Source;
use super::jwks::Key;
use super::keys::KeyStore;
use super::principal::Principal;
use super::remembered::{Entry, Fingerprint, Remembered};
use super::token::{self, TOKEN_BYTES_MAX, Token};
use crate::clock::Clock;
use crate::tasks;

/// Longest token that is kept for a caller; those of applications have about 1 KiB.
const RECENT_BYTES_MAX: usize = 2 << 10;

/// Verifies tokens. Cheap to clone; the task that keeps the keys ends with the last clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    expected: Expected,
    keys: Arc<KeyStore>,
    remembered: Remembered,
    clock: Arc<dyn Clock>,
    _keeper: Keeper,
}

/// The token that one caller showed last, such as a connection, if it was good: most show the same
/// one again and again, and to compare it costs less than to hash it and to look for it. It is
/// checked for its expiry and for its key all the same.
#[derive(Default)]
pub struct Recent(Mutex<Option<(Box<str>, Arc<Entry>)>>);

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token.
        f.write_str("auth::Recent")
    }
}

/// The task that fetches keys; started by [`Tokens::new`], ended when the last clone goes.
#[derive(Debug)]
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tokens {
    /// Begins to fetch the issuer's keys in the background and does not wait for them. To be
    /// called within a runtime.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Tokens {
        let keys = Arc::new(KeyStore::new(clock.clone()));
        let keeping = keys.clone().keep(Source::new(&config));
        Tokens {
            inner: Arc::new(Inner {
                expected: Expected::new(config),
                keys,
                remembered: Remembered::default(),
                clock,
                _keeper: Keeper(tasks::spawn("token keys", keeping)),
            }),
        }
    }

    /// Who the token stands for. Waits for the issuer only where the token's key has not been
    /// seen. Cancel safe.
    pub async fn verify(&self, token: &str) -> Result<Arc<Principal>, Error> {
        Ok(self.inner.verify(token).await?.principal.clone())
    }

    /// The same, for a caller who showed a token before.
    pub async fn verify_again(
        &self,
        token: &str,
        recent: &Recent,
    ) -> Result<Arc<Principal>, Error> {
        let inner = &*self.inner;
        if let Some((text, entry)) = &*recent.0.lock()
            && **text == *token
            && inner.is_current(entry)
        {
            entry.check_expiry(inner.clock.now_ms())?;
            return Ok(entry.principal.clone());
        }
        // In a box, as it is the exception and its future is large.
        let entry = Box::pin(inner.verify(token)).await?;
        let principal = entry.principal.clone();
        if token.len() <= RECENT_BYTES_MAX {
            *recent.0.lock() = Some((token.into(), entry));
        }
        Ok(principal)
    }

    /// How many tokens are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.inner.remembered.len()
    }
}

impl Inner {
    async fn verify(&self, token: &str) -> Result<Arc<Entry>, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            // Not worth a hash; the refusal is that of its form.
            return token::read(token).and(Err(Error::Signature));
        }
        let now_ms = self.clock.now_ms();
        let fingerprint: Fingerprint = Sha256::digest(token).into();
        if let Some(entry) = self.remembered.get(&fingerprint) {
            if self.is_current(&entry) {
                entry.check_expiry(now_ms)?;
                return Ok(entry);
            }
            self.remembered.remove(&fingerprint);
        }
        self.verify_unseen(token, fingerprint, now_ms).await
    }

    /// Whether the key of a remembered token is still one of the issuer's.
    fn is_current(&self, entry: &Entry) -> bool {
        let generation = self.keys.generation();
        if entry.generation.load(Ordering::Relaxed) == generation {
            return true;
        }
        let known = self.keys.contains(&entry.kid, &entry.key);
        if known {
            entry.generation.store(generation, Ordering::Relaxed);
        }
        known
    }

    async fn verify_unseen(
        &self,
        text: &str,
        fingerprint: Fingerprint,
        now_ms: i64,
    ) -> Result<Arc<Entry>, Error> {
        let mut token = token::read(text)?;
        let principal = self
            .expected
            .check(std::mem::take(&mut token.claims), now_ms)?;
        // Before the key: a key that goes meanwhile then counts as gone.
        let generation = self.keys.generation();
        let key = self.keys.find(&token.kid).await?;
        check_signature(&token, &key)?;
        let principal = Arc::new(principal);
        let entry = Arc::new(Entry::new(
            principal,
            token.kid,
            key,
            generation,
            text.len(),
        ));
        self.remembered.insert(fingerprint, entry.clone());
        Ok(entry)
    }
}

fn check_signature(token: &Token<'_>, key: &Key) -> Result<(), Error> {
    let algorithm = token.algorithm;
    if !key.algorithms.contains(&algorithm) {
        return Err(Error::AlgorithmOfKey {
            found: algorithm.name(),
            expected: key.algorithms.first().map_or("", |it| it.name()),
        });
    }
    let verified = jsonwebtoken::crypto::verify(
        token.signature,
        token.signed.as_bytes(),
        &key.decoding,
        algorithm.of_library(),
    );
    match verified {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Error::Signature),
    }
}
