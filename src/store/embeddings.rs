//! Embeddings of stored entries, by the version of the model that made them.

use super::entries::places;
use super::write::Write;
use super::{Error, Store};
use crate::embedding::Embedding;
use half::f16;
use sqlx::AssertSqlSafe;

impl Store {
    /// Keeps the embeddings that `model` made, in half precision; entries that are gone by now are
    /// passed over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_embeddings(
        &self,
        model: &str,
        embeddings: &[(String, Embedding)],
    ) -> Result<(), Error> {
        let mut write = self.write().await?;
        for (entry, embedding) in embeddings {
            write.put_embedding(entry, model, embedding).await?;
        }
        write.commit().await
    }

    /// The embeddings that `model` made of the entries with these ids, in no order.
    ///
    /// # Errors
    /// When the database does not answer or holds no vector where one should be.
    pub async fn embeddings(
        &self,
        model: &str,
        ids: &[String],
    ) -> Result<Vec<(String, Embedding)>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT entry, vector FROM embeddings WHERE model = $1 AND entry IN ({})",
            places(2, ids.len())
        );
        // The text holds numbers of places alone.
        let mut query = sqlx::query_as(AssertSqlSafe(text)).bind(model);
        for id in ids {
            query = query.bind(id);
        }
        let rows: Vec<(String, Vec<u8>)> = query.fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|(entry, bytes)| {
                let embedding = embedding(&bytes).ok_or_else(|| {
                    Error::Damaged(format!("the embedding of {entry} is no vector"))
                })?;
                Ok((entry, embedding))
            })
            .collect()
    }

    /// Forgets what `model` made.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_embeddings(&self, model: &str) -> Result<(), Error> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM embeddings WHERE model = $1")
            .bind(model)
            .execute(&mut *write.transaction)
            .await?;
        write.commit().await
    }
}

impl Write {
    pub(super) async fn put_embedding(
        &mut self,
        entry: &str,
        model: &str,
        embedding: &Embedding,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO embeddings (entry, model, vector) SELECT id, $2, $3 FROM entries WHERE id = $1 \
             ON CONFLICT (entry, model) DO UPDATE SET vector = excluded.vector",
        )
        .bind(entry)
        .bind(model)
        .bind(bytes(embedding))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

fn bytes(embedding: &Embedding) -> Vec<u8> {
    let numbers = embedding.as_slice().iter();
    numbers
        .flat_map(|number| f16::from_f32(*number).to_le_bytes())
        .collect()
}

fn embedding(bytes: &[u8]) -> Option<Embedding> {
    let (numbers, rest) = bytes.as_chunks::<2>();
    let numbers = numbers.iter().map(|bytes| f16::from_le_bytes(*bytes));
    let embedding = Embedding::normalised(numbers.map(f16::to_f32).collect()).ok();
    embedding.filter(|_| rest.is_empty())
}
