//! A batch → hits, by distinct value and by tuple of classes.
//!
//! In: an [`EventBatch`] of the plan's source. Out: for each row the rules that match it. Work is done
//! once for each distinct value of a field in the batch (its class), and once for each new tuple of
//! classes (its verdict); a row costs a hash of its classes and a look-up. How many rules there are
//! shows only in the size of the look-up tables.
//!
//! Fields whose values hardly repeat in a batch are left out of the tuple. A rule that the other
//! fields do not decide stays *open*, and only for the rows of such a tuple are those fields looked
//! at. The same holds for keywords (the whole event) and for comparisons of two fields. Which fields
//! are left out changes the cost, never the hits.

use arrow_array::{Array, DictionaryArray, StringArray, types::Int32Type};
use hashbrown::{HashMap, HashTable};

use super::classes::{ABSENT, Classes, FieldMatcher, cells_relate};
use crate::event::EventBatch;
use crate::limits::{MAX_CLASSES, MAX_REMEMBERED};
use crate::plan::{LocalExpr, SourcePlan};
use crate::predicate::Test;

/// A rule that matches a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The row of the batch.
    pub row: u32,
    /// The rule's number among all loaded rules.
    pub rule: u32,
}

/// What a scan has cost so far, in counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanCounts {
    /// Rows seen.
    pub rows: u64,
    /// Values put into a class.
    pub values: u64,
    /// Tuples of classes whose verdict had to be worked out.
    pub tuples: u64,
    /// Rows with rules that the tuple left open.
    pub open_rows: u64,
}

/// Runs the plan of one source. Holds what it has learnt (classes, verdicts), which changes its cost
/// only.
#[derive(Debug)]
pub struct Scanner {
    plan: SourcePlan,
    fields: Vec<FieldState>,
    /// By test: the rules of whose witness it is part.
    witnessed: Vec<Vec<u32>>,
    /// Rules without a witness.
    unwitnessed: Vec<u32>,
    memos: Vec<Memo>,
    /// By rule: the fields on which it has tests, and whether it compares two.
    asks: Vec<(Vec<u32>, bool)>,
    stamps: Vec<u64>,
    stamp: u64,
    /// Numbers that the verdicts hold.
    remembered: usize,
    /// This batch: the fields that are part of the tuple and not absent everywhere.
    active: Vec<u32>,
    bits: Bits,
    key: Vec<u32>,
    counts: ScanCounts,
}

#[derive(Debug)]
struct FieldState {
    matcher: FieldMatcher,
    classes: Classes,
    /// This batch: the field is not part of the tuple.
    deferred: bool,
    /// This batch: class by key of the dictionary; `UNKNOWN` where not yet looked at.
    by_key: Vec<u32>,
    /// This batch: class by row, where the field is part of the tuple and not all rows are `ABSENT`.
    by_row: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

/// Beyond so many values it matters in how many rows they are.
const MANY_VALUES: usize = 1024;

/// Verdicts by tuple, for one choice of deferred fields.
#[derive(Debug)]
struct Memo {
    deferred: Vec<bool>,
    table: HashTable<u32>,
    tuples: Vec<u32>,
    /// By tuple: the fields that are not absent.
    present: Vec<Box<[u32]>>,
    hashes: Vec<u64>,
    verdicts: Vec<Verdict>,
}

#[derive(Debug, Default)]
struct Verdict {
    /// Rules that match whatever the deferred fields hold.
    hits: Vec<u32>,
    /// Rules that the deferred fields decide.
    open: Vec<u32>,
    /// Open rules that compare two fields: decided row by row.
    related: Vec<u32>,
    /// The deferred fields on which open rules have tests.
    asked: Vec<u32>,
    /// What open rules match, by the classes of the asked fields.
    decided: HashMap<Box<[u32]>, Box<[u32]>>,
}

impl Verdict {
    /// What remembering it takes, in numbers.
    fn size(&self) -> usize {
        let decided = self.decided.len() * (self.asked.len() + 4);
        self.hits.len() + self.open.len() + self.related.len() + self.asked.len() + decided
    }
}

/// The class of a deferred field's value, worked out at most once for each distinct value.
fn deferred_class(
    state: &mut FieldState,
    column: Option<usize>,
    counts: &mut ScanCounts,
    row: usize,
    batch: &EventBatch,
) -> u32 {
    let (key, text) = match column {
        None => (row, batch.raw().value(row)),
        Some(column) => {
            let column = &batch.fields()[column];
            match column.key(row) {
                Some(key) => (key, values(column).value(key)),
                None => return ABSENT,
            }
        }
    };
    if state.by_key[key] == UNKNOWN {
        counts.values += 1;
        state.by_key[key] = state.classes.intern(state.matcher.classify(text));
    }
    state.by_key[key]
}

/// A set of tests that can be emptied without touching what is not in it.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
    set: Vec<u32>,
}

impl Bits {
    fn insert(&mut self, bits: &[u32]) {
        for &bit in bits {
            self.words[bit as usize / 64] |= 1 << (bit % 64);
        }
        self.set.extend_from_slice(bits);
    }

    fn contains(&self, bit: u32) -> bool {
        self.words[bit as usize / 64] & (1 << (bit % 64)) != 0
    }

    fn clear(&mut self) {
        for bit in self.set.drain(..) {
            self.words[bit as usize / 64] = 0;
        }
    }
}

/// What is known of an expression while some fields have not been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    False,
    Unknown,
    True,
}

impl Truth {
    pub(super) fn of(b: bool) -> Self {
        if b { Self::True } else { Self::False }
    }
}

pub(super) fn truth(expr: &LocalExpr, test: &impl Fn(u32) -> Truth) -> Truth {
    match expr {
        LocalExpr::Never => Truth::False,
        LocalExpr::Test(number) => test(*number),
        LocalExpr::Not(inner) => match truth(inner, test) {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        },
        LocalExpr::And(branches) => {
            let mut all = Truth::True;
            for branch in branches {
                match truth(branch, test) {
                    Truth::False => return Truth::False,
                    Truth::Unknown => all = Truth::Unknown,
                    Truth::True => {}
                }
            }
            all
        }
        LocalExpr::Or(branches) => {
            let mut any = Truth::False;
            for branch in branches {
                match truth(branch, test) {
                    Truth::True => return Truth::True,
                    Truth::Unknown => any = Truth::Unknown,
                    Truth::False => {}
                }
            }
            any
        }
        LocalExpr::AtLeast(n, branches) => {
            let (mut surely, mut maybe) = (0, 0);
            for branch in branches {
                match truth(branch, test) {
                    Truth::True => surely += 1,
                    Truth::Unknown => maybe += 1,
                    Truth::False => {}
                }
            }
            match () {
                () if surely >= *n => Truth::True,
                () if surely + maybe >= *n => Truth::Unknown,
                () => Truth::False,
            }
        }
    }
}

/// The fields on which a rule has tests, and whether it compares two fields.
fn asked_fields(expr: &LocalExpr, plan: &SourcePlan) -> (Vec<u32>, bool) {
    let (mut fields, mut relates) = (Vec::new(), false);
    expr.for_each_test(&mut |test| {
        let test = &plan.tests[test as usize];
        fields.push(test.field);
        relates |= test.other.is_some();
    });
    fields.sort_unstable();
    fields.dedup();
    (fields, relates)
}

/// A number for a field's class; 0 for an absent one, so that a column of absent values can be left
/// out. The hash of a tuple is the sum.
fn class_hash(field: usize, class: u32) -> u64 {
    if class == ABSENT {
        return 0;
    }
    // the finaliser of splitmix64
    let mut z = (((field as u64) << 32) | u64::from(class)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn values(column: &DictionaryArray<Int32Type>) -> &StringArray {
    // a batch builds its own columns: there is no other kind
    column.values().as_any().downcast_ref::<StringArray>().expect("field columns hold strings")
}

impl Scanner {
    /// A scanner for a plan.
    pub fn new(plan: SourcePlan) -> Self {
        let fields = plan
            .fields
            .iter()
            .map(|field| {
                let matcher =
                    FieldMatcher::new(field.tests.iter().map(|&t| (t, &plan.tests[t as usize].test)));
                let classes = Classes::new(matcher.absent());
                FieldState { matcher, classes, deferred: false, by_key: Vec::new(), by_row: Vec::new() }
            })
            .collect();
        let mut witnessed = vec![Vec::new(); plan.tests.len()];
        let mut unwitnessed = Vec::new();
        for (rule, compiled) in plan.rules.iter().enumerate() {
            match &compiled.witness {
                Some(tests) => tests.iter().for_each(|&test| witnessed[test as usize].push(rule as u32)),
                None => unwitnessed.push(rule as u32),
            }
        }
        let bits = Bits { words: vec![0; plan.tests.len().div_ceil(64)], set: Vec::new() };
        let stamps = vec![0; plan.rules.len()];
        let asks = plan.rules.iter().map(|rule| asked_fields(&rule.expr, &plan)).collect();
        Self {
            plan,
            fields,
            witnessed,
            unwitnessed,
            asks,
            memos: Vec::new(),
            stamps,
            stamp: 0,
            remembered: 0,
            active: Vec::new(),
            bits,
            key: Vec::new(),
            counts: ScanCounts::default(),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &SourcePlan {
        &self.plan
    }

    /// What it has cost so far.
    pub fn counts(&self) -> ScanCounts {
        self.counts
    }

    /// The rules that match the rows of a batch, by row, then by rule.
    ///
    /// # Panics
    /// Where the batch was not made for this plan's projection.
    pub fn scan(&mut self, batch: &EventBatch, hits: &mut Vec<Hit>) {
        assert_eq!(batch.projection(), &self.plan.projection, "the batch was made for another plan");
        if self.plan.rules.is_empty() || batch.is_empty() {
            self.counts.rows += batch.len() as u64;
            return;
        }
        self.forget_if_too_much();
        let mut hashes = vec![0u64; batch.len()];
        for field in 0..self.fields.len() {
            self.classify_field(field, batch, &mut hashes);
        }
        let there = self.fields.iter().enumerate().filter(|(_, field)| !field.by_row.is_empty());
        self.active = there.map(|(field, _)| field as u32).collect();
        let memo = self.memo();
        let start = hits.len();
        let mut row = 0;
        for equal in hashes.chunk_by(|a, b| a == b) {
            // stored events stand in an order in which neighbours are alike
            let rows = row..row + equal.len();
            row = rows.end;
            if equal.len() > 1 && self.is_one_tuple(&rows) {
                let verdict = self.verdict(memo, rows.start, equal[0]);
                rows.for_each(|row| self.report(memo, verdict, row, batch, hits));
            } else {
                for row in rows {
                    let verdict = self.verdict(memo, row, equal[0]);
                    self.report(memo, verdict, row, batch, hits);
                }
            }
        }
        hits[start..].sort_unstable();
        self.counts.rows += batch.len() as u64;
    }

    /// Bounds what an adversary can make the scanner remember.
    fn forget_if_too_much(&mut self) {
        let classes = self.fields.iter().map(|field| field.classes.len()).max().unwrap_or(0);
        if self.remembered > MAX_REMEMBERED || classes > MAX_CLASSES {
            self.memos.clear();
            self.remembered = 0;
            for field in &mut self.fields {
                field.classes = Classes::new(field.matcher.absent());
            }
        }
    }

    /// Decides whether a field is part of the tuple in this batch, and if so, classes its values.
    fn classify_field(&mut self, field: usize, batch: &EventBatch, hashes: &mut [u64]) {
        let state = &mut self.fields[field];
        state.by_row.clear();
        state.by_key.clear();
        let Some(column) = self.plan.fields[field].column else {
            state.deferred = true;
            state.by_key.resize(batch.len(), UNKNOWN);
            return;
        };
        let column = &batch.fields()[column];
        let values = values(column);
        // with few repeats it is cheaper to look at a value only when a rule comes to depend on it; where values
        // are many, only rows that have one count: of a stored column others may not have been read
        let rows = match values.len() {
            ..=MANY_VALUES => batch.len(),
            _ => batch.len() - column.null_count(),
        };
        state.deferred = values.len() > 16 && values.len() * 4 > rows;
        if state.deferred {
            state.by_key.resize(values.len(), UNKNOWN);
            return;
        }
        let mut inert = true;
        for key in 0..values.len() {
            let class = state.classes.intern(state.matcher.classify(values.value(key)));
            inert &= class == ABSENT;
            state.by_key.push(class);
        }
        self.counts.values += values.len() as u64;
        if inert {
            return;
        }
        let mixed: Vec<u64> = state.by_key.iter().map(|&class| class_hash(field, class)).collect();
        let keys = column.keys();
        state.by_row.resize(keys.len(), ABSENT);
        let FieldState { by_key, by_row, .. } = state;
        let mut put = |start: usize, end: usize| {
            let rows = hashes[start..end].iter_mut().zip(&mut by_row[start..end]);
            for ((hash, class), key) in rows.zip(&keys.values()[start..end]) {
                *hash = hash.wrapping_add(mixed[*key as usize]);
                *class = by_key[*key as usize];
            }
        };
        match keys.nulls() {
            None => put(0, keys.len()),
            Some(there) => there.valid_slices().for_each(|(start, end)| put(start, end)),
        }
    }

    /// The memory for this batch's choice of deferred fields.
    fn memo(&mut self) -> usize {
        let same =
            |memo: &Memo| memo.deferred.iter().zip(&self.fields).all(|(d, field)| *d == field.deferred);
        if let Some(memo) = self.memos.iter().position(same) {
            return memo;
        }
        // a choice of fields may flip from batch to batch; few choices are worth remembering
        if self.memos.len() >= 8 {
            self.memos.clear();
            self.remembered = 0;
        }
        self.memos.push(Memo {
            deferred: self.fields.iter().map(|field| field.deferred).collect(),
            table: HashTable::new(),
            tuples: Vec::new(),
            present: Vec::new(),
            hashes: Vec::new(),
            verdicts: Vec::new(),
        });
        self.memos.len() - 1
    }

    fn class(&self, field: usize, row: usize) -> u32 {
        self.fields[field].by_row.get(row).copied().unwrap_or(ABSENT)
    }

    /// Whether rows have the same class in every field that is part of the tuple.
    fn is_one_tuple(&self, rows: &std::ops::Range<usize>) -> bool {
        self.active.iter().all(|&field| {
            let classes = &self.fields[field as usize].by_row[rows.clone()];
            classes.iter().all(|class| *class == classes[0])
        })
    }

    /// The verdict for a row's tuple: remembered, or worked out now.
    fn verdict(&mut self, memo: usize, row: usize, hash: u64) -> u32 {
        let width = self.fields.len();
        let found = {
            let memo = &self.memos[memo];
            memo.table.find(hash, |&entry| {
                // what is absent in the whole batch must be so in the tuple, all else equal: field by field
                memo.hashes[entry as usize] == hash && {
                    let tuple = &memo.tuples[entry as usize * width..][..width];
                    memo.present[entry as usize].iter().all(|field| self.active.binary_search(field).is_ok())
                        && self
                            .active
                            .iter()
                            .all(|&field| tuple[field as usize] == self.fields[field as usize].by_row[row])
                }
            })
        };
        if let Some(&entry) = found {
            return entry;
        }
        let verdict = self.work_out(row);
        let tuple: Vec<u32> = (0..width).map(|field| self.class(field, row)).collect();
        self.counts.tuples += 1;
        self.remembered += width + verdict.size();
        let memo = &mut self.memos[memo];
        let entry = memo.verdicts.len() as u32;
        let present = (0u32..).zip(&tuple).filter(|(_, class)| **class != ABSENT).map(|(field, _)| field);
        memo.present.push(present.collect());
        memo.tuples.extend(tuple);
        memo.hashes.push(hash);
        memo.verdicts.push(verdict);
        let hashes = &memo.hashes;
        memo.table.insert_unique(hash, entry, |&entry| hashes[entry as usize]);
        entry
    }

    /// What a row's classes say of every rule that they, or the deferred fields, make a candidate.
    fn work_out(&mut self, row: usize) -> Verdict {
        let mut bits = std::mem::take(&mut self.bits);
        bits.clear();
        for (field, state) in self.fields.iter().enumerate() {
            if !state.deferred {
                bits.insert(state.classes.tests(self.class(field, row)));
            }
        }
        let unknown = |test: u32| {
            let plan = &self.plan.tests[test as usize];
            self.fields[plan.field as usize].deferred || plan.other.is_some()
        };
        let known = |test: u32| if unknown(test) { Truth::Unknown } else { Truth::of(bits.contains(test)) };
        let mut verdict = Verdict::default();
        let consider =
            |rule: u32, verdict: &mut Verdict| match truth(&self.plan.rules[rule as usize].expr, &known) {
                Truth::True => verdict.hits.push(rule),
                Truth::Unknown if self.asks[rule as usize].1 => verdict.related.push(rule),
                Truth::Unknown => verdict.open.push(rule),
                Truth::False => {}
            };
        self.stamp += 1;
        let deferred_tests = self.fields.iter().zip(&self.plan.fields).filter(|(state, _)| state.deferred);
        let deferred_tests = deferred_tests.flat_map(|(_, field)| field.tests.iter());
        let passed = bits.set.iter().chain(deferred_tests);
        let candidates = passed.flat_map(|&test| &self.witnessed[test as usize]).chain(&self.unwitnessed);
        for &rule in candidates {
            let stamp = &mut self.stamps[rule as usize];
            if *stamp != self.stamp {
                *stamp = self.stamp;
                consider(rule, &mut verdict);
            }
        }
        self.bits = bits;
        let open = verdict.open.iter().chain(&verdict.related);
        let mut asked: Vec<u32> = open.flat_map(|&rule| self.asks[rule as usize].0.iter().copied()).collect();
        asked.retain(|&field| self.fields[field as usize].deferred);
        asked.sort_unstable();
        asked.dedup();
        verdict.asked = asked;
        verdict
    }

    /// Turns a verdict into hits, deciding what it left open.
    fn report(&mut self, memo: usize, verdict: u32, row: usize, batch: &EventBatch, hits: &mut Vec<Hit>) {
        let Self { memos, plan, fields, counts, key, .. } = self;
        let place = &memos[memo].verdicts[verdict as usize];
        let hit = |rule: &u32| Hit { row: row as u32, rule: plan.rules[*rule as usize].rule };
        hits.extend(place.hits.iter().map(hit));
        if place.open.is_empty() && place.related.is_empty() {
            return;
        }
        counts.open_rows += 1;
        key.clear();
        for &field in &place.asked {
            let column = plan.fields[field as usize].column;
            key.push(deferred_class(&mut fields[field as usize], column, counts, row, batch));
        }
        if let Some(decided) = place.decided.get(key.as_slice())
            && place.related.is_empty()
        {
            hits.extend(decided.iter().map(hit));
            return;
        }
        // out of its place while the open rules are asked, then back
        let mut taken = std::mem::take(&mut self.memos[memo].verdicts[verdict as usize]);
        self.decide(&mut taken, row, batch, hits);
        self.memos[memo].verdicts[verdict as usize] = taken;
    }

    /// Asks the open rules, by the classes of the deferred fields that they have tests on.
    fn decide(&mut self, verdict: &mut Verdict, row: usize, batch: &EventBatch, hits: &mut Vec<Hit>) {
        let key = std::mem::take(&mut self.key);
        let hit =
            |plan: &SourcePlan, rule: u32| Hit { row: row as u32, rule: plan.rules[rule as usize].rule };
        let mut bits = std::mem::take(&mut self.bits);
        bits.clear();
        for (field, state) in self.fields.iter().enumerate().filter(|(_, state)| !state.deferred) {
            bits.insert(state.classes.tests(self.class(field, row)));
        }
        for (&field, &class) in verdict.asked.iter().zip(&key) {
            bits.insert(self.fields[field as usize].classes.tests(class));
        }
        let witnessed = |rule: u32| {
            let witness = self.plan.rules[rule as usize].witness.as_ref();
            witness.is_none_or(|tests| tests.iter().any(|&test| bits.contains(test)))
        };
        let test = |test: u32| match self.plan.tests[test as usize].other {
            None => Truth::of(bits.contains(test)),
            Some(other) => Truth::of(self.fields_relate(test, other, row, batch)),
        };
        let holds =
            |rule: u32| witnessed(rule) && truth(&self.plan.rules[rule as usize].expr, &test) == Truth::True;
        let decided: Box<[u32]> = verdict.open.iter().copied().filter(|&rule| holds(rule)).collect();
        let related = verdict.related.iter().copied().filter(|&rule| holds(rule));
        hits.extend(decided.iter().copied().chain(related).map(|rule| hit(&self.plan, rule)));
        let size = key.len() + decided.len() + 4;
        if verdict.decided.insert(key.as_slice().into(), decided).is_none() {
            self.remembered += size;
        }
        self.bits = bits;
        self.key = key;
    }

    /// Compares two fields of a row.
    fn fields_relate(&self, test: u32, other: u32, row: usize, batch: &EventBatch) -> bool {
        let Test::FieldRef(relation) = &self.plan.tests[test as usize].test else { return false };
        let cell = |field: u32| {
            let column = &batch.fields()[self.plan.fields[field as usize].column?];
            column.key(row).map(|key| values(column).value(key))
        };
        match (cell(self.plan.tests[test as usize].field), cell(other)) {
            (Some(a), Some(b)) => cells_relate(relation, a, b),
            _ => false,
        }
    }
}
