//! Helpers that clients are told of (RFC 9725 section 4.6): STUN and TURN servers.

use std::fmt;
use std::str::FromStr;

/// A STUN or TURN server. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// As RFC 7064 and RFC 7065 write it: `stun:stun.example.org`, `turn:turn.example.org?transport=udp`.
    url: String,
    /// Who we are to a TURN server, and the password.
    login: Option<(String, String)>,
}

/// The text names no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnIceServer {
    /// Not one of the schemes, or no host.
    #[error(
        "use stun:host, stuns:host, turn:host or turns:host, with a port if it is not the usual one"
    )]
    Url,
    /// A TURN server lets nobody in without.
    #[error(
        "a TURN server needs a user name and a password after its address, separated by spaces"
    )]
    Login,
    /// These would break the header.
    #[error(
        "quotes, backslashes, commas, angle brackets and characters that are not ASCII cannot be sent along"
    )]
    Character,
}

impl FromStr for IceServer {
    type Err = NotAnIceServer;

    /// `stun:host`, or `turn:host user password`.
    fn from_str(text: &str) -> Result<IceServer, NotAnIceServer> {
        let plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !"\"\\,<>".contains(c);
        if !text.chars().all(plain) {
            return Err(NotAnIceServer::Character);
        }
        let mut words = text.split_ascii_whitespace();
        let url = words.next().unwrap_or_default();
        let (scheme, host) = url.split_once(':').ok_or(NotAnIceServer::Url)?;
        if host.is_empty() || host.starts_with('/') {
            return Err(NotAnIceServer::Url);
        }
        let login = match (scheme, words.next(), words.next(), words.next()) {
            ("stun" | "stuns", None, None, None) => None,
            ("turn" | "turns", Some(user), Some(password), None) => {
                Some((user.to_owned(), password.to_owned()))
            }
            ("stun" | "stuns" | "turn" | "turns", ..) => return Err(NotAnIceServer::Login),
            _ => return Err(NotAnIceServer::Url),
        };
        let url = url.to_owned();
        Ok(IceServer { url, login })
    }
}

impl IceServer {
    /// The value of a `Link` header.
    pub(crate) fn link(&self) -> String {
        let url = &self.url;
        match &self.login {
            None => format!("<{url}>; rel=\"ice-server\""),
            Some((user, password)) => format!(
                "<{url}>; rel=\"ice-server\"; username=\"{user}\"; credential=\"{password}\"; credential-type=\"password\""
            ),
        }
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IceServer").field(&self.url).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_are_told_of_as_the_rfc_writes_them() {
        let link = |text: &str| text.parse::<IceServer>().unwrap().link();
        assert_eq!(
            link("stun:stun.example.org:3478"),
            "<stun:stun.example.org:3478>; rel=\"ice-server\""
        );
        assert_eq!(
            link("turn:turn.example.org?transport=udp ada s3cret"),
            "<turn:turn.example.org?transport=udp>; rel=\"ice-server\"; username=\"ada\"; credential=\"s3cret\"; \
             credential-type=\"password\""
        );
    }

    #[test]
    fn what_is_no_server_is_refused_in_words() {
        for (text, refusal) in [
            ("", NotAnIceServer::Url),
            ("stun", NotAnIceServer::Url),
            ("stun:", NotAnIceServer::Url),
            ("https://stun.example.org", NotAnIceServer::Url),
            ("stun://stun.example.org", NotAnIceServer::Url),
            ("stun:stun.example.org ada s3cret", NotAnIceServer::Login),
            ("turn:turn.example.org", NotAnIceServer::Login),
            ("turn:turn.example.org ada", NotAnIceServer::Login),
            (
                "turn:turn.example.org ada s3\"cret",
                NotAnIceServer::Character,
            ),
            ("stun:stun.example.org\r\nx: y", NotAnIceServer::Character),
        ] {
            assert_eq!(text.parse::<IceServer>(), Err(refusal), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let server: IceServer = "turn:turn.example.org ada s3cret".parse().unwrap();
        assert!(!format!("{server:?}").contains("s3cret"));
    }
}
