//! Asks DataFusion for the figures of one column.
//!
//! Exactly: the distinct values in their order, each with how often it is there. They are grouped and sorted on disk where
//! memory is short, and everything that a profile tells follows from one pass over them. Approximately: sketches.

use datafusion::{
    arrow::{
        array::{AsArray, RecordBatch},
        datatypes::{DataType, Int64Type},
    },
    common::ScalarValue,
    error::DataFusionError,
    functions_aggregate::expr_fn::{approx_distinct, approx_percentile_cont, avg, count, max, min, stddev, sum},
    logical_expr::{Expr, cast as cast_to, lit, when},
    prelude::DataFrame,
};
use serde_json::{Value, json};

use super::{
    figures::{Row, floats, instant_text, instants, next, number_of, run, times_of},
    keys::{key_of, length_of, row_key, shown},
    numbers::{Histogram, Moments, QUANTILES, Quantiles, Top},
    parameters::Parameters,
    profile::{Bins, ColumnProfile, Frequent, Kind, Lengths, Quantile},
};
use crate::{
    context::TaskContext,
    skills::{
        SkillError,
        tabular::{column, data_error},
    },
};

/// Different values up to which they are counted one by one though the other figures are estimates.
const FEW_VALUES: u64 = 100_000;
const FIELD: &str = "source";

/// What a column of this type holds.
pub(super) fn kind_of(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Boolean => Kind::Boolean,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Kind::Time,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Dictionary(_, values) => kind_of(values),
        DataType::Decimal128(..) | DataType::Decimal256(..) => Kind::Number,
        other if other.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

pub(super) fn wrong(error: &DataFusionError) -> SkillError {
    data_error(FIELD, error)
}

/// The column's numbers; what is not finite is missing.
pub(super) fn finite(name: &str) -> Result<Expr, DataFusionError> {
    let number = cast_to(column(name), DataType::Float64);
    // In Arrow's order NaN is greater than every number.
    let too_great = number.clone().gt(lit(f64::MAX)).or(number.clone().lt(lit(f64::MIN)));
    when(too_great, lit(ScalarValue::Float64(None))).otherwise(number)
}

/// An estimate of how many different values there are. Of keys, because sketches do not take every type.
fn different(value: Expr) -> Result<Expr, DataFusionError> {
    let key = when(value.clone().is_not_null(), row_key(vec![value])).otherwise(lit(ScalarValue::Int64(None)))?;
    Ok(approx_distinct(key))
}

/// One column of the table, as it is asked about.
pub(super) struct Asked<'a> {
    pub(super) frame: &'a DataFrame,
    pub(super) context: &'a TaskContext,
    pub(super) parameters: &'a Parameters,
    pub(super) name: &'a str,
    pub(super) data_type: &'a DataType,
    /// As datasets call the type.
    pub(super) type_name: String,
    pub(super) rows: u64,
    pub(super) exact: bool,
}

impl Asked<'_> {
    /// Everything about the column. Says what was estimated.
    pub(super) async fn measure(&self, approximated: &mut Vec<&'static str>) -> Result<ColumnProfile, SkillError> {
        let kind = kind_of(self.data_type);
        let mut profile = self.blank(kind);
        match kind {
            Kind::Other => profile.count = self.one(vec![count(column(self.name)).alias("c")]).await?.count(0),
            Kind::Number => self.measure_numbers(&mut profile, approximated).await?,
            Kind::Time => self.measure_times(&mut profile, approximated).await?,
            Kind::Text => self.measure_texts(&mut profile, approximated).await?,
            Kind::Boolean => self.measure_values(&mut profile).await?,
        }
        profile.missing = self.rows.saturating_sub(profile.count);
        profile.alerts = super::profile::alerts(&profile);
        Ok(profile)
    }

    fn blank(&self, kind: Kind) -> ColumnProfile {
        ColumnProfile {
            name: self.name.to_owned(),
            data_type: self.type_name.clone(),
            kind,
            count: 0,
            missing: 0,
            distinct: None,
            min: Value::Null,
            max: Value::Null,
            mean: None,
            std: None,
            skewness: None,
            zeros: None,
            negatives: None,
            infinite: None,
            quantiles: Vec::new(),
            histogram: None,
            top: Vec::new(),
            lengths: None,
            blank: None,
            alerts: Vec::new(),
        }
    }

    /// One row of figures about the whole column.
    async fn one(&self, figures: Vec<Expr>) -> Result<Row, SkillError> {
        let frame = self.frame.clone().aggregate(Vec::new(), figures).map_err(|error| wrong(&error))?;
        let mut batches = run(frame, self.context).await?;
        let batch = batches.pop().filter(|batch| batch.num_rows() == 1);
        let batch = batch.ok_or_else(|| SkillError::Permanent("the figures of a column are missing".to_owned()))?;
        Ok(Row(batch))
    }

    async fn measure_numbers(
        &self,
        profile: &mut ColumnProfile,
        approximated: &mut Vec<&'static str>,
    ) -> Result<(), SkillError> {
        let number = finite(self.name).map_err(|error| wrong(&error))?;
        let raw = cast_to(column(self.name), DataType::Float64);
        let infinite = raw.clone().eq(lit(f64::INFINITY)).or(raw.eq(lit(f64::NEG_INFINITY)));
        let ones = |condition: Expr| when(condition, lit(1_i64)).otherwise(lit(0_i64)).map(sum);
        let figures = [
            count(number.clone()).alias("count"),
            ones(infinite).map_err(|error| wrong(&error))?.alias("infinite"),
            min(number.clone()).alias("min"),
            max(number.clone()).alias("max"),
            ones(number.clone().eq(lit(0.0_f64))).map_err(|error| wrong(&error))?.alias("zeros"),
            ones(number.clone().lt(lit(0.0_f64))).map_err(|error| wrong(&error))?.alias("negatives"),
        ];
        let row = self.one(figures.into()).await?;
        let (finite_count, infinite) = (row.count(0), row.count(1));
        profile.count = finite_count + infinite;
        profile.infinite = (infinite > 0).then_some(infinite);
        (profile.zeros, profile.negatives) = (Some(row.count(4)), Some(row.count(5)));
        let Some((least, greatest)) = row.number(2).zip(row.number(3)) else {
            profile.distinct = Some(u64::from(infinite > 0));
            return Ok(());
        };
        // Integers beyond 53 bits are different values though they are the same float.
        let as_it_is = if self.data_type.is_integer() { column(self.name) } else { number.clone() };
        let row = self.one(vec![min(as_it_is.clone()).alias("min"), max(as_it_is.clone()).alias("max")]).await?;
        (profile.min, profile.max) = (number_of(row.0.column(0), 0), number_of(row.0.column(1), 0));
        let mut histogram = Histogram::between(least, greatest, self.parameters.bins);
        if self.exact {
            let (mut moments, mut quantiles) = (Moments::default(), Quantiles::of(finite_count));
            let (mut distinct, mut top) = (0, Top::new(self.parameters.top_values));
            self.each_value(vec![as_it_is.alias("v")], |batch| {
                let (values, times) = (floats(batch.column(0)), times_of(batch, 1));
                for row in 0..batch.num_rows() {
                    let (value, times) = (values.value(row), times(row));
                    moments.take(value, times);
                    quantiles.take(value, times);
                    histogram.take(value, times);
                    top.take(times, || number_of(batch.column(0), row));
                }
                distinct += batch.num_rows() as u64;
            })
            .await?;
            profile.distinct = Some(distinct);
            (profile.mean, profile.std, profile.skewness) = (moments.mean(), moments.std(), moments.skewness());
            profile.quantiles = quantiles.finish().map_or_else(Vec::new, |found| told(found.map(|value| json!(value))));
            profile.top = frequent(top, |value| value);
        } else {
            let mut figures = vec![
                avg(number.clone()).alias("mean"),
                stddev(number.clone()).alias("std"),
                different(number.clone()).map_err(|error| wrong(&error))?.alias("distinct"),
            ];
            figures.extend(QUANTILES.iter().enumerate().map(|(n, p)| {
                approx_percentile_cont(number.clone().sort(true, false), lit(*p), None).alias(format!("q{n}"))
            }));
            let row = self.one(figures).await?;
            (profile.mean, profile.std) = (row.number(0), row.number(1).filter(|std| std.is_finite()));
            profile.distinct = Some(row.count(2));
            let found: Option<Vec<Value>> =
                (0..QUANTILES.len()).map(|n| row.number(3 + n).map(|value| json!(value))).collect();
            profile.quantiles = found.and_then(|found| <[Value; 7]>::try_from(found).ok()).map_or_else(Vec::new, told);
            approximated.extend(["distinct", "quantiles"]);
            self.fill_bins(&mut histogram, number, least, greatest).await?;
        }
        profile.histogram = Some(Bins {
            edges: histogram.edges.into_iter().map(|edge| json!(edge)).collect(),
            counts: histogram.counts,
        });
        Ok(())
    }

    /// Counts the values of each bin where they do not come one by one.
    async fn fill_bins(
        &self,
        histogram: &mut Histogram,
        number: Expr,
        least: f64,
        greatest: f64,
    ) -> Result<(), SkillError> {
        #[expect(clippy::cast_precision_loss, reason = "there are few bins")]
        let width = if least < greatest { (greatest - least) / self.parameters.bins as f64 } else { 1.0 };
        let bin = cast_to((number - lit(least)) / lit(width), DataType::Int64);
        let last = self.parameters.bins - 1;
        let counts = &mut histogram.counts;
        self.each_value(vec![bin.alias("v")], |batch| {
            let (bins, times) = (batch.column(0).as_primitive::<Int64Type>(), times_of(batch, 1));
            for row in 0..batch.num_rows() {
                counts[usize::try_from(bins.value(row)).unwrap_or(0).min(last)] += times(row);
            }
        })
        .await
    }

    async fn measure_times(
        &self,
        profile: &mut ColumnProfile,
        approximated: &mut Vec<&'static str>,
    ) -> Result<(), SkillError> {
        let value = column(self.name);
        let figures =
            vec![count(value.clone()).alias("count"), min(value.clone()).alias("min"), max(value.clone()).alias("max")];
        let row = self.one(figures).await?;
        profile.count = row.count(0);
        (profile.min, profile.max) = (row.text(1), row.text(2));
        let Some((least, greatest)) = row.instant(1).zip(row.instant(2)) else {
            profile.distinct = Some(0);
            return Ok(());
        };
        if !self.exact {
            let row = self.one(vec![different(value).map_err(|error| wrong(&error))?.alias("distinct")]).await?;
            profile.distinct = Some(row.count(0));
            approximated.push("distinct");
            return Ok(());
        }
        let mut histogram = Histogram::between(least, greatest, self.parameters.bins);
        let (mut quantiles, mut top) = (Quantiles::of(profile.count), Top::new(self.parameters.top_values));
        let mut distinct = 0;
        self.each_value(vec![value.alias("v")], |batch| {
            let (instants, times) = (instants(batch.column(0)), times_of(batch, 1));
            for row in 0..batch.num_rows() {
                let times = times(row);
                histogram.take(instants.value(row), times);
                quantiles.take(instants.value(row), times);
                top.take(times, || instants.value(row));
            }
            distinct += batch.num_rows() as u64;
        })
        .await?;
        profile.distinct = Some(distinct);
        let at = |value: f64| instant_text(value, self.data_type);
        profile.quantiles = quantiles.finish().map_or_else(Vec::new, |found| told(found.map(at)));
        profile.top = frequent(top, at);
        let edges = histogram.edges.iter().map(|edge| at(*edge)).collect();
        profile.histogram = Some(Bins { edges, counts: histogram.counts });
        Ok(())
    }

    async fn measure_texts(
        &self,
        profile: &mut ColumnProfile,
        approximated: &mut Vec<&'static str>,
    ) -> Result<(), SkillError> {
        let text = cast_to(column(self.name), DataType::Utf8);
        let (key, length) = (key_of(text.clone()), length_of(text));
        let mut figures = vec![
            count(length.clone()).alias("count"),
            min(length.clone()).alias("min"),
            max(length.clone()).alias("max"),
            avg(length.clone()).alias("mean"),
        ];
        if !self.exact {
            figures.push(approx_distinct(key.clone()).alias("distinct"));
        }
        let row = self.one(figures).await?;
        profile.count = row.count(0);
        if profile.count == 0 {
            profile.distinct = Some(0);
            return Ok(());
        }
        profile.lengths =
            Some(Lengths { min: row.count(1), max: row.count(2), mean: row.number(3).unwrap_or_default() });
        if !self.exact && row.count(4) > FEW_VALUES {
            profile.distinct = Some(row.count(4));
            approximated.push("distinct");
            return Ok(());
        }
        let (shortest, longest) = (row.count(1), row.count(2));
        #[expect(clippy::cast_precision_loss, reason = "a text has fewer characters than a float counts")]
        let mut histogram = Histogram::between(shortest as f64, longest as f64, self.parameters.bins);
        let (mut distinct, mut blank, mut top) = (0, 0, Top::new(self.parameters.top_values));
        let (mut least, mut greatest): (Option<String>, Option<String>) = (None, None);
        self.each_value(vec![key.alias("v"), length.alias("l")], |batch| {
            let keys = batch.column(0).as_string::<i32>();
            let (lengths, times) = (batch.column(1).as_primitive::<Int64Type>(), times_of(batch, 2));
            for row in 0..batch.num_rows() {
                let (key, times) = (keys.value(row), times(row));
                #[expect(clippy::cast_precision_loss, reason = "a text has fewer characters than a float counts")]
                histogram.take(lengths.value(row) as f64, times);
                blank += if key.trim().is_empty() { times } else { 0 };
                top.take(times, || shown(key));
            }
            if let Some(last) = batch.num_rows().checked_sub(1) {
                least.get_or_insert_with(|| shown(keys.value(0)));
                greatest = Some(shown(keys.value(last)));
            }
            distinct += batch.num_rows() as u64;
        })
        .await?;
        (profile.distinct, profile.blank) = (Some(distinct), Some(blank));
        (profile.min, profile.max) = (json!(least), json!(greatest));
        profile.top = frequent(top, |text| json!(text));
        let edges = histogram.edges.into_iter().map(|edge| json!(edge)).collect();
        profile.histogram = Some(Bins { edges, counts: histogram.counts });
        Ok(())
    }

    async fn measure_values(&self, profile: &mut ColumnProfile) -> Result<(), SkillError> {
        let (mut count, mut distinct, mut top) = (0, 0, Top::new(self.parameters.top_values));
        self.each_value(vec![column(self.name).alias("v")], |batch| {
            let (values, times) = (batch.column(0).as_boolean(), times_of(batch, 1));
            for row in 0..batch.num_rows() {
                count += times(row);
                top.take(times(row), || values.value(row));
            }
            distinct += batch.num_rows() as u64;
        })
        .await?;
        (profile.count, profile.distinct) = (count, Some(distinct));
        profile.top = frequent(top, |value| json!(value));
        Ok(())
    }

    /// Hands the distinct values of the first expression to `each`, in their order, with how often each is there.
    async fn each_value(&self, values: Vec<Expr>, mut each: impl FnMut(&RecordBatch)) -> Result<(), SkillError> {
        let names: Vec<String> = ["v", "l"].iter().take(values.len()).map(|name| (*name).to_owned()).collect();
        let frame = self
            .frame
            .clone()
            .select(values)
            .and_then(|frame| frame.filter(column("v").is_not_null()))
            .and_then(|frame| {
                let groups = names.iter().map(column).collect();
                frame.aggregate(groups, vec![count(lit(1_i64)).alias("n")])
            })
            .and_then(|frame| frame.sort(vec![column("v").sort(true, false)]))
            .map_err(|error| wrong(&error))?;
        let mut stream = frame.execute_stream().await.map_err(|error| wrong(&error))?;
        while let Some(batch) = next(&mut stream, self.context).await? {
            each(&batch);
        }
        Ok(())
    }
}

fn told(found: [Value; QUANTILES.len()]) -> Vec<Quantile> {
    QUANTILES.iter().zip(found).map(|(p, value)| Quantile { p: *p, value }).collect()
}

fn frequent<T>(top: Top<T>, value: impl Fn(T) -> Value) -> Vec<Frequent> {
    top.finish().into_iter().map(|(found, count)| Frequent { value: value(found), count }).collect()
}
