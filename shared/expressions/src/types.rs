//! Checks that each part of a condition gets values of the kinds that it can take.
//!
//! DataFusion would compare a text with a number by turning one into the other; which, depends on the types, and `'10'
//! < '9'` is seldom meant. Here values of two kinds are never compared, with one exception that people rely on: a text
//! in quotes that stands beside a number, a date or a truth value is read as one, at once, and is refused when it
//! cannot be.

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{
    DFSchema, DataFusionError, ScalarValue,
    arrow::compute::can_cast_types,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    Between, BinaryExpr, Case, Cast, Expr, ExprSchemable, Like, Operator,
    expr::{InList, ScalarFunction},
    simplify::SimplifyContext,
    type_coercion::functions::fields_with_udf,
};

use crate::{Fault, kinds::Kind, syntax::shortened};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

/// The condition with its quoted literals read as what they stand beside, and every other difference of types within a
/// kind made explicit, if every part gets what it can take.
pub(crate) fn checked(expr: Expr, schema: &DFSchema) -> Result<Expr, Fault> {
    let mut found = None;
    let check = Check { schema };
    let whole = expr.transform_up(|part| match check.part(part) {
        Ok(part) => Ok(Transformed::yes(part)),
        Err(fault) => {
            found = Some(fault);
            Err(DataFusionError::Plan("a fault was found".to_owned()))
        }
    });
    match (whole, found) {
        (_, Some(fault)) => Err(fault),
        (Ok(whole), None) => {
            check.condition(&whole.data)?;
            // What DataFusion would only find out when it runs the condition comes to light here.
            let coerced = ExprSimplifier::new(SimplifyContext::default()).coerce(whole.data, schema);
            coerced.map_err(|error| unreadable(&error))
        }
        (Err(error), None) => Err(Fault::NotSql(error.message().into_owned())),
    }
}

struct Check<'s> {
    schema: &'s DFSchema,
}

impl Check<'_> {
    fn part(&self, part: Expr) -> Result<Expr, Fault> {
        match part {
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::Between(between) => self.between(between),
            Expr::InList(list) => self.list(list),
            Expr::Like(like) => self.like(like).map(Expr::Like),
            Expr::SimilarTo(like) => self.like(like).map(Expr::SimilarTo),
            Expr::Case(case) => self.case(case),
            Expr::Cast(cast) => self.cast(cast),
            Expr::TryCast(cast) => {
                let field = cast.field.data_type().clone();
                self.convertible(&cast.expr, &field)?;
                Ok(Expr::TryCast(cast))
            }
            Expr::ScalarFunction(function) => self.function(function),
            // The planner names what was called by another of its names.
            Expr::Alias(alias) => Ok(*alias.expr),
            Expr::Not(ref inner) => self.needs("NOT", inner, Kind::Boolean).map(|()| part),
            Expr::Negative(ref inner) if self.kind(inner)? == Kind::Interval => Ok(part),
            Expr::Negative(ref inner) => self.needs("the minus sign", inner, Kind::Number).map(|()| part),
            Expr::IsTrue(ref inner)
            | Expr::IsFalse(ref inner)
            | Expr::IsUnknown(ref inner)
            | Expr::IsNotTrue(ref inner)
            | Expr::IsNotFalse(ref inner)
            | Expr::IsNotUnknown(ref inner) => {
                self.needs("IS TRUE, FALSE or UNKNOWN", inner, Kind::Boolean).map(|()| part)
            }
            Expr::Column(_) | Expr::Literal(..) | Expr::IsNull(_) | Expr::IsNotNull(_) => Ok(part),
            other => Err(Fault::NotOffered(told(&other))),
        }
    }

    /// The condition as a whole must be true or false.
    fn condition(&self, whole: &Expr) -> Result<(), Fault> {
        match self.kind(whole)? {
            Kind::Boolean => Ok(()),
            other => Err(Fault::NotBoolean(other.name())),
        }
    }

    fn binary(&self, BinaryExpr { left, op, right }: BinaryExpr) -> Result<Expr, Fault> {
        let (left, right) = match op {
            Operator::And | Operator::Or => {
                let name = op.to_string();
                self.needs(&name, &left, Kind::Boolean)?;
                self.needs(&name, &right, Kind::Boolean)?;
                (*left, *right)
            }
            Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch => {
                let name = op.to_string();
                self.needs(&name, &left, Kind::Text)?;
                self.needs(&name, &right, Kind::Text)?;
                pattern(&right)?;
                (*left, *right)
            }
            Operator::StringConcat => (*left, *right),
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                self.arithmetic(&left, op, &right)?;
                (*left, *right)
            }
            _ => self.alike(&op.to_string(), *left, *right)?,
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
    }

    /// Numbers with numbers; dates and intervals with what their sums and differences are defined for.
    fn arithmetic(&self, left: &Expr, op: Operator, right: &Expr) -> Result<(), Fault> {
        let kinds = (self.kind(left)?, self.kind(right)?);
        let fit = match kinds {
            (Kind::Number | Kind::Nothing, Kind::Number | Kind::Nothing) => true,
            (Kind::Date, Kind::Interval) => matches!(op, Operator::Plus | Operator::Minus),
            (Kind::Interval, Kind::Date) => op == Operator::Plus,
            (Kind::Date, Kind::Date) => op == Operator::Minus,
            (Kind::Interval, Kind::Interval) => matches!(op, Operator::Plus | Operator::Minus),
            _ => false,
        };
        match fit {
            true => Ok(()),
            false => Err(self.mismatch(&op.to_string(), left, right)?),
        }
    }

    fn between(&self, between: Between) -> Result<Expr, Fault> {
        let Between { expr, negated, low, high } = between;
        let (value, low) = self.alike("BETWEEN", *expr, *low)?;
        let (value, high) = self.alike("BETWEEN", value, *high)?;
        Ok(Expr::Between(Between::new(Box::new(value), negated, Box::new(low), Box::new(high))))
    }

    fn list(&self, list: InList) -> Result<Expr, Fault> {
        let InList { expr, list, negated } = list;
        let mut value = *expr;
        let mut read = Vec::with_capacity(list.len());
        for item in list {
            let (same, item) = self.alike("IN", value, item)?;
            value = same;
            read.push(item);
        }
        Ok(Expr::InList(InList::new(Box::new(value), read, negated)))
    }

    fn like(&self, like: Like) -> Result<Like, Fault> {
        self.needs("LIKE", &like.expr, Kind::Text)?;
        self.needs("LIKE", &like.pattern, Kind::Text)?;
        Ok(like)
    }

    fn case(&self, mut case: Case) -> Result<Expr, Fault> {
        let mut results: Option<Box<Expr>> = None;
        for (when, then) in &mut case.when_then_expr {
            match case.expr.take() {
                Some(operand) => {
                    let (operand, read) = self.alike("CASE", *operand, std::mem::take(when))?;
                    case.expr = Some(Box::new(operand));
                    **when = read;
                }
                None => self.needs("WHEN", when, Kind::Boolean)?,
            }
            self.same_result(&mut results, then)?;
        }
        if let Some(otherwise) = &case.else_expr {
            self.same_result(&mut results, otherwise)?;
        }
        Ok(Expr::Case(case))
    }

    /// All results of a CASE are of one kind.
    fn same_result(&self, first: &mut Option<Box<Expr>>, result: &Expr) -> Result<(), Fault> {
        match first {
            Some(first) if !self.kind(first)?.goes_with(self.kind(result)?) => {
                Err(self.mismatch("CASE as results", first, result)?)
            }
            Some(first) if self.kind(first)? != Kind::Nothing => Ok(()),
            _ => {
                *first = Some(Box::new(result.clone()));
                Ok(())
            }
        }
    }

    /// A literal is converted here and now, so that one that cannot be is refused.
    fn cast(&self, cast: Cast) -> Result<Expr, Fault> {
        let target = cast.field.data_type().clone();
        self.convertible(&cast.expr, &target)?;
        match cast.expr.as_ref() {
            Expr::Literal(value, _) => {
                let converted =
                    value.cast_to(&target).map_err(|error| Fault::Value(error.find_root().message().into_owned()))?;
                Ok(Expr::Literal(converted, None))
            }
            _ => Ok(Expr::Cast(cast)),
        }
    }

    fn convertible(&self, value: &Expr, target: &DataType) -> Result<(), Fault> {
        let known = Kind::of(target) != Kind::Opaque && can_cast_types(&self.type_of(value)?, target);
        match known {
            true => Ok(()),
            false => Err(Fault::NotOffered(format!("{} turned into {target}", told(value)))),
        }
    }

    /// A function may turn a number into text, never a text into anything else.
    fn function(&self, function: ScalarFunction) -> Result<Expr, Fault> {
        let name = function.func.name().to_owned();
        let given = function.args.iter().map(|arg| arg.to_field(self.schema).map(|(_, field)| field));
        let given = given.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(&error))?;
        let Ok(taken) = fields_with_udf(&given, function.func.as_ref()) else {
            let kinds = given.iter().map(|field| Kind::of(field.data_type()).name()).collect::<Vec<_>>().join(", ");
            return Err(Fault::Operand { what: name, wanted: "other values", found: format!("({kinds})") });
        };
        for ((arg, given), taken) in function.args.iter().zip(&given).zip(&taken) {
            let (given, taken) = (Kind::of(given.data_type()), Kind::of(taken.data_type()));
            let quoted = matches!(arg, Expr::Literal(..));
            if given == Kind::Text && !taken.goes_with(given) && !quoted {
                return Err(Fault::Operand { what: name, wanted: taken.name(), found: self.described(arg)? });
            }
        }
        if name.starts_with("regexp")
            && let Some(text) = function.args.get(1)
        {
            pattern(text)?;
        }
        Ok(Expr::ScalarFunction(function))
    }

    /// Both sides of a comparison, of one kind: a quoted literal is read as what stands on the other side.
    fn alike(&self, what: &str, left: Expr, right: Expr) -> Result<(Expr, Expr), Fault> {
        let kinds = (self.kind(&left)?, self.kind(&right)?);
        match (kinds, &left, &right) {
            ((a, b), ..) if a.goes_with(b) => Ok((left, right)),
            ((wanted, Kind::Text), _, Expr::Literal(value, _)) => {
                let read = self.read(value, wanted, &self.type_of(&left)?)?;
                Ok((left, read))
            }
            ((Kind::Text, wanted), Expr::Literal(value, _), _) => {
                let read = self.read(value, wanted, &self.type_of(&right)?)?;
                Ok((read, right))
            }
            _ => Err(self.mismatch(what, &left, &right)?),
        }
    }

    /// Reads a quoted literal as a value of a kind: a number as if it stood without quotes, all else in the type beside
    /// it.
    fn read(&self, literal: &ScalarValue, wanted: Kind, beside: &DataType) -> Result<Expr, Fault> {
        let text = literal.try_as_str().flatten().unwrap_or_default();
        let whole = text.trim().parse().ok().map(|number| ScalarValue::Int64(Some(number)));
        let as_type = |data_type: &DataType| ScalarValue::try_from_string(text.to_owned(), data_type).ok();
        let read = match wanted {
            Kind::Number => whole.or_else(|| text.trim().parse().ok().map(|number| ScalarValue::Float64(Some(number)))),
            // A day beside an instant is the day's beginning; an instant beside a day stays an instant.
            Kind::Date if matches!(beside, DataType::Date32 | DataType::Date64) => match text.trim().len() {
                ..=10 => as_type(&DataType::Date32),
                _ => as_type(&DataType::Timestamp(TimeUnit::Microsecond, None)),
            },
            Kind::Date | Kind::Boolean | Kind::TimeOfDay => as_type(beside),
            _ => None,
        };
        let fault = || Fault::Literal { literal: format!("'{}'", shortened(text.to_owned())), wanted: wanted.name() };
        read.map(|value| Expr::Literal(value, None)).ok_or_else(fault)
    }

    fn needs(&self, what: &str, value: &Expr, wanted: Kind) -> Result<(), Fault> {
        match self.kind(value)?.goes_with(wanted) {
            true => Ok(()),
            false => {
                Err(Fault::Operand { what: what.to_owned(), wanted: wanted.name(), found: self.described(value)? })
            }
        }
    }

    fn mismatch(&self, what: &str, left: &Expr, right: &Expr) -> Result<Fault, Fault> {
        let number = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if value.data_type().is_numeric());
        let hint = match (self.kind(left)?, self.kind(right)?) {
            (Kind::Text, Kind::Number) if number(right) => "; write the number in single quotes to compare text",
            (Kind::Number, Kind::Text) if number(left) => "; write the number in single quotes to compare text",
            (Kind::Text, _) | (_, Kind::Text) => "; CAST (… AS …) turns one into the other",
            _ => "",
        };
        Ok(Fault::Mismatch {
            what: what.to_owned(),
            left: self.described(left)?,
            right: self.described(right)?,
            hint: hint.to_owned(),
        })
    }

    /// `score (a number)`.
    fn described(&self, expr: &Expr) -> Result<String, Fault> {
        Ok(format!("{} ({})", told(expr), self.kind(expr)?.name()))
    }

    fn kind(&self, expr: &Expr) -> Result<Kind, Fault> {
        self.type_of(expr).map(|data_type| Kind::of(&data_type))
    }

    fn type_of(&self, expr: &Expr) -> Result<DataType, Fault> {
        expr.get_type(self.schema).map_err(|error| unreadable(&error))
    }
}

/// Refuses a literal that is no regular expression, before a row meets it.
fn pattern(expr: &Expr) -> Result<(), Fault> {
    let Expr::Literal(value, _) = expr else { return Ok(()) };
    let Some(text) = value.try_as_str().flatten() else { return Ok(()) };
    match regex::Regex::new(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Fault::Pattern { pattern: format!("'{}'", shortened(text.to_owned())), reason })
        }
    }
}

fn unreadable(error: &DataFusionError) -> Fault {
    let reason = error.find_root().message().into_owned();
    Fault::NotSql(reason.lines().next().unwrap_or_default().to_owned())
}

/// A part of a condition as people write it.
fn told(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.clone(),
        other => shortened(other.human_display().to_string()),
    }
}
