//! Parses the tokens of a condition, lets through the parts of SQL that conditions are made of, and finds the columns.

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion_sql::sqlparser::{
    ast::{
        BinaryOperator, CastKind, CeilFloorKind, DataType as SqlType, DateTimeField, Expr, Function, FunctionArg,
        FunctionArgExpr, FunctionArguments, Ident, Query, UnaryOperator, Value, VisitMut, VisitorMut,
    },
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

use crate::{Columns, Fault, functions::offered, kinds::Kind, tokens::DIALECT};

/// Levels of brackets, functions and operators within one another that the parser follows.
const MAX_DEPTH: usize = 100;
/// Texts that may be joined in all: what is joined again and again would fill the memory.
const MAX_JOINED: usize = 16;
/// Words that begin a statement.
const STATEMENTS: [&str; 21] = [
    "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "COMMIT", "COPY", "CREATE", "DELETE", "DESCRIBE", "DROP", "EXECUTE",
    "EXPLAIN", "INSERT", "MERGE", "SELECT", "SET", "SHOW", "TRUNCATE", "UPDATE", "WITH",
];

/// A parsed condition: every column in it carries its exact name.
pub(crate) struct Parsed {
    pub(crate) expr: Expr,
    pub(crate) columns: BTreeSet<String>,
}

/// Parses tokens into one expression on the columns of a table.
pub(crate) fn parse(tokens: Vec<TokenWithSpan>, columns: &Columns) -> Result<Parsed, Fault> {
    let first = tokens.iter().find_map(|token| match &token.token {
        Token::Whitespace(_) => None,
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => Some(String::new()),
    });
    parse_whole(tokens, columns).map_err(|fault| match (&fault, first) {
        // A column may have such a name; what cannot be read and begins so is a statement.
        (Fault::NotSql(_) | Fault::Trailing(_), Some(word)) if STATEMENTS.contains(&word.as_str()) => {
            Fault::Statement(format!("it begins with {word}"))
        }
        _ => fault,
    })
}

fn parse_whole(tokens: Vec<TokenWithSpan>, columns: &Columns) -> Result<Parsed, Fault> {
    let mut parser = Parser::new(&DIALECT).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
    let mut expr = parser.parse_expr().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => Fault::TooDeep,
        ParserError::ParserError(reason) | ParserError::TokenizerError(reason) => Fault::NotSql(reason),
    })?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Fault::Trailing(rest.token.to_string()));
    }
    let mut reader = Reader { table: columns, columns: BTreeSet::new(), joined: 0 };
    match expr.visit(&mut reader) {
        ControlFlow::Break(fault) => Err(fault),
        ControlFlow::Continue(()) => Ok(Parsed { expr, columns: reader.columns }),
    }
}

struct Reader<'s> {
    table: &'s Columns,
    columns: BTreeSet<String>,
    joined: usize,
}

impl VisitorMut for Reader<'_> {
    type Break = Fault;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Fault> {
        ControlFlow::Break(Fault::SubQuery)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        match self.admit(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => ControlFlow::Break(fault),
        }
    }
}

impl Reader<'_> {
    /// Lets one part of an expression through, or says why not. What it is made of is looked at in its turn.
    fn admit(&mut self, expr: &mut Expr) -> Result<(), Fault> {
        let refused = |what: &str| Err(Fault::NotOffered(what.to_owned()));
        match expr {
            Expr::Identifier(name) => self.column(name),
            Expr::CompoundIdentifier(parts) => self.dotted(parts),
            Expr::Value(value) => literal(&value.value),
            Expr::BinaryOp { op, .. } => self.binary(op),
            Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::Minus | UnaryOperator::Plus, .. } => Ok(()),
            Expr::UnaryOp { op, .. } => Err(Fault::NotOffered(format!("the operator {op}"))),
            Expr::Function(function) => self.function(function),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::TryCast | CastKind::DoubleColon,
                data_type,
                format,
                array,
                ..
            } => {
                if format.is_some() || *array {
                    return refused("a CAST with a format or to a list");
                }
                plain(data_type)
            }
            Expr::TypedString(typed) => plain(&typed.data_type),
            Expr::Like { any, .. } | Expr::ILike { any, .. } if *any => refused("LIKE ANY"),
            Expr::Ceil { field, .. } | Expr::Floor { field, .. }
                if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) =>
            {
                refused("CEIL or FLOOR to a unit")
            }
            Expr::Nested(_)
            | Expr::Between { .. }
            | Expr::Case { .. }
            | Expr::Ceil { .. }
            | Expr::Extract { .. }
            | Expr::Floor { .. }
            | Expr::ILike { .. }
            | Expr::InList { .. }
            | Expr::Interval(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsFalse(_)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsNotFalse(_)
            | Expr::IsNotNull(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsUnknown(_)
            | Expr::Like { .. }
            | Expr::Position { .. }
            | Expr::SimilarTo { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. } => Ok(()),
            Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::Subquery(_) => Err(Fault::SubQuery),
            Expr::Tuple(_) => refused("a list of values outside of IN (…)"),
            other => Err(Fault::NotOffered(excerpt(other))),
        }
    }

    fn column(&mut self, name: &mut Ident) -> Result<(), Fault> {
        let quoted = name.quote_style.is_some();
        let field = self.table.meant(&name.value, quoted)?;
        if Kind::of(field.data_type()) == Kind::Opaque {
            let kind = field.data_type().to_string();
            return Err(Fault::Opaque { name: field.name().clone(), kind });
        }
        self.columns.insert(field.name().clone());
        name.value.clone_from(field.name());
        // In quotes a name is taken as it stands, whatever is in it.
        name.quote_style = Some('"');
        Ok(())
    }

    /// `a.b` is no column of one table; a column whose name has a dot is written in quotes.
    fn dotted(&self, parts: &[Ident]) -> Result<(), Fault> {
        let whole = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
        Err(match self.table.named(&whole) {
            Some(_) => Fault::Reserved(whole),
            None => Fault::NotOffered(format!("names of two parts such as {}", shortened(whole))),
        })
    }

    fn binary(&mut self, op: &BinaryOperator) -> Result<(), Fault> {
        use BinaryOperator as Op;
        match op {
            Op::StringConcat => self.join(1),
            Op::And | Op::Or | Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => Ok(()),
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => Ok(()),
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => Ok(()),
            other => Err(Fault::NotOffered(format!("the operator {other}"))),
        }
    }

    fn function(&mut self, function: &Function) -> Result<(), Fault> {
        let name = function.name.to_string();
        let FunctionArguments::List(list) = &function.args else {
            // Words such as CURRENT_DATE and USER call a function without brackets.
            return Err(match self.table.named(&name) {
                Some(_) => Fault::Reserved(name),
                None => Fault::NoFunction(shortened(name)),
            });
        };
        if !offered(&name) {
            return Err(Fault::NoFunction(shortened(name)));
        }
        let plain = function.over.is_none()
            && function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && matches!(function.parameters, FunctionArguments::None)
            && list.duplicate_treatment.is_none()
            && list.clauses.is_empty()
            && list.args.iter().all(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_))));
        if !plain {
            return Err(Fault::NotOffered(format!("anything but values in the brackets of {name}, or after them")));
        }
        match name.to_lowercase().starts_with("concat") {
            true => self.join(list.args.len()),
            false => Ok(()),
        }
    }

    fn join(&mut self, texts: usize) -> Result<(), Fault> {
        self.joined += texts;
        match self.joined <= MAX_JOINED {
            true => Ok(()),
            false => Err(Fault::NotOffered(format!("more than {MAX_JOINED} texts joined"))),
        }
    }
}

fn literal(value: &Value) -> Result<(), Fault> {
    match value {
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(()),
        Value::Placeholder(name) => Err(Fault::Placeholder(name.clone())),
        other => Err(Fault::NotOffered(format!("a literal such as {}", shortened(other.to_string())))),
    }
}

/// Types of single values; lists and structures are refused here, all else where their kind is looked at.
fn plain(data_type: &SqlType) -> Result<(), Fault> {
    match data_type {
        SqlType::Array(_) | SqlType::Struct(..) | SqlType::Map(..) | SqlType::Tuple(_) | SqlType::Nested(_) => {
            Err(Fault::NotOffered(format!("the type {}", shortened(data_type.to_string()))))
        }
        _ => Ok(()),
    }
}

fn excerpt(expr: &Expr) -> String {
    shortened(expr.to_string())
}

/// At most the beginning of what was written: a fault is one sentence.
pub(crate) fn shortened(text: String) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
