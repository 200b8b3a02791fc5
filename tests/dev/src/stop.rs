//! When to stop: Ctrl-C, another signal that ends a program, or, where that is asked for, the end of standard input.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is under way, such as a start, gets so long to end by itself. What was started then goes with this process.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Tells when to stop.
#[derive(Debug)]
pub(crate) struct Stop(Receiver<()>);

impl Stop {
    /// Waits that long; true as soon as it is time to stop.
    pub(crate) fn within(&self, time: Duration) -> bool {
        !matches!(self.0.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}

/// Begins to watch.
pub(crate) fn watch(with_input: bool) -> Result<Stop, String> {
    let refuse = |error: std::io::Error| format!("signals cannot be watched: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refuse)?;
    let signals = {
        let _inside = runtime.enter();
        let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        signals.into_iter().collect::<Result<Vec<Signal>, _>>().map_err(refuse)?
    };
    let (sender, receiver) = channel();
    if with_input {
        let sender = sender.clone();
        std::thread::spawn(move || {
            // What is written there has no meaning; only its end has.
            let mut bytes = [0; 1024];
            while std::io::stdin().read(&mut bytes).is_ok_and(|read| read > 0) {}
            end(&sender);
        });
    }
    std::thread::spawn(move || {
        runtime.block_on(any(signals));
        end(&sender);
    });
    Ok(Stop(receiver))
}

async fn any(signals: Vec<Signal>) {
    let [mut one, mut two, mut three] = <[Signal; 3]>::try_from(signals).unwrap_or_else(|_| unreachable!("three"));
    tokio::select! {
        _ = one.recv() => {}
        _ = two.recv() => {}
        _ = three.recv() => {}
    }
}

fn end(sender: &Sender<()>) {
    // Nobody listens any more where the end has begun.
    let _ = sender.send(());
    std::thread::sleep(END_WITHIN);
    std::process::exit(1);
}
