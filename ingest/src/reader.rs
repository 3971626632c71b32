//! Inputs → batches: the whole way, for whoever detects over finite input, and piece by piece for
//! whoever reads input that goes on ([`Reader::read`], [`Reader::messages`], [`Reader::flush`]).
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
use crate::decode::{Decompressor, ExpansionLimits, Frame, Framer, Place, StreamFault, is_packed};
use crate::environment::Environment;
use crate::quarantine::{Cause, CauseCounts, Quarantined};
use crate::sources::{Arrival, Guesses, Normaliser, Outcome, Recogniser, SourceDef};
use crate::transport::live::{Message, Messages};
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
    /// Where the first event stood that no source recognised, where sources were to be found.
    pub first_unknown: Option<Origin>,
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
    /// What an event belongs to; `None` where the only lane takes everything.
    choosing: Option<Choosing>,
    /// For messages, which are small and many: its memory is used again.
    framer: Framer<std::io::Empty>,
    summary: Summary,
}

/// How the lane of an event is found.
struct Choosing {
    guesses: Guesses,
    recogniser: Recogniser,
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
    pub fn new(choice: Choice, limits: BatchLimits, environment: &Arc<Environment>) -> Self {
        let (plans, auto) = match choice {
            Choice::Fixed(plan) => (vec![plan], false),
            Choice::Auto(plans) => (plans, true),
        };
        let sources: Vec<&'static SourceDef> = plans.iter().map(|plan| plan.source).collect();
        let lanes = plans.into_iter().enumerate().map(|(number, plan)| Lane {
            source: plan.source,
            normaliser: match auto {
                true => Normaliser::among(&sources, number, &plan.projection, environment),
                false => Normaliser::new(plan.source, &plan.projection, environment),
            },
            batcher: Batcher::new(plan.source.name, plan.projection, limits),
            events: 0,
        });
        let lanes = lanes.collect();
        let choosing =
            auto.then(|| Choosing { guesses: Guesses::default(), recogniser: Recogniser::new(&sources) });
        Self { lanes, choosing, framer: Framer::of_messages(), summary: Summary::default() }
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

    /// Reads one input to its end. What is left in the batches stays there until [`Self::flush`].
    pub fn read(&mut self, input: Input, sink: &mut impl Sink) -> ControlFlow<()> {
        self.summary.inputs += 1;
        let Input { base, ingest_time, reader, .. } = input;
        let mut stage = Stage { reader: self, base: &base, ingest_time, message: None, sink };
        match Decompressor::new(reader, ExpansionLimits::default()) {
            Ok(bytes) => stage.frames(bytes),
            Err(error) => {
                stage.quarantine(&[], StreamFault::cause(&error), Place::default());
                ControlFlow::Continue(())
            }
        }
    }

    /// Reads messages, each by itself. What is left in the batches stays there until [`Self::flush`].
    pub fn messages(&mut self, messages: &Messages, sink: &mut impl Sink) -> ControlFlow<()> {
        for message in messages.iter() {
            self.message(&messages.base, message, sink)?;
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, base: &OriginBase, message: Message<'_>, sink: &mut impl Sink) -> ControlFlow<()> {
        self.summary.inputs += 1;
        let numbering = Some(Numbering { message: message.number, events: 0 });
        if is_packed(message.bytes) {
            let mut stage =
                Stage { reader: self, base, ingest_time: message.ingest_time, message: numbering, sink };
            let packed = Box::new(std::io::Cursor::new(message.bytes.to_vec()));
            return match Decompressor::new(packed, ExpansionLimits::default()) {
                Ok(bytes) => stage.frames(bytes),
                Err(error) => {
                    stage.quarantine(&[], StreamFault::cause(&error), Place::default());
                    ControlFlow::Continue(())
                }
            };
        }
        let mut framer = std::mem::replace(&mut self.framer, Framer::of_messages());
        framer.begin(message.bytes);
        let mut stage =
            Stage { reader: self, base, ingest_time: message.ingest_time, message: numbering, sink };
        let mut flow = ControlFlow::Continue(());
        while let (ControlFlow::Continue(()), Some(frame)) = (flow, framer.next()) {
            flow = stage.take(frame);
        }
        self.framer = framer;
        flow
    }

    /// What was read since the last time this was asked.
    pub fn take_summary(&mut self) -> Summary {
        let mut summary = std::mem::take(&mut self.summary);
        for lane in &mut self.lanes {
            let events = std::mem::take(&mut lane.events);
            if events > 0 {
                *summary.events.entry(lane.source.name).or_default() += events;
            }
        }
        summary
    }

    /// Makes an event a row of the source that it belongs to, and says which.
    fn normalise(&mut self, text: &str, arrival: &Arrival<'_>) -> Result<usize, Cause> {
        let Some(choosing) = &mut self.choosing else {
            return self.take(0, text, arrival);
        };
        let place = choosing.guesses.place(text);
        let guess = choosing.guesses.guess(place);
        let lane = &mut self.lanes[guess];
        let owner = match lane.normaliser.recognise(text, arrival, lane.batcher.builder()) {
            Ok(Outcome::Other(owner)) => owner,
            Ok(Outcome::Row { time_missing, id_missing }) => {
                self.count(guess, time_missing, id_missing);
                return Ok(guess);
            }
            // a flaw that only the guessed source looks at must not decide: who owns the event says
            Err(_) => choosing.recogniser.owner(text).map_err(|error| Cause::from(&error))?,
        };
        choosing.guesses.learn(place, owner);
        self.take(owner, text, arrival)
    }

    /// Makes an event a row of a source, whatever it is.
    fn take(&mut self, number: usize, text: &str, arrival: &Arrival<'_>) -> Result<usize, Cause> {
        let lane = &mut self.lanes[number];
        if let Outcome::Row { time_missing, id_missing } =
            lane.normaliser.normalise(text, arrival, lane.batcher.builder())?
        {
            self.count(number, time_missing, id_missing);
        }
        Ok(number)
    }

    fn count(&mut self, number: usize, time_missing: bool, id_missing: bool) {
        self.lanes[number].events += 1;
        self.summary.times_missing += u64::from(time_missing);
        self.summary.ids_missing += u64::from(id_missing);
    }

    /// Gives what is left in the batches.
    pub fn flush(&mut self, sink: &mut impl Sink) -> ControlFlow<()> {
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

/// The events of one message; `None` where any part of it cannot be read.
pub fn events_of(bytes: &[u8]) -> Option<Vec<String>> {
    let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let mut framer = Framer::new(Decompressor::new(input, ExpansionLimits::default()).ok()?);
    let mut events = Vec::new();
    while let Some(frame) = framer.next() {
        match frame {
            Frame::Event { text, .. } => events.push(text.to_owned()),
            Frame::Bad { .. } => return None,
        }
    }
    // an event that frames may still nest too deep, or be something else inside
    let readable = |text: &String| virga_engine::json::parse(text).is_ok();
    (!events.is_empty() && events.iter().all(readable)).then_some(events)
}

/// One input on its way.
struct Stage<'a, S> {
    reader: &'a mut Reader,
    base: &'a OriginBase,
    ingest_time: i64,
    /// Where it is one message of many, rather than a whole input.
    message: Option<Numbering>,
    sink: &'a mut S,
}

/// Counts the events of a message. The first is known by the message's number alone, as most messages hold
/// but one; those behind it also by their own.
#[derive(Clone, Copy)]
struct Numbering {
    message: u64,
    events: u64,
}

impl Numbering {
    /// The place of the next event or unreadable record.
    fn next(&mut self, base: &OriginBase) -> Place {
        self.events += 1;
        let own = (self.events > 1).then_some(self.events);
        match base {
            // an offset is the record of a topic
            OriginBase::Topic { .. } => Place { line: own, record: Some(self.message) },
            OriginBase::File { .. } | OriginBase::Object { .. } => {
                Place { line: Some(self.message), record: own }
            }
        }
    }
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
        let place = self.place(place);
        let arrival = Arrival {
            base: self.base,
            line: place.line,
            record: place.record,
            ingest_time: self.ingest_time,
        };
        let reader = &mut *self.reader;
        let number = match reader.normalise(text, &arrival) {
            Ok(number) => number,
            Err(cause) => {
                let kept = text.as_bytes().get(..crate::limits::MAX_QUARANTINED_BYTES);
                self.keep(kept.unwrap_or(text.as_bytes()), cause, place);
                return ControlFlow::Continue(());
            }
        };
        reader.summary.event_bytes += text.len() as u64;
        if reader.choosing.is_some()
            && number + 1 == reader.lanes.len()
            && reader.summary.first_unknown.is_none()
        {
            let origin = Origin { base: self.base.clone(), line: place.line, record: place.record };
            reader.summary.first_unknown = Some(origin);
        }
        match reader.lanes[number].batcher.take_full(text.len()) {
            Some(batch) => self.sink.batch(batch),
            None => ControlFlow::Continue(()),
        }
    }

    /// The place of what comes now, in its input or as a part of its message.
    fn place(&mut self, place: Place) -> Place {
        self.message.as_mut().map_or(place, |message| message.next(self.base))
    }

    fn quarantine(&mut self, bytes: &[u8], cause: Cause, place: Place) {
        let place = self.place(place);
        self.keep(bytes, cause, place);
    }

    fn keep(&mut self, bytes: &[u8], cause: Cause, place: Place) {
        self.reader.summary.quarantined.add(cause);
        let origin = Origin { base: self.base.clone(), line: place.line, record: place.record };
        self.sink.quarantined(Quarantined { origin, cause, time: self.ingest_time, bytes: bytes.to_vec() });
    }
}
