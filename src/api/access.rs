//! Who asks, what they may do, and how often.
//!
//! Keys are checked against what is in memory: a check costs no database, and works while there is
//! none. A handler says what it takes by the type of its first argument: [`Reader`], [`Writer`] or
//! [`Admin`].

use super::Config;
use super::State;
use super::asked::Text;
use super::error::Failure;
use crate::engine::{PUBLIC, Viewer};
use crate::store::{Access, Keyring, Scope};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::{Deserialize, Serialize};
use std::net::ToSocketAddrs;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};

/// When a request needs a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// Always, unless only this machine can reach the server.
    Auto,
    /// Always.
    Required,
}

/// Whoever sent a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Name for the audit: the id of the key.
    pub(super) actor: String,
    pub(super) scope: Scope,
    pub(super) viewer: Viewer,
}

/// A caller who may ask.
pub(super) struct Reader(pub(super) Caller);
/// A caller who may add, change and delete entries.
pub(super) struct Writer(pub(super) Caller);
/// A caller who may manage collections and keys.
pub(super) struct Admin(pub(super) Caller);

/// The keys, and how much each has asked lately.
pub(super) struct Guard {
    needs_key: bool,
    keyring: RwLock<Arc<Keyring>>,
    limiter: RwLock<Option<Arc<DefaultKeyedRateLimiter<String>>>>,
}

impl Guard {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            needs_key: config.keys == Keys::Required || !is_loopback(&config.listen),
            keyring: RwLock::default(),
            limiter: RwLock::new(limiter(config)),
        }
    }

    /// From now on these keys open.
    pub(super) fn set_keyring(&self, keyring: Keyring) {
        let place = self.keyring.write();
        *place.unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
    }

    /// From now on these limits hold; what was asked before is forgotten.
    pub(super) fn set_limits(&self, config: &Config) {
        let place = self.limiter.write();
        *place.unwrap_or_else(PoisonError::into_inner) = limiter(config);
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        let Some(secret) = secret(headers)? else {
            return if self.needs_key {
                Err(no_key())
            } else {
                Ok(Caller::local())
            };
        };
        let keyring = self.keyring.read();
        let keyring = Arc::clone(&keyring.unwrap_or_else(PoisonError::into_inner));
        let caller = Caller::from(keyring.access(secret).ok_or_else(bad_key)?);
        self.count(&caller)?;
        Ok(caller)
    }

    fn count(&self, caller: &Caller) -> Result<(), Failure> {
        let limiter = self.limiter.read();
        let Some(limiter) = limiter.unwrap_or_else(PoisonError::into_inner).clone() else {
            return Ok(());
        };
        limiter.check_key(&caller.actor).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Failure::too_many(wait)
        })
    }
}

impl Caller {
    /// Without keys, whoever reaches the server is its owner.
    fn local() -> Self {
        Self {
            actor: "local".to_owned(),
            scope: Scope::Admin,
            viewer: Viewer::All,
        }
    }

    fn with_scope(self, needed: Scope) -> Result<Self, Failure> {
        if self.scope >= needed {
            return Ok(self);
        }
        let needed = match needed {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        };
        Err(Failure::new(
            StatusCode::FORBIDDEN,
            "scope",
            format!("This key may not do that; use one with the scope `{needed}`."),
        ))
    }

    /// The collection to work on: the one that is named, or the one that the key is limited to.
    pub(super) fn target(&self, named: Option<Text>) -> Result<String, Failure> {
        let named = named.map(|name| name.0);
        let own = match &self.viewer {
            Viewer::All => None,
            Viewer::Collection(own) => Some(own.clone()),
        };
        let target = named.or(own).ok_or_else(|| {
            Failure::bad_request("no_collection", "Name a collection: `?collection=…`.")
        })?;
        self.may_change(&target).map(|()| target)
    }

    /// Refused unless this caller may change what is in `collection`. What a caller does not see is not
    /// there.
    pub(super) fn may_change(&self, collection: &str) -> Result<(), Failure> {
        if collection == PUBLIC {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                "public_collection",
                "The collection `public` is the shipped corpus and cannot be changed; name another one.",
            ));
        }
        if self.viewer.sees(collection) {
            return Ok(());
        }
        Err(Failure::no_collection(collection))
    }

    /// Refused for callers who see one collection alone.
    pub(super) fn sees_all(&self) -> Result<(), Failure> {
        match self.viewer {
            Viewer::All => Ok(()),
            Viewer::Collection(_) => Err(Failure::new(
                StatusCode::FORBIDDEN,
                "limited_key",
                "This key is limited to one collection; use one that is not.",
            )),
        }
    }
}

impl From<Access> for Caller {
    fn from(access: Access) -> Self {
        Self {
            actor: access.key,
            scope: access.scope,
            viewer: access.collection.map_or(Viewer::All, Viewer::Collection),
        }
    }
}

impl FromRequestParts<State> for Reader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        state
            .guard()
            .caller(&parts.headers)?
            .with_scope(Scope::Read)
            .map(Self)
    }
}

impl FromRequestParts<State> for Writer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        state
            .guard()
            .caller(&parts.headers)?
            .with_scope(Scope::Write)
            .map(Self)
    }
}

impl FromRequestParts<State> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        state
            .guard()
            .caller(&parts.headers)?
            .with_scope(Scope::Admin)
            .map(Self)
    }
}

/// Whether only this machine can reach `listen`. What cannot be resolved cannot be listened on.
fn is_loopback(listen: &str) -> bool {
    let addresses = listen.to_socket_addrs();
    addresses.is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
}

fn limiter(config: &Config) -> Option<Arc<DefaultKeyedRateLimiter<String>>> {
    let rate = NonZeroU32::new(config.requests_per_second)?;
    let burst = NonZeroU32::new(config.burst).unwrap_or(rate);
    let quota = Quota::per_second(rate).allow_burst(burst);
    Some(Arc::new(RateLimiter::keyed(quota)))
}

/// The key after `Authorization: Bearer`.
fn secret(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let (scheme, secret) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(secret.trim()));
    }
    Err(bad_key())
}

fn no_key() -> Failure {
    Failure::unauthorised(
        "no_key",
        "This server needs an API key; send it as `Authorization: Bearer netkin_…`.",
    )
}

fn bad_key() -> Failure {
    Failure::unauthorised(
        "bad_key",
        "This is no API key, or it has ended; ask whoever runs the server for another one.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_needs_no_key() {
        for open in ["127.0.0.1:80", "127.8.8.8:1", "[::1]:80", "localhost:80"] {
            assert!(is_loopback(open), "{open}");
        }
        for closed in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "nonsense"] {
            assert!(!is_loopback(closed), "{closed}");
        }
    }

    #[test]
    fn a_caller_may_not_do_more_than_the_scope_of_the_key() {
        let reader = Caller {
            scope: Scope::Read,
            ..Caller::local()
        };
        assert_eq!(
            reader.clone().with_scope(Scope::Write).unwrap_err().code,
            "scope"
        );
        assert!(reader.with_scope(Scope::Read).is_ok());
    }

    #[test]
    fn a_limited_caller_changes_its_own_collection_alone() {
        let caller = Caller {
            viewer: Viewer::Collection("own".into()),
            ..Caller::local()
        };
        assert!(caller.may_change("own").is_ok());
        // The same as for a collection that is not there.
        assert_eq!(
            caller.may_change("other").unwrap_err().code,
            "unknown_collection"
        );
        assert_eq!(
            caller.may_change(PUBLIC).unwrap_err().code,
            "public_collection"
        );
        assert!(caller.sees_all().is_err());
    }
}
