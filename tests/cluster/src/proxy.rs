//! A way to the API server that a test can cut. It passes bytes on and knows nothing of them, so TLS is verified through
//! it: the server's certificate is for the address, whatever the port.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long `cut` and its like wait for bytes that are on their way into a socket that takes no more.
const UNDER_WAY: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Cut,
    Held,
    Refused,
    Ended,
}

/// Listens on a port of loopback that the system chose. Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    mode: Mutex<Mode>,
    changed: Condvar,
    /// Writes that were begun while the mode allowed it.
    writing: AtomicUsize,
    connections: Mutex<Vec<Weak<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Bytes of it were swallowed, so it can never go on.
    lost: AtomicBool,
}

#[derive(Debug)]
enum Next {
    Write,
    Swallow,
    Close,
}

impl Proxy {
    pub fn to(to: SocketAddr) -> io::Result<Self> {
        Self::between(TcpListener::bind("127.0.0.1:0")?, to)
    }

    /// From where the listener is to where the thread that calls this is: on a node these are two networks.
    pub(crate) fn between(listener: TcpListener, to: SocketAddr) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to,
            mode: Mutex::new(Mode::Open),
            changed: Condvar::new(),
            writing: AtomicUsize::new(0),
            connections: Mutex::default(),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if *accepting.mode() == Mode::Ended {
                    break;
                }
                let shared = accepting.clone();
                // A connection that breaks is its two ends' matter.
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A partition that loses what is sent: connections stand, nothing arrives in either direction, not even that the
    /// other end was closed. New connections are accepted and never answered.
    pub fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// A partition that ends in time for TCP to send again: as `cut`, but what was sent waits, and arrives after `heal`.
    pub fn hold(&self) {
        self.set(Mode::Held);
    }

    /// All connections are closed, and new ones at once.
    pub fn refuse(&self) {
        self.set(Mode::Refused);
        self.shared.close(|_| true);
    }

    /// Connections that lost bytes are closed; the others go on.
    pub fn heal(&self) {
        self.set(Mode::Open);
        self.shared.close(|connection| connection.lost.load(Ordering::SeqCst));
    }

    /// After this no byte passes that the new mode forbids.
    fn set(&self, mode: Mode) {
        *self.shared.mode() = mode;
        self.shared.changed.notify_all();
        let deadline = Instant::now() + UNDER_WAY;
        while self.shared.writing.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Ended);
        self.shared.close(|_| true);
        // Wakes the listener; if it is gone already, so much the better.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the mode is one of these, and returns the one that came.
    fn wait_while(&self, modes: &[Mode]) -> Mode {
        let mode = self.changed.wait_while(self.mode(), |mode| modes.contains(mode));
        *mode.unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, which: impl Fn(&Connection) -> bool) {
        for connection in self.connections().iter().filter_map(Weak::upgrade).filter(|open| which(open)) {
            connection.close();
        }
    }

    fn serve(self: Arc<Self>, client: TcpStream) -> io::Result<()> {
        if *self.mode() == Mode::Cut {
            // Not even read: what the client sends is never answered, and its connection ends with the partition.
            self.wait_while(&[Mode::Cut, Mode::Held]);
            return Ok(());
        }
        if self.wait_while(&[Mode::Held]) != Mode::Open {
            return Ok(());
        }
        let server = TcpStream::connect(self.to)?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        let connection = Arc::new(Connection { client, server, lost: AtomicBool::new(false) });
        {
            let mut connections = self.connections();
            connections.retain(|connection| connection.strong_count() > 0);
            connections.push(Arc::downgrade(&connection));
        }
        let (shared, back) = (self.clone(), connection.clone());
        std::thread::spawn(move || shared.pass(&back, &back.server, &back.client));
        self.pass(&connection, &connection.client, &connection.server);
        Ok(())
    }

    /// One direction, until its end.
    fn pass(&self, connection: &Connection, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = from.read(&mut bytes).unwrap_or(0);
            match self.next(connection) {
                Next::Close => return connection.close(),
                Next::Swallow if read > 0 => {}
                Next::Swallow => {
                    self.wait_while(&[Mode::Cut, Mode::Held]);
                    return connection.close();
                }
                Next::Write => {
                    // A half-closed connection still answers.
                    let written = if read == 0 { to.shutdown(Shutdown::Write) } else { to.write_all(&bytes[..read]) };
                    self.writing.fetch_sub(1, Ordering::SeqCst);
                    if written.is_err() {
                        return connection.close();
                    }
                    if read == 0 {
                        return;
                    }
                }
            }
        }
    }

    /// What is to be done with what was read. A write is counted before the mode can change.
    fn next(&self, connection: &Connection) -> Next {
        let held = self.changed.wait_while(self.mode(), |mode| *mode == Mode::Held);
        match *held.unwrap_or_else(PoisonError::into_inner) {
            Mode::Open if !connection.lost.load(Ordering::SeqCst) => {
                self.writing.fetch_add(1, Ordering::SeqCst);
                Next::Write
            }
            Mode::Cut => {
                connection.lost.store(true, Ordering::SeqCst);
                Next::Swallow
            }
            Mode::Open | Mode::Held | Mode::Refused | Mode::Ended => Next::Close,
        }
    }
}

impl Connection {
    fn close(&self) {
        for socket in [&self.client, &self.server] {
            // It may have been closed by its other end.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
