//! The OpenAPI document of the service, put together from the route table and from what stands at each handler.

mod bytes;
mod refusals;
mod rules;

use std::sync::LazyLock;

use utoipa::{
    OpenApi,
    openapi::{InfoBuilder, LicenseBuilder, tag::TagBuilder},
};

pub(super) use bytes::Bytes;
pub(super) use refusals::{
    BadBody, BadQuery, Failing, Forbidden, LeaseLost, NoStorage, NotFound, NotNow, NotUnique, NotWaiting, TooLarge,
    ToolkitNotFound,
};

/// What the document begins with.
const ABOUT: &str = "Relevo hands jobs to workers. A client creates a job at the endpoint of a *blueprint*; the blueprint \
turns it into tasks; workers ask for tasks, run them and send the results back.\n\nEvery refusal has the same body, a \
`Problem`: a sentence for people, a stable `code` for programs, and on 422 a reason for each field that is wrong.\n\nWhere requests are limited, every answer \
tells what is left in the headers `RateLimit` and `RateLimit-Policy`, and in the older `RateLimit-Limit`, `RateLimit-Remaining` and \
`RateLimit-Reset`.";

/// The families of routes, in the order in which they are shown.
const TAGS: [(&str, &str); 10] = [
    ("jobs", "Create jobs and follow them."),
    ("views", "The same jobs in the words of other documents."),
    ("webhooks", "How clients are told of their jobs: what was sent, and with which secret it is signed."),
    ("schedules", "Jobs that are created at the instants of a cron expression."),
    ("blueprints", "What jobs can be created of."),
    ("files", "Files of a job, in S3."),
    ("datasets", "Named tables in S3, with a commit for each upload."),
    ("workers", "What workers call: register, heartbeat, ask for tasks, report, send results."),
    ("overview", "What is going on: workers, skills, queues, totals."),
    ("service", "What needs no token."),
];

/// The document as text: indented JSON with a line feed at its end.
#[must_use]
pub fn document() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let document = assemble(super::Handlers::openapi());
        document.to_pretty_json().expect("a document has string keys only") + "\n"
    });
    &TEXT
}

fn assemble(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let license = LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).identifier(Some(env!("CARGO_PKG_LICENSE")));
    document.info = InfoBuilder::new()
        .title("Relevo")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license.build()))
        .build();
    let tag = |(name, about)| TagBuilder::new().name(name).description(Some(about)).build();
    document.tags = Some(TAGS.map(tag).to_vec());
    rules::apply(&mut document);
    document
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::http::TABLE;

    /// Every operation as its method and path, with what is said of it.
    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document["paths"].as_object().expect("a document has paths");
        let each = paths.iter().flat_map(|(path, item)| {
            let item = item.as_object().expect("a path has operations");
            item.iter().map(move |(method, operation)| (method.clone(), path.clone(), operation))
        });
        each.collect()
    }

    fn parsed() -> Value {
        serde_json::from_str(document()).expect("the document is JSON")
    }

    #[test]
    fn what_is_served_and_what_is_documented_are_the_same() {
        let document = parsed();
        let documented: BTreeSet<_> =
            operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();

        // A blueprint's endpoint may have any number of parts, for which OpenAPI has no sign.
        let served = TABLE.iter().map(|(method, path)| ((*method).to_owned(), path.replace('*', ""))).collect();

        assert_eq!(documented, served, "the path or the method at a handler is not that of the route table");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_a_known_tag() {
        let document = parsed();
        let mut names = BTreeSet::new();

        for (method, path, operation) in operations(&document) {
            let name = operation["operationId"].as_str().expect("an operation has a name");
            assert!(names.insert(name), "{name} names two operations");
            let tag = operation["tags"][0].as_str().expect("an operation has a tag");
            assert!(TAGS.iter().any(|(known, _)| *known == tag), "{method} {path}: {tag} is not in the list of tags");
            assert!(operation["summary"].is_string(), "{method} {path} does not say what it does");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|member| walk(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
                _ => {}
            }
        }
        let document = parsed();
        let mut references = Vec::new();
        walk(&document, &mut references);

        assert!(references.len() > 20, "only {} references: the search is broken", references.len());
        for reference in references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "nothing is at {reference}");
        }
    }
}
