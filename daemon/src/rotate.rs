//! A file of lines that is appended to, and begun anew when it has grown.
//!
//! In: lines. Out: `name`, and what it was before as `name.1`, `name.2` …, the youngest first. What a crash has
//! left of a last line is cut off when the file is opened again, so that no line is ever half another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file of lines.
#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
    /// How many old files are kept.
    keep: usize,
}

impl Rotating {
    /// Opens a file to append to; makes it where it is not.
    ///
    /// # Errors
    /// Where it cannot be opened or made.
    pub fn open(path: &Path, most: u64, keep: usize) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = whole_lines(&mut file)?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        Ok(Self { path: path.to_owned(), file, bytes, most, keep })
    }

    /// Appends lines that end in line breaks; begins a new file before, where this one has grown. Says how
    /// many old files were removed. Where it fails, nothing of the lines is left.
    ///
    /// # Errors
    /// Where the disk says no.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut removed = 0;
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.most {
            removed = self.rotate()?;
        }
        if let Err(error) = self.file.write_all(lines) {
            // a part of it may stand there: it must not become the beginning of the next try
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(removed)
    }

    /// All that was appended is on disk.
    ///
    /// # Errors
    /// Where the disk says no.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn old(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    fn rotate(&mut self) -> io::Result<usize> {
        self.file.sync_all()?;
        let removed = usize::from(self.old(self.keep).exists() || self.keep == 0);
        for number in (1..self.keep).rev() {
            let from = self.old(number);
            if from.exists() {
                fs::rename(&from, self.old(number + 1))?;
            }
        }
        match self.keep {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, self.old(1))?,
        }
        self.file = OpenOptions::new().read(true).write(true).create_new(true).open(&self.path)?;
        self.bytes = 0;
        Ok(removed)
    }
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
}
