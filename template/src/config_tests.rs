//! What the settings take, and what they say when they do not.

#![allow(clippy::unwrap_used)]
use super::*;

/// What the program says to one wrong setting.
fn said(flag: &str, value: &str) -> String {
    Cli::read_from(["app", &format!("{flag}={value}")])
        .unwrap_err()
        .to_string()
}

#[test]
fn a_bad_value_names_its_key_and_the_mend() {
    for (flag, value, key, mend) in [
        ("--listen", "3000", "LISTEN", "127.0.0.1:3000"),
        (
            "--public-url",
            "live.example.org",
            "PUBLIC_URL",
            "https://live.example.org",
        ),
        (
            "--public-url",
            "https://a.example/live",
            "PUBLIC_URL",
            "without a path",
        ),
        (
            "--livepeer-api-url",
            "studio",
            "LIVEPEER_API_URL",
            "https://livepeer.studio/api",
        ),
        (
            "--livepeer-renditions",
            "720p",
            "LIVEPEER_RENDITIONS",
            "none",
        ),
        (
            "--livepeer-renditions",
            "source:640x360:800000",
            "LIVEPEER_RENDITIONS",
            "none",
        ),
        (
            "--livepeer-local-udp",
            "x",
            "LIVEPEER_LOCAL_UDP",
            "[::]:7300",
        ),
        (
            "--livepeer-local-tcp",
            "on",
            "LIVEPEER_LOCAL_TCP",
            "0.0.0.0:443",
        ),
        (
            "--livepeer-local-advertise",
            "home",
            "LIVEPEER_LOCAL_ADVERTISE",
            "203.0.113.7",
        ),
        (
            "--livepeer-local-fidelity",
            "exact",
            "LIVEPEER_LOCAL_FIDELITY",
            "studio",
        ),
        (
            "--session-secret",
            "short",
            "SESSION_SECRET",
            "openssl rand -hex 32",
        ),
        ("--policy", "{show:{}}", "POLICY", "single quotes"),
        ("--policy", r#"{"show":1}"#, "POLICY", "object of objects"),
        ("--poll-seconds", "0", "POLL_SECONDS", "from 1 to 60"),
        ("--leave-seconds", "soon", "LEAVE_SECONDS", "from 1 to 600"),
    ] {
        let words = said(flag, value);
        assert!(words.contains(key) && words.contains(mend), "{words}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let config = Cli::read_from([
        "app",
        "--livepeer-api-key=key-4711",
        &format!("--session-secret={}", "s3".repeat(32)),
    ])
    .unwrap()
    .config;
    let printed = format!("{config:?}");
    assert!(
        !printed.contains("4711") && !printed.contains("s3s3"),
        "{printed}"
    );
    for (flag, value) in [
        ("--livepeer-api-key", "k\u{fc}-4711"),
        ("--session-secret", "4711"),
        ("--public-url", "https://ada:4711@live.example.org"),
    ] {
        let refused = said(flag, value);
        assert!(!refused.contains("4711"), "{refused}");
    }
}

#[test]
fn renditions_read_as_they_are_written() {
    let Renditions(ladder) = renditions(Config::RENDITIONS).unwrap();
    let sizes: Vec<_> = ladder
        .iter()
        .map(|p| (p.width, p.height, p.bitrate))
        .collect();
    assert_eq!(sizes, [(640, 360, 800_000), (1280, 720, 3_000_000)]);
    assert_eq!(renditions("none").unwrap(), Renditions::default());
}

#[test]
fn a_policy_reads_as_the_example_writes_it() {
    let example = include_str!("../.env.example");
    let line = example
        .lines()
        .find(|line| line.contains("POLICY="))
        .unwrap();
    let line = line.strip_prefix('#').unwrap();
    let read = dotenvy::from_read_iter(line.as_bytes())
        .next()
        .unwrap()
        .unwrap();
    let as_docker_has_it = line.strip_prefix("POLICY=").unwrap();
    for text in [&read.1, as_docker_has_it] {
        let Policies(policies) = policy(text).unwrap();
        assert_eq!(policies["ARCHITECTURE"]["SETTING"], 1, "{text}");
    }
    assert_eq!(policy(" ").unwrap(), Policies::default());
}

#[test]
fn browsers_are_sent_to_localhost_unless_told_otherwise() {
    let mut config = Config::on_free_ports("x".into());
    let listening = SocketAddr::from(([127, 0, 0, 1], 4000));
    assert_eq!(
        config.public_url(listening).as_str(),
        "http://localhost:4000/"
    );
    config.public_url = Some(public_url("https://live.example.org").unwrap());
    assert_eq!(
        config.public_url(listening).as_str(),
        "https://live.example.org/"
    );
}
