//! What the shipped blueprint of sampling jobs refuses, field by field, and how formats of our own are checked at any depth.

use relevo_shared::dataset::Column;
use serde_json::{Value, json};

use super::Blueprint;

fn blueprint() -> Blueprint {
    Blueprint::parse(include_str!("../../../../blueprints/sampling.yaml"))
        .unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// A job of these rounds on a table with a column of every kind.
fn refusals(rounds: &Value) -> Vec<String> {
    refusals_of(json!({ "dataset_id": "d", "rounds": rounds }))
}

fn refusals_of(input: Value) -> Vec<String> {
    let Value::Object(input) = input else { panic!("an input is an object") };
    let columns = [("id", "integer"), ("city", "string"), ("weight", "number"), ("odd.name", "boolean")];
    let columns = columns.map(|(name, kind)| Column { name: name.to_owned(), kind: kind.to_owned(), nullable: true });
    let blueprint = blueprint();
    let judged = blueprint.fill(input).and_then(|input| blueprint.check_columns(&input, &columns));
    let mut told: Vec<String> = judged
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|detail| format!("{}: {}", detail.field.trim_start_matches("initial_data."), detail.reason))
        .collect();
    told.sort();
    told
}

#[test]
fn every_method_is_accepted_with_what_it_takes() {
    for (method, parameters) in [
        ("random", json!({ "sample_size": 1000 })),
        ("random", json!({ "sample_size": 0.25, "seed": 7 })),
        ("stratified", json!({ "strata_columns": ["city", "odd.name"], "sample_size": 10, "min_per_stratum": 1 })),
        ("stratified", json!({ "strata_columns": "city", "samples_per_stratum": 3 })),
        ("systematic", json!({ "interval": 10, "start": 3 })),
        ("cluster", json!({ "cluster_column": "city", "num_clusters": 2 })),
        ("cluster", json!({ "cluster_column": "city", "num_clusters": 2, "sample_percentage": 12.5 })),
        ("weighted", json!({ "weight_column": "weight", "sample_size": 5 })),
        ("reservoir", json!({ "sample_size": 5 })),
        ("custom", json!({ "query": "city = 'Lima' AND weight > 3" })),
    ] {
        let round = json!({
            "round_number": 3, "method": method, "parameters": parameters, "filters": { "expression": "\"odd.name\"" },
            "selection": { "columns": ["id"], "order_by": "weight", "order_desc": true },
        });

        assert_eq!(refusals(&json!([round])), [""; 0], "{method}");
    }
}

#[test]
fn a_wrong_parameter_is_named_itself_and_not_its_round() {
    let round = |method: &str, parameters: Value| refusals(&json!([{ "method": method, "parameters": parameters }]));

    assert_eq!(round("random", json!({})), ["rounds[0].parameters.sample_size: is missing"]);
    let size = "rounds[0].parameters.sample_size: must be 1 or more, or must be more than 0";
    assert_eq!(round("random", json!({ "sample_size": 0 })), [size]);
    assert_eq!(round("random", json!({ "sample_size": -5 })), [size]);
    let size = "rounds[0].parameters.sample_size: must be less than 1, or must be of type integer";
    assert_eq!(round("random", json!({ "sample_size": 1.5 })), [size]);
    assert_eq!(
        round("reservoir", json!({ "sample_size": 5, "sead": 1 })),
        ["rounds[0].parameters.sead: unknown field"]
    );
    assert_eq!(
        round("stratified", json!({ "strata_columns": "city" })),
        ["rounds[0].parameters: needs `sample_size` or `samples_per_stratum`"]
    );
    assert_eq!(
        round("stratified", json!({ "strata_columns": "city", "samples_per_stratum": 3, "min_per_stratum": 1 })),
        ["rounds[0].parameters.min_per_stratum: is not allowed"]
    );
    assert_eq!(round("systematic", json!({ "interval": 0 })), ["rounds[0].parameters.interval: must be 1 or more"]);
    assert_eq!(
        round(
            "cluster",
            json!({ "cluster_column": "city", "num_clusters": 1, "samples_per_cluster": 1, "sample_percentage": 5 })
        ),
        ["rounds[0].parameters.sample_percentage: is not allowed"]
    );
    assert_eq!(round("weighted", json!({ "sample_size": 3 })), ["rounds[0].parameters.weight_column: is missing"]);
    let methods = r#""random", "stratified", "systematic", "cluster", "weighted", "reservoir", "custom""#;
    assert_eq!(round("guess", json!({})), [format!("rounds[0].method: must be one of {methods}")]);
}

#[test]
fn every_fault_of_every_round_is_told_at_once() {
    let rounds = json!([
        { "method": "weighted", "parameters": { "weight_column": "city", "sample_size": 3 },
          "filters": { "expression": "weight > 'heavy'" } },
        { "method": "stratified", "parameters": { "strata_columns": ["city", "town"], "sample_size": 3 },
          "selection": { "columns": ["id", "idd"], "order_by": ["weight", "wait"] } },
        { "method": "custom", "parameters": { "query": "SELECT 1" }, "filters": { "expression": "city = (SELECT 1)" } },
        { "method": "cluster", "parameters": { "cluster_column": "cities", "num_clusters": 1 } },
    ]);

    let columns = "its columns: id, city, weight, odd.name";
    let told = [
        "rounds[0].filters.expression: 'heavy' is not a number, which it is compared with".to_owned(),
        "rounds[0].parameters.weight_column: column \"city\" must hold numbers".to_owned(),
        format!("rounds[1].parameters.strata_columns[1]: the table has no column \"town\"; {columns}"),
        format!("rounds[1].selection.columns[1]: the table has no column \"idd\" (did you mean \"id\"?); {columns}"),
        format!("rounds[1].selection.order_by[1]: the table has no column \"wait\"; {columns}"),
        "rounds[2].filters.expression: must not have sub-queries: a condition sees one row at a time".to_owned(),
        "rounds[2].parameters.query: must be one condition such as age >= 18, not a statement (it begins with SELECT)"
            .to_owned(),
        format!("rounds[3].parameters.cluster_column: the table has no column \"cities\"; {columns}"),
    ];
    assert_eq!(refusals(&rounds), told);
}

#[test]
fn round_numbers_differ_and_there_is_a_round_at_least() {
    let round = |number: u32| json!({ "round_number": number, "method": "random", "parameters": { "sample_size": 1 } });

    assert_eq!(refusals(&json!([])), ["rounds: must have 1 items or more"]);
    assert_eq!(
        refusals(&json!([round(1), round(2), round(1)])),
        ["rounds[2].round_number: must differ from item to item; 1 comes twice"]
    );
    assert_eq!(
        refusals_of(json!({ "rounds": [round(1)] })),
        ["initial_data.dataset_id: is missing"].map(|told| told.trim_start_matches("initial_data.").to_owned())
    );
}

#[test]
fn conditions_of_the_whole_job_are_checked_too() {
    let job = |fields: Value| {
        let mut input =
            json!({ "dataset_id": 48, "rounds": [{ "method": "random", "parameters": { "sample_size": 1 } }] });
        input.as_object_mut().expect("it is one").extend(fields.as_object().expect("it is one").clone());
        refusals_of(input)
    };

    assert_eq!(
        job(json!({ "filters": { "expression": "id" } })),
        ["filters.expression: must be true or false for each row, but it is a number"]
    );
    assert_eq!(
        job(json!({ "filters": { "where": "id > 1" } })),
        ["filters.expression: is missing", "filters.where: unknown field"]
    );
    assert_eq!(job(json!({ "seed": -1 })), ["seed: must be 0 or more"]);
    assert_eq!(job(json!({ "selection": { "columns": [] } })), ["selection.columns: must have 1 items or more"]);
}

/// A format counts only in the branch of a schema that the input is in.
#[test]
fn a_format_in_a_branch_that_does_not_apply_says_nothing() {
    let text = r#"
name: a
version: "1"
endpoint: /a
input:
  type: object
  properties:
    kind: { enum: [column, text] }
    deep: { type: array, items: { type: object, properties: { value: { type: string } } } }
  if: { properties: { kind: { const: column } } }
  then: { properties: { deep: { items: { properties: { value: { format: column } } } } } }
  else: { properties: { deep: { items: { properties: { value: { format: somebody-elses } } } } } }
definition: { StartAt: S, States: { S: { Type: Succeed } } }
"#;
    let blueprint = Blueprint::parse(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let columns = [Column { name: "b".to_owned(), kind: "string".to_owned(), nullable: true }];
    let told = |kind: &str| {
        let input = json!({ "kind": kind, "deep": [{ "value": "b" }, { "value": "c" }] });
        blueprint
            .check_columns(&input, &columns)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|detail| detail.field)
            .collect::<Vec<_>>()
    };

    assert_eq!(told("column"), ["initial_data.deep[1].value"]);
    assert_eq!(told("text"), [""; 0]);
}
