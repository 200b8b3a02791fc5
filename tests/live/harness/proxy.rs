//! A proxy that tunnels (`CONNECT`) to loopback and remembers where to.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// It takes no new connection once it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeSet<String>>>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (asked, ended) = (Arc::<Mutex<BTreeSet<String>>>::default(), Arc::<AtomicBool>::default());
        let proxy = Self { address: listener.local_addr().unwrap(), asked: asked.clone(), ended: ended.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let asked = asked.clone();
                // A connection that breaks is the client's matter.
                std::thread::spawn(move || drop(tunnel(client, &asked)));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `host:port` of each tunnel; the first line of a request that wanted none.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener; if it is gone already, so much the better.
        let _ = TcpStream::connect(self.address);
    }
}

fn tunnel(client: TcpStream, asked: &Mutex<BTreeSet<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    asked.lock().unwrap().insert(target.unwrap_or(first.trim()).to_owned());
    let mut client = client;
    let server = target.and_then(|target| TcpStream::connect(target).ok());
    let Some(mut server) = server.filter(|server| server.peer_addr().is_ok_and(|address| address.ip().is_loopback()))
    else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut to_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        // The reader may hold the first bytes of the tunnel already.
        let _ = std::io::copy(&mut reader, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    std::io::copy(&mut server, &mut to_client)?;
    to_client.shutdown(std::net::Shutdown::Both)
}
