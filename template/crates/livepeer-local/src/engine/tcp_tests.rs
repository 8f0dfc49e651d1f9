//! What connections may do before and after they have proven themselves, on real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::framing::{MAX_FRAME, append_frame};
use super::outbox::{Carrier, Path};
use super::routes::Routes;
use super::tcp::{self, Deadlines, Tcp};
use super::workers::{Desk, Desks, Mail, Routed};

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(&mut out, datagram);
    out
}

/// The connections, and the desk of the one worker.
struct Edge {
    tcp: Tcp,
    desk: mpsc::Receiver<Routed>,
    _mail: mpsc::UnboundedReceiver<Mail>,
}

fn open(deadlines: Deadlines) -> (Edge, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (mail, _mail) = mpsc::unbounded_channel();
    let (datagrams, desk) = mpsc::channel(1024);
    let desks = Desks::from(vec![Desk { mail, datagrams }]);
    let routes = Arc::new(Routes::new(1));
    let tcp = tcp::spawn(listener, 64, deadlines, &routes, &desks).unwrap();
    (Edge { tcp, desk, _mail }, address)
}

/// As long as a test may take, so that no deadline is met but the one that it is about.
fn patient() -> Deadlines {
    Deadlines {
        proof: PATIENCE * 2,
        idle: PATIENCE * 2,
        stall: PATIENCE * 2,
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection is closed when there is nothing more to read, or a reset.
fn assert_closed(mut stream: TcpStream) {
    match stream.read(&mut [0; 64]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

async fn next_datagram(edge: &mut Edge) -> (Path, Box<[u8]>) {
    match tokio::time::timeout(PATIENCE, edge.desk.recv()).await {
        Ok(Some(Routed::Datagram(path, datagram))) => (path, datagram),
        _ => panic!("no datagram came"),
    }
}

/// Connects, sends what begins like STUN, and has it answered, as the core answers an authentic one.
async fn proven(edge: &mut Edge, address: SocketAddr) -> (TcpStream, u64) {
    let mut stream = connect(address);
    stream.write_all(&framed(&[0, 1, 2])).unwrap();
    let (path, datagram) = next_datagram(edge).await;
    assert_eq!(*datagram, [0, 1, 2]);
    assert_eq!(path.remote, stream.local_addr().unwrap());
    assert_eq!(path.local, Some(address.ip()));
    let Carrier::Tcp(number) = path.carrier else {
        panic!("not TCP");
    };
    assert_eq!(edge.tcp.send(number, [&[9; 3][..]].into_iter()), 0);
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0, 3, 9, 9, 9]);
    (stream, number)
}

#[tokio::test]
async fn whoever_does_not_begin_with_stun_is_closed_at_once() {
    let (mut edge, address) = open(patient());
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &framed(&[22, 254, 253]),
        &framed(&[]),
        &framed(&[0; 1501]),
    ] {
        let mut stream = connect(address);
        stream.write_all(noise).unwrap();
        assert_closed(stream);
    }
    while let Ok(message) = edge.desk.try_recv() {
        assert!(
            matches!(message, Routed::Closed(_)),
            "none of it is passed on"
        );
    }
}

#[tokio::test]
async fn whoever_proves_nothing_is_closed_however_busy_and_however_slow() {
    let (mut edge, address) = open(patient());
    let mut busy = connect(address);
    for _ in 0..17 {
        // The last ones may meet a closed connection.
        let _ = busy.write_all(&framed(&[0, 1]));
    }
    for _ in 0..16 {
        next_datagram(&mut edge).await;
    }
    assert_closed(busy);

    let (_edge, address) = open(Deadlines {
        proof: Duration::from_millis(50),
        ..patient()
    });
    assert_closed(connect(address));
    let mut slow = connect(address);
    slow.write_all(&[0]).unwrap();
    assert_closed(slow);
}

#[tokio::test]
async fn a_proven_connection_may_send_what_it_likes_but_not_more_than_a_frame_and_not_nothing() {
    let (mut edge, address) = open(patient());
    let (mut stream, _) = proven(&mut edge, address).await;
    let largest = vec![0x80; MAX_FRAME];
    stream.write_all(&framed(&largest)).unwrap();
    assert_eq!(*next_datagram(&mut edge).await.1, largest);
    stream
        .write_all(&framed(&vec![0x80; MAX_FRAME + 1]))
        .unwrap();
    assert_closed(stream);

    let (mut edge, address) = open(Deadlines {
        idle: Duration::from_millis(50),
        ..patient()
    });
    let (stream, _) = proven(&mut edge, address).await;
    assert_closed(stream);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_loses_packets_and_delays_nobody() {
    let (mut edge, address) = open(patient());
    let (_stuck, stuck_number) = proven(&mut edge, address).await;
    let (mut good, good_number) = proven(&mut edge, address).await;
    let packet = [0x80; 1200];
    let mut dropped = 0;
    let mut rounds = 0u32;
    while dropped < 100 {
        rounds += 1;
        let flood = std::iter::repeat_n(&packet[..], 100);
        dropped += edge.tcp.send(stuck_number, flood);
        let number = rounds.to_be_bytes();
        assert_eq!(edge.tcp.send(good_number, [&number[..]].into_iter()), 0);
        let mut frame = [0; 6];
        good.read_exact(&mut frame).unwrap();
        assert_eq!(frame[2..], number);
    }
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_for_long_is_closed() {
    let (mut edge, address) = open(Deadlines {
        stall: Duration::from_millis(50),
        ..patient()
    });
    let (_stuck, number) = proven(&mut edge, address).await;
    let closed = async {
        loop {
            edge.tcp.send(number, [&[0x80; 1200][..]].into_iter());
            if let Ok(Routed::Closed(path)) = edge.desk.try_recv() {
                return path.carrier;
            }
            tokio::task::yield_now().await;
        }
    };
    let carrier = tokio::time::timeout(PATIENCE, closed).await;
    assert_eq!(carrier.expect("it is closed"), Carrier::Tcp(number));
    let more = edge.tcp.send(number, [&[0x80; 1200][..]].into_iter());
    assert_eq!(more, 1, "what comes later is counted as dropped");
}

#[tokio::test]
async fn what_was_said_before_hanging_up_arrives() {
    let (mut edge, address) = open(patient());
    let (mut stream, number) = proven(&mut edge, address).await;
    edge.tcp.send(number, [&b"goodbye"[..]].into_iter());
    edge.tcp.hang_up(number);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, framed(b"goodbye"));
    match tokio::time::timeout(PATIENCE, edge.desk.recv()).await {
        Ok(Some(Routed::Closed(path))) => assert_eq!(path.carrier, Carrier::Tcp(number)),
        _ => panic!("the core is not told"),
    }
}

#[tokio::test]
async fn one_address_has_only_so_many_unproven_connections_and_a_closed_one_makes_room() {
    let (mut edge, address) = open(patient());
    let mut waiting: Vec<TcpStream> = (0..16).map(|_| connect(address)).collect();
    // All are taken in before another is refused, as they come in order.
    assert_closed(connect(address));
    let first = waiting.remove(0);
    drop(first);
    match tokio::time::timeout(PATIENCE, edge.desk.recv()).await {
        Ok(Some(Routed::Closed(_))) => {}
        _ => panic!("its end is noticed"),
    }
    let again = tokio::time::timeout(PATIENCE, async {
        loop {
            let mut stream = connect(address);
            // A refused one may be reset already.
            let _ = stream.write_all(&framed(&[0, 1]));
            tokio::task::yield_now().await;
            if let Ok(Routed::Datagram(..)) = edge.desk.try_recv() {
                return;
            }
        }
    });
    again.await.expect("there is room again");
}
