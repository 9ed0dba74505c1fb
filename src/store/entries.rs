//! Entries: architectures that somebody added, each once in its collection.

use super::write::Write;
use super::{ChangeKind, Error, Store};
use crate::embedding::Embedding;
use crate::graph::Digest;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

/// What is known of an entry besides its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The collection it belongs to.
    pub collection: String,
    /// Exact structural digest: an architecture is in a collection once.
    pub digest: Digest,
    /// Digest without widths.
    pub coarse_digest: Digest,
    /// Number of operators.
    pub operators: i64,
    /// Number of edges.
    pub edges: i64,
    /// Number of parameters.
    pub parameters: i64,
    /// Floating-point operations of one pass.
    pub flops: i64,
    /// What its owner says of it.
    pub edit: Edit,
}

/// An entry that is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// What is known of it.
    pub description: Description,
    /// The raw graph, encoded by the caller.
    pub graph: Vec<u8>,
    /// Its embedding and the version of the model that made it.
    pub embedding: Option<(String, Embedding)>,
}

/// What an owner may say of an entry, and change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// What its owner calls it.
    pub name: String,
    /// Family, such as `resnet`.
    pub family: Option<String>,
    /// Coarse family.
    pub coarse_family: Option<String>,
    /// What it is for, such as `object-detection`.
    pub task: Option<String>,
    /// Where it comes from.
    pub source: Option<String>,
    /// Anything else, a JSON object.
    pub metadata: String,
}

/// A stored entry without its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `COLLECTION/` and the digest: the same architecture has the same id.
    pub id: String,
    /// What is known of it.
    pub description: Description,
    /// When it was added, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
}

/// What came of an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Id of the entry.
    pub id: String,
    /// Whether it is new; the one that was there is left as it was.
    pub is_new: bool,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Entries in the order of their ids.
    pub entries: Vec<Entry>,
    /// What to pass as `after` for the next part; none at the end.
    pub next: Option<String>,
}

const COLUMNS: &str = "id, collection, name, digest, coarse_digest, operators, edges, parameters, flops, \
                       family, coarse_family, task, source, metadata, created_ms, updated_ms";

impl Store {
    /// Stores entries with their embeddings, all or none.
    ///
    /// # Errors
    /// When a collection is missing or the database does not answer.
    pub async fn insert(&self, actor: &str, entries: &[NewEntry]) -> Result<Vec<Inserted>, Error> {
        let mut write = self.write().await?;
        let mut inserted = Vec::with_capacity(entries.len());
        for entry in entries {
            inserted.push(write.insert(actor, entry).await?);
        }
        write.commit().await?;
        Ok(inserted)
    }

    /// The entries with these ids that there are, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn entries(&self, ids: &[String]) -> Result<Vec<Entry>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT {COLUMNS} FROM entries WHERE id IN ({})",
            places(1, ids.len())
        );
        // The text holds numbers of places alone.
        let mut query = sqlx::query_as(AssertSqlSafe(text));
        for id in ids {
            query = query.bind(id);
        }
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// The raw graph of an entry, as it was stored.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn graph(&self, id: &str) -> Result<Option<Vec<u8>>, Error> {
        let found: Option<(Vec<u8>,)> = sqlx::query_as("SELECT graph FROM entries WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.map(|(graph,)| graph))
    }

    /// The raw graphs of the entries with these ids, as they were stored, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn graphs(&self, ids: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = places(1, ids.len());
        // The text holds numbers of places alone.
        let text = format!("SELECT id, graph FROM entries WHERE id IN ({places})");
        let mut query = sqlx::query_as(AssertSqlSafe(text));
        for id in ids {
            query = query.bind(id);
        }
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// At most `limit` entries of a collection, those after the id `after`, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, collection: &str, after: &str, limit: u32) -> Result<Page, Error> {
        let text = format!(
            "SELECT {COLUMNS} FROM entries WHERE collection = $1 AND id > $2 ORDER BY id LIMIT $3"
        );
        let mut entries: Vec<Entry> = sqlx::query_as(AssertSqlSafe(text))
            .bind(collection)
            .bind(after)
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let has_more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let last = entries.last().filter(|_| has_more);
        Ok(Page {
            next: last.map(|entry| entry.id.clone()),
            entries,
        })
    }

    /// Changes what an owner says of an entry; whether there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn edit(
        &self,
        actor: &str,
        id: &str,
        change: impl FnOnce(&mut Edit) + Send,
    ) -> Result<bool, Error> {
        let mut write = self.write().await?;
        // Nobody else writes until this is done, so no change of another field is lost.
        let Some(mut edit) = write.said_of(id).await? else {
            return Ok(false);
        };
        change(&mut edit);
        sqlx::query(
            "UPDATE entries SET name = $2, family = $3, coarse_family = $4, task = $5, source = $6, \
             metadata = $7, updated_ms = $8 WHERE id = $1",
        )
        .bind(id)
        .bind(&edit.name)
        .bind(&edit.family)
        .bind(&edit.coarse_family)
        .bind(&edit.task)
        .bind(&edit.source)
        .bind(&edit.metadata)
        .bind(write.at_ms)
        .execute(&mut *write.transaction)
        .await?;
        write.changed(id, ChangeKind::Written).await?;
        write.audit(actor, "edit", id).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Deletes an entry with its embeddings; whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete(&self, actor: &str, id: &str) -> Result<bool, Error> {
        let mut write = self.write().await?;
        let gone = sqlx::query("DELETE FROM entries WHERE id = $1")
            .bind(id)
            .execute(&mut *write.transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        write.changed(id, ChangeKind::Deleted).await?;
        write.audit(actor, "delete", id).await?;
        write.commit().await?;
        Ok(true)
    }
}

impl Write {
    async fn insert(&mut self, actor: &str, new: &NewEntry) -> Result<Inserted, Error> {
        let entry = &new.description;
        let id = format!("{}/{}", entry.collection, entry.digest);
        let is_new = self.put(&id, new).await?;
        if is_new {
            self.changed(&id, ChangeKind::Written).await?;
            self.audit(actor, "insert", &id).await?;
        } else {
            self.require_collection(&entry.collection).await?;
        }
        if let Some((model, embedding)) = &new.embedding {
            self.put_embedding(&id, model, embedding).await?;
        }
        Ok(Inserted { id, is_new })
    }

    /// Whether it was not there; nothing is done without its collection.
    async fn put(&mut self, id: &str, new: &NewEntry) -> Result<bool, Error> {
        let NewEntry {
            description: entry,
            graph,
            ..
        } = new;
        // A collection that is deleted meanwhile has waited for the clock, so it is seen here.
        let made = sqlx::query(
            "INSERT INTO entries (id, collection, name, digest, coarse_digest, operators, edges, parameters, \
             flops, family, coarse_family, task, source, metadata, graph, created_ms, updated_ms) \
             SELECT $1, name, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15 \
             FROM collections WHERE name = $16 ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(&entry.edit.name)
        .bind(entry.digest.0.as_slice())
        .bind(entry.coarse_digest.0.as_slice())
        .bind(entry.operators)
        .bind(entry.edges)
        .bind(entry.parameters)
        .bind(entry.flops)
        .bind(&entry.edit.family)
        .bind(&entry.edit.coarse_family)
        .bind(&entry.edit.task)
        .bind(&entry.edit.source)
        .bind(&entry.edit.metadata)
        .bind(graph.as_slice())
        .bind(self.at_ms)
        .bind(&entry.collection)
        .execute(&mut *self.transaction)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    async fn require_collection(&mut self, name: &str) -> Result<(), Error> {
        let found: Option<(String,)> =
            sqlx::query_as("SELECT name FROM collections WHERE name = $1")
                .bind(name)
                .fetch_optional(&mut *self.transaction)
                .await?;
        found
            .map(|_| ())
            .ok_or_else(|| Error::NoCollection(name.into()))
    }

    async fn said_of(&mut self, id: &str) -> Result<Option<Edit>, Error> {
        let text = format!("SELECT {COLUMNS} FROM entries WHERE id = $1");
        let found: Option<Entry> = sqlx::query_as(AssertSqlSafe(text))
            .bind(id)
            .fetch_optional(&mut *self.transaction)
            .await?;
        Ok(found.map(|entry| entry.description.edit))
    }
}

impl<'r> FromRow<'r, AnyRow> for Entry {
    fn from_row(row: &'r AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            description: Description {
                collection: row.try_get("collection")?,
                digest: digest(row, "digest")?,
                coarse_digest: digest(row, "coarse_digest")?,
                operators: row.try_get("operators")?,
                edges: row.try_get("edges")?,
                parameters: row.try_get("parameters")?,
                flops: row.try_get("flops")?,
                edit: Edit {
                    name: row.try_get("name")?,
                    family: row.try_get("family")?,
                    coarse_family: row.try_get("coarse_family")?,
                    task: row.try_get("task")?,
                    source: row.try_get("source")?,
                    metadata: row.try_get("metadata")?,
                },
            },
            created_ms: row.try_get("created_ms")?,
            updated_ms: row.try_get("updated_ms")?,
        })
    }
}

/// `$1, $2, …`: the numbers of `count` places from `first` on.
pub(super) fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

fn digest(row: &AnyRow, column: &str) -> Result<Digest, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    let bytes = bytes.as_slice().try_into();
    bytes.map(Digest).map_err(|_| sqlx::Error::ColumnDecode {
        index: column.into(),
        source: "a digest has 16 bytes".into(),
    })
}
