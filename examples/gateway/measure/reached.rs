//! Whether the work was done: an answer that no upstream gave is a fast one.

use buttress::prelude::BoxError;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::child::Child;
use crate::small_upstream::REACHED;

/// The one behind all gateways, which counts what reaches it.
pub(super) struct Upstream {
    process: Child,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Upstream {
    pub(super) async fn start() -> Result<Self, BoxError> {
        let args = ["--small-upstream", "--listen", "127.0.0.1:0"];
        let process = Child::of_this_program(&args).await?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { process, client })
    }

    pub(super) fn url(&self) -> &str {
        self.process.url()
    }

    /// How many requests have reached it so far.
    pub(super) async fn reached(&self) -> Result<u64, BoxError> {
        let asked = self.client.get(format!("{}{REACHED}", self.url()).parse()?).await?;
        let said = asked.into_body().collect().await?.to_bytes();
        Ok(std::str::from_utf8(&said)?.parse()?)
    }
}

/// Sees that each answer was the upstream's, and that it was not asked more often than that: but for those
/// that were under way when this load ended, and when the one before it did.
pub(super) fn check(answers: u64, reached: u64, connections: u32) -> Result<(), String> {
    if (answers..=answers + 2 * u64::from(connections)).contains(&reached) {
        return Ok(());
    }
    Err(format!("the work was not done: {answers} answers, but {reached} requests at the upstream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_nobody_is_found_out_and_so_is_work_done_twice() {
        assert_eq!(check(1000, 1000, 8), Ok(()));
        assert_eq!(check(1000, 1016, 8), Ok(()));
        check(1000, 1017, 8).unwrap_err();
        check(1000, 999, 8).unwrap_err();
    }
}
