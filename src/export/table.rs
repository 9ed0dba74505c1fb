//! A Parquet table: one row an entry.

mod levels;

use super::{Embedded, Error};
use crate::corpus::Entry;
use crate::embedding::Embedding;
use crate::import::json;
use levels::{Levels, of_lists, of_optional, of_shapes};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// The columns, in the order in which [`Group`] writes them.
const SCHEMA: &str = "message entry {
    required binary id (UTF8);
    required binary name (UTF8);
    required group aliases (LIST) { repeated group list { required binary element (UTF8); } }
    required binary package (UTF8);
    required binary package_version (UTF8);
    required binary module (UTF8);
    required binary family (UTF8);
    required binary coarse_family (UTF8);
    required binary task (UTF8);
    required binary framework (UTF8);
    required binary kind (UTF8);
    required int64 parameters (INTEGER(64, false));
    required int64 flops (INTEGER(64, false));
    required int64 operators (INTEGER(64, false));
    required group input_shapes (LIST) { repeated group list { required group element (LIST) {
        repeated group list { optional int64 element (INTEGER(64, false)); }
    } } }
    required binary exact_digest (UTF8);
    required binary coarse_digest (UTF8);
    optional binary paper (UTF8);
    optional binary licence (UTF8);
    required group embedding (LIST) { repeated group list { required float element; } }
    required binary graph (UTF8);
}";

/// Blocks of the corpus whose rows stand together: enough for a column to compress, few enough for
/// readers to share the work.
const BLOCKS_PER_GROUP: usize = 16;

/// Writes a row for each entry: its metadata, its `embedding` and its `graph` as `netkin-graph`
/// text. Holds the graphs of one block at a time; `progress` follows as (done, all) rows.
///
/// # Errors
/// When a block of graphs is malformed, the format cannot hold the data, or `out` fails.
pub fn write_parquet(
    set: &Embedded<'_>,
    out: impl Write + Send,
    progress: &dyn Fn(usize, usize),
) -> Result<(), Error> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut file = SerializedFileWriter::new(out, schema, Arc::new(properties(set)?))?;
    let blocks = set.corpus.block_count();
    for first in (0..blocks).step_by(BLOCKS_PER_GROUP) {
        let mut group = Group(file.next_row_group()?);
        group.rows(set, first..blocks.min(first + BLOCKS_PER_GROUP), progress)?;
        group.0.close()?;
    }
    file.close()?;
    Ok(())
}

fn properties(set: &Embedded<'_>) -> Result<WriterProperties, ParquetError> {
    let stated = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
    let about = vec![
        stated("netkin.corpus_version", set.corpus.version()),
        stated("netkin.corpus_checksum", &set.corpus.checksum()),
        stated("netkin.model_version", set.model_version),
    ];
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(about));
    // Few of their values are equal, and nobody looks for one between two others.
    for path in [vec!["graph"], vec!["embedding", "list", "element"]] {
        let column = ColumnPath::new(path.into_iter().map(str::to_owned).collect());
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    Ok(properties.build())
}

/// A group of rows, written column by column.
struct Group<'a, W: Write + Send>(SerializedRowGroupWriter<'a, W>);

impl<W: Write + Send> Group<'_, W> {
    fn rows(
        &mut self,
        set: &Embedded<'_>,
        blocks: Range<usize>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<(), Error> {
        let rows = set.corpus.block_rows(blocks.clone());
        let entries = &set.corpus.entries()[rows.clone()];
        self.metadata(entries)?;
        self.embeddings(&set.embeddings[rows])?;
        self.graphs(set, blocks, progress)
    }

    fn metadata(&mut self, entries: &[Entry]) -> Result<(), Error> {
        self.texts(entries, |entry| entry.id.as_str())?;
        self.texts(entries, |entry| entry.name.as_str())?;
        self.aliases(entries)?;
        self.texts(entries, |entry| entry.package.as_str())?;
        self.texts(entries, |entry| entry.package_version.as_str())?;
        self.texts(entries, |entry| entry.module.as_str())?;
        self.texts(entries, |entry| entry.family.as_str())?;
        self.texts(entries, |entry| entry.coarse_family.as_str())?;
        self.texts(entries, |entry| entry.task.as_str())?;
        self.texts(entries, |entry| entry.framework.as_str())?;
        self.texts(entries, |entry| entry.kind.name())?;
        self.counts(entries, |entry| entry.parameters)?;
        self.counts(entries, |entry| entry.flops)?;
        self.counts(entries, |entry| entry.operators)?;
        self.input_shapes(entries)?;
        self.texts(entries, |entry| entry.exact.to_string())?;
        self.texts(entries, |entry| entry.coarse.to_string())?;
        self.stated(entries, |entry| entry.paper.as_deref())?;
        self.stated(entries, |entry| entry.licence.as_deref())
    }

    fn texts<'e, T: AsRef<str>>(
        &mut self,
        entries: &'e [Entry],
        part: impl Fn(&'e Entry) -> T,
    ) -> Result<(), Error> {
        let values: Vec<_> = entries.iter().map(|entry| text(part(entry))).collect();
        self.column::<ByteArrayType>(&values, &Levels::default())
    }

    /// Null where nothing is stated; an empty text states nothing either.
    fn stated<'e>(
        &mut self,
        entries: &'e [Entry],
        part: impl Fn(&'e Entry) -> Option<&'e str>,
    ) -> Result<(), Error> {
        let part = |entry| part(entry).filter(|text| !text.is_empty());
        let levels = of_optional(entries.iter().map(|entry| part(entry).is_some()));
        let values: Vec<_> = entries.iter().filter_map(part).map(text).collect();
        self.column::<ByteArrayType>(&values, &levels)
    }

    fn counts(&mut self, entries: &[Entry], part: fn(&Entry) -> u64) -> Result<(), Error> {
        let values: Vec<_> = entries.iter().map(|entry| unsigned(part(entry))).collect();
        self.column::<Int64Type>(&values, &Levels::default())
    }

    fn aliases(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let levels = of_lists(entries.iter().map(|entry| entry.aliases.len()));
        let aliases = entries.iter().flat_map(|entry| &entry.aliases);
        self.column::<ByteArrayType>(&aliases.map(text).collect::<Vec<_>>(), &levels)
    }

    fn input_shapes(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let levels = of_shapes(entries.iter().map(|entry| entry.input_shapes.as_slice()));
        let shapes = entries.iter().flat_map(|entry| &entry.input_shapes);
        let known = shapes.flat_map(|shape| shape.0.iter().copied().flatten());
        self.column::<Int64Type>(&known.map(unsigned).collect::<Vec<_>>(), &levels)
    }

    fn embeddings(&mut self, embeddings: &[Embedding]) -> Result<(), Error> {
        let levels = of_lists(embeddings.iter().map(Embedding::dim));
        let numbers = embeddings.iter().flat_map(Embedding::as_slice);
        self.column::<FloatType>(&numbers.copied().collect::<Vec<_>>(), &levels)
    }

    fn graphs(
        &mut self,
        set: &Embedded<'_>,
        blocks: Range<usize>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<(), Error> {
        let mut column = self.0.next_column()?.ok_or_else(no_column)?;
        for block in blocks {
            for graph in set.corpus.block(block)?.graphs()? {
                let (index, graph) = graph?;
                let graph = [text(json::write(&graph))];
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&graph, None, None)?;
                progress(index + 1, set.corpus.entries().len());
            }
        }
        Ok(column.close()?)
    }

    fn column<T: DataType>(&mut self, values: &[T::T], levels: &Levels) -> Result<(), Error> {
        let mut column = self.0.next_column()?.ok_or_else(no_column)?;
        let (definition, repetition) = (levels.definition(), levels.repetition());
        column
            .typed::<T>()
            .write_batch(values, definition, repetition)?;
        Ok(column.close()?)
    }
}

fn no_column() -> Error {
    Error::Format("the schema has fewer columns than are written".to_owned())
}

fn text(text: impl AsRef<str>) -> ByteArray {
    text.as_ref().into()
}

/// Parquet keeps unsigned numbers as the signed ones of the same bits.
fn unsigned(number: u64) -> i64 {
    number.cast_signed()
}
