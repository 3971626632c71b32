//! Which blocks of a file a query need not read.
//!
//! In: what a query filters by, and what files say of their values ([`crate::facets`]). Out: for each row group the
//! blocks of 2,048 rows in which a row may pass. A block may be kept for nothing; none with a row that passes is
//! left out.
//!
//! ```text
//! credential_id = 'AKIA…' OR src_ip = '192.0.2.7'        each side by the values of its column, then both
//! lower(principal) LIKE '%ci-%' AND bytes_out > 1e9       likewise; what is true of no value is true of no row
//! principal <> invoked_by                                 two columns at once: may be true anywhere
//! ```
//!
//! A test of one column is run over the column's different values, by the query engine itself, whatever the test is;
//! so nothing is translated, and nothing can be understood in two ways. Of a column with very many values only pieces
//! of text are known, which rule out a column that must be equal to a text or hold one.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee};
use virga_engine::scan::{Blocks, Needles};

use crate::layout;
use crate::limits::MAX_CONDITION_DEPTH;
use crate::prune::all_blocks;
use crate::reader::{Says, StoredFile};

/// What a query filters by, as far as single columns can answer it.
#[derive(Debug)]
pub(crate) struct Asked {
    root: Node,
    /// The columns of which it matters what a file says.
    pub columns: BTreeSet<String>,
}

#[derive(Debug)]
enum Node {
    /// May be true of any row.
    Anywhere,
    /// A test of one column.
    One(Box<OneColumn>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

#[derive(Debug)]
struct OneColumn {
    name: String,
    /// The column alone.
    schema: SchemaRef,
    test: Arc<dyn PhysicalExpr>,
    /// A row that passes holds the pieces of one of these; `None` where that is not known.
    holds: Option<Vec<Needles>>,
}

impl Asked {
    /// Of the filters of a query; `None` where no column by itself can say anything of them.
    pub fn of(state: &dyn Session, schema: &SchemaRef, filters: &[Expr]) -> Option<Self> {
        let filter = conjunction(filters.to_vec())?;
        let mut columns = BTreeSet::new();
        let root = Reading { state, schema, columns: &mut columns }.node(&filter, MAX_CONDITION_DEPTH);
        (!matches!(root, Node::Anywhere)).then_some(Self { root, columns })
    }

    /// The blocks of a row group in which a row may pass. The file has learnt of the columns.
    pub fn blocks(&self, file: &StoredFile, group: usize) -> Blocks {
        self.root.blocks(file, group, all_blocks(file.rows(group)))
    }
}

/// How filters are read.
struct Reading<'r> {
    state: &'r dyn Session,
    schema: &'r SchemaRef,
    columns: &'r mut BTreeSet<String>,
}

impl Reading<'_> {
    fn node(&mut self, filter: &Expr, depth: usize) -> Node {
        let Some(depth) = depth.checked_sub(1) else { return Node::Anywhere };
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                let both = [self.node(left, depth), self.node(right, depth)];
                let known: Vec<Node> =
                    both.into_iter().filter(|node| !matches!(node, Node::Anywhere)).collect();
                if known.is_empty() { Node::Anywhere } else { Node::All(known) }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let either = vec![self.node(left, depth), self.node(right, depth)];
                let is_known = either.iter().all(|node| !matches!(node, Node::Anywhere));
                if is_known { Node::Any(either) } else { Node::Anywhere }
            }
            test => self.one(test).map_or(Node::Anywhere, |one| Node::One(Box::new(one))),
        }
    }

    /// A test of one column; `None` where it is none, or where it may come out otherwise the next time.
    fn one(&mut self, test: &Expr) -> Option<OneColumn> {
        let references = test.column_refs();
        let mut references = references.iter();
        let (column, None) = (references.next()?, references.next()) else { return None };
        if !layout::is_of_field(&column.name) || test.is_volatile() {
            return None;
        }
        let field = self.schema.field_with_name(&column.name).ok()?.clone();
        let schema = Arc::new(Schema::new(vec![field]));
        let frame = DFSchema::try_from(schema.as_ref().clone()).ok()?;
        // subqueries and the like have no such form
        let compiled = self.state.create_physical_expr(test.clone(), &frame).ok()?;
        self.columns.insert(column.name.clone());
        let holds = holds(test, &compiled);
        Some(OneColumn { name: column.name.clone(), schema, test: compiled, holds })
    }
}

impl Node {
    fn blocks(&self, file: &StoredFile, group: usize, all: Blocks) -> Blocks {
        match self {
            Self::Anywhere => all,
            Self::One(one) => one.blocks(file, group, all),
            Self::All(nodes) => nodes.iter().fold(all, |kept, node| match kept {
                0 => 0,
                kept => kept & node.blocks(file, group, all),
            }),
            Self::Any(nodes) => nodes.iter().fold(0, |kept, node| match kept == all {
                true => all,
                false => kept | node.blocks(file, group, all),
            }),
        }
    }
}

impl OneColumn {
    fn blocks(&self, file: &StoredFile, group: usize, all: Blocks) -> Blocks {
        match file.says(group, &self.name) {
            None => all,
            Some(Says::Values(values, blocks)) => {
                self.passing(&values, &blocks).map_or(all, |kept| kept & all)
            }
            Some(Says::Pieces(sketch)) => match &self.holds {
                Some(holds) if !holds.iter().any(|needles| sketch.may_hold(needles)) => 0,
                _ => all,
            },
        }
    }

    /// The blocks of the values that pass; `None` where the test fails on one of them, which may be its own doing.
    fn passing(&self, values: &ArrayRef, blocks: &[Blocks]) -> Option<Blocks> {
        let values = cast(values, self.schema.field(0).data_type()).ok()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![values]).ok()?;
        let passed = self.test.evaluate(&batch).ok()?.into_array(batch.num_rows()).ok()?;
        let passed = passed.as_boolean_opt()?;
        let each = blocks.iter().enumerate();
        let passes = |at: usize| passed.is_valid(at) && passed.value(at);
        Some(each.filter(|(at, _)| passes(*at)).fold(0, |kept, (_, blocks)| kept | blocks))
    }
}

/// The pieces of text of which a row that passes a test holds all of one list.
fn holds(test: &Expr, compiled: &Arc<dyn PhysicalExpr>) -> Option<Vec<Needles>> {
    if let Expr::Like(like) = test {
        return Some(vec![Needles::of_texts(&pattern_texts(like)?)]);
    }
    LiteralGuarantee::analyze(compiled).into_iter().filter(|known| known.guarantee == Guarantee::In).find_map(
        |known| {
            let text = |literal: &ScalarValue| {
                let text = literal.try_as_str().flatten()?;
                is_plain(text).then(|| Needles::of_texts(&[text.to_owned()]))
            };
            known.literals.iter().map(text).collect()
        },
    )
}

/// The texts between the wildcards of a pattern; `None` where one of them may be written in another way.
fn pattern_texts(like: &Like) -> Option<Vec<String>> {
    let Expr::Literal(pattern, _) = like.pattern.as_ref() else { return None };
    let pattern = pattern.try_as_str().flatten()?;
    // what is made of the column may hold what the column does not
    let is_of_column = matches!(like.expr.as_ref(), Expr::Column(_));
    if !is_of_column || like.negated || like.escape_char.is_some() || !is_plain(pattern) {
        return None;
    }
    // letters that other letters are equal to where case is ignored
    let is_ambiguous =
        |c: char| like.case_insensitive && (!c.is_ascii() || matches!(c, 'k' | 'K' | 's' | 'S'));
    let texts = pattern.split(|c| matches!(c, '%' | '_') || is_ambiguous(c));
    Some(texts.filter(|text| !text.is_empty()).map(str::to_owned).collect())
}

/// Whether a text stands in a stored value as it is: an escape could be written in another way, and what has several
/// values has quotes between them.
fn is_plain(text: &str) -> bool {
    !text.contains(['"', '\\', '\u{1e}'])
}
