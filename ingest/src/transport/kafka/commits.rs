//! Commits on their way to the group: one at a time, on a thread of their own.
//!
//! In: offsets that stand behind a checkpoint. Out: the group has them, or why not, said to the [`Context`]. The client
//! says nothing of a commit that nobody waits for, so somebody does; and not the thread that polls, for a broker that is
//! away lets a commit wait for a minute, and a member that does not poll is given up by its group.
//!
//! ```text
//! acknowledge ─▶ give(offsets) ─▶ [thread: commit, wait] ─▶ Context::committed ─▶ the next
//! ```

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};

use super::assignment::Context;

/// The thread that commits.
pub(super) struct Commits {
    lists: Sender<TopicPartitionList>,
    thread: JoinHandle<()>,
}

impl Commits {
    /// Begins to wait for offsets.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub(super) fn new(consumer: &Arc<BaseConsumer<Context>>) -> io::Result<Self> {
        let (lists, given) = channel::<TopicPartitionList>();
        let consumer = Arc::clone(consumer);
        let thread = Builder::new().name("commit".into()).spawn(move || {
            for list in given {
                let done = consumer.commit(&list, CommitMode::Sync);
                consumer.context().committed(done);
            }
        })?;
        Ok(Self { lists, thread })
    }

    /// Gives offsets to be committed; whoever gives waits with the next until these are.
    pub(super) fn give(&self, list: TopicPartitionList) {
        // the thread is there for as long as somebody can give
        drop(self.lists.send(list));
    }

    /// Waits for what is on its way, so long at the most. Then the thread holds the consumer no more; one whose broker
    /// is away is left, and with it the consumer.
    pub(super) fn end(self, patience: Duration) {
        drop(self.lists);
        let until = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
