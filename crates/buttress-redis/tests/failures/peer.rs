//! Speaks as much of Redis' protocol as a store needs, and misbehaves as it is told.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
    time::sleep,
};

/// What becomes of a connection.
#[derive(Debug, Clone)]
pub(crate) enum Conduct {
    /// Each `GET` is answered with its key.
    Answers,
    /// So, but each answer needs a permit.
    AnswersWhenTold(Arc<Semaphore>),
    /// So, but the first word takes this long.
    WarmsUp(Duration),
    /// It is accepted, and nothing is ever said.
    NeverSpeaks,
    /// It is set up, and nothing is said after that.
    FallsSilent,
    /// The first command is answered; then it is closed.
    ClosesAfterOne,
    /// So, but it is closed this long after the second has come.
    TiresAfterOne(Duration),
    /// Each `GET` is answered with its key, this long after it has come.
    AnswersLate(Duration),
    /// This is said to nobody in particular; then it is closed.
    Refuses(&'static str),
    /// The first answer ends in its midst.
    BreaksOff,
    /// Everything is answered with this.
    Says(&'static str),
    /// Only commands are answered with this, the setting up of a connection as usual.
    SaysLater(&'static str),
}

/// Listens until it is dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    ended: AtomicUsize,
    commands: AtomicUsize,
}

impl Peer {
    /// A peer whose connection of this number, counted from 0, is treated so.
    pub(crate) async fn new(conduct: impl Fn(usize) -> Conduct + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), conduct)
    }

    pub(crate) fn on(
        listener: TcpListener,
        conduct: impl Fn(usize) -> Conduct + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (counts, mut tasks) = (Arc::new(Counts::default()), JoinSet::new());
        let counting = Arc::clone(&counts);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = counting.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, conduct(number), Arc::clone(&counting)));
            }
        });
        Self { address, counts, _tasks: tasks }
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Waits until this many connections were closed.
    pub(crate) async fn has_lost(&self, connections: usize) {
        while self.counts.ended.load(Ordering::SeqCst) < connections {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until this many commands came, without those that set up a connection.
    pub(crate) async fn has_got(&self, commands: usize) {
        while self.counts.commands.load(Ordering::SeqCst) < commands {
            tokio::task::yield_now().await;
        }
    }
}

/// Whoever hangs up ends it.
async fn serve(stream: TcpStream, conduct: Conduct, counts: Arc<Counts>) {
    // Two answers in a row would otherwise wait for each other.
    let _ = stream.set_nodelay(true);
    let (reading, mut writing) = stream.into_split();
    if let Conduct::Refuses(why) = conduct {
        let _ = writing.write_all(why.as_bytes()).await;
        return;
    }
    if let Conduct::WarmsUp(time) = conduct {
        sleep(time).await;
    }
    // What has come is known before it is answered.
    let (hand_over, commands) = unbounded_channel();
    tokio::select! {
        _ = listen(BufReader::new(reading), &counts, hand_over) => (),
        _ = speak(writing, conduct, commands) => (),
    }
    counts.ended.fetch_add(1, Ordering::SeqCst);
}

async fn listen(
    mut stream: BufReader<OwnedReadHalf>,
    counts: &Counts,
    commands: UnboundedSender<Vec<Vec<u8>>>,
) -> io::Result<()> {
    loop {
        let command = command(&mut stream).await?;
        if !sets_up(&command) {
            counts.commands.fetch_add(1, Ordering::SeqCst);
        }
        commands.send(command).map_err(io::Error::other)?;
    }
}

fn sets_up(command: &[Vec<u8>]) -> bool {
    matches!(&*command[0], b"CLIENT" | b"AUTH" | b"SELECT")
}

async fn speak(
    mut stream: OwnedWriteHalf,
    conduct: Conduct,
    mut commands: UnboundedReceiver<Vec<Vec<u8>>>,
) -> io::Result<()> {
    let mut answered = 0;
    while let Some(command) = commands.recv().await {
        match &conduct {
            Conduct::NeverSpeaks | Conduct::Refuses(_) => (),
            Conduct::Says(answer) => stream.write_all(answer.as_bytes()).await?,
            _ if sets_up(&command) => stream.write_all(b"+OK\r\n").await?,
            Conduct::SaysLater(answer) => stream.write_all(answer.as_bytes()).await?,
            Conduct::FallsSilent => (),
            Conduct::BreaksOff => return stream.write_all(b"$9\r\nhal").await,
            Conduct::ClosesAfterOne => return stream.write_all(&answer(&command)).await,
            Conduct::AnswersWhenTold(permits) => {
                permits.acquire().await.map_err(io::Error::other)?.forget();
                stream.write_all(&answer(&command)).await?;
            }
            Conduct::TiresAfterOne(time) if answered > 0 => {
                sleep(*time).await;
                return Ok(());
            }
            Conduct::AnswersLate(time) => {
                sleep(*time).await;
                stream.write_all(&answer(&command)).await?;
            }
            Conduct::TiresAfterOne(_) => {
                answered += 1;
                stream.write_all(&answer(&command)).await?;
            }
            Conduct::Answers | Conduct::WarmsUp(_) => stream.write_all(&answer(&command)).await?,
        }
    }
    Ok(())
}

fn answer(command: &[Vec<u8>]) -> Vec<u8> {
    match &*command[0] {
        b"GET" => [format!("${}\r\n", command[1].len()).as_bytes(), &command[1], b"\r\n"].concat(),
        _ => b"+OK\r\n".to_vec(),
    }
}

/// The words of the next command.
async fn command(stream: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    for _ in 0..number(stream, '*').await? {
        let mut word = vec![0; number(stream, '$').await?];
        stream.read_exact(&mut word).await?;
        stream.read_exact(&mut [0; 2]).await?;
        words.push(word);
    }
    Ok(words)
}

async fn number(stream: &mut BufReader<OwnedReadHalf>, kind: char) -> io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let digits = line.trim_end().strip_prefix(kind).ok_or(io::ErrorKind::UnexpectedEof)?;
    digits.parse().map_err(io::Error::other)
}
