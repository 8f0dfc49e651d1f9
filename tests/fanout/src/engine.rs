//! The engine as an app has it: the local Livepeer in the app's process, its routes among the app's.

use std::net::Ipv4Addr;

use axum::Router;
use livepeer::ApiKey;
use livepeer_local::{Config, Local};
use tokio::net::TcpListener;

use crate::server::KEY;

/// Serves a local Livepeer on free ports, and prints its address.
pub(crate) async fn serve() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let data = tempfile::tempdir()?;
    let local = Local::start(Config {
        base_url: format!("{url}/livepeer").parse()?,
        data: data.path().join("livepeer-local.json"),
        api_key: Some(ApiKey::new(KEY)),
        udp: (Ipv4Addr::LOCALHOST, 0).into(),
        ..Config::default()
    })
    .await?;
    println!("{url}/livepeer");
    let app = Router::new().nest("/livepeer", local.router());
    Ok(axum::serve(listener, app).await?)
}
