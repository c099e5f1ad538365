//! A text column of a JSON-lines file takes any value: strings as they are, everything else as its JSON text.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::StringBuilder;
use arrow_json::reader::{ArrayDecoder, DecoderContext, DecoderFactory, Tape, TapeElement};
use arrow_schema::{ArrowError, DataType, FieldRef};

/// Decodes every text column.
#[derive(Debug)]
pub(super) struct TextOfAnything;

impl DecoderFactory for TextOfAnything {
    fn make_default_decoder(
        &self,
        _: &DecoderContext,
        field: &FieldRef,
        _: bool,
    ) -> Result<Option<Box<dyn ArrayDecoder>>, ArrowError> {
        let decoder = || Box::new(TextDecoder) as Box<dyn ArrayDecoder>;
        Ok((*field.data_type() == DataType::Utf8).then(decoder))
    }
}

struct TextDecoder;

impl ArrayDecoder for TextDecoder {
    fn decode(&mut self, tape: &Tape<'_>, positions: &[u32]) -> Result<ArrayRef, ArrowError> {
        let mut texts = StringBuilder::with_capacity(positions.len(), 0);
        let mut json = String::new();
        for &position in positions {
            match tape.get(position) {
                TapeElement::Null => texts.append_null(),
                TapeElement::String(index) => texts.append_value(tape.get_string(index)),
                _ => {
                    json.clear();
                    write_json(tape, position, &mut json)?;
                    texts.append_value(&json);
                }
            }
        }
        Ok(Arc::new(texts.finish()))
    }
}

/// Writes the value at a position as JSON and returns the position after it.
fn write_json(tape: &Tape<'_>, position: u32, json: &mut String) -> Result<u32, ArrowError> {
    match tape.get(position) {
        TapeElement::StartObject(end) => {
            json.push('{');
            let mut next = position + 1;
            while next < end {
                separate(json);
                next = write_json(tape, next, json)?;
                json.push(':');
                next = write_json(tape, next, json)?;
            }
            json.push('}');
            return Ok(end + 1);
        }
        TapeElement::StartList(end) => {
            json.push('[');
            let mut next = position + 1;
            while next < end {
                separate(json);
                next = write_json(tape, next, json)?;
            }
            json.push(']');
            return Ok(end + 1);
        }
        TapeElement::String(index) => json.push_str(&serde_json::Value::from(tape.get_string(index)).to_string()),
        TapeElement::Number(index) => json.push_str(tape.get_string(index)),
        TapeElement::True => json.push_str("true"),
        TapeElement::False => json.push_str("false"),
        TapeElement::Null => json.push_str("null"),
        // The binary numbers come from serialised Rust values only, never from a file.
        other => return Err(ArrowError::JsonError(format!("unexpected {other:?} in JSON text"))),
    }
    Ok(position + 1)
}

/// A comma, but not before the first member.
fn separate(json: &mut String) {
    if !json.ends_with(['{', '[']) {
        json.push(',');
    }
}
