//! Lists of jobs: what each filter means, how they are paged, and who sees what.

use std::collections::BTreeSet;

use rig::{Api, ListFile, Redis, Relevo, client_entry, text};
use serde_json::{Value, json};

use super::EachState;

fn get(api: &Api, path: &str) -> Value {
    let answer = api.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// The ids in a list, in its order.
fn ids(list: &Value) -> Vec<String> {
    let items = list.get("jobs").or_else(|| list.get("items")).and_then(Value::as_array).expect("a list has items");
    items.iter().map(|job| text(&job["job_id"])).collect()
}

#[test]
fn a_status_means_every_state_that_is_told_by_the_word() {
    let jobs = EachState::new();
    let found = |path: &str, word: &str| -> BTreeSet<&str> {
        let list = get(&jobs.api(), &format!("{path}?status={word}"));
        let ids = ids(&list);
        assert_eq!(list["total"], ids.len(), "{path} {word}");
        jobs.jobs.iter().filter(|(_, id)| ids.contains(id)).map(|(state, _)| *state).collect()
    };

    for path in ["/api/jobs", "/jobs"] {
        let common: [(&str, &[&str]); 7] = [
            ("pending", &["pending"]),
            ("running", &["running", "waiting"]),
            ("waiting", &["waiting"]),
            ("completed", &["completed"]),
            ("failed", &["failed", "quarantined"]),
            ("quarantined", &["quarantined"]),
            ("cancelled", &["cancelled"]),
        ];
        for (word, states) in common {
            assert_eq!(found(path, word), states.iter().copied().collect(), "{path} {word}");
        }
    }
    assert_eq!(found("/jobs", "created"), BTreeSet::from(["pending"]));
    for (path, word) in
        [("/api/jobs", "created"), ("/api/jobs", "done"), ("/jobs", "queued"), ("/jobs", "Running"), ("/jobs", "")]
    {
        let problem = jobs.api().get(&format!("{path}?status={word}")).refusal(422);
        assert_eq!(problem.details[0].field, "status");
        assert!(problem.error.contains("completed, failed, cancelled"), "{problem:?}");
    }
}

#[test]
fn an_item_has_the_members_of_both_documents_and_nothing_large() {
    let jobs = EachState::new();

    let list = get(&jobs.api(), "/api/jobs?status=completed");

    let whole = get(&jobs.api(), &format!("/api/jobs/{}", jobs.id("completed")));
    let mut expected = whole.as_object().expect("a job is an object").clone();
    for large in ["run_parameters", "output_summary", "stages", "errors"] {
        assert!(expected.shift_remove(large).is_some(), "{large} is told with the job itself");
    }
    assert_eq!(list["jobs"], json!([expected]));
    assert_eq!((&list["limit"], &list["offset"], &list["has_more"]), (&json!(50), &json!(0), &json!(false)));
    let spanish = get(&jobs.api(), "/jobs?status=failed");
    assert_eq!(spanish["total"], 2);
    assert_eq!(spanish["items"][0]["error"], "no good");
}

#[test]
fn filters_narrow_a_list_alone_and_together() {
    let redis = Redis::start();
    let file = ListFile::new(
        &(client_entry("ana", &["ana"], "user_id = \"87\"\nuser_soeid = \"bg54677\"")
            + &client_entry("root", &["root"], "scopes = [\"admin\"]\nuser_id = \"root-1\"")),
    );
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let (ana, root) = (relevo.api().with_token("ana"), relevo.api().with_token("root"));
    let train = |api: &Api, dataset: Value| api.create("jobs/train_by_hand", &json!({ "dataset_id": dataset }));
    let (number, word) = (train(&ana, json!(48)), train(&ana, json!("48")));
    let other = train(&ana, json!("49"));
    let by_hand = ana.create("jobs/by_hand", &json!({}));
    let of_root = train(&root, json!(48));
    let found = |api: &Api, query: &str| ids(&get(api, &format!("/api/jobs?{query}")));

    assert_eq!(found(&ana, "dataset_id=48"), [word.as_str(), &number]);
    assert_eq!(found(&ana, "run_type=train_rbm"), [other.as_str(), &word, &number]);
    assert_eq!(found(&ana, "job_type=train_rbm&run_type=train_rbm&dataset_id=49"), [other.as_str()]);
    assert_eq!(found(&ana, "run_type=by_hand"), [by_hand.as_str()]);
    assert_eq!(
        found(&ana, "user_id=87&user_soeid=bg54677&status=pending&dataset_id=48&run_type=train_rbm"),
        [word.as_str(), &number]
    );
    assert_eq!(found(&root, "dataset_id=48"), [of_root.as_str(), &word, &number], "an admin sees all");
    assert_eq!(found(&root, "user_id=root-1"), [of_root.as_str()]);
    for nobody in [
        "user_id=88",
        "user_id=",
        "user_id=087",
        "user_soeid=zz99999",
        "user_id=root-1",
        "dataset_id=4",
        "run_type=train",
    ] {
        let list = get(&ana, &format!("/api/jobs?{nobody}"));
        assert_eq!((ids(&list).len(), &list["total"]), (0, &json!(0)), "{nobody}");
    }
    let job = get(&ana, &format!("/api/jobs/{number}"));
    assert_eq!((&job["user_id"], &job["user_soeid"]), (&json!(87), &json!("bg54677")));
    assert_eq!((&job["run_type"], &job["dataset_id"]), (&json!("train_rbm"), &json!(48)));
    assert_eq!(get(&ana, &format!("/api/jobs/{word}"))["dataset_id"], "48");
    assert_eq!(get(&root, &format!("/api/jobs/{of_root}"))["user_id"], "root-1");

    // Between two instants, neither of which belongs to it.
    let created = |id: &str| text(&get(&ana, &format!("/api/jobs/{id}"))["created_at"]);
    let after = format!("created_after={}", created(&other));
    assert!(!found(&ana, &after).contains(&other));
    assert!(found(&ana, "created_after=2020-01-01T00:00:00+00:00").contains(&number), "the plus of a query is a blank");
    assert!(found(&ana, "created_before=2020-01-01T00:00:00Z").is_empty());

    let spanish = get(&ana, "/jobs?type=train_rbm&dataset_id=48&status=created");
    assert_eq!((ids(&spanish), &spanish["total"]), (vec![word, number], &json!(2)));
    assert_eq!(
        (&spanish["items"][0]["type"], &spanish["items"][0]["status"]),
        (&json!("train_rbm"), &json!("created"))
    );
}

#[test]
fn a_list_is_paged_by_offset_and_by_cursor() {
    const JOBS: usize = 23;
    let relevo = Relevo::dev();
    let api = relevo.api();
    let mut all: Vec<String> = (0..JOBS).map(|_| api.create("jobs/by_hand", &json!({}))).collect();
    all.reverse();

    let first = get(&api, "/api/jobs?limit=10");
    assert_eq!(ids(&first), all[..10]);
    assert_eq!(
        (&first["total"], &first["limit"], &first["offset"], &first["has_more"]),
        (&json!(JOBS), &json!(10), &json!(0), &json!(true))
    );
    let last = get(&api, "/api/jobs?limit=10&offset=20");
    assert_eq!((ids(&last), &last["has_more"]), (all[20..].to_vec(), &json!(false)));
    assert!(last.get("next_cursor").is_none(), "{last}");
    let beyond = get(&api, "/api/jobs?offset=1000000000000");
    assert_eq!((ids(&beyond).len(), &beyond["total"], &beyond["has_more"]), (0, &json!(JOBS), &json!(false)));

    // What is created meanwhile shifts no page.
    for path in ["/api/jobs", "/jobs"] {
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let list = get(&api, &format!("{path}?limit=7{cursor}"));
            walked.extend(ids(&list));
            let _newer = api.create("jobs/by_hand", &json!({}));
            match list.get("next_cursor") {
                Some(next) => cursor = format!("&cursor={}", text(next)),
                None => break,
            }
        }
        let walked: Vec<_> = walked.into_iter().filter(|id| all.contains(id)).collect();
        assert_eq!(walked, all, "{path}");
    }
}

#[test]
fn a_list_is_refused_with_the_field_that_is_wrong() {
    let relevo = Relevo::dev();
    let cursor = {
        let api = relevo.api();
        let _ids: Vec<String> = (0..2).map(|_| api.create("jobs/by_hand", &json!({}))).collect();
        text(&get(&api, "/api/jobs?limit=1")["next_cursor"])
    };
    let cases = [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=5&limit=6", "limit"),
        ("offset=-1", "offset"),
        ("offset=1e3", "offset"),
        ("cursor=", "cursor"),
        ("cursor=..%2F", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("status=unknown", "status"),
        ("status=running,failed", "status"),
        ("usr_id=5", "usr_id"),
    ];
    for (query, field) in cases {
        for path in ["/api/jobs", "/jobs"] {
            let problem = relevo.api().get(&format!("{path}?{query}")).refusal(422);
            assert_eq!(problem.details[0].field, field, "{path}?{query}: {problem:?}");
            assert_eq!(problem.detail.is_some(), path == "/jobs");
        }
    }
    for (query, field) in [
        ("run_type=sampling&job_type=import", "job_type"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2025-07-07", "created_before"),
        (&format!("cursor={cursor}&offset=0"), "cursor"),
    ] {
        let problem = relevo.api().get(&format!("/api/jobs?{query}")).refusal(422);
        assert_eq!(problem.details[0].field, field, "{query}: {problem:?}");
    }
    assert_eq!(relevo.api().get("/jobs/preproc/beto/status?limit=0").refusal(422).details[0].field, "limit");
    assert_eq!(relevo.api().with_token("").get("/api/jobs").refusal(401).code, "unauthorized");
}

#[test]
fn a_client_lists_its_own_jobs_only() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    for path in ["/api/jobs", "/jobs", "/jobs/preproc/beto/status"] {
        let list = get(&relevo.stranger(), path);
        assert!(!list.to_string().contains(&id), "{path}: {list}");
    }
    let told = relevo.stranger().post("/v1/toolkit/jobs/status", &json!({ "since_seconds": 600 })).json();
    assert_eq!(told["response"], json!({}));
}

#[test]
fn the_toolkit_tells_of_jobs_that_were_created_lately() {
    let jobs = EachState::new();
    let ask = |body: &Value| jobs.api().post("/v1/toolkit/jobs/status", body);

    let told = ask(&json!({ "since_seconds": 600 })).json();

    let words = [("pending", "queued"), ("running", "running"), ("waiting", "running")];
    let words =
        words.into_iter().chain(["completed", "failed", "cancelled", "quarantined"].map(|state| (state, "done")));
    let expected: serde_json::Map<String, Value> =
        words.map(|(state, word)| (jobs.id(state).to_owned(), json!(word))).collect();
    assert_eq!(told["response"], Value::Object(expected));
    assert_eq!((&told["code"], &told["job_id"], &told["message"]), (&json!(200), &Value::Null, &json!("success")));
    assert_eq!(ask(&Value::Null).json()["response"], told["response"], "ten minutes are meant when nothing is said");
    assert_eq!(ask(&json!({ "since_seconds": 0 })).json()["response"], json!({}));
    for wrong in [json!(-1), json!("600"), json!(1e99), json!([])] {
        let refused = ask(&json!({ "since_seconds": wrong }));
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (400, &json!(400)),
            "{wrong}: {}",
            refused.text()
        );
    }
}

#[test]
fn the_latest_jobs_of_beto_are_told_whole() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    for dataset in ["48", "otro"] {
        assert_eq!(api.put(&format!("/api/datasets/{dataset}/tables/primary"), "comentario\nmuy claro\n").status, 200);
    }
    let run =
        |dataset: Value| text(&api.post("/jobs/preproc/beto/run", &json!({ "dataset_id": dataset })).json()["job_id"]);
    let (older, newer, other) = (run(json!(48)), run(json!("48")), run(json!("otro")));
    let _echo = api.create("jobs/echo", &json!({}));

    let all = get(&api, "/jobs/preproc/beto/status");
    let latest = get(&api, "/jobs/preproc/beto/status?dataset_id=48&limit=1");

    assert_eq!(ids(&all), [other.as_str(), &newer, &older]);
    assert_eq!(ids(&latest), [newer.as_str()]);
    assert_eq!((&latest["jobs"][0]["type"], &latest["jobs"][0]["status"]), (&json!("preproc_beto"), &json!("created")));
    assert_eq!(latest["jobs"][0]["params"]["threshold"], 0.75);
    assert_eq!(ids(&get(&api, "/jobs?type=preproc_beto")).len(), 3);
}
