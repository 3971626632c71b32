//! The files of a version: read once, and kept true by what is committed.
//!
//! In: a table, and commits to it. Out: its files, by source and hour. A commit that stands right behind the version
//! that is known says by itself what there is now. Behind anything else, another program's commit or new columns, the
//! list is read again: to read it takes as long as the table has files, and a compaction commits once an hour of events.

use std::collections::{BTreeMap, HashMap};

use crate::error::ArchiveError;
use crate::repeats::{Hour, by_hour};
use crate::table::{Archive, Entry, Range, Uncommitted};

/// The files of a version, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The version; none is known yet, or no more.
    version: Option<u64>,
    hours: BTreeMap<Hour, Vec<Entry>>,
    /// How often the whole list was read.
    #[cfg(test)]
    pub readings: usize,
}

impl Known {
    /// The hours of which there are files.
    pub fn hours(&self) -> Vec<Hour> {
        self.hours.keys().cloned().collect()
    }

    /// The files of an hour.
    pub fn of(&self, hour: &Hour) -> &[Entry] {
        self.hours.get(hour).map_or(&[], Vec::as_slice)
    }

    /// Whether a file is among them.
    pub fn has(&self, entry: &Entry) -> bool {
        self.of(&hour_of(entry)).iter().any(|known| known.path == entry.path)
    }

    /// A file was tagged with the name of its set, and nothing else is new.
    pub fn note(&mut self, versions: (Option<u64>, Option<u64>), file: &Entry, set: String) {
        self.follow(versions, &[], &[], &HashMap::new());
        let files = self.hours.get_mut(&hour_of(file)).into_iter().flatten();
        for known in files.filter(|known| known.path == file.path) {
            known.apart = Some(set.clone());
        }
    }

    /// A commit was made on top of the version `before`; `after` is the version at hand now. `apart` are the sets that
    /// the added files were tagged with, by hour.
    pub fn follow(
        &mut self,
        (before, after): (Option<u64>, Option<u64>),
        add: &[&Uncommitted],
        remove: &[Entry],
        apart: &HashMap<Hour, String>,
    ) {
        if self.version != before || before.map(|before| before + 1) != after {
            self.version = None;
            return;
        }
        self.version = after;
        for entry in remove {
            if let Some(files) = self.hours.get_mut(&hour_of(entry)) {
                files.retain(|known| known.path != entry.path);
            }
        }
        for file in add {
            let entry = file.entry();
            let hour = hour_of(&entry);
            let entry = Entry { apart: apart.get(&hour).cloned(), ..entry };
            let files = self.hours.entry(hour).or_default();
            files.push(entry);
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        self.hours.retain(|_, files| !files.is_empty());
    }
}

fn hour_of(entry: &Entry) -> Hour {
    (entry.source.clone(), entry.hour.clone())
}

impl Archive {
    /// Learns the files of the version at hand, where they are not known.
    pub(crate) async fn know(&self, known: &mut Known) -> Result<(), ArchiveError> {
        let version = self.events.version();
        if version.is_some() && known.version == version {
            return Ok(());
        }
        known.hours = by_hour(&self.entries(Range::ALL).await?);
        known.version = version;
        #[cfg(test)]
        {
            known.readings += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use virga_engine::event::{BatchBuilder, EventBatch, EventId, OriginBase, Projection, RowIdentity};

    use crate::{EventWriter, Layout, Location};

    use super::*;

    /// Two events of each of so many hours; another `part` has others.
    fn events(hours: i64, part: i64) -> EventBatch {
        let mut builder = BatchBuilder::new("test".into(), Arc::new(Projection::default()));
        for number in 0..hours * 2 {
            let id = format!("{part}-{number}");
            let identity = RowIdentity {
                event_id: EventId::Natural(&id),
                time: 1_772_442_000_000_000 + number / 2 * 3_600_000_000 + number,
                ingest_time: 5,
                time_missing: false,
                base: &OriginBase::File { path: "x".into() },
                line: None,
                record: None,
            };
            builder.finish_row(&identity, &format!("{{\"a\":\"{id}\"}}"));
        }
        builder.finish()
    }

    fn layouts() -> HashMap<String, Layout> {
        HashMap::from([("test".to_owned(), Layout::new(&[], &Projection::default()))])
    }

    async fn import(archive: &mut Archive, batch: &EventBatch) {
        let mut writer = EventWriter::new(layouts());
        writer.push(archive, batch).await.unwrap();
        writer.commit(archive).await.unwrap();
    }

    /// An archive whose hours have two files each.
    async fn archive(hours: i64) -> Archive {
        let location = Location::new("s3://bucket/lake").unwrap().within(Arc::new(InMemory::new()));
        let mut archive = Archive::open_or_create(&location).await.unwrap();
        import(&mut archive, &events(hours, 0)).await;
        import(&mut archive, &events(hours, 1)).await;
        archive
    }

    async fn compact_one(archive: &mut Archive, known: &mut Known, hour: &Hour) {
        archive.know(known).await.unwrap();
        let mut sum = crate::Compacted::default();
        let rebuild: &crate::Rebuild<'_> = &|_, _, _| Err("every field is stored".into());
        archive.compact_hour(known, hour, None, rebuild, &mut sum).await.unwrap();
        assert_eq!((sum.replaced, sum.written), (2, 1));
    }

    /// What is known is what a reading finds, but for the times, which a table tells less exactly.
    async fn assert_true(archive: &Archive, known: &Known) {
        let told = |entries: &[Entry]| -> Vec<(String, usize, Option<String>)> {
            entries.iter().map(|entry| (entry.path.clone(), entry.rows, entry.apart.clone())).collect()
        };
        let read = by_hour(&archive.entries(Range::ALL).await.unwrap());
        assert_eq!(known.hours(), read.keys().cloned().collect::<Vec<_>>());
        for (hour, entries) in read {
            assert_eq!(told(known.of(&hour)), told(&entries));
        }
    }

    #[tokio::test]
    async fn the_list_is_read_once_for_all_hours_and_is_true_behind_each_commit() {
        let mut archive = archive(5).await;
        let mut known = Known::default();
        archive.know(&mut known).await.unwrap();
        for hour in known.hours() {
            compact_one(&mut archive, &mut known, &hour).await;
            assert_true(&archive, &known).await;
        }
        assert_eq!(known.readings, 1);
    }

    #[tokio::test]
    async fn behind_another_programs_commit_it_is_read_again() {
        let mut archive = archive(3).await;
        let mut known = Known::default();
        archive.know(&mut known).await.unwrap();
        let hours = known.hours();
        compact_one(&mut archive, &mut known, &hours[0]).await;
        // it has the hour that was done, and a later one
        let mut other = archive.clone();
        import(&mut other, &events(4, 2)).await;
        compact_one(&mut archive, &mut known, &hours[1]).await;
        assert_eq!(known.readings, 2);
        assert_true(&archive, &known).await;
        assert_eq!(known.hours().len(), 4);
        assert_eq!(hours.iter().map(|hour| known.of(hour).len()).collect::<Vec<_>>(), [2, 2, 3]);
        let rows = archive.entries(Range::ALL).await.unwrap().iter().map(|entry| entry.rows).sum::<usize>();
        assert_eq!(rows, 3 * 4 + 8);
        let paths = archive.entries(Range::ALL).await.unwrap().into_iter().map(|entry| entry.path);
        assert_eq!(paths.collect::<HashSet<_>>().len(), 8);
    }
}
