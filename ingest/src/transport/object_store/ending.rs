//! The end of the process, as whoever waits for a store or a queue sees it.
//!
//! In: the sign that the process is to end. Out: waits that end with it. What is under way has a little time to
//! come through, for the last messages are deleted behind the last checkpoint, which comes after the sign; what
//! does not answer by then is away, and waiting for it mends nothing.
//!
//! ```text
//! call ───────────────▶ answer            Some(answer)
//! call ──── sign ───▶ answer              Some(answer)
//! call ──── sign ──── ENDING_PATIENCE     None
//! ```

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::limits::ENDING_PATIENCE;

/// How often the sign is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Whether the process is to end. By default it never does.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// By this sign.
    pub(super) fn new(sign: Arc<AtomicBool>) -> Self {
        Self(sign)
    }

    /// Whether the sign is given.
    pub(super) fn is_near(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for the sign.
    async fn comes(&self) {
        while !self.is_near() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The answer of a call; `None` where the process is to end and there is none in time. After the sign a call
    /// has this time from when it is made.
    pub(super) async fn patient<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let over = async {
            self.comes().await;
            tokio::time::sleep(ENDING_PATIENCE).await;
        };
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = over => None,
        }
    }

    /// The answer of a call that is only made because an earlier one failed; `None` as soon as the process is to
    /// end.
    pub(super) async fn impatient<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = self.comes() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_has_a_little_time_after_the_sign_and_a_repeated_one_has_none() {
        let sign = Arc::new(AtomicBool::new(false));
        let ending = Ending::new(Arc::clone(&sign));
        let call = |after: Duration| async move {
            tokio::time::sleep(after).await;
            7
        };
        let short = Duration::from_millis(60);
        assert_eq!(ending.patient(call(short)).await, Some(7), "without the sign nothing is hurried");
        assert_eq!(ending.impatient(call(short)).await, Some(7));
        sign.store(true, Ordering::Relaxed);
        assert_eq!(ending.patient(call(short)).await, Some(7));
        assert_eq!(ending.patient(call(ENDING_PATIENCE * 2)).await, None);
        assert_eq!(ending.impatient(call(short)).await, None);
        assert_eq!(ending.impatient(std::future::ready(7)).await, Some(7), "what is there is taken");
    }
}
