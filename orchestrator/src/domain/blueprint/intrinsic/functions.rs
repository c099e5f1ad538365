//! What each intrinsic function computes. Limits and rounding are those of the States Language.

use std::{borrow::Cow, fmt::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::domain::blueprint::scope::World;

/// Characters that the encoding and hashing functions take.
const MAX_CHARACTERS: usize = 10_000;
/// Items that `States.ArrayRange` makes.
const MAX_RANGE: i64 = 1000;

macro_rules! functions {
    ($($function:ident = $least:literal ..= $most:expr;)*) => {
        /// The functions there are, named as in the language.
        #[allow(clippy::upper_case_acronyms)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($function,)*
        }

        impl Function {
            pub(super) const ALL: &[Self] = &[$(Self::$function,)*];

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$function => concat!("States.", stringify!($function)),)*
                }
            }

            /// The fewest and the most arguments it takes.
            pub(super) const fn arity(self) -> (usize, Option<usize>) {
                match self {
                    $(Self::$function => ($least, $most),)*
                }
            }
        }
    };
}

functions! {
    Format = 1..=None;
    StringToJson = 1..=Some(1);
    JsonToString = 1..=Some(1);
    Array = 0..=None;
    ArrayPartition = 2..=Some(2);
    ArrayContains = 2..=Some(2);
    ArrayRange = 3..=Some(3);
    ArrayGetItem = 2..=Some(2);
    ArrayLength = 1..=Some(1);
    ArrayUnique = 1..=Some(1);
    Base64Encode = 1..=Some(1);
    Base64Decode = 1..=Some(1);
    Hash = 2..=Some(2);
    JsonMerge = 3..=Some(3);
    MathRandom = 2..=Some(3);
    MathAdd = 2..=Some(2);
    StringSplit = 2..=Some(2);
    UUID = 0..=Some(0);
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }
}

type Arguments<'v> = Vec<Cow<'v, Value>>;

/// Computes a function; the number of arguments has been checked.
pub(super) fn apply(function: Function, mut arguments: Arguments<'_>, world: &World<'_>) -> Result<Value, String> {
    match function {
        Function::UUID => {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&world.draw()[..16]);
            Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into())
        }
        Function::MathRandom if arguments.len() == 2 => random(&arguments, world.draw()),
        Function::Format => {
            let values = arguments.split_off(1);
            let template = text(&arguments[0], "the first argument")?;
            format(template, &values)
        }
        other => compute(other, arguments),
    }
}

/// Computes a function of known arguments just to see that it can be.
pub(super) fn try_out(function: Function, arguments: Arguments<'_>) -> Result<(), String> {
    match function {
        // `Format` is checked by its places.
        Function::UUID | Function::Format => Ok(()),
        Function::MathRandom if arguments.len() == 2 => random(&arguments, [0; 32]).map(drop),
        other => compute(other, arguments).map(drop),
    }
}

/// Computes a function that neither takes from the data nor from chance.
pub(super) fn compute(function: Function, mut arguments: Arguments<'_>) -> Result<Value, String> {
    let first = arguments.first().map(|argument| argument.as_ref()).unwrap_or(&Value::Null);
    match function {
        Function::StringToJson => {
            serde_json::from_str(text(first, "the argument")?).map_err(|e| format!("the text is no JSON: {e}"))
        }
        Function::JsonToString => Ok(first.to_string().into()),
        Function::Array => Ok(arguments.into_iter().map(Cow::into_owned).collect()),
        Function::ArrayPartition => {
            let size = integer(&arguments[1], "the chunk size")?;
            let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or("the chunk size must be 1 or more")?;
            Ok(array(first)?.chunks(size).map(<[Value]>::to_vec).collect())
        }
        Function::ArrayContains => Ok(array(first)?.iter().any(|item| equal(item, &arguments[1])).into()),
        Function::ArrayRange => range(&arguments),
        Function::ArrayGetItem => {
            let items = array(first)?;
            let index = integer(&arguments[1], "the index")?;
            let item = usize::try_from(index).ok().and_then(|index| items.get(index));
            item.cloned().ok_or_else(|| format!("there is no item {index} in an array of {}", items.len()))
        }
        Function::ArrayLength => Ok(array(first)?.len().into()),
        Function::ArrayUnique => Ok(unique(array(first)?)),
        Function::Base64Encode => Ok(STANDARD.encode(short_text(first)?).into()),
        Function::Base64Decode => {
            let bytes = STANDARD.decode(short_text(first)?).map_err(|e| format!("the text is no Base64: {e}"))?;
            String::from_utf8(bytes).map(Value::from).map_err(|_| "what was encoded is no UTF-8 text".to_owned())
        }
        Function::Hash => hash(first, text(&arguments[1], "the algorithm")?),
        Function::JsonMerge => {
            match arguments[2].as_ref() {
                Value::Bool(false) => {}
                Value::Bool(true) => {
                    return Err("deep merging is not supported: the third argument must be false".to_owned());
                }
                _ => return Err("the third argument must be false".to_owned()),
            }
            let second = object(arguments.swap_remove(1).into_owned())?;
            let mut merged = object(arguments.swap_remove(0).into_owned())?;
            merged.extend(second);
            Ok(merged.into())
        }
        Function::MathRandom => {
            let seed = integer(&arguments[2], "the seed")?;
            random(&arguments, Sha256::digest(seed.to_le_bytes()).into())
        }
        Function::MathAdd => {
            let sum = integer(first, "the first argument")? + integer(&arguments[1], "the second argument")?;
            i32::try_from(sum).map(Value::from).map_err(|_| format!("the sum {sum} does not fit 32 bits"))
        }
        Function::StringSplit => {
            let separators = text(&arguments[1], "the separators")?;
            let parts = text(first, "the first argument")?.split(|c| separators.contains(c));
            Ok(parts.filter(|part| !part.is_empty()).collect())
        }
        Function::Format | Function::UUID => Err("needs a state to be computed in".to_owned()),
    }
}

/// How many `{}` a template has.
pub(super) fn places(template: &str) -> Result<usize, String> {
    parts(template).map(|parts| parts.len() - 1)
}

fn format(template: &str, values: &[Cow<'_, Value>]) -> Result<Value, String> {
    let parts = parts(template)?;
    if parts.len() - 1 != values.len() {
        return Err(format!("the text has {} places `{{}}` for {} values", parts.len() - 1, values.len()));
    }
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            match values[at - 1].as_ref() {
                Value::String(text) => out.push_str(text),
                other => write!(out, "{other}").expect("a string takes all that is written to it"),
            }
        }
        out.push_str(part);
    }
    Ok(out.into())
}

/// The text around each `{}`, backslashes taken out.
fn parts(template: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![];
    let mut part = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\'' | '{' | '}' | '\\')) => part.push(escaped),
                _ => return Err(r"after a backslash only `'`, `{`, `}` and a backslash may stand".to_owned()),
            },
            '{' if chars.next() == Some('}') => parts.push(std::mem::take(&mut part)),
            '{' | '}' => return Err(r"a brace that is not `{}` needs a backslash before it".to_owned()),
            c => part.push(c),
        }
    }
    parts.push(part);
    Ok(parts)
}

fn range(arguments: &Arguments<'_>) -> Result<Value, String> {
    let start = integer(&arguments[0], "the start")?;
    let end = integer(&arguments[1], "the end")?;
    let step = integer(&arguments[2], "the step")?;
    if step == 0 {
        return Err("the step must not be zero".to_owned());
    }
    let span = end - start;
    if span != 0 && (span < 0) != (step < 0) {
        return Ok(Value::Array(Vec::new()));
    }
    let items = span / step + 1;
    if items > MAX_RANGE {
        return Err(format!("the range has {items} items, more than the {MAX_RANGE} allowed"));
    }
    Ok((0..items).map(|item| start + item * step).collect())
}

fn unique(items: &[Value]) -> Value {
    let mut seen = std::collections::HashSet::new();
    // Two values are equal when they have one text; that of a whole number written as a float is its integer's.
    items.iter().filter(|item| seen.insert(identity(item))).cloned().collect()
}

fn identity(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).to_string(),
        _ => value.to_string(),
    }
}

/// Equality in which 1 and 1.0 are one number.
fn equal(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && other.is_number() && identity(one) == identity(other))
}

fn hash(value: &Value, algorithm: &str) -> Result<Value, String> {
    let bytes = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if bytes.chars().count() > MAX_CHARACTERS {
        return Err(format!("the value has more than the {MAX_CHARACTERS} characters allowed"));
    }
    Ok(match algorithm {
        "MD5" => hex::encode(md5::Md5::digest(&bytes)),
        "SHA-1" => hex::encode(sha1::Sha1::digest(&bytes)),
        "SHA-256" => hex::encode(Sha256::digest(&bytes)),
        "SHA-384" => hex::encode(sha2::Sha384::digest(&bytes)),
        "SHA-512" => hex::encode(sha2::Sha512::digest(&bytes)),
        other => return Err(format!("`{other}` is none of MD5, SHA-1, SHA-256, SHA-384, SHA-512")),
    }
    .into())
}

/// A whole number from the first argument, included, to the second, not included.
fn random(arguments: &Arguments<'_>, bits: [u8; 32]) -> Result<Value, String> {
    let start = integer(&arguments[0], "the start")?;
    let end = integer(&arguments[1], "the end")?;
    if end <= start {
        return Err("the end must be greater than the start".to_owned());
    }
    let drawn = bits.first_chunk::<8>().map_or(0, |bits| u64::from_le_bytes(*bits));
    // The product's upper half is even over the range, but for a bias of range / 2^64.
    let offset = (u128::from(drawn) * (end - start).unsigned_abs() as u128) >> 64;
    Ok((start + offset as i64).into())
}

fn text<'v>(value: &'v Value, what: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{what} must be text"))
}

fn short_text(value: &Value) -> Result<&str, String> {
    let text = text(value, "the argument")?;
    if text.chars().count() > MAX_CHARACTERS {
        return Err(format!("the text has more than the {MAX_CHARACTERS} characters allowed"));
    }
    Ok(text)
}

fn array(value: &Value) -> Result<&[Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| "the first argument must be an array".to_owned())
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err("the first two arguments must be objects".to_owned()),
    }
}

/// A number of at most 53 bits, rounded where it is not whole.
fn integer(value: &Value, what: &str) -> Result<i64, String> {
    let number = value.as_f64().ok_or_else(|| format!("{what} must be a number"))?;
    if number.abs() > 9e15 { Err(format!("{what} is out of range")) } else { Ok(number.round() as i64) }
}
