//! Lexer: splits a filter into tokens, one at a time, each with its column.

use std::iter::Peekable;
use std::str::Chars;

use super::FilterError;
use super::ast::CompareOp;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A word or quoted text. Whether it is a field or a value is up to the parser.
    Literal(Literal),
    Operator(CompareOp),
    Colon,
    Comma,
    Star,
    Minus,
    Open,
    Close,
    And,
    Or,
    Not,
    In,
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Literal {
    /// The text without quotes, escapes and the `*` of a prefix.
    pub text: String,
    pub quoted: bool,
    pub star: Star,
    pub column: usize,
}

/// Position of an unescaped `*` in a literal, unless it is a plain character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Star {
    None,
    Leading,
    Trailing,
}

pub(super) struct Lexer<'t> {
    rest: Peekable<Chars<'t>>,
    column: usize,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { rest: text.chars().peekable(), column: 1 }
    }

    pub fn next_token(&mut self) -> Result<Token, FilterError> {
        while self.rest.peek().is_some_and(|c| is_blank(*c)) {
            self.advance();
        }
        let column = self.column;
        let kind = match self.rest.peek().copied() {
            None => TokenKind::End,
            Some('(') => self.take(TokenKind::Open),
            Some(')') => self.take(TokenKind::Close),
            Some(',') => self.take(TokenKind::Comma),
            Some(':') => self.take(TokenKind::Colon),
            Some('*') => self.take(TokenKind::Star),
            Some('-') => self.take(TokenKind::Minus),
            Some('=' | '!' | '<' | '>') => self.operator()?,
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            Some(c) if is_word(c) => self.word()?,
            Some(c) => return Err(FilterError::syntax(column, unexpected(c))),
        };
        Ok(Token { kind, column })
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.rest.next();
        if next.is_some() {
            self.column += 1;
        }
        next
    }

    fn advance_if(&mut self, wanted: char) -> bool {
        let found = self.rest.peek() == Some(&wanted);
        if found {
            self.advance();
        }
        found
    }

    fn take(&mut self, kind: TokenKind) -> TokenKind {
        self.advance();
        kind
    }

    fn operator(&mut self) -> Result<TokenKind, FilterError> {
        let column = self.column;
        let first = self.advance();
        let second = self.rest.peek().copied();
        let (op, length) = match (first, second) {
            (Some('='), Some('=')) => {
                return Err(FilterError::syntax(column, "write = and not =="));
            }
            (Some('='), Some('<')) => {
                return Err(FilterError::syntax(column, "write <= and not =<"));
            }
            (Some('='), Some('>')) => {
                return Err(FilterError::syntax(column, "write >= and not =>"));
            }
            (Some('<'), Some('>')) => {
                return Err(FilterError::syntax(column, "write != and not <>"));
            }
            (Some('!'), Some('=')) => (CompareOp::Ne, 2),
            (Some('<'), Some('=')) => (CompareOp::Le, 2),
            (Some('>'), Some('=')) => (CompareOp::Ge, 2),
            (Some('='), _) => (CompareOp::Eq, 1),
            (Some('<'), _) => (CompareOp::Lt, 1),
            (Some('>'), _) => (CompareOp::Gt, 1),
            _ => {
                return Err(FilterError::syntax(column, "write NOT and not !, or != to compare"));
            }
        };
        if length == 2 {
            self.advance();
        }
        Ok(TokenKind::Operator(op))
    }

    fn word(&mut self) -> Result<TokenKind, FilterError> {
        let column = self.column;
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|c| is_word(*c)) {
            self.column += 1;
            text.push(c);
        }
        let star_column = self.column;
        let star = if self.advance_if('*') { Star::Trailing } else { Star::None };
        if star == Star::Trailing && self.rest.peek().is_some_and(|c| is_word(*c) || *c == '*') {
            return Err(FilterError::syntax(
                star_column,
                "without quotes a * can only stand at the end of a text: put the text in quotes, \
                 and write \\* for the character itself",
            ));
        }
        Ok(match (text.as_str(), star) {
            ("AND", Star::None) => TokenKind::And,
            ("OR", Star::None) => TokenKind::Or,
            ("NOT", Star::None) => TokenKind::Not,
            ("IN", Star::None) => TokenKind::In,
            _ => TokenKind::Literal(Literal { text, quoted: false, star, column }),
        })
    }

    fn quoted(&mut self, quote: char) -> Result<TokenKind, FilterError> {
        let column = self.column;
        let unclosed = || {
            let message = format!(
                "this quote is never closed: add {quote} at the end of the text, and write \
                 \\{quote} for a quote and \\\\ for a backslash inside it"
            );
            FilterError::syntax(column, message)
        };
        self.advance();
        let mut text = String::new();
        let mut leading = false;
        let mut trailing = false;
        loop {
            let at = self.column;
            let c = self.advance().ok_or_else(unclosed)?;
            if c == quote {
                break;
            }
            trailing = c == '*';
            match c {
                '\\' => match self.advance().ok_or_else(unclosed)? {
                    escaped @ ('"' | '\'' | '\\' | '*') => text.push(escaped),
                    _ => {
                        return Err(FilterError::syntax(
                            at,
                            "write \\\\ for a backslash; the other escapes are \\\" \\' and \\*",
                        ));
                    }
                },
                '*' => {
                    leading |= text.is_empty();
                    text.push(c);
                }
                _ if c.is_control() => return Err(FilterError::syntax(at, unexpected(c))),
                _ => text.push(c),
            }
        }
        let star = match (leading, trailing) {
            (true, _) => Star::Leading,
            (false, true) => Star::Trailing,
            (false, false) => Star::None,
        };
        if star == Star::Trailing {
            text.pop();
        }
        Ok(TokenKind::Literal(Literal { text, quoted: true, star, column }))
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c.is_whitespace() && !c.is_control())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | '@')
}

fn unexpected(c: char) -> String {
    match c {
        '&' => "write AND between comparisons".to_owned(),
        '|' => "write OR between comparisons".to_owned(),
        '~' | '%' => format!(
            "{c} is no operator and no pattern; a prefix test is first_name = \"Mar*\", and other \
             text that holds {c} needs quotes"
        ),
        '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '`' => {
            "use straight quotes, as in first_name = \"Maria\"".to_owned()
        }
        _ if c.is_control() => {
            format!("control characters such as U+{:04X} are not allowed", u32::from(c))
        }
        _ if c.is_ascii() => format!("{c} has no meaning here: text that holds it needs quotes"),
        _ => "this character has no meaning here: text that holds it needs quotes".to_owned(),
    }
}
