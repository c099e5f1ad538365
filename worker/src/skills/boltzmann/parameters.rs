//! What a training is asked for. Nothing is read or computed here.

use std::ops::RangeInclusive;

use relevo_shared::dataset::TableRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::{Dtype, Family, Sampler, Settings, Sparsity, Visible};
use crate::skills::{SkillError, fields::Fields, learning::output_name::output_name};

/// Hidden units of one layer.
const UNITS: RangeInclusive<u32> = 1..=16_384;
const MOST_LAYERS: usize = 8;
/// What every JSON reader holds exactly.
const LARGEST_SEED: u64 = (1 << 53) - 1;
/// Seconds between two checkpoints, unless an epoch takes longer.
const CHECKPOINT_SECONDS: u32 = 10;

/// Which rows judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitWay {
    /// By chance.
    Random,
    /// By chance within each class of the target, or each tenth of its range.
    Stratified,
    /// The latest.
    Temporal,
}

/// What is learnt on top of the hidden units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// Nothing.
    None,
    /// The target's class, by logistic regression.
    Classifier,
    /// The target's number, by linear regression.
    Regressor,
}

/// A checked request.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The table, pinned to a commit.
    pub source: TableRef,
    /// Names of the features, or their beginnings with a `*`; the usual ones when absent.
    pub columns: Option<Vec<String>>,
    /// Everything about the machine but its visible units, which the columns decide: `n_visible` is 0 here.
    pub settings: Settings,
    /// Which rows judge.
    pub split: SplitWay,
    /// By what rows are early or late.
    pub time_column: Option<String>,
    /// Share of the rows that judge.
    pub val_ratio: f64,
    /// Epochs without an improvement after which the training ends.
    pub patience: Option<u32>,
    /// What is learnt on top.
    pub head: HeadKind,
    /// The column that the head tells.
    pub target: Option<String>,
    /// The folder of the artefacts among the job's files.
    #[serde(skip)]
    pub output_name: String,
    /// Seconds between two checkpoints at least.
    #[serde(skip)]
    pub checkpoint_seconds: u32,
}

/// One number, or one for each layer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Layers {
    One(u32),
    Many(Vec<u32>),
}

impl Plan {
    /// Reads and checks the parameters of a task.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each field that is wrong or unknown.
    pub fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let plan = Self::of(&mut fields);
        fields.finish()?;
        plan.ok_or_else(|| SkillError::invalid("source", "is missing"))
    }

    /// Reads the fields of a training, for a skill that has more. What is wrong is noted; nothing comes without a table.
    pub(in crate::skills) fn of(fields: &mut Fields) -> Option<Self> {
        let source = fields.pinned_table();
        let columns: Option<Vec<String>> = fields.optional("columns", "a list of names of columns, which may end in *");
        if columns.as_ref().is_some_and(Vec::is_empty) {
            fields.fault("columns", "must name a column, or be left out");
        }
        let settings = settings(fields);
        let head = fields.or("head", HeadKind::None, "none, classifier or regressor");
        let target: Option<String> = fields.optional("target", "the name of a column");
        let split = fields.or("split", SplitWay::Random, "random, stratified or temporal");
        let time_column: Option<String> = fields.optional("time_column", "the name of a column");
        let val_ratio = fields.within("val_ratio", 0.2, &(0.0..=0.9));
        let patience = fields.optional_within("patience", &(1..=500));
        if target.is_none() {
            if head != HeadKind::None {
                fields.fault("target", "must name the column that the head learns to tell");
            }
            if split == SplitWay::Stratified {
                fields.fault("target", "must name the column whose values the split keeps in proportion");
            }
        } else if head == HeadKind::None && split != SplitWay::Stratified {
            fields.fault("target", "is used by a head or a stratified split only: let head be classifier or regressor");
        }
        if time_column.is_some() && split != SplitWay::Temporal {
            fields.fault("time_column", "is used by a temporal split only");
        }
        if patience.is_some() && val_ratio == 0.0 {
            fields.fault("patience", "needs rows that judge: let val_ratio be more than 0");
        }
        if let Some(source) = &source {
            for (field, name) in [("target", &target), ("time_column", &time_column)] {
                if let Some(name) =
                    name.as_ref().filter(|name| source.columns.iter().all(|column| column.name != **name))
                {
                    let known: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
                    let known = crate::skills::learning::columns::listed(&known);
                    fields.fault(field, format!("the table has no column {name:?}; it has {known}"));
                }
            }
        }
        let output_name = output_name(fields);
        let checkpoint_seconds = fields.within("checkpoint_seconds", CHECKPOINT_SECONDS, &(0..=3600));
        Some(Self {
            source: source?,
            columns,
            settings,
            split,
            time_column,
            val_ratio,
            patience,
            head,
            target,
            output_name,
            checkpoint_seconds,
        })
    }

    /// The machine's settings once its columns are known.
    #[must_use]
    pub fn machine(&self, n_visible: usize, batch_size: i64) -> Settings {
        #[expect(clippy::cast_possible_wrap, reason = "a table has some thousand columns at most")]
        let n_visible = n_visible as i64;
        Settings { n_visible, batch_size, ..self.settings.clone() }
    }
}

fn settings(fields: &mut Fields) -> Settings {
    let family = fields.or("model", Family::Rbm, "rbm, bm or dbm");
    let visible = fields.or("visible", Visible::Bernoulli, "bernoulli or gaussian");
    let momentum_final: Option<f64> = fields.optional("momentum_final", "a number from 0 up to 1, and not 1");
    let momentum = fields.or("momentum", 0.5, "a number from 0 up to 1, and not 1");
    for (name, value) in [("momentum", Some(momentum)), ("momentum_final", momentum_final)] {
        if value.is_some_and(|value| !(0.0..1.0).contains(&value)) {
            fields.fault(name, "must be a number from 0 up to 1, and not 1");
        }
    }
    let lr = fields.or("lr", 0.01, "a number above 0, at most 10");
    if !(lr > 0.0 && lr <= 10.0) {
        fields.fault("lr", "must be a number above 0, at most 10");
    }
    let seed = fields.within("seed", 42, &(0..=LARGEST_SEED));
    let dtype = fields.or("dtype", Dtype::Fp32, "fp32 or bf16");
    if family != Family::Rbm && dtype != Dtype::Fp32 {
        fields.fault("dtype", "must be fp32 where model is bm or dbm; an rbm can learn in bf16");
    }
    let n_hidden = layers(fields, family);
    Settings {
        family,
        visible,
        n_visible: 0,
        n_hidden,
        lr,
        cd_k: fields.within("cd_k", 1, &(1..=1000)),
        sampler: fields.or("sampler", Sampler::Cd, "cd or pcd"),
        n_chains: i64::from(fields.within("n_chains", 100, &(1..=1_000_000_u32))),
        momentum,
        momentum_final,
        weight_decay: fields.within("weight_decay", 0.0, &(0.0..=1.0)),
        sparsity: sparsity(fields),
        epochs: fields.within("epochs", 5, &(1..=500)),
        batch_size: i64::from(fields.within("batch_size", 64, &(1..=1_048_576_u32))),
        seed,
        dtype,
    }
}

/// The hidden units: one number, or a list of one for each layer of a deep machine.
fn layers(fields: &mut Fields, family: Family) -> Vec<i64> {
    let right = format!("an integer from {} to {}, or a list of them", UNITS.start(), UNITS.end());
    let units = match fields.optional("n_hidden", &right) {
        None if family == Family::Dbm => vec![64, 32],
        None => vec![32],
        Some(Layers::One(units)) => vec![units],
        Some(Layers::Many(units)) => units,
    };
    if units.iter().any(|units| !UNITS.contains(units)) {
        fields.fault("n_hidden", format!("must be {right}"));
    }
    match family {
        Family::Dbm if !(2..=MOST_LAYERS).contains(&units.len()) => {
            fields.fault("n_hidden", format!("must list the units of 2 to {MOST_LAYERS} layers, as model is dbm"));
        }
        Family::Rbm | Family::Bm if units.len() != 1 => {
            fields.fault("n_hidden", "must be one integer; only a dbm has several layers");
        }
        _ => {}
    }
    units.into_iter().map(i64::from).collect()
}

fn sparsity(fields: &mut Fields) -> Option<Sparsity> {
    let target: Option<f64> = fields.optional("sparsity_target", "a number between 0 and 1");
    let cost = fields.optional_within("sparsity_cost", &(0.0..=10.0));
    if target.is_some_and(|target| !(target > 0.0 && target < 1.0)) {
        fields.fault("sparsity_target", "must be a number between 0 and 1, and neither of them");
    }
    match (target, cost) {
        (Some(target), Some(cost)) => Some(Sparsity { target, cost }),
        (Some(_), None) => {
            fields.fault("sparsity_cost", "must be given with sparsity_target: how strongly units are held to it");
            None
        }
        (None, Some(_)) => {
            fields.fault("sparsity_target", "must be given with sparsity_cost: the share of rows that a unit is on in");
            None
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source() -> Value {
        json!({ "dataset_id": "d", "table_key": "primary", "commit_id": "0", "uri": "s3://b/k", "format": "parquet",
            "columns": [{ "name": "calif_1", "type": "number", "nullable": true }, { "name": "label", "type": "string", "nullable": true }],
            "rows": 9, "bytes": 9, "created_at": "" })
    }

    fn read(more: &Value) -> Result<Plan, SkillError> {
        let mut parameters = json!({ "dataset_id": "d", "source": source() });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Plan::read(parameters.as_object().unwrap())
    }

    fn faults(more: &Value) -> Vec<String> {
        let SkillError::InvalidInput { details, .. } = read(more).unwrap_err() else { panic!("not an invalid input") };
        let mut fields: Vec<String> = details.into_iter().map(|detail| detail.field).collect();
        fields.sort();
        fields
    }

    #[test]
    fn what_is_left_out_is_as_it_is_documented() {
        let plan = read(&json!({})).unwrap();

        let settings = &plan.settings;
        assert_eq!(
            (&settings.n_hidden[..], settings.lr, settings.batch_size, settings.epochs),
            (&[32][..], 0.01, 64, 5)
        );
        assert_eq!((settings.cd_k, settings.n_chains, settings.momentum, settings.seed), (1, 100, 0.5, 42));
        assert_eq!((plan.split, plan.val_ratio, plan.head), (SplitWay::Random, 0.2, HeadKind::None));
        assert_eq!((plan.output_name.as_str(), plan.patience), ("model", None));
        assert_eq!(read(&json!({ "model": "dbm" })).unwrap().settings.n_hidden, [64, 32]);
        assert_eq!(plan.machine(7, 32).n_visible, 7);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = json!({ "lr": 0, "epochs": 501, "n_hidden": [4, 5], "momentum": 1, "sampler": "gibbs", "val_ratio": 1,
            "output_name": "../x", "head": "classifier", "colour": 1, "columns": [], "sparsity_cost": 0.1, "seed": -1 });

        assert_eq!(
            faults(&wrong),
            [
                "colour",
                "columns",
                "epochs",
                "lr",
                "momentum",
                "n_hidden",
                "output_name",
                "sampler",
                "seed",
                "sparsity_target",
                "target",
                "val_ratio"
            ]
        );
    }

    #[test]
    fn fields_that_do_not_go_together_are_named() {
        assert_eq!(faults(&json!({ "target": "label" })), ["target"]);
        assert_eq!(faults(&json!({ "target": "etiqueta", "head": "classifier" })), ["target"]);
        assert_eq!(faults(&json!({ "time_column": "label" })), ["time_column"]);
        assert_eq!(faults(&json!({ "patience": 3, "val_ratio": 0 })), ["patience"]);
        assert_eq!(faults(&json!({ "model": "dbm", "n_hidden": 8 })), ["n_hidden"]);
        assert_eq!(faults(&json!({ "model": "bm", "dtype": "bf16" })), ["dtype"]);
        assert_eq!(faults(&json!({ "split": "stratified" })), ["target"]);
        assert!(read(&json!({ "target": "label", "head": "classifier", "split": "stratified" })).is_ok());
    }
}
