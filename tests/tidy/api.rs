//! The API document that is checked in is the one that the service gives.

use std::fs;

use rig::repository;

#[test]
fn the_api_document_is_the_one_that_the_service_gives() {
    let kept = fs::read_to_string(repository().join("docs/openapi.json")).unwrap_or_default();

    assert!(kept == relevo::http::document(), "docs/openapi.json is stale: run 'make openapi'");
}
