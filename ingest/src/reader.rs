//! Inputs → batches: the whole way, for whoever detects over finite input.
//!
//! In: inputs, and for each source the projection that the rule set asks for. Out: batches and
//! quarantined records, given to a [`Sink`], and a [`Summary`] that accounts for all of it. The two
//! stages, framing and normalising, meet in one place (`Stage::take`), which sees owned nothing and
//! borrows the frame: either can move to another thread when that pays.
//!
//! ```text
//! for input { for frame in input { stage.take(frame) ──▶ sink.batch(…) or sink.quarantined(…) } }
//! ```

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use virga_engine::event::{EventBatch, Origin, OriginBase, Projection};

use crate::batcher::{BatchLimits, Batcher};
use crate::decode::{Decompressor, ExpansionLimits, Frame, Framer, Place, StreamFault};
use crate::quarantine::{Cause, CauseCounts, Quarantined};
use crate::sources::{Arrival, Normaliser, Outcome, SourceDef};
use crate::transport::{Input, InputError};

/// Takes what is read.
pub trait Sink {
    /// A batch of one source. `Break` ends the reading: whoever takes the results is gone.
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()>;

    /// A record, or the rest of an input, that could not be read.
    fn quarantined(&mut self, record: Quarantined);

    /// An input that could not be opened; the others go on.
    fn unreadable(&mut self, error: InputError);
}

/// One source and what is asked of it.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The source.
    pub source: &'static SourceDef,
    /// The fields that the rule set asks for.
    pub projection: Arc<Projection>,
}

/// Which source an event belongs to.
#[derive(Debug, Clone)]
pub enum Choice {
    /// All events are this source's, recognised or not.
    Fixed(SourcePlan),
    /// Each event is the first's that recognises it; what none recognises is the last's.
    Auto(Vec<SourcePlan>),
}

/// What was read, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs read.
    pub inputs: u64,
    /// Inputs that could not be opened.
    pub unreadable: u64,
    /// Events that became rows, by source.
    pub events: BTreeMap<&'static str, u64>,
    /// Bytes of these events.
    pub event_bytes: u64,
    /// Events without a readable time: their ingest time stands for it.
    pub times_missing: u64,
    /// Events without a natural id: a hash of where they stood stands for it.
    pub ids_missing: u64,
    /// Records that could not be read, by cause.
    pub quarantined: CauseCounts,
    /// The sink ended the reading before the end.
    pub stopped: bool,
}

impl Summary {
    /// Events of all sources.
    pub fn total_events(&self) -> u64 {
        self.events.values().sum()
    }
}

/// Reads inputs to their ends.
pub struct Reader {
    lanes: Vec<Lane>,
    /// The only lane takes everything.
    fixed: bool,
    summary: Summary,
}

/// One source at work.
struct Lane {
    source: &'static SourceDef,
    normaliser: Normaliser,
    batcher: Batcher,
    events: u64,
}

impl Reader {
    /// A reader for these sources.
    pub fn new(choice: Choice, limits: BatchLimits) -> Self {
        let (plans, fixed) = match choice {
            Choice::Fixed(plan) => (vec![plan], true),
            Choice::Auto(plans) => (plans, false),
        };
        let lane = |plan: SourcePlan| Lane {
            source: plan.source,
            normaliser: Normaliser::new(plan.source, &plan.projection),
            batcher: Batcher::new(plan.source.name, plan.projection, limits),
            events: 0,
        };
        Self { lanes: plans.into_iter().map(lane).collect(), fixed, summary: Summary::default() }
    }

    /// Reads all inputs, one after the other, and gives what is left in the batches at the end.
    pub fn run(
        mut self,
        inputs: impl IntoIterator<Item = Result<Input, InputError>>,
        sink: &mut impl Sink,
    ) -> Summary {
        for input in inputs {
            let flow = match input {
                Ok(input) => self.read(input, sink),
                Err(error) => {
                    self.summary.unreadable += 1;
                    sink.unreadable(error);
                    ControlFlow::Continue(())
                }
            };
            if flow.is_break() {
                self.summary.stopped = true;
                return self.summarise();
            }
        }
        if self.flush(sink).is_break() {
            self.summary.stopped = true;
        }
        self.summarise()
    }

    fn read(&mut self, input: Input, sink: &mut impl Sink) -> ControlFlow<()> {
        self.summary.inputs += 1;
        let Input { base, ingest_time, reader, .. } = input;
        let mut stage = Stage { reader: self, base: &base, ingest_time, sink };
        match Decompressor::new(reader, ExpansionLimits::default()) {
            Ok(bytes) => stage.frames(bytes),
            Err(error) => {
                stage.quarantine(&[], StreamFault::cause(&error), Place::default());
                ControlFlow::Continue(())
            }
        }
    }

    fn flush(&mut self, sink: &mut impl Sink) -> ControlFlow<()> {
        for lane in &mut self.lanes {
            if let Some(batch) = lane.batcher.take() {
                sink.batch(batch)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn summarise(mut self) -> Summary {
        for lane in &self.lanes {
            *self.summary.events.entry(lane.source.name).or_default() += lane.events;
        }
        self.summary
    }
}

/// One input on its way.
struct Stage<'a, S> {
    reader: &'a mut Reader,
    base: &'a OriginBase,
    ingest_time: i64,
    sink: &'a mut S,
}

impl<S: Sink> Stage<'_, S> {
    fn frames(&mut self, bytes: impl Read) -> ControlFlow<()> {
        let mut framer = Framer::new(bytes);
        while let Some(frame) = framer.next() {
            self.take(frame)?;
        }
        ControlFlow::Continue(())
    }

    /// The seam between the two stages: a frame goes in, and nothing of it is kept.
    fn take(&mut self, frame: Frame<'_>) -> ControlFlow<()> {
        match frame {
            Frame::Event { text, place } => self.event(text, place),
            Frame::Bad { bytes, cause, place } => {
                self.quarantine(bytes, cause, place);
                ControlFlow::Continue(())
            }
        }
    }

    fn event(&mut self, text: &str, place: Place) -> ControlFlow<()> {
        let arrival = Arrival {
            base: self.base,
            line: place.line,
            record: place.record,
            ingest_time: self.ingest_time,
        };
        let reader = &mut *self.reader;
        let last = reader.lanes.len().saturating_sub(1);
        for (number, lane) in reader.lanes.iter_mut().enumerate() {
            let batch = lane.batcher.builder();
            let outcome = if reader.fixed || number == last {
                lane.normaliser.normalise(text, &arrival, batch)
            } else {
                lane.normaliser.recognise(text, &arrival, batch)
            };
            match outcome {
                Ok(Outcome::NotMine) => {}
                Ok(Outcome::Row { time_missing, id_missing }) => {
                    lane.events += 1;
                    reader.summary.event_bytes += text.len() as u64;
                    reader.summary.times_missing += u64::from(time_missing);
                    reader.summary.ids_missing += u64::from(id_missing);
                    return match lane.batcher.take_full(text.len()) {
                        Some(batch) => self.sink.batch(batch),
                        None => ControlFlow::Continue(()),
                    };
                }
                Err(cause) => {
                    let kept = text.as_bytes().get(..crate::limits::MAX_QUARANTINED_BYTES);
                    self.quarantine(kept.unwrap_or(text.as_bytes()), cause, place);
                    return ControlFlow::Continue(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn quarantine(&mut self, bytes: &[u8], cause: Cause, place: Place) {
        self.reader.summary.quarantined.add(cause);
        let origin = Origin { base: self.base.clone(), line: place.line, record: place.record };
        self.sink.quarantined(Quarantined { origin, cause, time: self.ingest_time, bytes: bytes.to_vec() });
    }
}
