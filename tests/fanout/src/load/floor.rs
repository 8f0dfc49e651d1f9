//! What the system alone takes to send as much: the same datagrams to as many receivers, with no engine before them.
//!
//! No server that sends from a socket is cheaper, so each figure is told beside this one: the difference is what a server
//! does itself, and what is left when machines are compared.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use quinn_udp::{Transmit, UdpSocketState};

use super::hall::{SEATS, address_of};
use super::publisher::{BURST, PACKETS, PAYLOAD, PICTURE};
use super::wire::{Buffers, Wire};
use crate::server::ran;

/// A packet's header with the extension for its number, and the tag of AES-GCM.
const AROUND: usize = 20 + 16;
const DATAGRAM: usize = PAYLOAD + AROUND;
/// What a publisher sends at once leaves in one system call.
const BURSTS_OF_A_PICTURE: u32 = (PACKETS / BURST) as u32;
const THIS_THREAD: &str = "/proc/thread-self/schedstat";
/// As long as an ordinary step is measured.
const SPAN: Duration = Duration::from_secs(4);

/// CPU time of a thread that only sends, in microseconds for each datagram. Measured in a process of its own.
pub(crate) fn measure(receivers: usize) -> anyhow::Result<f64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["floor", "--receivers", &receivers.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the bare sender does not start")?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut line = String::new();
    let read = BufReader::new(output).read_line(&mut line);
    let ended = child.wait()?;
    ensure!(ended.success(), "the bare sender failed ({ended})");
    read?;
    Ok(line.trim().parse()?)
}

/// What the process is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    receivers: usize,
}

/// Sends for [`SPAN`] and prints what a datagram took.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let receivers = receive(args.receivers)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let state = UdpSocketState::new((&socket).into())?;
    let contents = [0; BURST * DATAGRAM];
    let used = || ran(&std::fs::read_to_string(THIS_THREAD)?);
    let (began, before) = (Instant::now(), used()?);
    let (mut bursts, mut datagrams) = (0u32, 0usize);
    while began.elapsed() < SPAN {
        for receiver in &receivers {
            let transmit = Transmit {
                destination: *receiver,
                ecn: None,
                contents: &contents,
                segment_size: Some(DATAGRAM),
                src_ip: None,
            };
            state.try_send((&socket).into(), &transmit)?;
            datagrams += BURST;
        }
        bursts += 1;
        let next = began + PICTURE * bursts / BURSTS_OF_A_PICTURE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let took = used()?.saturating_sub(before);
    println!("{:.3}", took.as_secs_f64() * 1e6 / datagrams as f64);
    Ok(())
}

/// Receivers on a thread of their own, seated as the load's viewers are. They end with the process.
fn receive(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut wires = Vec::new();
    let mut addresses = Vec::new();
    for first in (0..count).step_by(SEATS) {
        let _entered = runtime.enter();
        let wire = Wire::bind()?;
        let port = wire.port()?;
        let seats = 0..SEATS.min(count - first);
        addresses.extend(seats.map(|seat| SocketAddr::from((address_of(seat), port))));
        wires.push(wire);
    }
    std::thread::spawn(move || {
        let tasks = tokio::task::LocalSet::new();
        let buffers = std::rc::Rc::new(std::cell::RefCell::new(Buffers::new()));
        for wire in wires {
            let buffers = buffers.clone();
            tasks.spawn_local(async move {
                loop {
                    wire.readable().await;
                    wire.receive(&mut buffers.borrow_mut(), |_, _| {});
                }
            });
        }
        runtime.block_on(tasks);
    });
    Ok(addresses)
}
