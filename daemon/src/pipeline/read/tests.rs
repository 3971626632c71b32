//! What an input gives on when the process ends.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::thread;

use virga_engine::RuleSet;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::OriginBase;
use virga_ingest::transport::live::{Contents, Delivery, Frontier, Messages};

use super::*;
use crate::rules::{Generation, Loaded};

const RULE: &str = "title: r
id: 11111111-0000-4000-8000-000000000001
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
";

fn generation() -> Arc<Generation> {
    let file = Arc::new(SourceFile { name: "r.yml".into(), text: RULE.into() });
    let loaded = Loaded { set: RuleSet::load([file], &Default::default()), environment: Arc::default() };
    Arc::new(Generation::compile(1, &loaded, 1).unwrap())
}

const LONG: Duration = Duration::from_secs(20);

fn reading<'a>(name: &'a Arc<str>, partitions: &'a Partitions) -> Reading<'a> {
    Reading { number: 0, name, partitions }
}

/// Gives deliveries without end while it is polled, and what it holds when it ends.
struct Once {
    ticket: Ticket,
    held: Vec<Event>,
    once: bool,
    stop: Arc<AtomicBool>,
    /// It was asked for what it holds.
    asked: Arc<AtomicBool>,
}

fn delivery(ticket: Ticket) -> Event {
    Event::Delivery(Delivery {
        ticket,
        partition: "push".into(),
        position: None,
        source: None,
        contents: Contents::Messages(Messages::new(OriginBase::File { path: "push".into() })),
        frontier: Frontier::InOrder,
        urgent: false,
    })
}

impl LiveTransport for Once {
    fn poll(&mut self, _: Duration) -> Result<Option<Event>, TransportError> {
        self.ticket += 1;
        // the end comes while this is being given on
        self.stop.store(true, Ordering::Relaxed);
        Ok(Some(delivery(self.ticket)))
    }

    fn acknowledge(&mut self, _: Ticket, _: &Positions) {}
    fn pause(&mut self) {}
    fn resume(&mut self) {}

    fn gives_once(&self) -> bool {
        self.once
    }

    fn leave(&mut self) -> Option<Event> {
        self.asked.store(true, Ordering::Relaxed);
        self.held.pop()
    }

    fn lag(&self) -> Vec<PartitionLag> {
        Vec::new()
    }

    fn close(self: Box<Self>) {}
}

/// Gives a delivery, another that lay ready while it is paused, then nothing, and fails when it is told to.
struct Ready {
    paused: bool,
    given: Ticket,
    polled: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl LiveTransport for Ready {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        self.polled.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return Err(TransportError::new("the consumer has failed for good"));
        }
        if self.given == 0 || (self.paused && self.given == 1) {
            self.given += 1;
            return Ok(Some(delivery(self.given)));
        }
        thread::sleep(wait);
        Ok(None)
    }

    fn acknowledge(&mut self, _: Ticket, _: &Positions) {}

    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
    }

    fn lag(&self) -> Vec<PartitionLag> {
        Vec::new()
    }

    fn close(self: Box<Self>) {}
}

#[test]
fn who_is_full_has_the_transport_polled_on_and_an_error_meanwhile_is_told_behind_what_was_held() {
    let (dispatch, mut workers) = Dispatch::new(1, generation());
    let worker = workers.remove(0);
    while dispatch.give(0, Item::Event(Event::Ready)).is_ok() {}
    let (polled, fails): (Arc<AtomicUsize>, Arc<AtomicBool>) = Default::default();
    let transport =
        Box::new(Ready { paused: false, given: 0, polled: Arc::clone(&polled), fails: Arc::clone(&fails) });
    let (sender, acknowledged) = channel();
    let (said, error) = channel();
    let reader = thread::spawn(move || {
        let stop = AtomicBool::new(false);
        run(
            reading(&"in".into(), &Partitions::default()),
            transport,
            &dispatch,
            &acknowledged,
            &stop,
            &|failed| {
                said.send(failed.map(ToString::to_string)).unwrap();
            },
        );
    });
    let until = Instant::now() + LONG;
    // two gave something, and many more come while there is no room
    while polled.load(Ordering::Relaxed) < 20 {
        assert!(Instant::now() < until, "it is polled no more: {}", polled.load(Ordering::Relaxed));
        thread::yield_now();
    }
    fails.store(true, Ordering::Relaxed);
    let now = polled.load(Ordering::Relaxed);
    while polled.load(Ordering::Relaxed) == now {
        assert!(Instant::now() < until, "it is polled no more");
        thread::yield_now();
    }
    let mut given = Vec::new();
    loop {
        match worker.recv_timeout(LONG).unwrap().item {
            Item::Event(Event::Delivery(delivery)) => given.push(delivery.ticket),
            Item::Event(_) => {}
            Item::Stopped => break,
        }
    }
    assert_eq!(given, [1, 2]);
    assert_eq!(error.recv_timeout(LONG), Ok(Some("the consumer has failed for good".to_owned())));
    drop(sender);
    reader.join().unwrap();
}

#[test]
fn what_cannot_be_given_again_is_given_on_before_the_end() {
    for (once, expected) in [(true, vec![1, 8, 9]), (false, vec![8, 9])] {
        let (dispatch, mut workers) = Dispatch::new(1, generation());
        let worker = workers.remove(0);
        // the worker has enough for now
        while dispatch.give(0, Item::Event(Event::Ready)).is_ok() {}
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let held = vec![delivery(9), delivery(8)];
        let transport =
            Box::new(Once { ticket: 0, held, once, stop: Arc::clone(&stop), asked: Arc::clone(&asked) });
        let (sender, acknowledged) = channel();
        let reader = thread::spawn(move || {
            run(
                reading(&"push".into(), &Partitions::default()),
                transport,
                &dispatch,
                &acknowledged,
                &stop,
                &|_| {},
            );
        });
        // what is left for the next process is left before there is room again
        let until = Instant::now() + LONG;
        while !once && !asked.load(Ordering::Relaxed) {
            assert!(Instant::now() < until, "it does not end");
            thread::yield_now();
        }
        let mut given = Vec::new();
        loop {
            match worker.recv_timeout(LONG).unwrap().item {
                Item::Event(Event::Delivery(delivery)) => given.push(delivery.ticket),
                Item::Event(_) => {}
                Item::Stopped => break,
            }
        }
        assert_eq!(given, expected, "once: {once}");
        drop(sender);
        reader.join().unwrap();
    }
}

#[test]
fn of_a_partition_that_is_no_more_nothing_is_said() {
    let partitions = Partitions::default();
    let lag = |partition: &str, records| PartitionLag {
        partition: partition.into(),
        records: Some(records),
        bytes: None,
    };
    let (name, mut lags) = ("a".into(), Lags::default());
    lags.tell(reading(&name, &partitions), &[lag("t/0", 5), lag("t/1", 6)]);
    lags.tell(reading(&name, &partitions), &[lag("t/1", 4)]);
    let expected = "# TYPE virga_lag_records gauge\nvirga_lag_records{input=\"a\",partition=\"t/1\"} 4\n";
    assert_eq!(partitions.render(), expected);
}
