//! What is away: it is waited for, which is said once, and counted each time.
//!
//! In: failures of calls, and calls that were served. Out: how long to wait for the next, and what to say: when
//! it begins, and when it is over. What no waiting mends (a queue that is not there, a right that is missing) ends
//! the start with a word; later it is waited for as all else, for who ran yesterday runs tomorrow.

use std::time::Duration;

use super::Item;
use super::driver::{Driver, Gone};
use crate::transport::live::Note;
use crate::transport::object_store::ledger::Ledger;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What an operator looks at where the ledger does not serve.
const LEDGER_HELP: &str = "look at the room and the rights of the `[state]` folder";

/// Whether a call was ever served since the start, and how often it has failed since it was.
#[derive(Default)]
pub(super) struct Away {
    has_begun: bool,
    failures: u32,
}

/// Who does not serve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The queue, or the listing where there is none: with its first answer the input has begun.
    Input,
    /// The store, asked for objects.
    Objects,
    /// The ledger, which lies on the disk of the state.
    Ledger,
}

/// Why a call failed.
pub(super) struct Failure {
    /// What does not work: `the queue does not answer`.
    pub(super) what: String,
    pub(super) cause: String,
    /// No waiting mends it.
    pub(super) is_refused: bool,
    /// What to do about it.
    pub(super) help: &'static str,
}

impl Away {
    /// Whether a call was served since the start.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Counts a failure: whether it is the first, and how long to wait.
    fn fail(&mut self) -> (bool, Duration) {
        let pause = (FIRST_PAUSE * 2u32.saturating_pow(self.failures.min(16))).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        (self.failures == 1, pause)
    }

    /// Counts a call that was served: whether it is the first of all, and how many failed before it.
    fn serve(&mut self) -> (bool, u32) {
        (!std::mem::replace(&mut self.has_begun, true), std::mem::take(&mut self.failures))
    }
}

impl Driver {
    fn away_of(&mut self, whom: Whom) -> &mut Away {
        match whom {
            Whom::Input => &mut self.away,
            Whom::Objects => &mut self.objects_away,
            Whom::Ledger => &mut self.ledger_away,
        }
    }

    /// A call was not served: says and counts it, and waits. Where it cannot work however long one waits, and
    /// none has worked since the start, the input ends.
    pub(super) async fn wait_for(&mut self, whom: Whom, failure: Failure) -> Result<(), Gone> {
        let Failure { what, cause, is_refused, help } = failure;
        if is_refused && !self.away_of(whom).has_begun {
            self.give(Item::Broken(format!("{what}: {cause}; {help}"))).await?;
            return Err(Gone);
        }
        let (is_first, pause) = self.away_of(whom).fail();
        // what goes on is counted, and told of once
        let message = match is_first {
            true => format!("{what}: {cause}; it is waited for, and nothing is lost meanwhile; {help}"),
            false => String::new(),
        };
        self.give(Item::Note(Note { cause: "retrying", count: 1, message })).await?;
        // asked to end, whoever waits looks at that next
        let _ = self.shared.ending.impatient(tokio::time::sleep(pause)).await;
        Ok(())
    }

    /// A call was served: with the first the input has begun, and what was away is back.
    pub(super) async fn served(&mut self, whom: Whom) -> Result<(), Gone> {
        let (is_first, failures) = self.away_of(whom).serve();
        if is_first && whom == Whom::Input {
            self.give(Item::Begun).await?;
        }
        match failures {
            0 => Ok(()),
            times => {
                let again = match whom {
                    Whom::Ledger => "the ledger of objects can be written again",
                    Whom::Input | Whom::Objects => "it answers again",
                };
                self.note("served_again", format!("{again}, after {times} failures")).await
            }
        }
    }

    /// Asks the ledger until it serves: without it an object would be read twice after a restart, or never.
    pub(super) async fn of_ledger<T>(
        &mut self,
        ask: impl Fn(&Ledger) -> Result<T, String>,
    ) -> Result<T, Gone> {
        loop {
            match ask(&self.ledger) {
                Ok(answer) => {
                    self.served(Whom::Ledger).await?;
                    return Ok(answer);
                }
                Err(cause) => self.wait_for_ledger(cause).await?,
            }
        }
    }

    pub(super) async fn wait_for_ledger(&mut self, cause: String) -> Result<(), Gone> {
        if self.shared.ending.is_near() || self.items.is_closed() {
            return Err(Gone);
        }
        let what = format!("no object of {} can be written down", self.url);
        self.wait_for(Whom::Ledger, Failure { what, cause, is_refused: false, help: LEDGER_HELP }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_it_begins_and_when_it_is_over_and_pauses_grow() {
        let mut away = Away::default();
        let of = |(is_first, pause): (bool, Duration)| (is_first, pause.as_millis());
        assert_eq!(of(away.fail()), (true, 500));
        assert_eq!(of(away.fail()), (false, 1_000));
        for _ in 0..100 {
            away.fail();
        }
        assert_eq!(of(away.fail()), (false, 10_000));
        assert_eq!(away.serve(), (true, 103));
        assert_eq!(away.serve(), (false, 0));
        assert_eq!(of(away.fail()), (true, 500));
    }
}
