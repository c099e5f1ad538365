//! Columns by their names.

use datafusion::{common::Column, logical_expr::Expr};

/// A column by its name, whatever characters that has: DataFusion's own `col` reads dots and capitals as SQL does.
pub(crate) fn column(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
