//! The table.

use std::fmt::Write as _;

use tokio::{join, task::JoinSet};

use crate::{
    ends::{axum_server, gateway, hyper_client, reqwest_client, tonic_client, tonic_server},
    failure::Failure,
};

/// The version of HTTP at the end of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    H1,
    H2,
}

/// What is seen at each end: `-` where that version can not say it.
type Row = [String; 6];

pub(crate) async fn measured() -> String {
    let mut rows = JoinSet::new();
    for (place, failure) in Failure::ALL.into_iter().enumerate() {
        rows.spawn(async move { (place, Box::pin(row(failure)).await) });
    }
    let mut rows = rows.join_all().await;
    rows.sort_by_key(|(place, _)| *place);

    let mut table = String::from(
        "| | hyper client | reqwest | axum server | gateway | tonic client | tonic server |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (failure, (_, seen)) in Failure::ALL.into_iter().zip(rows) {
        writeln!(table, "| {} | {} |", failure.name(), seen.join(" | ")).unwrap();
    }
    table
}

async fn row(failure: Failure) -> Row {
    join!(
        both(failure, hyper_client::sees),
        both(failure, reqwest_client::sees),
        both(failure, axum_server::sees),
        both(failure, gateway::sees),
        tonic_client::sees(failure),
        tonic_server::sees(failure),
    )
    .into()
}

/// What is seen by either version, in one word if it is the same.
async fn both(failure: Failure, sees: impl AsyncFn(Failure, Version) -> String) -> String {
    if failure.is_grpc() {
        return sees(failure, Version::H2).await;
    }
    let (by_h1, by_h2) = join!(sees(failure, Version::H1), sees(failure, Version::H2));
    if by_h1 == by_h2 { by_h1 } else { format!("h1: {by_h1}; h2: {by_h2}") }
}
