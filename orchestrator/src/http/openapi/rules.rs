//! What holds for whole families of routes, said once: which token they ask for, and what all of them may refuse with.

use relevo_shared::problem::{Detail, Problem, ToolkitProblem};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ObjectBuilder, OpenApi, PathItem, RefOr, Response,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::refusals::Refusal;
use crate::http::idempotency::LONGEST;

/// The headers of a client: one token, three spellings.
const CLIENT: [&str; 3] = ["client_token", "bearer", "api_key"];
const WORKER: [&str; 1] = ["worker_token"];

/// What any route of workers may refuse with.
const WORKERS_HEAR: [Refusal; 4] = [Refusal::Unauthorized, Refusal::TooMany, Refusal::Internal, Refusal::Away];
/// What a request with an idempotency key may be refused with.
const KEYS_HEAR: [Refusal; 4] = [Refusal::KeyInUse, Refusal::TooLarge, Refusal::UnsupportedType, Refusal::Invalid];
/// What any route of clients may refuse with.
const CLIENTS_HEAR: [Refusal; 5] =
    [Refusal::Unauthorized, Refusal::Forbidden, Refusal::TooMany, Refusal::Internal, Refusal::Away];

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
    let schemas = [
        (Problem::name(), Problem::schema()),
        (Detail::name(), Detail::schema()),
        (ToolkitProblem::name(), ToolkitProblem::schema()),
    ];
    for (name, schema) in schemas {
        components.schemas.insert(name.into_owned(), schema);
    }
    for refusal in Refusal::ALL {
        components.responses.insert(refusal.name(), refusal.response().into());
    }
    for refusal in CLIENTS_HEAR.into_iter().chain(KEYS_HEAR).chain([Refusal::NotFound]) {
        components.responses.insert(refusal.toolkit_name(), refusal.toolkit_response().into());
    }
    for (path, item) in &mut document.paths.paths {
        let spoken = if path.starts_with("/v1/toolkit/") { Refusal::toolkit_reference } else { Refusal::reference };
        let (schemes, refusals) = if path.starts_with("/_public/") {
            continue;
        } else if path.starts_with("/_worker/") {
            (WORKER.as_slice(), WORKERS_HEAR.as_slice())
        } else {
            if let Some(post) = &mut item.post {
                post.parameters.get_or_insert_default().push(idempotency_key().into());
                may_refuse(post, &KEYS_HEAR, spoken);
            }
            (CLIENT.as_slice(), CLIENTS_HEAR.as_slice())
        };
        for operation in operations(item) {
            let any_of = schemes.iter().map(|name| SecurityRequirement::new(*name, Vec::<String>::new()));
            // Some routes say themselves what they ask for.
            operation.security.get_or_insert_with(|| any_of.collect());
            may_refuse(operation, refusals, spoken);
        }
    }
}

/// How a refusal is referred to: with its status.
type Spoken = fn(Refusal) -> (String, RefOr<Response>);

fn may_refuse(operation: &mut Operation, refusals: &[Refusal], spoken: Spoken) {
    for refusal in refusals {
        let (status, response) = spoken(*refusal);
        operation.responses.responses.entry(status).or_insert(response);
    }
}

/// The header with which a client may say the same thing twice.
fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    let schema = text.max_length(Some(LONGEST)).pattern(Some("^[!-~]([ -~]*[!-~])?$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("Under the same key the same request is served once; its answer comes again for 24 hours."))
        .schema(Some(schema.build()))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}
