//! One connection below HTTP: callers who say nothing, or leave what they are told unread, are cut off, and the last answer
//! of a connection arrives although its caller is still sending.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::unparsed;
use crate::config::Limits;

/// A connection shows within this many bytes which HTTP it speaks; until then nothing above us counts the time.
const PREFACE_BYTES: usize = 24;

/// A stream with time limits.
pub struct Guarded<S> {
    stream: S,
    limits: Limits,
    preface_missing: usize,
    preface_timer: Pin<Box<Sleep>>,
    /// Runs while the caller takes nothing of what is written.
    unread_timer: Option<Pin<Box<Sleep>>>,
    /// Runs from the end of the last answer until the caller hangs up too.
    linger_timer: Option<Pin<Box<Sleep>>>,
    /// What is written in the place of an answer that the HTTP parser made.
    instead: Option<Instead>,
}

/// An answer of ours, and how many bytes of the parser's it stands for.
struct Instead {
    answer: Vec<u8>,
    written: usize,
    stands_for: usize,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            preface_missing: PREFACE_BYTES,
            preface_timer: timer(limits.head),
            unread_timer: None,
            linger_timer: None,
            instead: None,
        }
    }
}

fn timer(duration: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(duration))
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending if this.preface_missing > 0 => {
                ready!(this.preface_timer.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            polled => {
                this.preface_missing = this.preface_missing.saturating_sub(buffer.filled().len() - filled);
                polled
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Writes with `write`, for as long as the caller reads.
    fn poll_in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = write(Pin::new(&mut self.stream), cx);
        if polled.is_ready() {
            self.unread_timer = None;
            return polled;
        }
        let timer = self.unread_timer.get_or_insert_with(|| timer(self.limits.unread));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes an answer of ours in the place of the parser's, if `bytes` are one.
    fn poll_instead(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.instead.is_none() {
            self.instead = unparsed::answer_instead_of(bytes).map(|answer| Instead {
                answer,
                written: 0,
                stands_for: bytes.len(),
            });
        }
        while let Some(mut instead) = self.instead.take() {
            let written = self.poll_in_time(cx, |stream, cx| {
                stream.poll_write(cx, &instead.answer[instead.written..])
            });
            match written {
                Poll::Ready(Ok(bytes)) if bytes > 0 => instead.written += bytes,
                Poll::Ready(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.instead = Some(instead);
                    return Poll::Pending;
                }
            }
            if instead.written == instead.answer.len() {
                return Poll::Ready(Ok(Some(instead.stands_for)));
            }
            self.instead = Some(instead);
        }
        Poll::Ready(Ok(None))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match ready!(this.poll_instead(cx, bytes))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => this.poll_in_time(cx, |stream, cx| stream.poll_write(cx, bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match ready!(this.poll_instead(cx, pieces.first().map_or(&[], |piece| piece)))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => this.poll_in_time(cx, |stream, cx| stream.poll_write_vectored(cx, pieces)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_in_time(cx, |stream, cx| stream.poll_flush(cx))
    }

    /// Ends our side and reads on, for a while, what the caller is still sending: a socket that is closed with something
    /// unread in it is reset, and the reset overtakes our answer (RFC 9112 §9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let timer = match &mut this.linger_timer {
            Some(timer) => timer,
            none => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                none.insert(timer(this.limits.linger))
            }
        };
        let mut unread = [0; 16 * 1024];
        while timer.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
