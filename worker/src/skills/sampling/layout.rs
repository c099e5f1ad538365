//! What is stored of the drawn rows: which columns, in which order. Pure.

use std::collections::BTreeSet;

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    logical_expr::{SortExpr, lit, when},
};

use super::parameters::{Request, Selection};
use crate::skills::{SkillError, tabular::column};

/// The column that says which round drew a row. One of the source's own of this name is left out of the sample.
pub const ROUND_NUMBER: &str = "round_number";

/// How the sample is stored.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Places of the source's columns that are stored, in the order in which they are.
    pub stored: Vec<usize>,
    /// Places of columns that are only sorted by.
    pub sorted_by: Vec<usize>,
    /// Of each round that stores only some of the columns: its number and the stored ones that it leaves out, by their
    /// place in `stored`.
    pub hidden: Vec<(u32, BTreeSet<usize>)>,
    order: Vec<Key>,
    by_round: bool,
}

/// One column that rows are sorted by, all of them or those of one round.
#[derive(Debug, Clone)]
struct Key {
    column: String,
    descending: bool,
    round: Option<u32>,
}

impl Layout {
    /// The layout that a request asks for.
    ///
    /// # Errors
    /// `InvalidInput` naming a column that the table does not have.
    pub fn new(request: &Request, table: &Schema) -> Result<Self, SkillError> {
        let own: Vec<(u32, &Selection)> = request
            .rounds
            .iter()
            .map(|round| (round.number, round.selection.as_ref().unwrap_or(&request.selection)))
            .collect();
        check("selection", &request.selection, table)?;
        for round in &request.rounds {
            if let Some(selection) = &round.selection {
                check(&round.field("selection"), selection, table)?;
            }
        }
        let alike = own.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let names: Vec<&str> = match own.first() {
            Some((_, Selection { columns: Some(columns), .. })) if alike => {
                columns.iter().map(String::as_str).collect()
            }
            _ => {
                let wanted = |name: &str| {
                    let by = |selection: &Selection| {
                        selection.columns.as_ref().is_none_or(|columns| columns.iter().any(|one| one == name))
                    };
                    own.iter().any(|(_, selection)| by(selection))
                };
                table.fields().iter().map(|field| field.name().as_str()).filter(|name| wanted(name)).collect()
            }
        };
        let names: Vec<&str> = names.into_iter().filter(|name| *name != ROUND_NUMBER).collect();
        let hidden = own.iter().filter_map(|(number, selection)| {
            let columns = selection.columns.as_ref()?;
            let left_out: BTreeSet<usize> = names
                .iter()
                .enumerate()
                .filter(|(_, name)| !columns.iter().any(|column| column == *name))
                .map(|(place, _)| place)
                .collect();
            (!left_out.is_empty()).then_some((*number, left_out))
        });
        let keys_of = |round: Option<u32>, selection: &Selection| {
            let keys = selection.order_by.0.iter();
            keys.map(|column| Key { column: column.clone(), descending: selection.order_desc, round })
                .collect::<Vec<_>>()
        };
        let order: Vec<Key> = match own.first() {
            Some((_, selection)) if alike => keys_of(None, selection),
            _ => own.iter().flat_map(|(number, selection)| keys_of(Some(*number), selection)).collect(),
        };
        let place = |name: &str| table.index_of(name).ok();
        let mut sorted_by: Vec<usize> = order
            .iter()
            .filter(|key| !names.contains(&key.column.as_str()))
            .filter_map(|key| place(&key.column))
            .collect();
        sorted_by.sort_unstable();
        sorted_by.dedup();
        Ok(Self {
            stored: names.iter().filter_map(|name| place(name)).collect(),
            sorted_by,
            hidden: hidden.collect(),
            by_round: !alike && !order.is_empty(),
            order,
        })
    }

    /// Whether rows are in another order than in the source.
    #[must_use]
    pub fn is_sorted(&self) -> bool {
        !self.order.is_empty()
    }

    /// The columns of the sample.
    #[must_use]
    pub fn schema(&self, table: &Schema) -> SchemaRef {
        let hidden = |place: &usize| self.hidden.iter().any(|(_, columns)| columns.contains(place));
        let stored = self.stored.iter().enumerate().map(|(place, column)| {
            let field = table.field(*column);
            field.clone().with_nullable(field.is_nullable() || hidden(&place))
        });
        let number = Field::new(ROUND_NUMBER, DataType::Int64, false);
        Schema::new(stored.chain([number]).collect::<Vec<_>>()).into()
    }

    /// By what rows are sorted, when the columns bear the names that `named` gives them. Rows without a value come
    /// last, those that are alike in the order of the source.
    pub fn sort(&self, named: impl Fn(&str) -> String, position: &str) -> Result<Vec<SortExpr>, SkillError> {
        let mut by = Vec::new();
        if self.by_round {
            by.push(column(ROUND_NUMBER).sort(true, false));
        }
        for key in &self.order {
            let value = column(named(&key.column));
            let value = match key.round {
                None => value,
                Some(number) => when(column(ROUND_NUMBER).eq(lit(i64::from(number))), value)
                    .end()
                    .map_err(|error| SkillError::Permanent(format!("rows cannot be sorted: {error}")))?,
            };
            by.push(value.sort(!key.descending, false));
        }
        by.push(column(position).sort(true, false));
        Ok(by)
    }
}

fn check(field: &str, selection: &Selection, table: &Schema) -> Result<(), SkillError> {
    let known = |name: &&String| table.index_of(name).is_ok();
    let missing = |part: &str, name: &String| {
        Err(SkillError::invalid(format!("{field}.{part}"), format!("the table has no column {name:?}")))
    };
    if let Some(name) = selection.columns.iter().flatten().find(|name| !known(name)) {
        return missing("columns", name);
    }
    match selection.order_by.0.iter().find(|name| !known(name)) {
        Some(name) => missing("order_by", name),
        None => Ok(()),
    }
}
