//! What finds objects: it asks the queue, or lists, and hands on what is new.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use tokio::sync::{Semaphore, mpsc};

use super::super::aws::ServiceError;
use super::super::layout::Selection;
use super::super::ledger::Ledger;
use super::super::notice::{self, Notice};
use super::super::process_environment;
use super::super::served::Served;
use super::super::sqs::{Message, Queue};
use super::super::url::ObjectUrl;
use super::away::{Away, Failure, Whom};
use super::bound::Bound;
use super::opening::InWork;
use super::said::{PassedOver, Said, is_below};
use super::{InHand, Item, ObjectsConfig, RECEIVE_WAIT, Shared, lock, not_deleted};
use crate::limits::{MESSAGES_IN_HAND, OBJECTS_AT_ONCE};
use crate::transport::live::{Clock, Frontier, Note};
use crate::transport::names;

/// What an operator looks at where a queue does not serve.
const QUEUE_HELP: &str = "look at the network, `queue`, the region and the credentials: the role needs \
    sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes";

/// Extends the visibility of all messages in hand, three times while it lasts.
pub(super) async fn keep_in_hand(
    queue: Queue,
    shared: Arc<Shared>,
    items: mpsc::WeakSender<Item>,
    visibility: u32,
) {
    let (mut untold, mut cause) = (0, String::new());
    while !shared.closing.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(u64::from(visibility) * 1_000 / 3)).await;
        let receipts: Vec<String> = lock(&shared.in_hand).keys().cloned().collect();
        for batch in receipts.chunks(crate::limits::MESSAGES_AT_ONCE) {
            let batch = still_in_hand(&shared, batch);
            if batch.is_empty() {
                continue;
            }
            let (not_extended, why) = match queue.extend(&batch, visibility).await {
                Ok(refused) => (count_in_hand(&shared, &refused), "the queue refused it".to_owned()),
                Err(error) => (batch.len(), error.to_string()),
            };
            if not_extended > 0 {
                untold += not_extended as u64;
                cause = why;
            }
        }
        let Some(items) = items.upgrade() else { return };
        if untold > 0 {
            let message = format!(
                "the visibility of {untold} messages was not extended ({cause}): they may come again, and are known then"
            );
            // where nobody has room for a note now, the next one counts these too: extending must not wait
            if items.try_send(Item::Note(Note { cause: "not_extended", count: untold, message })).is_ok() {
                untold = 0;
            }
        }
    }
}

/// Those of the messages that no checkpoint is behind yet.
fn still_in_hand(shared: &Shared, receipts: &[String]) -> Vec<String> {
    let in_hand = lock(&shared.in_hand);
    receipts.iter().filter(|receipt| in_hand.contains_key(*receipt)).cloned().collect()
}

/// How many of the messages that the queue refused may come again: what was deleted meanwhile is refused too, and does
/// not. One of which the queue does not say which it is counts.
fn count_in_hand(shared: &Shared, refused: &[Option<String>]) -> usize {
    let in_hand = lock(&shared.in_hand);
    refused
        .iter()
        .filter(|receipt| receipt.as_ref().is_none_or(|receipt| in_hand.contains_key(receipt)))
        .count()
}

/// Finds objects, opens them, and hands them on.
pub(super) struct Driver {
    pub(super) config: ObjectsConfig,
    /// How long messages are kept from others at a time, in seconds.
    visibility: u32,
    pub(super) url: ObjectUrl,
    pub(super) queue: Option<Queue>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) items: mpsc::Sender<Item>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) stores: HashMap<String, Arc<dyn ObjectStore>>,
    /// The number of the next object.
    pub(super) next: u64,
    /// Everything that came before has been read.
    pub(super) bound: Bound,
    /// Whether the queue, or the store where there is none, serves.
    pub(super) away: Away,
    /// Whether the store serves objects.
    pub(super) objects_away: Away,
    /// Whether the ledger serves.
    pub(super) ledger_away: Away,
    /// How often objects that were listed could not be read while others were.
    pub(super) in_vain: HashMap<String, u64>,
    /// Objects that no longer hold the watermark, of those that were asked for last.
    pub(super) passed_over: u64,
    /// The last objects that it served.
    pub(super) served: Arc<Served>,
    /// The queue does not let itself be counted: said once.
    uncounted: bool,
    /// What has been said of messages that are not for this input.
    pub(super) said: Said,
}

/// Whoever polled is gone, or the process ends and what would be waited for is away.
pub(super) struct Gone;

/// An object that something tells of.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) notice: Notice,
    pub(super) message: Option<Arc<InHand>>,
}

impl Driver {
    pub(super) fn new(
        (config, visibility): (&ObjectsConfig, u32),
        url: ObjectUrl,
        queue: Option<Queue>,
        clock: &Clock,
        (shared, ledger): (&Arc<Shared>, &Arc<Ledger>),
        items: mpsc::Sender<Item>,
        next: u64,
    ) -> Self {
        Self {
            bound: Bound::new(config.settle.micros()),
            visibility,
            config: config.clone(),
            url,
            queue,
            ledger: Arc::clone(ledger),
            shared: Arc::clone(shared),
            clock: Arc::clone(clock),
            items,
            slots: Arc::new(Semaphore::new(OBJECTS_AT_ONCE * 2)),
            stores: HashMap::new(),
            next,
            away: Away::default(),
            objects_away: Away::default(),
            ledger_away: Away::default(),
            in_vain: HashMap::new(),
            passed_over: 0,
            served: Arc::default(),
            uncounted: false,
            said: Said::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let driven = match self.queue.clone() {
            Some(queue) => self.follow_queue(queue).await,
            None => self.follow_listing().await,
        };
        // whoever polled is gone: there is nobody to tell
        let _ = driven;
    }

    pub(super) async fn give(&self, item: Item) -> Result<(), Gone> {
        self.items.send(item).await.map_err(|_| Gone)
    }

    pub(super) async fn note(&self, cause: &'static str, message: String) -> Result<(), Gone> {
        self.give(Item::Note(Note { cause, count: 1, message })).await
    }

    /// Waits while reading is paused, and from when the process is to end until whoever polls is gone.
    pub(super) async fn breathe(&self) -> Result<(), Gone> {
        while self.shared.paused.load(Ordering::Relaxed) || self.shared.ending.is_near() {
            if self.items.is_closed() {
                return Err(Gone);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.shared.ending.is_near() || self.shared.closing.load(Ordering::Relaxed)
    }

    async fn follow_queue(&mut self, queue: Queue) -> Result<(), Gone> {
        loop {
            self.breathe().await?;
            if self.items.is_closed() || self.shared.closing.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            if !self.count(&queue).await? {
                continue;
            }
            if lock(&self.shared.in_hand).len() >= MESSAGES_IN_HAND {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            // before the call: until so long after it what it gives is nobody else's for certain
            let asked = Instant::now();
            match queue.receive(RECEIVE_WAIT, self.visibility).await {
                Ok(messages) if messages.is_empty() => {
                    self.served(Whom::Input).await?;
                    self.give(Item::Reached(Frontier::Unread { since: self.bound.at() })).await?;
                }
                // what came with the last breath is given back
                Ok(messages) if self.is_ending() => {
                    let receipts: Vec<String> =
                        messages.into_iter().map(|message| message.receipt_handle).collect();
                    // what is not given back comes back by itself; whoever polled hears nothing more
                    drop(queue.keep(&receipts, 0).await);
                }
                Ok(messages) => {
                    self.served(Whom::Input).await?;
                    self.take(&queue, messages, asked + self.visibility()).await?;
                }
                Err(error) => self.wait_for(Whom::Input, of_queue(&error)).await?,
            }
        }
    }

    /// Counts the queue now and then: what must be read until nothing from before is left. False where it did
    /// not answer.
    async fn count(&mut self, queue: &Queue) -> Result<bool, Gone> {
        if !self.bound.is_due() {
            return Ok(true);
        }
        let shared = Arc::clone(&self.shared);
        let counted = {
            let _counting = shared.counting.lock().await;
            // all that is in hand has been delivered: the driver counts only between two calls
            let in_hand = lock(&shared.in_hand).len();
            let at = (self.clock)();
            queue.count().await.map(|held| self.bound.count(at, held, in_hand))
        };
        match counted {
            Ok(left) => {
                *lock(&self.shared.lag) = Some(left);
                self.uncounted = false;
                self.served(Whom::Input).await?;
                Ok(true)
            }
            // messages come all the same, and the watermark stands
            Err(error) if self.away.has_begun() => {
                if !std::mem::replace(&mut self.uncounted, true) {
                    let message =
                        format!("the queue cannot be counted: {error}; the watermark stands; {QUEUE_HELP}");
                    self.note("retrying", message).await?;
                }
                Ok(true)
            }
            Err(error) => {
                self.wait_for(Whom::Input, of_queue(&error)).await?;
                Ok(false)
            }
        }
    }

    pub(super) fn visibility(&self) -> Duration {
        self.config.visibility.0
    }

    /// Works on messages, which are ours until then.
    async fn take(&mut self, queue: &Queue, messages: Vec<Message>, until: Instant) -> Result<(), Gone> {
        let mut told = Vec::new();
        let mut done = Vec::new();
        let mut sent = HashMap::new();
        for message in messages {
            // the same message again, while we hold it: its visibility ran out
            let again = lock(&self.shared.in_hand).values().any(|held| held.id == message.message_id);
            if again {
                self.note("redelivered", format!("message {} came again", message.message_id)).await?;
                continue;
            }
            match notice::read(&message.body) {
                Err(cause) => {
                    let note = self.said.unreadable(&message.message_id, &cause);
                    self.give(Item::Note(note)).await?;
                    let sent = message.sent();
                    self.bound.give_up(message.message_id, sent, until);
                }
                Ok(notices) => {
                    for note in self.said.elsewhere(&self.url, &notices) {
                        self.give(Item::Note(note)).await?;
                    }
                    let passed: Vec<(&Notice, PassedOver)> = notices
                        .iter()
                        .filter_map(|notice| Some((notice, self.passes_over(notice)?)))
                        .collect();
                    for note in self.said.passed_over(&self.url, &passed) {
                        self.give(Item::Note(note)).await?;
                    }
                    let wanted: Vec<Notice> =
                        notices.into_iter().filter(|notice| self.wants(notice)).collect();
                    if wanted.is_empty() {
                        self.bound.done(&message.message_id, message.sent());
                        done.push(message.receipt_handle);
                        continue;
                    }
                    sent.insert(message.message_id.clone(), (message.sent(), message.times()));
                    let held = Arc::new(InHand {
                        id: message.message_id,
                        receipt: message.receipt_handle,
                        left: AtomicUsize::new(wanted.len()),
                    });
                    lock(&self.shared.in_hand).insert(held.receipt.clone(), Arc::clone(&held));
                    told.extend(
                        wanted.into_iter().map(|notice| Told { notice, message: Some(Arc::clone(&held)) }),
                    );
                }
            }
        }
        self.delete(queue, &done).await?;
        self.deliver(told, Some(InWork { queue, sent, until })).await
    }

    /// Deletes messages that need nothing more.
    pub(super) async fn delete(&self, queue: &Queue, receipts: &[String]) -> Result<(), Gone> {
        match queue.delete(receipts).await {
            Ok(0) => Ok(()),
            Ok(refused) => self.note("not_deleted", not_deleted(refused)).await,
            Err(error) => self.note("not_deleted", format!("{error}; the messages come again")).await,
        }
    }

    fn wants(&self, notice: &Notice) -> bool {
        self.is_of_logs(notice) && self.passes_over(notice).is_none()
    }

    /// Whether an object lies where this input reads, and not among what only accompanies logs.
    fn is_of_logs(&self, notice: &Notice) -> bool {
        is_below(&self.url, notice) && !names::is_beside_logs(&notice.key)
    }

    /// Why one that lies there is not read all the same.
    fn passes_over(&self, notice: &Notice) -> Option<PassedOver> {
        match self.is_of_logs(notice) {
            true if !names::is_log_object(&notice.key) => Some(PassedOver::Name),
            true if !self.selection(None).key(&notice.key) => Some(PassedOver::Selection),
            _ => None,
        }
    }

    pub(super) fn selection(&self, from: Option<i64>) -> Selection {
        Selection {
            from,
            to: None,
            accounts: self.config.accounts.clone(),
            regions: self.config.regions.clone(),
        }
    }

    pub(super) async fn store(&mut self) -> Result<Arc<dyn ObjectStore>, String> {
        let bucket = self.url.bucket.to_string();
        if let Some(store) = self.stores.get(&bucket) {
            return Ok(Arc::clone(store));
        }
        let store = self.config.store.connect(&self.url, &process_environment).await?;
        self.stores.insert(bucket, Arc::clone(&store));
        Ok(store)
    }
}

fn of_queue(error: &ServiceError) -> Failure {
    Failure {
        what: if error.is_passing() { "the queue does not answer" } else { "the queue cannot be read" }
            .into(),
        cause: error.to_string(),
        is_refused: !error.is_passing(),
        help: QUEUE_HELP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_meanwhile_needs_no_extending_and_is_not_told() {
        let shared = Shared::default();
        let held = |receipt: &str| {
            Arc::new(InHand { id: receipt.into(), receipt: receipt.into(), left: AtomicUsize::new(1) })
        };
        for receipt in ["a", "c"] {
            lock(&shared.in_hand).insert(receipt.into(), held(receipt));
        }
        let asked = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(still_in_hand(&shared, &asked), ["a", "c"]);
        for (refused, expected) in [
            (vec![], 0),
            (vec![Some("b")], 0),
            (vec![Some("a"), Some("b")], 1),
            // the queue does not say which
            (vec![None, Some("c"), Some("b")], 2),
        ] {
            let receipts: Vec<_> = refused.iter().map(|receipt| receipt.map(str::to_owned)).collect();
            assert_eq!(count_in_hand(&shared, &receipts), expected, "{refused:?}");
        }
    }
}
