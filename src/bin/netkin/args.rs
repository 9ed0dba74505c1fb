//! The command line, as users script against it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Finds a neural network's nearest kin by structure, without weights.
///
/// QUERY is a path (.onnx, .json, .keras), `-` for standard input, `nas:…`, or `id:NAME` for a stored
/// entry.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Settings in TOML; config/default.toml explains every key.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer over HTTP.
    Serve {
        /// Address and port; port 0 lets the system choose.
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
    },
    /// The nearest entries of the corpus.
    Search(Search),
    /// Operators, parameters and digests.
    Describe {
        query: String,
        #[command(flatten)]
        output: Output,
    },
    /// Two queries side by side.
    Compare {
        a: String,
        b: String,
        #[command(flatten)]
        output: Output,
    },
    /// The shipped corpus.
    Corpus {
        #[command(subcommand)]
        command: Corpus,
    },
    /// Whether the server on this machine is ready; exit code 0 when it is.
    Health,
    /// API keys of a server, in its database.
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// The OpenAPI document of the server.
    Openapi,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Makes a key and prints its secret, which is kept nowhere.
    Create {
        /// What to call it.
        #[arg(long)]
        name: String,
        /// What it may do; each scope includes those before it.
        #[arg(long, value_enum)]
        scope: Scope,
        /// The only collection besides the shipped corpus that it sees.
        #[arg(long, value_name = "C")]
        collection: Option<String>,
        /// Seconds until it ends.
        #[arg(long, value_name = "N")]
        expires_in_s: Option<u32>,
        #[command(flatten)]
        output: Output,
    },
    /// All keys, without their secrets.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Ends a key.
    Revoke { id: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    Read,
    Write,
    Admin,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    pub(crate) query: String,
    /// Number of hits.
    #[arg(short, value_name = "N", default_value_t = 10)]
    pub(crate) k: usize,
    /// Only this family or coarse family.
    #[arg(long, value_name = "F")]
    pub(crate) family: Option<String>,
    /// Only this package.
    #[arg(long, value_name = "S")]
    pub(crate) source: Option<String>,
    /// Only this task.
    #[arg(long, value_name = "T")]
    pub(crate) task: Option<String>,
    /// Only published models.
    #[arg(long)]
    pub(crate) published: bool,
    /// At least so many parameters.
    #[arg(long, value_name = "N")]
    pub(crate) min_parameters: Option<u64>,
    /// At most so many parameters.
    #[arg(long, value_name = "N")]
    pub(crate) max_parameters: Option<u64>,
    /// At least so many floating-point operations.
    #[arg(long, value_name = "N")]
    pub(crate) min_flops: Option<u64>,
    /// At most so many floating-point operations.
    #[arg(long, value_name = "N")]
    pub(crate) max_flops: Option<u64>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Corpus {
    /// How much it holds.
    Stats {
        #[command(flatten)]
        output: Output,
    },
    /// Reads every entry and checks its digests.
    Verify {
        #[command(flatten)]
        output: Output,
    },
    /// Writes all of it for other tools; docs/data-card.md describes the fields.
    Export {
        /// jsonl: entries and graphs; parquet: those and embeddings, as a table; npz: embeddings
        /// and labels, for NumPy.
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// The file, replaced where it exists, or `-` for standard output.
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Jsonl,
    Parquet,
    Npz,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// For people or for scripts.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

impl Command {
    /// The form in which to answer, errors included.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Serve { .. } | Self::Health | Self::Openapi => Format::Table,
            Self::Search(search) => search.output.format,
            Self::Describe { output, .. } | Self::Compare { output, .. } => output.format,
            Self::Keys { command } => match command {
                Keys::Create { output, .. } | Keys::List { output } => output.format,
                Keys::Revoke { .. } => Format::Table,
            },
            Self::Corpus { command } => match command {
                Corpus::Stats { output } | Corpus::Verify { output } => output.format,
                Corpus::Export { .. } => Format::Table,
            },
        }
    }
}
