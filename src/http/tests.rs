use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

/// Nobody in a test waits longer.
const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Patience =
    Patience { head: Duration::from_millis(300), idle: Duration::from_millis(600), answer: Duration::from_millis(900) };

/// Large enough that no socket holds many of them.
struct Large;

impl Content for Large {
    fn render(&self, _: Form) -> Vec<u8> {
        b"20.0.0.0/24\n".repeat(100_000)
    }

    fn changed_at(&self, _: Form) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

struct One(Arc<Page>);

impl Lists for One {
    fn find(&self, _: &str, _: &str, list: &str) -> Answer {
        if list == "fw" { Answer::Found(self.0.clone()) } else { Answer::Unknown }
    }
}

struct NoFigures;

impl Figures for NoFigures {
    fn text(&self) -> Bytes {
        Bytes::from_static(b"up 1\n")
    }

    fn answered(&self, _: &'static str, _: u16) {}
}

struct Served {
    address: SocketAddr,
    _readiness: watch::Sender<Readiness>,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(patience: Patience, options: Options) -> Served {
    let server = Server::bind(&options).await.unwrap();
    let address = server.address().unwrap();
    let (readiness, ready) = watch::channel(Err("it starts".to_owned()));
    let lists = Arc::new(One(Arc::new(Page::new(Form::Plain, Large))));
    let contents = Contents { readiness: ready, lists, figures: Arc::new(NoFigures) };
    Served { address, _readiness: readiness, task: tokio::spawn(server.serve(contents, patience)) }
}

fn plain() -> Options {
    Options { listen: ([127, 0, 0, 1], 0).into(), certificate: None, key: None, credentials: None }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that is answered to these bytes, until the server closes the connection.
    async fn answer(&self, sent: &[u8]) -> String {
        let mut stream = self.connect().await;
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        // A server that refuses early need not take all of it.
        let sending = async {
            let _ = write.write_all(sent).await;
        };
        let reading = async { read.read_to_end(&mut answer).await };
        let both = async { tokio::join!(sending, reading).1 };
        match tokio::time::timeout(DEADLINE, both).await.expect("the server closes the connection") {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    }

    async fn get(&self, head: &str) -> String {
        self.answer(format!("{head} HTTP/1.1\r\nHost: amlnet\r\nConnection: close\r\n\r\n").as_bytes()).await
    }
}

#[tokio::test]
async fn only_what_is_asked_for_in_a_short_and_plain_way_is_answered() {
    let served = serve(Patience::DEFAULT, plain()).await;
    for (head, status) in [
        ("GET /healthz", "200"),
        ("GET /readyz", "503"),
        ("GET /lists/ns/ml/fw", "200"),
        ("HEAD /lists/ns/ml/fw.json", "200"),
        ("GET /lists/ns/ml/other", "404"),
        ("GET /lists/../ml/fw", "400"),
        ("GET /", "404"),
        ("GET /listsx", "404"),
        ("POST /lists/ns/ml/fw", "405"),
        ("DELETE /healthz", "405"),
        ("OPTIONS *", "405"),
    ] {
        let answer = served.get(head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer:.300}");
    }
    assert!(served.get("PUT /lists/ns/ml/fw").await.contains("allow: GET, HEAD"));
    let answer = served.get("HEAD /lists/ns/ml/fw").await;
    assert!(answer.contains("content-length: 1200000\r\n") && answer.ends_with("\r\n\r\n"), "{answer:.500}");

    let with = |header: &str| format!("GET /lists/ns/ml/fw HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    for (header, status) in [
        (format!("X: {}", "x".repeat(20 << 10)), "431"),
        ((0..200).map(|n| format!("X-{n}: x")).collect::<Vec<_>>().join("\r\n"), "431"),
        ("Content-Length: 5\r\n\r\nhello".to_owned(), "413"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0".to_owned(), "413"),
        ("Content-Length: 99999999999999".to_owned(), "413"),
        ("no colon".to_owned(), "400"),
    ] {
        let answer = served.answer(with(&header).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header:.60}: {answer:.300}");
    }
    let long = served.get(&format!("GET /lists/ns/ml/{}", "a".repeat(70 << 10))).await;
    assert!(long.starts_with("HTTP/1.1 4"), "{long:.300}");
    assert!(served.get("GET /healthz").await.contains("200"), "and it still serves");
}

#[tokio::test]
async fn who_is_slow_loses_the_connection() {
    let served = serve(SHORT, plain()).await;
    let timed = async |sent: &[u8]| {
        let started = tokio::time::Instant::now();
        (served.answer(sent).await, started.elapsed())
    };
    let (answer, silent) = timed(b"").await;
    assert!(answer.is_empty() && silent >= SHORT.head, "{answer} {silent:?}");
    let (answer, half) = timed(b"GET /healthz HTTP/1.1\r\nHost:").await;
    assert!(answer.is_empty() && half >= SHORT.head, "{answer} {half:?}");
    let (answer, kept) = timed(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.contains("200 OK") && kept >= SHORT.idle, "{answer} {kept:?}");
    let (answer, half) = timed(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /hea").await;
    assert!(answer.contains("200 OK") && half >= SHORT.head, "{answer} {half:?}");
}

#[tokio::test]
async fn who_does_not_take_the_answer_loses_the_connection_and_others_do_not_wait() {
    let served = serve(SHORT, plain()).await;
    let mut lazy = served.connect().await;
    let asked = b"GET /lists/ns/ml/fw HTTP/1.1\r\nHost: a\r\n\r\n".repeat(40);
    let _ = tokio::time::timeout(DEADLINE, lazy.write_all(&asked)).await.expect("the requests are small");
    assert!(served.get("GET /healthz").await.contains("200 OK"));
    // It takes nothing; that the server has given up is seen when it sends.
    let gave_up = async {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        while lazy.write_all(b"GET /healthz HTTP/1.1\r\n").await.is_ok() {
            beat.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, gave_up).await.expect("the server gives up");
}

#[tokio::test]
async fn where_places_run_short_nobody_keeps_one_for_long() {
    let served = serve(Patience { idle: DEADLINE, head: DEADLINE, ..SHORT }, plain()).await;
    let mut all = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let mut stream = served.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        all.push(stream);
    }
    // Nobody goes, and a probe is answered all the same.
    let mut probe = TcpStream::connect(served.address).await.unwrap();
    probe.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut byte = [0];
    tokio::time::timeout(DEADLINE / 2, probe.read_exact(&mut byte)).await.expect("a place").unwrap();
    // Whoever came while there was room is still served.
    all[0].write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut some = [0; 64];
    assert!(all[0].read(&mut some).await.unwrap() > 0);
}

#[tokio::test]
async fn what_is_wrong_with_the_options_is_said_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = file("tls.crt", &own.cert.pem());
    let key = file("tls.key", &own.signing_key.serialize_pem());
    let with = |certificate: &Option<PathBuf>, key: &Option<PathBuf>| Options {
        certificate: certificate.clone(),
        key: key.clone(),
        ..plain()
    };
    let others = file("other.key", &other.signing_key.serialize_pem());
    let credentials = |text: &str| Options { credentials: file("credentials", text), ..plain() };
    for (options, why) in [
        (with(&certificate, &None), "--http-certificate needs --http-key"),
        (with(&None, &key), "--http-key needs --http-certificate"),
        (with(&certificate, &others), "the key is not that of the certificate"),
        (with(&key, &certificate), "holds no certificate"),
        (with(&certificate, &file("empty", "")), "holds no private key"),
        (with(&certificate, &Some(folder.path().join("none"))), "none: No such file"),
        (credentials("bearer short"), "--http-credentials: line 1"),
        (Options { credentials: Some(folder.path().to_owned()), ..plain() }, "--http-credentials"),
    ] {
        let error = Server::bind(&options).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let served = serve(Patience::DEFAULT, plain()).await;
    let taken = Options { listen: served.address, ..plain() };
    assert!(Server::bind(&taken).await.unwrap_err().contains("--http-listen 127.0.0.1:"));
    assert!(Server::bind(&with(&certificate, &key)).await.unwrap().is_https());
}

#[tokio::test]
async fn metrics_are_served_to_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "bearer 0123456789abcdef\n").unwrap();
    let served = serve(Patience::DEFAULT, Options { credentials: Some(file), ..plain() }).await;
    let got = served.get("GET /metrics").await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert!(got.contains("content-type: text/plain; version=0.0.4; charset=utf-8") && got.ends_with("up 1\n"), "{got}");
    let head = served.get("HEAD /metrics").await;
    assert!(head.contains("content-length: 5") && head.ends_with("\r\n\r\n"), "{head}");
    let list = served.get("GET /lists/a/b/fw").await;
    assert!(list.starts_with("HTTP/1.1 401"), "{list}");
}
