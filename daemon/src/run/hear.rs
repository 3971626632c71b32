//! What the main thread hears, signals among it.
//!
//! In: words of all threads, and SIGTERM, SIGINT and SIGHUP. Out: what is to be done next. The end goes before all
//! else, and however often rules are to be loaded, once is enough: what was compiled for each wish in its turn would
//! be thrown away at once.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Word;

/// Words that wait.
pub(super) struct Heard {
    words: Receiver<Word>,
    /// A wish that was heard while something else was looked for.
    reload: Option<&'static str>,
    /// An end that was heard.
    end: Option<Word>,
}

impl Heard {
    /// Begins to hear: when it comes back no signal ends the process any more.
    pub(super) fn open() -> Result<(Sender<Word>, Self), String> {
        let (sender, words) = channel();
        signals(sender.clone()).map_err(|error| format!("signals cannot be heard: {error}"))?;
        Ok((sender, Self::new(words)))
    }

    fn new(words: Receiver<Word>) -> Self {
        Self { words, reload: None, end: None }
    }

    /// What is to be done next; waits for it. `None` where nobody is left who could say.
    pub(super) fn next(&mut self) -> Option<Word> {
        self.gather();
        if self.end.is_none() && self.reload.is_none() {
            let word = self.words.recv().ok()?;
            self.keep(word);
            self.gather();
        }
        self.end.take().or_else(|| self.reload.take().map(Word::Reload))
    }

    /// The signal that asks for the end, where there was one.
    pub(super) fn stop(&mut self) -> Option<&'static str> {
        self.gather();
        match self.end {
            Some(Word::Stop(signal)) => Some(signal),
            _ => None,
        }
    }

    fn gather(&mut self) {
        while let Ok(word) = self.words.try_recv() {
            self.keep(word);
        }
    }

    /// Of several ends the first counts.
    fn keep(&mut self, word: Word) {
        match word {
            Word::Reload(why) => self.reload = Some(why),
            end => self.end = self.end.take().or(Some(end)),
        }
    }
}

/// Hears signals on a thread of its own.
fn signals(words: Sender<Word>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let heard = {
        let _inside = runtime.enter();
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        [terminate?, interrupt?, hangup?]
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || forward(&runtime, heard, &words))
        .map(drop)
}

fn forward(runtime: &Runtime, [mut terminate, mut interrupt, mut hangup]: [Signal; 3], words: &Sender<Word>) {
    runtime.block_on(async {
        loop {
            let word = tokio::select! {
                biased;
                _ = terminate.recv() => Word::Stop("SIGTERM"),
                _ = interrupt.recv() => Word::Stop("SIGINT"),
                _ = hangup.recv() => Word::Reload("SIGHUP"),
            };
            if words.send(word).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wishes_are_one_and_the_end_goes_first() {
        let reload = || Word::Reload("SIGHUP");
        for (said, expected) in [
            (vec![reload(), reload(), reload()], vec![reload()]),
            (vec![reload(), Word::Stop("SIGTERM"), reload()], vec![Word::Stop("SIGTERM"), reload()]),
            (vec![reload(), Word::Ended, Word::Failed("x".into())], vec![Word::Ended, reload()]),
            (vec![], vec![]),
        ] {
            let (sender, words) = channel();
            said.into_iter().for_each(|word| sender.send(word).unwrap());
            drop(sender);
            let mut heard = Heard::new(words);
            assert_eq!(std::iter::from_fn(|| heard.next()).collect::<Vec<_>>(), expected);
        }
    }
}
