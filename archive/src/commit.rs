//! How a table becomes another version of itself.
//!
//! In: files that are written already, and files to let go. Out: a version in which all of that is so, or the
//! version that was there. A version is one file that is put where there was none: whoever is second starts
//! anew from what the first has made, and looks again whether what is to be let go still stands.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use chrono::{Duration, Utc};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Add, LogicalFileView, Remove, StructField};
use deltalake::operations::vacuum::VacuumMode;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::error::ArchiveError;
use crate::known::Known;
use crate::layout::{PARTITIONS, stored_type};
use crate::limits::{FIRST_PAUSE, MAX_COMMIT_ATTEMPTS, MAX_HOURS_AT_ONCE};
use crate::repeats::{APART, Hour, by_hour, is_apart, set_name};
use crate::table::{Archive, Entry, Range, Uncommitted, action_of, partition_of, plain};

/// Why a table changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Events have come.
    Import,
    /// The same events in other files.
    Compaction,
    /// Events are let go.
    Expiry,
}

impl Why {
    /// Whether there are other events than before.
    pub(crate) fn changes_data(self) -> bool {
        self != Self::Compaction
    }

    /// What the table's log says of it, for a table of these partitions.
    pub(crate) fn operation(self, partitions: &[&str]) -> DeltaOperation {
        match self {
            Self::Import => DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: Some(partitions.iter().map(|name| (*name).to_owned()).collect()),
                predicate: None,
            },
            Self::Compaction => DeltaOperation::Optimize { predicate: None, target_size: 0 },
            Self::Expiry => DeltaOperation::Delete { predicate: Some("expired".into()) },
        }
    }
}

/// What is known of whether events are there twice once a commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked<'e> {
    /// Nobody has looked: whoever reads does.
    Not,
    /// The commit looks, at the hours that it adds to.
    Looks,
    /// Somebody has looked at these files: what is added and what is left of them share no event.
    Apart(&'e [Entry]),
}

/// What was let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Files of events.
    pub files: usize,
    /// Events in them.
    pub rows: usize,
    /// Files of alerts.
    pub alert_files: usize,
    /// Alerts in them, each revision counted.
    pub alerts: usize,
    /// Files that nothing refers to any more, and that are gone from the store.
    pub deleted: usize,
}

/// Somebody else was first.
pub(crate) fn is_conflict(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => matches!(
            source,
            TransactionError::MaxCommitAttempts(_)
                | TransactionError::VersionAlreadyExists(_)
                | TransactionError::CommitConflict(_)
        ),
        _ => false,
    }
}

/// One try to change a table, on top of the version at hand and of no other.
pub(crate) async fn commit_once(
    table: &mut DeltaTable,
    actions: Vec<Action>,
    operation: DeltaOperation,
) -> Result<(), DeltaTableError> {
    let snapshot = table.snapshot()?.snapshot();
    let done = CommitBuilder::from(CommitProperties::default())
        .with_max_retries(0)
        .with_actions(actions)
        .build(Some(snapshot), table.log_store(), operation)
        .await?;
    // whoever commits has read what was made of it already: to ask the store again would tell what others did since
    table.state = Some(done.snapshot());
    Ok(())
}

impl Archive {
    /// Puts the bytes of a file where the table may refer to it.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let doing = format!("writing {path} of {}", self.location);
        let store = self.events.object_store();
        store.put(&Path::from(path), Bytes::from(bytes).into()).await.map_err(ArchiveError::at(doing))?;
        Ok(())
    }

    /// The paths of the files that are part of the version at hand.
    pub(crate) async fn paths(&self) -> Result<HashSet<String>, ArchiveError> {
        Ok(self.entries(Range::ALL).await?.into_iter().map(|entry| entry.path).collect())
    }

    /// Makes files part of the table, and takes others out, all at once. A file that is part of it already
    /// is not added again: files are named by what is in them.
    pub(crate) async fn commit(
        &mut self,
        add: &[Uncommitted],
        remove: &[Entry],
        why: Why,
        looked: Looked<'_>,
    ) -> Result<(), ArchiveError> {
        self.commit_knowing(&mut Known::default(), add, remove, why, looked).await
    }

    /// The same where the files of the version at hand may be known, and are known then of the new one.
    pub(crate) async fn commit_knowing(
        &mut self,
        known: &mut Known,
        add: &[Uncommitted],
        remove: &[Entry],
        why: Why,
        looked: Looked<'_>,
    ) -> Result<(), ArchiveError> {
        let mut seen = HashMap::new();
        let doing = format!("committing to {}", self.location);
        let mut pause = FIRST_PAUSE;
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            self.learn_columns(add).await?;
            self.know(known).await?;
            if !remove.iter().all(|entry| known.has(entry)) {
                let cause = "another program has replaced the same files; nothing was changed, try again";
                return Err(ArchiveError::new(doing, cause));
            }
            let new: Vec<&Uncommitted> = add.iter().filter(|file| !known.has(&file.entry())).collect();
            if new.is_empty() && remove.is_empty() {
                return Ok(());
            }
            let apart = self.sets_apart(known, &new, remove, looked, &mut seen).await?;
            let before = self.events.version();
            match self.try_commit(&new, remove, why, &apart).await {
                Ok(()) => {
                    known.follow((before, self.events.version()), &new, remove, &apart);
                    return Ok(());
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => {
                    // what follows a commit may fail where the commit did not
                    return match self.has_happened(&new, remove).await {
                        true => Ok(()),
                        false => Err(ArchiveError::new(doing, error)),
                    };
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(FIRST_PAUSE * 32);
            self.events.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
        }
        Err(ArchiveError::new(doing, "others commit without end; nothing was changed, try again"))
    }

    /// One try, on top of the version at hand and of no other.
    async fn try_commit(
        &mut self,
        add: &[&Uncommitted],
        remove: &[Entry],
        why: Why,
        apart: &HashMap<Hour, String>,
    ) -> Result<(), DeltaTableError> {
        let now = Utc::now().timestamp_millis();
        let adds = add.iter().map(|file| {
            let Entry { source, hour, .. } = file.entry();
            let tags = apart.get(&(source, hour)).map(|set| tags(set));
            Action::Add(Add { tags, ..add_action(file, now, why.changes_data()) })
        });
        let removes =
            remove.iter().map(|entry| Action::Remove(remove_action(entry, now, why.changes_data())));
        let actions: Vec<Action> = adds.chain(removes).collect();
        commit_once(&mut self.events, actions, why.operation(&PARTITIONS)).await
    }

    /// For each hour that is added to the name of the set of files that it has then, where none of its events is
    /// there twice. What was looked at is kept in `seen`: a commit may be tried again.
    async fn sets_apart(
        &self,
        known: &Known,
        add: &[&Uncommitted],
        remove: &[Entry],
        looked: Looked<'_>,
        seen: &mut HashMap<String, bool>,
    ) -> Result<HashMap<Hour, String>, ArchiveError> {
        if looked == Looked::Not {
            return Ok(HashMap::new());
        }
        let sets = by_hour(&add.iter().map(|file| file.entry()).collect::<Vec<_>>());
        let several = sets.into_iter().filter_map(|(hour, mut set)| {
            for entry in known.of(&hour).iter().filter(|entry| !is_among(entry, remove)) {
                // somebody else has added to the hour meanwhile, and nobody has looked at that
                if matches!(looked, Looked::Apart(seen) if !is_among(entry, seen)) {
                    return None;
                }
                set.push(entry.clone());
            }
            (set.len() > 1).then_some((hour, set))
        });
        let named =
            several.map(|(hour, files)| (hour, set_name(files.iter().map(|file| file.path.as_str())), files));
        let looks = named.map(|(hour, name, files)| {
            let known = match looked {
                Looked::Apart(_) => Some(true),
                _ => seen.get(&name).copied(),
            };
            async move {
                let is_apart = match known {
                    Some(is_apart) => is_apart,
                    None => self.look_for_repeats(&files).await?.count() == 0,
                };
                Ok::<_, ArchiveError>((hour, name, is_apart))
            }
        });
        let looks: Vec<_> = looks.collect();
        let found: Vec<(Hour, String, bool)> =
            futures::stream::iter(looks).buffered(MAX_HOURS_AT_ONCE).try_collect().await?;
        seen.extend(found.iter().map(|(_, name, is_apart)| (name.clone(), *is_apart)));
        let apart = found.into_iter().filter(|(.., is_apart)| *is_apart);
        Ok(apart.map(|(hour, name, _)| (hour, name)).collect())
    }

    /// Notes of an hour that none of its events is there twice, where that is not known: a compaction has looked,
    /// and found nothing to merge.
    pub(crate) async fn note_apart(
        &mut self,
        known: &mut Known,
        hour: &Hour,
        before: &[Entry],
    ) -> Result<(), ArchiveError> {
        self.know(known).await?;
        let files = known.of(hour);
        // another program has added to the hour meanwhile
        let is_known = is_apart(files) || !files.iter().all(|file| is_among(file, before));
        let Some(first) = files.first().filter(|_| !is_known) else { return Ok(()) };
        let doing = || format!("noting what is known of {}", first.path);
        let log = self.events.log_store();
        let snapshot = self.events.snapshot().map_err(ArchiveError::at(doing()))?.snapshot();
        let views: Vec<LogicalFileView> = snapshot
            .file_views(log.as_ref(), None)
            .try_filter(|view| std::future::ready(view.path() == first.path.as_str()))
            .try_collect()
            .await
            .map_err(ArchiveError::at(doing()))?;
        let Some(view) = views.first() else { return Ok(()) };
        let name = set_name(files.iter().map(|file| file.path.as_str()));
        let add = Add { tags: Some(tags(&name)), data_change: false, ..action_of(view) };
        let noted = (first.clone(), self.events.version());
        match commit_once(&mut self.events, vec![Action::Add(add)], Why::Compaction.operation(&PARTITIONS))
            .await
        {
            Ok(()) => {
                known.note((noted.1, self.events.version()), &noted.0, name);
                Ok(())
            }
            // somebody else was first: whoever reads looks for himself, until the next compaction
            Err(error) if is_conflict(&error) => {
                self.events.update_state().await.map_err(ArchiveError::at(doing()))
            }
            Err(error) => Err(ArchiveError::new(doing(), error)),
        }
    }

    /// Whether the table is now as a commit was to make it.
    async fn has_happened(&mut self, add: &[&Uncommitted], remove: &[Entry]) -> bool {
        if self.events.update_state().await.is_err() {
            return false;
        }
        self.paths().await.is_ok_and(|there| {
            add.iter().all(|file| there.contains(&file.path))
                && !remove.iter().any(|entry| there.contains(&entry.path))
        })
    }

    /// Columns that files have and the table does not yet.
    async fn learn_columns(&mut self, add: &[Uncommitted]) -> Result<(), ArchiveError> {
        let doing = format!("adding columns to {}", self.location);
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            let fields = self.new_columns(add)?;
            if fields.is_empty() {
                return Ok(());
            }
            match self.events.clone().add_columns().with_fields(fields).await {
                Ok(table) => self.events = table,
                // somebody else changed the table meanwhile
                Err(error) if is_conflict(&error) => {}
                Err(error) => {
                    let refreshed = self.events.update_state().await;
                    if refreshed.is_err() || !self.new_columns(add)?.is_empty() {
                        return Err(ArchiveError::new(doing, error));
                    }
                }
            }
            self.events.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
        }
        Err(ArchiveError::new(doing, "others change its columns without end"))
    }

    fn new_columns(&self, add: &[Uncommitted]) -> Result<Vec<StructField>, ArchiveError> {
        let doing = || format!("reading the columns of {}", self.location);
        let snapshot = self.events.snapshot().map_err(ArchiveError::at(doing()))?;
        let known: HashSet<String> = snapshot.schema().fields().map(|field| field.name().clone()).collect();
        let new: HashSet<&String> =
            add.iter().flat_map(|file| &file.stats.columns).filter(|name| !known.contains(*name)).collect();
        let mut new: Vec<&String> = new.into_iter().collect();
        new.sort();
        let field = |name: &String| {
            // a canonical column that an older archive does not have; anything else is a native text
            let kind = virga_engine::event::column(name)
                .map_or(deltalake::arrow::datatypes::DataType::Utf8, |c| stored_type(c.kind));
            let field = deltalake::arrow::datatypes::Field::new(name, kind, true);
            (&plain(&field)).try_into_kernel().map_err(ArchiveError::at(doing()))
        };
        new.into_iter().map(field).collect()
    }

    /// Lets go of events and alerts that are older than a moment, and of files that nothing refers to any more
    /// since `keep`: until then, earlier versions can be read. A file that also holds later ones stays.
    ///
    /// # Errors
    /// Where the table cannot be read or written.
    pub async fn expire(&mut self, before: i64, keep: Duration) -> Result<Expired, ArchiveError> {
        let old: Vec<Entry> = self
            .entries(Range { from: i64::MIN, to: before })
            .await?
            .into_iter()
            .filter(|entry| entry.times.1 < before)
            .collect();
        self.commit(&[], &old, Why::Expiry, Looked::Not).await?;
        let (alert_files, alerts) = self.expire_alerts(before).await?;
        let mut deleted = 0;
        for table in [&mut self.events, &mut self.alerts] {
            let doing = format!("deleting files of {}", self.location);
            deleted += vacuum(table, keep).await.map_err(ArchiveError::at(doing))?;
        }
        let rows = old.iter().map(|entry| entry.rows).sum();
        Ok(Expired { files: old.len(), rows, alert_files, alerts, deleted })
    }
}

/// Deletes files that no version of the last `keep` refers to: those that were replaced, and those that a write
/// that was broken off has left behind.
async fn vacuum(table: &mut DeltaTable, keep: Duration) -> Result<usize, DeltaTableError> {
    let vacuum = table.clone().vacuum().with_retention_period(keep).with_enforce_retention_duration(false);
    let (after, metrics) = vacuum.with_mode(VacuumMode::Full).await?;
    *table = after;
    table.update_state().await?;
    Ok(metrics.files_deleted.len())
}

fn is_among(entry: &Entry, entries: &[Entry]) -> bool {
    entries.iter().any(|other| other.path == entry.path)
}

fn tags(set: &str) -> HashMap<String, Option<String>> {
    HashMap::from([(APART.to_owned(), Some(set.to_owned()))])
}

fn add_action(file: &Uncommitted, now: i64, data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: file.partition.values(),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: now,
        data_change,
        stats: Some(file.stats.to_json()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

fn remove_action(entry: &Entry, now: i64, data_change: bool) -> Remove {
    Remove {
        path: entry.path.clone(),
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_of(entry).values()),
        size: Some(i64::try_from(entry.size).unwrap_or(i64::MAX)),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}
