//! Files that a command writes its answer to.
//!
//! In: a path of the command line. Out: a file that takes its name only when it is whole, so that what ends half-way
//! leaves the old one as it was. What stands at the path stays what it is: a link still leads where it led, a file keeps
//! its mode, and a pipe or a device is written to. Several files of one command take their names together.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::NamedTempFile;

use crate::commands::Failure;

/// A file that is being written.
pub struct NewFile {
    /// As the user named it.
    named: PathBuf,
    out: Out,
}

enum Out {
    /// A file beside the one that it becomes.
    Draft(NamedTempFile, PathBuf),
    /// What is no regular file is there already.
    There(File),
}

/// Links that lead to links: the kernel follows as many.
const MAX_LINKS: usize = 40;

impl NewFile {
    /// Begins a file.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let out = Out::at(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { named: path.to_owned(), out })
    }

    /// The file itself.
    pub fn file(&mut self) -> &mut File {
        match &mut self.out {
            Out::Draft(draft, _) => draft.as_file_mut(),
            Out::There(file) => file,
        }
    }

    /// The file is whole.
    ///
    /// # Errors
    /// Where it cannot get its name.
    pub fn keep(self) -> Result<(), Failure> {
        let Out::Draft(draft, path) = self.out else { return Ok(()) };
        draft.persist(path).map_err(|error| format!("{}: {}", self.named.display(), error.error))?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

/// The files of one command, which take their names when all of them are whole.
pub struct NewFiles(Arc<Mutex<Drafts>>);

/// What is not whole yet; nothing once all of it has its names.
type Drafts = Option<Vec<NewFile>>;

impl NewFiles {
    /// None yet.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    /// Begins one more; what is written to it is the file's.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub fn create(&self, path: &Path) -> Result<File, Failure> {
        let mut file = match NewFile::create(path)? {
            // whoever reads a pipe waits for its end
            NewFile { out: Out::There(file), .. } => return Ok(file),
            draft => draft,
        };
        let handle = file.file().try_clone()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().push(file);
        Ok(handle)
    }

    /// All are whole.
    ///
    /// # Errors
    /// Where one cannot get its name: those before it have theirs.
    pub fn keep(&self) -> Result<(), Failure> {
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.take().into_iter().flatten().try_for_each(NewFile::keep)
    }

    /// For whoever ends the process in the middle.
    pub fn unfinished(&self) -> Unfinished {
        Unfinished(Arc::downgrade(&self.0))
    }
}

/// The files of a command as whoever ends the process sees them.
pub struct Unfinished(Weak<Mutex<Drafts>>);

impl Unfinished {
    /// Lets go of what is not whole; whether it was in time, and no file has got its name.
    pub fn leave(&self) -> bool {
        let Some(drafts) = self.0.upgrade() else { return false };
        let mut drafts = drafts.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.as_mut().map(Vec::clear).is_some()
    }
}

impl Out {
    fn at(path: &Path) -> io::Result<Self> {
        let there = match std::fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(own) = there.as_ref().and_then(own_output) {
            return Ok(Self::There(own));
        }
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return OpenOptions::new().write(true).open(path).map(Self::There);
        }
        let path = behind_links(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".virga-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // as any new file: what the user's mask leaves of it
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let draft = builder.tempfile_in(folder)?;
        if let Some(there) = there {
            draft.as_file().set_permissions(there.permissions())?;
        }
        Ok(Self::Draft(draft, path))
    }
}

/// Where a link leads to in the end, also where nothing stands there yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many links lead to one another"))
}

/// The process's own output, where a path such as `/dev/stdout` leads to it: to open its file anew would write over what
/// stands there already.
#[cfg(unix)]
fn own_output(there: &Metadata) -> Option<File> {
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::MetadataExt as _;

    let same = |fd: OwnedFd| -> Option<File> {
        let file = File::from(fd);
        let own = file.metadata().ok()?;
        ((own.dev(), own.ino()) == (there.dev(), there.ino())).then_some(file)
    };
    let of = |output: &dyn AsFd| output.as_fd().try_clone_to_owned().ok().and_then(same);
    of(&io::stdout()).or_else(|| of(&io::stderr()))
}

#[cfg(not(unix))]
fn own_output(_: &Metadata) -> Option<File> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn write(path: &Path) {
        let mut file = NewFile::create(path).expect("a file");
        file.write_all(b"new").expect("it is written");
        file.keep().expect("it is kept");
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_has_that_of_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for old in [0o644, 0o600, 0o664] {
            let path = folder.path().join(format!("{old:o}"));
            std::fs::write(&path, "old").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(old)).unwrap();
            write(&path);
            assert_eq!((mode(&path), std::fs::read_to_string(&path).unwrap()), (old, "new".to_owned()));
        }
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        write(&ours);
        std::fs::write(&theirs, "new").unwrap();
        assert_eq!(mode(&ours), mode(&theirs));
    }

    #[test]
    fn what_is_not_whole_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        std::fs::write(&path, "old").unwrap();
        NewFile::create(&path).unwrap().write_all(b"half").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn several_files_take_their_names_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["one", "two"];
        let begin = || {
            let files = NewFiles::new();
            names.iter().for_each(|name| {
                files.create(&folder.path().join(name)).unwrap().write_all(b"new").unwrap();
            });
            files
        };
        let there = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(begin());
        assert_eq!(there(), 0);
        let files = begin();
        assert!(files.unfinished().leave());
        assert_eq!(there(), 0);
        let files = begin();
        files.keep().unwrap();
        assert!(!files.unfinished().leave(), "it came too late");
        assert!(names.iter().all(|name| std::fs::read(folder.path().join(name)).unwrap() == b"new"));
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("second", at("first")).unwrap();
        symlink("real", at("second")).unwrap();
        // what it leads to is not there yet, and then is
        for _ in 0..2 {
            write(&at("first"));
            assert!(std::fs::symlink_metadata(at("first")).unwrap().is_symlink());
            assert!(std::fs::symlink_metadata(at("real")).unwrap().is_file());
            assert_eq!(std::fs::read_to_string(at("real")).unwrap(), "new");
        }
        symlink("round", at("round")).unwrap();
        assert!(NewFile::create(&at("round")).is_err());
    }

    #[test]
    fn a_pipe_and_a_device_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()));
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read_to_string(pipe).unwrap()
        });
        write(&pipe);
        assert_eq!(reader.join().unwrap(), "new");
        assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        let null = folder.path().join("null");
        symlink("/dev/null", &null).unwrap();
        write(&null);
        assert!(std::fs::symlink_metadata(&null).unwrap().is_symlink());
    }
}
