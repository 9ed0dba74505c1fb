//! Gathers each module's own configuration: defaults, then a file, then the environment.
//!
//! `config/default.toml` holds every key, so it also decides which environment variables count and
//! of which type they are. An unknown key in a file is refused by name.

use crate::{api, engine, import, store, telemetry};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use toml::{Table, Value};

/// The defaults with their explanations.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder for local state.
    pub data_dir: PathBuf,
    /// Corpus and model.
    pub engine: engine::Config,
    /// The server.
    pub server: api::Config,
    /// The database.
    pub store: store::Config,
    /// Bounds on one model.
    pub limits: import::Limits,
    /// Logs.
    pub log: telemetry::Config,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not TOML, or a key or value in it is wrong.
    #[error("the settings are wrong: {0}")]
    Invalid(String),
    /// An environment variable has a value of the wrong type.
    #[error("{variable} must be {expected}, not `{value}`")]
    Variable {
        /// Its name.
        variable: String,
        /// The type it must have.
        expected: &'static str,
        /// Its value.
        value: String,
    },
}

impl Settings {
    /// The defaults, overridden by the text of a file and by `environment`.
    ///
    /// # Errors
    /// When a key is unknown or a value has the wrong type.
    pub fn gather(
        file: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let invalid = |error: toml::de::Error| Error::Invalid(error.message().to_owned());
        let mut table: Table = DEFAULTS.parse().map_err(invalid)?;
        let defaults = table.clone();
        if let Some(text) = file {
            overlay(&mut table, text.parse().map_err(invalid)?);
        }
        apply(&mut table, &defaults, "NETKIN", &environment)?;
        Self::deserialize(table).map_err(invalid)
    }
}

fn overlay(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => overlay(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn apply(
    table: &mut Table,
    defaults: &Table,
    prefix: &str,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    for (key, default) in defaults {
        let variable = format!("{prefix}_{}", key.to_uppercase());
        if let (Value::Table(defaults), Some(Value::Table(table))) = (default, table.get_mut(key)) {
            apply(table, defaults, &variable, environment)?;
            continue;
        }
        if let Some(text) = environment(&variable) {
            table.insert(key.clone(), typed(&variable, text, default)?);
        }
    }
    Ok(())
}

fn typed(variable: &str, text: String, default: &Value) -> Result<Value, Error> {
    let (parsed, expected) = match default {
        Value::Integer(_) => (text.parse().ok().map(Value::Integer), "a whole number"),
        Value::Float(_) => (text.parse().ok().map(Value::Float), "a number"),
        Value::Boolean(_) => (text.parse().ok().map(Value::Boolean), "true or false"),
        Value::Array(_) => (list(&text), "a TOML list"),
        _ => (Some(Value::String(text.clone())), "a text"),
    };
    parsed.ok_or_else(|| Error::Variable {
        variable: variable.to_owned(),
        expected,
        value: text,
    })
}

fn list(text: &str) -> Option<Value> {
    let table: Table = format!("list = {text}").parse().ok()?;
    table.get("list").filter(|value| value.is_array()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::gather(file, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let file = "[server]\nworkers = 3\nqueue = 5";
        let variables = [
            ("NETKIN_SERVER_QUEUE", "7"),
            ("NETKIN_SERVER_CORS_ORIGINS", r#"["https://a.example"]"#),
            ("NETKIN_ENGINE_VARIANT_SIMILARITY", "0.5"),
        ];
        let settings = gather(Some(file), &variables).unwrap();
        assert_eq!((settings.server.workers, settings.server.queue), (3, 7));
        assert_eq!(settings.server.cors_origins, ["https://a.example"]);
        assert_eq!(settings.engine.variant_similarity, 0.5);
        assert_eq!(settings.limits, import::Limits::default());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = gather(Some("[server]\ncolour = 1"), &[]).unwrap_err();
        assert!(error.to_string().contains("`colour`"), "{error}");
    }

    #[test]
    fn a_variable_of_the_wrong_type_is_refused_by_name() {
        let error = gather(None, &[("NETKIN_SERVER_QUEUE", "many")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "NETKIN_SERVER_QUEUE must be a whole number, not `many`"
        );
    }

    #[test]
    fn every_key_is_explained() {
        let mut before = "";
        for line in DEFAULTS.lines() {
            let is_key = line.contains(" = ") && !line.starts_with('#');
            assert!(
                !is_key || before.starts_with('#'),
                "`{line}` has no comment"
            );
            before = line;
        }
    }
}
