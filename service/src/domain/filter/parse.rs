//! Recursive-descent parser: builds a syntax tree whose names are not resolved yet.

use super::ast::CompareOp;
use super::lexer::{Lexer, Literal, Star, Token, TokenKind};
use super::{FilterError, FilterErrorKind, MAX_COMPARISONS, MAX_DEPTH, MAX_IN_VALUES};

#[derive(Debug)]
pub(super) enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
    Comparison(Comparison),
}

#[derive(Debug)]
pub(super) struct Comparison {
    pub field: Name,
    pub test: Test,
    /// Column of the operator.
    pub column: usize,
}

#[derive(Debug)]
pub(super) struct Name {
    pub text: String,
    pub column: usize,
}

#[derive(Debug)]
pub(super) enum Test {
    Compare(CompareOp, Literal),
    Has(Literal),
    IsSet,
    In(Vec<Literal>),
    /// No operator follows the name. Always an error, but the best suggestion depends on the name.
    Missing,
}

/// Parses a filter. Returns `None` for blank text.
pub(super) fn parse(text: &str) -> Result<Option<Tree>, FilterError> {
    let mut lexer = Lexer::new(text);
    let current = lexer.next_token()?;
    if current.kind == TokenKind::End {
        return Ok(None);
    }
    let mut parser = Parser { lexer, current, comparisons: 0, in_values: 0 };
    let tree = parser.expression(0)?;
    match parser.current.kind {
        TokenKind::End => Ok(Some(tree)),
        _ => Err(parser.error("this ) has no matching (: remove it")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    current: Token,
    comparisons: usize,
    in_values: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, FilterError> {
        let next = self.lexer.next_token()?;
        Ok(std::mem::replace(&mut self.current, next))
    }

    fn error(&self, message: impl Into<String>) -> FilterError {
        FilterError::syntax(self.current.column, message)
    }

    /// Stops at the end of the text or at an unmatched `)`.
    fn expression(&mut self, depth: usize) -> Result<Tree, FilterError> {
        let first = self.term(depth)?;
        let joiner = match self.current.kind {
            TokenKind::And | TokenKind::Or => self.current.kind.clone(),
            TokenKind::End | TokenKind::Close => return Ok(first),
            _ => return Err(self.no_joiner()),
        };
        let mut terms = vec![first];
        while self.current.kind == joiner {
            self.advance()?;
            terms.push(self.term(depth)?);
        }
        match self.current.kind {
            TokenKind::End | TokenKind::Close if joiner == TokenKind::And => Ok(Tree::And(terms)),
            TokenKind::End | TokenKind::Close => Ok(Tree::Or(terms)),
            TokenKind::And | TokenKind::Or => Err(self.error(
                "AND and OR meet without parentheses: write (a AND b) OR c, or a AND (b OR c)",
            )),
            _ => Err(self.no_joiner()),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Tree, FilterError> {
        match &self.current.kind {
            TokenKind::Not | TokenKind::Minus => {
                let depth = self.deeper(depth)?;
                self.advance()?;
                Ok(Tree::Not(Box::new(self.term(depth)?)))
            }
            TokenKind::Open => {
                let depth = self.deeper(depth)?;
                let open = self.advance()?;
                let inner = self.expression(depth)?;
                if self.current.kind != TokenKind::Close {
                    return Err(FilterError::syntax(open.column, "this ( is never closed: add )"));
                }
                self.advance()?;
                Ok(inner)
            }
            TokenKind::Literal(literal) => match field_name(literal) {
                Ok(name) => self.comparison(name).map(Tree::Comparison),
                Err(message) => Err(self.error(message)),
            },
            TokenKind::And | TokenKind::Or => {
                Err(self.error("a comparison is missing before this AND or OR"))
            }
            TokenKind::End => Err(self.error("the filter ends where a comparison is expected")),
            TokenKind::Close => Err(self.error("a comparison is missing before this )")),
            _ => Err(self.error(
                "a comparison begins with a field, as in first_name = \"Maria\" or tags:vip",
            )),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, FilterError> {
        if depth < MAX_DEPTH {
            return Ok(depth + 1);
        }
        let message = format!(
            "parentheses and NOT nest deeper than the limit of {MAX_DEPTH} levels: remove those \
             that are not needed"
        );
        Err(FilterError::new(FilterErrorKind::TooComplex, self.current.column, message))
    }

    fn comparison(&mut self, field: Name) -> Result<Comparison, FilterError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            let message = format!(
                "the filter has more comparisons than the limit of {MAX_COMPARISONS}: gather \
                 values of one field with IN (...)"
            );
            return Err(FilterError::new(FilterErrorKind::TooComplex, field.column, message));
        }
        self.advance()?;
        let column = self.current.column;
        let test = match self.current.kind.clone() {
            TokenKind::Operator(op) => {
                self.advance()?;
                Test::Compare(op, self.literal(&field)?)
            }
            TokenKind::Colon => {
                self.advance()?;
                if self.current.kind == TokenKind::Star {
                    self.advance()?;
                    Test::IsSet
                } else {
                    Test::Has(self.literal(&field)?)
                }
            }
            TokenKind::In => {
                self.advance()?;
                Test::In(self.list(&field)?)
            }
            TokenKind::End | TokenKind::Close | TokenKind::And | TokenKind::Or => Test::Missing,
            other => return Err(self.no_operator(&field, &other)),
        };
        Ok(Comparison { field, test, column })
    }

    fn list(&mut self, field: &Name) -> Result<Vec<Literal>, FilterError> {
        if self.current.kind != TokenKind::Open {
            return Err(self.error("IN needs its values in parentheses: IN (\"a\", \"b\")"));
        }
        let open = self.advance()?;
        let mut values = Vec::new();
        loop {
            self.in_values += 1;
            if self.in_values > MAX_IN_VALUES {
                let message = format!(
                    "the IN lists hold more values than the limit of {MAX_IN_VALUES}: tag the \
                     contacts and filter by the tag, or send several requests"
                );
                let column = self.current.column;
                return Err(FilterError::new(FilterErrorKind::TooComplex, column, message));
            }
            values.push(self.literal(field)?);
            match self.current.kind {
                TokenKind::Comma => self.advance()?,
                TokenKind::Close => {
                    self.advance()?;
                    return Ok(values);
                }
                TokenKind::End => {
                    return Err(FilterError::syntax(open.column, "this ( is never closed: add )"));
                }
                _ => {
                    return Err(self.error(
                        "write a comma between the values of IN, and quotes around text that \
                         holds spaces",
                    ));
                }
            };
        }
    }

    fn literal(&mut self, field: &Name) -> Result<Literal, FilterError> {
        let token = self.advance_value(field)?;
        match (token.kind, &self.current.kind) {
            (TokenKind::Literal(literal), _) => Ok(literal),
            (TokenKind::Minus, TokenKind::Literal(word))
                if !word.quoted && word.column == token.column + 1 =>
            {
                let mut literal = word.clone();
                literal.text.insert(0, '-');
                literal.column = token.column;
                self.advance()?;
                Ok(literal)
            }
            _ => Err(FilterError::syntax(token.column, "a value is expected, not a lone -")),
        }
    }

    /// Consumes the current token, which has to begin a literal.
    fn advance_value(&mut self, field: &Name) -> Result<Token, FilterError> {
        let message = match self.current.kind {
            TokenKind::Literal(_) | TokenKind::Minus => return self.advance(),
            TokenKind::Star => {
                let name = quotable(&field.text).unwrap_or("field");
                format!(
                    "a lone * is no value: write {name}:* to test that it is set; a prefix test \
                     puts the * behind text, as in \"Mar*\""
                )
            }
            TokenKind::And | TokenKind::Or | TokenKind::Not | TokenKind::In => {
                "a value is expected before this keyword; as a value it needs quotes".to_owned()
            }
            TokenKind::Open => {
                "a value is expected here; write IN (\"a\", \"b\") for one of several".to_owned()
            }
            TokenKind::Close => "a value is missing before this )".to_owned(),
            TokenKind::Comma => "a value is missing before this comma".to_owned(),
            TokenKind::Operator(_) | TokenKind::Colon => {
                "a value is expected here, not another operator".to_owned()
            }
            TokenKind::End => "the filter ends where a value is expected".to_owned(),
        };
        Err(self.error(message))
    }

    /// The error for a token that cannot follow a field name.
    fn no_operator(&mut self, field: &Name, found: &TokenKind) -> FilterError {
        let keyword = field.text.to_ascii_uppercase();
        let message = match found {
            TokenKind::Literal(_) | TokenKind::Open if keyword == "NOT" => {
                return FilterError::syntax(field.column, "keywords are upper case: write NOT");
            }
            TokenKind::Not => "NOT stands before the whole comparison: NOT tags IN (\"a\", \"b\")",
            TokenKind::Literal(word) if !word.quoted => {
                match word.text.to_ascii_uppercase().as_str() {
                    "IN" => "keywords are upper case: write IN",
                    "AND" => "keywords are upper case: write AND",
                    "OR" => "keywords are upper case: write OR",
                    "NOT" => "NOT is upper case and stands before the whole comparison",
                    "LIKE" | "ILIKE" | "CONTAINS" | "MATCHES" | "STARTS_WITH" => {
                        "there is no such operator: a prefix test is first_name = \"Mar*\""
                    }
                    "IS" => {
                        "there is no IS: write first_name:* for a value that is set, and \
                         NOT first_name:* for a missing one"
                    }
                    "BETWEEN" => "there is no BETWEEN: write x >= 1 AND x <= 9",
                    _ => NO_OPERATOR,
                }
            }
            _ => NO_OPERATOR,
        };
        self.error(message)
    }

    /// The error for a token that cannot follow a comparison.
    fn no_joiner(&mut self) -> FilterError {
        let column = self.current.column;
        let message = match &self.current.kind {
            TokenKind::Literal(word) if !word.quoted => {
                let upper = word.text.to_ascii_uppercase();
                if matches!(upper.as_str(), "AND" | "OR") {
                    return self.error(format!("keywords are upper case: write {upper}"));
                }
                let begins_comparison = self.advance().is_ok()
                    && matches!(
                        self.current.kind,
                        TokenKind::Operator(_) | TokenKind::Colon | TokenKind::In
                    );
                if begins_comparison { NO_JOINER } else { NO_QUOTES }
            }
            TokenKind::Literal(_) => NO_QUOTES,
            TokenKind::Operator(_) | TokenKind::Colon | TokenKind::In => {
                "the comparison before this is complete: join two with AND, and put quotes around \
                 text that holds : or =, as in \"2026-01-31T09:30:00Z\""
            }
            TokenKind::Minus => {
                "the comparison before this is complete: write AND before the next one; a time \
                 relative to the request has no spaces, as in now-30d"
            }
            TokenKind::Comma => "a comma only stands between the values of IN (\"a\", \"b\")",
            TokenKind::Star => "the * of a prefix test must touch its text, as in \"Mar*\"",
            TokenKind::Open => {
                "two comparisons stand next to each other: write AND between them (there are no \
                 functions)"
            }
            _ => NO_JOINER,
        };
        FilterError::syntax(column, message)
    }
}

const NO_OPERATOR: &str = "an operator is expected after the field: = != < <= > >= : or IN; free \
                           text is searched with the request's query and not with its filter";
const NO_JOINER: &str = "two comparisons stand next to each other: write AND between them";
const NO_QUOTES: &str = "the comparison before this is complete: write AND before the next one, or \
                         put text that holds spaces or punctuation in quotes";

fn field_name(literal: &Literal) -> Result<Name, &'static str> {
    if literal.quoted {
        return Err(
            "a comparison begins with a field, as in first_name = \"Maria\"; free text is \
                    searched with the request's query and not with its filter",
        );
    }
    if literal.star != Star::None {
        return Err("a * cannot stand in a field's name; a prefix test is first_name = \"Mar*\"");
    }
    if !literal.text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Err("a comparison begins with a field, as in first_name = \"Maria\" or tags:vip");
    }
    Ok(Name { text: literal.text.clone(), column: literal.column })
}

/// Returns the name if it looks like an identifier. Anything else may be personal data in the wrong
/// place, which an error must not repeat.
pub(super) fn quotable(name: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let fits = name.len() <= 60 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    (fits && name.chars().all(plain)).then_some(name)
}
