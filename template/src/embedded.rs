//! The Livepeer built into this program, which runs unless `LIVEPEER_API_URL` names another.
//!
//! The app talks to it over HTTP, as to any Livepeer: this file starts it, and nothing else knows whether it did. It is
//! also the only file that knows the Cargo feature `local`.

#[cfg(not(feature = "local"))]
pub(crate) use absent::Embedded;
#[cfg(feature = "local")]
pub(crate) use present::Embedded;

/// Under which path of the app it is mounted.
pub(crate) const MOUNT: &str = "/livepeer";

#[cfg(feature = "local")]
mod present {
    use livepeer::ApiKey;
    use livepeer_local::engine::TcpMedia;
    use livepeer_local::{
        Config as LocalConfig, Fidelity as LocalFidelity, Local, RateLimits, StartError,
    };
    use url::Url;

    use super::MOUNT;
    use crate::config::{Config, Fidelity, LocalTcp};

    /// It runs.
    pub(crate) struct Embedded(Local);

    impl Embedded {
        /// Whether this build has it.
        pub(crate) const BUILT_IN: bool = true;

        /// Starts it, unless the configuration names another. Browsers will reach it under `public_url`.
        pub(crate) async fn start(
            config: &Config,
            public_url: &Url,
        ) -> Result<Option<Embedded>, StartError> {
            if config.livepeer_api_url.is_some() {
                return Ok(None);
            }
            let mut base_url = public_url.clone();
            base_url.set_path(MOUNT);
            let local = Local::start(LocalConfig {
                base_url,
                data: config.data_dir.join("livepeer.json"),
                api_key: config.livepeer_api_key.clone(),
                udp: config.livepeer_local_udp,
                tcp: match config.livepeer_local_tcp {
                    LocalTcp::Same => TcpMedia::BesideUdp,
                    LocalTcp::At(address) => TcpMedia::At(address),
                    LocalTcp::Off => TcpMedia::Off,
                },
                advertise: config.livepeer_local_advertise.clone(),
                fidelity: match config.livepeer_local_fidelity {
                    Fidelity::Lenient => LocalFidelity::Lenient,
                    Fidelity::Strict => LocalFidelity::Strict,
                    Fidelity::Studio => LocalFidelity::Studio,
                },
                rate: RateLimits {
                    behind_proxy: config.livepeer_local_behind_proxy,
                    ..RateLimits::default()
                },
                ..LocalConfig::default()
            });
            Ok(Some(Embedded(local.await?)))
        }

        /// Its routes, to be mounted under [`MOUNT`].
        pub(crate) fn router(&self) -> axum::Router {
            self.0.router()
        }

        /// Where it sends browsers on to, if it does.
        pub(crate) fn redirects_to(&self) -> Option<String> {
            self.0.redirects_to()
        }

        /// The key to its API.
        pub(crate) fn api_key(&self) -> ApiKey {
            self.0.api_key().clone()
        }

        /// Ends it, and every connection to it.
        pub(crate) async fn shutdown(&self) {
            self.0.shutdown().await;
        }
    }
}

#[cfg(not(feature = "local"))]
mod absent {
    use std::convert::Infallible;

    use livepeer::ApiKey;
    use url::Url;

    use crate::config::Config;

    /// It was left out of this build, so there is never one.
    pub(crate) enum Embedded {}

    impl Embedded {
        pub(crate) const BUILT_IN: bool = false;

        pub(crate) async fn start(_: &Config, _: &Url) -> Result<Option<Embedded>, Infallible> {
            Ok(None)
        }

        pub(crate) fn router(&self) -> axum::Router {
            match *self {}
        }

        pub(crate) fn api_key(&self) -> ApiKey {
            match *self {}
        }

        pub(crate) fn redirects_to(&self) -> Option<String> {
            match *self {}
        }

        pub(crate) async fn shutdown(&self) {
            match *self {}
        }
    }
}
