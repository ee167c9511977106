//! Serves the built site on the loopback address, with what was compressed at build time.

use std::net::TcpListener;
use std::path::Path;

use axum::Router;
use axum::handler::HandlerWithoutStateExt;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use tower_http::services::ServeDir;

use crate::site::error::SiteError;
use crate::site::landing;

/// The site in `www` as a service. Browsers may keep what they got and ask each time whether it changed.
pub fn router(www: &Path) -> Router {
    let files = ServeDir::new(www).precompressed_br().fallback(not_found.into_service());
    Router::new().fallback_service(files).layer(map_response(revalidate))
}

/// Serves `www` on `listener` until the process is asked to stop (Ctrl-C).
///
/// # Errors
/// [`SiteError::Serve`] when the socket fails.
pub async fn serve(listener: TcpListener, www: &Path) -> Result<(), SiteError> {
    listener.set_nonblocking(true).map_err(SiteError::Serve)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(SiteError::Serve)?;
    let server = axum::serve(listener, router(www));
    tokio::select! {
        ended = server.into_future() => ended.map_err(SiteError::Serve),
        () = interrupted() => Ok(()),
    }
}

/// Comes back at Ctrl-C. Where the signal cannot be watched, it ends the process by itself, only less gently.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, Html(landing::not_found()))
}

async fn revalidate(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::site::{port, precompress};

    /// Sends one request over a real socket and gives the whole answer.
    fn get(address: std::net::SocketAddr, path: &str, more: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn files_go_out_with_type_compression_and_revalidation() {
        let dir = tempfile::tempdir().unwrap();
        let www = dir.path().join("www");
        fs::create_dir_all(www.join("lab")).unwrap();
        fs::write(www.join("index.html"), landing::page()).unwrap();
        fs::write(www.join("lab/lab_bg.wasm"), vec![0; 4096]).unwrap();
        precompress::precompress(&www, &dir.path().join("cache")).unwrap();

        let listener = port::listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move { serve(listener, &www).await });

        let page = get(address, "/", "");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("content-type: text/html"), "{page}");
        assert!(page.contains("cache-control: no-cache") && page.contains("<title>Clusterbook</title>"), "{page}");
        let wasm = get(address, "/lab/lab_bg.wasm", "Accept-Encoding: br\r\n");
        assert!(wasm.contains("content-type: application/wasm") && wasm.contains("content-encoding: br"), "{wasm}");
        let missing = get(address, "/en/nothing.html", "");
        assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("没有这个页面"), "{missing}");
        let outside = get(address, "/../cache/", "");
        assert!(outside.starts_with("HTTP/1.1 404"), "{outside}");
        runtime.shutdown_background();
    }
}
