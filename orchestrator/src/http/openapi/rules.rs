//! What holds for whole families of routes, said once: which token they ask for, and what all of them may refuse with.

use relevo_shared::problem::{Detail, Problem};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, OpenApi, PathItem,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::refusals::Refusal;

/// The headers of a client: one token, three spellings.
const CLIENT: [&str; 3] = ["client_token", "bearer", "api_key"];
const WORKER: [&str; 1] = ["worker_token"];

/// Completes the document.
pub(super) fn apply(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    let header =
        |name: &str, about: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, about)));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The token of a client.")).build();
    components.add_security_scheme("client_token", header("X-Client-Token", "The token of a client."));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme("api_key", header("x-api-key", "The token of a client."));
    components.add_security_scheme("worker_token", header("X-Worker-Token", "The token of a worker."));
    for (name, schema) in [(Problem::name(), Problem::schema()), (Detail::name(), Detail::schema())] {
        components.schemas.insert(name.into_owned(), schema);
    }
    for refusal in Refusal::ALL {
        components.responses.insert(refusal.name(), refusal.response().into());
    }
    for (path, item) in &mut document.paths.paths {
        let schemes = if path.starts_with("/_public/") {
            continue;
        } else if path.starts_with("/_worker/") {
            WORKER.as_slice()
        } else {
            CLIENT.as_slice()
        };
        for operation in operations(item) {
            let any_of = schemes.iter().map(|name| SecurityRequirement::new(*name, Vec::<String>::new()));
            operation.security = Some(any_of.collect());
            for refusal in [Refusal::Unauthorized, Refusal::Internal, Refusal::Away] {
                let (status, response) = refusal.reference();
                operation.responses.responses.entry(status).or_insert(response);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}
