//! From a Sigma field's name to where its value stands in an event.
//!
//! In: what a log source declares of itself ([`SourceSpec`]) and the fields that a rule set asks
//! for. Out: a [`Projection`], the list of fields that the source must find in each event.
//!
//! A name that the source computes is computed. Any other is looked up as a native path, then among the log source's aliases, then as a canonical
//! column; the first that is present wins, and `null` is present. Names are case-insensitive. Where
//! a native field of a rule's name means something else, an alias of the name to itself says when its
//! turn comes ([`ProjectedField::resolve`]).

use std::sync::Arc;

use super::columns::{Column, column};
use crate::predicate::fold;
use crate::scan::Dispatch;

/// What a log source declares of itself. The engine knows providers only through this.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The source's name, for example `aws.cloudtrail`.
    pub name: String,
    /// The Sigma log sources that it serves.
    pub logsources: Vec<LogsourceMapping>,
    /// Takes the rules of every log source (a generic source asked to).
    pub all_logsources: bool,
    /// Other names under which public rules know its fields.
    pub aliases: Vec<Alias>,
    /// Names of rules' fields whose values it computes from others: where a log says in other words what
    /// rules ask for. They are asked before the native path.
    pub computed: Vec<String>,
    /// The canonical columns that its events have, by its own derivation or from a lookup table. Empty
    /// for a source of which nothing is known.
    pub columns: Vec<String>,
}

/// One Sigma `logsource` that a source serves. What is `None` here is not defined for the source:
/// a rule that names it does not fit.
#[derive(Debug, Clone, Default)]
pub struct LogsourceMapping {
    /// `product`
    pub product: Option<String>,
    /// `service`
    pub service: Option<String>,
    /// `category`
    pub category: Option<String>,
    /// Rules of this log source see canonical columns only (`cloud/normalized`).
    pub canonical_only: bool,
}

/// A field name of public rules, and the native path where its value really stands. A `*` at the end
/// of both stands for the rest of the name: `data.protoPayload.*` → `protoPayload.*` finds a field
/// whose wrapper has been taken off, `*` → `properties.*` one that stands a level deeper.
#[derive(Debug, Clone)]
pub struct Alias {
    /// The name as rules write it.
    pub field: String,
    /// The native path.
    pub path: String,
}

impl Alias {
    /// The native path of a field, where this alias is about it.
    pub fn path_of(&self, field: &str) -> Option<String> {
        let Some(prefix) = self.field.strip_suffix('*') else {
            return self.field.eq_ignore_ascii_case(field).then(|| self.path.clone());
        };
        let begins = field.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let rest = field.get(prefix.len()..).filter(|rest| begins && !rest.is_empty())?;
        let path = self.path.strip_suffix('*').unwrap_or(&self.path);
        // what stands below the place already is not looked for a level deeper still
        let nested =
            prefix.is_empty() && field.get(..path.len()).is_some_and(|s| s.eq_ignore_ascii_case(path));
        (!nested).then(|| format!("{path}{rest}"))
    }
}

/// A field that a rule set asks a source for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectedField {
    /// The name as rules write it, in lower case.
    pub name: String,
    /// Native paths to try, in this order: the name itself, then its aliases; or as the aliases say.
    pub paths: Vec<String>,
    /// The source computes it; only where it cannot, the paths count.
    pub computed: bool,
    /// The canonical column to fall back to, where the name is one.
    pub column: Option<&'static Column>,
}

/// The fields that a source must find in each event, in the order of the batch's columns.
#[derive(Debug, Clone, Default)]
pub struct Projection {
    /// The fields.
    pub fields: Vec<ProjectedField>,
    /// Which of them matter for an event; all, where nothing is said.
    pub dispatch: Option<Arc<Dispatch>>,
}

impl PartialEq for Projection {
    /// What is left out of single events does not change what a column means.
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}
impl Eq for Projection {}

impl Projection {
    /// The same for somebody who wants every field of every event.
    pub fn whole(&self) -> Self {
        Self { fields: self.fields.clone(), dispatch: None }
    }
}

impl ProjectedField {
    /// A canonical column and nothing else: what a rule of a `canonical_only` log source sees.
    pub fn canonical(name: &str) -> Self {
        Self { name: fold(name).into_owned(), paths: Vec::new(), computed: false, column: column(name) }
    }

    /// Resolves a Sigma field name for a source. The name itself comes first, unless one of its aliases
    /// is the name again: then it comes where that alias stands. `category` → `properties.category` and
    /// after it `category` → `category` looks into `properties` before it looks beside it.
    pub fn resolve(name: &str, source: &SourceSpec) -> Self {
        let mut paths: Vec<String> = Vec::new();
        for path in source.aliases.iter().filter_map(|alias| alias.path_of(name)) {
            if !paths.iter().any(|other| other.eq_ignore_ascii_case(&path)) {
                paths.push(path);
            }
        }
        if !paths.iter().any(|path| path.eq_ignore_ascii_case(name)) {
            paths.insert(0, name.to_owned());
        }
        Self { name: fold(name).into_owned(), paths, computed: source.computes(name), column: column(name) }
    }
}

impl SourceSpec {
    /// Whether the source computes a field of that name.
    pub fn computes(&self, name: &str) -> bool {
        self.computed.iter().any(|computed| computed.eq_ignore_ascii_case(name))
    }

    /// The lookup-table column that a field stands for and that nothing fills here. A rule that asks for
    /// it must not run: a filter on a column that is never there would let everything through.
    pub fn missing_table(&self, field: &str) -> Option<&'static Column> {
        let column = column(field).filter(|column| column.from_table)?;
        let known = self.columns.is_empty() || self.columns.iter().any(|name| name == column.name);
        (!known).then_some(column)
    }

    /// The mapping through which a rule's log source fits this source, if it does: each attribute
    /// that the rule gives must be the mapping's own; what the rule leaves out is free.
    pub fn serves(
        &self,
        product: Option<&str>,
        service: Option<&str>,
        category: Option<&str>,
    ) -> Option<&LogsourceMapping> {
        let fits = |asked: Option<&str>, has: &Option<String>| match (asked, has) {
            (None, _) => true,
            (Some(asked), Some(has)) => asked.eq_ignore_ascii_case(has),
            (Some(_), None) => false,
        };
        self.logsources.iter().find(|mapping| {
            fits(product, &mapping.product)
                && fits(service, &mapping.service)
                && fits(category, &mapping.category)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_about_one_field_or_all_below_a_place() {
        for (field, path, asked, expected) in [
            ("Status", "properties.result", "status", Some("properties.result")),
            ("Status", "properties.result", "status.code", None),
            ("data.*", "*", "data.protoPayload.methodName", Some("protoPayload.methodName")),
            ("data.*", "*", "Data.x", Some("x")),
            ("data.*", "*", "data.", None),
            ("data.*", "*", "database", None),
            ("*", "properties.*", "userAgent", Some("properties.userAgent")),
            ("*", "properties.*", "properties.userAgent", None),
            ("properties.*", "*", "properties.userAgent", Some("userAgent")),
            ("é.*", "*", "éa", None),
        ] {
            let alias = Alias { field: field.into(), path: path.into() };
            assert_eq!(alias.path_of(asked).as_deref(), expected, "{field} → {path}, {asked}");
        }
    }

    #[test]
    fn a_name_is_its_own_first_path_unless_an_alias_of_it_says_when() {
        let alias = |&(field, path): &(&str, &str)| Alias { field: field.into(), path: path.into() };
        let aliases = [("category", "properties.category"), ("Category", "category"), ("*", "properties.*")];
        let spec = SourceSpec {
            name: "s".into(),
            logsources: Vec::new(),
            all_logsources: false,
            aliases: aliases.iter().map(alias).collect(),
            computed: Vec::new(),
            columns: Vec::new(),
        };
        let paths = |name| ProjectedField::resolve(name, &spec).paths;
        assert_eq!(paths("Category"), ["properties.category", "category"]);
        assert_eq!(paths("result"), ["result", "properties.result"]);
    }
}
