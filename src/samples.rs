//! Sample events, embedded: what a source's events look like, in each form in which they come.
//!
//! In: the name of a source. Out: the files of `samples/<source>/`. The events are invented.

#[derive(rust_embed::RustEmbed)]
#[folder = "samples"]
struct Files;

/// One form in which a source's events come.
pub struct Form {
    /// Its name: `events`, `event-hub`, …
    pub name: String,
    /// The text.
    pub text: String,
}

/// The forms of a source, `events` first.
pub fn of(source: &str) -> Vec<Form> {
    let prefix = format!("{source}/");
    let mut forms: Vec<Form> = Files::iter()
        .filter_map(|path| {
            let file = path.strip_prefix(prefix.as_str())?;
            let name = file.rsplit_once('.').map_or(file, |(name, _)| name).to_owned();
            let text = String::from_utf8_lossy(&Files::get(&path)?.data).into_owned();
            Some(Form { name, text })
        })
        .collect();
    forms.sort_by(|a, b| (a.name != "events", &a.name).cmp(&(b.name != "events", &b.name)));
    forms
}
