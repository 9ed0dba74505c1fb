//! Checkpoints of a training: weights, moments of the optimiser, and where it stands.
//!
//! Each is a folder of its own, `step-000300`, written under another name and renamed when it is
//! whole; the one before it goes only then. So whatever cuts a training off leaves a checkpoint to
//! go on from, and going on gives the bytes of a training that was never cut off.

use super::Error;
use super::optimiser::Adam;
use super::parameters::Parameters;
use candle_core::{Device, Tensor, safetensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Checkpoints kept: the newest, and one before it in case the disk lost the newest.
const KEPT: usize = 2;
const TENSORS: &str = "state.safetensors";
const STATE: &str = "state.json";

/// Where a training stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Steps done.
    pub(super) step: usize,
    /// The loss of the last step.
    pub(super) loss: f64,
    /// MAP@20 of validation families.
    pub(super) validation: Option<f64>,
    /// Seconds that the training has run.
    pub(super) seconds: f64,
    /// What it is made with: settings, seed and data.
    fingerprint: String,
    /// Checksum of the tensors.
    checksum: String,
}

impl State {
    pub(super) fn new(fingerprint: &str) -> Self {
        Self {
            step: 0,
            loss: f64::NAN,
            validation: None,
            seconds: 0.0,
            fingerprint: fingerprint.to_owned(),
            checksum: String::new(),
        }
    }
}

/// The checkpoints in one folder.
pub(super) struct Checkpoints(PathBuf);

impl Checkpoints {
    pub(super) fn in_folder(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        Ok(Self(folder.to_owned()))
    }

    /// Reads the newest whole checkpoint that was made with `fingerprint` into weights and moments.
    pub(super) fn newest(
        &self,
        fingerprint: &str,
        weights: &Parameters,
        adam: &mut Adam,
    ) -> Result<Option<State>, Error> {
        for folder in self.folders()?.iter().rev() {
            if let Some((state, tensors)) = read(folder)
                && state.fingerprint == fingerprint
            {
                restore(&tensors, weights, adam)?;
                adam.steps = state.step;
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    pub(super) fn save(
        &self,
        state: &State,
        weights: &Parameters,
        adam: &Adam,
    ) -> Result<(), Error> {
        let name = format!("step-{:06}", state.step);
        let (draft, whole) = (self.0.join(format!(".{name}")), self.0.join(name));
        for folder in [&draft, &whole] {
            if folder.exists() {
                fs::remove_dir_all(folder).map_err(|error| failed(folder, &error))?;
            }
        }
        write(&draft, state, weights, adam)?;
        fs::rename(&draft, &whole).map_err(|error| failed(&whole, &error))?;
        let folders = self.folders()?;
        for old in folders.iter().rev().skip(KEPT) {
            fs::remove_dir_all(old).map_err(|error| failed(old, &error))?;
        }
        Ok(())
    }

    /// Folders of checkpoints, the newest last.
    fn folders(&self) -> Result<Vec<PathBuf>, Error> {
        let folders = fs::read_dir(&self.0).map_err(|error| failed(&self.0, &error))?;
        let mut folders: Vec<PathBuf> = folders
            .filter_map(|folder| Some(folder.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().starts_with("step-")
            })
            .collect();
        folders.sort();
        Ok(folders)
    }
}

/// Why a file of a training could not be written or read.
pub(super) fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn write(folder: &Path, state: &State, weights: &Parameters, adam: &Adam) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let path = folder.join(TENSORS);
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    for (name, weight) in weights.iter() {
        tensors.insert(format!("weight/{name}"), weight.as_tensor().clone());
    }
    for (kind, moments) in [("first", &adam.first), ("second", &adam.second)] {
        let moments = moments.iter();
        tensors.extend(moments.map(|(name, moment)| (format!("{kind}/{name}"), moment.clone())));
    }
    safetensors::save(&tensors, &path)?;
    let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
    let state = State {
        checksum: blake3::hash(&bytes).to_hex().to_string(),
        ..state.clone()
    };
    let path = folder.join(STATE);
    let text = serde_json::to_vec_pretty(&state).map_err(|error| failed(&path, &error))?;
    fs::write(&path, text).map_err(|error| failed(&path, &error))
}

/// What lies in `folder`, if it is whole.
fn read(folder: &Path) -> Option<(State, HashMap<String, Tensor>)> {
    let state: State = serde_json::from_slice(&fs::read(folder.join(STATE)).ok()?).ok()?;
    let bytes = fs::read(folder.join(TENSORS)).ok()?;
    let is_whole = blake3::hash(&bytes).to_hex().as_str() == state.checksum;
    let tensors = safetensors::load_buffer(&bytes, &Device::Cpu).ok()?;
    is_whole.then_some((state, tensors))
}

fn restore(
    tensors: &HashMap<String, Tensor>,
    weights: &Parameters,
    adam: &mut Adam,
) -> Result<(), Error> {
    for (name, weight) in weights.iter() {
        let of = |kind: &str| tensors.get(&format!("{kind}/{name}"));
        let device = weight.device();
        if let Some(saved) = of("weight") {
            weight.set(&saved.to_device(device)?)?;
        }
        for (kind, moments) in [("first", &mut adam.first), ("second", &mut adam.second)] {
            if let Some(moment) = of(kind) {
                moments.insert(name.clone(), moment.to_device(device)?);
            }
        }
    }
    Ok(())
}
