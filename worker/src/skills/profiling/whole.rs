//! What is asked about all columns together: rows that are there twice, and columns of numbers that go together.

use datafusion::{
    arrow::datatypes::SchemaRef,
    error::DataFusionError,
    functions_aggregate::expr_fn::{approx_distinct, corr, count, sum},
    logical_expr::{Expr, lit},
    prelude::DataFrame,
};

use super::{
    figures::{Row, run},
    keys::{has_key, row_key},
    measure::{finite, kind_of, wrong},
    profile::{Correlation, Kind},
};
use crate::{
    context::TaskContext,
    skills::{SkillError, tabular::column},
};

/// Columns of numbers that are held against each other: as many pairs as there are are added up at once.
const MOST_NUMBERS: usize = 60;
/// Pairs in one question.
const PAIRS: usize = 300;
/// From here on two columns are said to go together.
const STRONG: f64 = 0.9;

/// Rows that are there more than once, the first of each not counted; none when a column has a type that cannot be compared.
pub(super) async fn duplicates(
    frame: &DataFrame,
    schema: &SchemaRef,
    rows: u64,
    exact: bool,
    context: &TaskContext,
) -> Result<Option<u64>, SkillError> {
    if !schema.fields().iter().all(|field| has_key(field.data_type())) {
        return Ok(None);
    }
    if rows == 0 {
        return Ok(Some(0));
    }
    let key = row_key(schema.fields().iter().map(|field| column(field.name())).collect()).alias("k");
    let asked = || -> Result<DataFrame, DataFusionError> {
        let keys = frame.clone().select(vec![key])?;
        if !exact {
            return keys.aggregate(Vec::new(), vec![approx_distinct(column("k")).alias("different")]);
        }
        // Groups go to disk where memory is short; a count of different keys would not.
        let groups = keys.aggregate(vec![column("k")], vec![count(lit(1_i64)).alias("n")])?;
        groups.select(vec![lit(1_i64).alias("one")])?.aggregate(Vec::new(), vec![sum(column("one")).alias("different")])
    };
    let batch = run(asked().map_err(|error| wrong(&error))?, context).await?.pop();
    Ok(batch.map(|batch| rows.saturating_sub(Row(batch).count(0))))
}

/// Pairs of columns that go together, the strongest first, and how many columns of numbers were left out.
pub(super) async fn correlations(
    frame: &DataFrame,
    schema: &SchemaRef,
    context: &TaskContext,
) -> Result<(Vec<Correlation>, usize), SkillError> {
    let fields = schema.fields().iter().filter(|field| kind_of(field.data_type()) == Kind::Number);
    let names: Vec<&String> = fields.map(|field| field.name()).collect();
    let looked_at = &names[..names.len().min(MOST_NUMBERS)];
    let pairs: Vec<(&String, &String)> =
        looked_at.iter().enumerate().flat_map(|(n, a)| looked_at[n + 1..].iter().map(move |b| (*a, *b))).collect();
    let mut strong = Vec::new();
    for some in pairs.chunks(PAIRS) {
        let figure = |(n, (a, b)): (usize, &(&String, &String))| -> Result<Expr, DataFusionError> {
            Ok(corr(finite(a)?, finite(b)?).alias(format!("r{n}")))
        };
        let figures = some.iter().enumerate().map(figure).collect::<Result<Vec<_>, _>>();
        let asked = figures.and_then(|figures| frame.clone().aggregate(Vec::new(), figures));
        let Some(batch) = run(asked.map_err(|error| wrong(&error))?, context).await?.pop() else { continue };
        let row = Row(batch);
        let found = some.iter().enumerate().filter_map(|(n, (a, b))| {
            // Sums of several threads end in another digit each time.
            let r = row.number(n).map(|r| ((r * 1e12).round() / 1e12).clamp(-1.0, 1.0));
            let r = r.filter(|r| STRONG < r.abs())?;
            Some(Correlation { a: (*a).clone(), b: (*b).clone(), r })
        });
        strong.extend(found);
    }
    strong.sort_by(|x, y| y.r.abs().total_cmp(&x.r.abs()));
    Ok((strong, names.len() - looked_at.len()))
}
