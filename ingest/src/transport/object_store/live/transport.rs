//! What is polled: what the driver hands on, with tickets; and what is done behind a checkpoint.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use virga_engine::event::OriginBase;

use super::super::ledger::Ledger;
use super::super::sqs::Queue;
use super::super::{Held, ObjectReader};
use super::{InHand, Item, RECEIVE_WAIT, Ready, Shared, lock, not_deleted};
use crate::limits::{MAX_PENDING_NOTES, MESSAGES_IN_HAND};
use crate::position::{Position, Positions};
use crate::transport::Input;
use crate::transport::live::{
    Clock, Contents, Cut, Delivery, Event, Frontier, LiveTransport, Note, PartitionLag, Ticket,
    TransportError,
};

/// How long the last calls may take together, where the queue answers each of them.
const LAST_CALLS: Duration = Duration::from_secs(10);
/// How often what is old is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// The driver at work, and what it shares.
pub(super) type Parts = (mpsc::Receiver<Item>, tokio::task::JoinHandle<()>, Arc<Shared>, Arc<Ledger>);

/// The transport: what the driver hands on, with tickets.
pub(super) struct ObjectsTransport {
    partition: Arc<str>,
    coming: mpsc::Receiver<Item>,
    driver: tokio::task::JoinHandle<()>,
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    queue: Option<Queue>,
    clock: Clock,
    runtime: Arc<Held>,
    ticket: Ticket,
    /// Deliveries that no checkpoint is behind yet: the number and the message.
    delivered: BTreeMap<Ticket, (u64, Option<Arc<InHand>>)>,
    /// A listing that has found everything, to be remembered when all it found is behind a checkpoint.
    listed: Option<(i64, u64)>,
    /// Receipts that could not be deleted yet.
    to_delete: Vec<String>,
    /// What is still to be told.
    notes: VecDeque<Note>,
    greeted: bool,
    forgot: Instant,
}

impl ObjectsTransport {
    pub(super) fn new(
        partition: Arc<str>,
        (coming, driver, shared, ledger): Parts,
        queue: Option<Queue>,
        clock: Clock,
        runtime: Runtime,
    ) -> Self {
        Self {
            partition,
            coming,
            driver,
            shared,
            ledger,
            queue,
            clock,
            runtime: Arc::new(Held(Some(runtime))),
            ticket: 0,
            delivered: BTreeMap::new(),
            listed: None,
            to_delete: Vec::new(),
            notes: VecDeque::new(),
            greeted: false,
            forgot: Instant::now(),
        }
    }

    fn delivery(&mut self, ready: Ready, frontier: Frontier) -> Delivery {
        self.ticket += 1;
        let Ready { number, bucket, shown, opened, slot, message } = ready;
        self.delivered.insert(self.ticket, (number, message));
        let (cut, runtime) = (Cut::default(), Arc::clone(&self.runtime));
        let reader = ObjectReader { body: opened.body, cut: cut.clone(), _slot: slot, _runtime: runtime };
        Delivery {
            ticket: self.ticket,
            partition: Arc::clone(&self.partition),
            position: Some(Position::offset(i64::try_from(number + 1).unwrap_or(i64::MAX))),
            source: None,
            contents: Contents::Stream(
                Input {
                    base: OriginBase::Object { bucket, key: shown.into() },
                    ingest_time: opened.meta.last_modified.timestamp_micros(),
                    size: Some(opened.meta.size),
                    reader: Box::new(reader),
                },
                cut,
            ),
            frontier,
            urgent: false,
        }
    }

    /// Deletes what is behind a checkpoint; what fails is tried with the next.
    fn delete(&mut self) {
        let Some(queue) = self.queue.clone() else { return };
        if self.to_delete.is_empty() {
            return;
        }
        let runtime = Arc::clone(&self.runtime);
        let Some(running) = &runtime.0 else { return };
        match running.block_on(queue.delete(&self.to_delete)) {
            Ok(refused) => {
                self.to_delete.clear();
                if refused > 0 {
                    self.tell("not_deleted", refused, not_deleted(refused));
                }
            }
            Err(error) => {
                // those beyond the bound come again, and are known then
                let beyond = self.to_delete.len().saturating_sub(MESSAGES_IN_HAND);
                self.to_delete.drain(..beyond);
                let count = self.to_delete.len();
                let message =
                    format!("{count} messages were not deleted ({error}); tried with the next checkpoint");
                self.tell("not_deleted", count as u64, message);
            }
        }
    }

    fn tell(&mut self, cause: &'static str, count: u64, message: String) {
        if self.notes.len() < MAX_PENDING_NOTES {
            self.notes.push_back(Note { cause, count, message });
        }
    }

    /// What a checkpoint stands behind is deleted, and no count of the queue is taken meanwhile.
    fn settle(&mut self, behind: BTreeMap<Ticket, (u64, Option<Arc<InHand>>)>) {
        let shared = Arc::clone(&self.shared);
        let _counting = shared.counting.blocking_lock();
        {
            let mut waiting = lock(&shared.waiting);
            let mut in_hand = lock(&shared.in_hand);
            for (number, message) in behind.into_values() {
                let told_again = waiting.remove(&number).unwrap_or_default();
                for message in message.into_iter().chain(told_again) {
                    if message.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        in_hand.remove(&message.receipt);
                        self.to_delete.push(message.receipt.clone());
                    }
                }
            }
        }
        self.delete();
    }

    /// Says in the ledger up to when a listing has found everything, and forgets what is old.
    fn tend_ledger(&mut self, next: u64) {
        if let Some((began, until)) = self.listed
            && until <= next
        {
            match self.ledger.set_listed(began) {
                Ok(()) => self.listed = None,
                Err(error) => {
                    self.tell("ledger_failed", 1, format!("{error}; the next listing looks back further"))
                }
            }
        }
        if self.forgot.elapsed() > FORGET_EVERY {
            self.forgot = Instant::now();
            if let Err(error) = self.ledger.forget((self.clock)(), next) {
                self.tell("ledger_failed", 1, format!("{error}; what is old is forgotten an hour later"));
            }
        }
    }
}

impl LiveTransport for ObjectsTransport {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        if !self.greeted {
            self.greeted = true;
            return Ok(Some(Event::Opened { partition: Arc::clone(&self.partition), position: None }));
        }
        let note = self.notes.pop_front().or_else(|| lock(&self.shared.told).pop_front());
        if let Some(note) = note {
            return Ok(Some(Event::Note(note)));
        }
        if self.shared.paused.load(Ordering::Relaxed) {
            std::thread::sleep(wait);
            return Ok(None);
        }
        let runtime = Arc::clone(&self.runtime);
        let Some(running) = &runtime.0 else { return Ok(None) };
        let coming = &mut self.coming;
        let item = running.block_on(async { tokio::time::timeout(wait, coming.recv()).await });
        let partition = Arc::clone(&self.partition);
        Ok(match item {
            Err(_) => None,
            Ok(None) => Some(Event::Ended),
            Ok(Some(Item::Begun)) => Some(Event::Ready),
            Ok(Some(Item::Object(ready, frontier))) => Some(Event::Delivery(self.delivery(*ready, frontier))),
            Ok(Some(Item::Reached(frontier))) => Some(Event::Reached { partition, frontier }),
            Ok(Some(Item::Listed { began, next })) => {
                self.listed = Some((began, next));
                Some(Event::Reached { partition, frontier: Frontier::Unread { since: began } })
            }
            Ok(Some(Item::Note(note))) => Some(Event::Note(note)),
            Ok(Some(Item::Broken(cause))) => return Err(TransportError::new(cause)),
        })
    }

    fn acknowledge(&mut self, ticket: Ticket, positions: &Positions) {
        let later = self.delivered.split_off(&(ticket + 1));
        let behind = std::mem::replace(&mut self.delivered, later);
        let next = positions.get(&self.partition).and_then(Position::as_offset).unwrap_or(0);
        let next = u64::try_from(next).unwrap_or(0);
        {
            let mut acknowledged = lock(&self.shared.acknowledged);
            *acknowledged = next.max(*acknowledged);
        }
        self.settle(behind);
        let next = *lock(&self.shared.acknowledged);
        self.tend_ledger(next);
    }

    fn pause(&mut self) {
        self.shared.paused.store(true, Ordering::Relaxed);
    }

    fn resume(&mut self) {
        self.shared.paused.store(false, Ordering::Relaxed);
    }

    fn lag(&self) -> Vec<PartitionLag> {
        let records = *lock(&self.shared.lag);
        vec![PartitionLag { partition: Arc::clone(&self.partition), records, bytes: None }]
    }

    fn close(mut self: Box<Self>) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.coming.close();
        let runtime = Arc::clone(&self.runtime);
        let Some(running) = &runtime.0 else { return };
        // a call for messages that is on its way would take some with it
        let patience = Duration::from_secs(u64::from(RECEIVE_WAIT) + 2);
        let driver = &mut self.driver;
        // one that takes longer ends with the runtime
        drop(running.block_on(async { tokio::time::timeout(patience, driver).await }));
        let Some(queue) = self.queue.clone() else { return };
        let receipts: Vec<String> = lock(&self.shared.in_hand).keys().cloned().collect();
        // the rest is given back at once; what fails comes back by itself, and nobody hears notes any more
        let last = async {
            // a queue that does not answer the one is not asked the other
            if queue.delete(&self.to_delete).await.is_ok() {
                drop(queue.keep(&receipts, 0).await);
            }
        };
        drop(running.block_on(async { tokio::time::timeout(LAST_CALLS, last).await }));
    }
}
