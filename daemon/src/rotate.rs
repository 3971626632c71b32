//! A file of lines that is appended to, and begun anew when it has grown.
//!
//! In: lines. Out: `name`, and what it was before as `name.1`, `name.2` …, the youngest first. What a crash has
//! left of a last line is cut off when the file is opened again, so that no line is ever half another.
//!
//! Others may move, remove or cut the file at any time (`logrotate`, a person in need of room): what stands under the
//! name is looked at before each append. Each step may fail, and the next try goes on from there: an old file moves
//! only where it makes room for one that is there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::private;

/// A file of lines.
#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
    /// How many old files are kept.
    keep: usize,
    /// Old files that were removed and not told of yet.
    removed: usize,
    /// The mode of files that are made.
    mode: u32,
}

impl Rotating {
    /// Opens a file to append to; makes it where it is not.
    ///
    /// # Errors
    /// Where it cannot be opened or made; the error names the file.
    pub fn open(path: &Path, most: u64, keep: usize) -> io::Result<Self> {
        Self::of(path, most, keep, 0o666)
    }

    /// The same; what is made is for its owner alone.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn private(path: &Path, most: u64, keep: usize) -> io::Result<Self> {
        Self::of(path, most, keep, private::FILE)
    }

    fn of(path: &Path, most: u64, keep: usize, mode: u32) -> io::Result<Self> {
        let (file, bytes) = opened(path, mode).map_err(|error| at(path, &error))?;
        Ok(Self { path: path.to_owned(), file, bytes, most, keep, removed: 0, mode })
    }

    /// Proves that a file can be appended to, or made where it is not, and changes nothing: another process may be
    /// in the middle of a line.
    ///
    /// # Errors
    /// Why it cannot be written; the error names the file.
    pub fn check(path: &Path) -> io::Result<()> {
        let provable = match OpenOptions::new().append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => prove_room(path),
            opened => opened.map(drop),
        };
        provable.map_err(|error| at(path, &error))
    }

    /// Appends lines that end in line breaks; begins a new file before, where this one has grown. Says how
    /// many old files were removed. Where it fails, nothing of the lines is left.
    ///
    /// # Errors
    /// Where the disk says no; the error names the file.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.follow().map_err(|error| at(&self.path, &error))?;
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.most {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(lines) {
            // a part of it may stand there: it must not become the beginning of the next try. Where it cannot be cut
            // off now, the next try finds the file longer than it should be
            let _ = cut(&self.file, self.bytes);
            return Err(at(&self.path, &error));
        }
        self.bytes += lines.len() as u64;
        Ok(std::mem::take(&mut self.removed))
    }

    /// All that was appended is on disk.
    ///
    /// # Errors
    /// Where the disk says no; the error names the file.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data().map_err(|error| at(&self.path, &error))
    }

    fn old(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    /// What stands under the name is what is open, and as long as it was left; else it is opened anew.
    fn follow(&mut self) -> io::Result<()> {
        let here = |there: &Metadata, own: &Metadata| {
            (there.dev(), there.ino(), there.len()) == (own.dev(), own.ino(), self.bytes)
        };
        match fs::metadata(&self.path) {
            Ok(there) if here(&there, &self.file.metadata()?) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        (self.file, self.bytes) = opened(&self.path, self.mode)?;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        // without one there is nothing to make room for
        if self.path.try_exists().map_err(|error| at(&self.path, &error))? {
            self.step_aside()?;
        }
        (self.file, self.bytes) = opened(&self.path, self.mode).map_err(|error| at(&self.path, &error))?;
        Ok(())
    }

    /// The file becomes the youngest of the old ones.
    fn step_aside(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            fs::remove_file(&self.path).map_err(|error| at(&self.path, &error))?;
            self.removed += 1;
            return Ok(());
        }
        self.shift()?;
        fs::rename(&self.path, self.old(1)).map_err(|error| at(&self.path, &error))
    }

    /// Makes room for the youngest of the old files. Files move no farther than to the first gap, which is also what
    /// a try leaves that has failed halfway.
    fn shift(&mut self) -> io::Result<()> {
        let mut gap = 1;
        while gap < self.keep && self.exists(gap)? {
            gap += 1;
        }
        let is_full = self.exists(gap)?;
        for number in (1..gap).rev() {
            let from = self.old(number);
            fs::rename(&from, self.old(number + 1)).map_err(|error| at(&from, &error))?;
            // the first is the one that takes the place of the oldest
            self.removed += usize::from(is_full && number + 1 == self.keep);
        }
        // with one old file, the rename that follows is what takes its place
        self.removed += usize::from(is_full && self.keep == 1);
        Ok(())
    }

    fn exists(&self, number: usize) -> io::Result<bool> {
        let old = self.old(number);
        old.try_exists().map_err(|error| at(&old, &error))
    }
}

/// An error with its place.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A file to append to, up to its last whole line, and how long it is. All that is written stands at its end, wherever
/// others have moved that.
fn opened(path: &Path, mode: u32) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(mode).open(path)?;
    let bytes = whole_lines(&mut file)?;
    cut(&file, bytes)?;
    Ok((file, bytes))
}

/// Cuts off what is beyond; never makes a file longer, which would fill it with zeros.
fn cut(file: &File, bytes: u64) -> io::Result<()> {
    match file.metadata()?.len() > bytes {
        true => file.set_len(bytes),
        false => Ok(()),
    }
}

/// Proves that a folder takes new files and has room in them, or can be made, and leaves nothing behind.
///
/// # Errors
/// Why not; the error names the folder.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let provable = match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => prove_room(&folder.join("new")),
    };
    provable.map_err(|error| at(folder, &error))
}

/// The nearest folder that is there takes files, and what is written to them.
fn prove_room(path: &Path) -> io::Result<()> {
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = folder.unwrap_or(Path::new("."));
    let proof = folder.join(format!(".virga-check-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&proof)?;
    // a disk that is full makes files all the same; some say so only when it comes to the disk
    let written = file.write_all(&[b'\n'; 4_096]).and_then(|()| file.sync_data());
    fs::remove_file(&proof)?;
    written
}

/// How far a file has whole lines.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut piece = [0u8; 4_096];
    while end > 0 {
        let from = end.saturating_sub(piece.len() as u64);
        let Some(part) = piece.get_mut(..(end - from) as usize) else { break };
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_takes_files_or_can_be_made_is_told_from_one_that_does_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        for (path, is_good) in [("", true), ("not/yet/there", true), ("file", false), ("file/below", false)] {
            let checked = check_folder(&folder.path().join(path));
            assert_eq!(checked.is_ok(), is_good, "{path}: {checked:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // where nothing can be made, whoever asks
        #[cfg(target_os = "linux")]
        assert!(check_folder(Path::new("/proc/virga")).unwrap_err().to_string().starts_with("/proc/virga: "));
    }

    #[test]
    fn it_grows_and_is_begun_anew_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/a.ndjson");
        let mut file = Rotating::open(&path, 10, 2).unwrap();
        let removed: Vec<usize> =
            (0..5).map(|line| file.append(format!("line {line}\n").as_bytes()).unwrap()).collect();
        assert_eq!(removed, [0, 0, 0, 1, 1]);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(
            (read(&path), read(&file.old(1)), read(&file.old(2))),
            ("line 4\n".into(), "line 3\n".into(), "line 2\n".into())
        );
        assert!(!file.old(3).exists());
    }

    #[test]
    fn what_a_crash_left_of_a_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        let long = "x".repeat(10_000);
        for (left, expected) in [
            ("one\ntw", "one\n".to_owned()),
            ("tw", String::new()),
            ("", String::new()),
            (&format!("one\n{long}"), "one\n".into()),
        ] {
            fs::write(&path, left).unwrap();
            Rotating::open(&path, 1_000, 2).unwrap().append(b"three\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected + "three\n");
        }
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|_| "none".into())
    }

    #[test]
    fn what_others_do_to_the_file_is_followed() {
        type Deed = fn(&Path);
        let deeds: [(&str, Deed, &str); 7] = [
            ("nothing", |_| {}, "one\ntwo\n"),
            ("removed", |path| fs::remove_file(path).unwrap(), "two\n"),
            ("moved", |path| fs::rename(path, path.with_extension("moved")).unwrap(), "two\n"),
            ("its folder removed", |path| fs::remove_dir_all(path.parent().unwrap()).unwrap(), "two\n"),
            ("cut", |path| File::options().write(true).open(path).unwrap().set_len(0).unwrap(), "two\n"),
            ("half cut", |path| File::options().write(true).open(path).unwrap().set_len(2).unwrap(), "two\n"),
            (
                "replaced",
                |path| {
                    fs::write(path.with_extension("new"), "new\n").unwrap();
                    fs::rename(path.with_extension("new"), path).unwrap();
                },
                "new\ntwo\n",
            ),
        ];
        for (name, deed, expected) in deeds {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("below/a.ndjson");
            let mut file = Rotating::open(&path, 1_000, 2).unwrap();
            file.append(b"one\n").unwrap();
            deed(&path);
            file.append(b"two\n").unwrap();
            assert_eq!(read(&path), expected, "{name}");
        }
    }

    /// A full set: `3`, and before it `2`, `1`, `0`.
    fn full(folder: &Path) -> Rotating {
        let mut file = Rotating::open(&folder.join("a.ndjson"), 3, 3).unwrap();
        for line in 0..4 {
            file.append(format!("{line}\n").as_bytes()).unwrap();
        }
        file
    }

    fn all(file: &Rotating) -> Vec<String> {
        let olds = (1..=file.keep).map(|number| read(&file.old(number)));
        std::iter::once(read(&file.path)).chain(olds).collect()
    }

    #[test]
    fn without_a_file_to_make_room_for_no_old_file_moves() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = full(folder.path());
        for _ in 0..5 {
            fs::remove_file(&file.path).unwrap();
            file.append(b"4\n").unwrap();
            fs::remove_file(&file.path).unwrap();
            file.rotate().unwrap();
            assert_eq!(all(&file), ["", "2\n", "1\n", "0\n"]);
            file.append(b"4\n").unwrap();
        }
    }

    #[test]
    fn a_rotation_that_fails_halfway_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = full(folder.path());
        for _ in 0..5 {
            file.shift().unwrap();
            assert_eq!(all(&file), ["3\n", "none", "2\n", "1\n"]);
        }
        // what went with the first try is told by the one that comes through
        assert_eq!(file.append(b"4\n").unwrap(), 1);
        assert_eq!(all(&file), ["4\n", "3\n", "2\n", "1\n"]);
        // the name is another's for a while: nothing moves, and nothing is lost
        fs::remove_file(&file.path).unwrap();
        fs::create_dir(&file.path).unwrap();
        for _ in 0..5 {
            let error = file.append(b"5\n").unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}: ", file.path.display())), "{error}");
        }
        fs::remove_dir(&file.path).unwrap();
        assert_eq!(file.append(b"5\n").unwrap(), 0);
        assert_eq!(all(&file), ["5\n", "3\n", "2\n", "1\n"]);
    }
}
