//! Where sorted hits of correlations go when there are too many for memory: files that vanish with the
//! process.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use virga_engine::correlate::Spill;

/// Hits of correlations in memory, in bytes, before they are written to temporary files: with room to grow twice as
/// much is held, and a backtest of the rules that ship stays below 500 MB.
pub const MEMORY: usize = 40 << 20;

/// Runs in temporary files without a name: nothing is left behind, however the process ends.
#[derive(Debug, Default)]
pub struct TemporaryFiles(Vec<File>);

impl Spill for TemporaryFiles {
    fn write(&mut self, run: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut write = || {
            let mut file = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
            run(&mut file)?;
            self.0.push(file.into_inner().map_err(io::IntoInnerError::into_error)?);
            Ok(())
        };
        write().map_err(|error: io::Error| {
            let folder = std::env::temp_dir();
            let cause = format!(
                "hits of correlations cannot be written to {}: {error}; `TMPDIR` names another folder",
                folder.display()
            );
            io::Error::new(error.kind(), cause)
        })
    }

    fn open(&mut self, run: usize, at: u64) -> io::Result<Box<dyn Read>> {
        let Some(file) = self.0.get_mut(run) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("run {run} was not written")));
        };
        // handles of one file share their place in it, which is why a run is never read at two places at once
        file.seek(SeekFrom::Start(at))?;
        Ok(Box::new(file.try_clone()?))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_run_can_be_read_more_than_once() {
        // within, for whoever takes this file without a harness for tests
        use super::*;
        let mut files = TemporaryFiles::default();
        for text in ["one", "two"] {
            files.write(&mut |out| out.write_all(text.as_bytes())).expect("a run");
        }
        for (run, at, expected) in [(1, 0, "two"), (0, 1, "ne"), (1, 2, "o"), (0, 9, "")] {
            let mut text = String::new();
            files.open(run, at).expect("the run").read_to_string(&mut text).expect("its text");
            assert_eq!(text, expected);
        }
        assert!(files.open(2, 0).is_err());
    }
}
