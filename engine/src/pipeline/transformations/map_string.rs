//! `map_string`: a value is another one, or several, in one's own logs. It is looked up whole and as
//! written, wildcards included (`*a*` for `contains: a`).

use super::super::apply::{Refusal, Run};
use super::super::plain_text::PlainText;
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_texts};
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::sigma::Pattern;

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "map_string",
    summary: "Replaces whole values by one or several others.",
    read,
};

#[derive(Debug)]
struct MapString(Vec<(Option<String>, Vec<String>)>);

fn read(keys: &mut Parameters<'_>) -> Made {
    Ok(Box::new(MapString(keys.mapping("mapping")?)))
}

impl Transformation for MapString {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let changed = with_texts(item, |pattern| {
            let text = PlainText::of(pattern).text;
            let entry = self.0.iter().find(|(from, _)| from.as_ref() == Some(&text));
            Ok(entry.map(|(_, to)| to.iter().map(|to| Value::Pattern(Pattern::parse(to))).collect()))
        })?;
        Ok(changed.map_or(Changed::No, Changed::item))
    }
}
