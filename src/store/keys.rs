//! API keys: 256 random bits of which only a hash is kept.

use super::{Error, Store, now_ms};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// What a key may do; each scope includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask.
    Read,
    /// Add, change and delete entries.
    Write,
    /// Manage collections and keys.
    Admin,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    fn of(name: &str) -> Result<Self, Error> {
        match name {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            other => Err(Error::Damaged(format!("a key with the scope `{other}`"))),
        }
    }
}

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The only collection besides the shipped corpus that it sees; all without one.
    pub collection: Option<String>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// A key as it is kept: what it was made of is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The part of the key that is no secret.
    pub id: String,
    /// What it is for and may do.
    pub about: NewKey,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

/// What a key allows whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Id of the key.
    pub key: String,
    /// What it may do.
    pub scope: Scope,
    /// The only collection besides the shipped corpus that it sees; all without one.
    pub collection: Option<String>,
}

/// A key in full, shown once: `netkin_ID_SECRET`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text to hand to the owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Never shows the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Secret(…)")
    }
}

/// The keys that were not revoked when it was made.
#[derive(Clone, Debug, Default)]
pub struct Keyring(HashMap<String, (blake3::Hash, ApiKey)>);

impl Keyring {
    /// What `secret` allows; none when it is no key or has ended.
    pub fn access(&self, secret: &str) -> Option<Access> {
        let (id, secret) = secret.strip_prefix(PREFIX)?.split_once('_')?;
        let found = self.0.get(id);
        // An unknown id costs the same as a wrong secret.
        let kept = found.map_or_else(|| blake3::Hash::from_bytes([0; 32]), |(hash, _)| *hash);
        // Equality of these hashes takes the same time wherever they differ.
        let is_it = kept == hash(secret);
        let (_, key) = found.filter(|_| is_it)?;
        let is_over = key.about.expires_ms.is_some_and(|end| end <= now_ms());
        (!is_over).then(|| Access {
            key: key.id.clone(),
            scope: key.about.scope,
            collection: key.about.collection.clone(),
        })
    }
}

const PREFIX: &str = "netkin_";
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 12;

type KeyRow = (
    String,
    String,
    Vec<u8>,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
);

impl Store {
    /// Makes a key from 256 bits of `random`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_key(
        &self,
        actor: &str,
        key: &NewKey,
        random: [u8; 32],
    ) -> Result<(ApiKey, Secret), Error> {
        let secret = hex(&random);
        // The id follows from the secret, by another hash than the one that is kept.
        let id = hex(blake3::derive_key("netkin 1 id of an API key", &random).as_slice());
        let id = id[..ID_DIGITS].to_owned();
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO api_keys (id, name, hash, scope, collection, created_ms, expires_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&id)
        .bind(&key.name)
        .bind(hash(&secret).as_bytes().as_slice())
        .bind(key.scope.name())
        .bind(&key.collection)
        .bind(write.at_ms)
        .bind(key.expires_ms)
        .execute(&mut *write.transaction)
        .await?;
        write.audit(actor, "create key", &id).await?;
        let made = ApiKey {
            id: id.clone(),
            about: key.clone(),
            created_ms: write.at_ms,
            revoked_ms: None,
        };
        write.commit().await?;
        Ok((made, Secret(format!("{PREFIX}{id}_{secret}"))))
    }

    /// What every key allows, to be asked without the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keyring(&self) -> Result<Keyring, Error> {
        let rows: Vec<KeyRow> = sqlx::query_as(
            "SELECT id, name, hash, scope, collection, created_ms, expires_ms, revoked_ms FROM api_keys \
             WHERE revoked_ms IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut keys = HashMap::with_capacity(rows.len());
        for row in rows {
            let hash = blake3::Hash::from_slice(&row.2)
                .map_err(|_| Error::Damaged(format!("the hash of key {}", row.0)))?;
            let key = key(row)?;
            keys.insert(key.id.clone(), (hash, key));
        }
        Ok(Keyring(keys))
    }

    /// All keys, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        let rows: Vec<KeyRow> = sqlx::query_as(
            "SELECT id, name, hash, scope, collection, created_ms, expires_ms, revoked_ms FROM api_keys ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(key).collect()
    }

    /// Lets a key end at `end_ms`, or earlier where it would; whether there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_key(&self, actor: &str, id: &str, end_ms: i64) -> Result<bool, Error> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE api_keys SET expires_ms = $2 WHERE id = $1 AND revoked_ms IS NULL \
             AND (expires_ms IS NULL OR expires_ms > $2)",
        )
        .bind(id)
        .bind(end_ms)
        .execute(&mut *write.transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        write.audit(actor, "end key", id).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Ends a key at once; whether there was one that had not ended so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke_key(&self, actor: &str, id: &str) -> Result<bool, Error> {
        let mut write = self.write().await?;
        let done =
            sqlx::query("UPDATE api_keys SET revoked_ms = $2 WHERE id = $1 AND revoked_ms IS NULL")
                .bind(id)
                .bind(write.at_ms)
                .execute(&mut *write.transaction)
                .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        write.audit(actor, "revoke key", id).await?;
        write.commit().await?;
        Ok(true)
    }
}

fn key(row: KeyRow) -> Result<ApiKey, Error> {
    let (id, name, _, scope, collection, created_ms, expires_ms, revoked_ms) = row;
    Ok(ApiKey {
        about: NewKey {
            scope: Scope::of(&scope)?,
            name,
            collection,
            expires_ms,
        },
        id,
        created_ms,
        revoked_ms,
    })
}

/// Secrets are random, so a fast hash keeps them as well as a slow one.
fn hash(secret: &str) -> blake3::Hash {
    blake3::hash(secret.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
