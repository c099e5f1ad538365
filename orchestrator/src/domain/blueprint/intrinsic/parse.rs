//! Reads the text of a call. The grammar is in the States Language, section "Intrinsic Functions".

use serde_json::Value;

use super::{Argument, Call, Function, functions};
use crate::domain::blueprint::{path::Path, suggest::did_you_mean};

/// Calls within calls; the language's best known service allows as many.
const MAX_NESTING: usize = 10;

/// Reads a whole call; nothing may follow it.
pub(super) fn call(text: &str) -> Result<Call, String> {
    let mut reader = Reader { rest: text };
    let call = reader.call(1)?;
    match reader.rest.trim_start() {
        "" => Ok(call),
        rest => Err(format!("`{rest}` stands after the call")),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn call(&mut self, level: usize) -> Result<Call, String> {
        if level > MAX_NESTING {
            return Err(format!("calls are nested deeper than the {MAX_NESTING} levels allowed"));
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(self.rest.len());
        let name = &self.rest[..end];
        let function = Function::named(name).ok_or_else(|| {
            let hint = did_you_mean(name, Function::ALL.iter().map(|function| function.name()));
            format!("there is no function `{name}`{hint}")
        })?;
        self.rest = &self.rest[end..];
        self.expect('(', name)?;
        let mut arguments = Vec::new();
        self.skip_space();
        if !self.accept(')') {
            loop {
                arguments.push(self.argument(name, level)?);
                self.skip_space();
                if self.accept(')') {
                    break;
                }
                if self.rest.is_empty() {
                    return Err(format!("the text ends inside {name}: `)` is missing"));
                }
                if !self.accept(',') {
                    return Err(format!("`,` or `)` is missing before `{}` in {name}", self.rest));
                }
                self.skip_space();
            }
        }
        check(function, &arguments)?;
        Ok(Call { function, arguments })
    }

    fn argument(&mut self, name: &str, level: usize) -> Result<Argument, String> {
        match self.rest.chars().next() {
            None => Err(format!("the text ends inside {name}: `)` is missing")),
            Some('\'') => self.quoted().map(Argument::Quoted),
            Some('$') => self.path().map(Argument::Path),
            Some('S') => self.call(level + 1).map(Argument::Call),
            Some(_) => {
                let end = self.rest.find([',', ')', ' ', '(']).unwrap_or(self.rest.len());
                let word = &self.rest[..end];
                match serde_json::from_str::<Value>(word) {
                    Ok(value) if !value.is_string() && !value.is_object() && !value.is_array() => {
                        self.rest = &self.rest[end..];
                        Ok(Argument::Literal(value))
                    }
                    _ => Err(format!(
                        "`{word}` is no argument: write a path, a call, a number, true, false, null or 'text' in quotes"
                    )),
                }
            }
        }
    }

    /// A string in single quotes, without them, its backslashes kept.
    fn quoted(&mut self) -> Result<String, String> {
        let text = &self.rest[1..];
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.rest = &text[at + 1..];
                    return Ok(text[..at].to_owned());
                }
                '\\' if !matches!(chars.next(), Some((_, '\'' | '{' | '}' | '\\'))) => {
                    return Err(r"after a backslash only `'`, `{`, `}` and a backslash may stand".to_owned());
                }
                _ => {}
            }
        }
        Err(format!("the closing quote of '{text} is missing"))
    }

    /// A path ends at the first comma, parenthesis or space outside of brackets and quotes.
    fn path(&mut self) -> Result<Path, String> {
        let mut depth = 0usize;
        let mut quote = None;
        let mut escaped = false;
        let end = self.rest.char_indices().find_map(|(at, c)| {
            match (quote, c) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, ',' | ')' | ' ') if depth == 0 => return Some(at),
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth = depth.saturating_sub(1),
                (None, _) => {}
            }
            None
        });
        let (path, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Path::parse(path)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn accept(&mut self, c: char) -> bool {
        let found = self.rest.strip_prefix(c);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, c: char, name: &str) -> Result<(), String> {
        if self.accept(c) { Ok(()) } else { Err(format!("`{c}` is missing after {name}")) }
    }
}

/// Finds what is wrong with a call whatever the data will be.
fn check(function: Function, arguments: &[Argument]) -> Result<(), String> {
    let name = function.name();
    let (least, most) = function.arity();
    if arguments.len() < least || most.is_some_and(|most| most < arguments.len()) {
        let takes = match (least, most) {
            (0, _) => "no arguments".to_owned(),
            (1, Some(1)) => "1 argument".to_owned(),
            (least, Some(most)) if least == most => format!("{least} arguments"),
            (least, Some(most)) => format!("{least} to {most} arguments"),
            (least, None) => format!("at least {least} argument"),
        };
        return Err(format!("{name} takes {takes}, not {}", arguments.len()));
    }
    if function == Function::Format
        && let Some(Argument::Quoted(template)) = arguments.first()
    {
        let places = functions::places(template).map_err(|reason| format!("{name}: {reason}"))?;
        if places != arguments.len() - 1 {
            return Err(format!("{name}: the text has {places} places `{{}}` for {} values", arguments.len() - 1));
        }
        return Ok(());
    }
    let known: Option<Vec<_>> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Quoted(raw) => Some(std::borrow::Cow::Owned(unescape(raw).into())),
            Argument::Literal(value) => Some(std::borrow::Cow::Borrowed(value)),
            Argument::Path(_) | Argument::Call(_) => None,
        })
        .collect();
    match known {
        Some(known) => functions::try_out(function, known).map_err(|reason| format!("{name}: {reason}")),
        None => Ok(()),
    }
}

/// Takes out the backslashes of a quoted string; the reader has seen that they are in order.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}
