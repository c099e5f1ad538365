//! What stands for a value while values are counted: a short key for a long text, and one for a whole row.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Int64Array, StringArray},
        datatypes::DataType,
        row::{RowConverter, SortField},
    },
    common::{Result, ScalarValue},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf,
    },
};
use sha2::{Digest, Sha256};

/// Bytes of a text that is its own key.
pub(super) const LONGEST_TEXT: usize = 256;
/// Bytes of a longer one that people are shown.
const SHOWN: usize = 200;
/// Between what is shown of a text and its hash.
const MARK: &str = "…#";

/// The text itself, or the beginning of a long one with its hash: equal keys are equal texts.
#[must_use]
pub(super) fn text_key(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let shown = &text[..text.floor_char_boundary(SHOWN)];
    format!("{shown}{MARK}{}", hex::encode(&Sha256::digest(text)[..16]))
}

/// What people are shown of a key.
#[must_use]
pub(super) fn shown(key: &str) -> String {
    match key.rsplit_once(MARK) {
        Some((text, hash)) if hash.len() == 32 && key.len() > SHOWN - 4 => format!("{text}…"),
        _ => key.to_owned(),
    }
}

/// The key of each text.
pub(super) fn key_of(text: Expr) -> Expr {
    let keys = |texts: &StringArray| {
        let keys = texts.iter().map(|text| text.map(text_key));
        Arc::new(keys.collect::<StringArray>()) as ArrayRef
    };
    of_text("text_key", DataType::Utf8, keys).call(vec![text])
}

/// The length of each text in characters.
pub(super) fn length_of(text: Expr) -> Expr {
    let lengths = |texts: &StringArray| {
        let count = |text: &str| i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        Arc::new(texts.iter().map(|text| text.map(count)).collect::<Int64Array>()) as ArrayRef
    };
    of_text("text_length", DataType::Int64, lengths).call(vec![text])
}

fn of_text(name: &str, result: DataType, each: fn(&StringArray) -> ArrayRef) -> ScalarUDF {
    let function = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        Ok(ColumnarValue::Array(each(arrays[0].as_string::<i32>())))
    };
    create_udf(name, vec![DataType::Utf8], result, Volatility::Immutable, Arc::new(function))
}

/// A number for each row of these columns: equal rows have equal numbers, and others, with a chance of one in 2⁶⁴, do too.
pub(super) fn row_key(columns: Vec<Expr>) -> Expr {
    ScalarUDF::from(RowKey { signature: Signature::variadic_any(Volatility::Immutable) }).call(columns)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowKey {
    signature: Signature,
}

impl ScalarUDFImpl for RowKey {
    fn name(&self) -> &str {
        "row_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(&arrays)?;
        let key = |row: &[u8]| {
            let hash = Sha256::digest(row);
            i64::from_le_bytes(hash[..8].try_into().unwrap_or_default())
        };
        let keys = Int64Array::from_iter_values(rows.iter().map(|row| key(row.as_ref())));
        match (keys.len(), arguments.number_rows) {
            // Constants alone stand for one row.
            (1, rows) if rows != 1 => Ok(ColumnarValue::Scalar(ScalarValue::Int64(Some(keys.value(0))))),
            _ => Ok(ColumnarValue::Array(Arc::new(keys))),
        }
    }
}

/// Whether rows with columns of this type can be told apart.
#[must_use]
pub(super) fn has_key(data_type: &DataType) -> bool {
    RowConverter::supports_fields(&[SortField::new(data_type.clone())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_has_a_short_key_of_its_own() {
        let (a, b) = (format!("{}a", "é".repeat(500)), format!("{}b", "é".repeat(500)));

        assert_eq!(text_key("short"), "short");
        assert!(text_key(&a).len() <= LONGEST_TEXT);
        assert_ne!(text_key(&a), text_key(&b));
        assert_eq!(shown(&text_key(&a)), format!("{}…", "é".repeat(100)));
        assert_eq!(shown("a…#b"), "a…#b");
    }
}
