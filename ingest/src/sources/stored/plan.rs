//! A shape and a file's columns → how its rows become events.
//!
//! In: the columns. Out: for each field of the shape the column that holds it, found once for all rows; names
//! are the same in any case and whether a dot, `_` or `__` stands between their parts, for tools flatten
//! differently.

use std::collections::HashMap;

use serde_json::{Map, Value};
use virga_engine::event::COLUMNS;

use super::convert::{convert, json};
use super::{How, Kind, SHAPES, Shape, StoredColumn, Taken, Unfit};

/// Columns by which folders are parted: they say again what the event says.
const PARTITIONS: [&str; 10] =
    ["year", "month", "day", "hour", "date", "dt", "eventday", "eventhour", "timestamp", "accountid"];

/// How the rows of files with the same columns become events.
#[derive(Debug)]
pub struct Plan {
    shape: &'static Shape,
    whole: Option<Vec<String>>,
    only: Option<Vec<String>>,
    time: Option<Vec<String>>,
    fields: Vec<(&'static Taken, Vec<Vec<String>>)>,
    rest: Option<Vec<String>>,
    /// Columns that the table does not name, and where they go.
    others: Vec<(Vec<String>, Vec<String>)>,
}

/// A column's name as all tools write it.
fn plain(path: &[String]) -> String {
    path.join(".").to_lowercase().replace("__", ".").replace(['_', ':'], ".")
}

impl Plan {
    /// For a file with these columns: of the shape that is named, or of the first that fits.
    ///
    /// # Errors
    /// Where none fits.
    pub fn of(columns: &[StoredColumn], named: Option<&str>) -> Result<Self, Unfit> {
        let shapes = || SHAPES.iter().filter(|shape| named.is_none_or(|name| name == shape.name));
        // from when a file is must stand in it
        let is_time = |column: &StoredColumn| {
            let name = plain(&column.path);
            SHAPES.iter().any(|shape| shape.time.contains(&name.as_str()))
        };
        let told = columns.iter().rev().filter(|column| !(column.is_folder && is_time(column)));
        let by_name: HashMap<String, &StoredColumn> =
            told.map(|column| (plain(&column.path), column)).collect();
        let has = |name: &&str| by_name.contains_key(&plain(&[(*name).to_owned()]));
        if let Some(shape) = shapes().find(|shape| shape.needs.iter().all(&has)) {
            return Self::fit(shape, columns, &by_name);
        }
        if let Some(shape) = shapes().find(|shape| shape.family.iter().all(&has) && !shape.family.is_empty())
        {
            let lacking: Vec<&str> = shape.needs.iter().filter(|name| !has(name)).copied().collect();
            return Err(Unfit::Other(format!(
                "no events of {}: it has no column {}",
                shape.source,
                lacking.join(", ")
            )));
        }
        let wanted = shapes().map(|shape| {
            let lacking: Vec<&str> = shape.needs.iter().filter(|name| !has(name)).copied().collect();
            format!("as {} it lacks {}", shape.name, lacking.join(", "))
        });
        let wanted: Vec<String> = wanted.collect();
        Err(Unfit::Wrong(format!("its columns are those of no log that is known: {}", wanted.join("; "))))
    }

    fn fit(
        shape: &'static Shape,
        columns: &[StoredColumn],
        by_name: &HashMap<String, &StoredColumn>,
    ) -> Result<Self, Unfit> {
        let find = |name: &str| by_name.get(&plain(&[name.to_owned()])).copied();
        let path = |name: &str| find(name).map(|column| column.path.clone());
        let mut fields = Vec::new();
        for taken in shape.fields {
            let own = [taken.field];
            let candidates = if taken.from.is_empty() { own.as_slice() } else { taken.from };
            let found: Vec<&StoredColumn> = candidates.iter().filter_map(|name| find(name)).collect();
            if let Some(wrong) = found.iter().find(|column| !taken.how.takes(column.kind)) {
                return Err(Unfit::Wrong(format!(
                    "column `{}` holds {}, from which {} cannot be taken",
                    wrong.path.join("."),
                    wrong.type_name,
                    taken.field
                )));
            }
            if !found.is_empty() {
                fields.push((taken, found.into_iter().map(|column| column.path.clone()).collect()));
            }
        }
        let mut plan = Self {
            shape,
            whole: shape
                .whole
                .iter()
                .filter_map(|name| find(name))
                .find(|c| c.kind == Kind::Text)
                .map(|c| c.path.clone()),
            only: shape.only.and_then(|(name, _)| path(name)),
            time: shape.time.iter().find_map(|name| path(name)),
            fields,
            rest: shape.rest.and_then(path),
            others: Vec::new(),
        };
        if shape.keeps_others {
            plan.others = plan.other_columns(columns);
        }
        Ok(plan)
    }

    /// Leaves that no field of the table takes. Folders that none takes say how the files are parted, and nothing of
    /// the event.
    fn other_columns(&self, columns: &[StoredColumn]) -> Vec<(Vec<String>, Vec<String>)> {
        let cases: HashMap<String, &str> = self
            .shape
            .fields
            .iter()
            .flat_map(|taken| taken.field.split('.'))
            .map(|part| (part.to_lowercase(), part))
            .collect();
        let roots: Vec<String> = self
            .shape
            .fields
            .iter()
            .filter_map(|taken| taken.field.split('.').next().map(str::to_lowercase))
            .collect();
        let is_taken = |path: &[String]| {
            self.fields.iter().flat_map(|(_, paths)| paths).any(|taken| path.starts_with(taken))
        };
        let is_whole = |path: &[String]| self.whole.as_deref() == Some(path);
        let leaves = columns.iter().filter(|column| column.kind != Kind::Object && !column.is_folder);
        leaves
            .filter(|column| !is_taken(&column.path) && !is_whole(&column.path))
            .filter_map(|column| {
                let target = split(&column.path, &roots);
                let first = target.first()?.to_lowercase();
                let is_own = COLUMNS.iter().any(|canonical| canonical.name == first);
                if target.len() == 1 && (is_own || PARTITIONS.contains(&first.as_str())) {
                    return None;
                }
                let case =
                    |part: String| cases.get(&part.to_lowercase()).map_or(part, |known| (*known).to_owned());
                Some((column.path.clone(), target.into_iter().map(case).collect()))
            })
            .collect()
    }

    /// The shape.
    pub fn shape(&self) -> &'static Shape {
        self.shape
    }

    /// The column of the event time.
    pub fn time(&self) -> Option<&[String]> {
        self.time.as_deref()
    }

    /// Whether a field of the source can be known from such files: its path, as rules write it.
    pub fn gives(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        if self.whole.is_some() {
            return true;
        }
        if self.shape.lost.iter().any(|lost| is_within(&path, &lost.to_lowercase())) {
            return false;
        }
        let meets = |field: &str| {
            let field = field.to_lowercase();
            is_within(&path, &field) || is_within(&field, &path)
        };
        self.rest.is_some()
            || self.fields.iter().any(|(taken, _)| meets(taken.field))
            || self.others.iter().any(|(_, target)| meets(&target.join(".")))
    }

    /// The event of a row, as its source writes it.
    ///
    /// # Errors
    /// Where the row is none of the source's, with what it is.
    pub fn event(&self, row: &Map<String, Value>) -> Result<String, String> {
        if let Some((name, wanted)) = self.shape.only {
            let value = self.only.as_deref().and_then(|path| at(row, path)).and_then(Value::as_str);
            if !value.is_some_and(|value| value.eq_ignore_ascii_case(wanted)) {
                return Err(format!("{name} is {}, not {wanted}", value.unwrap_or("absent")));
            }
        }
        let whole = self.whole.as_deref().and_then(|path| at(row, path)).and_then(Value::as_str);
        if let Some(whole) = whole.map(str::trim).filter(|text| text.starts_with('{')) {
            return Ok(whole.to_owned());
        }
        let mut event = Map::new();
        for (taken, paths) in &self.fields {
            if taken.when.is_some_and(|(field, values)| !self.says(&event, field, values)) {
                continue;
            }
            let found = paths.iter().filter_map(|path| at(row, path));
            if let Some(value) = found.filter_map(|value| convert(taken.how, value)).next() {
                put(&mut event, &parts(taken.field), value);
            }
        }
        for (path, target) in &self.others {
            if let Some(value) = at(row, path) {
                put(&mut event, &target.iter().map(String::as_str).collect::<Vec<_>>(), json(value));
            }
        }
        if let Some(rest) = self.rest.as_deref().and_then(|path| at(row, path)) {
            self.put_rest(&mut event, &json(rest));
        }
        match event.is_empty() {
            true => Err("the row is empty".into()),
            false => Ok(Value::Object(event).to_string()),
        }
    }

    fn says(&self, event: &Map<String, Value>, field: &str, values: &[&str]) -> bool {
        let path: Vec<String> = field.split('.').map(str::to_owned).collect();
        let value = at(event, &path).and_then(Value::as_str);
        value.is_some_and(|value| values.contains(&value))
    }

    /// All fields that have no column: a map of paths, or an object.
    fn put_rest(&self, event: &mut Map<String, Value>, rest: &Value) {
        let Value::Object(members) = rest else { return };
        for (path, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let kind = self.shape.rest_kinds.iter().find(|(field, _)| field.eq_ignore_ascii_case(path));
            let value = kind.map_or(Some(value.clone()), |(_, how): &(&str, How)| convert(*how, value));
            if let Some(value) = value {
                put(event, &parts(path), value);
            }
        }
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('.').collect()
}

/// Whether a path is another, or stands below it.
fn is_within(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The path that a flattened column's name stands for.
fn split(path: &[String], roots: &[String]) -> Vec<String> {
    let [name] = path else { return path.to_vec() };
    let by = |parts: std::str::Split<'_, &str>| parts.map(str::to_owned).collect::<Vec<_>>();
    if name.contains("__") {
        return by(name.split("__"));
    }
    if name.contains('.') {
        return by(name.split("."));
    }
    match name.split_once('_') {
        Some((root, _)) if roots.contains(&root.to_lowercase()) => by(name.split("_")),
        _ => vec![name.clone()],
    }
}

/// The value at a path, if there is one.
fn at<'v>(object: &'v Map<String, Value>, path: &[String]) -> Option<&'v Value> {
    let (name, rest) = path.split_first()?;
    let value = object.get(name)?;
    match rest.is_empty() {
        true => Some(value).filter(|value| !value.is_null()),
        false => at(value.as_object()?, rest),
    }
}

/// Puts a value at a path, where none is; names that are there already are met in any case.
fn put(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((name, path)) = path.split_first() else { return };
    let known = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    let name = known.unwrap_or_else(|| (*name).to_owned());
    if path.is_empty() {
        match (object.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(more)) => {
                for (name, value) in more {
                    put(there, &[&name], value);
                }
            }
            (Some(_), _) => {}
            (None, value) => {
                object.insert(name, value);
            }
        }
        return;
    }
    let below = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
    // a null is an object of which nothing is known
    if below.is_null() {
        *below = Value::Object(Map::new());
    }
    if let Value::Object(below) = below {
        put(below, path, value);
    }
}
