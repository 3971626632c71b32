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
//! taken back by `settle`. While a backlog is read the watermark stands, and nothing is late.

mod away;
mod bound;
mod driver;
mod opening;
mod rounds;
mod said;
mod transport;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use self::driver::{Driver, keep_in_hand};
use self::transport::ObjectsTransport;
use super::aws::AwsService;
use super::body::{Opened, describe};
use super::ending::Ending;
use super::ledger::Ledger;
use super::settings::StoreSettings;
use super::sqs::{self, Queue};
use super::url::ObjectUrl;
use super::{Held, credentials, process_environment};
use crate::limits::{MAX_PENDING_NOTES, OBJECTS_AT_ONCE};
use crate::position::Position;
use crate::transport::live::{Frontier, LiveConfig, LiveTransport, Note, OpenContext, TransportError};
use crate::units::{Span, seconds};

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
    #[serde(default = "default_visibility", alias = "visibility_seconds", deserialize_with = "seconds")]
    pub visibility: Span,
    /// How much SQS's counts may be behind.
    #[serde(default = "default_settle", alias = "settle_seconds", deserialize_with = "seconds")]
    pub settle: Span,
    /// How often the prefix is listed.
    #[serde(default = "default_list", alias = "list_seconds", deserialize_with = "seconds")]
    pub list_every: Span,
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

fn default_visibility() -> Span {
    Span::seconds(300)
}
fn default_settle() -> Span {
    Span::seconds(60)
}
fn default_list() -> Span {
    Span::seconds(60)
}
fn default_days() -> u32 {
    2
}
const DAY: i64 = 86_400_000_000;

/// The longest visibility of SQS, in seconds.
const MOST_VISIBILITY: u32 = 43_200;

/// How long a call for messages waits.
const RECEIVE_WAIT: u32 = 2;

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
    /// Held while messages are deleted, and while the queue is counted: a message that goes between the two looks
    /// of a count (what is in hand, what the queue holds) would hide one that is unread.
    counting: tokio::sync::Mutex<()>,
    /// Numbers below this are behind a checkpoint.
    acknowledged: Mutex<u64>,
    /// Messages of objects that were told of again while they were on their way, by the object's number.
    waiting: Mutex<HashMap<u64, Vec<Arc<InHand>>>>,
    lag: Mutex<Option<u64>>,
    /// What those who read bodies have to tell.
    told: Mutex<VecDeque<Note>>,
    /// Whether the process is to end.
    ending: Ending,
}

impl Shared {
    /// Says something as soon as the transport is polled.
    fn tell(&self, note: Note) {
        let mut told = lock(&self.told);
        if told.len() < MAX_PENDING_NOTES {
            told.push_back(note);
        }
    }
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
    /// The store, or the queue, has answered for the first time.
    Begun,
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

    /// The visibility in the unit of the queue's calls.
    fn visibility_seconds(&self) -> Result<u32, TransportError> {
        let Span(visibility) = self.visibility;
        u32::try_from(visibility.as_secs())
            .ok()
            .filter(|seconds| (1..=MOST_VISIBILITY).contains(seconds) && visibility.subsec_nanos() == 0)
            .ok_or_else(|| {
                TransportError::new(format!(
                    "[input.s3] visibility = {visibility:?} is none that a queue has"
                ))
                .help("write whole seconds, from \"1s\" to \"12h\"")
            })
    }

    fn queue(&self, ending: Ending) -> Result<Option<Queue>, TransportError> {
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
        Ok(Some(Queue::new(service, url.clone(), ending)))
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
    fn check(&self, context: &OpenContext) -> Result<String, TransportError> {
        self.visibility_seconds()?;
        let queue = self.queue(Ending::new(Arc::clone(&context.stop)))?;
        let (url, runtime) = (self.address()?, Held(Some(runtime()?)));
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
                            .help(rounds::store_help(url.provider))
                    })?;
                    Ok(format!(
                        "lists {url} every {:?} and reads what is new; it sees {} folders and {} objects there",
                        self.list_every.0,
                        listed.common_prefixes.len(),
                        listed.objects.len()
                    ))
                }
            }
        })
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        let visibility = self.visibility_seconds()?;
        let ending = Ending::new(Arc::clone(&context.stop));
        let (url, queue, runtime) = (self.address()?, self.queue(ending.clone())?, runtime()?);
        let proved = self.store.prove(&url, &process_environment);
        proved.map_err(|cause| TransportError::new(format!("{url}: {cause}")))?;
        let partition: Arc<str> = Arc::clone(&context.input);
        let next = context.positions.get(&partition).and_then(Position::as_offset).unwrap_or(0);
        let next = u64::try_from(next).unwrap_or(0);
        let ledger = Arc::new(Ledger::open(&context.state, next).map_err(TransportError::new)?);
        let shared = Arc::new(Shared { ending, ..Shared::default() });
        *lock(&shared.acknowledged) = next;
        let (items, coming) = mpsc::channel(OBJECTS_AT_ONCE);
        if let Some(queue) = queue.clone() {
            let shared = Arc::clone(&shared);
            runtime.spawn(keep_in_hand(queue, shared, items.downgrade(), visibility));
        }
        let driver = Driver::new(
            (self, visibility),
            url,
            queue.clone(),
            &context.clock,
            (&shared, &ledger),
            items,
            next,
        );
        let driver = runtime.spawn(driver.run());
        let parts = (coming, driver, shared, ledger);
        Ok(Box::new(ObjectsTransport::new(partition, parts, queue, context.clock, runtime)))
    }
}

/// What to say of messages that the queue did not delete.
fn not_deleted(count: u64) -> String {
    format!("the queue did not delete {count} messages: they come again, and are known then")
}
