//! One connection: two directions between two sockets.

use std::{io, pin::pin};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{Semaphore, watch},
    time::{Instant, sleep_until},
};

use super::{
    pipe::{Next, Pipe},
    toxic::Direction,
    toxics::List,
};

/// Read at once at most.
const READ: usize = 16 * 1024;

/// What a connection is made of.
pub(super) struct Settings {
    pub(super) toxics: watch::Receiver<List>,
    pub(super) buffer: usize,
    pub(super) seed: u64,
}

/// How a connection ends.
enum Ending {
    /// Both directions have ended by themselves.
    Finished,
    Close,
    Reset,
}

/// Carries all that a client and the upstream have for one another.
pub(super) async fn carry(mut client: TcpStream, upstream: &str, settings: Settings) {
    let Ok(mut upstream) = TcpStream::connect(upstream).await else {
        // He was accepted already; that there is nobody behind is an error, and not an end.
        reset(client);
        return;
    };
    for stream in [&client, &upstream] {
        // What a toxic cuts into pieces is to arrive so.
        let _ = stream.set_nodelay(true);
    }
    match between(&mut client, &mut upstream, &settings).await {
        Ending::Finished => {}
        Ending::Close => {
            for mut stream in [client, upstream] {
                let _ = stream.shutdown().await;
                // With bytes that nobody has read, the system would make a reset of it.
                let mut waste = [0; 4096];
                while stream.try_read(&mut waste).is_ok_and(|length| length > 0) {}
            }
        }
        Ending::Reset => {
            reset(client);
            reset(upstream);
        }
    }
}

fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

async fn between(client: &mut TcpStream, upstream: &mut TcpStream, of: &Settings) -> Ending {
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    let finished = Semaphore::new(0);
    let up = Way::new(Direction::Upstream, from_client, to_upstream, of);
    let down = Way::new(Direction::Downstream, from_upstream, to_client, of);
    let (up, down) = (pin!(up.carry(&finished)), pin!(down.carry(&finished)));
    tokio::select! {
        ending = up => ending,
        ending = down => ending,
        _ = finished.acquire_many(2) => Ending::Finished,
    }
}

/// One direction.
struct Way<'a> {
    direction: Direction,
    reader: ReadHalf<'a>,
    writer: WriteHalf<'a>,
    toxics: watch::Receiver<List>,
    pipe: Pipe,
    read: BytesMut,
    /// What is being written.
    writing: Bytes,
}

impl<'a> Way<'a> {
    fn new(
        direction: Direction,
        reader: ReadHalf<'a>,
        writer: WriteHalf<'a>,
        settings: &Settings,
    ) -> Self {
        let pipe = Pipe::new(settings.buffer, settings.seed);
        let (toxics, read, writing) = (settings.toxics.clone(), BytesMut::new(), Bytes::new());
        let mut way = Self { direction, reader, writer, toxics, pipe, read, writing };
        way.set_toxics();
        way
    }

    fn set_toxics(&mut self) {
        let toxics = self.toxics.borrow_and_update().of(self.direction);
        self.pipe.set(Instant::now(), &toxics);
    }

    /// Until the connection ends; when this direction has, it says so, and goes on, for toxics may
    /// still strike.
    async fn carry(mut self, finished: &Semaphore) -> Ending {
        loop {
            let mut wake = None;
            if self.writing.is_empty() {
                match self.pipe.next(Instant::now()) {
                    Next::Write(bytes) => self.writing = bytes,
                    Next::Finish => {
                        if self.writer.shutdown().await.is_err() {
                            return Ending::Reset;
                        }
                        finished.add_permits(1);
                        continue;
                    }
                    Next::Close => return Ending::Close,
                    Next::Reset => return Ending::Reset,
                    Next::Wait(until) => wake = until,
                }
            }
            let room = self.pipe.room().min(READ);
            if room > 0 && self.read.capacity() < room {
                self.read.reserve(READ);
            }
            let mut read = (&mut self.read).limit(room);
            tokio::select! {
                written = self.writer.write(&self.writing), if !self.writing.is_empty() => {
                    match written {
                        Ok(length) => self.writing.advance(length),
                        // Whoever reads has gone, and what he does not get is an error.
                        Err(_) => return Ending::Reset,
                    }
                }
                read = self.reader.read_buf(&mut read), if room > 0 => {
                    self.has_read(&read);
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                changed = self.toxics.changed() => match changed {
                    Ok(()) => self.set_toxics(),
                    // The proxy is gone.
                    Err(_) => return Ending::Close,
                },
            }
        }
    }

    fn has_read(&mut self, read: &io::Result<usize>) {
        // What was sent after a toxic was added is struck by it, whichever of the two is heard of first.
        if self.toxics.has_changed().unwrap_or(false) {
            self.set_toxics();
        }
        let now = Instant::now();
        match read {
            Ok(0) => self.pipe.end(now),
            Ok(_) => self.pipe.push(now, self.read.split().freeze()),
            Err(_) => self.pipe.reset(now),
        }
    }
}
