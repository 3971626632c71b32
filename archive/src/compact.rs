//! Small and late files become large ones, and events that came twice are kept once.
//!
//! In: the files of a version. Out: for each source and hour with more than one file, files that hold the same
//! events, each once, in one commit. What is not committed is read by nobody, so a crash leaves either the
//! old files or the new ones. An earlier version still refers to the old ones, until `expire` deletes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array as _, Int64Array, StringArray};
use parquet::arrow::arrow_reader::RowSelection;
use virga_engine::event::{ProjectedField, Projection, column};

use crate::cells::CellArray;
use crate::commit::{Looked, Why};
use crate::error::ArchiveError;
use crate::index::FieldName;
use crate::known::Known;
use crate::layout::{self, JSON_SUFFIX, Layout, ROW_GROUP};
use crate::limits::{MAX_MERGED, MAX_RAW};
use crate::reader::{Rebuild, StoredFile, column as column_of};
use crate::repeats::{Hour, is_apart, pairs_alike};
use crate::rows::{Raw, Rows};
use crate::table::{Archive, partition_of};
use crate::writer::{Packed, pack};

/// What compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Hours of a source that were looked at.
    pub hours: usize,
    /// Files that were replaced.
    pub replaced: usize,
    /// Files that stand for them.
    pub written: usize,
    /// Events in those.
    pub rows: usize,
    /// Events that were there twice.
    pub duplicates: usize,
    /// Files that hold events twice and are too many to be merged at once: they stay as they are.
    pub left: usize,
}

impl Archive {
    /// Merges small and late files and drops events that are there twice, hour by hour. `layouts` are what is
    /// stored now, by source; what a file does not hold of them is made anew by `rebuild`.
    ///
    /// # Errors
    /// Where a file cannot be read or written. Hours that were done before are done.
    pub async fn compact(
        &mut self,
        layouts: &HashMap<String, Layout>,
        rebuild: &Rebuild<'_>,
        done: &dyn Fn(usize),
    ) -> Result<Compacted, ArchiveError> {
        let (mut sum, mut known) = (Compacted::default(), Known::default());
        self.know(&mut known).await?;
        for hour in known.hours() {
            let files = known.of(&hour).len();
            if files > 1 {
                sum.hours += 1;
                self.compact_hour(&mut known, &hour, layouts.get(&hour.0), rebuild, &mut sum).await?;
            }
            done(files);
        }
        Ok(sum)
    }

    pub(crate) async fn compact_hour(
        &mut self,
        known: &mut Known,
        hour: &Hour,
        asked: Option<&Layout>,
        rebuild: &Rebuild<'_>,
        sum: &mut Compacted,
    ) -> Result<(), ArchiveError> {
        let entries = known.of(hour).to_vec();
        let mut files = Vec::new();
        for entry in &entries {
            files.push(StoredFile::open(self, entry).await?);
        }
        let alike = match is_apart(&entries) {
            true => BTreeSet::new(),
            false => pairs_alike(&files).await?,
        };
        let (mut add, mut remove, mut left) = (Vec::new(), Vec::new(), false);
        for group in groups(&files, &alike) {
            let members: Vec<&StoredFile> = group.iter().map(|&at| &files[at]).collect();
            if members.iter().map(|file| file.unpacked_bytes()).sum::<usize>() > MAX_MERGED {
                (left, sum.left) = (true, sum.left + group.len());
                continue;
            }
            let packed = self.merge(&members, asked, rebuild).await?;
            let before: usize = members.iter().map(|file| file.entry().rows).sum();
            if packed.file.stats.rows + packed.duplicates != before {
                let cause = format!("of {before} events {} came out", packed.file.stats.rows);
                return Err(ArchiveError::new("merging files; nothing was changed", cause));
            }
            // files that were merged before make the same file again
            if members.iter().any(|file| file.entry().path == packed.file.path) {
                remove.extend(
                    members.iter().map(|f| f.entry()).filter(|e| e.path != packed.file.path).cloned(),
                );
            } else {
                remove.extend(members.iter().map(|file| file.entry().clone()));
            }
            sum.replaced += members.len();
            sum.written += 1;
            sum.rows += packed.file.stats.rows;
            sum.duplicates += packed.duplicates;
            self.put(&packed.file.path, packed.bytes).await?;
            add.push(packed.file);
        }
        let looked = if left { Looked::Not } else { Looked::Apart(&entries) };
        self.commit_knowing(known, &add, &remove, Why::Compaction, looked).await?;
        match add.is_empty() && !left {
            true => self.note_apart(known, hour, &entries).await,
            false => Ok(()),
        }
    }

    /// The events of several files as one file.
    async fn merge(
        &self,
        files: &[&StoredFile],
        asked: Option<&Layout>,
        rebuild: &Rebuild<'_>,
    ) -> Result<Packed, ArchiveError> {
        let layout = Layout::over(asked, files.iter().flat_map(|file| file.fields()));
        let mut parts = Vec::new();
        for file in files {
            for group in 0..file.groups() {
                parts.push(rows_of(file, group, &layout, rebuild).await?);
            }
        }
        let first = files.first().ok_or_else(|| ArchiveError::new("merging files", "there are none"))?;
        let partition = partition_of(first.entry());
        let packed = tokio::task::spawn_blocking(move || pack(&partition, &layout, parts)).await;
        packed.map_err(ArchiveError::at("packing a file"))?
    }
}

/// The rows of a row group with the fields of a layout.
async fn rows_of(
    file: &StoredFile,
    group: usize,
    layout: &Layout,
    rebuild: &Rebuild<'_>,
) -> Result<Rows, ArchiveError> {
    let mut names: Vec<String> = layout::identity_fields().iter().map(|field| field.name().clone()).collect();
    names.push(layout::RAW.to_owned());
    for (field, _) in layout.fields() {
        names.extend(
            file.stored_as(field)
                .into_iter()
                .flat_map(|name| [name.to_owned(), format!("{name}{JSON_SUFFIX}")]),
        );
    }
    let count = file.rows(group);
    let all = RowSelection::from_consecutive_ranges(std::iter::once(0..count), count);
    let (batch, _) = file.columns(group, &names, all).await?;
    let raw: StringArray = column_of(&batch, layout::RAW)?;
    let missing: Vec<ProjectedField> = layout
        .fields()
        .map(|(field, _)| field)
        .filter(|field| file.stored_as(field).is_none())
        .cloned()
        .collect();
    let mut made = match missing.is_empty() {
        true => Vec::new(),
        false => {
            let projection = Arc::new(Projection { fields: missing, dispatch: None });
            rebuild(&file.entry().source, &projection, &raw)
                .map_err(ArchiveError::at(format!("reading events of {}", file.entry().path)))?
        }
    }
    .into_iter();
    let mut cells: Vec<Option<CellArray>> = Vec::new();
    for (field, _) in layout.fields() {
        let column = match file.stored_as(field).is_some() {
            true => Some(file.cell_column(&batch, field, count)?),
            false => made.next(),
        };
        cells.push(column.filter(|cells| cells.null_count() < cells.len()));
    }
    let numbers = |name: &str| -> Result<Int64Array, ArchiveError> {
        match batch.column_by_name(name) {
            Some(_) => column_of(&batch, name),
            None => Ok(Int64Array::new_null(count)),
        }
    };
    Ok(Rows {
        event_id: column_of(&batch, layout::EVENT_ID)?,
        time: column_of(&batch, layout::TIME)?,
        ingest_time: column_of(&batch, layout::INGEST_TIME)?,
        time_missing: column_of(&batch, layout::TIME_MISSING)?,
        origin: column_of(&batch, layout::ORIGIN)?,
        line: numbers(layout::LINE)?,
        record: numbers(layout::RECORD)?,
        raw: Raw::Plain(raw),
        cells,
    })
}

/// Which files are merged with which: those that share events, and small ones as far as they fit together.
fn groups(files: &[StoredFile], alike: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let mut group_of: Vec<usize> = (0..files.len()).collect();
    for &(a, b) in alike {
        let (from, to) = (group_of[b].max(group_of[a]), group_of[b].min(group_of[a]));
        group_of.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
    }
    let mut sharing: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, group) in group_of.iter().enumerate() {
        sharing.entry(*group).or_default().push(at);
    }
    let rows = |group: &[usize]| group.iter().map(|&at| files[at].entry().rows).sum::<usize>();
    let bytes = |group: &[usize]| group.iter().map(|&at| files[at].unpacked_bytes()).sum::<usize>();
    let mut merged: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for group in sharing.into_values() {
        // what is large already and shares nothing stays
        let is_large = rows(&group) >= ROW_GROUP / 2 || bytes(&group) >= MAX_RAW / 2;
        if group.len() == 1 && is_large {
            continue;
        }
        if rows(&open) + rows(&group) > ROW_GROUP || bytes(&open) + bytes(&group) > MAX_RAW {
            merged.push(std::mem::take(&mut open));
        }
        open.extend(group);
    }
    merged.push(open);
    merged.retain(|group| group.len() > 1);
    merged
}

impl Layout {
    /// What is asked for, and what files hold besides.
    pub(crate) fn over<'f>(asked: Option<&Self>, held: impl Iterator<Item = &'f FieldName>) -> Self {
        let mut all = asked.cloned().unwrap_or_else(|| Self::new(&[], &Projection::default()));
        for name in held {
            let field = ProjectedField {
                name: name.name.clone(),
                paths: name.paths.clone(),
                computed: name.computed,
                column: name.column.as_deref().and_then(column),
            };
            let kind = field.column.filter(|_| field.paths.is_empty() && !field.computed).map(|c| c.kind);
            // in a file in which it was the same as its canonical column it stands there
            let is_shared = kind.is_none() && field.column.is_some_and(|column| column.name == name.stored);
            let column = if is_shared { layout::native_column(&field.name) } else { name.stored.clone() };
            all.add(field, column, kind);
        }
        all
    }
}
