//! Every project that the generator can make builds from its lock file, has no warning, passes its own tests and runs:
//! as it is generated, and with any one of its architectures alone.
//!
//! Slow, minutes a project: they share the kit's build folder, one after the other. They must not lie below that folder:
//! cargo would mistake the crates of one project for those of the next.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use kit::{
    model::{ARCHITECTURE, Model},
    root,
};
use support::{Project, said};

/// The Livepeer that is built in, as a feature.
const LOCAL: &str = "local";

#[test]
fn every_project_builds_lints_passes_its_tests_and_runs() {
    for answers in Model::load().unwrap().combinations() {
        // Not before it is its turn: to cargo, files that are older than what was built from their like in the project
        // before have not changed.
        let bench = Bench::of(Project::generate(&answers));
        let chosen = bench.project.answers[ARCHITECTURE].clone();
        let kept = bench.architectures();
        let parts: Vec<&String> = kept.iter().filter(|name| **name != chosen).collect();

        bench.lint(&["--workspace", "--all-targets"]);
        for features in bench.choices_of_features() {
            bench.lint(&[
                "--all-targets",
                "--no-default-features",
                "--features",
                &features,
            ]);
        }
        // As the image for production is built: the features that tests need of other crates are not there.
        bench.lint(&["--no-default-features", "--features", &chosen]);

        bench.run(&["test", "--workspace"]);
        for part in &parts {
            let features = format!("{part},{LOCAL}");
            bench.run(&["test", "--no-default-features", "--features", &features]);
        }

        // As it is, and with another architecture by nothing but a flag; all as the project's README says.
        let readme = bench.project.read("README.md");
        let policy = readme
            .lines()
            .find_map(|line| line.strip_prefix("POLICY='")?.strip_suffix('\''))
            .unwrap();
        let offered = bench.offered(&[], &[("POLICY", policy)]);
        assert_eq!(offered[0], chosen);
        assert_eq!(offered.into_iter().collect::<BTreeSet<_>>(), kept);
        for part in &parts {
            let features = format!("{part},{LOCAL}");
            let alone = ["--no-default-features", "--features", &features];
            assert!(readme.contains(&format!("cargo run {}\n", alone.join(" "))));
            assert_eq!(bench.offered(&alone, &[]), [part.as_str()]);
        }

        let names: Vec<String> = bench.project.files().into_keys().collect();
        assert!(!names.iter().any(|name| name.ends_with(".snap.new")));
    }
}

/// A project, and the build folder that it shares.
struct Bench {
    project: Project,
    builds: PathBuf,
}

impl Bench {
    fn of(project: Project) -> Bench {
        Bench {
            project,
            builds: root::build_folder().unwrap(),
        }
    }

    fn architectures(&self) -> BTreeSet<String> {
        let folders = std::fs::read_dir(self.project.path().join("architectures")).unwrap();
        folders
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Every choice of the app's features, without those that come to the same because one feature turns others on.
    fn choices_of_features(&self) -> Vec<String> {
        let manifest = self.project.toml("Cargo.toml");
        let features = manifest["features"].as_table().unwrap();
        let names: Vec<&String> = features.keys().filter(|name| *name != "default").collect();
        let mut seen = BTreeSet::new();
        let mut choices = Vec::new();
        for number in 0..1_u32 << names.len() {
            let bits = (0..names.len()).filter(|bit| number >> bit & 1 == 1);
            let choice: Vec<&str> = bits.map(|bit| names[bit].as_str()).collect();
            let mut on = BTreeSet::new();
            let mut waiting = choice.clone();
            while let Some(name) = waiting.pop() {
                if let Some(turns_on) = features.get(name).and_then(toml::Value::as_array) {
                    waiting.extend(turns_on.iter().filter_map(toml::Value::as_str));
                    on.insert(name.to_owned());
                }
            }
            if seen.insert(on) {
                choices.push(choice.join(","));
            }
        }
        choices
    }

    fn lint(&self, arguments: &[&str]) {
        self.run(&[&["clippy"], arguments, &["--", "-D", "warnings"]].concat());
    }

    /// Runs cargo, which must succeed without a word of warning.
    fn run(&self, arguments: &[&str]) {
        let begun = Instant::now();
        let output = self.cargo(arguments).output().unwrap();
        let words = said(&output);
        assert!(
            output.status.success(),
            "cargo {arguments:?}\n{words}\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(
            !words.lines().any(|line| line.starts_with("warning")),
            "cargo {arguments:?}\n{words}"
        );
        self.tell(arguments, begun);
    }

    /// The architectures that the home page offers, in its order, when the project is run with these arguments and
    /// settings.
    fn offered(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Vec<String> {
        let begun = Instant::now();
        let arguments = [&["run"], arguments].concat();
        let mut cargo = self.cargo(&arguments);
        cargo.envs(settings.iter().copied());
        let page = Running::start(cargo).get("/");
        self.tell(&arguments, begun);
        let kinds = page.split("name=\"kind\" value=\"").skip(1);
        kinds
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = root::cargo(&self.project.path());
        cargo
            .arg(arguments[0])
            .args(["--locked", "--offline"])
            .args(&arguments[1..])
            .env("CARGO_BUILD_BUILD_DIR", &self.builds)
            // A golden is compared here, not accepted.
            .env("INSTA_UPDATE", "no");
        cargo
    }

    fn tell(&self, arguments: &[&str], begun: Instant) {
        eprintln!(
            "{}: cargo {} took {} s",
            self.project.title(),
            arguments.join(" "),
            begun.elapsed().as_secs()
        );
    }
}

/// The app as `cargo run` starts it, on free ports. It is killed when dropped.
struct Running {
    child: Child,
    port: u16,
    /// Its data, and where it looks for settings.
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(mut cargo: Command) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        cargo
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("LIVEPEER_LOCAL_UDP", udp.local_addr().unwrap().to_string())
            .env("DATA_DIR", folder.path())
            .env_remove("LIVEPEER_API_URL")
            .env_remove("LIVEPEER_API_KEY")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        drop((tcp, udp));
        // Once it is built, cargo is replaced by the app: killing the one ends the other.
        let mut child = cargo.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = format!("http://localhost:{port}");
        let serves = lines.any(|line| line.unwrap().contains(&address));
        let running = Running {
            child,
            port,
            _folder: folder,
        };
        assert!(serves, "the app ended before it served");
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        running
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let host = format!("localhost:{}", self.port);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
