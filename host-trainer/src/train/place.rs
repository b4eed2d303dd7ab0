//! A run in its folder, on one rank or several.

use super::checkpoint::{self, Checkpoint};
use super::run::{self, Run};
use super::share::{self, agree, from_first};
use super::{
    Epoch, Progress, Recipe, RunFolder, Silent, TrainError, best, events, log, recipe_file, resume,
    tensor_file,
};
use crate::data::Dataset;
use crate::net::{Alone, Ranks};
use crate::spec::Spec;
use std::path::Path;
use std::sync::Arc;

/// Where a run keeps what it makes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// Its folder.
    pub folder: &'p Path,
    /// Whether to go on from a checkpoint that is there already, instead of from the beginning.
    pub resume: bool,
    /// The command line, if one started the run.
    pub command: Option<&'p str>,
}

/// What is trained, on what, and how.
#[derive(Clone, Copy, Debug)]
pub struct Task<'t> {
    /// The network.
    pub spec: &'t Spec,
    /// Its images.
    pub data: &'t Dataset,
    /// How it is trained.
    pub recipe: &'t Recipe,
}

/// As [`train`](super::train()), with a checkpoint in the place's folder after each epoch. A run that goes on from one
/// ends with exactly the weights it would have had.
///
/// # Errors
///
/// As [`train`](super::train()); when a checkpoint cannot be written or read; when the one that is there began differently.
pub fn train_in(
    place: Place<'_>,
    spec: &Spec,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Checkpoint, TrainError> {
    let task = Task { spec, data, recipe };
    train_among(&alone(), place, task, progress)
}

/// As [`train_in`], with every rank's share of each batch. Rank 0 alone looks at the place's folder and has its progress
/// watched.
///
/// # Errors
///
/// As [`train_in`]; when the batch cannot be shared, and when ranks have different networks or images. Where one rank fails all
/// do, see [`agree`].
pub fn train_among(
    ranks: &Arc<dyn Ranks>,
    place: Place<'_>,
    Task { spec, data, recipe }: Task<'_>,
    progress: &mut dyn Progress,
) -> Result<Checkpoint, TrainError> {
    let silent = &mut Silent;
    let is_first = ranks.rank() == 0;
    let progress = if is_first { progress } else { silent };
    let on_first =
        |write: &dyn Fn() -> Result<(), TrainError>| agree(&**ranks, if is_first { write() } else { Ok(()) });
    agree(&**ranks, share::check_same(&**ranks, spec, data))?;
    // Before anything is written.
    agree(&**ranks, run::check(spec, data, recipe, &**ranks))?;
    let opened = if is_first {
        open(place, recipe).map(Some)
    } else {
        Ok(None)
    };
    // Held until the run ends.
    let (_claim, begun) = agree(&**ranks, opened)?.unzip();
    let Begun { kept, command } = begun.unwrap_or_default();
    let run = match from_first(&**ranks, kept) {
        Some(bytes) => checkpoint::read(&place.folder.join(checkpoint::FILE_NAME), &bytes)
            .map_err(TrainError::from)
            .and_then(|state| Run::resume(state, spec, data, recipe, ranks)),
        None => Run::new(spec, data, recipe, ranks).map(|mut run| {
            run.state.meta.command = command;
            run
        }),
    };
    let mut run = agree(&**ranks, run)?;
    on_first(&|| {
        let meta = &run.state.meta;
        // A run that goes on for longer is one that was meant to be so long, should it be killed: the checkpoint decides.
        if run.is_longer {
            run.state.save(place.folder)?;
        }
        recipe_file::write(place.folder, &meta.recipe, meta.command.as_deref())?;
        record(place.folder, &meta.history)
    })?;
    while let Some(done) = agree(&**ranks, run.epoch(data, progress))? {
        on_first(&|| save(place.folder, &run.state))?;
        progress.epoch(&done);
    }
    Ok(run.state)
}

/// The recipe of the run in a folder, from before its first checkpoint; nothing if no run was begun there.
///
/// # Errors
///
/// Returns an error if it cannot be read.
pub fn recorded(folder: &Path) -> Result<Option<Recipe>, TrainError> {
    Ok(recipe_file::read(folder)?.map(|(recipe, _)| recipe))
}

/// What a run's folder holds before the run.
#[derive(Default)]
struct Begun {
    /// The checkpoint to go on from.
    kept: Option<Vec<u8>>,
    /// The command that started the run.
    command: Option<String>,
}

/// Makes a folder this run's, and finds what an earlier process has done of it, if that is asked for.
fn open(place: Place<'_>, recipe: &Recipe) -> Result<(RunFolder, Begun), TrainError> {
    let claim = RunFolder::claim(place.folder)?;
    let mut begun = Begun {
        kept: None,
        command: place.command.map(str::to_owned),
    };
    if place.resume && checkpoint::is_here(place.folder) {
        begun.kept = Some(tensor_file::load(place.folder, checkpoint::FILE_NAME)?.1);
        return Ok((claim, begun));
    }
    checkpoint::remove_best(place.folder)?;
    if place.resume
        && let Some((before, command)) = recipe_file::read(place.folder)?
    {
        resume::check(&before, recipe)?;
        begun.command = command.or(begun.command);
    }
    Ok((claim, begun))
}

/// Writes what an epoch measured into a run's folder.
fn save(folder: &Path, state: &Checkpoint) -> Result<(), TrainError> {
    let history = &state.meta.history;
    // The best first: a run that is stopped in between repeats this epoch and writes the same.
    if best(history) == history.last().map(|epoch| epoch.number) {
        state.save_best(folder)?;
    }
    state.save(folder)?;
    record(folder, history)
}

/// Writes what the epochs measured: a table and TensorBoard's events.
pub(crate) fn record(folder: &Path, history: &[Epoch]) -> Result<(), TrainError> {
    log::write(folder, history)?;
    events::follow(folder, history)
}

/// Returns the ranks that `mpirun` started, or this process alone without `mpirun`. MPI ends when the result is dropped; the
/// function succeeds once.
///
/// # Errors
///
/// Returns an error if MPI cannot be started; where `mpirun` started several processes of a program that was built without the feature `mpi`.
pub fn ranks() -> Result<Arc<dyn Ranks>, TrainError> {
    #[cfg(feature = "mpi")]
    return Ok(Arc::new(super::mpi::Mpi::start()?));
    #[cfg(not(feature = "mpi"))]
    {
        // Open MPI's and MPICH's own word for how many they started.
        for name in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
            let count = std::env::var(name).unwrap_or_default();
            if count.parse().is_ok_and(|count: usize| count > 1) {
                return Err(TrainError::Ranks(format!(
                    "{count} processes of a program without MPI: build it with `--features mpi`"
                )));
            }
        }
        Ok(alone())
    }
}

/// One process.
pub(super) fn alone() -> Arc<dyn Ranks> {
    Arc::new(Alone)
}
