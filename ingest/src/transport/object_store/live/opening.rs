//! From what tells of an object to its delivery: opened, written into the ledger, handed on.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::Instant;

use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore};
use tokio::sync::OwnedSemaphorePermit;

use super::super::aws::chain;
use super::super::blob_type;
use super::super::body::{Broken, Opened, Tell, Waits, Wanted, describe, is_denied, is_refused, open};
use super::super::ledger::{Entry, Known};
use super::super::listing::path_of;
use super::super::notice::{self, Notice};
use super::super::served::gives;
use super::super::sqs::Queue;
use super::super::url::{ObjectUrl, Provider};
use super::away::{Failure, Whom};
use super::driver::{Driver, Gone, Told};
use super::rounds::{denied_help, store_help};
use super::{InHand, Item, Ready, Shared, lock};
use crate::limits::{HOLD_OBJECTS, MOST_IN_VAIN, OBJECT_TRIES, OBJECTS_AT_ONCE, SERVED_KEPT};
use crate::transport::live::{Frontier, Note};

/// Seconds until a message comes again whose object could not be read.
const TRY_AGAIN: u32 = 5;

/// Messages that are worked on.
pub(super) struct InWork<'a> {
    pub(super) queue: &'a Queue,
    /// By their ids: when they were sent, and how often they were received.
    pub(super) sent: HashMap<String, (Option<i64>, u64)>,
    /// Until when they are ours for certain.
    pub(super) until: Instant,
}

/// What became of an object that was told of.
#[allow(clippy::large_enum_variant, reason = "one at a time, and nearly always the large one")]
enum Fate {
    Opened(Told, Opened, OwnedSemaphorePermit, u64),
    /// Read before; its message is settled with that delivery.
    Known,
    Missing,
    Failed(String, Why),
    /// There is no such bucket: with it everything would be gone, and every message with it.
    NoBucket,
}

/// Why an object was not opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The store did not serve at all, which passes.
    Away,
    /// Access is denied: to this object, or to all.
    Denied,
    /// Whether it was read before is not known now.
    Ledger,
    /// No waiting mends it.
    Other,
}

impl Fate {
    /// Of an object that its store does not give.
    fn of(error: &object_store::Error) -> Self {
        match error {
            error if chain(error).contains("NoSuchBucket") => Self::NoBucket,
            object_store::Error::NotFound { .. } => Self::Missing,
            error if is_denied(error) => Self::Failed(describe(error), Why::Denied),
            error if is_refused(error) => Self::Failed(describe(error), Why::Other),
            error => Self::Failed(describe(error), Why::Away),
        }
    }

    fn is_served(&self) -> bool {
        !matches!(self, Self::Failed(..) | Self::NoBucket)
    }
}

/// From where a blob is read on of which so many bytes were read, and whose entity tag is another since: an append blob
/// from there, any other from its beginning, for it was written anew. Nothing where no more stands in it.
async fn read_on(
    store: &dyn ObjectStore,
    location: &Path,
    read: u64,
) -> Result<Option<u64>, object_store::Error> {
    let said = store.get_opts(location, GetOptions { head: true, ..GetOptions::default() }).await?;
    Ok(match blob_type::grows(&said.attributes) {
        true if said.meta.size == read => None,
        true if said.meta.size > read => Some(read),
        _ => Some(0),
    })
}

/// What is said of objects whose bucket is not there.
const NO_BUCKET: &str = "there is no such bucket (NoSuchBucket)";

impl Driver {
    /// Opens objects, writes them down and hands them on, few at a time: each that is open takes a place.
    pub(super) async fn deliver(&mut self, told: Vec<Told>, work: Option<InWork<'_>>) -> Result<(), Gone> {
        let mut failed: HashSet<String> = HashSet::new();
        let mut told = told.into_iter().peekable();
        while told.peek().is_some() {
            let group: Vec<Told> = told.by_ref().take(OBJECTS_AT_ONCE).collect();
            self.deliver_group(group, &mut failed).await?;
        }
        match work {
            Some(work) => self.give_back(work, failed).await,
            None => Ok(()),
        }
    }

    async fn deliver_group(&mut self, group: Vec<Told>, failed: &mut HashSet<String>) -> Result<(), Gone> {
        let mut ready: Vec<(Ready, Notice)> = Vec::new();
        let of_each: Vec<_> =
            group.iter().map(|told| (told.message.clone(), self.url.of_key(&told.notice.key))).collect();
        let (fates, fault) = self.open_all(&group).await?;
        for ((message, shown), fate) in of_each.into_iter().zip(fates) {
            match fate {
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
                    self.in_vain.remove(&shown);
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
                Fate::Known => self.passed_over += 1,
                Fate::Missing => {
                    self.note("object_gone", format!("{shown} is not there any more")).await?;
                    self.one_done(message.as_ref()).await?;
                }
                Fate::Failed(cause, _) => {
                    let is_listed = fault == Fault::Objects && message.is_none();
                    let tries = if is_listed { self.count_in_vain(&shown) } else { 0 };
                    self.unread((&shown, tries), &cause, message, failed).await?;
                }
                Fate::NoBucket => self.unread((&shown, 0), NO_BUCKET, message, failed).await?,
            }
        }
        self.write_down(&ready).await?;
        for (ready, _) in ready {
            let frontier = Frontier::Unread { since: self.bound.at() };
            self.give(Item::Object(Box::new(ready), frontier)).await?;
        }
        Ok(())
    }

    /// An object that was listed could not be read: how often, in a row. After some tries it is passed over.
    fn count_in_vain(&mut self, shown: &str) -> u64 {
        if self.in_vain.len() >= MOST_IN_VAIN && !self.in_vain.contains_key(shown) {
            return 0;
        }
        let tries = self.in_vain.entry(shown.to_owned()).or_default();
        *tries += 1;
        self.passed_over += u64::from(*tries >= OBJECT_TRIES);
        *tries
    }

    /// An object could not be read: its message is given back.
    async fn unread(
        &mut self,
        (shown, tries): (&str, u64),
        cause: &str,
        message: Option<Arc<InHand>>,
        failed: &mut HashSet<String>,
    ) -> Result<(), Gone> {
        let is_told = message.is_some();
        failed.extend(message.map(|message| message.receipt.clone()));
        let told = match tries.cmp(&OBJECT_TRIES) {
            Ordering::Less if is_told => self.said.unread(shown, cause),
            Ordering::Less => format!("{shown}: {cause}; it is tried again"),
            Ordering::Equal => {
                format!("{shown}: {cause}; it is tried with each listing, and no longer holds the watermark")
            }
            // what goes on is counted, and told of once
            Ordering::Greater => String::new(),
        };
        self.note("object_unreadable", told).await
    }

    /// Opens objects, all together, for a store answers within tens of milliseconds. Where it serves none of them,
    /// and it is the store's fault, that is waited for with the messages in hand, for each time that they come
    /// counts against them. One object that cannot be read does not hold up the others. A bucket that is not there
    /// ends the input where it has never served, and is waited for likewise where it has.
    async fn open_all(&mut self, group: &[Told]) -> Result<(Vec<Fate>, Fault), Gone> {
        let (began, mut was_away) = (Instant::now(), false);
        loop {
            let store = self.store().await;
            let begun = group.iter().map(|told| self.begin(store.clone(), told.clone()));
            let begun = self.shared.ending.patient(futures::future::join_all(begun)).await;
            // their messages are in hand, and are given back at the end
            let mut fates: Vec<Fate> = begun.ok_or(Gone)?;
            for (fate, told) in fates.iter_mut().zip(group) {
                while let Fate::Failed(cause, Why::Ledger) = fate {
                    self.wait_for_ledger(std::mem::take(cause)).await?;
                    *fate = self.begin(store.clone(), told.clone()).await;
                }
            }
            let Some(trouble) = trouble(&fates) else {
                if was_away {
                    // it came back while they were asked for: those that it did not serve yet, once more
                    for (fate, told) in fates.iter_mut().zip(group) {
                        if matches!(fate, Fate::Failed(_, Why::Away | Why::Denied) | Fate::NoBucket) {
                            *fate = self.begin(store.clone(), told.clone()).await;
                        }
                    }
                }
                self.served(Whom::Objects).await?;
                return Ok((fates, Fault::Objects));
            };
            was_away = true;
            let fault = self.whose_fault(&store, &trouble).await?;
            let is_over = began.elapsed() > HOLD_OBJECTS || self.shared.closing.load(Relaxed);
            if fault == Fault::Objects || is_over {
                return Ok((fates, fault));
            }
            let failure = self.failure(group, trouble);
            self.wait_for(Whom::Objects, failure).await?;
        }
    }

    /// Whether the store gives nothing, or only not these objects.
    async fn whose_fault(
        &self,
        store: &Result<Arc<dyn ObjectStore>, String>,
        trouble: &Trouble,
    ) -> Result<Fault, Gone> {
        let is_objects = match (trouble, store) {
            (Trouble::NoBucket, _) => false,
            (Trouble::Denied(..), Ok(store)) => {
                let given = self.is_any_given(store.as_ref());
                self.shared.ending.patient(given).await.ok_or(Gone)?
            }
            // whoever answers, be it with a refusal, is there
            (Trouble::Away(_) | Trouble::Denied(..), _) => !matches!(self.look().await?, Err((_, false))),
        };
        Ok(if is_objects { Fault::Objects } else { Fault::Store })
    }

    /// Whether the store still gives what it gave before; where it gave nothing since the start, of what it lists.
    async fn is_any_given(&self, store: &dyn ObjectStore) -> bool {
        if self.served.is_empty()
            && let Ok(prefix) = path_of(&self.url.prefix)
        {
            let mut listed = store.list(prefix.as_ref()).take(SERVED_KEPT);
            while let Some(Ok(meta)) = listed.next().await {
                if gives(store, &meta.location).await {
                    return true;
                }
            }
            return false;
        }
        self.served.is_any_given(store).await
    }

    /// What is said while none of some objects can be read.
    fn failure(&self, group: &[Told], trouble: Trouble) -> Failure {
        let what = format!("no object of {} can be read", self.url);
        match trouble {
            Trouble::NoBucket => Failure {
                what,
                cause: NO_BUCKET.to_owned(),
                is_refused: true,
                help: store_help(self.url.provider),
            },
            Trouble::Away(cause) => {
                Failure { what, cause, is_refused: false, help: store_help(self.url.provider) }
            }
            Trouble::Denied(which, cause) => {
                let key = group.get(which).map(|told| told.notice.key.as_str()).unwrap_or_default();
                let cause = format!("{key}: {cause}");
                // not at the start either: the first object may be the only one that is denied
                Failure { what, cause, is_refused: false, help: denied_help(self.url.provider) }
            }
        }
    }

    /// Settles the messages that were worked on; those of objects that could not be read are given back.
    async fn give_back(&mut self, work: InWork<'_>, failed: HashSet<String>) -> Result<(), Gone> {
        let failed_ids: HashSet<String> = {
            let mut in_hand = lock(&self.shared.in_hand);
            failed.iter().filter_map(|receipt| in_hand.remove(receipt)).map(|held| held.id.clone()).collect()
        };
        for (id, (sent, times)) in work.sent {
            if !failed_ids.contains(&id) {
                self.bound.done(&id, sent);
            } else if times >= OBJECT_TRIES {
                self.bound.give_up(id, sent, work.until);
            }
        }
        let receipts: Vec<String> = failed.into_iter().collect();
        match work.queue.keep(&receipts, TRY_AGAIN).await {
            Ok(0) => Ok(()),
            Ok(refused) => {
                self.note("retrying", format!("{refused} messages come again when their time is over")).await
            }
            Err(error) => self.note("retrying", error.to_string()).await,
        }
    }

    /// One object of a message needs nothing more.
    async fn one_done(&self, message: Option<&Arc<InHand>>) -> Result<(), Gone> {
        let (Some(message), Some(queue)) = (message, &self.queue) else { return Ok(()) };
        if message.left.fetch_sub(1, AcqRel) > 1 {
            return Ok(());
        }
        lock(&self.shared.in_hand).remove(&message.receipt);
        self.delete(queue, std::slice::from_ref(&message.receipt)).await
    }

    /// Opens an object that the ledger does not know.
    async fn begin(&self, store: Result<Arc<dyn ObjectStore>, String>, told: Told) -> Fate {
        let known = match &told.notice.etag {
            Some(etag) => self.ledger.look_up(&told.notice.bucket, &told.notice.key, etag),
            None => Ok(None),
        };
        let known = match known {
            Ok(known) => known,
            Err(cause) => return Fate::Failed(cause, Why::Ledger),
        };
        if let Some(known) = known.filter(|known| known.same) {
            return self.known(told, known).await;
        }
        let store = match store {
            Ok(store) => store,
            Err(cause) => return Fate::Failed(cause, Why::Away),
        };
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            return Fate::Failed("closed".into(), Why::Other);
        };
        let location = match Path::parse(&told.notice.key) {
            Ok(location) => location,
            Err(error) => return Fate::Failed(error.to_string(), Why::Other),
        };
        let from = match known.filter(|_| self.url.provider == Provider::Azure) {
            Some(known) => match read_on(store.as_ref(), &location, known.size).await {
                Ok(Some(from)) => from,
                Ok(None) => return self.known(told, known).await,
                Err(error) => return Fate::of(&error),
            },
            // an object of the others was written anew
            None => 0,
        };
        let waits = Waits { tell: self.tell_broken(), served: Arc::clone(&self.served) };
        match open(store, Wanted { location, from }, self.shared.ending.clone(), Some(waits)).await {
            Ok(Ok(opened)) => {
                let etag = opened.meta.e_tag.as_deref().map(notice::unquoted).unwrap_or_default();
                match self.ledger.look_up(&told.notice.bucket, &told.notice.key, &etag) {
                    // told of an older version, or without one, and this one is known
                    Ok(Some(known)) if known.same => self.known(told, known).await,
                    Ok(_) => Fate::Opened(told, opened, slot, from),
                    Err(cause) => Fate::Failed(cause, Why::Ledger),
                }
            }
            Ok(Err(error)) => Fate::of(&error),
            Err(_) => Fate::Failed("the reading of it ended".into(), Why::Other),
        }
    }

    /// Says what becomes of an object that broke off: what goes on is counted, and told of once.
    fn tell_broken(&self) -> Tell {
        let (shared, url): (Arc<Shared>, ObjectUrl) = (Arc::clone(&self.shared), self.url.clone());
        Arc::new(move |location, broken| {
            let shown = url.of_key(location.as_ref());
            let (cause, message) = match broken {
                Broken::Waits { cause, is_denied: false } => (
                    "retrying",
                    format!(
                        "{shown} broke off: {cause}; the store is waited for, and nothing is lost meanwhile"
                    ),
                ),
                Broken::Waits { cause, is_denied: true } => (
                    "retrying",
                    format!(
                        "{shown} broke off: {cause}; what was read before is denied too, so access is waited for, \
                         and nothing is lost meanwhile; {}",
                        denied_help(url.provider)
                    ),
                ),
                Broken::WaitsOn => ("retrying", String::new()),
                Broken::ReadOn => ("served_again", format!("{shown} is read on from where it broke off")),
                Broken::GivenUp(cause) => (
                    "object_unreadable",
                    format!("{shown} {cause}; other objects are given, so its rest goes to quarantine"),
                ),
            };
            shared.tell(Note { cause, count: 1, message });
        })
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
            return Fate::Failed("closed".into(), Why::Other);
        }
        Fate::Known
    }

    async fn write_down(&mut self, ready: &[(Ready, Notice)]) -> Result<(), Gone> {
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
            false => self.of_ledger(|ledger| ledger.write_down(&entries)).await,
        }
    }
}

/// Who is to blame that objects were not opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The store serves, and not these.
    Objects,
    /// It gives nothing at all.
    Store,
}

/// Why none of some objects could be read.
enum Trouble {
    NoBucket,
    Away(String),
    /// Access is denied: to which of them, and in which words.
    Denied(usize, String),
}

/// Why none of some objects could be read, where that may be the store's fault.
fn trouble(fates: &[Fate]) -> Option<Trouble> {
    if fates.iter().any(Fate::is_served) {
        return None;
    }
    if fates.iter().any(|fate| matches!(fate, Fate::NoBucket)) {
        return Some(Trouble::NoBucket);
    }
    let away = fates.iter().find_map(|fate| match fate {
        Fate::Failed(cause, Why::Away) => Some(Trouble::Away(cause.clone())),
        _ => None,
    });
    away.or_else(|| {
        fates.iter().enumerate().find_map(|(which, fate)| match fate {
            Fate::Failed(cause, Why::Denied) => Some(Trouble::Denied(which, cause.clone())),
            _ => None,
        })
    })
}
