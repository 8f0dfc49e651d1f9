//! The HTTP client under everything: TLS on ring with the platform's roots, timeouts on everything, no redirects by
//! itself, and errors without addresses or secrets in them.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use url::{Host, Url};

use crate::Error;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// An HTTP client for one server.
///
/// It follows no redirect: the API has none, and for WHIP and WHEP it matters what is sent along to whom, so that is
/// done by hand.
///
/// # Errors
///
/// [`Error::Config`] if this machine has no CA certificates to verify an `https` server by.
pub fn client(server: &Url, timeout: Duration) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(server)?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(timeout)
        .user_agent(concat!("livepeer-rust/", env!("CARGO_PKG_VERSION")));
    if is_loopback(server) {
        // A proxy from the environment cannot reach this machine's own loopback.
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Error::Config(format!("cannot make an HTTP client: {}", explain(error))))
}

/// TLS with a provider of its own, so that nothing is installed for the whole process.
fn tls(server: &Url) -> Result<ClientConfig, Error> {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Config(format!("cannot set up TLS: {error}")))?;
    if server.scheme() == "http" {
        // Nothing to verify: a bare container without roots can talk to a server beside it.
        return Ok(builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth());
    }
    let config = builder.with_platform_verifier().map_err(|error| {
        Error::Config(format!(
            "cannot verify TLS certificates on this machine ({error}); \
             install its CA certificates (package ca-certificates)"
        ))
    })?;
    Ok(config.with_no_client_auth())
}

fn is_loopback(server: &Url) -> bool {
    match server.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// What went wrong with a request that got no answer.
pub(crate) fn failure(call: &'static str, error: reqwest::Error) -> Error {
    if error.is_connect() {
        Error::Connect {
            call,
            reason: explain(error),
        }
    } else if error.is_timeout() {
        Error::NoAnswer {
            call,
            reason: "it took too long".to_owned(),
        }
    } else {
        Error::NoAnswer {
            call,
            reason: explain(error),
        }
    }
}

/// The innermost cause says most ("Connection refused"); the address is left out, since it may be a secret.
fn explain(error: reqwest::Error) -> String {
    let timeout = error.is_timeout();
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if timeout {
        "it took too long".to_owned()
    } else {
        cause.to_string()
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn body(
    call: &'static str,
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failure(call, error))?
    {
        if body.len() + chunk.len() > limit {
            return Err(Error::Unreadable {
                call,
                reason: format!("it is longer than {limit} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_client_needs_nothing_installed_for_the_process() {
        let client = |url: &str| client(&url.parse().unwrap(), CONNECT);
        client("http://127.0.0.1:8888/api").unwrap();
        // A machine without CA certificates says so; it does not panic for want of a provider.
        match client("https://livepeer.studio/api") {
            Ok(_) => {}
            Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
        }
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        let loopback = |url: &str| is_loopback(&url.parse().unwrap());
        assert!(
            [
                "http://localhost:1",
                "http://app.localhost",
                "http://127.0.0.2",
                "http://[::1]"
            ]
            .into_iter()
            .all(loopback)
        );
        assert!(
            ![
                "http://livepeer.studio",
                "http://10.0.0.1",
                "http://localhost.example"
            ]
            .into_iter()
            .any(loopback)
        );
    }
}
