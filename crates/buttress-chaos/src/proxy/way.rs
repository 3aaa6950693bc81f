//! One direction of a connection: from a socket through a pipe to another.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{Semaphore, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    connection::Settings,
    pipe::{Next, Pipe},
    toxic::Direction,
    toxics::List,
};

/// Read at once at most.
const READ: usize = 16 * 1024;
/// And if there is not even this much room in the memory that was asked for last, more is.
const LITTLE: usize = READ / 4;
/// How long a reset waits for a reader who does not take what was written before it.
const STUCK: Duration = Duration::from_millis(100);

/// How a connection ends.
pub(super) enum Ending {
    /// Both directions have ended by themselves.
    Finished,
    Close,
    Reset,
}

/// One direction.
pub(super) struct Way<'a> {
    direction: Direction,
    reader: ReadHalf<'a>,
    writer: WriteHalf<'a>,
    toxics: watch::Receiver<List>,
    pipe: Pipe,
    read: BytesMut,
    /// What is being written.
    writing: Bytes,
    source: Source,
    /// Told by the other way what became of whoever is read from, and told to it of whoever is written
    /// to.
    source_gone: oneshot::Receiver<io::ErrorKind>,
    sink_gone: Option<oneshot::Sender<io::ErrorKind>>,
}

/// Whoever is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// He takes what the other way writes, as far as is known.
    Takes,
    /// He has closed; what he sent before is whole, and can still be read up to its end.
    Closed,
    /// He has reset the connection. What he sent before can still be read, but what then looks like
    /// an end is none: something may be missing.
    Reset,
}

impl<'a> Way<'a> {
    pub(super) fn new(
        direction: Direction,
        (reader, source_gone): (ReadHalf<'a>, oneshot::Receiver<io::ErrorKind>),
        (writer, sink_gone): (WriteHalf<'a>, oneshot::Sender<io::ErrorKind>),
        settings: &Settings,
    ) -> Self {
        let mut way = Self {
            direction,
            reader,
            writer,
            toxics: settings.toxics.clone(),
            pipe: Pipe::new(settings.buffer, settings.seed),
            read: BytesMut::new(),
            writing: Bytes::new(),
            source: Source::Takes,
            source_gone,
            sink_gone: Some(sink_gone),
        };
        way.set_toxics();
        way
    }

    fn set_toxics(&mut self) {
        let toxics = self.toxics.borrow_and_update().of(self.direction);
        self.pipe.set(Instant::now(), &toxics);
    }

    /// Until the connection ends; when this direction has, it says so, and goes on, for toxics may
    /// still strike.
    ///
    /// That a peer takes nothing any more is seen by the way to him. It is told to the way from him,
    /// where it has its place behind what he sent before.
    pub(super) async fn carry(mut self, finished: &Semaphore) -> Ending {
        loop {
            let wake = if self.writing.is_empty() {
                match self.pipe.next(Instant::now()) {
                    Next::Write(bytes) => {
                        if self.sink_gone.is_some() {
                            self.writing = bytes;
                        }
                        continue;
                    }
                    Next::Finish => {
                        // That it fails says as little as to write nothing: he may have read all.
                        let _ = self.writer.shutdown().await;
                        finished.add_permits(1);
                        continue;
                    }
                    Next::Close => return Ending::Close,
                    Next::Reset => return Ending::Reset,
                    Next::Wait(until) => until,
                }
            } else {
                let wake = self.pipe.wake(Instant::now());
                if self.pipe.is_reset() {
                    let _ = timeout(STUCK, self.write_all()).await;
                    return Ending::Reset;
                }
                wake
            };
            let room = self.pipe.room().min(READ);
            if self.read.capacity() < room.min(LITTLE) {
                self.read.reserve(READ);
            }
            let mut read = (&mut self.read).limit(room);
            tokio::select! {
                written = self.writer.write(&self.writing), if !self.writing.is_empty() => {
                    match written {
                        Ok(length) => self.writing.advance(length),
                        Err(error) => self.lose_sink(error.kind()),
                    }
                }
                read = self.reader.read_buf(&mut read), if room > 0 => self.has_read(&read),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                Ok(why) = &mut self.source_gone, if self.source == Source::Takes => {
                    self.lose_source(why);
                }
                changed = self.toxics.changed() => match changed {
                    Ok(()) => self.set_toxics(),
                    // The proxy is gone.
                    Err(_) => return Ending::Reset,
                },
            }
        }
    }

    fn has_read(&mut self, read: &io::Result<usize>) {
        // What was sent after a toxic was added is struck by it, whichever is seen first.
        if self.toxics.has_changed().unwrap_or(false) {
            self.set_toxics();
        }
        let now = Instant::now();
        match (read, self.source) {
            (Ok(0), Source::Takes) => self.pipe.end(now),
            (Ok(0), Source::Closed) => {
                self.pipe.end(now);
                self.pipe.reset(now);
            }
            (Ok(0), Source::Reset) | (Err(_), _) => self.pipe.reset(now),
            (Ok(_), _) => self.pipe.push(now, self.read.split().freeze()),
        }
    }

    fn lose_source(&mut self, why: io::ErrorKind) {
        // The system says so if an end came before the reset.
        let is_closed = why == io::ErrorKind::BrokenPipe;
        self.source = if is_closed { Source::Closed } else { Source::Reset };
        if self.pipe.has_ended() {
            self.pipe.reset(Instant::now());
        }
    }

    fn lose_sink(&mut self, why: io::ErrorKind) {
        self.writing.clear();
        if let Some(sink_gone) = self.sink_gone.take() {
            let _ = sink_gone.send(why);
        }
    }

    /// Writes all that there is before the connection ends.
    async fn write_all(&mut self) -> io::Result<()> {
        loop {
            self.writer.write_all_buf(&mut self.writing).await?;
            match self.pipe.next(Instant::now()) {
                Next::Write(bytes) => self.writing = bytes,
                Next::Finish => self.writer.shutdown().await?,
                Next::Close | Next::Reset | Next::Wait(_) => return Ok(()),
            }
        }
    }
}
