//! Which model serves: the newest that can be used, or the one that is pinned.

use crate::release::{DIM, Model, Release};
use netkin::engine::{Config, Engine, Error, Loading, Models, Query, SearchOptions};
use netkin::import::Limits;
use serde_json::{Value, json};
use std::sync::Mutex;

fn models(release: &Release, pinned: &str) -> Models {
    let config = Config {
        assets_dir: release.path().to_owned(),
        model: pinned.to_owned(),
        variant_similarity: 0.8,
        max_k: 10,
        index: netkin::index::SegmentedConfig::default(),
    };
    Models::open(config, Limits::default(), &release.path().join("state")).unwrap()
}

/// One round of what a server does: loads until nothing better is there.
fn refresh(models: &mut Models) -> Option<Engine> {
    let mut newest = None;
    while let Some(folder) = models.look().unwrap() {
        match models.load(&folder, &|_, _| {}) {
            Ok(engine) => {
                models.serve(folder);
                newest = Some(engine);
            }
            Err(error) => models.refuse(folder, &error),
        }
    }
    newest
}

fn version(engine: Option<Engine>) -> String {
    engine.unwrap().model_version().to_owned()
}

/// Folders and states, the newest first.
fn states(models: &Models) -> Vec<(String, String)> {
    let list = serde_json::to_value(models.list(None)).unwrap();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| (text(item, "folder"), text(item, "state")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs
        .map(|(folder, state)| ((*folder).to_owned(), (*state).to_owned()))
        .collect()
}

#[test]
fn the_newest_model_serves_and_its_removal_brings_the_older_one_back() {
    let release = Release::new();
    let mut models = models(&release, "");
    assert_eq!(version(refresh(&mut models)), "test-1");
    assert!(refresh(&mut models).is_none());
    release.publish("test-2", &Model::new("test-2", 32));
    assert_eq!(version(refresh(&mut models)), "test-2");
    assert_eq!(
        states(&models),
        pairs(&[("test-2", "serving"), ("test-1", "available")])
    );
    std::fs::remove_dir_all(release.model_folder("test-2")).unwrap();
    assert_eq!(version(refresh(&mut models)), "test-1");
    std::fs::remove_dir_all(release.model_folder("test-1")).unwrap();
    assert!(refresh(&mut models).is_none());
    assert_eq!(states(&models), pairs(&[("test-1", "serving")]));
}

#[test]
fn a_pinned_model_stays_whatever_is_published() {
    let release = Release::new();
    release.publish("test-2", &Model::new("test-2", 32));
    let mut pinned = models(&release, "test-1");
    assert_eq!(version(refresh(&mut pinned)), "test-1");
    release.publish("test-3", &Model::new("test-3", 32));
    assert!(refresh(&mut pinned).is_none());
    let error = models(&release, "2026-09").look().unwrap_err().to_string();
    assert!(error.contains("no model called `2026-09`"), "{error}");
}

#[test]
fn a_folder_is_no_model_until_all_its_files_are_there() {
    let release = Release::new();
    let mut models = models(&release, "");
    refresh(&mut models);
    let folder = release.model_folder("test-2");
    Model::new("test-2", 32).write(&folder);
    let weights = folder.join("model.safetensors");
    std::fs::rename(&weights, folder.join("later")).unwrap();
    assert!(refresh(&mut models).is_none());
    assert_eq!(states(&models), pairs(&[("test-1", "serving")]));
    std::fs::rename(folder.join("later"), &weights).unwrap();
    assert_eq!(version(refresh(&mut models)), "test-2");
}

#[test]
fn a_refused_model_is_not_tried_again_until_its_files_change() {
    let release = Release::new();
    let good = Model::new("test-2", 32);
    let mut bad = Model::new("test-2", 32);
    bad.weights.truncate(100);
    let mut models = models(&release, "");
    release.publish("test-2", &bad);
    assert_eq!(version(refresh(&mut models)), "test-1");
    assert_eq!(
        states(&models),
        pairs(&[("test-2", "failed"), ("test-1", "serving")])
    );
    assert!(models.look().unwrap().is_none());
    good.write(&release.model_folder("test-2"));
    assert_eq!(version(refresh(&mut models)), "test-2");
}

#[test]
fn progress_is_told_while_a_model_is_loaded() {
    let release = Release::new();
    let mut models = models(&release, "");
    refresh(&mut models);
    release.publish("test-2", &Model::new("test-2", 32));
    let folder = models.look().unwrap().unwrap();
    let told = Mutex::new(Vec::new());
    let progress = |done, total| {
        let loading = Loading {
            folder: &folder,
            done,
            total,
        };
        let list = models.list(Some(loading));
        told.lock().unwrap().push((done, list));
    };
    models.load(&folder, &progress).unwrap();
    let mut told = told.into_inner().unwrap();
    told.sort_by_key(|(done, _)| *done);
    let done: Vec<usize> = told.iter().map(|(done, _)| *done).collect();
    assert_eq!(done, [1, 2, 3, 4, 5]);
    insta::assert_json_snapshot!("loading", told[2].1, { "[].since" => "[time]" });
}

fn refusal(release: &Release) -> String {
    let mut models = models(release, "");
    let folder = models.look().unwrap().unwrap();
    let refused = models.load(&folder, &|_, _| {}).err().unwrap();
    assert!(matches!(refused, Error::SelfCheck { .. }), "{refused}");
    refused.to_string()
}

#[test]
fn a_model_that_tells_nothing_apart_is_refused() {
    let release = Release::new();
    // One component: every design lies at 1 or at -1.
    let flat = Model::with_projection("test-2", 1, &[1.0; DIM]);
    release.publish("test-2", &flat);
    let refused = refusal(&release);
    assert!(
        refused.contains("designs from every other one"),
        "{refused}"
    );
}

#[test]
fn embeddings_of_other_weights_are_refused_beside_a_model_and_never_kept() {
    let release = Release::new();
    let state = release.path().join("state");
    let folder = release.model_folder("test-2");
    release.publish("test-2", &Model::new("test-2", 32));
    netkin::engine::publish_embeddings(release.path(), &Limits::default(), &|_, _| {}).unwrap();
    let mut reversed = vec![0.0; 32 * DIM];
    for place in 0..32 {
        reversed[place * DIM + DIM - 1 - place] = 1.0;
    }
    // The same version and dimension, other weights.
    Model::with_projection("test-2", 32, &reversed).write(&folder);
    let refused = refusal(&release);
    assert!(refused.contains("publish the model again"), "{refused}");
    // Where nothing lies beside the model, its own embeddings are made.
    std::fs::remove_file(folder.join("corpus.embeddings")).unwrap();
    refresh(&mut models(&release, ""));
    Model::new("test-2", 32).write(&folder);
    assert_eq!(version(refresh(&mut models(&release, ""))), "test-2");
    assert_eq!(
        std::fs::read_dir(state.join("embeddings")).unwrap().count(),
        2
    );
}

#[test]
fn engines_of_two_models_share_the_corpus() {
    let release = Release::new();
    let mut models = models(&release, "");
    let old = refresh(&mut models).unwrap();
    release.publish("test-2", &Model::new("test-2", 32));
    let new = refresh(&mut models).unwrap();
    assert!(std::ptr::eq(old.corpus(), new.corpus()));
    let query = Query::Id("nasbench201/pool".into());
    let asked = |engine: &Engine| engine.search(&query, &SearchOptions::default()).unwrap();
    assert_eq!(asked(&old).model_version, "test-1");
    assert_eq!(asked(&new).model_version, "test-2");
    let dims = [&old, &new].map(|engine| engine.embeddings()[0].dim());
    assert_eq!(json!(dims), json!([64, 32]));
}
