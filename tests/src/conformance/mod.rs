//! `cargo kit conformance`: what WHIP (RFC 9725) and WHEP ask of a server, tried against any server, or against the
//! embedded engine. The checks are those of `livepeer::conformance`.

mod embedded;
mod report;

use anyhow::{Context, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use livepeer::conformance::{Protocol, Suite, Target};
use livepeer::{PlaybackToken, SecretUrl};
use livepeer_local::Fidelity;

use report::Report;

/// What `cargo kit conformance` is told.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    server: Option<Server>,
    /// Start the engine of `livepeer-local`, and try both protocols against it
    #[arg(long)]
    embedded: bool,
    /// With --embedded: the engine keeps to the letter of the texts, also where clients do not
    #[arg(long, requires = "embedded")]
    strict: bool,
    #[command(flatten)]
    report: How,
}

#[derive(Debug, Subcommand)]
enum Server {
    /// A server to publish to
    Whip(Whip),
    /// A server to play from
    Whep(Whep),
}

/// How to report.
#[derive(Clone, Copy, Debug, ClapArgs)]
struct How {
    /// One JSON object a requirement and line instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, ClapArgs)]
struct Whip {
    /// The WHIP address. Better given in the environment: it may hold a key, and a command line shows
    #[arg(env = "WHIP_URL", hide_env_values = true)]
    url: String,
    #[command(flatten)]
    bearer: Bearer,
    #[command(flatten)]
    report: How,
}

#[derive(Debug, ClapArgs)]
struct Whep {
    /// The WHEP address, of a stream that is live unless --publish says how to make it so
    #[arg(env = "WHEP_URL", hide_env_values = true)]
    url: String,
    /// The WHIP address of the same stream: a small test picture is published there
    #[arg(long, value_name = "URL", env = "WHIP_URL", hide_env_values = true)]
    publish: Option<String>,
    /// The environment variable that holds the bearer token for publishing
    #[arg(long, value_name = "VARIABLE")]
    publish_bearer_env: Option<String>,
    #[command(flatten)]
    bearer: Bearer,
    #[command(flatten)]
    report: How,
}

/// A token on the command line would show in the list of processes.
#[derive(Debug, ClapArgs)]
struct Bearer {
    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "VARIABLE")]
    bearer_env: Option<String>,
}

/// Runs the checks and reports.
///
/// # Errors
///
/// If an address or a variable is wrong, or if the server fails what it MUST or SHALL do.
pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match args.server {
            Some(Server::Whip(whip)) => {
                let mut target = Target::new(Protocol::Whip, address(&whip.url)?);
                target.bearer = token(whip.bearer.bearer_env.as_deref())?;
                verdict(try_all(vec![target], whip.report).await?)
            }
            Some(Server::Whep(whep)) => {
                let mut target = Target::new(Protocol::Whep, address(&whep.url)?);
                target.bearer = token(whep.bearer.bearer_env.as_deref())?;
                target.publish = whep
                    .publish
                    .as_deref()
                    .map(address)
                    .transpose()?
                    .map(SecretUrl::new);
                target.publish_bearer = token(whep.publish_bearer_env.as_deref())?;
                verdict(try_all(vec![target], whep.report).await?)
            }
            None => {
                ensure!(
                    args.embedded,
                    "say which server: whip URL, whep URL or --embedded"
                );
                let fidelity = match args.strict {
                    true => Fidelity::Strict,
                    false => Fidelity::Lenient,
                };
                let server = embedded::Server::start(fidelity).await?;
                let targets = vec![
                    server.target(Protocol::Whip).await?,
                    server.target(Protocol::Whep).await?,
                ];
                let report = try_all(targets, args.report).await;
                server.stop().await;
                verdict(report?)
            }
        }
    })
}

async fn try_all(targets: Vec<Target>, how: How) -> anyhow::Result<Report> {
    let mut report = Report::new(how.json);
    for target in targets {
        let protocol = target.protocol;
        let suite = Suite::new(target).map_err(anyhow::Error::msg)?;
        report.begin(protocol);
        for requirement in suite.requirements() {
            let verdict = suite.check(requirement).await;
            report.add(protocol, requirement, &verdict);
        }
        suite.close().await;
    }
    report.end();
    Ok(report)
}

fn verdict(report: Report) -> anyhow::Result<()> {
    match report.violations() {
        0 => Ok(()),
        1 => bail!("one requirement that binds every server is not met"),
        some => bail!("{some} requirements that bind every server are not met"),
    }
}

/// Parses an address; errors do not repeat it.
fn address(text: &str) -> anyhow::Result<url::Url> {
    let url: url::Url = text.trim().parse().context("that is not a URL")?;
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "the address must begin with http:// or https://"
    );
    Ok(url)
}

fn token(variable: Option<&str>) -> anyhow::Result<Option<PlaybackToken>> {
    let Some(variable) = variable else {
        return Ok(None);
    };
    let token = std::env::var(variable)
        .with_context(|| format!("the environment variable {variable} is not set"))?;
    Ok(Some(token.into()))
}

#[cfg(test)]
mod tests {
    use livepeer::conformance::Verdict;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        _args: Args,
    }

    #[test]
    fn the_options_hold_together() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn an_address_that_is_wrong_is_not_repeated() {
        for wrong in ["s3cr3t", "ftp://host/s3cr3t", "https://[s3cr3t"] {
            match address(wrong) {
                Ok(_) => panic!("{wrong} is no address of a server"),
                Err(error) => assert!(!format!("{error:#}").contains("s3cr3t")),
            }
        }
    }

    #[test]
    fn only_failures_that_bind_count() {
        let skipped = Verdict::Skip("x".into());
        let failed = Verdict::Fail("x".into());
        let mut report = Report::new(true);
        for requirement in livepeer::conformance::requirements(Protocol::Whip) {
            report.add(Protocol::Whip, requirement, &skipped);
        }
        assert_eq!(report.violations(), 0);
        for requirement in livepeer::conformance::requirements(Protocol::Whip) {
            report.add(Protocol::Whip, requirement, &failed);
        }
        let all = livepeer::conformance::requirements(Protocol::Whip);
        let binding = all
            .iter()
            .filter(|requirement| requirement.level.is_binding());
        assert_eq!(report.violations(), binding.count());
        assert!(verdict(report).is_err());
    }
}
