//! Says what is wrong and how to mend it: `doctor` checks everything, `serve` what it cannot do without.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use livepeer::Error;
use livepeer::studio::{Studio, StudioConfig};
use url::{Host, Url};

use crate::app;
use crate::config::{Config, LocalTcp};
use crate::embedded::Embedded;
use crate::kind::{Kind, Kinds};
use crate::store::{Store, StoreError};

/// Checks everything for an app with those architectures, and gives each finding in words: `Ok` for what is well, `Err` for what is to be mended.
pub async fn examine(config: &Config, kinds: &'static [Kind]) -> Vec<Result<String, String>> {
    let configured = Kinds::new(kinds, &config.policy);
    let mut found = vec![configured.map(|_| "the configuration is valid".to_owned())];
    let store = Store::open(&config.data_dir).map(drop);
    let running = matches!(store, Err(StoreError::InUse(_)));
    found.push(match store {
        Ok(()) => Ok(format!(
            "the database in {} can be written",
            config.data_dir.display()
        )),
        Err(StoreError::InUse(_)) => Ok("the app is running on this DATA_DIR".to_owned()),
        Err(error) => Err(error.to_string()),
    });
    if config.livepeer_api_url.is_none() && Embedded::BUILT_IN {
        found.push(Ok("Livepeer is built in".to_owned()));
        found.push(udp_port(
            of_this_machine(config.livepeer_local_udp),
            running,
        ));
        let tcp = match config.livepeer_local_tcp {
            LocalTcp::Same => Some(config.livepeer_local_udp),
            LocalTcp::At(address) => Some(address),
            LocalTcp::Off => None,
        };
        found.extend(tcp.map(|address| tcp_port(of_this_machine(address), running)));
    } else {
        found.push(account(config).await);
    }
    found.push(page_address(config));
    found
}

/// Whether Livepeer answers and takes the key.
async fn account(config: &Config) -> Result<String, String> {
    let api = config
        .livepeer_api_url
        .clone()
        .map_or_else(|| Url::parse(app::STUDIO), Ok)
        .map_err(|error| error.to_string())?;
    let key = config.livepeer_api_key.clone();
    let key = key.ok_or_else(|| no_key(&api))?;
    let studio = Studio::new(StudioConfig::new(api.clone(), key));
    let answer = match studio {
        Ok(studio) => studio.list_signing_keys().await.map(drop),
        Err(error) => Err(error),
    };
    answer.map_err(|error| words(&error, &api))?;
    Ok(format!("Livepeer at {api} accepts LIVEPEER_API_KEY"))
}

/// What to do about a Livepeer that does not answer, or not to us.
pub(crate) fn words(error: &Error, api: &Url) -> String {
    match error {
        error if error.is_unauthorized() => format!(
            "Livepeer at {api} does not accept LIVEPEER_API_KEY. Make a key in its dashboard (Developers, API keys), set \
             LIVEPEER_API_KEY to it, and start again."
        ),
        error if error.is_not_found() => format!(
            "There is no Livepeer API at {api}. Set LIVEPEER_API_URL to one, such as {}, and start again.",
            app::STUDIO
        ),
        error => format!(
            "Livepeer at {api} does not answer as it should: {error}. Check LIVEPEER_API_URL and this machine's \
             connection to the internet, and start again."
        ),
    }
}

/// What to do without a key.
pub(crate) fn no_key(api: &Url) -> String {
    format!(
        "There is no key for Livepeer at {api}. Make one in its dashboard (Developers, API keys), and set \
         LIVEPEER_API_KEY to it."
    )
}

/// All of both families is all of IPv4 where the machine has no IPv6.
fn of_this_machine(address: SocketAddr) -> SocketAddr {
    let all = address.is_ipv6() && address.ip().is_unspecified();
    if all && UdpSocket::bind((address.ip(), 0)).is_err() {
        return SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    }
    address
}

fn udp_port(address: SocketAddr, running: bool) -> Result<String, String> {
    match UdpSocket::bind(address) {
        Ok(_) => Ok(format!("UDP {address} is free for media")),
        Err(_) if running => Ok(format!(
            "UDP {address} is in use, as it should be while the app runs"
        )),
        Err(why) => Err(format!(
            "UDP {address} cannot be used ({why}). Stop whatever has it, or set LIVEPEER_LOCAL_UDP to another port."
        )),
    }
}

fn tcp_port(address: SocketAddr, running: bool) -> Result<String, String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!(
            "TCP {address} is free for media from networks that block UDP"
        )),
        Err(_) if running => Ok(format!(
            "TCP {address} is in use, as it should be while the app runs"
        )),
        Err(why) => Err(format!(
            "TCP {address} cannot be used ({why}), so there is no media where a network blocks UDP. Stop whatever has \
             it, or set LIVEPEER_LOCAL_TCP to another address, or to off."
        )),
    }
}

/// Browsers give cameras to secure pages only: https, or this very machine.
fn page_address(config: &Config) -> Result<String, String> {
    let url = config.public_url(config.listen);
    let this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || this_machine {
        return Ok(format!("browsers give cameras to {url}"));
    }
    Err(format!(
        "PUBLIC_URL {url} is not secure, so browsers refuse cameras to it. Put the app behind https and set PUBLIC_URL to \
         that address. Viewers are not affected."
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn an_insecure_address_is_pointed_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::on_free_ports(folder.path().into());
        assert!(page_address(&config).is_ok());
        config.public_url = Some(Url::parse("http://192.168.1.7:3000").unwrap());
        let words = page_address(&config).unwrap_err();
        assert!(
            words.contains("PUBLIC_URL") && words.contains("https"),
            "{words}"
        );
        config.public_url = Some(Url::parse("https://live.example.org").unwrap());
        assert!(page_address(&config).is_ok());
    }

    #[test]
    fn a_taken_port_names_its_key() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let words = udp_port(taken.local_addr().unwrap(), false).unwrap_err();
        assert!(words.contains("LIVEPEER_LOCAL_UDP"), "{words}");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let words = tcp_port(taken.local_addr().unwrap(), false).unwrap_err();
        assert!(words.contains("LIVEPEER_LOCAL_TCP"), "{words}");
    }
}
