//! One stage of a training: steps, a log, checkpoints, and going on where it stopped.

use super::checkpoint::{Checkpoints, State};
use super::loss::half_cosine;
use super::optimiser::Adam;
use super::parameters::Parameters;
use super::{Error, log::Log};
use candle_core::Tensor;
use std::path::Path;
use std::time::Instant;

/// What is learned, one step at a time.
pub(super) trait Stage {
    /// The weights; what they are at the start follows from the seed.
    fn weights(&self) -> &Parameters;

    /// Draws the batch of the next step and forgets it.
    fn skip(&mut self);

    /// The loss of the next batch.
    fn loss(&mut self) -> candle_core::Result<Tensor>;

    /// MAP@20 of validation families; none when none are held out.
    fn validation(&self) -> Result<Option<f64>, Error>;
}

/// How long a stage runs and how often it looks up.
pub(super) struct Schedule<'a> {
    pub(super) name: &'static str,
    pub(super) steps: usize,
    /// Rate of the first step; it falls to zero along half a cosine.
    pub(super) learning_rate: f64,
    /// Steps between two checkpoints, each with a line of the log.
    pub(super) every: usize,
    /// What a checkpoint must have been made with to go on from it.
    pub(super) fingerprint: String,
    /// Where checkpoints and the log are kept; nothing is kept without it.
    pub(super) folder: Option<&'a Path>,
}

/// How far a stage has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The stage: `motif` or `graph`.
    pub stage: &'static str,
    /// Steps done.
    pub step: usize,
    /// All steps.
    pub steps: usize,
    /// The loss of the last step.
    pub loss: f64,
    /// MAP@20 of validation families when it was last measured.
    pub validation: Option<f64>,
}

/// Runs `stage` to its end, from its last whole checkpoint where there is one.
pub(super) fn run(
    stage: &mut dyn Stage,
    schedule: &Schedule<'_>,
    progress: &dyn Fn(Progress),
) -> Result<(), Error> {
    let checkpoints = schedule.folder.map(Checkpoints::in_folder).transpose()?;
    let mut adam = Adam::default();
    let mut state = State::new(&schedule.fingerprint);
    if let Some(checkpoints) = &checkpoints
        && let Some(found) =
            checkpoints.newest(&schedule.fingerprint, stage.weights(), &mut adam)?
    {
        state = found;
    }
    (0..state.step).for_each(|_| stage.skip());
    let mut log = schedule
        .folder
        .map(|folder| Log::open(folder, state.step))
        .transpose()?;
    let (before, started) = (state.seconds, Instant::now());
    while state.step < schedule.steps {
        let rate = schedule.learning_rate * half_cosine(state.step, schedule.steps);
        state.loss = step(stage, &mut adam, state.step, rate)?;
        state.step += 1;
        if state.step.is_multiple_of(schedule.every) || state.step == schedule.steps {
            state.validation = stage.validation()?;
            state.seconds = before + started.elapsed().as_secs_f64();
            log.as_mut().map_or(Ok(()), |log| log.write(&state))?;
            if let Some(checkpoints) = &checkpoints {
                checkpoints.save(&state, stage.weights(), &adam)?;
            }
        }
        progress(Progress {
            stage: schedule.name,
            step: state.step,
            steps: schedule.steps,
            loss: state.loss,
            validation: state.validation,
        });
    }
    Ok(())
}

/// One step; the loss before it.
fn step(stage: &mut dyn Stage, adam: &mut Adam, step: usize, rate: f64) -> Result<f64, Error> {
    let loss = stage.loss()?;
    let value = f64::from(loss.to_scalar::<f32>()?);
    if !value.is_finite() {
        return Err(Error::Diverged { step });
    }
    let gradients = loss.backward()?;
    adam.step(stage.weights().iter(), &gradients, rate)?;
    Ok(value)
}
