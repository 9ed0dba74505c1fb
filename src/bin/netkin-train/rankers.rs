//! Everything that is compared, the shipped encoder first.

use anyhow::Result;
use netkin::eval::Labelled;
use netkin::eval::baselines::{Bm25, Chance, Size, TfIdf, Vectors, bags, latent_vectors};
use netkin::eval::protocol::Ranker;
use netkin::model::{Encoder, TokenSetEncoder};
use netkin::train::{self, Refinement};
use std::collections::BTreeSet;

/// A ranker with its name in the tables.
pub(crate) type Method = (String, Box<dyn Ranker>);

/// An encoder with its name in the tables.
pub(crate) type Named<'a> = (&'a str, &'a dyn Encoder);

/// Rankers over the same entries.
pub(crate) struct Rankers(Vec<Method>);

impl Rankers {
    /// `encoders` come first; baselines learn from `training`, which is among `entries`, alone.
    pub(crate) fn new(
        entries: &[Labelled],
        encoders: &[Named<'_>],
        training: &[&Labelled],
        fitted: &train::Config,
        seed: u64,
    ) -> Result<Self> {
        let seen: BTreeSet<&str> = training.iter().map(|entry| entry.id.as_str()).collect();
        let train: Vec<usize> = (0..entries.len())
            .filter(|at| seen.contains(entries[*at].id.as_str()))
            .collect();
        let bags = bags(entries);
        let closed = closed_form(training, fitted)?;
        let unfitted = TokenSetEncoder::unfitted(fitted.hashing.clone())?;
        let latent = Vectors::new(latent_vectors(&bags, &train, 256, seed));
        let chance = Chance {
            entries: entries.len(),
            seed,
        };
        let mut methods: Vec<(&str, Box<dyn Ranker>)> = Vec::new();
        for (name, encoder) in encoders {
            methods.push((name, Box::new(Vectors::encoded(entries, *encoder)?)));
        }
        methods.extend::<[(&str, Box<dyn Ranker>); 9]>([
            (
                "token sets, whitened",
                Box::new(Vectors::encoded(entries, &closed)?),
            ),
            (
                "token sets, not whitened",
                Box::new(Vectors::encoded(entries, &unfitted)?),
            ),
            ("LSA-256 of all tokens", Box::new(latent)),
            ("tf-idf of all tokens", Box::new(TfIdf::new(&bags, &train))),
            (
                "WL-1 tf-idf",
                Box::new(TfIdf::of_neighbourhoods(&bags, &train)),
            ),
            (
                "BM25 of operator n-grams",
                Box::new(Bm25::new(&bags, &train)),
            ),
            (
                "operator histogram",
                Box::new(Vectors::operator_histogram(entries)),
            ),
            ("size only", Box::new(Size::new(entries))),
            ("random", Box::new(chance)),
        ]);
        let methods = methods.into_iter();
        Ok(Self(
            methods
                .map(|(name, ranker)| (name.to_owned(), ranker))
                .collect(),
        ))
    }

    pub(crate) fn methods(&self) -> &[Method] {
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
