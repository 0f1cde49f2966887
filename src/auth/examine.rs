//! Asks the issuer for its keys once, for people who want to know whether tokens would work.

use super::config::Config;
use super::error::Error;
use super::fetch::Source;

/// How many usable keys the issuer gives now. Fails where it cannot be reached, or gives none.
pub async fn examine(config: &Config) -> Result<usize, Error> {
    let found = Source::new(config).fetch().await;
    let unavailable = |why: String| Error::KeysUnavailable {
        why: why.into(),
        retry_after_s: 1,
    };
    let found = found.map_err(unavailable)?;
    Ok(found.keys.len())
}
