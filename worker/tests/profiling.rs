//! `profiling` as a worker runs it: what it finds is what pandas and NumPy find, and no table is too odd for it.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod s3;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bench::Bench;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use relevo_shared::dataset::TableRef;
use relevo_tables::ParquetTableWriter;
use relevo_worker::{cancel::StopReason, skills::SkillError};
use serde_json::{Value, json};

impl Bench {
    /// Puts a Parquet file into S3 and describes it as a dataset's table.
    fn pin(&self, parquet: &Path) -> TableRef {
        fs::copy(parquet, self.s3.root.path().join("data/table")).unwrap();
        let (table, commit_id) = relevo_tables::identify(parquet).unwrap();
        TableRef {
            dataset_id: "d".to_owned(),
            dataset_name: Some("<b>D</b>".to_owned()),
            table_key: "primary".to_owned(),
            commit_id,
            uri: "s3://data/table".to_owned(),
            format: table.format,
            csv: table.csv,
            columns: table.columns,
            rows: table.rows,
            bytes: table.bytes,
            created_at: String::new(),
        }
    }

    fn params(&self, parquet: &Path, more: &Value) -> Value {
        let mut params = json!({ "dataset_id": "d", "source": self.pin(parquet) });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    }

    async fn run_on(&self, parquet: &Path, more: &Value) -> Result<Value, SkillError> {
        self.run("profiling", &self.params(parquet, more)).await
    }

    /// The profile and the page of a table.
    async fn profile(&self, parquet: &Path, more: &Value) -> (Value, String) {
        let result = self.run_on(parquet, more).await.unwrap();
        let read = |uri: &str| {
            let path = result[uri].as_str().unwrap().strip_prefix("s3://").unwrap().to_owned();
            fs::read_to_string(self.s3.root.path().join(path)).unwrap()
        };
        (serde_json::from_str(&read("profile_uri")).unwrap(), read("report_uri"))
    }

    fn write(&self, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
        let path = self.folder.path().join("made.parquet");
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let batch = batch.unwrap();
        let mut writer = ParquetTableWriter::create(&path, batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        path
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

fn close(name: &str, found: &Value, expected: &Value) {
    let (found, expected) = (found.as_f64(), expected.as_f64());
    let near = found.zip(expected).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0));
    assert!(near || found == expected, "{name}: {found:?} is not {expected:?}");
}

fn column<'a>(profile: &'a Value, name: &str) -> &'a Value {
    profile["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap()
}

#[tokio::test]
async fn what_is_found_is_what_pandas_and_numpy_find() {
    let bench = Bench::new().await;
    let answers: Value = serde_json::from_slice(&fs::read(golden("profile.json")).unwrap()).unwrap();

    let (profile, _) = bench.profile(&golden("profile.parquet"), &json!({ "top_values": 5 })).await;

    assert_eq!((&profile["method"], &profile["approximated"]), (&json!("exact"), &json!([])));
    assert_eq!(profile["duplicate_rows"], answers["duplicate_rows"]);
    for (name, expected) in answers["columns"].as_object().unwrap() {
        let found = column(&profile, name);
        for figure in ["count", "missing", "distinct"] {
            assert_eq!(found[figure], expected[figure], "{name}: {figure}");
        }
        if expected.get("mean").is_none() || name == "id" {
            continue;
        }
        for figure in ["min", "max", "mean", "std", "skewness", "zeros", "negatives"] {
            close(&format!("{name}: {figure}"), &found[figure], &expected[figure]);
        }
        for (n, quantile) in expected["quantiles"].as_array().unwrap().iter().enumerate() {
            close(&format!("{name}: quantile {n}"), &found["quantiles"][n]["value"], quantile);
        }
        assert_eq!(found["histogram"]["counts"], expected["counts"], "{name}: histogram");
        for (n, edge) in expected["edges"].as_array().unwrap().iter().enumerate() {
            close(&format!("{name}: edge {n}"), &found["histogram"]["edges"][n], edge);
        }
    }
    let (city, expected) = (column(&profile, "ciudad"), &answers["columns"]["ciudad"]);
    let top: Vec<Value> =
        city["top"].as_array().unwrap().iter().map(|found| json!([found["value"], found["count"]])).collect();
    assert_eq!(json!(top), expected["top"]);
    let lengths = &city["lengths"];
    assert_eq!((&lengths["min"], &lengths["max"]), (&expected["lengths"][0], &expected["lengths"][1]));
    close("lengths", &lengths["mean"], &expected["lengths"][2]);
    let pairs = profile["correlations"].as_array().unwrap();
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!((&pairs[0]["a"], &pairs[0]["b"]), (&json!("altura"), &json!("peso")));
    close("correlation", &pairs[0]["r"], &answers["correlation"]["altura peso"]);
    let alerts = |name: &str| column(&profile, name)["alerts"].clone();
    assert_eq!(alerts("constante"), json!(["constant"]));
    assert_eq!(alerts("ingresos"), json!(["many_missing", "skewed"]));
    assert_eq!(alerts("hijos"), json!(["many_zeros"]));
    assert_eq!(alerts("ciudad"), json!(["blank"]));
    // Integers beyond 53 bits keep their last digit.
    assert_eq!(column(&profile, "id")["min"], json!(9_007_199_254_740_993_i64));
    assert!(column(&profile, "alta")["min"].as_str().unwrap().starts_with("2024-01-01"));
}

#[tokio::test]
async fn estimates_are_near_and_are_called_what_they_are() {
    let bench = Bench::new().await;
    let exact = bench.profile(&golden("profile.parquet"), &json!({})).await.0;

    let (profile, page) = bench.profile(&golden("profile.parquet"), &json!({ "method": "approximate" })).await;

    assert_eq!(profile["method"], "approximate");
    assert_eq!(profile["approximated"], json!(["distinct", "duplicate_rows", "quantiles"]));
    assert!(page.contains("Estimated"));
    for name in ["altura", "peso", "ingresos"] {
        let (near, right) = (column(&profile, name), column(&exact, name));
        close(name, &near["mean"], &right["mean"]);
        close(name, &near["std"], &right["std"]);
        for figure in ["/distinct", "/quantiles/3/value"] {
            let (near, right) =
                (near.pointer(figure).unwrap().as_f64().unwrap(), right.pointer(figure).unwrap().as_f64().unwrap());
            assert!((near - right).abs() < 0.05 * right, "{name}{figure}: {near} is not near {right}");
        }
        assert_eq!(
            near["histogram"]["counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>(),
            near["count"].as_u64().unwrap()
        );
    }
}

#[tokio::test]
async fn tables_with_next_to_nothing_in_them_have_a_profile() {
    let bench = Bench::new().await;
    let nothing = vec![
        ("n", Arc::new(Float64Array::from(Vec::<f64>::new())) as ArrayRef),
        ("t", Arc::new(StringArray::from(Vec::<&str>::new()))),
        ("b", Arc::new(BooleanArray::from(Vec::<bool>::new()))),
    ];
    let nulls: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Float64Array::from(vec![None, None]))),
        ("i", Arc::new(Int64Array::from(vec![None, None]))),
        ("t", Arc::new(StringArray::from(vec![None::<&str>, None]))),
        ("b", Arc::new(BooleanArray::from(vec![None, None]))),
        ("x", Arc::new(BinaryArray::from(vec![None, None]))),
    ];

    let (empty, _) = bench.profile(&bench.write(nothing), &json!({})).await;
    let (missing, _) = bench.profile(&bench.write(nulls), &json!({})).await;

    assert_eq!((&empty["rows"], &empty["duplicate_rows"]), (&json!(0), &json!(0)));
    assert!(
        empty["columns"].as_array().unwrap().iter().all(|column| column["count"] == 0 && column["alerts"] == json!([]))
    );
    assert_eq!(missing["duplicate_rows"], 1);
    for column in missing["columns"].as_array().unwrap() {
        assert_eq!((&column["count"], &column["missing"]), (&json!(0), &json!(2)), "{column}");
        assert_eq!(column["alerts"], json!(["empty"]), "{column}");
    }
}

#[tokio::test]
async fn what_is_no_number_among_numbers_is_told_apart() {
    let bench = Bench::new().await;
    let numbers = [1.0, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    let table = bench.write(vec![("n", Arc::new(Float64Array::from(numbers.to_vec())) as ArrayRef)]);

    let (profile, _) = bench.profile(&table, &json!({})).await;

    let found = column(&profile, "n");
    assert_eq!((&found["count"], &found["missing"], &found["infinite"]), (&json!(5), &json!(1), &json!(2)));
    assert_eq!((&found["mean"], &found["min"].as_f64(), &found["max"]), (&json!(1.0), &Some(0.0), &json!(2.0)));
    assert_eq!(found["alerts"], json!(["infinite"]));
}

#[tokio::test]
async fn nothing_of_a_table_becomes_a_part_of_the_page() {
    let bench = Bench::new().await;
    let hostile = "<script>alert(1)</script>";
    let values =
        StringArray::from(vec![Some("\"><img src=x onerror=alert(1)>"), Some("a\0b"), Some("\u{202E}txt.exe")]);
    let table = bench
        .write(vec![(hostile, Arc::new(values) as ArrayRef), ("a.b \"c\"", Arc::new(Int64Array::from(vec![1, 2, 3])))]);

    let (profile, page) = bench.profile(&table, &json!({})).await;

    assert_eq!((&profile["columns"][0]["name"], &profile["columns"][1]["distinct"]), (&json!(hostile), &json!(3)));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("&lt;b&gt;D&lt;/b&gt;"));
    assert!(page.contains("a␀b") && page.contains("\\u{202E}txt.exe"));
    for trap in ["<script", "<img", "\0", "\u{202E}", "http://", "https://", "<b>"] {
        assert!(!page.contains(trap), "{trap:?} is in the page");
    }
}

#[tokio::test]
async fn texts_of_ten_megabytes_are_measured_in_bounded_memory() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("long.parquet");
    let long: Vec<String> = (0..4_u8).map(|n| char::from(b'a' + n % 3).to_string().repeat(10 << 20)).collect();
    let batch = |text: &str| {
        let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
        RecordBatch::try_from_iter([("t", column)]).unwrap()
    };
    let mut writer = ParquetTableWriter::create(&path, batch("").schema()).unwrap();
    for _ in 0..3 {
        long.iter().for_each(|text| writer.write(&batch(text)).unwrap());
    }
    writer.finish().unwrap();
    drop(long);
    let before = peak_kib();

    let (profile, page) = bench.profile(&path, &json!({})).await;

    let found = column(&profile, "t");
    assert_eq!((&found["count"], &found["distinct"]), (&json!(12), &json!(3)));
    assert_eq!(found["lengths"], json!({ "min": 10 << 20, "max": 10 << 20, "mean": f64::from(10 << 20) }));
    assert_eq!(found["top"][0]["count"], 6);
    assert!(page.len() < 100_000, "{} bytes", page.len());
    let grown = peak_kib() - before;
    assert!(grown < 700 << 10, "{} MiB", grown >> 10);
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn parameters_that_are_wrong_are_named() {
    let bench = Bench::new().await;
    let wrong =
        json!({ "columns": ["altura", "edad"], "bins": 1, "top_values": 0, "method": "quick", "colour": "red" });

    let error = bench.run_on(&golden("profile.parquet"), &wrong).await.unwrap_err();

    let SkillError::InvalidInput { details, .. } = error else { panic!("{error:?}") };
    let mut fields: Vec<&str> = details.iter().map(|detail| detail.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["bins", "colour", "columns", "method", "top_values"]);
}

#[tokio::test]
async fn some_columns_are_looked_at_where_they_are_chosen() {
    let bench = Bench::new().await;

    let (profile, _) = bench.profile(&golden("profile.parquet"), &json!({ "columns": ["ciudad", "hijos"] })).await;

    let names: Vec<&Value> = profile["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!((names, &profile["column_count"]), (vec![&json!("ciudad"), &json!("hijos")], &json!(9)));
}

#[tokio::test]
async fn a_profiling_that_is_cancelled_ends() {
    let bench = Bench::new().await;
    let task = Bench::task("profiling", &bench.params(&golden("profile.parquet"), &json!({})));
    let context = bench.context(&task);
    context.stop(StopReason::Cancelled);

    let ended = bench.run_in(&task, &context).await;

    assert_eq!(ended, Err(SkillError::Cancelled));
}
