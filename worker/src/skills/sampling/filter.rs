//! Conditions, ready to be asked of batches of rows.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, BooleanArray, RecordBatch, cast::AsArray},
        compute::{and, prep_null_mask_filter},
        datatypes::Schema,
    },
    common::{
        DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    error::DataFusionError,
    physical_expr::{PhysicalExpr, expressions::BinaryExpr},
    prelude::SessionContext,
};
use relevo_expressions::{Columns, Condition};

use crate::skills::{SkillError, tabular::data_error};

/// A condition as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The field that it stands in, for example `rounds[0].filters.expression`.
    pub field: String,
    /// The condition.
    pub text: String,
}

/// Rows that fulfil every one of some conditions.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    conditions: Vec<(String, Arc<dyn PhysicalExpr>)>,
}

/// The columns that conditions look at.
///
/// # Errors
/// `InvalidInput` naming the field of a condition that cannot be read.
pub fn columns_of(asked: &[Asked], table: &Schema) -> Result<BTreeSet<String>, SkillError> {
    let mut columns = BTreeSet::new();
    let known = Columns::of(table).map_err(|fault| SkillError::invalid("source", fault.to_string()))?;
    for asked in asked {
        columns.extend(read(asked, &known)?.columns().iter().cloned());
    }
    Ok(columns)
}

impl Filter {
    /// Conditions on batches of this schema.
    ///
    /// # Errors
    /// `InvalidInput` naming the field of a condition that cannot be run.
    pub fn new(asked: &[Asked], batches: &Schema) -> Result<Self, SkillError> {
        if asked.is_empty() {
            return Ok(Self::default());
        }
        let known = Columns::of(batches).map_err(|fault| SkillError::invalid("source", fault.to_string()))?;
        let fields = DFSchema::try_from(batches.clone()).map_err(|error| data_error("source", &error))?;
        let session = SessionContext::new();
        let ready = |asked: &Asked| {
            let condition = read(asked, &known)?;
            let expr = session.create_physical_expr(condition.expr().clone(), &fields).and_then(strict);
            let expr =
                expr.map_err(|error| SkillError::invalid(&asked.field, error.find_root().message().into_owned()))?;
            Ok((asked.field.clone(), expr))
        };
        Ok(Self { conditions: asked.iter().map(ready).collect::<Result<_, SkillError>>()? })
    }

    /// Whether every row fulfils it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Which rows fulfil all conditions; where one is unknown the row does not.
    ///
    /// # Errors
    /// `InvalidInput` naming the field of a condition that a row makes impossible, such as a division by zero.
    pub fn pass(&self, batch: &RecordBatch) -> Result<BooleanArray, SkillError> {
        let mut passed: Option<BooleanArray> = None;
        for (field, expr) in &self.conditions {
            let fault = |error: DataFusionError| match data_error(field, &error) {
                SkillError::InvalidInput { .. } => {
                    SkillError::invalid(field, format!("cannot be computed for a row: {}", error.find_root().message()))
                }
                other => other,
            };
            let value = expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())).map_err(fault)?;
            let judged = without_nulls(value.as_boolean());
            passed = Some(match passed {
                None => judged,
                Some(before) => and(&before, &judged).map_err(|error| fault(error.into()))?,
            });
        }
        Ok(passed.unwrap_or_else(|| BooleanArray::from(vec![true; batch.num_rows()])))
    }
}

/// The same with sums, differences and products that fail where they leave their type's range, as divisions by zero do:
/// a number that wrapped around would draw other rows without a word.
fn strict(expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let strict = expr.transform_up(|node| match node.downcast_ref::<BinaryExpr>() {
        Some(binary) => {
            let binary = BinaryExpr::new(Arc::clone(binary.left()), *binary.op(), Arc::clone(binary.right()));
            Ok(Transformed::yes(Arc::new(binary.with_fail_on_overflow(true)) as Arc<dyn PhysicalExpr>))
        }
        None => Ok(Transformed::no(node)),
    });
    strict.map(|strict| strict.data)
}

fn without_nulls(judged: &BooleanArray) -> BooleanArray {
    if judged.null_count() == 0 { judged.clone() } else { prep_null_mask_filter(judged) }
}

fn read(asked: &Asked, columns: &Columns) -> Result<Condition, SkillError> {
    Condition::read(&asked.text, columns).map_err(|fault| SkillError::invalid(&asked.field, fault.to_string()))
}
