//! The program `netkin-train`: packs the corpus, fits the encoder, evaluates it.
// Progress and results are for whoever started the command: printing is this program's work.
#![allow(clippy::print_stdout)]

mod agreement;
mod evaluate;
mod exports;
mod files;
mod fit;
mod model;
mod motifs;
mod nas;
mod network;
mod pack;
mod provenance;
mod publish;
mod splits;
mod tune;

use anyhow::Result;
use clap::{Parser, Subcommand};
use network::Stages;
use std::path::PathBuf;

/// Canonicalising makes many small allocations, and the system's allocator is slow at giving them
/// back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Packs netkin's corpus, fits its encoder and evaluates it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the shipped corpus.
    Corpus {
        #[command(subcommand)]
        command: Corpus,
    },
    /// Fits an encoder on the training families and writes its folder.
    Fit {
        /// The corpus.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        corpus: PathBuf,
        /// Folder to write; its name becomes the version.
        #[arg(long)]
        out: PathBuf,
        /// Settings of the fit, in JSON; the defaults without it.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Trains the motif GNN's first stage: motifs with the contexts they occur in.
    Motif {
        #[command(flatten)]
        training: network::Training,
    },
    /// Trains the motif GNN's second stage, graphs with their families, and writes its folder.
    Graph {
        #[command(flatten)]
        training: network::Training,
        /// Folder to write; its name becomes the version.
        #[arg(long)]
        out: PathBuf,
    },
    /// Trains both stages of the motif GNN and writes its folder.
    All {
        #[command(flatten)]
        training: network::Training,
        /// Folder to write; its name becomes the version.
        #[arg(long)]
        out: PathBuf,
    },
    /// Compares settings of a fit on validation families; the evaluation's queries take no part.
    Tune {
        /// The corpus.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        corpus: PathBuf,
        /// What to compare, in JSON.
        #[arg(long)]
        grid: PathBuf,
        /// File to write: `tuning.json` of the model's folder is shown by `eval`.
        #[arg(long)]
        out: PathBuf,
    },
    /// Compares an encoder with the baselines on what it has not seen and writes the report.
    Eval {
        /// The corpus.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        corpus: PathBuf,
        /// Folder of the model.
        #[arg(long)]
        model: PathBuf,
        /// Folder of a model of any kind, trained on the same data, to compare it with; may be
        /// given again. One that was trained without a package is asked for that package's networks
        /// alone; one that differs from another in its seed tells how much seeds matter.
        #[arg(long)]
        beside: Vec<PathBuf>,
        /// Method, by its name in the tables, whose gains over all others are shown besides those of
        /// the model: one of those beside it.
        #[arg(long)]
        against: Option<String>,
        /// Folder of the export fixtures.
        #[arg(long, default_value = "tests/data/exports")]
        exports: PathBuf,
        /// Folder for `evaluation.md` and `evaluation.json`.
        #[arg(long, default_value = "docs")]
        out: PathBuf,
    },
    /// Imports one model through many exporters and writes how often they agree.
    Agreement {
        /// Folder of the export fixtures.
        #[arg(long, default_value = "tests/data/exports")]
        exports: PathBuf,
        /// The corpus, whose entries are candidates too.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        corpus: PathBuf,
        /// Folder of the model.
        #[arg(long)]
        model: PathBuf,
        /// Folder for `agreement.md` and `agreement.json`.
        #[arg(long, default_value = "docs")]
        out: PathBuf,
    },
    /// Writes how known networks of the corpus are cut into motifs.
    Motifs {
        /// The corpus.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        corpus: PathBuf,
        /// Entries to cut.
        #[arg(long = "id", default_values = motifs::KNOWN)]
        ids: Vec<String>,
        /// File to write.
        #[arg(long, default_value = "docs/motifs.md")]
        out: PathBuf,
    },
    /// Puts a model where servers find it, with the embeddings of the corpus, in one step; without
    /// a model, embeds the corpus again with the newest one that is there.
    Publish {
        /// Folder of a fitted model: `models/<version>` becomes a copy of it.
        #[arg(long)]
        model: Option<PathBuf>,
        /// Folder that holds `corpus/netkin.corpus` and `models/`.
        #[arg(long, default_value = ".")]
        assets: PathBuf,
    },
}

/// What the files of the splits depend on, and where they lie.
#[derive(clap::Args)]
struct Splits {
    /// The corpus.
    #[arg(long, default_value = "corpus/netkin.corpus")]
    corpus: PathBuf,
    /// Folder of the export fixtures.
    #[arg(long, default_value = "tests/data/exports")]
    exports: PathBuf,
    /// Folder of the files.
    #[arg(long, default_value = "corpus/splits")]
    splits: PathBuf,
}

#[derive(Subcommand)]
enum Corpus {
    /// Packs lines of the builders, and packed corpora, into one file.
    Pack {
        /// Files of lines, or corpora whose names end in `.corpus`; of one id the first counts.
        #[arg(required = true)]
        sources: Vec<PathBuf>,
        /// The curated families.
        #[arg(long, default_value = "corpus/families.tsv")]
        families: PathBuf,
        /// File to write.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        out: PathBuf,
        /// Version that the corpus states; today's date without it.
        #[arg(long)]
        corpus_version: Option<String>,
    },
    /// Writes who is held out, who is asked and what is relevant, as files.
    Splits(Splits),
    /// Prints every judgement in the form of trec_eval, grade 1 included: that of the held-out
    /// architectures, or of a package.
    Qrels {
        /// The corpus.
        #[arg(long, default_value = "corpus/netkin.corpus")]
        corpus: PathBuf,
        /// The package that is held out.
        #[arg(long)]
        package: Option<String>,
    },
    /// Recomputes every digest, holds the files of the splits against the corpus and proves that
    /// nothing that is asked about is trained on.
    Verify(Splits),
    /// Writes the cells of NAS-Bench-101, NAS-Bench-201 and DARTS, and how many are distinct.
    Nas {
        /// Folder for the cells.
        #[arg(long, default_value = "corpus/nas")]
        out: PathBuf,
        /// File for the report.
        #[arg(long, default_value = "docs/nas.md")]
        report: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Corpus {
            command:
                Corpus::Pack {
                    sources,
                    families,
                    out,
                    corpus_version,
                },
        } => {
            let version = corpus_version.map_or_else(provenance::today, Ok)?;
            let text = pack::run(&sources, &families, &out, &version)?;
            println!("{text}");
            Ok(())
        }
        Command::Corpus {
            command: Corpus::Splits(files),
        } => {
            println!("{}", splits::write_all(&files)?);
            Ok(())
        }
        Command::Corpus {
            command: Corpus::Qrels { corpus, package },
        } => {
            print!("{}", splits::all_judgements(&corpus, package)?);
            Ok(())
        }
        Command::Corpus {
            command: Corpus::Verify(files),
        } => {
            println!("{}", splits::verify(&files)?);
            Ok(())
        }
        Command::Corpus {
            command: Corpus::Nas { out, report },
        } => {
            println!("{}", nas::run(&out, &report)?);
            Ok(())
        }
        Command::Fit {
            corpus,
            out,
            config,
        } => fit::run(&corpus, &out, config.as_deref()),
        Command::Motif { training } => {
            println!("{}", network::run(&training, Stages::Motif, None)?);
            Ok(())
        }
        Command::Graph { training, out } => {
            println!("{}", network::run(&training, Stages::Graph, Some(&out))?);
            Ok(())
        }
        Command::All { training, out } => {
            println!("{}", network::run(&training, Stages::All, Some(&out))?);
            Ok(())
        }
        Command::Tune { corpus, grid, out } => {
            println!("{}", tune::run(&corpus, &grid, &out)?);
            Ok(())
        }
        Command::Eval {
            corpus,
            model,
            beside,
            against,
            exports,
            out,
        } => evaluate::run(&corpus, &model, &beside, against.as_deref(), &exports, &out),
        Command::Agreement {
            exports,
            corpus,
            model,
            out,
        } => {
            let total = agreement::run(&exports, &corpus, &model, &out)?.total;
            println!(
                "{} of {} exports agree with their trace, {} are recalled",
                total.same_exact, total.exports, total.recalled
            );
            Ok(())
        }
        Command::Motifs { corpus, ids, out } => {
            println!("{}", motifs::run(&corpus, &ids, &out)?);
            Ok(())
        }
        Command::Publish { model, assets } => {
            println!("{}", publish::run(model.as_deref(), &assets)?);
            Ok(())
        }
    }
}
