//! What is in the repository answers: the shipped corpus, model and examples, together.

use netkin::corpus::{Corpus, verify};
use netkin::engine::{Config, Engine, Query, SearchAnswer, SearchOptions};
use netkin::eval::{Labelled, protocol, split};
use netkin::graph::{Architecture, Attributes, Node, Operator};
use netkin::import::{Limits, canonical::canonicalise};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn engine(state: &Path) -> Engine {
    let config = Config {
        assets_dir: repository(),
        model: String::new(),
        variant_similarity: 0.9,
        max_k: 100,
        index: netkin::index::SegmentedConfig::default(),
    };
    Engine::open(config, Limits::default(), state, &|_, _| {}).unwrap()
}

fn search(engine: &Engine, query: &Query, k: usize) -> SearchAnswer {
    let options = SearchOptions {
        k,
        ..SearchOptions::default()
    };
    engine.search(query, &options).unwrap()
}

#[test]
fn the_shipped_corpus_holds_what_its_graphs_canonicalise_to() {
    let bytes = std::fs::read(repository().join("corpus/netkin.corpus")).unwrap();
    let corpus = Corpus::read(bytes).unwrap();
    let failures = verify(&corpus, &Limits::default(), canonicalise).unwrap();
    assert!(failures.is_empty(), "{failures:?}");
}

/// The corpus as the referee sees it, but for the graphs, which splits do not depend on.
fn without_graphs(corpus: &Corpus) -> Vec<Labelled> {
    let input = Node {
        operator: Operator::Input,
        attributes: Attributes::default(),
        inputs: vec![],
        shape: None,
        flops: 0,
    };
    let architecture = Architecture::new(None, 0, vec![input], vec![]).unwrap();
    let entries = corpus.entries().iter();
    entries
        .filter(|entry| !entry.family.is_empty())
        .map(|entry| Labelled::of(entry, architecture.clone()))
        .collect()
}

#[test]
fn nothing_that_is_asked_about_is_trained_on_and_the_lists_say_so() {
    let bytes = std::fs::read(repository().join("corpus/netkin.corpus")).unwrap();
    let entries = without_graphs(&Corpus::read(bytes).unwrap());
    let config = protocol::Config::default();
    assert_eq!(split::leaks(&entries, &config), []);
    let listed = |name: &str| {
        let path = repository().join("corpus/splits").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(String::from).collect::<BTreeSet<_>>()
    };
    let families = entries.iter().map(|entry| entry.family.clone());
    let families: BTreeSet<String> = families
        .filter(|family| split::is_held_out(family, &config))
        .collect();
    let hint = "run `netkin-train corpus splits` again";
    assert!(listed("held-out-families.txt") == families, "{hint}");
    let unseen = entries.iter();
    let unseen: BTreeSet<String> = unseen
        .filter(|entry| split::is_unseen(entry, &config))
        .map(|entry| entry.id.clone())
        .collect();
    assert!(listed("held-out-architectures.txt") == unseen, "{hint}");
}

#[test]
fn the_embeddings_beside_the_model_are_those_of_the_shipped_corpus() {
    let state = tempfile::tempdir().unwrap();
    engine(state.path());
    let made = state.path().join("embeddings");
    assert!(!made.exists(), "run `netkin-train publish` again");
}

#[test]
fn the_shipped_model_passes_its_self_check() {
    let state = tempfile::tempdir().unwrap();
    engine(state.path()).self_check().unwrap();
}

#[test]
fn depth_variants_are_nearest_to_each_other_and_do_not_tie() {
    let state = tempfile::tempdir().unwrap();
    let engine = engine(state.path());
    let answer = search(&engine, &Query::Id("timm/resnet50".into()), 8);
    let own = answer.hits.first().unwrap();
    assert_eq!(own.id, "timm/resnet50");
    let nearest = answer.hits.get(1).unwrap();
    assert_eq!(nearest.family, "resnet", "{nearest:?}");
    let deeper = answer.hits.iter().find(|hit| hit.id == "timm/resnet101");
    let deeper = deeper.unwrap_or_else(|| panic!("{:#?}", answer.hits));
    assert!(deeper.similarity < 0.9999, "{deeper:?}");
}

#[test]
fn every_example_finds_its_own_family_first() {
    let state = tempfile::tempdir().unwrap();
    let engine = engine(state.path());
    for file in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|end| end != "onnx") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let query = Query::Bytes {
            name: Some(name.clone()),
            bytes: std::fs::read(&path).unwrap(),
        };
        let answer = search(&engine, &query, 5);
        let first = answer.hits.first().unwrap();
        assert!(first.id.ends_with(&name), "{name}: {:#?}", answer.hits);
    }
}

#[test]
fn the_model_that_serves_unless_one_is_pinned_is_the_one_that_was_chosen() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(engine(state.path()).model_version(), "motif-gnn-3");
}
