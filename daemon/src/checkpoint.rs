//! The checkpoint: one file that holds all that a restart needs, or nothing of it.
//!
//! In: input positions, watermarks, the state of correlations, ids of suppressed alerts and alerts that no
//! sink has taken yet, all of one instant. Out: a file, and the same back. It is the only durability there is:
//! what it says to have been read has been correlated, and what was to be told stands in it.
//!
//! ```text
//! "VIRGACKP"  8 bytes
//! version     2 bytes, little-endian
//! length      8 bytes, little-endian: of the contents
//! checksum    16 bytes: the first 128 bits of BLAKE3 over the contents
//! contents    postcard: all but the state of correlations; behind it that, in pieces, each behind its length
//!             (8 bytes, little-endian)
//! ```
//!
//! It may be large, so it is written as it is made, and never held as a whole. A new one is written beside the old
//! one, synced, and put in its place; the old one is kept as `checkpoint.previous` and is used where the new one
//! cannot be read. A crash between any two steps leaves at least one that can.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use virga_ingest::position::Positions;

use crate::limits::{MAX_CHECKPOINT_BYTES, WRITE_BYTES};
use crate::marks::Marks;
use crate::outbox::Kept;
use crate::private;

const MAGIC: &[u8; 8] = b"VIRGACKP";
/// Raised when the bytes of the contents mean something else than before.
const VERSION: u16 = 2;
const HEAD: usize = 8 + 2 + 8 + 16;

const CURRENT: &str = "checkpoint";
const PREVIOUS: &str = "checkpoint.previous";
const NEW: &str = "checkpoint.new";

/// All that a restart needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What the process is known by, in every run on this folder.
    pub instance: String,
    /// Counts checkpoints.
    pub number: u64,
    /// When it was written, microseconds since 1970.
    pub written: i64,
    /// How far each input has been read, by its name.
    pub positions: Vec<(String, Positions)>,
    /// The watermark, and what each partition says to it.
    pub marks: Marks,
    /// Ids of suppressed alerts and when their buckets end.
    pub suppressed: Vec<(String, i64)>,
    /// What sinks have not taken yet.
    pub outbox: Kept,
    /// The state of correlations, in the pieces in which the engine writes it: behind the rest in the file.
    #[serde(skip)]
    pub correlations: Vec<Vec<u8>>,
}

impl Checkpoint {
    /// How far an input has been read.
    pub fn positions_of(&self, input: &str) -> Positions {
        let found = self.positions.iter().find(|(name, _)| name == input);
        found.map(|(_, positions)| positions.clone()).unwrap_or_default()
    }

    /// Whether an input had begun.
    pub fn knows(&self, input: &str) -> bool {
        self.positions.iter().any(|(name, _)| name == input)
    }

    /// Inputs that it knows and that are not among these: where they stand is kept.
    pub fn others(&self, inputs: &[&str]) -> Vec<&str> {
        let names = self.positions.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !inputs.contains(name)).collect()
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else {
            return Err("it is cut off".into());
        };
        let (magic, rest) = head.split_at(8);
        let (version, rest) = rest.split_at(2);
        let (length, checksum) = rest.split_at(8);
        if magic != MAGIC {
            return Err("it is no checkpoint".into());
        }
        if version != VERSION.to_le_bytes() {
            let version = u16::from_le_bytes([version[0], version[1]]);
            return Err(format!("it has format {version}, this program reads format {VERSION}"));
        }
        if length != (body.len() as u64).to_le_bytes() {
            return Err("it is cut off".into());
        }
        if checksum != &blake3::hash(body).as_bytes()[..16] {
            return Err("it is damaged: its checksum does not fit".into());
        }
        let cannot = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
        let (mut checkpoint, mut rest): (Self, &[u8]) =
            postcard::take_from_bytes(body).map_err(|error| cannot(&error))?;
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let Some((piece, behind)) = behind.split_at_checked(length) else {
                return Err(cannot(&"a piece of the state is cut off"));
            };
            checkpoint.correlations.push(piece.to_vec());
            rest = behind;
        }
        match rest {
            [] => Ok(checkpoint),
            _ => Err(cannot(&"something stands behind it")),
        }
    }
}

/// Where the contents go: what is written is summed on its way.
struct Summed {
    file: File,
    sum: blake3::Hasher,
    length: u64,
    /// More than this is not read again.
    most: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length + bytes.len() as u64 > self.most {
            return Err(io::Error::other(format!(
                "it has more than {} MB, and one of more is not read: lower [limits] correlation_memory",
                self.most >> 20
            )));
        }
        let written = self.file.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Remembers why the disk said no: the encoder tells of a writer that fails only that there is no room.
struct Remembering<W> {
    out: W,
    failure: Option<io::Error>,
}

impl<W: Write> Write for Remembering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes all but the state of correlations.
fn encode(checkpoint: &Checkpoint, out: &mut impl Write) -> io::Result<()> {
    let mut out = Remembering { out, failure: None };
    let encoded = postcard::to_io(checkpoint, &mut out).map(drop);
    encoded.map_err(|error| out.failure.take().unwrap_or_else(|| io::Error::other(error)))
}

/// Takes a piece of the state of correlations.
pub type TakePiece<'t> = &'t mut dyn FnMut(&[u8]) -> io::Result<()>;

/// A checkpoint that is on disk, and not in its place yet.
#[derive(Debug)]
pub struct Written {
    /// Bytes of its file.
    pub bytes: u64,
}

/// Where checkpoints lie.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    most: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The checkpoint, if any could be read.
    pub checkpoint: Option<Checkpoint>,
    /// What could not be read, and what is used in its place.
    pub complaints: Vec<String>,
}

impl Store {
    /// Checkpoints of a folder, which must be there.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), most: MAX_CHECKPOINT_BYTES }
    }

    /// The last checkpoint that can be read.
    ///
    /// # Errors
    /// Where there are some and none of them can be read: to begin anew then would pass over what they stood
    /// for, and that is for a person to decide.
    pub fn load(&self) -> Result<Found, String> {
        let mut found = Found::default();
        let mut any = false;
        for name in [CURRENT, PREVIOUS] {
            let path = self.folder.join(name);
            let bytes = match read(&path, self.most) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            any = true;
            match Checkpoint::from_bytes(&bytes) {
                Ok(checkpoint) => {
                    found.checkpoint = Some(checkpoint);
                    return Ok(found);
                }
                Err(why) => found.complaints.push(format!("{} is not used: {why}", path.display())),
            }
        }
        match any {
            true => Err(format!(
                "{}; no checkpoint is left. Move them away to begin anew: inputs then begin where the group or the configuration says, and correlations without memory",
                found.complaints.join("; ")
            )),
            false => Ok(found),
        }
    }

    /// Writes a checkpoint beside the last; `correlations` gives the state of correlations piece by piece.
    ///
    /// # Errors
    /// Where the disk says no, or the state cannot be written.
    pub fn write(
        &self,
        checkpoint: &Checkpoint,
        correlations: impl FnOnce(TakePiece<'_>) -> io::Result<()>,
    ) -> io::Result<Written> {
        let written = self.try_write(checkpoint, correlations);
        if written.is_err() {
            // a part of it takes room that a full disk may lack; the next attempt begins anew
            let _ = fs::remove_file(self.folder.join(NEW));
        }
        written
    }

    fn try_write(
        &self,
        checkpoint: &Checkpoint,
        correlations: impl FnOnce(TakePiece<'_>) -> io::Result<()>,
    ) -> io::Result<Written> {
        let mut file = private::create(&self.folder.join(NEW))?;
        // its place is kept for the head, which is known at the end
        file.write_all(&[0; HEAD])?;
        let most = self.most.saturating_sub(HEAD as u64);
        let summed = Summed { file, sum: blake3::Hasher::new(), length: 0, most };
        let mut out = BufWriter::with_capacity(WRITE_BYTES, summed);
        encode(checkpoint, &mut out)?;
        correlations(&mut |piece| {
            out.write_all(&(piece.len() as u64).to_le_bytes())?;
            out.write_all(piece)
        })?;
        let Summed { mut file, sum, length, .. } = out.into_inner().map_err(|error| error.into_error())?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&sum.finalize().as_bytes()[..16]);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head)?;
        file.sync_all()?;
        Ok(Written { bytes: length + HEAD as u64 })
    }

    /// Puts what was written in the place of the last, which is kept as the previous one.
    ///
    /// # Errors
    /// Where the disk says no; what was there is still there.
    pub fn put(&self, _: &Written) -> io::Result<()> {
        let [current, previous, new] = [CURRENT, PREVIOUS, NEW].map(|name| self.folder.join(name));
        match fs::rename(&current, &previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&new, &current)?;
        // the names are of the folder: without this they may come back as they were
        File::open(&self.folder)?.sync_all()
    }
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use virga_ingest::position::Position;

    fn checkpoint(number: u64) -> Checkpoint {
        let mut positions = Positions::default();
        positions.set("trail/0", Position::offset(number as i64));
        Checkpoint {
            instance: "i".into(),
            number,
            positions: vec![("in".into(), positions)],
            correlations: vec![vec![1, 2, 3], Vec::new(), vec![4; 300]],
            ..Checkpoint::default()
        }
    }

    fn saved(folder: &Path, numbers: &[u64]) -> Store {
        let store = Store::new(folder);
        for number in numbers {
            let checkpoint = checkpoint(*number);
            let give = |take: TakePiece<'_>| checkpoint.correlations.iter().try_for_each(|piece| take(piece));
            let written = store.write(&checkpoint, give).unwrap();
            assert_eq!(written.bytes, fs::metadata(folder.join(NEW)).unwrap().len());
            store.put(&written).unwrap();
        }
        store
    }

    #[test]
    fn what_the_disk_says_is_told_as_it_said_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(28))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = encode(&Checkpoint::default(), &mut Full).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28), "{error}");
    }

    #[test]
    fn the_last_one_comes_back_and_the_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Store::new(folder.path()).load().unwrap().checkpoint.is_none());
        let store = saved(folder.path(), &[1, 2, 3]);
        let found = store.load().unwrap();
        assert_eq!((found.checkpoint, found.complaints.len()), (Some(checkpoint(3)), 0));
        let previous = fs::read(folder.path().join(PREVIOUS)).unwrap();
        assert_eq!(Checkpoint::from_bytes(&previous).unwrap().number, 2);
    }

    #[test]
    fn wherever_it_is_damaged_or_cut_the_one_before_is_used_and_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let store = saved(folder.path(), &[1, 2]);
        let path = folder.path().join(CURRENT);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            for bytes in [damaged.as_slice(), &whole[..at]] {
                fs::write(&path, bytes).unwrap();
                let found = store.load().unwrap();
                assert_eq!(found.checkpoint.map(|found| found.number), Some(1), "byte {at}");
                assert!(found.complaints[0].contains("is not used"), "{:?}", found.complaints);
            }
        }
    }

    #[test]
    fn a_crash_between_two_steps_leaves_one_that_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = saved(folder.path(), &[1, 2]);
        // written in part
        fs::write(folder.path().join(NEW), b"VIRGA").unwrap();
        assert_eq!(store.load().unwrap().checkpoint.map(|found| found.number), Some(2));
        // the old one moved away, the new one not yet in its place
        fs::rename(folder.path().join(CURRENT), folder.path().join(PREVIOUS)).unwrap();
        assert_eq!(store.load().unwrap().checkpoint.map(|found| found.number), Some(2));
    }

    #[test]
    fn one_that_could_not_be_written_leaves_nothing_and_the_last_stands() {
        let folder = tempfile::tempdir().unwrap();
        let store = saved(folder.path(), &[1]);
        let failed = store.write(&checkpoint(2), |take| {
            take(&[7; 1 << 20])?;
            Err(io::Error::other("no room"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no room");
        assert!(!folder.path().join(NEW).exists());
        assert_eq!(store.load().unwrap().checkpoint.map(|found| found.number), Some(1));
    }

    #[test]
    fn one_that_could_not_be_read_again_is_not_written_and_the_last_stands() {
        let folder = tempfile::tempdir().unwrap();
        let store = saved(folder.path(), &[1]);
        let length = fs::metadata(folder.path().join(CURRENT)).unwrap().len();
        let write = |most: u64| {
            let checkpoint = checkpoint(2);
            let store = Store { most, ..store.clone() };
            let give = |take: TakePiece<'_>| checkpoint.correlations.iter().try_for_each(|piece| take(piece));
            store.write(&checkpoint, give).and_then(|written| store.put(&written))
        };
        let refused = write(length - 1).unwrap_err().to_string();
        assert!(refused.contains("lower [limits] correlation_memory"), "{refused}");
        assert!(!folder.path().join(NEW).exists());
        assert_eq!(store.load().unwrap().checkpoint.map(|found| found.number), Some(1));
        write(length).unwrap();
        let store = Store { most: length, ..store.clone() };
        assert_eq!(store.load().unwrap().checkpoint.map(|found| found.number), Some(2));
    }

    #[test]
    fn where_none_can_be_read_nothing_is_begun_anew_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let store = saved(folder.path(), &[1, 2]);
        fs::write(folder.path().join(CURRENT), b"").unwrap();
        fs::write(folder.path().join(PREVIOUS), b"x").unwrap();
        assert!(store.load().unwrap_err().contains("to begin anew"));
    }
}
