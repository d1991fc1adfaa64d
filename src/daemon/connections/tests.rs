//! Floods of connections against a listener, with real sockets.

use std::net::SocketAddr;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;

/// A listener with `most` permits. `/wait` answers after a notification.
async fn metrics_listener(most: usize) -> (SocketAddr, Arc<ListenerCounts>, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counts, go) =
        (listener.local_addr().unwrap(), Arc::new(ListenerCounts::default()), Arc::new(Notify::new()));
    let waits = go.clone();
    let router = Router::new()
        .route("/", get(|| async { "well" }))
        .route("/echo", post(|body: String| async { body }))
        .route("/wait", get(move || async move { waits.notified().await }));
    tokio::spawn(serve(Listener::Metrics(listener), router, most, counts.clone()));
    (address, counts, go)
}

async fn said(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer).await);
    answer
}

const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn idle_and_slow_connections_keep_nobody_out() {
    let (address, counts, _) = metrics_listener(8).await;
    let mut flood = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nx-slow: ").await.unwrap();
        }
        if n % 3 == 0 {
            stream.write_all(b"1\r\ncontent-length: 100\r\n\r\n").await.unwrap();
        }
        flood.push(stream);
        if n % 10 == 0 {
            assert!(said(address, ASK).await.ends_with("well"), "after {n}");
        }
        assert!(counts.open.load(Relaxed) <= 8);
    }
    assert!(said(address, ASK).await.ends_with("well"));
    assert!(counts.turned_away.load(Relaxed) >= 60);
}

#[tokio::test]
async fn busy_connections_are_kept_and_new_ones_turned_away() {
    let (address, _, go) = metrics_listener(8).await;
    // One address may have a quarter of the permits.
    let waiting: Vec<_> = (0..2)
        .map(|_| tokio::spawn(said(address, "GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")))
        .collect();
    for _ in 0..200 {
        if said(address, ASK).await.is_empty() {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(said(address, ASK).await, "");
    go.notify_one();
    go.notify_one();
    for answer in waiting {
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
    }
    assert!(said(address, ASK).await.ends_with("well"));
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_head_or_body_ends_the_connection() {
    let (address, counts, _) = metrics_listener(8).await;
    assert_eq!(said(address, "").await, "");
    let answer = said(address, "GET / HTTP/1.1\r\nx-slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer = said(address, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not arrive in time"), "{answer}");
    let answer =
        said(address, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc").await;
    assert!(answer.ends_with("abc"), "{answer}");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(counts.open.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_nothing_is_closed() {
    let (ours, theirs) = tokio::io::duplex(16);
    let mut line = StallTimeout::new(ours, Duration::from_secs(30));
    assert_eq!(line.write_all(&[7; 100]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(theirs);
}

#[tokio::test]
async fn permits_are_reserved_for_root_and_each_user_has_a_share() {
    let user = |uid| Caller::User { uid, first: uid == 0 };
    let permits = Permits::new(16, true, 4, Arc::default());
    let mut taken = Vec::new();
    let mut come = |uid| match permits.admit(user(uid)) {
        Admission::Admitted(permit) => {
            permits.served_by(permit.number(), tokio::spawn(std::future::pending()));
            let work = permit.busy().begin();
            taken.push((permit, work));
            true
        }
        Admission::Replacing(..) => panic!("all are busy"),
        Admission::Full => false,
    };
    for uid in [1000, 1001, 1002] {
        assert!((0..4).all(|_| come(uid)) && !come(uid), "{uid}");
    }
    assert!(!come(1003), "what is left is reserved");
    assert!((0..4).all(|_| come(0)) && !come(0));
}

#[test]
fn an_address_counts_with_its_network() {
    let of = |text: &str| network(text.parse().unwrap()).to_string();
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
}
