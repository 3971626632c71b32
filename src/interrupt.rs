//! Ctrl-C: what was begun is ended or left out, and what stands is said.
//!
//! In: a signal. Out: exit status 130, as of any program that ends by it, and where an archive is changed a line that says
//! at which version it is. A commit is one file that is put: before it nothing of an import is in the archive, after it
//! all. While it is on its way the signal waits for it. What only reads ends at once, also in the middle of a long
//! computation.

#[cfg(feature = "lake")]
use std::sync::Arc;
#[cfg(feature = "lake")]
use std::sync::atomic::{AtomicU8, Ordering};
#[cfg(feature = "lake")]
use std::time::Duration;

#[cfg(feature = "lake")]
use virga_archive::{Archive, Location};

#[cfg(feature = "lake")]
use crate::show;

/// The exit status of what Ctrl-C has ended: 128 and the signal's number.
pub const STATUS: u8 = 130;

/// How long requests that are on their way may take to end.
#[cfg(feature = "lake")]
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How far an import is.
#[cfg(feature = "lake")]
#[derive(Clone, Default)]
pub struct Commit(Arc<AtomicU8>);

#[cfg(feature = "lake")]
const COMMITTING: u8 = 1;
#[cfg(feature = "lake")]
const INTERRUPTED: u8 = 2;

#[cfg(feature = "lake")]
impl Commit {
    /// All events are read, and what is left of them is written.
    pub fn begin(&self) {
        let _ = self.0.compare_exchange(0, COMMITTING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether Ctrl-C came while it was on its way.
    pub fn was_interrupted(&self) -> bool {
        self.0.load(Ordering::SeqCst) == INTERRUPTED
    }
}

/// Ends the process at Ctrl-C: at once while events are read, after the commit while that is on its way, and at
/// once where it comes again.
#[cfg(feature = "lake")]
pub fn watch(
    runtime: &tokio::runtime::Runtime,
    location: &Location,
    commit: Commit,
    writer: tokio::task::AbortHandle,
) {
    let location = location.clone();
    runtime.spawn(async move {
        loop {
            if tokio::signal::ctrl_c().await.is_err() {
                // without signals only the end of the process ends it
                return;
            }
            let is_first =
                commit.0.compare_exchange(COMMITTING, INTERRUPTED, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if is_first {
                show::say!(
                    "{}stopping:{:#} all is read, and the commit is on its way; Ctrl-C again does not wait for it",
                    show::BOLD,
                    show::BOLD
                );
                continue;
            }
            writer.abort();
            let stands = stands(&location).await;
            show::say!("{}stopped:{:#} {stands}", show::BOLD, show::BOLD);
            std::process::exit(STATUS.into());
        }
    });
}

/// Ends the process at Ctrl-C, whatever it is at: a thread of its own waits for it. `end` leaves behind what is to be
/// left, and says what stands.
///
/// # Errors
/// Where there can be no such thread.
#[cfg(feature = "lake")]
pub fn end_at_once(end: impl FnOnce() -> &'static str + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wait = move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_err() {
            // without signals only the end of the process ends it
            return;
        }
        let stands = end();
        show::say!("{}stopped:{:#} {stands}", show::BOLD, show::BOLD);
        std::process::exit(STATUS.into());
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(wait)?;
    Ok(())
}

/// What of an archive stands, for whoever has ended a change of it.
#[cfg(feature = "lake")]
pub fn what_stands(location: &Location) -> String {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(stands(location)),
        Err(error) => format!("`virga archive ls` says what stands ({error})"),
    }
}

#[cfg(feature = "lake")]
async fn stands(location: &Location) -> String {
    match Archive::open(location).await {
        Ok(archive) => format!(
            "{location} stands at version {}, whole; files that belong to no version are read by nobody, and \
             `virga archive expire` deletes them",
            archive.version()
        ),
        Err(error) => format!("{error}"),
    }
}
