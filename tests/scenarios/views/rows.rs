//! Sampling jobs by their document: created, and their rows read. A test plays the worker.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use relevo_shared::{job::JobState, view::sampling::SampleRows};
use relevo_tables::ParquetTableWriter;
use rig::{Answer, Api, Redis, Relevo};
use serde_json::{Value, json};

/// A sampling job that has drawn rows 0..`rows`, and kept `residual` others when it is given.
struct Sampled {
    relevo: Relevo,
    id: String,
}

const GROUP_ROWS: i64 = 128 << 10;

/// Rows with a number, a text and a number that may be missing.
fn parquet(rows: std::ops::Range<i64>) -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.clone().map(|n| format!("fila {n}"))));
    let scores = rows.map(|n| (n % 3 != 0).then_some(n as f64 / 2.0));
    let scores: ArrayRef = Arc::new(scores.collect::<Float64Array>());
    file(vec![("n", numbers), ("text", texts), ("score", scores)])
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = ParquetTableWriter::new(&mut bytes, batch.schema()).expect("the columns can be written");
    writer.write(&batch).and_then(|()| writer.finish()).expect("they are written");
    bytes
}

impl Sampled {
    fn of(sample: Vec<u8>, residual: Option<Vec<u8>>) -> Self {
        let relevo = Relevo::dev();
        let hand = relevo.hand("sampler", &["sampling"]);
        assert_eq!(relevo.api().put("/api/datasets/comments/tables/primary", "n\n1\n").status, 200);
        let id = create(&relevo.api(), "comments");
        let task = hand.claim();
        let put = |name: &str, bytes: Vec<u8>| {
            let up = relevo.api().put(&format!("/api/v1/jobs/{id}/files/content/{name}"), bytes);
            assert_eq!(up.status, 200, "{}", up.text());
            up.json()["s3_uri"].clone()
        };
        let mut result = json!({ "sample_uri": put("sample.parquet", sample) });
        if let Some(residual) = residual {
            result["residual_uri"] = put("residual.parquet", residual);
        }
        assert_eq!(hand.succeed(&task, &result).status, 200);
        relevo.api().wait(&id, JobState::Completed);
        Self { relevo, id }
    }

    fn get(&self, query: &str) -> Answer {
        self.relevo.api().get(&format!("/api/sampling/jobs/{}/data{query}", self.id))
    }

    fn page(&self, query: &str) -> SampleRows {
        let answer = self.get(query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        serde_json::from_value(answer.json()).expect("a page has the documented form")
    }
}

fn rounds() -> Value {
    json!([{ "round_number": 1, "method": "random", "parameters": { "sample_size": 1000 } }])
}

fn create(api: &Api, dataset: &str) -> String {
    let answer = api.post(&format!("/api/sampling/datasets/{dataset}/jobs"), &json!({ "rounds": rounds() }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    rig::text(&answer.json()["job_id"])
}

#[test]
fn a_sampling_job_is_created_on_the_dataset_of_its_path() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert_eq!(api.put("/api/datasets/48/tables/primary", "n\n1\n").status, 200);

    let answer = api.post("/api/sampling/datasets/48/jobs", &json!({ "rounds": rounds() }));

    assert_eq!(answer.status, 200, "{}", answer.text());
    let created = answer.json();
    assert_eq!(
        (&created["status"], &created["message"]),
        (&json!("pending"), &json!("Sampling job created with 1 rounds"))
    );
    let job = api.get(&format!("/api/jobs/{}", rig::text(&created["job_id"]))).json();
    assert_eq!((&job["dataset_id"], &job["run_type"]), (&json!(48), &json!("sampling")));
    assert_eq!(job["run_parameters"]["rounds"], rounds());

    let post = |path: &str, body: Value| api.post(path, &body);
    let nowhere = post("/api/sampling/datasets/nowhere/jobs", json!({ "rounds": rounds() })).refusal(404);
    assert!(nowhere.error.contains("nowhere"), "{nowhere:?}");
    for (body, field) in [
        (json!({}), "rounds"),
        (json!({ "rounds": [] }), "rounds"),
        (json!({ "rounds": [{ "method": "random", "parameters": {} }] }), "rounds[0].parameters.sample_size"),
        (json!({ "rounds": rounds(), "dataset_id": 49 }), "dataset_id"),
        (json!({ "rounds": rounds(), "ruonds": 1 }), "ruonds"),
        (json!([]), "body"),
    ] {
        let problem = post("/api/sampling/datasets/48/jobs", body).refusal(422);
        assert_eq!(problem.details[0].field, field, "{problem:?}");
        assert!(!problem.error.contains("initial_data"), "{problem:?}");
    }
}

#[test]
fn rows_are_paged_across_the_groups_of_the_file() {
    let total = GROUP_ROWS + 5_000;
    let sampled = Sampled::of(parquet(0..total), Some(parquet(0..7)));

    let first = sampled.page("");
    assert_eq!((first.rows.len(), first.total, first.offset, first.limit), (100, total as u64, 0, 100));
    assert_eq!((first.table_key.as_str(), first.has_more), ("primary", true));
    assert_eq!(first.columns, ["n", "text", "score"]);
    assert_eq!(Value::Object(first.rows[3].clone()), json!({ "n": 3, "text": "fila 3", "score": null }));
    assert_eq!(Value::Object(first.rows[4].clone()), json!({ "n": 4, "text": "fila 4", "score": 2.0 }));

    // Over the edge of a group, up to the end, beyond it.
    let numbers =
        |page: &SampleRows| page.rows.iter().map(|row| row["n"].as_i64().expect("a number")).collect::<Vec<_>>();
    let edge = sampled.page(&format!("?offset={}&limit=1000", GROUP_ROWS - 400));
    assert_eq!(numbers(&edge), (GROUP_ROWS - 400..GROUP_ROWS + 600).collect::<Vec<_>>());
    let last = sampled.page(&format!("?offset={}&limit=1000", total - 3));
    assert_eq!((numbers(&last), last.has_more), ((total - 3..total).collect(), false));
    let beyond = sampled.page(&format!("?offset={}", total + 9));
    assert_eq!((beyond.rows.len(), beyond.total, beyond.has_more), (0, total as u64, false));
    let far = sampled.page("?offset=9007199254740991&limit=1");
    assert!(far.rows.is_empty());

    let chosen = sampled.page("?columns=score,n&limit=2&offset=1&table_key=sample");
    assert_eq!((chosen.columns, chosen.table_key.as_str()), (vec!["score".to_owned(), "n".to_owned()], "sample"));
    assert_eq!(Value::Object(chosen.rows[0].clone()).to_string(), r#"{"score":0.5,"n":1}"#);
    let residual = sampled.page("?table_key=residual");
    assert_eq!((residual.total, residual.table_key.as_str()), (7, "residual"));
}

#[test]
fn all_rows_come_as_csv_and_a_range_where_one_is_asked_for() {
    let total = GROUP_ROWS + 5_000;
    let sampled = Sampled::of(parquet(0..total), None);

    let whole = sampled.get("?format=csv");

    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let name = format!("attachment; filename=\"primary-{}.csv\"", sampled.id);
    assert_eq!(whole.header("content-disposition"), Some(name.as_str()));
    let text = whole.text();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len() as i64, total + 1);
    assert_eq!(lines[..3], ["n,text,score", "0,fila 0,", "1,fila 1,0.5"]);
    for (number, line) in lines[1..].iter().enumerate() {
        assert!(line.starts_with(&format!("{number},fila {number},")), "line {number}: {line}");
    }
    let part = sampled.get("?format=csv&offset=2&limit=2&columns=text");
    assert_eq!(part.text(), "text\r\nfila 2\r\nfila 3\r\n");
    assert_eq!(sampled.get(&format!("?format=csv&offset={}&columns=n", total + 1)).text(), "n\r\n");
}

#[test]
fn what_a_spreadsheet_may_run_stays_data() {
    let hostile = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "=HYPERLINK(\"http://evil\",\"a\")",
        "a,b",
        "a\"b",
        "a\r\nb",
        "",
        " ",
    ];
    let texts: ArrayRef = Arc::new(StringArray::from(hostile.to_vec()));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..hostile.len() as i64));
    let sampled = Sampled::of(file(vec![("=cmd|' /C calc'!A0", texts), ("n", numbers)]), None);

    let csv = sampled.get("?format=csv").text();
    let page = sampled.page("");

    let expected = [
        "=cmd|' /C calc'!A0,n",
        "=1+1,0",
        "+1,1",
        "-1,2",
        "@SUM(A1),3",
        "\tx,4",
        "\"\rx\",5",
        "\"=HYPERLINK(\"\"http://evil\"\",\"\"a\"\")\",6",
        "\"a,b\",7",
        "\"a\"\"b\",8",
        "\"a\r\nb\",9",
        ",10",
        " ,11",
        "",
    ];
    assert_eq!(csv, expected.join("\r\n"));
    let back: Vec<_> = page.rows.iter().map(|row| rig::text(&row["=cmd|' /C calc'!A0"])).collect();
    assert_eq!(back, hostile);
}

#[test]
fn what_cannot_be_read_is_refused_in_words_that_help() {
    let sampled = Sampled::of(parquet(0..5), None);

    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?offset=-1", "offset"),
        ("?offset=1.5", "offset"),
        ("?format=xml", "format"),
        ("?table_key=other", "table_key"),
        ("?table_key=..%2Fsample", "table_key"),
        ("?columns=nothing", "columns"),
        ("?columns=n,n", "columns"),
        ("?columns=", "columns"),
        ("?columns=%00", "columns"),
        ("?limmit=5", "limmit"),
        ("?limit=1&limit=2", "limit"),
    ] {
        let problem = sampled.get(query).refusal(422);
        assert_eq!(problem.details[0].field, field, "{query}: {problem:?}");
    }
    let unknown = sampled.get("?columns=nothing").refusal(422);
    assert!(unknown.error.contains("n, text, score"), "{unknown:?}");
    let residual = sampled.get("?table_key=residual").refusal(404);
    assert!(residual.error.contains("kept no rows"), "{residual:?}");
}

#[test]
fn there_are_no_rows_before_the_job_has_completed_or_when_it_draws_none() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let (sampler, hand) = (relevo.hand("sampler", &["sampling"]), relevo.hand("hand", &["hand"]));
    assert_eq!(api.put("/api/datasets/d/tables/primary", "n\n1\n").status, 200);
    let data = |id: &str| api.get(&format!("/api/sampling/jobs/{id}/data"));

    let running = create(&api, "d");
    assert!(data(&running).refusal(400).error.starts_with("Cannot read data of pending job"));
    let task = sampler.claim();
    assert!(data(&running).refusal(400).error.starts_with("Cannot read data of running job"));
    assert_eq!(sampler.fail(&task, "PERMANENT").status, 200);
    api.wait(&running, JobState::Quarantined);
    assert!(data(&running).refusal(400).error.starts_with("Cannot read data of failed job"));

    let other = api.create("jobs/by_hand", &json!({}));
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "rows": 1 })).status, 200);
    api.wait(&other, JobState::Completed);
    assert!(data(&other).refusal(404).error.contains("has drawn no sample"));

    // A file that is gone, one of somebody else's, and one that is no table.
    for (uri, status) in [
        ("s3://relevo/jobs/gone.parquet", 404),
        ("s3://other/jobs/x.parquet", 404),
        ("s3://relevo-other/jobs/x.parquet", 404),
        ("file:///etc/passwd", 404),
    ] {
        let id = create(&api, "d");
        assert_eq!(sampler.succeed(&sampler.claim(), &json!({ "sample_uri": uri })).status, 200);
        api.wait(&id, JobState::Completed);
        assert_eq!(data(&id).status, status, "{uri}: {}", data(&id).text());
    }
    let id = create(&api, "d");
    let task = sampler.claim();
    let up = api.put(&format!("/api/v1/jobs/{id}/files/content/x.parquet"), "no Parquet at all").json();
    assert_eq!(sampler.succeed(&task, &json!({ "sample_uri": up["s3_uri"] })).status, 200);
    api.wait(&id, JobState::Completed);
    let broken = data(&id).refusal(500);
    assert!(!broken.error.contains("Parquet"), "{broken:?}");
}

#[test]
fn without_storage_there_are_no_rows() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("hand", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "sample_uri": "s3://relevo/x" })).status, 200);
    relevo.api().wait(&id, JobState::Completed);

    assert_eq!(relevo.api().get(&format!("/api/sampling/jobs/{id}/data")).refusal(501).code, "s3_disabled");
}
