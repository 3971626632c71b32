//! The archive of the long-running process: what its daemon asks of one, made of the lake.
//!
//! In: batches and alerts, in their order. Out: one commit of all events and one of all alerts since the last, in
//! this order. What the store does not serve is waited for; what the table does not take is tried again with the
//! files that are written already.
//!
//! The state folder says which archive it is: a checkpoint passes over what lies in that one, so another one, or a new
//! one in the place of a disk that is not mounted, is not taken for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use tokio::runtime::Runtime;
use virga_archive::{AlertRow, Archive, ArchiveError, EventWriter, Layout, Location, Patience, Written};
use virga_daemon::archive::{self, ArchiveFailure, ArchiveWriter, Asked, Committed, Held};
use virga_daemon::config::ArchiveConfig;
use virga_daemon::outbox::OutAlert;
use virga_engine::event::{EventBatch, Projection};
use virga_ingest::transport::object_store::{ObjectUrl, StoreSettings, process_environment};

use crate::redaction::Redactions;

/// Bytes of alerts that wait for a commit; beyond it they are committed before the events that stand beside them.
const ALERT_BYTES: usize = 32 << 20;

/// The file of the state folder that says which archive the process goes on from.
const SIGN: &str = "archive";

/// Which archive the process goes on from: what it is known by, and at which address.
struct Sign {
    path: PathBuf,
    url: String,
}

impl Sign {
    /// What the archive is known by, where one was written at this address; another address is another archive.
    fn known(&self) -> Result<Option<String>, String> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", self.path.display())),
        };
        let known = text.split_once('\n').filter(|(_, url)| url.trim_end_matches('\n') == self.url);
        Ok(known.map(|(id, _)| id.to_owned()))
    }

    /// An archive is this one's from now on.
    fn remember(&self, id: &str) -> Result<(), String> {
        let new = self.path.with_extension("new");
        let put =
            fs::write(&new, format!("{id}\n{}\n", self.url)).and_then(|()| fs::rename(&new, &self.path));
        put.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Why what was found is not it.
    fn refuse(&self, location: &Location, what: &str) -> String {
        format!(
            "{location}: {what}, and the last checkpoint passes over what lies in that one: look whether its disk is \
             mounted; where this is meant, remove {}",
            self.path.display()
        )
    }

    fn prove(&self, location: &Location, known: Option<&str>, id: &str) -> Result<(), String> {
        match known {
            Some(known) if known != id => {
                Err(self.refuse(location, "it is another archive than the one that the process goes on from"))
            }
            _ => Ok(()),
        }
    }

    fn missing(&self, location: &Location) -> String {
        self.refuse(location, "the archive that the process goes on from is not there")
    }
}

/// An archive that the configuration names.
pub struct Lake {
    sign: Sign,
    location: Location,
    /// How its store is reached, where it is no folder.
    store: Option<(StoreSettings, ObjectUrl)>,
    redactions: Arc<Redactions>,
}

impl Lake {
    /// From the configuration, and the folder of the state.
    ///
    /// # Errors
    /// Where it names no place, or what it says of the store cannot work.
    pub fn new(config: &ArchiveConfig, state: &Path, redactions: &Arc<Redactions>) -> Result<Self, String> {
        let at = |error: &dyn std::fmt::Display| format!("[archive] url = \"{}\": {error}", config.url);
        let location = Location::new(&config.url).map_err(|error| at(&error))?;
        let store = match (ObjectUrl::parse(&config.url), &config.store) {
            (Some(url), settings) => {
                let (url, settings) =
                    (url.map_err(|error| at(&error))?, settings.clone().unwrap_or_default());
                settings.prove(&url, &process_environment).map_err(|error| at(&error))?;
                Some((settings, url))
            }
            (None, Some(_)) => return Err(at(&"it is no address of a store")),
            (None, None) => None,
        };
        let sign = Sign { path: state.join(SIGN), url: config.url.clone() };
        Ok(Self { sign, location, store, redactions: Arc::clone(redactions) })
    }

    /// The place in its store. The store is asked for its region where nothing names one.
    async fn connected(&self) -> Result<Location, String> {
        let Some((settings, url)) = &self.store else { return Ok(self.location.clone()) };
        // what fails is tried again here, and said: the store's own client is not to do so for minutes before
        let store = settings.connect_trying(url, &process_environment, 1).await?;
        Ok(self.location.clone().within(store))
    }

    /// The same, however long the store is away: settings that cannot work have been proved before.
    async fn connected_at_last(&self, held: &Held) -> Result<Location, String> {
        let mut failures = 0;
        loop {
            match self.connected().await {
                Ok(location) => return Ok(location),
                Err(why) => {
                    failures += 1;
                    let Some(wait) = held(&why, failures) else { return Err(why) };
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Opens the archive that the process goes on from; where it goes on from none, the one that is there, or a new one.
    async fn begin(&self, location: &Location) -> Result<Archive, String> {
        let known = self.sign.known()?;
        let archive = match &known {
            Some(_) => {
                let found = Archive::find(location).await.map_err(words)?;
                found.ok_or_else(|| self.sign.missing(location))?
            }
            None => Archive::open_or_create(location).await.map_err(words)?,
        };
        let id = archive.id().map_err(words)?;
        self.sign.prove(location, known.as_deref(), &id)?;
        if known.is_none() {
            self.sign.remember(&id)?;
        }
        Ok(archive)
    }

    /// What proves that it can be written, and leaves nothing behind.
    async fn prove(&self) -> Result<String, String> {
        let known = self.sign.known()?;
        let location = self.connected().await?;
        let is_there = match location.folder() {
            Some(folder) => {
                prove_folder(&folder)?;
                folder.join("events/_delta_log").is_dir()
            }
            None => location.prove().await.map_err(words)?,
        };
        if !is_there {
            return match known {
                Some(_) => Err(self.sign.missing(&location)),
                None => Ok(format!("would make an archive at {location}")),
            };
        }
        let archive = Archive::open(&location).await.map_err(words)?;
        self.sign.prove(&location, known.as_deref(), &archive.id().map_err(words)?)?;
        Ok(format!("would add to version {} of {location}", archive.version()))
    }
}

fn words(error: ArchiveError) -> String {
    error.to_string()
}

/// A file can be made there, or in the folder in which it would be made.
fn prove_folder(folder: &Path) -> Result<(), String> {
    let there = folder.ancestors().find(|above| above.is_dir()).map(PathBuf::from);
    let there = there.ok_or_else(|| format!("{}: there is no such folder", folder.display()))?;
    tempfile::tempfile_in(&there).map_err(|error| format!("{}: {error}", there.display()))?;
    Ok(())
}

fn runtime() -> Result<Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads(2).thread_name("virga-archive").enable_all().build();
    built.map_err(|error| format!("no runtime: {error}"))
}

impl archive::Archive for Lake {
    fn fields(&self, asked: &Asked) -> Arc<Projection> {
        Layout::new(&asked.columns, &asked.projection).projection
    }

    fn check(&self) -> Result<String, String> {
        runtime()?.block_on(self.prove())
    }

    fn open(&self, held: Held) -> Result<Box<dyn ArchiveWriter>, String> {
        let runtime = runtime()?;
        let location = runtime.block_on(self.connected_at_last(&held))?;
        let patience = Patience::new(move |why, failures| held(&why, failures));
        let archive = runtime.block_on(async {
            // what is wrong with the address or the credentials shows here, and is not waited for, nor is a folder
            let first = match location.folder() {
                Some(_) => location.clone(),
                None => location.clone().patient(patience.clone().for_what_passes()),
            };
            let mut archive = self.begin(&first).await?;
            archive.note_redactions(self.redactions.all()).await.map_err(words)?;
            Archive::open(&location.patient(patience)).await.map_err(words)
        });
        Ok(Box::new(LakeWriter {
            archive: archive?,
            runtime,
            layouts: HashMap::new(),
            writer: None,
            is_sealed: false,
            alerts: Vec::new(),
            alert_bytes: 0,
            done: Committed::default(),
        }))
    }
}

/// Writes into the lake.
struct LakeWriter {
    runtime: Runtime,
    archive: Archive,
    layouts: HashMap<String, Layout>,
    /// What has come since the last commit.
    writer: Option<EventWriter>,
    /// All of its files are in the store.
    is_sealed: bool,
    alerts: Vec<AlertRow>,
    alert_bytes: usize,
    /// What was committed and is not told yet.
    done: Committed,
}

impl LakeWriter {
    fn commit_events(&mut self) -> Result<(), ArchiveFailure> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if !self.is_sealed {
            let sealed = self.runtime.block_on(writer.seal(&self.archive));
            sealed.map_err(|error| ArchiveFailure::Lost(error.to_string()))?;
            self.is_sealed = true;
        }
        let published = self.runtime.block_on(async {
            let published = writer.publish(&mut self.archive).await;
            if published.is_err() {
                // the next try begins with what the table has become
                self.archive.refresh().await?;
            }
            published
        });
        let written = published.map_err(|error| ArchiveFailure::Again(error.to_string()))?;
        (self.writer, self.is_sealed) = (None, false);
        add(&mut self.done, &written);
        Ok(())
    }

    fn commit_alerts(&mut self) -> Result<(), ArchiveFailure> {
        if self.alerts.is_empty() {
            return Ok(());
        }
        let added = self.runtime.block_on(async {
            let added = self.archive.add_alerts(&self.alerts).await;
            if added.is_err() {
                self.archive.refresh().await?;
            }
            added
        });
        added.map_err(|error| ArchiveFailure::Again(error.to_string()))?;
        self.done.alerts += self.alerts.len() as u64;
        self.alerts.clear();
        self.alert_bytes = 0;
        Ok(())
    }
}

fn add(done: &mut Committed, written: &Written) {
    done.events += written.rows as u64;
    done.left_out += (written.duplicates + written.present) as u64;
    done.files += written.files as u64;
    done.bytes += written.bytes;
}

impl ArchiveWriter for LakeWriter {
    fn begin(&mut self, asked: &[Asked]) -> Result<(), ArchiveFailure> {
        // what was taken has the columns of the rules before
        self.commit_events()?;
        let layout = |asked: &Asked| (asked.source.clone(), Layout::new(&asked.columns, &asked.projection));
        self.layouts = asked.iter().map(layout).collect();
        Ok(())
    }

    fn events(&mut self, batch: &EventBatch) -> Result<(), ArchiveFailure> {
        let writer = self.writer.get_or_insert_with(|| EventWriter::new(self.layouts.clone()));
        let pushed = self.runtime.block_on(writer.push(&self.archive, batch));
        pushed.map_err(|error| ArchiveFailure::Lost(error.to_string()))
    }

    fn alerts(&mut self, alerts: &[OutAlert]) -> Result<(), ArchiveFailure> {
        if self.alert_bytes > ALERT_BYTES {
            self.commit_alerts()?;
        }
        for alert in alerts {
            let row = AlertRow::parse(&alert.json);
            self.alerts.push(row.map_err(|error| ArchiveFailure::Lost(error.to_string()))?);
            self.alert_bytes += alert.json.len();
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<Committed, ArchiveFailure> {
        self.commit_events()?;
        self.commit_alerts()?;
        Ok(std::mem::take(&mut self.done))
    }
}
