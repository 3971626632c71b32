//! Folders and files for their owner alone: the state holds values as they came, also those that are redacted elsewhere.
//!
//! In: a path. Out: what is made there, with no rights for anybody else whatever the umask. What is there already keeps
//! its mode: somebody may have given a group a right to it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The mode of a file that is made.
pub const FILE: u32 = 0o600;

/// Makes a folder, and as any other those above it, where they are not.
///
/// # Errors
/// Where the disk says no.
pub fn folder(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(_) if path.is_dir() => Ok(()),
        made => made,
    }
}

/// A file to write from its beginning.
///
/// # Errors
/// Where the disk says no.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_made_is_its_owners_and_what_is_there_stays_as_it_is() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let at = tempfile::tempdir().unwrap();
        let (above, state) = (at.path().join("above"), at.path().join("above/state"));
        folder(&state).unwrap();
        create(&state.join("file")).unwrap();
        assert_eq!((mode(&state), mode(&state.join("file"))), (0o700, 0o600));
        assert_ne!(mode(&above), 0o700, "others' folders are made as others make them");
        fs::set_permissions(&state, fs::Permissions::from_mode(0o750)).unwrap();
        fs::set_permissions(state.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
        folder(&state).unwrap();
        create(&state.join("file")).unwrap();
        assert_eq!((mode(&state), mode(&state.join("file"))), (0o750, 0o640));
        assert!(folder(&state.join("file")).is_err());
    }
}
