//! The health request: what a new worker's application must answer before it accepts connections.
//!
//! In: the application and a path. Out: an error that says what it answered. Uses no socket.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use narae_server::BoxError;
use tower::ServiceExt;

/// Asks the application for `GET path`; anything but 2xx is an error.
pub(crate) async fn check(router: Router, path: &str) -> Result<(), BoxError> {
    let request = Request::get(path).header("host", "localhost").body(Body::empty())?;
    let Ok(response) = router.oneshot(request).await;
    if response.status().is_success() {
        return Ok(());
    }
    Err(format!("it answers its health request GET {path} with {}", response.status()).into())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn only_success_is_health() {
        let router = Router::new()
            .route("/ok", get(|| async { StatusCode::NO_CONTENT }))
            .route("/ill", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
        assert!(check(router.clone(), "/ok").await.is_ok());
        for path in ["/ill", "/missing"] {
            let error = check(router.clone(), path).await.unwrap_err().to_string();
            assert!(error.contains(path) && error.contains('4') | error.contains("503"), "{error}");
        }
    }
}
