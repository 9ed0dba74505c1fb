//! `netkin corpus export`: the data set in a file or on standard output.

use crate::args::ExportFormat;
use crate::commands::{open, read_corpus};
use crate::failure::Failure;
use crate::{progress, replace};
use netkin::engine::Engine;
use netkin::export::{self, Embedded, write_jsonl, write_npz, write_parquet};
use netkin::settings::Settings;
use std::io::{BufWriter, Write};
use std::path::Path;

pub(crate) fn run(format: ExportFormat, out: &Path, settings: Settings) -> Result<String, Failure> {
    match format {
        ExportFormat::Jsonl => {
            let corpus = read_corpus(&settings)?;
            let count = corpus.entries().len();
            written(out, count, |to, step| write_jsonl(&corpus, to, step))
        }
        ExportFormat::Parquet => {
            let engine = open(settings)?;
            let set = embedded(&engine);
            let count = set.corpus.entries().len();
            written(out, count, |to, step| write_parquet(&set, to, step))
        }
        ExportFormat::Npz => {
            let engine = open(settings)?;
            let set = embedded(&engine);
            let count = set.corpus.entries().len();
            written(out, count, |to, _| write_npz(&set, to))
        }
    }
}

fn embedded(engine: &Engine) -> Embedded<'_> {
    Embedded {
        corpus: engine.corpus(),
        embeddings: engine.embeddings(),
        model_version: engine.model_version(),
    }
}

/// Gives `write` the way out and a bar over `count` entries to move.
fn written(
    out: &Path,
    count: usize,
    write: impl FnOnce(&mut (dyn Write + Send), &dyn Fn(usize, usize)) -> Result<(), export::Error>,
) -> Result<String, Failure> {
    let bar = progress::bar("exporting", count);
    let step = |done: usize, _| bar.set_position(done as u64);
    let is_stdout = out == Path::new("-");
    let outcome = if is_stdout {
        write(&mut BufWriter::new(std::io::stdout()), &step)
    } else {
        replace::whole(out, |file| write(file, &step))
    };
    bar.finish_and_clear();
    match outcome {
        Ok(()) if is_stdout => Ok(String::new()),
        Ok(()) => Ok(format!("{}: {count} entries", out.display())),
        Err(export::Error::Corpus(error)) => Err(Failure::Damaged(error.to_string())),
        Err(export::Error::Write(error)) if is_stdout => Err(error.into()),
        Err(error) => Err(Failure::Unwritable {
            path: out.display().to_string(),
            reason: error.to_string(),
        }),
    }
}
