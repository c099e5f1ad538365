//! The API document and its page: whole, and without a word from another host.

use rig::{Answer, Api, Relevo};
use serde_json::Value;

/// Asks for what a browser would, without a token.
fn get(relevo: &Relevo, path: &str) -> Answer {
    Api::send(reqwest::blocking::Client::new().get(format!("{}{path}", relevo.url())))
}

#[test]
fn the_page_of_the_api_needs_nothing_from_elsewhere() {
    let relevo = Relevo::dev();

    let page = get(&relevo, "/_public/docs");

    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("the page has a policy");
    assert!(policy.contains("script-src 'self';") && policy.contains("default-src 'none'"), "{policy}");
    let html = page.text();
    assert!(!html.contains("//"), "the page names another host: {html}");
    let parts: Vec<&str> = html.split(['"', '\'']).filter(|part| part.starts_with("docs/")).collect();
    assert!(parts.len() >= 3, "{html}");
    for part in parts {
        let answer = get(&relevo, &format!("/_public/{part}"));
        assert_eq!(answer.status, 200, "{part}");
        assert!(!answer.body.is_empty(), "{part}");
    }
    let start = get(&relevo, "/_public/docs/swagger-initializer.js").text();
    assert!(start.contains("openapi.json") && !start.contains("://"), "{start}");
    assert_eq!(get(&relevo, "/_public/docs/..%2Fsecret").status, 404);
}

#[test]
fn the_service_gives_its_own_api_document() {
    let relevo = Relevo::dev();

    let answer = get(&relevo, "/_public/openapi.json");

    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    let printed: Value = serde_json::from_slice(&relevo.cli(&["openapi"]).stdout).expect("the command prints JSON");
    assert_eq!(answer.json(), printed);
    assert_eq!(printed["openapi"], "3.1.0");
}
