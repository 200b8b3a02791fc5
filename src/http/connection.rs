//! A connection that loses its patience: with who greets and says nothing, who sends a head drop by drop, who does not
//! take an answer, and who only stays.
//!
//! Must not look at what is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request from its first byte on; for TLS to be agreed on.
    pub head: Duration,
    /// Until the next request begins.
    pub idle: Duration,
    /// To take a whole answer.
    pub answer: Duration,
}

impl Patience {
    pub const DEFAULT: Self =
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(60), answer: Duration::from_secs(30) };

    /// While many clients are there.
    pub(super) fn in_a_hurry(self) -> Self {
        let [head, idle, answer] = [2, 1, 10].map(Duration::from_secs);
        Self { head: self.head.min(head), idle: self.idle.min(idle), answer: self.answer.min(answer) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing of a request has come.
    Idle,
    Head,
    Answer,
}

/// The connection.
pub(super) struct Patient<S> {
    stream: S,
    patience: Patience,
    phase: Phase,
    /// When the phase is over.
    end: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    /// Whoever connects has as long for a first request as one takes.
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        Self { stream, patience, phase: Phase::Head, end: Box::pin(tokio::time::sleep(patience.head)) }
    }

    fn enter(&mut self, phase: Phase) {
        let length = match phase {
            Phase::Idle => self.patience.idle,
            Phase::Head => self.patience.head,
            Phase::Answer => self.patience.answer,
        };
        self.phase = phase;
        self.end.as_mut().reset(Instant::now() + length);
    }

    /// What has to wait may, until the phase is over.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.end.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => {
                // Whoever asks for more before the last answer is taken gets no more time for that.
                if buf.filled().len() > before && self.phase == Phase::Idle {
                    self.enter(Phase::Head);
                }
                Poll::Ready(read)
            }
            Poll::Pending => self.wait(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.phase != Phase::Answer {
            self.enter(Phase::Answer);
        }
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(written) => Poll::Ready(written),
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.phase != Phase::Answer {
            self.enter(Phase::Answer);
        }
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(written) => Poll::Ready(written),
            Poll::Pending => self.wait(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(flushed) => {
                if self.phase == Phase::Answer {
                    self.enter(Phase::Idle);
                }
                Poll::Ready(flushed)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.wait(cx),
        }
    }
}
