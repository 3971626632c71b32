//! Objects as they come: told by a queue, or found by listing. Each once, and none lost.
//!
//! In: `[input.s3]` of the configuration. Out: a [`LiveTransport`] whose deliveries are objects. A driver on a
//! runtime of its own finds objects, opens them, writes them into the ledger, and hands them on; whoever polls
//! gives them their tickets. A message is deleted when the checkpoint behind all of its objects is written.
//!
//! ```text
//! queue ─▶ notices ┐
//!                  ├─▶ not in the ledger ─▶ opened ─▶ ledger ─▶ delivery … acknowledge ─▶ messages deleted
//! listing ─────────┘
//! ```
//!
//! What may still be unread: of a listing all that came after the last round began that was read to its end.
//! Of a queue, which gives messages in any order, a count is taken now and then; when as many messages as it
//! held that were sent before have been read, nothing older is left. SQS counts only nearly, so the time is
//! taken back by `settle_seconds`. While a backlog is read the watermark stands, and nothing is late.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use object_store::path::Path;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use virga_engine::event::OriginBase;

use super::aws::AwsService;
use super::body::{Opened, Wanted, describe, open};
use super::layout::Selection;
use super::ledger::{Entry, Known, Ledger};
use super::listing::{Counts, Walk};
use super::notice::{self, Notice};
use super::settings::StoreSettings;
use super::sqs::{self, Message, Queue};
use super::url::{ObjectUrl, Provider};
use super::{Held, ObjectReader, credentials, process_environment};
use crate::limits::{KEYS_AHEAD, MESSAGES_IN_HAND, OBJECT_TRIES, OBJECTS_AT_ONCE};
use crate::position::{Position, Positions};
use crate::transport::live::{
    Clock, Contents, Delivery, Event, Frontier, LiveConfig, LiveTransport, Note, OpenContext, PartitionLag,
    Ticket, TransportError,
};
use crate::transport::{Input, names};

/// Messages that were received, by their id: when they were sent, and how often they were received.
type Sent = HashMap<String, (Option<i64>, u64)>;

/// `[input.s3]`: objects of a bucket, as they come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// `s3://bucket/prefix`, `gs://…`, `az://…`: what is listed; with a queue, what its notices must lie below.
    pub url: String,
    /// The queue that tells of new objects: `https://sqs.eu-west-1.amazonaws.com/111122223333/virga`.
    #[serde(default)]
    pub queue: Option<String>,
    /// How long messages are kept from others at a time; it is extended while they are worked on.
    #[serde(default = "default_visibility")]
    pub visibility_seconds: u32,
    /// How much SQS's counts may be behind.
    #[serde(default = "default_settle")]
    pub settle_seconds: u32,
    /// How often the prefix is listed.
    #[serde(default = "default_list")]
    pub list_seconds: u32,
    /// How many days back a listing looks, where keys tell days; the first one and those after a stop look back
    /// from where the last ended.
    #[serde(default = "default_days")]
    pub days: u32,
    /// Accounts to read, where keys tell them.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Regions to read, where keys tell them.
    #[serde(default)]
    pub regions: Vec<String>,
    /// How the store is reached.
    #[serde(default)]
    pub store: StoreSettings,
}

fn default_visibility() -> u32 {
    300
}
fn default_settle() -> u32 {
    60
}
fn default_list() -> u32 {
    60
}
fn default_days() -> u32 {
    2
}

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// How long a call for messages waits.
const RECEIVE_WAIT: u32 = 2;
/// How often the queue is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// A pause after a failure that passes.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);

/// A message in our hands, deleted when all of its objects are behind a checkpoint.
struct InHand {
    id: String,
    receipt: String,
    left: AtomicUsize,
}

/// What the driver and the transport both look at.
#[derive(Default)]
struct Shared {
    paused: AtomicBool,
    closing: AtomicBool,
    /// Messages in hand, by receipt.
    in_hand: Mutex<BTreeMap<String, Arc<InHand>>>,
    /// Numbers below this are behind a checkpoint.
    acknowledged: Mutex<u64>,
    /// Messages of objects that were told of again while they were on their way, by the object's number.
    waiting: Mutex<HashMap<u64, Vec<Arc<InHand>>>>,
    lag: Mutex<Option<u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An object on its way to a delivery.
struct Ready {
    number: u64,
    bucket: Arc<str>,
    /// The key, with the byte where reading goes on in a blob that grows.
    shown: String,
    opened: Opened,
    slot: OwnedSemaphorePermit,
    message: Option<Arc<InHand>>,
}

enum Item {
    Object(Box<Ready>, Frontier),
    Reached(Frontier),
    /// A listing has found everything until this time; all of it is numbered below.
    Listed {
        began: i64,
        next: u64,
    },
    Note(Note),
    Broken(String),
}

impl ObjectsConfig {
    fn address(&self) -> Result<ObjectUrl, TransportError> {
        match ObjectUrl::parse(&self.url) {
            Some(url) => url.map_err(TransportError::new),
            None => Err(TransportError::new(format!("`{}` is no address of objects", self.url))
                .help("write it as s3://bucket/prefix")),
        }
    }

    fn queue(&self) -> Result<Option<Queue>, TransportError> {
        let Some(url) = &self.queue else { return Ok(None) };
        let wrong = |cause: String| TransportError::new(format!("queue `{url}`: {cause}"));
        let endpoint = sqs::endpoint_of(url).ok_or_else(|| {
            wrong("it is no address".into())
                .help("write it as https://sqs.eu-west-1.amazonaws.com/111122223333/name")
        })?;
        let options = self.store.client_options(&process_environment).map_err(wrong)?;
        let found = credentials::find(&self.store, &process_environment, &options).map_err(wrong)?;
        let region = sqs::region_of(url).or(found.region).unwrap_or_else(|| "us-east-1".to_owned());
        let service = AwsService::new("sqs", &endpoint, &region, found.provider, &options).map_err(wrong)?;
        Ok(Some(Queue::new(service, url.clone())))
    }
}

fn runtime() -> Result<Runtime, TransportError> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("virga-objects")
        .enable_all()
        .build();
    built.map_err(|error| TransportError::new(format!("cannot start threads: {error}")))
}

impl LiveConfig for ObjectsConfig {
    fn check(&self, _: &OpenContext) -> Result<String, TransportError> {
        let (url, queue, runtime) = (self.address()?, self.queue()?, Held(Some(runtime()?)));
        let Some(running) = &runtime.0 else { return Err(TransportError::new("no runtime")) };
        running.block_on(async {
            let store = self.store.connect(&url, &process_environment).await.map_err(TransportError::new)?;
            let prefix = super::listing::path_of(&url.prefix).map_err(TransportError::new)?;
            match queue {
                Some(queue) => {
                    let count = queue.count().await.map_err(|error| {
                        TransportError::new(format!("queue `{}`: {error}", self.queue.as_deref().unwrap_or_default()))
                            .help("the role needs sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes")
                    })?;
                    Ok(format!("reads objects of {url} that the queue tells of; it holds about {count} messages"))
                }
                None => {
                    let listed = store.list_with_delimiter(prefix.as_ref()).await.map_err(|error| {
                        TransportError::new(format!("{url}: {}", describe(&error)))
                            .help("the role needs s3:ListBucket and s3:GetObject")
                    })?;
                    Ok(format!(
                        "lists {url} every {} s and reads what is new; it sees {} folders and {} objects there",
                        self.list_seconds,
                        listed.common_prefixes.len(),
                        listed.objects.len()
                    ))
                }
            }
        })
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        let (url, queue, runtime) = (self.address()?, self.queue()?, runtime()?);
        let partition: Arc<str> = Arc::clone(&context.input);
        let next = context.positions.get(&partition).and_then(Position::as_offset).unwrap_or(0);
        let next = u64::try_from(next).unwrap_or(0);
        let ledger = Arc::new(Ledger::open(&context.state, next).map_err(TransportError::new)?);
        let shared = Arc::new(Shared::default());
        *lock(&shared.acknowledged) = next;
        let (items, coming) = mpsc::channel(OBJECTS_AT_ONCE);
        let driver = Driver {
            config: self.clone(),
            url,
            queue: queue.clone(),
            ledger: Arc::clone(&ledger),
            shared: Arc::clone(&shared),
            clock: Arc::clone(&context.clock),
            items,
            slots: Arc::new(Semaphore::new(OBJECTS_AT_ONCE * 2)),
            stores: HashMap::new(),
            next,
            bound: 0,
            counted: None,
            given_up: HashSet::new(),
        };
        let driver = runtime.spawn(driver.run());
        if let Some(queue) = queue.clone() {
            runtime.spawn(keep_in_hand(queue, Arc::clone(&shared), self.visibility_seconds));
        }
        Ok(Box::new(ObjectsTransport {
            partition,
            coming,
            driver,
            shared,
            ledger,
            queue,
            clock: context.clock,
            runtime: Arc::new(Held(Some(runtime))),
            ticket: 0,
            delivered: BTreeMap::new(),
            listed: None,
            to_delete: Vec::new(),
            greeting: 0,
            forgot: Instant::now(),
        }))
    }
}

/// Extends the visibility of all messages in hand, three times while it lasts.
async fn keep_in_hand(queue: Queue, shared: Arc<Shared>, visibility: u32) {
    while !shared.closing.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(u64::from(visibility) * 1_000 / 3)).await;
        let receipts: Vec<String> = lock(&shared.in_hand).keys().cloned().collect();
        for batch in receipts.chunks(crate::limits::MESSAGES_AT_ONCE) {
            // what could not be extended comes again, and is known then
            let _ = queue.keep(batch, visibility).await;
        }
    }
}

/// A count of the queue, and how many of what it held are still to be read.
struct Count {
    at: i64,
    left: i64,
    taken: Instant,
}

/// Finds objects, opens them, and hands them on.
struct Driver {
    config: ObjectsConfig,
    url: ObjectUrl,
    queue: Option<Queue>,
    ledger: Arc<Ledger>,
    shared: Arc<Shared>,
    clock: Clock,
    items: mpsc::Sender<Item>,
    slots: Arc<Semaphore>,
    stores: HashMap<String, Arc<dyn ObjectStore>>,
    /// The number of the next object.
    next: u64,
    /// Everything that came before has been read.
    bound: i64,
    counted: Option<Count>,
    /// Messages whose objects could not be read, and that no longer hold the watermark.
    given_up: HashSet<String>,
}

/// Whoever polled is gone.
struct Gone;

/// An object that something tells of.
struct Told {
    notice: Notice,
    message: Option<Arc<InHand>>,
}

/// What became of an object that was told of.
#[allow(clippy::large_enum_variant, reason = "one at a time, and nearly always the large one")]
enum Fate {
    Opened(Told, Opened, OwnedSemaphorePermit, u64),
    /// Read before; its message is settled with that delivery.
    Known,
    Missing,
    Failed(String),
}

impl Driver {
    async fn run(mut self) {
        let driven = match self.queue.clone() {
            Some(queue) => self.follow_queue(queue).await,
            None => self.follow_listing().await,
        };
        // whoever polled is gone: there is nobody to tell
        let _ = driven;
    }

    async fn give(&self, item: Item) -> Result<(), Gone> {
        self.items.send(item).await.map_err(|_| Gone)
    }

    async fn note(&self, cause: &'static str, message: String) -> Result<(), Gone> {
        self.give(Item::Note(Note { cause, count: 1, message })).await
    }

    /// Waits while reading is paused.
    async fn breathe(&self) -> Result<(), Gone> {
        while self.shared.paused.load(Ordering::Relaxed) {
            if self.items.is_closed() {
                return Err(Gone);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn follow_queue(&mut self, queue: Queue) -> Result<(), Gone> {
        loop {
            self.breathe().await?;
            if self.items.is_closed() || self.shared.closing.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            self.count(&queue).await?;
            if lock(&self.shared.in_hand).len() >= MESSAGES_IN_HAND {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            match queue.receive(RECEIVE_WAIT, self.config.visibility_seconds).await {
                Ok(messages) if messages.is_empty() => {
                    self.give(Item::Reached(Frontier::Unread { since: self.bound })).await?;
                }
                // what came with the last breath is given back
                Ok(messages) if self.shared.closing.load(Ordering::Relaxed) => {
                    let receipts: Vec<String> =
                        messages.into_iter().map(|message| message.receipt_handle).collect();
                    let _ = queue.keep(&receipts, 0).await;
                    return Err(Gone);
                }
                Ok(messages) => self.take(&queue, messages).await?,
                Err(error) => {
                    self.note("retrying", format!("the queue does not answer: {error}; trying again"))
                        .await?;
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// Counts the queue now and then: what must be read until nothing from before is left.
    async fn count(&mut self, queue: &Queue) -> Result<(), Gone> {
        let fresh = |count: &Count| {
            count.taken.elapsed() < if count.left > 0 { COUNT_EVERY * 12 } else { COUNT_EVERY }
        };
        // a settle time of nothing is for queues that count exactly: there every look may be a count
        if self.counted.as_ref().is_some_and(fresh)
            && (self.config.settle_seconds > 0 || self.bound_is_open())
        {
            return Ok(());
        }
        // all that is in hand has been delivered: the driver counts only between two calls
        let in_hand = lock(&self.shared.in_hand).len() + self.given_up.len();
        let at = (self.clock)();
        match queue.count().await {
            Ok(count) => {
                let left =
                    i64::try_from(count).unwrap_or(i64::MAX) - i64::try_from(in_hand).unwrap_or(i64::MAX);
                *lock(&self.shared.lag) = u64::try_from(left).ok();
                self.counted = Some(Count { at, left, taken: Instant::now() });
                self.settle();
                Ok(())
            }
            Err(error) => self.note("retrying", format!("the queue cannot be counted: {error}")).await,
        }
    }

    fn bound_is_open(&self) -> bool {
        self.counted.as_ref().is_some_and(|count| count.left > 0)
    }

    /// Moves the bound where all that a count held has been read.
    fn settle(&mut self) {
        if let Some(count) = &self.counted
            && count.left <= 0
        {
            self.bound = self.bound.max(count.at - i64::from(self.config.settle_seconds) * SECOND);
        }
    }

    /// A message has been worked on for the first time, or given up.
    fn settled(&mut self, sent: Option<i64>) {
        if let Some(count) = &mut self.counted
            && sent.is_none_or(|sent| sent <= count.at)
        {
            count.left -= 1;
        }
        self.settle();
    }

    async fn take(&mut self, queue: &Queue, messages: Vec<Message>) -> Result<(), Gone> {
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
                    self.note(
                        "message_unreadable",
                        format!(
                            "message {}: {cause}; it is left to the queue's own policy",
                            message.message_id
                        ),
                    )
                    .await?;
                    if self.given_up.insert(message.message_id.clone()) {
                        self.settled(message.sent());
                    }
                }
                Ok(notices) => {
                    let wanted: Vec<Notice> =
                        notices.into_iter().filter(|notice| self.wants(notice)).collect();
                    if wanted.is_empty() {
                        self.settled(message.sent());
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
        if let Err(error) = queue.delete(&done).await {
            self.note("retrying", format!("{error}; the messages come again")).await?;
        }
        self.deliver(told, Some((queue, sent))).await
    }

    fn wants(&self, notice: &Notice) -> bool {
        notice.bucket == *self.url.bucket
            && notice.key.starts_with(&self.url.prefix)
            && !names::is_digest(&notice.key)
            && names::is_log_object(&notice.key)
            && self.selection(None).key(&notice.key)
    }

    fn selection(&self, from: Option<i64>) -> Selection {
        Selection {
            from,
            to: None,
            accounts: self.config.accounts.clone(),
            regions: self.config.regions.clone(),
        }
    }

    async fn store(&mut self) -> Result<Arc<dyn ObjectStore>, String> {
        let bucket = self.url.bucket.to_string();
        if let Some(store) = self.stores.get(&bucket) {
            return Ok(Arc::clone(store));
        }
        let store = self.config.store.connect(&self.url, &process_environment).await?;
        self.stores.insert(bucket, Arc::clone(&store));
        Ok(store)
    }

    /// Opens objects, writes them down and hands them on, few at a time: each that is open takes a place.
    async fn deliver(&mut self, told: Vec<Told>, queue: Option<(&Queue, Sent)>) -> Result<(), Gone> {
        let mut failed: HashSet<String> = HashSet::new();
        let mut told = told.into_iter().peekable();
        while told.peek().is_some() {
            let group: Vec<Told> = told.by_ref().take(OBJECTS_AT_ONCE).collect();
            self.deliver_group(group, &mut failed).await?;
        }
        match queue {
            Some((queue, sent)) => self.give_back(queue, sent, failed).await,
            None => Ok(()),
        }
    }

    async fn deliver_group(&mut self, group: Vec<Told>, failed: &mut HashSet<String>) -> Result<(), Gone> {
        let mut ready: Vec<(Ready, Notice)> = Vec::new();
        for told in group {
            let (message, shown) = (told.message.clone(), self.url.of_key(&told.notice.key));
            match self.begin(told).await {
                Fate::Opened(told, opened, slot, from) => {
                    let same = |(ready, notice): &&(Ready, Notice)| {
                        notice.key == told.notice.key && ready.opened.meta.e_tag == opened.meta.e_tag
                    };
                    if let Some((first, _)) = ready.iter().find(same) {
                        // told of twice at once
                        let mut waiting = lock(&self.shared.waiting);
                        waiting.entry(first.number).or_default().extend(told.message);
                        continue;
                    }
                    let number = self.next;
                    self.next += 1;
                    let shown = match from {
                        0 => told.notice.key.clone(),
                        from => format!("{}@{from}", told.notice.key),
                    };
                    let bucket = Arc::clone(&self.url.bucket);
                    let message = told.message;
                    ready.push((Ready { number, bucket, shown, opened, slot, message }, told.notice));
                }
                Fate::Known => {}
                Fate::Missing => {
                    self.note("object_gone", format!("{shown} is not there any more")).await?;
                    self.one_done(message.as_ref()).await?;
                }
                Fate::Failed(cause) => {
                    self.note("object_unreadable", format!("{shown}: {cause}; it is tried again")).await?;
                    failed.extend(message.map(|message| message.receipt.clone()));
                }
            }
        }
        if let Err(cause) = self.write_down(&ready) {
            return self.give(Item::Broken(cause)).await;
        }
        for (ready, _) in ready {
            let frontier = Frontier::Unread { since: self.bound };
            self.give(Item::Object(Box::new(ready), frontier)).await?;
        }
        Ok(())
    }

    /// Settles the messages that were worked on; those of objects that could not be read are given back.
    async fn give_back(&mut self, queue: &Queue, sent: Sent, failed: HashSet<String>) -> Result<(), Gone> {
        let failed_ids: HashSet<String> = {
            let mut in_hand = lock(&self.shared.in_hand);
            failed.iter().filter_map(|receipt| in_hand.remove(receipt)).map(|held| held.id.clone()).collect()
        };
        for (id, (sent, times)) in sent {
            let tried_enough = times >= OBJECT_TRIES;
            if !failed_ids.contains(&id) {
                if !self.given_up.remove(&id) {
                    self.settled(sent);
                }
            } else if tried_enough && self.given_up.insert(id) {
                self.settled(sent);
            }
        }
        let receipts: Vec<String> = failed.into_iter().collect();
        if let Err(error) = queue.keep(&receipts, 5).await {
            self.note("retrying", error.to_string()).await?;
        }
        Ok(())
    }

    /// One object of a message needs nothing more.
    async fn one_done(&self, message: Option<&Arc<InHand>>) -> Result<(), Gone> {
        let (Some(message), Some(queue)) = (message, &self.queue) else { return Ok(()) };
        if message.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        lock(&self.shared.in_hand).remove(&message.receipt);
        match queue.delete(std::slice::from_ref(&message.receipt)).await {
            Ok(()) => Ok(()),
            Err(error) => self.note("retrying", format!("{error}; the message comes again")).await,
        }
    }

    /// Opens an object that the ledger does not know.
    async fn begin(&mut self, told: Told) -> Fate {
        let known = match &told.notice.etag {
            Some(etag) => self.ledger.look_up(&told.notice.bucket, &told.notice.key, etag),
            None => Ok(None),
        };
        let known = match known {
            Ok(known) => known,
            Err(cause) => return Fate::Failed(cause),
        };
        if let Some(known) = known.filter(|known| known.same) {
            return self.known(told, known).await;
        }
        // only an append blob grows; an object of the others was written anew
        let from = known.filter(|_| self.url.provider == Provider::Azure).map_or(0, |known| known.size);
        let store = match self.store().await {
            Ok(store) => store,
            Err(cause) => return Fate::Failed(cause),
        };
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            return Fate::Failed("closed".into());
        };
        let location = match Path::parse(&told.notice.key) {
            Ok(location) => location,
            Err(error) => return Fate::Failed(error.to_string()),
        };
        match open(store, Wanted { location, from }).await {
            Ok(Ok(opened)) => {
                let etag = opened.meta.e_tag.as_deref().map(notice::unquoted).unwrap_or_default();
                match self.ledger.look_up(&told.notice.bucket, &told.notice.key, &etag) {
                    // told of an older version, or without one, and this one is known
                    Ok(Some(known)) if known.same => self.known(told, known).await,
                    Ok(_) => Fate::Opened(told, opened, slot, from),
                    Err(cause) => Fate::Failed(cause),
                }
            }
            Ok(Err(object_store::Error::NotFound { .. })) => Fate::Missing,
            Ok(Err(error)) => Fate::Failed(describe(&error)),
            Err(_) => Fate::Failed("the reading of it ended".into()),
        }
    }

    /// An object that was delivered before: its message goes when that delivery is behind a checkpoint.
    async fn known(&self, told: Told, known: Known) -> Fate {
        let Some(message) = told.message else { return Fate::Known };
        let acknowledged = {
            // held while it is looked at, so that an acknowledgement between does not pass the message by
            let mut waiting = lock(&self.shared.waiting);
            let acknowledged = *lock(&self.shared.acknowledged) > known.number;
            if !acknowledged {
                waiting.entry(known.number).or_default().push(Arc::clone(&message));
            }
            acknowledged
        };
        if acknowledged && self.one_done(Some(&message)).await.is_err() {
            return Fate::Failed("closed".into());
        }
        Fate::Known
    }

    fn write_down(&self, ready: &[(Ready, Notice)]) -> Result<(), String> {
        let etags: Vec<String> = ready
            .iter()
            .map(|(ready, _)| ready.opened.meta.e_tag.as_deref().map(notice::unquoted).unwrap_or_default())
            .collect();
        let time = (self.clock)();
        let entries: Vec<Entry<'_>> = ready
            .iter()
            .zip(&etags)
            .map(|((ready, notice), etag)| Entry {
                number: ready.number,
                bucket: &notice.bucket,
                key: &notice.key,
                etag,
                size: ready.opened.meta.size,
                time,
            })
            .collect();
        match entries.is_empty() {
            true => Ok(()),
            false => self.ledger.write_down(&entries),
        }
    }

    async fn follow_listing(&mut self) -> Result<(), Gone> {
        let mut listed = match self.ledger.listed() {
            Ok(listed) => listed,
            Err(cause) => return self.give(Item::Broken(cause)).await,
        };
        loop {
            self.breathe().await?;
            let began = (self.clock)();
            let from = listed.unwrap_or(began).min(began) - i64::from(self.config.days) * DAY;
            if self.round(from).await? {
                listed = Some(began);
                self.bound = self.bound.max(began);
                self.give(Item::Listed { began, next: self.next }).await?;
            }
            let mut waited = Duration::ZERO;
            while waited < Duration::from_secs(u64::from(self.config.list_seconds)) {
                self.give(Item::Reached(Frontier::Unread { since: self.bound })).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                waited += Duration::from_secs(1);
            }
        }
    }

    /// Lists once and delivers what is new; whether everything was found and opened.
    async fn round(&mut self, from: i64) -> Result<bool, Gone> {
        let store = match self.store().await {
            Ok(store) => store,
            Err(cause) => {
                self.note("retrying", cause).await?;
                return Ok(false);
            }
        };
        let (found, mut keys) = mpsc::channel(KEYS_AHEAD);
        let counts = Arc::new(Counts::default());
        let walk = Walk { store, selection: self.selection(Some(from)), counts, found };
        tokio::spawn(walk.run(self.url.prefix.clone()));
        let (mut complete, mut group) = (true, Vec::new());
        loop {
            let next = keys.recv().await;
            let ended = next.is_none();
            match next {
                Some(Ok(meta)) => {
                    let etag = meta.e_tag.as_deref().map(notice::unquoted).unwrap_or_default();
                    let key = meta.location.to_string();
                    match self.ledger.look_up(&self.url.bucket, &key, &etag) {
                        Ok(Some(known)) if known.same => {}
                        Ok(_) => {
                            let notice =
                                Notice { bucket: self.url.bucket.to_string(), key, etag: Some(etag) };
                            group.push(Told { notice, message: None });
                        }
                        Err(cause) => self.give(Item::Broken(cause)).await?,
                    }
                }
                Some(Err((prefix, cause))) => {
                    complete = false;
                    self.note(
                        "listing_failed",
                        format!("{}: {cause}; tried again", self.url.of_key(&prefix)),
                    )
                    .await?;
                }
                None => {}
            }
            if group.len() >= OBJECTS_AT_ONCE || (ended && !group.is_empty()) {
                self.breathe().await?;
                let (asked, before) = (group.len() as u64, self.next);
                self.deliver(std::mem::take(&mut group), None).await?;
                // what could not be opened is found again by the next round
                complete &= self.next - before == asked;
            }
            if ended {
                return Ok(complete);
            }
        }
    }
}

/// The transport: what the driver hands on, with tickets.
struct ObjectsTransport {
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
    greeting: u8,
    forgot: Instant,
}

impl ObjectsTransport {
    fn runtime(&self) -> Result<&Runtime, TransportError> {
        self.runtime.0.as_ref().ok_or_else(|| TransportError::new("the input is closed"))
    }

    fn delivery(&mut self, ready: Ready, frontier: Frontier) -> Delivery {
        self.ticket += 1;
        let Ready { number, bucket, shown, opened, slot, message } = ready;
        self.delivered.insert(self.ticket, (number, message));
        let reader = ObjectReader { body: opened.body, _slot: slot, _runtime: Arc::clone(&self.runtime) };
        Delivery {
            ticket: self.ticket,
            partition: Arc::clone(&self.partition),
            position: Some(Position::offset(i64::try_from(number + 1).unwrap_or(i64::MAX))),
            source: None,
            contents: Contents::Stream(Input {
                base: OriginBase::Object { bucket, key: shown.into() },
                ingest_time: opened.meta.last_modified.timestamp_micros(),
                size: Some(opened.meta.size),
                reader: Box::new(reader),
            }),
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
        let Ok(runtime) = self.runtime() else { return };
        let deleted = runtime.block_on(queue.delete(&self.to_delete));
        if deleted.is_ok() {
            self.to_delete.clear();
        }
    }
}

impl LiveTransport for ObjectsTransport {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        match self.greeting {
            0 => {
                self.greeting = 1;
                return Ok(Some(Event::Opened { partition: Arc::clone(&self.partition), position: None }));
            }
            1 => {
                self.greeting = 2;
                return Ok(Some(Event::Ready));
            }
            _ => {}
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
        let mut waiting = lock(&self.shared.waiting);
        let mut in_hand = lock(&self.shared.in_hand);
        for (number, message) in behind.into_values() {
            let told_again = waiting.remove(&number).unwrap_or_default();
            for message in message.into_iter().chain(told_again) {
                if message.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    in_hand.remove(&message.receipt);
                    self.to_delete.push(message.receipt.clone());
                }
            }
        }
        drop((waiting, in_hand));
        self.delete();
        let next = *lock(&self.shared.acknowledged);
        if let Some((began, until)) = self.listed
            && until <= next
            && self.ledger.set_listed(began).is_ok()
        {
            self.listed = None;
        }
        if self.forgot.elapsed() > Duration::from_secs(3_600) {
            self.forgot = Instant::now();
            // what is not forgotten now is with the next
            let _ = self.ledger.forget((self.clock)());
        }
    }

    fn pause(&mut self) {
        self.shared.paused.store(true, Ordering::Relaxed);
    }

    fn resume(&mut self) {
        self.shared.paused.store(false, Ordering::Relaxed);
    }

    fn lag(&self) -> Vec<PartitionLag> {
        let records = *lock(&self.shared.lag);
        vec![PartitionLag { partition: Arc::clone(&self.partition), records, bytes: None, oldest: None }]
    }

    fn close(mut self: Box<Self>) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.coming.close();
        let runtime = Arc::clone(&self.runtime);
        if let Some(running) = &runtime.0 {
            // a call for messages that is on its way would take some with it
            let patience = Duration::from_secs(u64::from(RECEIVE_WAIT) + 2);
            let driver = &mut self.driver;
            let _ = running.block_on(async { tokio::time::timeout(patience, driver).await });
        }
        self.delete();
        let receipts: Vec<String> = lock(&self.shared.in_hand).keys().cloned().collect();
        if let (Some(queue), Ok(runtime)) = (self.queue.clone(), self.runtime()) {
            // given back at once; what fails comes back by itself
            let _ = runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(10), queue.keep(&receipts, 0)).await
            });
        }
    }
}
