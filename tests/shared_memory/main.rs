//! Two gateways, each a process of its own, that remember what an upstream said in one Redis. Where
//! there is no `redis-server` on PATH, these tests are ignored.

mod gateway;
#[path = "../redis_store/server.rs"]
mod server;
mod upstream;

use std::time::Duration;

use buttress::chaos::proxy::{Direction, FaultProxy, Toxic};
use gateway::{Answer, Gateway};
use server::Server;
use tokio::time::{Instant, sleep};
use upstream::Upstream;

/// What only something that hangs takes.
const HANG: Duration = Duration::from_secs(20);

/// Asks until this is so: what is put is put after the answer.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < HANG, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Fresh answers to these products, all of which are in Redis afterwards.
async fn warm(gateway: &Gateway, redis: &Server, products: u32) {
    for product in 0..products {
        assert_eq!(gateway.price(product).await, Answer::fresh(product));
    }
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    until("what was answered is stored", async || {
        let stored: u32 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
        stored == products
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn a_cold_gateway_serves_what_another_one_was_answered() {
    let (redis, upstream) = (Server::start().await, Upstream::start().await);
    let first = Gateway::start(&redis.url(), &upstream).await;
    warm(&first, &redis, 20).await;
    // It was never asked anything.
    let second = Gateway::start(&redis.url(), &upstream).await;
    upstream.fail();
    for product in 0..20 {
        let answer = second.price(product).await;
        assert_eq!(answer, Answer::remembered(product), "{product}");
        assert_eq!(first.price(product).await, answer);
    }
    // What nobody was answered is an error, and not the answer to something else.
    assert_eq!(second.price(20).await, Answer::failed());
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn no_request_fails_because_redis_is_killed_and_it_is_used_again_when_it_is_back() {
    let (mut redis, upstream) = (Server::start().await, Upstream::start().await);
    let gateways = [
        Gateway::start(&redis.url(), &upstream).await,
        Gateway::start(&redis.url(), &upstream).await,
    ];
    warm(&gateways[0], &redis, 20).await;

    for n in 0..300 {
        if n == 100 {
            redis.kill();
        }
        for gateway in &gateways {
            assert_eq!(gateway.price(n % 20).await, Answer::fresh(n % 20), "{n}");
        }
    }
    // Nothing is remembered now, so a failure is a failure. It takes no longer than the tier may.
    upstream.fail();
    let took = quickest(&gateways[0], Answer::failed()).await;
    assert!(took < gateway::WITHIN + Duration::from_millis(50), "{took:?}");
    upstream.recover();

    redis.restart().await;
    // The same processes, empty-handed, and again with something to remember.
    warm(&gateways[0], &redis, 20).await;
    upstream.fail();
    for product in 0..20 {
        let mut answer = Answer::failed();
        // The other one has not needed Redis since, and may find out only now that its connection
        // is gone.
        until("the other gateway is back at Redis", async || {
            answer = gateways[1].price(product).await;
            answer != Answer::failed()
        })
        .await;
        assert_eq!(answer, Answer::remembered(product));
    }
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn a_redis_that_hangs_adds_no_more_than_the_bound() {
    let (redis, upstream) = (Server::start().await, Upstream::start().await);
    let proxy = FaultProxy::builder(redis.address()).start().await.unwrap();
    let gateway = Gateway::start(&format!("redis://{}", proxy.address()), &upstream).await;
    warm(&gateway, &redis, 20).await;
    // Whoever connects is let in, and nobody takes what he sends.
    proxy.handle().add("hangs", Toxic::blackhole().on(Direction::Upstream)).unwrap();

    // More than may be written at once, of which each hangs until its limit.
    for n in 0..200 {
        assert_eq!(gateway.price(n % 20).await, Answer::fresh(n % 20), "{n}");
    }
    let took = quickest(&gateway, Answer::fresh(7)).await;
    assert!(took < gateway::WITHIN / 2, "a success does not wait for it: {took:?}");

    upstream.fail();
    let took = quickest(&gateway, Answer::failed()).await;
    assert!(took < gateway::WITHIN + Duration::from_millis(50), "{took:?}");

    proxy.handle().remove("hangs");
    until("what it remembers is served again", async || {
        gateway.price(7).await == Answer::remembered(7)
    })
    .await;
}

/// The quickest of some calls, all of which are answered like this: a busy machine makes some slow.
async fn quickest(gateway: &Gateway, answer: Answer) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(gateway.price(7).await, answer);
        let took = start.elapsed();
        assert!(took < HANG, "{took:?}");
        quickest = quickest.min(took);
    }
    quickest
}
