//! What a caller asks for by tonic's `set_timeout`, which tonic itself keeps until the head and no longer.

use std::time::Duration;

use buttress::prelude::*;
use http::Response;
use tokio::time::timeout;
use tonic::{Code, body::Body};
use tower::{ServiceBuilder, layer::util::Identity};

use crate::{
    caller::{Form, Way, channel},
    service::Forms,
    stage::{LONG, Stage, Stands},
};

fn hasty() -> tonic::Request<String> {
    let mut request = tonic::Request::new("say one;hang".to_owned());
    request.set_timeout(Duration::from_millis(200));
    request
}

/// Our limit is a longer one, and is not waited for.
#[tokio::test]
async fn it_is_kept_under_a_longer_limit() {
    for (stands, form) in crate::all() {
        // The server is tonic alone, which lets a stream go on.
        if stands == Stands::AroundChannel && form.streams() {
            continue;
        }
        let stage = Stage::set(stands, 4 * LONG, 64).await;
        let got = timeout(LONG, form.call_with(&stage.way, hasty())).await.expect("it ends");
        // Without anything of ours, tonic calls it so.
        let allowed = [Code::DeadlineExceeded, Code::Cancelled];
        let allowed = if stands == Stands::OnServer { &allowed[..] } else { &allowed[..1] };
        assert!(allowed.contains(&got.code), "{stands:?} {form:?} {got:?}");
    }
}

/// With the layer that a server reads deadlines by, around the channel, it is the deadline of all of the
/// call, whoever the server is.
#[tokio::test]
async fn it_is_the_deadline_of_streams_as_well() {
    for form in Form::ALL {
        let forms = Forms::new();
        let (uri, _server) = forms.serve(Identity::new()).await;
        let service = ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(Body::new))
            .map_err(|never| match never {})
            .layer(RespondLayer::new())
            .layer(AcceptDeadlineLayer::new())
            .layer(TimeoutLayer::builder().protocol(Http::new()).build().unwrap())
            .layer(SendDeadlineLayer::new())
            .service(channel(&uri));
        let way = Way::new(service);
        let got = timeout(LONG, form.call_with(&way, hasty())).await.expect("it ends");
        assert_eq!(got.code, Code::DeadlineExceeded, "{form:?} {got:?}");
    }
}
