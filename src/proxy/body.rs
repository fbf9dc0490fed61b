//! Bodies on their way through: counted, never held, ended when nothing moves. The answer's body carries the
//! request's line of the log, which is written when it ends, however it ends.

use crate::base::limits;
use crate::format::network_log::{Entry, Verdict};
use crate::proxy::log::Log;
use crate::proxy::upstream::Lease;
use anyhow::{Error, anyhow};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::HeaderMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// The log line of one request in the making; written when dropped.
#[derive(Debug)]
pub struct Record {
    pub entry: Entry,
    /// Counts what the request's body sent.
    pub sent: Arc<AtomicU64>,
    log: Arc<Log>,
    started: Instant,
    /// What the log knows it by while it goes on.
    begun: Option<u64>,
    /// Tells its connection that it goes on.
    busy: Option<Arc<()>>,
}

impl Record {
    /// Until something else is known, a request counts as blocked.
    #[must_use]
    pub fn begin(log: Arc<Log>, method: &str, url: String) -> Self {
        let entry = Entry {
            verdict: Verdict::Blocked,
            method: method.to_owned(),
            url,
            status: 0,
            sent_bytes: 0,
            received_bytes: 0,
            took: Duration::ZERO,
            why: String::new(),
            tags: Vec::new(),
        };
        Self { entry, sent: Arc::default(), log, started: Instant::now(), begun: None, busy: None }
    }

    /// Keeps its connection open although the client may say no more.
    pub fn hold(&mut self, busy: Option<Arc<()>>) {
        self.busy = busy;
    }

    /// Notes the rule that lets it pass.
    pub fn allowed(&mut self, rule: String) {
        self.entry.verdict = Verdict::Allowed;
        self.entry.why = rule;
        self.begun = Some(self.log.begin(&self.entry));
    }

    /// Notes that what was allowed went wrong.
    pub fn failed(&mut self, why: &str) {
        self.entry.verdict = Verdict::Error;
        self.entry.why = format!("{}; {why}", self.entry.why);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.entry.took = self.started.elapsed();
        self.entry.sent_bytes = self.sent.load(Ordering::Relaxed);
        self.log.end(self.begun, &self.entry);
    }
}

/// A body that fails when no piece of it came for `limits::BODY_IDLE_TIME`.
#[derive(Debug)]
struct Timed {
    inner: Incoming,
    idle: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(inner: Incoming) -> Self {
        Self { inner, idle: Box::pin(tokio::time::sleep(limits::BODY_IDLE_TIME)) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.idle.as_mut().reset(tokio::time::Instant::now() + limits::BODY_IDLE_TIME);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.idle.as_mut().poll(cx));
                Poll::Ready(Some(Err(anyhow!("the body stood still for too long"))))
            }
        }
    }
}

/// Which trailers are let through.
pub type TrailerFilter = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;

/// A request's body on its way upstream.
pub struct Upload {
    inner: Option<Timed>,
    sent: Arc<AtomicU64>,
    filter: TrailerFilter,
}

impl Upload {
    #[must_use]
    pub fn new(inner: Incoming, sent: Arc<AtomicU64>, filter: TrailerFilter) -> Self {
        // An empty body needs no timer.
        let inner = (!inner.is_end_stream()).then(|| Timed::new(inner));
        Self { inner, sent, filter }
    }

    #[must_use]
    pub fn empty() -> Self {
        Self { inner: None, sent: Arc::default(), filter: Arc::new(|_| {}) }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let mut frame = ready!(inner.poll(cx));
        if let Some(Ok(frame)) = &mut frame {
            if let Some(data) = frame.data_ref() {
                this.sent.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            if let Some(trailers) = frame.trailers_mut() {
                (this.filter)(trailers);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|timed| timed.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), |timed| timed.inner.size_hint())
    }
}

/// Takes out of an answer's trailers what may not be seen; returns words on it for the log.
pub type AnswerFilter = Box<dyn Fn(&mut HeaderMap) -> Vec<String> + Send + Sync>;

/// An answer's body on its way to the sandbox.
pub struct Answer {
    kind: Kind,
    filter: Option<AnswerFilter>,
    /// Absent where the exchange goes on after this answer.
    record: Option<Box<Record>>,
}

#[derive(Debug)]
enum Kind {
    /// Ours.
    Own(Full<Bytes>),
    /// The upstream server's; the lease gives its connection back when the body has ended well.
    Stream { inner: Timed, lease: Option<Lease>, ended: bool },
}

impl Answer {
    #[must_use]
    pub fn own(text: Bytes, mut record: Box<Record>) -> Self {
        record.entry.received_bytes = text.len() as u64;
        Self { kind: Kind::Own(Full::new(text)), filter: None, record: Some(record) }
    }

    /// No body, and nothing to log yet.
    #[must_use]
    pub fn empty() -> Self {
        Self { kind: Kind::Own(Full::default()), filter: None, record: None }
    }

    /// The upstream server's, over a connection that is kept where `lease` is given.
    #[must_use]
    pub fn stream(inner: Incoming, lease: Option<Lease>, filter: AnswerFilter, record: Box<Record>) -> Self {
        let mut kind = Kind::Stream { inner: Timed::new(inner), lease, ended: false };
        kind.notice_end(false);
        Self { kind, filter: Some(filter), record: Some(record) }
    }
}

impl Kind {
    fn notice_end(&mut self, last: bool) {
        if let Self::Stream { inner, lease, ended } = self
            && (last || inner.inner.is_end_stream())
        {
            *ended = true;
            if let Some(lease) = lease.take() {
                lease.give_back();
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let mut frame = match &mut this.kind {
            Kind::Own(text) => return Pin::new(text).poll_frame(cx).map_err(|never| match never {}),
            Kind::Stream { inner, .. } => ready!(inner.poll(cx)),
        };
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(record) = &mut this.record {
                    record.entry.received_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                    if let (Some(filter), Some(trailers)) = (&this.filter, frame.trailers_mut()) {
                        record.entry.tags.extend(filter(trailers));
                    }
                }
                this.kind.notice_end(false);
            }
            Some(Err(error)) => {
                if let Some(record) = &mut this.record {
                    record.failed(&format!("the answer broke off: {error}"));
                }
                if let Kind::Stream { lease, ended, .. } = &mut this.kind {
                    (*lease, *ended) = (None, true);
                }
            }
            None => this.kind.notice_end(true),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own(text) => text.is_end_stream(),
            Kind::Stream { inner, .. } => inner.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own(text) => text.size_hint(),
            Kind::Stream { inner, .. } => inner.inner.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let (Kind::Stream { ended: false, .. }, Some(record)) = (&self.kind, &mut self.record) {
            record.entry.tags.push("cut short".to_owned());
        }
    }
}
