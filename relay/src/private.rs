//! Files and folders that are nobody else's business: 0600 in 0700, owned by who runs the relay.
//!
//! What is too open is tightened (D14); what belongs to another user is refused, because its owner could read or replace the keys.
//! On systems without Unix modes the platform's defaults for a user's own folder stand.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a private file or folder cannot be used.
#[derive(Debug, Error)]
pub enum PrivateError {
    /// It belongs to someone else.
    #[error("{path} belongs to another user (uid {owner}); run the relay as that user, or use a data directory of its own", path = .path.display())]
    ForeignOwner {
        /// Which file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It is a link, or a file where a folder should be, or the reverse.
    #[error("{path} is not a regular {wanted}", path = .path.display())]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// What was expected there.
        wanted: &'static str,
    },
    /// The operating system refused.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Creates a folder that only its owner may enter, or makes sure that an existing one is such.
///
/// # Errors
/// A foreign owner, something else in its place, or the operating system's refusal.
pub fn folder(path: &Path) -> Result<(), PrivateError> {
    let io = |source| PrivateError::Io { path: path.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io)?;
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_dir() {
        return Err(PrivateError::WrongKind { path: path.to_owned(), wanted: "directory" });
    }
    tighten(path, &metadata, 0o700)
}

/// Opens a file for reading and writing, creating it with mode 0600; an existing one is tightened.
///
/// # Errors
/// A foreign owner, a link in its place, or the operating system's refusal.
pub fn file(path: &Path) -> Result<File, PrivateError> {
    let io = |source| PrivateError::Io { path: path.to_owned(), source };
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(PrivateError::WrongKind { path: path.to_owned(), wanted: "file" });
    }
    let file = options().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    tighten(path, &file.metadata().map_err(io)?, 0o600)?;
    Ok(file)
}

/// Writes a new private file so that it is there whole and durable, or not at all.
///
/// # Errors
/// `AlreadyExists` when there is one, or the operating system's refusal.
pub fn write_new(path: &Path, contents: &[u8]) -> Result<(), PrivateError> {
    let io = |source| PrivateError::Io { path: path.to_owned(), source };
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    // A draft left by a crash was never used by anyone.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut file = options().write(true).create_new(true).open(&draft).map_err(io)?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(io)?;
    // A hard link, unlike a rename, never replaces what another process put there meanwhile.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(io)?;
    linked.map_err(io)?;
    sync_parent(path).map_err(io)
}

fn options() -> OpenOptions {
    #[allow(unused_mut, reason = "only Unix has a mode to set")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn tighten(path: &Path, metadata: &fs::Metadata, mode: u32) -> Result<(), PrivateError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(PrivateError::ForeignOwner { path: path.to_owned(), owner: metadata.uid() });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "was open to other users; closed it to them");
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|source| PrivateError::Io { path: path.to_owned(), source })?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn tighten(_path: &Path, _metadata: &fs::Metadata, _mode: u32) -> Result<(), PrivateError> {
    Ok(())
}

#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(not(unix))]
fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}
