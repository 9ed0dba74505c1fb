//! Entries: architectures that somebody added, each once in its collection.

use super::{ChangeKind, Error, Store};
use crate::graph::Digest;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

/// What is known of an entry besides its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The collection it belongs to.
    pub collection: String,
    /// What its owner calls it.
    pub name: String,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What is known of it.
    pub description: Description,
    /// The raw graph, encoded by the caller.
    pub graph: Vec<u8>,
}

/// What an owner may say of an entry, and change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
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
    /// Stores entries, all or none.
    ///
    /// # Errors
    /// When a collection is missing or the database does not answer.
    pub async fn insert(&self, actor: &str, entries: &[NewEntry]) -> Result<Vec<Inserted>, Error> {
        let mut write = self.write().await?;
        let mut inserted = Vec::with_capacity(entries.len());
        for NewEntry {
            description: entry,
            graph,
        } in entries
        {
            let id = format!("{}/{}", entry.collection, entry.digest);
            let Edit {
                family,
                coarse_family,
                task,
                source,
                metadata,
            } = &entry.edit;
            // A collection that is deleted meanwhile has waited for the clock, so it is seen here.
            let made = sqlx::query(
                "INSERT INTO entries (id, collection, name, digest, coarse_digest, operators, edges, parameters, \
                 flops, family, coarse_family, task, source, metadata, graph, created_ms, updated_ms) \
                 SELECT $1, name, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15 \
                 FROM collections WHERE name = $16 ON CONFLICT (id) DO NOTHING",
            )
            .bind(&id)
            .bind(&entry.name)
            .bind(entry.digest.0.as_slice())
            .bind(entry.coarse_digest.0.as_slice())
            .bind(entry.operators)
            .bind(entry.edges)
            .bind(entry.parameters)
            .bind(entry.flops)
            .bind(family)
            .bind(coarse_family)
            .bind(task)
            .bind(source)
            .bind(metadata)
            .bind(graph.as_slice())
            .bind(write.at_ms)
            .bind(&entry.collection)
            .execute(&mut *write.transaction)
            .await?;
            let is_new = made.rows_affected() == 1;
            if is_new {
                write.changed(&id, ChangeKind::Written).await?;
                write.audit(actor, "insert", &id).await?;
            } else {
                let is_there: Option<(String,)> =
                    sqlx::query_as("SELECT name FROM collections WHERE name = $1")
                        .bind(&entry.collection)
                        .fetch_optional(&mut *write.transaction)
                        .await?;
                is_there.ok_or_else(|| Error::NoCollection(entry.collection.clone()))?;
            }
            inserted.push(Inserted { id, is_new });
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
        let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let text = format!(
            "SELECT {COLUMNS} FROM entries WHERE id IN ({})",
            places.join(", ")
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

    /// Replaces what an owner says of an entry; whether there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn edit(&self, actor: &str, id: &str, edit: &Edit) -> Result<bool, Error> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE entries SET family = $2, coarse_family = $3, task = $4, source = $5, metadata = $6, \
             updated_ms = $7 WHERE id = $1",
        )
        .bind(id)
        .bind(&edit.family)
        .bind(&edit.coarse_family)
        .bind(&edit.task)
        .bind(&edit.source)
        .bind(&edit.metadata)
        .bind(write.at_ms)
        .execute(&mut *write.transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
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

impl<'r> FromRow<'r, AnyRow> for Entry {
    fn from_row(row: &'r AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            description: Description {
                collection: row.try_get("collection")?,
                name: row.try_get("name")?,
                digest: digest(row, "digest")?,
                coarse_digest: digest(row, "coarse_digest")?,
                operators: row.try_get("operators")?,
                edges: row.try_get("edges")?,
                parameters: row.try_get("parameters")?,
                flops: row.try_get("flops")?,
                edit: Edit {
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

fn digest(row: &AnyRow, column: &str) -> Result<Digest, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    let bytes = bytes.as_slice().try_into();
    bytes.map(Digest).map_err(|_| sqlx::Error::ColumnDecode {
        index: column.into(),
        source: "a digest has 16 bytes".into(),
    })
}
