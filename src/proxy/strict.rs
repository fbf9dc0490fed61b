//! The strict reader before hyper's: a connection from the sandbox that hands on only well-framed requests.

use crate::proxy::framing::{Framing, Violation};
use std::future::Future;
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// `raw` is set once the connection speaks something else (after 101); `violated` is told why, and the reader gets
/// bytes that it answers with 400, or an error in a body.
pub struct Strict<S, F> {
    inner: S,
    framing: Framing,
    pending: Vec<u8>,
    given: usize,
    raw: Arc<AtomicBool>,
    violated: F,
    failed: Option<Violation>,
    /// Held by every exchange that goes on.
    busy: Arc<()>,
    /// How long an end is kept back while one does.
    patience: Duration,
    /// Since the end came.
    ending: Option<Pin<Box<Sleep>>>,
}

impl<S, F: FnMut(Violation)> Strict<S, F> {
    pub fn new(inner: S, raw: Arc<AtomicBool>, patience: Duration, violated: F) -> Self {
        Self {
            inner,
            framing: Framing::default(),
            pending: Vec::new(),
            given: 0,
            raw,
            violated,
            failed: None,
            busy: Arc::default(),
            patience,
            ending: None,
        }
    }

    /// To be upgraded and held by each exchange on this connection until it is over.
    pub fn busy(&self) -> Weak<()> {
        Arc::downgrade(&self.busy)
    }

    /// The client has no more to say. To hyper that means that it is gone, and the exchange is given up; one that
    /// only closed its side is waited for, so long that its answer can come.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waits = Arc::strong_count(&self.busy) > 1 && self.framing.is_head();
        if !waits || self.patience.is_zero() || self.raw.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let patience = self.patience;
        let ending = self.ending.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ending.as_mut().poll(cx).map(Ok)
    }

    /// Takes what was just read out of `buf`, from `before` on, and judges it.
    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let read = buf.filled().len() - before;
        if self.raw.load(Ordering::Relaxed) || self.framing.is_body(read) {
            self.framing.passed(read);
            return;
        }
        let bytes = buf.filled()[before..].to_vec();
        buf.set_filled(before);
        if let Err(violation) = self.framing.feed(&bytes, &mut self.pending) {
            (self.violated)(violation);
            self.failed = Some(violation);
            if self.framing.is_head() {
                // No HTTP/1.1 parser takes this for a request: hyper answers 400 and closes.
                self.pending.extend_from_slice(b"\0\r\n\r\n");
            }
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let n = buf.remaining().min(self.pending.len() - self.given);
        buf.put_slice(&self.pending[self.given..self.given + n]);
        self.given += n;
        if self.given == self.pending.len() {
            self.pending.clear();
            self.given = 0;
        }
    }
}

impl<S: AsyncRead + Unpin, F: FnMut(Violation) + Unpin> AsyncRead for Strict<S, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        loop {
            if this.raw.load(Ordering::Relaxed) {
                let part = this.framing.take_part();
                this.pending.extend_from_slice(&part);
            }
            if !this.pending.is_empty() {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if let Some(violation) = this.failed {
                let error = Error::new(ErrorKind::InvalidData, violation);
                return Poll::Ready(if this.framing.is_head() { Ok(()) } else { Err(error) });
            }
            if this.ending.is_some() {
                return this.end(cx);
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                return this.end(cx);
            }
            this.judge(buf, before);
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Strict<S, F> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
