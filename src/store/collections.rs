//! Collections: what entries belong to, and what a key may be limited to.

use super::{Error, Store};

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
}

impl Store {
    /// Makes a collection; one that is there already stays as it is. Whether it is new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_collection(
        &self,
        actor: &str,
        name: &str,
        description: &str,
    ) -> Result<bool, Error> {
        let mut write = self.write().await?;
        let made = sqlx::query(
            "INSERT INTO collections (name, description, created_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(description)
        .bind(write.at_ms)
        .execute(&mut *write.transaction)
        .await?;
        let is_new = made.rows_affected() == 1;
        if is_new {
            write.audit(actor, "create collection", name).await?;
        }
        write.commit().await?;
        Ok(is_new)
    }

    /// All collections, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn collections(&self) -> Result<Vec<Collection>, Error> {
        let all = "SELECT name, description, created_ms FROM collections ORDER BY name";
        Ok(sqlx::query_as(all).fetch_all(&self.pool).await?)
    }

    /// The collection of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn collection(&self, name: &str) -> Result<Option<Collection>, Error> {
        let one = "SELECT name, description, created_ms FROM collections WHERE name = $1";
        let found = sqlx::query_as(one).bind(name);
        Ok(found.fetch_optional(&self.pool).await?)
    }

    /// Deletes an empty collection.
    ///
    /// # Errors
    /// When there is none of this name, or it has entries.
    pub async fn delete_collection(&self, actor: &str, name: &str) -> Result<(), Error> {
        let mut write = self.write().await?;
        let held: Option<(String,)> =
            sqlx::query_as("SELECT id FROM entries WHERE collection = $1 LIMIT 1")
                .bind(name)
                .fetch_optional(&mut *write.transaction)
                .await?;
        if held.is_some() {
            return Err(Error::NotEmpty(name.into()));
        }
        let gone = sqlx::query("DELETE FROM collections WHERE name = $1")
            .bind(name)
            .execute(&mut *write.transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(Error::NoCollection(name.into()));
        }
        write.audit(actor, "delete collection", name).await?;
        write.commit().await
    }
}
