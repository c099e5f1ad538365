//! A condition that was read and checked.

use std::collections::BTreeSet;

use datafusion_expr::Expr;
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};

use crate::{Columns, Fault, functions::Surroundings, syntax, tokens, types};

/// A condition on the columns of a table: true or false, or unknown, for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    expr: Expr,
    columns: BTreeSet<String>,
}

impl Condition {
    /// Reads a condition on the columns of a table.
    ///
    /// # Errors
    /// The text is not one expression, names something that is not there, or mixes kinds of values. The fault is a
    /// sentence that goes after the name of the field.
    pub fn read(text: &str, columns: &Columns) -> Result<Self, Fault> {
        let parsed = syntax::parse(tokens::tokens_of(text)?, columns)?;
        let surroundings = Surroundings::new();
        let options = ParserOptions { enable_ident_normalization: false, ..ParserOptions::default() };
        let planner = SqlToRel::new_with_options(&surroundings, options);
        let expr = planner
            .sql_to_expr(parsed.expr, columns.fields(), &mut PlannerContext::new())
            .map_err(|error| Fault::NotSql(error.find_root().message().into_owned()))?;
        Ok(Self { expr: types::checked(expr, columns.fields())?, columns: parsed.columns })
    }

    /// The condition as DataFusion's logical expression, on columns by their exact names.
    #[must_use]
    pub const fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The columns that it looks at.
    #[must_use]
    pub const fn columns(&self) -> &BTreeSet<String> {
        &self.columns
    }
}
