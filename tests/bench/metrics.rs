//! A scrape of a thousand AmlNetworks with a table each: how long it takes over loopback.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{Stopped, controller, ms};

const NETWORKS: usize = 1000;
const SCRAPES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(180);

fn table(n: usize) -> String {
    let subscription = format!("00000000-0000-0000-0000-{:012}", n % 100);
    format!("/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt-{n}")
}

pub(crate) fn measure(folder: &Path, document: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut world = armsim::model::World::default().with_time_scale(0.001);
    for n in 0..NETWORKS {
        world = world.with_route_table(&table(n), "eastus2", &[]);
    }
    let simulator = runtime.block_on(armsim::server::start(world, armsim::server::Options::default())).expect("armsim");
    let (objects, state) = (folder.join("metric-objects"), folder.join("metric-state"));
    std::fs::create_dir_all(&objects).expect("the temporary folder");
    let mut yaml = format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {{name: public}}\n\
         spec: {{cloud: Public, sources: [{{file: {{path: \"{}\"}}}}]}}\n",
        document.display()
    );
    for n in 0..NETWORKS {
        let _ = write!(
            yaml,
            "---\napiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: n{n}}}\n\
             spec: {{region: eastus2, mode: Observe, routes: {{routeTables: [{{id: \"{}\"}}]}}}}\n",
            table(n)
        );
    }
    std::fs::write(objects.join("all.yaml"), yaml).expect("the temporary folder");
    let at = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let child = controller(&objects, &state, &simulator.endpoints)
        .args(["--http-listen", &at.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("amlnet");
    let _child = Stopped(child);
    let deadline = Instant::now() + PATIENCE;
    let looked_at = |text: &str| text.matches("\namlnet_target_entries{").count();
    while scrape(at).is_none_or(|text| looked_at(&text) < NETWORKS) {
        assert!(Instant::now() < deadline, "not all targets are told of in time");
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..SCRAPES {
        let started = Instant::now();
        bytes = scrape(at).expect("a scrape").len();
        times.push(started.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    times.sort();
    let (median, last) = (ms(times[SCRAPES / 2]), ms(times[SCRAPES - 2]));
    println!(
        "a scrape of {NETWORKS} AmlNetworks, {:.1} MiB: {median:.1} ms, nearly always within {last:.1} ms; ratio {:.2} of \
         10 ms",
        bytes as f64 / f64::from(1 << 20),
        median / 10.0
    );
}

fn scrape(at: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: amlnet\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    String::from_utf8(text).ok()
}
