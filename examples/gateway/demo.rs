//! The gateway shows itself: two upstreams behind it, one of which hangs.

use std::{fmt::Write, io, net::SocketAddr, time::Duration};

use buttress::prelude::BoxError;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

use crate::{
    proxy::{self, Layers, Settings},
    small_upstream::{self, Health},
};

/// Requests to each upstream, one after the other.
const REQUESTS: usize = 20;
const HANGS: &str = "/hangs";
const ROUTES: [(&str, Health); 2] = [("/well", Health::Well), (HANGS, Health::Hangs)];
const SETTINGS: Settings = Settings {
    request: Duration::from_secs(20),
    max_connections: 1000,
    connect: Duration::from_millis(500),
    unused: Duration::from_secs(50),
    attempt: Duration::from_millis(200),
    read: Duration::from_secs(1),
    overall: Duration::from_secs(1),
    open_for: Duration::from_secs(30),
    max_concurrent: 100,
    drain: Duration::from_millis(500),
};
/// When a visitor gives up.
const PATIENCE: Duration = Duration::from_millis(1200);

/// What was shown, and whether it was what this program is about.
pub(crate) struct Shown {
    pub(crate) table: String,
    pub(crate) as_promised: bool,
}

/// The status of an answer, if there was one before patience ended, and after how long.
type Answers = Vec<(Option<StatusCode>, Duration)>;

pub(crate) async fn show() -> Result<Shown, BoxError> {
    let mut tasks = JoinSet::new();
    let mut routes = Vec::new();
    for (prefix, health) in ROUTES {
        let (listener, address) = listen().await?;
        tasks.spawn(async move { small_upstream::serve(listener, health).await.map(drop) });
        routes.push(format!("{prefix}=http://{address}").parse()?);
    }
    let mut table = format!(
        "{:<7} {:<7} {:>5} {:>5} {:>5} {:>10} {:>8}\n",
        "gateway", "route", "200", "504", "503", "no answer", "longest"
    );
    let mut as_promised = true;
    for layers in [Layers::Bare, Layers::Stack] {
        let (listener, gateway) = listen().await?;
        let serving =
            proxy::serve(listener, routes.clone(), layers, SETTINGS, std::future::pending());
        tokio::select! {
            served = serving => served?,
            asked = ask_all(gateway) => {
                for ((prefix, _), answers) in ROUTES.iter().zip(&asked) {
                    line(&mut table, layers, prefix, answers)?;
                }
                as_promised &= layers == Layers::Bare || is_as_promised(&asked);
            }
        }
    }
    writeln!(
        table,
        "\n{REQUESTS} requests to each route, one after the other, while the upstream of {HANGS} answers \
         none.\nThe visitors of the bare gateway give up after {} ms, and after three of these for good; \
         with the\nlayers five attempts are cut, and then the breaker refuses what comes.",
        PATIENCE.as_millis(),
    )?;
    Ok(Shown { table, as_promised })
}

async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// What is asked of both routes at once, so that each could be in the way of the other.
async fn ask_all(gateway: SocketAddr) -> [Answers; 2] {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let [one, other] = ROUTES.map(|(prefix, _)| ask(&client, format!("http://{gateway}{prefix}")));
    <[Answers; 2]>::from(tokio::join!(one, other))
}

async fn ask(client: &Client<HttpConnector, Empty<Bytes>>, uri: String) -> Answers {
    let mut answers = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let start = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, async {
            let request = Request::get(&uri).body(Empty::new()).ok()?;
            let response = client.request(request).await.ok()?;
            let status = response.status();
            response.into_body().collect().await.ok()?;
            Some(status)
        });
        answers.push((answer.await.ok().flatten(), start.elapsed()));
        // One that hangs, and has said so often enough, is enough for everyone's time.
        if answers.iter().filter(|(status, _)| status.is_none()).count() == 3 {
            break;
        }
    }
    answers
}

fn line(table: &mut String, layers: Layers, prefix: &str, answers: &Answers) -> std::fmt::Result {
    let count = |status| answers.iter().filter(|(answer, _)| *answer == status).count();
    let longest = answers.iter().map(|(_, time)| *time).max().unwrap_or_default();
    let gateway = match layers {
        Layers::Bare => "bare",
        Layers::Stack => "stack",
    };
    writeln!(
        table,
        "{gateway:<7} {prefix:<7} {:>5} {:>5} {:>5} {:>10} {:>8}",
        count(Some(StatusCode::OK)),
        count(Some(StatusCode::GATEWAY_TIMEOUT)),
        count(Some(StatusCode::SERVICE_UNAVAILABLE)),
        count(None),
        format!("{} ms", longest.as_millis()),
    )
}

/// The breaker's refusal is a 503, and what hangs would be a 504.
fn is_as_promised([well, hangs]: &[Answers; 2]) -> bool {
    let refused = hangs.last().map(|(status, _)| *status);
    well.iter().all(|(status, _)| *status == Some(StatusCode::OK))
        && refused == Some(Some(StatusCode::SERVICE_UNAVAILABLE))
}
