//! The proxy: partitions of the kinds that happen, and that end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use cluster::{ADMIN, Cluster, Proxy};

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).unwrap()
}

/// Whether `text` comes back; the error of a read that took too long is `WouldBlock`.
fn says(mut stream: &TcpStream, text: &str, patience: Duration) -> std::io::Result<()> {
    stream.write_all(text.as_bytes())?;
    hears(stream, text, patience)
}

fn hears(mut stream: &TcpStream, text: &str, patience: Duration) -> std::io::Result<()> {
    stream.set_read_timeout(Some(patience))?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, text.as_bytes());
    Ok(())
}

const SOON: Duration = Duration::from_secs(20);
/// Long enough for an answer that comes at all.
const NEVER: Duration = Duration::from_millis(300);

#[test]
fn a_cut_swallows_what_is_sent_and_leaves_connections_open() {
    let proxy = Proxy::to(echo()).unwrap();
    let (talking, idle) = (connect(&proxy), connect(&proxy));
    says(&talking, "before", SOON).unwrap();
    says(&idle, "before", SOON).unwrap();
    proxy.cut();
    let new = connect(&proxy);
    for stream in [&talking, &new] {
        assert_eq!(says(stream, "lost", NEVER).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    proxy.heal();
    // What was lost is not made up for, so these two are over; the one that lost nothing goes on.
    for stream in [&talking, &new] {
        let error = hears(stream, "lost", SOON).unwrap_err().kind();
        assert!([ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error), "{error}");
    }
    says(&idle, "after", SOON).unwrap();
    says(&connect(&proxy), "after", SOON).unwrap();
}

#[test]
fn what_is_held_arrives_after_the_partition() {
    let proxy = Proxy::to(echo()).unwrap();
    let old = connect(&proxy);
    says(&old, "before", SOON).unwrap();
    proxy.hold();
    let new = connect(&proxy);
    for stream in [&old, &new] {
        assert_eq!(says(stream, "late", NEVER).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    proxy.heal();
    for stream in [&old, &new] {
        hears(stream, "late", SOON).unwrap();
    }
}

#[test]
fn refused_connections_end_at_once_old_and_new() {
    let proxy = Proxy::to(echo()).unwrap();
    let old = connect(&proxy);
    says(&old, "before", SOON).unwrap();
    proxy.refuse();
    for stream in [&old, &connect(&proxy)] {
        // Writing may succeed once, as the end may not have arrived yet.
        assert_ne!(says(stream, "no", SOON).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    proxy.heal();
    says(&connect(&proxy), "after", SOON).unwrap();
}

#[test]
fn a_proxy_that_is_gone_leaves_no_connection() {
    let proxy = Proxy::to(echo()).unwrap();
    let (stream, address) = (connect(&proxy), proxy.address());
    says(&stream, "before", SOON).unwrap();
    drop(proxy);
    assert_ne!(says(&stream, "after", SOON).unwrap_err().kind(), ErrorKind::WouldBlock);
    crate::wait_until("the proxy no longer listens", || TcpStream::connect(address).is_err());
}

#[test]
fn the_api_server_is_verified_through_the_proxy_and_not_reached_while_it_is_cut() {
    let cluster = Cluster::shared();
    let proxy = cluster.proxy().unwrap();
    let kubeconfig = cluster.kubeconfig_via(ADMIN, &proxy);
    let kubeconfig = kubeconfig.to_str().unwrap();
    let get =
        || cluster.kubectl(ADMIN, &["--kubeconfig", kubeconfig, "--request-timeout=2s", "get", "--raw", "/version"]);
    assert!(get().ok().contains("gitVersion"));
    proxy.cut();
    assert_ne!(get().status, 0);
    assert!(cluster.kubectl(ADMIN, &["get", "--raw", "/version"]).ok().contains("gitVersion"));
    proxy.refuse();
    assert_ne!(get().status, 0);
    proxy.heal();
    assert!(get().ok().contains("gitVersion"));
}
