//! API keys from the command line: how the first one is made, and a way in when all are lost.

use crate::args::{Keys, Scope as ScopeArgument};
use crate::failure::Failure;
use crate::render;
use netkin::settings::Settings;
use netkin::store::{ApiKey, NewKey, Scope, Store};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who made a change, in the audit.
const ACTOR: &str = "command";

/// A key as it is printed.
#[derive(Serialize)]
struct Printed {
    id: String,
    name: String,
    scope: Scope,
    collection: Option<String>,
    revoked: bool,
    /// Only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

pub(crate) fn run(command: Keys, settings: &Settings) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = open(settings).await?;
        let answer = answer(command, &store).await;
        store.close().await;
        answer
    })
}

pub(crate) async fn open(settings: &Settings) -> Result<Store, Failure> {
    std::fs::create_dir_all(&settings.data_dir).map_err(|error| Failure::Unwritable {
        path: settings.data_dir.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Store::open(&settings.store).await?)
}

async fn answer(command: Keys, store: &Store) -> Result<String, Failure> {
    match command {
        Keys::Create {
            name,
            scope,
            collection,
            expires_in_s,
            output,
        } => {
            let new = NewKey {
                name,
                scope: scope.into(),
                collection,
                expires_ms: expires_in_s.map(in_seconds),
            };
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(std::io::Error::other)?;
            let (key, secret) = store.create_key(ACTOR, &new, random).await?;
            let printed = printed(key, Some(secret.reveal().to_owned()));
            Ok(crate::commands::in_format(output.format, &printed, |key| {
                render::fields(&serde_json::json!(key))
            }))
        }
        Keys::List { output } => {
            let keys = store.keys().await?.into_iter();
            let keys: Vec<Printed> = keys.map(|key| printed(key, None)).collect();
            Ok(crate::commands::in_format(output.format, &keys, |keys| {
                let keys = keys
                    .iter()
                    .map(|key| render::fields(&serde_json::json!(key)));
                keys.collect::<Vec<_>>().join("\n\n")
            }))
        }
        Keys::Revoke { id } => {
            if store.revoke_key(ACTOR, &id).await? {
                return Ok(String::new());
            }
            Err(Failure::UnknownKey(id))
        }
    }
}

fn in_seconds(seconds: u32) -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX) + i64::from(seconds) * 1_000
}

fn printed(key: ApiKey, secret: Option<String>) -> Printed {
    Printed {
        id: key.id,
        name: key.about.name,
        scope: key.about.scope,
        collection: key.about.collection,
        revoked: key.revoked_ms.is_some(),
        secret,
    }
}

impl From<ScopeArgument> for Scope {
    fn from(scope: ScopeArgument) -> Self {
        match scope {
            ScopeArgument::Read => Self::Read,
            ScopeArgument::Write => Self::Write,
            ScopeArgument::Admin => Self::Admin,
        }
    }
}
