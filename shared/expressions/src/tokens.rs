//! Cuts a text into tokens, and refuses one whose size or whose tokens no condition needs.
//!
//! The height of what is parsed later is at most the number of operators, brackets and SQL words, so this is where a
//! stack overflow is made impossible.

use datafusion_sql::sqlparser::{
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace},
};

use crate::Fault;

/// Longest text that is read: a list of a thousand numbers fits.
pub(crate) const MAX_BYTES: usize = 16 << 10;
/// Most operators, brackets and words of SQL.
pub(crate) const MAX_PARTS: usize = 512;

/// The dialect of all conditions.
pub(crate) const DIALECT: GenericDialect = GenericDialect {};

/// The tokens of a text, if they may stand in a condition at all.
pub(crate) fn tokens_of(text: &str) -> Result<Vec<TokenWithSpan>, Fault> {
    if MAX_BYTES < text.len() {
        return Err(Fault::TooLong { bytes: text.len() });
    }
    let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|e| Fault::NotSql(e.to_string()))?;
    let mut parts = 0;
    let mut empty = true;
    for token in &tokens {
        match &token.token {
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                return Err(Fault::Comment);
            }
            Token::Whitespace(_) | Token::EOF => continue,
            Token::SemiColon => return Err(Fault::Statement("it has a semicolon".to_owned())),
            Token::Placeholder(name) => return Err(Fault::Placeholder(name.clone())),
            // Lists of values are wide, not deep.
            Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) => {}
            Token::Word(word) if matches!(word.keyword, Keyword::NoKeyword | Keyword::TRUE | Keyword::FALSE) => {}
            _ => parts += 1,
        }
        empty = false;
    }
    match () {
        () if empty => Err(Fault::Empty),
        () if MAX_PARTS < parts => Err(Fault::TooManyParts),
        () => Ok(tokens),
    }
}
