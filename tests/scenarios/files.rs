//! Files of a job: up through the orchestrator or by a presigned link, down by a stable one.

use relevo_shared::job::JobState;
use reqwest::Method;
use rig::{Redis, Relevo, text};
use serde_json::json;

#[test]
fn an_uploaded_file_comes_back_by_its_stable_link() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let id = api.create("jobs/by_hand", &json!({}));
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();

    let up = api.put(&format!("/api/v1/jobs/{id}/files/content/informe%20final.bin"), bytes.clone());

    assert_eq!(up.status, 200, "{}", up.text());
    assert_eq!(up.json()["status"], "uploaded");
    assert!(text(&up.json()["s3_uri"]).ends_with(&format!("/jobs/{id}/informe final.bin")), "{}", up.text());
    let down = api.get(&format!("/api/v1/jobs/{id}/files/download/informe%20final.bin"));
    assert_eq!(down.status, 302, "{}", down.text());
    let link = down.header("location").expect("a redirect has a target");
    let file = api.bare(Method::GET, link, "");
    assert_eq!(file.status, 200, "{}", file.text());
    assert!(file.body == bytes, "{} bytes came back, or others than the {} that went", file.body.len(), bytes.len());
}

#[test]
fn a_presigned_link_takes_one_file_and_nothing_else() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let id = api.create("jobs/by_hand", &json!({}));

    let link = api.get(&format!("/api/v1/jobs/{id}/files/upload?filename=notas.txt&expires_in=60")).json();

    assert_eq!((&link["method"], &link["expires_in"]), (&json!("PUT"), &json!(60)));
    let url = text(&link["url"]);
    assert_eq!(api.bare(Method::PUT, &url, "hola").status, 200);
    assert!(api.bare(Method::PUT, &url.replace("notas.txt", "otras.txt"), "hola").status.is_client_error());
    let down = api.get(&format!("/api/v1/jobs/{id}/files/download/notas.txt"));
    assert_eq!(api.bare(Method::GET, down.header("location").expect("a redirect has a target"), "").text(), "hola");
}

#[test]
fn a_file_name_stays_within_its_job() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let id = api.create("jobs/by_hand", &json!({}));
    let hostile = [
        "..%2F..%2Fetc%2Fpasswd",
        "..%5C..%5Cwindows",
        "%2Fetc%2Fpasswd",
        "a%2F..%2F..%2Fb",
        "a%00b",
        "a%0Ab",
        "",
        "%2E%2E%2Fx",
    ];

    for name in hostile {
        let link = api.get(&format!("/api/v1/jobs/{id}/files/upload?filename={name}"));
        assert_eq!(link.refusal(422).details[0].field, "filename", "{name}");
        if !name.is_empty() {
            let up = api.put(&format!("/api/v1/jobs/{id}/files/content/{name}"), "x");
            assert_eq!(up.status, 422, "{name}: {}", up.text());
            let down = api.get(&format!("/api/v1/jobs/{id}/files/download/{name}"));
            assert_eq!(down.status, 422, "{name}: {}", down.text());
        }
    }

    // And the job goes on as if nothing had happened.
    let hand = relevo.hand("after", &["hand"]);
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    api.wait(&id, JobState::Completed);
}

#[test]
fn a_file_of_no_job_is_not_found() {
    let relevo = Relevo::dev();
    let nobody = "0198c0de-0000-7000-8000-000000000000";

    let up = relevo.api().put(&format!("/api/v1/jobs/{nobody}/files/content/x.txt"), "x");
    let down = relevo.api().get(&format!("/api/v1/jobs/{nobody}/files/download/x.txt"));

    assert_eq!(up.refusal(404).job_id.as_deref(), Some(nobody));
    assert_eq!(down.refusal(404).job_id.as_deref(), Some(nobody));
}

#[test]
fn a_file_that_is_not_what_its_digest_says_is_not_kept() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let put = |name: &str, digest: &str| {
        let path = format!("/api/v1/jobs/{id}/files/content/{name}");
        let request = relevo.api().request(reqwest::Method::PUT, &path).header("Content-Digest", digest);
        rig::Api::send(request.body("hello"))
    };

    // printf hello | openssl dgst -sha256 -binary | base64
    assert_eq!(put("whole.txt", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:").status, 200);
    let refusal = put("cut.txt", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCU=:").refusal(422);

    assert_eq!(refusal.details[0].field, "Content-Digest");
    let download = |name: &str| relevo.api().get(&format!("/api/v1/jobs/{id}/files/download/{name}")).status.as_u16();
    assert_eq!((download("whole.txt"), download("cut.txt")), (302, 404));
}

#[test]
fn a_job_cannot_name_the_files_of_another_clients_job() {
    let (files, redis) = (Relevo::dev(), Redis::start());
    let s3 = files.environment().iter().filter(|(name, _)| name.starts_with("RELEVO_S3_"));
    let s3: Vec<(&str, &str)> = s3.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let relevo = Relevo::serve(&redis, &s3);
    let (api, bucket) = (relevo.api(), &files.environment()["RELEVO_S3_BUCKET"]);
    let id = api.create("jobs/by_hand", &json!({}));
    assert_eq!(api.put(&format!("/api/v1/jobs/{id}/files/content/secret.csv"), "a\n1\n").status, 200);
    let job = |uri: &str| json!({ "initial_data": { "inputs": ["free", uri] } });

    for key in [format!("jobs/{id}/secret.csv"), format!("./jobs//{id}/secret.csv"), "archive/p00/x".to_owned()] {
        let problem =
            relevo.stranger().post("/api/v1/jobs/by_hand", &job(&format!("s3://{bucket}/{key}"))).refusal(422);

        assert_eq!(problem.details[0].field, "initial_data.inputs[1]", "{problem:?}");
    }
    let own = api.post("/api/v1/jobs/by_hand", &job(&format!("s3://{bucket}/jobs/{id}/secret.csv")));
    let elsewhere = relevo.stranger().post("/api/v1/jobs/by_hand", &job(&format!("s3://other/jobs/{id}/secret.csv")));
    assert_eq!((own.status.as_u16(), elsewhere.status.as_u16()), (202, 202));
}
