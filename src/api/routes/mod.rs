//! The routes, one theme a file. Registering a route writes it into the specification.

mod architectures;
mod health;
mod models;
mod queries;

pub(super) use queries::Options;

use super::State;
use super::envelope::envelope;
use super::error::Failure;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::CorsLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(info(
    title = "netkin",
    description = "Finds a neural network's nearest kin by structure, without weights."
))]
struct Specification;

/// The OpenAPI document of every route, as the file `openapi.yaml` holds it.
pub fn openapi_yaml() -> String {
    let specification = described().split_for_parts().1;
    // The document is made of plain data, so writing it cannot fail.
    specification.to_yaml().unwrap_or_default()
}

/// Every route, ready to serve.
pub fn router(state: State) -> Router {
    let (router, specification) = described().split_for_parts();
    let origins = &state.config().cors_origins;
    let cors = || {
        CorsLayer::new()
            .allow_origin(
                origins
                    .iter()
                    .filter_map(|origin| HeaderValue::from_str(origin).ok())
                    .collect::<Vec<_>>(),
            )
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE, header::CONTENT_ENCODING])
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

fn described() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Specification::openapi())
        .routes(routes!(queries::search))
        .routes(routes!(queries::describe))
        .routes(routes!(architectures::list))
        .routes(routes!(architectures::get))
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
