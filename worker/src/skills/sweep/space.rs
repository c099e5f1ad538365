//! The points of a space of parameters, all of them or some by chance. Pure: the same seed gives the same points.

use std::collections::HashSet;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::skills::SkillError;

/// Parameters of a training that a sweep may try.
const TUNABLE: [&str; 16] = [
    "model",
    "visible",
    "n_hidden",
    "lr",
    "batch_size",
    "epochs",
    "cd_k",
    "sampler",
    "n_chains",
    "momentum",
    "momentum_final",
    "weight_decay",
    "sparsity_target",
    "sparsity_cost",
    "patience",
    "seed",
];

/// Those of them that are integers, so that a range of theirs holds integers only.
const INTEGERS: [&str; 7] = ["n_hidden", "batch_size", "epochs", "cd_k", "n_chains", "patience", "seed"];

/// How points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Search {
    /// Every combination.
    Grid,
    /// Some, by chance.
    Random,
}

/// What one parameter may be.
#[derive(Debug, Clone, PartialEq)]
enum Axis {
    Listed(Vec<Value>),
    Range { low: f64, high: f64, log: bool, whole: bool },
}

/// The parameters with what they may be, in the order in which they were given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Space(Vec<(String, Axis)>);

/// A value for each parameter.
pub(super) type Point = Map<String, Value>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    min: f64,
    max: f64,
    #[serde(default)]
    scale: Scale,
    #[serde(default)]
    integer: bool,
}

#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scale {
    #[default]
    Linear,
    Log,
}

impl Space {
    /// Reads a space: of each parameter a list of values, or for a random search `{min, max, scale: linear|log, integer}`.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub(super) fn read(space: &Map<String, Value>, search: Search) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        if space.is_empty() {
            let reason = format!("must name a parameter with the values to try; it may name {}", TUNABLE.join(", "));
            faults.push(("space".to_owned(), reason));
        }
        let mut axes = Vec::new();
        for (name, values) in space {
            if !TUNABLE.contains(&name.as_str()) {
                faults
                    .push((format!("space.{name}"), format!("cannot be tried: a sweep tries {}", TUNABLE.join(", "))));
                continue;
            }
            match Axis::read(values, search, INTEGERS.contains(&name.as_str())) {
                Ok(axis) => axes.push((name.clone(), axis)),
                Err(reason) => faults.push((format!("space.{name}"), reason.to_owned())),
            }
        }
        if faults.is_empty() { Ok(Self(axes)) } else { Err(faults) }
    }

    /// Whether a parameter is tried.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The least and the greatest value of each range, by its parameter.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&str, Value)> {
        self.0.iter().flat_map(|(name, axis)| axis.ends().into_iter().flatten().map(|end| (name.as_str(), end)))
    }

    /// Every combination; the last parameter changes first.
    ///
    /// # Errors
    /// When there are more than `most`.
    pub(super) fn grid(&self, most: u32) -> Result<Vec<Point>, SkillError> {
        let sizes = self.0.iter().map(|(_, axis)| axis.values().len() as u64);
        let count = sizes.fold(1_u64, u64::saturating_mul);
        if count > u64::from(most) {
            let reason = format!(
                "has {count} combinations; at most {most} may be tried: name fewer values, or search at random"
            );
            return Err(SkillError::invalid("space", reason));
        }
        let mut points = vec![Point::new()];
        for (name, axis) in &self.0 {
            let with = |point: &Point, value: &Value| {
                let mut point = point.clone();
                point.insert(name.clone(), value.clone());
                point
            };
            points =
                points.iter().flat_map(|point| axis.values().iter().map(move |value| with(point, value))).collect();
        }
        Ok(points)
    }

    /// So many points by chance, or fewer where there are not so many: none comes twice.
    pub(super) fn random(&self, count: u32, seed: u64) -> Vec<Point> {
        /// Draws in vain after which all points are taken to have come.
        const PATIENCE: u32 = 1000;
        let mut rng = Rng::with_seed(seed);
        let (mut seen, mut points, mut in_vain) = (HashSet::new(), Vec::new(), 0);
        while points.len() < count as usize && in_vain < PATIENCE {
            let point: Point = self.0.iter().map(|(name, axis)| (name.clone(), axis.draw(&mut rng))).collect();
            if seen.insert(json!(point).to_string()) {
                points.push(point);
                in_vain = 0;
            } else {
                in_vain += 1;
            }
        }
        points
    }
}

impl Axis {
    fn read(values: &Value, search: Search, integers: bool) -> Result<Self, &'static str> {
        match (values, search) {
            (Value::Array(listed), _) if !listed.is_empty() => Ok(Self::Listed(listed.clone())),
            (Value::Object(_), Search::Random) => {
                let right = "must be a list of values, or {min, max, scale: linear or log, integer: true or false}";
                let range: Range = serde_json::from_value(values.clone()).map_err(|_| right)?;
                let (log, whole) = (range.scale == Scale::Log, range.integer || integers);
                if range.min >= range.max {
                    return Err("must have a min below its max");
                }
                if !(range.max - range.min).is_finite() {
                    return Err("must have a min and a max whose distance is a number");
                }
                if log && range.min <= 0.0 {
                    return Err("must have a min above 0, as its scale is log");
                }
                let (low, high) = if whole { (range.min.ceil(), range.max.floor()) } else { (range.min, range.max) };
                if low > high {
                    return Err("must have an integer between its min and its max");
                }
                Ok(Self::Range { low, high, log, whole })
            }
            (_, Search::Random) => Err("must be a list of values, or {min, max}"),
            (_, Search::Grid) => Err("must be a list of values: a grid has no ranges"),
        }
    }

    fn values(&self) -> &[Value] {
        match self {
            Self::Listed(values) => values,
            Self::Range { .. } => &[],
        }
    }

    fn ends(&self) -> Option<[Value; 2]> {
        match self {
            Self::Listed(_) => None,
            &Self::Range { low, high, whole, .. } => Some([low, high].map(|end| number(end, whole))),
        }
    }

    fn draw(&self, rng: &mut Rng) -> Value {
        match self {
            Self::Listed(values) => values[rng.usize(..values.len())].clone(),
            &Self::Range { low, high, log, whole } => {
                let part = rng.f64();
                // A whole number stands for all that is rounded to it: the ends too, or they would come half as often.
                let (from, to) = if whole { (low - 0.5, high + 0.5) } else { (low, high) };
                // `libm`, because a seed must give the same points on every machine.
                let drawn = if log {
                    libm::exp(libm::log(from) + (libm::log(to) - libm::log(from)) * part)
                } else {
                    from + (to - from) * part
                };
                // What goes through logarithms comes back a last digit beyond.
                number(drawn.clamp(low, high), whole)
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it lies between two numbers of the request")]
fn number(value: f64, whole: bool) -> Value {
    if whole { json!(value.round() as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(of: &Value, search: Search) -> Result<Space, Vec<(String, String)>> {
        Space::read(of.as_object().unwrap(), search)
    }

    #[test]
    fn a_grid_is_every_combination_in_order() {
        let space = space(&json!({ "lr": [0.1, 0.01], "n_hidden": [16, [64, 32]] }), Search::Grid).unwrap();

        let points: Vec<Value> = space.grid(10).unwrap().into_iter().map(Value::Object).collect();

        assert_eq!(
            json!(points),
            json!([
                { "lr": 0.1, "n_hidden": 16 }, { "lr": 0.1, "n_hidden": [64, 32] },
                { "lr": 0.01, "n_hidden": 16 }, { "lr": 0.01, "n_hidden": [64, 32] },
            ])
        );
        assert!(space.grid(3).unwrap_err().to_string().contains("4 combinations"));
    }

    #[test]
    fn a_seed_draws_the_same_points_within_their_bounds() {
        let of = json!({ "lr": { "min": 0.0001, "max": 0.1, "scale": "log" }, "cd_k": { "min": 1, "max": 10, "integer": true },
            "sampler": ["cd", "pcd"] });
        let space = space(&of, Search::Random).unwrap();

        let points = space.random(200, 7);

        assert_eq!((points.len(), &points), (200, &space.random(200, 7)));
        assert_ne!(points, space.random(200, 8));
        let rates: Vec<f64> = points.iter().map(|point| point["lr"].as_f64().unwrap()).collect();
        assert!(rates.iter().all(|rate| (0.0001..=0.1).contains(rate)));
        // On a scale of logarithms a third of the draws lies in each decade.
        let low = rates.iter().filter(|&&rate| rate < 0.001).count();
        assert!((45..=90).contains(&low), "{low} of 200 in the lowest decade");
        assert!(points.iter().all(|point| (1..=10).contains(&point["cd_k"].as_i64().unwrap())));
    }

    #[test]
    fn a_range_of_a_parameter_that_is_an_integer_holds_integers_only() {
        let of =
            json!({ "n_hidden": { "min": 1.5, "max": 4.5 }, "batch_size": { "min": 1, "max": 8, "scale": "log" } });
        let space = space(&of, Search::Random).unwrap();

        let points = space.random(20, 7);

        let ends: Vec<(&str, Value)> = space.ends().collect();
        assert_eq!(
            ends,
            [("n_hidden", json!(2)), ("n_hidden", json!(4)), ("batch_size", json!(1)), ("batch_size", json!(8))]
        );
        assert!(points.iter().all(|point| (2..=4).contains(&point["n_hidden"].as_i64().unwrap())), "{points:?}");
        assert!(points.iter().all(|point| point["batch_size"].is_i64() || point["batch_size"].is_u64()), "{points:?}");
    }

    #[test]
    fn a_small_space_is_drawn_from_without_doubles() {
        let space = space(&json!({ "lr": [0.1, 0.01], "cd_k": [1, 2] }), Search::Random).unwrap();

        assert_eq!(space.random(50, 1).len(), 4);
    }

    #[test]
    fn what_cannot_be_tried_is_named() {
        let wrong = json!({ "colour": [1], "lr": 0.1, "cd_k": [], "momentum": { "min": 1, "max": 0 },
            "weight_decay": { "min": 0, "max": 1, "scale": "log" } });

        let faults = space(&wrong, Search::Random).unwrap_err();

        let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["space.colour", "space.lr", "space.cd_k", "space.momentum", "space.weight_decay"]);
        for range in [json!({ "min": 1, "max": 0.1 }), json!({ "min": -1.7e308, "max": 1.7e308 })] {
            assert_eq!(space(&json!({ "lr": range }), Search::Random).unwrap_err()[0].0, "space.lr");
        }
        assert!(space(&json!({ "cd_k": { "min": 1.2, "max": 1.8 } }), Search::Random).is_err());
        assert!(space(&json!({ "lr": { "min": 0.1, "max": 0.2 } }), Search::Grid).is_err());
        assert!(space(&json!({}), Search::Grid).is_err());
    }
}
