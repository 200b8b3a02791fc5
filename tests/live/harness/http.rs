//! Requests to the binary's own server, by hand: what exactly is sent and answered is what is tested.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Controller;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads it from the bytes of a connection that was closed after it.
    #[track_caller]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: lines.filter_map(header).collect(), body: bytes[end + 4..].to_vec() }
    }

    /// Empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.text().lines().map(str::to_owned).collect()
    }
}

/// Where a controller serves, as its log says.
#[track_caller]
pub(crate) fn address(controller: &Controller) -> SocketAddr {
    let mut found = None;
    controller.wait_until("the address", || {
        let log = controller.log();
        let line = log.lines().find(|line| line.contains("serves /healthz"));
        let mut words = line.into_iter().flat_map(|line| line.split_whitespace());
        found = words.find_map(|word| word.strip_prefix("address=")?.parse().ok());
        found.is_some()
    });
    found.unwrap()
}

/// Sends a request with these headers, and closes the connection after the answer.
#[track_caller]
pub(crate) fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: amlnet\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes)
}

#[track_caller]
pub(crate) fn get(to: SocketAddr, path: &str) -> Answer {
    request(to, "GET", path, &[])
}
