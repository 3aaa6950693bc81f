//! The recipes of the README, as they stand in `examples/recipes`, over real sockets.

#[expect(unreachable_pub, reason = "a recipe shows what others would call")]
#[path = "../../examples/recipes/axum_server.rs"]
mod axum_server;
mod clients;
#[expect(unreachable_pub, reason = "a recipe shows what others would call")]
#[path = "../../examples/recipes/hyper_client.rs"]
mod hyper_client;
#[expect(unreachable_pub, reason = "a recipe shows what others would call")]
#[path = "../../examples/recipes/hyper_server.rs"]
mod hyper_server;
mod readme;
#[expect(unreachable_pub, reason = "a recipe shows what others would call")]
#[path = "../../examples/recipes/reqwest_client.rs"]
mod reqwest_client;
mod servers;
#[expect(unreachable_pub, reason = "a recipe shows what others would call")]
#[path = "../../examples/recipes/tonic_client.rs"]
mod tonic_client;
#[expect(unreachable_pub, reason = "a recipe shows what others would call")]
#[path = "../../examples/recipes/tonic_server.rs"]
mod tonic_server;
