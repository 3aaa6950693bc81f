//! The same stack value around everything that speaks HTTP, over real sockets.

mod axum_router;
mod hyper_client;
mod plain_function;
mod tonic_both_ways;

use buttress_tests::stack;

/// One value, one breaker, one bulkhead, around all of them.
#[tokio::test]
async fn one_value_around_all() {
    let stack = stack().unwrap();
    plain_function::serves(stack.clone()).await;
    hyper_client::serves(stack.clone()).await;
    axum_router::serves(stack.clone()).await;
    tonic_both_ways::channel_serves(stack.clone()).await;
    tonic_both_ways::server_serves(stack).await;
}
