//! One direction of a connection: from a socket through a pipe to another.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{Notify, Semaphore, watch},
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
    /// Whoever is read from takes nothing any more, so that a reset follows on what he has still sent.
    is_source_gone: bool,
    /// Whoever is written to takes nothing any more.
    is_sink_gone: bool,
}

impl<'a> Way<'a> {
    pub(super) fn new(
        direction: Direction,
        reader: ReadHalf<'a>,
        writer: WriteHalf<'a>,
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
            is_source_gone: false,
            is_sink_gone: false,
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
    pub(super) async fn carry(
        mut self,
        finished: &Semaphore,
        source_gone: &Notify,
        sink_gone: &Notify,
    ) -> Ending {
        loop {
            let wake = if self.writing.is_empty() {
                match self.pipe.next(Instant::now()) {
                    Next::Write(bytes) => {
                        if !self.is_sink_gone {
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
                    if let Ok(length) = written {
                        self.writing.advance(length);
                    } else {
                        self.writing.clear();
                        self.is_sink_gone = true;
                        sink_gone.notify_one();
                    }
                }
                read = self.reader.read_buf(&mut read), if room > 0 => self.has_read(&read),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = source_gone.notified() => self.lose_source(),
                changed = self.toxics.changed() => match changed {
                    Ok(()) => self.set_toxics(),
                    // The proxy is gone.
                    Err(_) => return Ending::Reset,
                },
            }
        }
    }

    fn has_read(&mut self, read: &io::Result<usize>) {
        let now = Instant::now();
        match read {
            Ok(0) => {
                self.pipe.end(now);
                if self.is_source_gone {
                    self.pipe.reset(now);
                }
            }
            Ok(_) => self.pipe.push(now, self.read.split().freeze()),
            Err(_) => self.pipe.reset(now),
        }
    }

    fn lose_source(&mut self) {
        self.is_source_gone = true;
        if self.pipe.has_ended() {
            self.pipe.reset(Instant::now());
        }
    }

    /// Writes all that there is, up to an end of the connection.
    async fn write_all(&mut self) -> io::Result<()> {
        loop {
            self.writer.write_all_buf(&mut self.writing).await?;
            let Next::Write(bytes) = self.pipe.next(Instant::now()) else { return Ok(()) };
            self.writing = bytes;
        }
    }
}
