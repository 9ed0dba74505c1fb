//! Everything that is compared, the evaluated encoder first.

use super::Session;
use anyhow::Result;
use netkin::eval::Labelled;
use netkin::eval::baselines::{Bm25, Chance, Size, TfIdf, Vectors, bags, latent_vectors};
use netkin::eval::combined::{Fused, Reranked, sequences};
use netkin::eval::protocol::Ranker;
use netkin::model::{Encoder, TokenSetEncoder};
use netkin::train::{self, Refinement};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Weight of the motifs that are added to the evaluated encoder's similarity.
const MOTIFS: f32 = 0.1;
/// Weight of the alignment of macro graphs in a second ranking.
const ALIGNMENT: f32 = 0.1;

/// A ranker with its name in the tables.
pub(super) type Method = (String, Arc<dyn Ranker>);

/// An encoder with its name in the tables.
pub(super) type Named<'a> = (&'a str, &'a dyn Encoder);

/// Rankers over the same entries.
pub(super) struct Rankers(Vec<Method>);

impl Rankers {
    /// `encoders` come first; baselines learn from `training`, which is among `entries`, alone.
    pub(super) fn new(
        session: &Session<'_>,
        entries: &[Labelled],
        encoders: &[Named<'_>],
        training: &[&Labelled],
    ) -> Result<Self> {
        let seen: BTreeSet<&str> = training.iter().map(|entry| entry.id.as_str()).collect();
        let train: Vec<usize> = (0..entries.len())
            .filter(|at| seen.contains(entries[*at].id.as_str()))
            .collect();
        let mut rankers = Self(Vec::new());
        for (name, encoder) in encoders {
            session.say("embedding", name);
            rankers.add(name, Vectors::encoded(entries, *encoder)?);
        }
        session.say("baselines", "motifs");
        rankers.combined(entries, &train);
        session.say("baselines", "token sets");
        rankers.free_encoders(session, entries, training)?;
        session.say("baselines", "tokens");
        let seed = session.protocol.seed;
        let bags = bags(entries);
        let latent = latent_vectors(&bags, &train, 256, seed);
        rankers.add("LSA-256 of all tokens", Vectors::new(latent));
        rankers.add("tf-idf of all tokens", TfIdf::new(&bags, &train));
        rankers.add("WL-1 tf-idf", TfIdf::of_neighbourhoods(&bags, &train));
        rankers.add("BM25 of operator n-grams", Bm25::new(&bags, &train));
        rankers.add("operator histogram", Vectors::operator_histogram(entries));
        rankers.add("size only", Size::new(entries));
        rankers.add("random", Chance(seed));
        Ok(rankers)
    }

    /// The evaluated encoder with what motifs add to it, and motifs alone.
    fn combined(&mut self, entries: &[Labelled], train: &[usize]) {
        let motifs: Arc<dyn Ranker> = Arc::new(TfIdf::of_motifs(entries, train));
        if let Some((name, first)) = self.0.first().cloned() {
            let fused = Fused {
                dense: Arc::clone(&first),
                sparse: Arc::clone(&motifs),
                weight: MOTIFS,
            };
            self.add(&format!("{name} + {MOTIFS} motif tf-idf"), fused);
            let reranked = Reranked {
                first,
                sequences: sequences(entries),
                weight: ALIGNMENT,
            };
            let name = format!("{name}, reranked by {ALIGNMENT} alignment");
            self.add(&name, reranked);
        }
        self.0.push(("motif tf-idf".into(), motifs));
    }

    /// Token sets before their gradient steps, and before they are whitened.
    fn free_encoders(
        &mut self,
        session: &Session<'_>,
        entries: &[Labelled],
        training: &[&Labelled],
    ) -> Result<()> {
        let closed = closed_form(training, session.token_sets)?;
        let unfitted = TokenSetEncoder::unfitted(session.token_sets.hashing.clone())?;
        let closed = Vectors::encoded(entries, &closed)?;
        self.add("token sets, whitened", closed);
        let unfitted = Vectors::encoded(entries, &unfitted)?;
        self.add("token sets, not whitened", unfitted);
        Ok(())
    }

    fn add(&mut self, name: &str, ranker: impl Ranker + 'static) {
        self.0.push((name.to_owned(), Arc::new(ranker)));
    }

    pub(super) fn methods(&self) -> &[Method] {
        &self.0
    }
}

/// The encoder before its gradient steps.
fn closed_form(training: &[&Labelled], fitted: &train::Config) -> Result<TokenSetEncoder> {
    let refinement = Refinement {
        steps: 0,
        ..fitted.refinement.clone()
    };
    let config = train::Config {
        refinement,
        ..fitted.clone()
    };
    Ok(train::fit("closed form", training, String::new(), &config)?)
}
