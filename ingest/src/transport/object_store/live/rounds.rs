//! The way without a queue: the prefix is listed in rounds, and what the ledger does not know is delivered.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::super::body::describe;
use super::super::body::is_refused;
use super::super::ledger::Ledger;
use super::super::listing::{Counts, Walk, path_of};
use super::super::notice::{self, Notice};
use super::super::process_environment;
use super::super::url::Provider;
use super::away::{Failure, Whom};
use super::driver::{Driver, Gone, Told};
use super::{DAY, Item};
use crate::limits::{KEYS_AHEAD, OBJECTS_AT_ONCE, QUESTION_RETRIES};
use crate::transport::live::Frontier;

/// What an operator looks at where a store does not serve.
pub(super) fn store_help(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => {
            "look at the network, `url`, the region, the endpoint and the credentials: the role needs s3:ListBucket and \
             s3:GetObject"
        }
        Provider::Gcs => {
            "look at the network, `url`, the endpoint and the credentials: the account needs storage.objects.list and \
             storage.objects.get"
        }
        Provider::Azure => {
            "look at the network, `url`, the storage account, the endpoint and the credentials: who reads needs the role \
             Storage Blob Data Reader, a SAS token the rights `r` and `l`"
        }
    }
}

/// What an operator does where a store denies what it gave before.
pub(super) fn denied_help(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => {
            "renew the credentials, or give the role s3:GetObject again; keys of the environment or of a profile are read \
             at the start: restart the process once they are good"
        }
        Provider::Gcs => {
            "renew the credentials, or give the account storage.objects.get again; a key file is read at the start: \
             restart the process once it is good"
        }
        Provider::Azure => {
            "renew the credentials, or give the role Storage Blob Data Reader again; keys and SAS tokens are read at the \
             start: restart the process once they are good"
        }
    }
}

impl Driver {
    pub(super) async fn follow_listing(&mut self) -> Result<(), Gone> {
        self.first_look().await?;
        let mut listed = self.of_ledger(Ledger::listed).await?;
        loop {
            self.breathe().await?;
            let began = (self.clock)();
            let from = listed.unwrap_or(began).min(began) - i64::from(self.config.days) * DAY;
            if self.round(from).await? {
                listed = Some(began);
                self.bound.reach(began);
                self.give(Item::Listed { began, next: self.next }).await?;
            }
            let mut waited = Duration::ZERO;
            while waited < self.config.list_every.0 {
                self.give(Item::Reached(Frontier::Unread { since: self.bound.at() })).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                waited += Duration::from_secs(1);
            }
        }
    }

    /// Waits until the store answers at all.
    async fn first_look(&mut self) -> Result<(), Gone> {
        while let Err((cause, is_refused)) = self.look().await? {
            if self.items.is_closed() || self.shared.ending.is_near() {
                return Err(Gone);
            }
            let failure = Failure {
                what: format!("{} cannot be listed", self.url),
                cause,
                is_refused,
                help: store_help(self.url.provider),
            };
            self.wait_for(Whom::Input, failure).await?;
        }
        self.served(Whom::Input).await
    }

    /// One answer of a listing: what it says is of no matter. Else why there was none, and whether it was refused.
    pub(super) async fn look(&self) -> Result<Result<(), (String, bool)>, Gone> {
        self.shared.ending.patient(self.asked()).await.ok_or(Gone)
    }

    async fn asked(&self) -> Result<(), (String, bool)> {
        let connecting = self.config.store.connect_trying(&self.url, &process_environment, QUESTION_RETRIES);
        // settings that cannot work have been proved before: what is left is a region that is asked for
        let store = connecting.await.map_err(|cause| (cause, false))?;
        let prefix = path_of(&self.url.prefix).map_err(|cause| (cause, true))?;
        match store.list(prefix.as_ref()).next().await {
            Some(Err(error)) => Err((describe(&error), is_refused(&error))),
            _ => Ok(()),
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
                    let bucket = Arc::clone(&self.url.bucket);
                    let known = self.of_ledger(|ledger| ledger.look_up(&bucket, &key, &etag)).await?;
                    if known.is_none_or(|known| !known.same) {
                        let notice = Notice { bucket: bucket.to_string(), key, etag: Some(etag) };
                        group.push(Told { notice, message: None });
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
                self.passed_over = 0;
                self.deliver(std::mem::take(&mut group), None).await?;
                // what could not be opened is found again by the next round
                complete &= self.next - before + self.passed_over == asked;
            }
            if ended {
                return Ok(complete);
            }
        }
    }
}
