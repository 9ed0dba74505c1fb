//! The routes, one theme a file. Registering a route writes it into the specification.

mod additions;
mod architectures;
mod bulk;
mod collections;
mod health;
mod keys;
mod models;
mod queries;

use super::State;
use super::access::Caller;
use super::envelope::envelope;
use super::error::{Failure, Problem, Problems};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::CorsLayer;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "netkin",
        description = "Finds a neural network's nearest kin by structure, without weights."
    ),
    components(schemas(Problem)),
    modifiers(&Shared)
)]
struct Specification;

/// What all routes share: how a key is sent (a server that only its own machine can reach asks for none),
/// and the problems.
struct Shared;

impl Modify for Shared {
    fn modify(&self, specification: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = specification.components.get_or_insert_default();
        components.add_security_scheme("key", scheme);
        for (name, response) in Problems::described() {
            components
                .responses
                .insert(name.to_owned(), response.into());
        }
        let needed = SecurityRequirement::new("key", Vec::<String>::new());
        specification.security = Some(vec![needed, SecurityRequirement::default()]);
    }
}

/// The OpenAPI document of every route, as the file `openapi.yaml` holds it.
pub fn openapi_yaml() -> String {
    let specification = specified().1;
    // The document is made of plain data, so writing it cannot fail.
    specification.to_yaml().unwrap_or_default()
}

/// Every route, ready to serve.
pub fn router(state: State) -> Router {
    let (router, specification) = specified();
    let config = state.config();
    let origins = &config.cors_origins;
    let cors = || {
        CorsLayer::new()
            .allow_origin(
                origins
                    .iter()
                    .filter_map(|origin| HeaderValue::from_str(origin).ok())
                    .collect::<Vec<_>>(),
            )
            .allow_methods([
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
            ])
            .expose_headers([HeaderName::from_static("x-request-id")])
    };
    router
        .merge(utoipa_swagger_ui::SwaggerUi::new("/docs").url("/openapi.json", specification))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(tower::util::option_layer((!origins.is_empty()).then(cors)))
        .layer(axum::middleware::from_fn(envelope))
        .with_state(state)
}

/// The routes and their specification. The router takes ids with slashes as they are; generators of
/// clients know braces alone, and escape what is in them.
fn specified() -> (Router<State>, utoipa::openapi::OpenApi) {
    let (router, mut specification) = described().split_for_parts();
    let paths = std::mem::take(&mut specification.paths.paths).into_iter();
    let paths = paths.map(|(path, item)| (path.replace("{*id}", "{id}"), item));
    specification.paths.paths = paths.collect();
    (router, specification)
}

fn described() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Specification::openapi())
        .routes(routes!(queries::search))
        .routes(routes!(queries::search_batch))
        .routes(routes!(queries::describe))
        .routes(routes!(queries::embed))
        .routes(routes!(architectures::list, additions::add))
        .routes(routes!(bulk::add_batch))
        .routes(routes!(bulk::import))
        .routes(routes!(
            architectures::get,
            additions::edit,
            additions::remove
        ))
        .routes(routes!(additions::graph))
        .routes(routes!(bulk::export))
        .routes(routes!(collections::list))
        .routes(routes!(collections::create, collections::remove))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::audit))
        .routes(routes!(models::list))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

async fn no_route() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no_route",
        "There is nothing at this path; /docs lists what there is.",
    )
}

async fn no_method() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no_method",
        "This path does not take this method; /docs lists what it takes.",
    )
}
