//! What a query may look like before anybody tries to read it.
//!
//! In: the text of a query. Out: nothing, or why it is refused. The parser tries several readings of what stands in
//! brackets, and for brackets in brackets each of them again: forty around one condition take longer than anybody waits,
//! and nothing can interrupt it. What operators join one by one (`a + b + c`) becomes as deep as it is long, and whoever
//! goes through a plan calls itself as often. `AND` and `OR` may be many more, for they are laid out flat (`balanced`) before
//! most looks at them; and lists may be as long as there is room for.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::error::{SqlError, SqlErrorKind};
use super::limits::{MAX_BRACKETS, MAX_CONDITIONS, MAX_JOINED, MAX_SQL};

/// Refuses a query that is too long, too deep, or joins too much.
pub(super) fn check(sql: &str) -> Result<(), SqlError> {
    let refused = |message: String, help: &str| Err(SqlError::new(SqlErrorKind::Refused, message, help));
    if sql.len() > MAX_SQL {
        let message = format!("the query has {} bytes, and may have {MAX_SQL}", sql.len());
        return refused(message, "put long lists of values into a rule or a join");
    }
    // what are no tokens the parser will say, with its place
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return Ok(()) };
    let (mut open, mut deepest, mut joined, mut conditions) = (0_usize, 0, 0, 0);
    let mut before = &Token::EOF;
    for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        // behind anything else it is a sign, or the star of `count(*)`
        let joins = ends_value(std::mem::replace(&mut before, token));
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                open += 1;
                deepest = deepest.max(open);
            }
            Token::RParen | Token::RBracket | Token::RBrace => open = open.saturating_sub(1),
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat
                if joins =>
            {
                joined += 1;
            }
            Token::Word(word) if matches!(word.keyword, Keyword::AND | Keyword::OR) => conditions += 1,
            _ => {}
        }
    }
    if conditions > MAX_CONDITIONS {
        let message = format!("the query joins {conditions} conditions, and may {MAX_CONDITIONS}");
        return refused(message, "write them as lists: `a IN (…)`, `a NOT IN (…)`");
    }
    if deepest > MAX_BRACKETS {
        let message = format!("brackets stand {deepest} deep in the query, and may {MAX_BRACKETS}");
        return refused(message, "leave out those that are not needed, or name a part of it in a WITH");
    }
    if joined > MAX_JOINED {
        let message = format!("the query joins {joined} values by operators, and may {MAX_JOINED}");
        return refused(message, "sum a column, or put the values into a list");
    }
    Ok(())
}

/// Whether a value may end with a token.
fn ends_value(token: &Token) -> bool {
    matches!(
        token,
        Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Placeholder(_)
            | Token::RParen
            | Token::RBracket
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_read_in_time_is_refused_by_name() {
        let brackets = |deep: usize| format!("select {}1{}", "(".repeat(deep), ")".repeat(deep));
        let sum = |terms: usize| format!("select {}", vec!["1"; terms].join("+"));
        let conditions = format!("select 1 where {}", vec!["a <> 'x'"; MAX_CONDITIONS].join(" and "));
        let more = format!("select 1 where {}", vec!["a = 1"; MAX_CONDITIONS + 2].join(" or "));
        for (sql, refused) in [
            ("select ((1)), [(2)], '(((' from events".to_owned(), None),
            (brackets(MAX_BRACKETS), None),
            (brackets(MAX_BRACKETS + 1), Some("deep")),
            (format!("select {}1{}", "not (".repeat(40), ")".repeat(40)), Some("deep")),
            // one behind the other
            (format!("select 1 where a in ({})", vec!["(1)"; 1_000].join(",")), None),
            (format!("select 1 where a in ({})", vec!["-1"; 1_000].join(", ")), None),
            (format!("select {}", vec!["count(*)"; 1_000].join(", ")), None),
            (sum(MAX_JOINED), None),
            (sum(MAX_JOINED + 2), Some("operators")),
            (format!("select {}", vec!["a"; MAX_JOINED + 2].join("||")), Some("operators")),
            (conditions, None),
            (more, Some("conditions")),
            (format!("select '{}'", "x".repeat(MAX_SQL)), Some("bytes")),
            // the parser's to say
            ("select 'not ended".to_owned(), None),
        ] {
            match (check(&sql), refused) {
                (Ok(()), None) => {}
                (Err(error), Some(word)) if error.message.contains(word) => {}
                (said, _) => panic!("{}: {said:?}", &sql[..sql.len().min(60)]),
            }
        }
    }
}
