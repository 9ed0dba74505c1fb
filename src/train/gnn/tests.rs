//! Tiny trainings: what they learn, that seeds decide everything, and that none is lost.

use super::*;
use crate::eval::baselines::testing::zoo;
use crate::model::motif_gnn::{Passing, shapes};
use crate::model::{Encoder, hashing};
use crate::train::parameters::Parameters;
use crate::train::stage::Stage;
use std::cell::RefCell;
use std::fs;

fn config() -> Config {
    let hashing = hashing::Config {
        dim: 64,
        ..hashing::Config::default()
    };
    Config {
        network: Network {
            buckets: 128,
            motif_dim: 8,
            hidden: 16,
            outputs: 8,
            ..Network::default()
        },
        token_sets: Some(crate::train::Config {
            hashing,
            dim: 16,
            refinement: crate::train::Refinement {
                steps: 0,
                ..crate::train::Refinement::default()
            },
            ..crate::train::Config::default()
        }),
        share: 0.6,
        motif: MotifSettings {
            steps: 4,
            motifs: 16,
            ..MotifSettings::default()
        },
        graph: GraphSettings {
            steps: 4,
            families: 8,
            members: 3,
            ..GraphSettings::default()
        },
        without: None,
        every: 2,
        seed: 3,
    }
}

fn alone(steps: usize) -> Config {
    let mut config = config();
    config.token_sets = None;
    config.graph.steps = steps;
    config.graph.learning_rate = 1e-2;
    config
}

fn protocol() -> protocol::Config {
    protocol::Config {
        held_out: 0.3,
        ..protocol::Config::default()
    }
}

fn data(entries: &[Labelled]) -> Data {
    Data::new(entries, &protocol(), &Config::default(), None)
}

fn trained(data: &Data, config: &Config, folder: Option<&Path>) -> MotifGnn {
    let around = Surroundings {
        device: Device::Cpu,
        folder,
        progress: &|_| (),
    };
    let motifs = train_motifs(data, config, &around).unwrap();
    train_graphs("v", data, config, &motifs, &around).unwrap()
}

#[test]
fn the_loss_of_both_stages_falls() {
    let mut config = alone(60);
    config.motif.steps = 60;
    let losses = RefCell::new(BTreeMap::<&str, Vec<f64>>::new());
    let around = Surroundings {
        device: Device::Cpu,
        folder: None,
        progress: &|progress: Progress| {
            let mut losses = losses.borrow_mut();
            losses
                .entry(progress.stage)
                .or_default()
                .push(progress.loss);
        },
    };
    let data = data(&zoo(12, 6));
    let motifs = train_motifs(&data, &config, &around).unwrap();
    train_graphs("v", &data, &config, &motifs, &around).unwrap();
    for (stage, losses) in losses.take() {
        let mean = |some: &[f64]| some.iter().sum::<f64>() / some.len() as f64;
        let (first, last) = (mean(&losses[..10]), mean(&losses[50..]));
        assert!(last < 0.8 * first, "{stage}: {first} to {last}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_order_of_entries() {
    let mut entries = zoo(10, 5);
    let weights = |entries: &[Labelled], config: &Config| {
        trained(&data(entries), config, None).weights().unwrap()
    };
    let one = weights(&entries, &config());
    entries.reverse();
    assert!(weights(&entries, &config()) == one);
    let other = Config {
        seed: 4,
        ..config()
    };
    assert!(weights(&entries, &other) != one);
}

#[test]
fn every_weight_has_a_gradient() {
    let entries = zoo(10, 5);
    let data = data(&entries);
    for passing in [Passing::Directed, Passing::Gcn, Passing::Gat] {
        let mut config = alone(1);
        config.network.passing = passing;
        let model = motif_gnn::Config {
            version: "v".into(),
            encoder: "motif_gnn".into(),
            vocabulary: motif_gnn::VOCABULARY.into(),
            dim: config.network.outputs,
            network: config.network.clone(),
            token_sets: None,
            seed: 0,
            data_hash: String::new(),
        };
        let mut graphs = GraphStage::new(&data, &config, &model, None, &Device::Cpu).unwrap();
        let mut motifs = MotifStage::new(&data, &config, &Device::Cpu).unwrap();
        for stage in [&mut graphs as &mut dyn Stage, &mut motifs] {
            let gradients = stage.loss().unwrap().backward().unwrap();
            for (name, weight) in stage.weights().iter() {
                let gradient = gradients.get(weight);
                let size = gradient.map(|of| of.abs().unwrap().sum_all().unwrap());
                let size = size.map(|size| size.to_scalar::<f32>().unwrap());
                assert!(
                    size.is_some_and(|size| size > 0.0),
                    "{passing:?} {name}: {size:?}"
                );
            }
        }
    }
}

#[test]
fn training_and_encoder_work_out_the_same_embedding() {
    let entries = zoo(6, 4);
    let data = data(&entries);
    for passing in [Passing::Directed, Passing::Gcn, Passing::Gat] {
        let mut config = alone(5);
        config.network.passing = passing;
        let encoder = trained(&data, &config, None);
        let examples = examples(&data, &config, None, 0).unwrap();
        let weights = Parameters::seeded(&shapes(encoder.config()), 0, &Device::Cpu).unwrap();
        for (name, values) in encoder.named_weights().by_name() {
            weights.set(name, values).unwrap();
        }
        let all: Vec<(usize, usize)> = (0..data.entries.len()).map(|at| (at, 0)).collect();
        let rows = examples.structure(&all, &weights).unwrap();
        let rows = rows.to_vec2::<f32>().unwrap();
        for (entry, row) in data.entries.iter().zip(rows) {
            let ours = crate::embedding::Embedding::normalised(row).unwrap();
            let theirs = encoder.encode(&entry.architecture).unwrap();
            // Motif vectors of the encoder are in half precision.
            let similarity = ours.similarity(&theirs).value();
            assert!(
                similarity > 0.99999,
                "{passing:?} {}: {similarity}",
                entry.id
            );
        }
    }
}

#[test]
fn token_sets_stay_as_they_were_fitted() {
    let entries = zoo(10, 5);
    let data = data(&entries);
    let mut config = config();
    config.share = 1.0;
    let encoder = trained(&data, &config, None);
    let fit = crate::train::Config {
        seed: config.seed,
        ..config.token_sets.unwrap()
    };
    let fitted = crate::train::fit("v", &data.learned(), String::new(), &fit).unwrap();
    let similarity = |encoder: &dyn Encoder| {
        let of = |entry: &Labelled| encoder.encode(&entry.architecture).unwrap();
        of(&entries[0]).similarity(&of(&entries[7])).value()
    };
    assert!((similarity(&encoder) - similarity(&fitted)).abs() < 1e-5);
}

/// The folder of the newest checkpoint of a stage.
fn newest(folder: &Path, stage: &str) -> std::path::PathBuf {
    let folders = fs::read_dir(folder.join(stage)).unwrap();
    let folders = folders.map(|folder| folder.unwrap().path());
    folders.filter(|path| path.is_dir()).max().unwrap()
}

#[test]
fn a_training_that_was_cut_off_goes_on_from_its_last_whole_checkpoint() {
    let entries = zoo(10, 5);
    let data = data(&entries);
    let whole = trained(&data, &config(), None).weights().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let again = || {
        trained(&data, &config(), Some(folder.path()))
            .weights()
            .unwrap()
    };
    assert!(again() == whole);
    let log = || fs::read_to_string(folder.path().join("graph/log.csv")).unwrap();
    assert_eq!(log().lines().count(), 3);
    // The power fails while the last checkpoint is written.
    let last = newest(folder.path(), "graph").join("state.safetensors");
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    assert!(again() == whole);
    // It fails before the last checkpoint has its name.
    let last = newest(folder.path(), "graph");
    fs::rename(&last, last.with_file_name(".step-000004")).unwrap();
    assert!(again() == whole);
    let steps: Vec<String> = log().lines().skip(1).map(|line| line[..1].into()).collect();
    assert_eq!(steps, ["2", "4"]);
}

#[test]
fn a_checkpoint_of_other_settings_is_passed_over() {
    let entries = zoo(10, 5);
    let data = data(&entries);
    let folder = tempfile::tempdir().unwrap();
    trained(&data, &config(), Some(folder.path()));
    let other = Config {
        seed: 4,
        ..config()
    };
    let fresh = trained(&data, &other, None).weights().unwrap();
    assert!(
        trained(&data, &other, Some(folder.path()))
            .weights()
            .unwrap()
            == fresh
    );
}

#[test]
fn validation_never_looks_at_what_the_evaluation_asks() {
    let mut entries = zoo(24, 6);
    let map = |entries: &[Labelled]| {
        let data = Data::new(entries, &protocol(), &Config::default(), Some(1));
        let last = RefCell::new(None);
        let around = Surroundings {
            device: Device::Cpu,
            folder: None,
            progress: &|progress: Progress| *last.borrow_mut() = progress.validation,
        };
        train_graphs("v", &data, &config(), &BTreeMap::new(), &around).unwrap();
        last.take()
    };
    let before = map(&entries);
    assert!(before.unwrap() > 0.3, "{before:?}");
    entries.retain(|entry| !split::is_held_out(&entry.family, &protocol()));
    assert_eq!(map(&entries), before);
}

#[test]
fn too_little_data_is_refused() {
    let entries = zoo(1, 1);
    let around = Surroundings {
        device: Device::Cpu,
        folder: None,
        progress: &|_| (),
    };
    let refused = train_graphs("v", &data(&entries), &alone(1), &BTreeMap::new(), &around);
    assert!(matches!(refused, Err(Error::NoFamilies)));
}
