//! Writing a file as a whole: until everything is written, its place holds what it held before.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Gives `write` a file beside `path` and renames it to `path` when all went well. What is no
/// file, such as a pipe or a device, is written in place.
pub(crate) fn whole<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory).into()),
        Ok(about) if !about.is_file() => {
            filled(File::options().write(true).open(path)?, write).map(drop)
        }
        // Through a link, so that the link stays one.
        Ok(_) => renamed(&path.canonicalize()?, write),
        Err(_) => renamed(path, write),
    }
}

fn renamed<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let unfinished = beside(path);
    let written = File::create(&unfinished).map_err(E::from).and_then(|file| {
        filled(file, write)?.sync_all()?;
        Ok(fs::rename(&unfinished, path)?)
    });
    if written.is_err() {
        // It may not even exist; the first error is the one to tell.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn filled<E: From<io::Error>>(
    file: File,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<File, E> {
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    Ok(file.into_inner().map_err(io::IntoInnerError::into_error)?)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp{}", std::process::id()));
    path.with_file_name(name)
}
