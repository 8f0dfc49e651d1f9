//! `cargo kit new DIR`: the generator with every check made first, and `--run` to see the project live.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf, absolute},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{
    generate,
    model::{ARCHITECTURE, Model},
    root,
};

/// What `cargo kit new` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's folder: made, or empty
    pub dir: PathBuf,
    /// The streaming architecture; a wrong one is answered with those that there are [default: cargo-generate.toml's]
    #[arg(long)]
    pub architecture: Option<String>,
    /// The project's name [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// Build and serve it at once, sharing the kit's build folder
    #[arg(long)]
    pub run: bool,
}

/// Makes the project; with `--run` does not return where the process can be replaced by the app itself.
///
/// # Errors
///
/// A folder that is not empty or lies inside another cargo project, a bad name or an unknown architecture: each in words,
/// with nothing written. Later on, what the generator or cargo said.
pub fn run(args: Args) -> anyhow::Result<()> {
    let dir =
        resolve(&args.dir).with_context(|| format!("{} cannot be made", args.dir.display()))?;
    let (name, architecture) = scaffold(&std::env::current_exe()?, &args, &dir)?;
    if args.run {
        return serve(&dir);
    }
    println!(
        "Made {name} ({architecture}) in {}. Three steps to the first picture:",
        dir.display()
    );
    println!("  cd {}", args.dir.display());
    println!("  cargo run");
    println!("  open http://localhost:3000");
    Ok(())
}

/// The folder's whole path as the system sees it, without links or `..`: what lies above it counts, not what was typed.
fn resolve(dir: &Path) -> anyhow::Result<PathBuf> {
    let whole = absolute(dir)?;
    let (mut there, mut missing) = (whole.as_path(), Vec::new());
    loop {
        match there.canonicalize() {
            Ok(found) => {
                return Ok(missing
                    .iter()
                    .rev()
                    .fold(found, |path, name| path.join(name)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                missing.push(
                    there
                        .file_name()
                        .context("`..` leads out of a folder that is not there")?,
                );
                there = there.parent().context("there is no folder above it")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the project in `dir` and returns its name and its architecture. `tool` is the `kit` program, which runs the generator.
fn scaffold(tool: &Path, args: &Args, dir: &Path) -> anyhow::Result<(String, String)> {
    let model = Model::load()?;
    let mut answers = model.defaults();
    if let Some(architecture) = &args.architecture {
        let known = model.architectures();
        if !known.contains(architecture) {
            bail!(
                "there is no architecture '{architecture}'; choose from: {}",
                known.join(", ")
            );
        }
        answers.insert(ARCHITECTURE.into(), architecture.clone());
    }
    let parent = check_folder(dir)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => dir
            .file_name()
            .context("the folder has no name")?
            .to_string_lossy()
            .into_owned(),
    };

    // Beside the destination, so that putting it in place is one rename: it is there whole or not at all.
    let nearest = nearest_existing(parent)?;
    let workshop = tempfile::Builder::new()
        .prefix(".kit-")
        .tempdir_in(nearest)
        .with_context(|| format!("cannot write in {}", nearest.display()))?;
    generate::apart(tool, &name, workshop.path(), &answers).map_err(|problem| match args.name {
        Some(_) => problem,
        None => {
            problem.context("the project is named after its folder unless --name says otherwise")
        }
    })?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    std::fs::rename(workshop.path().join(&name), dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    start_history(dir);
    Ok((name, answers.remove(ARCHITECTURE).unwrap_or_default()))
}

/// Refuses a folder that is in use or inside another cargo project; returns its parent.
fn check_folder(dir: &Path) -> anyhow::Result<&Path> {
    if dir.is_file() {
        bail!("{} is a file", dir.display());
    }
    if dir.is_dir() && std::fs::read_dir(dir)?.next().is_some() {
        bail!(
            "{} is not empty; choose a new folder or an empty one",
            dir.display()
        );
    }
    let parent = dir
        .parent()
        .with_context(|| format!("{} has no folder above it", dir.display()))?;
    if let Some(outer) = parent
        .ancestors()
        .find(|folder| folder.join("Cargo.toml").exists())
    {
        bail!(
            "{} lies inside the cargo project {}. The new project is a workspace of its own and cannot live inside another \
             one: choose a folder outside, for example {}",
            dir.display(),
            outer.display(),
            outer
                .with_file_name(dir.file_name().unwrap_or_default())
                .display(),
        );
    }
    Ok(parent)
}

fn nearest_existing(folder: &Path) -> anyhow::Result<&Path> {
    folder
        .ancestors()
        .find(|folder| folder.is_dir())
        .with_context(|| format!("{} cannot be made", folder.display()))
}

/// `git init`, as `cargo new` and `cargo generate` do. Where there is no git, or a repository around, there is nothing to do.
fn start_history(dir: &Path) {
    let quiet = |command: &mut Command| {
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|done| done.success())
    };
    let mut inside = Command::new("git");
    if !quiet(
        inside
            .current_dir(dir)
            .args(["rev-parse", "--is-inside-work-tree"]),
    ) {
        let mut init = Command::new("git");
        quiet(
            init.current_dir(dir)
                .args(["init", "--quiet", "--initial-branch", "main"]),
        );
    }
}

/// Builds the project with the kit's build folder and becomes the running app.
fn serve(dir: &Path) -> anyhow::Result<()> {
    println!(
        "Building {} (minutes the first time, seconds after that)",
        dir.display()
    );
    let built = root::cargo(dir)
        .args(["build", "--message-format", "json-render-diagnostics"])
        .env("CARGO_BUILD_BUILD_DIR", root::build_folder()?)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not run")?;
    if !built.status.success() {
        bail!("the project does not build");
    }
    let program =
        root::executable(&built.stdout).context("cargo did not say where the program is")?;

    let mut app = Command::new(program);
    app.current_dir(dir);
    // The app itself says where it serves, once it does.
    if std::env::var_os("LISTEN").is_none() {
        app.env("LISTEN", format!("127.0.0.1:{}", free_tcp_port(3000)?));
    }
    if std::env::var_os("LIVEPEER_LOCAL_UDP").is_none() {
        let port = free_udp_port(7300)?;
        app.env("LIVEPEER_LOCAL_UDP", format!("[::]:{port}"));
    }
    println!("Starting it; Ctrl-C ends it.");
    become_it(app)
}

/// The wished port, or any free one, saying so, if another program has it.
fn free_tcp_port(wished: u16) -> anyhow::Result<u16> {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, wished)).is_ok() {
        return Ok(wished);
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    println!("Port {wished} is taken: using LISTEN=127.0.0.1:{port}");
    Ok(port)
}

fn free_udp_port(wished: u16) -> anyhow::Result<u16> {
    if UdpSocket::bind((Ipv4Addr::UNSPECIFIED, wished)).is_ok() {
        return Ok(wished);
    }
    let port = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?
        .local_addr()?
        .port();
    println!("UDP port {wished} is taken: using LIVEPEER_LOCAL_UDP=[::]:{port}");
    Ok(port)
}

/// Replaces this process, so that Ctrl-C and every other signal reach the app and nothing stands between.
#[cfg(unix)]
fn become_it(mut app: Command) -> anyhow::Result<()> {
    Err(std::os::unix::process::CommandExt::exec(&mut app)).context("the app does not start")
}

#[cfg(not(unix))]
fn become_it(mut app: Command) -> anyhow::Result<()> {
    let status = app.status().context("the app does not start")?;
    if !status.success() {
        bail!("the app ended with {status}");
    }
    Ok(())
}
