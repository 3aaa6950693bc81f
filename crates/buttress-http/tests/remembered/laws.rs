//! Copies against a naive oracle, at every point at which a body may be left.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;

use BodyStep::{Data, Error, Hang, Trailers, Wait};

/// A response, and how far it is read.
#[derive(Debug, Clone)]
struct Case {
    steps: Vec<BodyStep>,
    /// Whether the body knows its end before it is asked.
    knows_end: bool,
    /// How much longer than its data the response says that it is.
    longer: Option<i8>,
    grpc: bool,
    reads: usize,
}

fn step() -> impl Strategy<Value = BodyStep> {
    prop_oneof![
        6 => prop::sample::select(vec!["", "a", "data"]).prop_map(Data),
        1 => (1..2000_u64).prop_map(|millis| Wait(Duration::from_millis(millis))),
        1 => Just(Error("broken")),
        1 => Just(Hang),
        1 => Just(Trailers("grpc-status", "0")),
        1 => Just(Trailers("x", "y")),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let steps = prop::collection::vec(step(), 0..6);
    let longer =
        prop_oneof![2 => Just(None), 4 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(Some(-1))];
    (steps, any::<bool>(), longer, prop::bool::weighted(0.3), 0..8_usize).prop_map(
        |(steps, knows_end, longer, grpc, reads)| Case { steps, knows_end, longer, grpc, reads },
    )
}

impl Case {
    fn announced(&self) -> Option<usize> {
        let data = |step: &BodyStep| if let Data(data) = step { data.len() } else { 0 };
        let length: usize = self.steps.iter().map(data).sum();
        self.longer.map(|longer| length.saturating_add_signed(longer.into()))
    }

    fn response<B>(&self, body: B) -> Response<B> {
        let mut head = Response::builder().header("x-name", "value");
        if let Some(announced) = self.announced() {
            head = head.header("content-length", announced);
        }
        if self.grpc {
            head = head.header("content-type", "application/grpc");
        }
        head.body(body).unwrap()
    }

    /// What is to be stored of the body.
    fn expected(&self) -> Option<(String, Option<(&'static str, &'static str)>)> {
        let mut data = String::new();
        let mut steps = self.steps.iter().peekable();
        let mut over = self.knows_end && self.steps.is_empty();
        let (mut left, mut trailers) = (false, None);
        let mut reads = 0;
        while !over && !left {
            match steps.next() {
                _ if reads == self.reads => left = true,
                Some(Wait(_)) => continue,
                Some(Data(more)) => {
                    data.push_str(more);
                    over = self.knows_end && steps.peek().is_none();
                }
                Some(Trailers(name, value)) => (over, trailers) = (true, Some((*name, *value))),
                Some(Hang) => left = true,
                Some(_) => return None,
                None => over = true,
            }
            reads += 1;
        }
        let said_ok = trailers == Some(("grpc-status", "0"));
        let announced = self.announced();
        let is_whole = announced.is_none_or(|announced| announced == data.len());
        let stored = if self.grpc {
            over && is_whole && said_ok
        } else {
            is_whole && (over || announced.is_some())
        };
        stored.then_some((data, trailers))
    }

    /// What the reader saw, and what was told.
    async fn run<B>(&self, body: B, max_bytes: usize) -> (Vec<String>, Vec<Seen>)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let notes = Notes::default();
        let response = record(Http::new(), self.response(body), notes.recording(max_bytes));
        let mut body = response.into_body();
        let seen = frames(&mut body, self.reads).await;
        drop(body);
        (seen, notes.all())
    }

    async fn run_with(&self, max_bytes: usize) -> (Vec<String>, Vec<Seen>) {
        let body = ScriptedBody::new(self.steps.clone());
        if self.knows_end {
            self.run(body, max_bytes).await
        } else {
            self.run(Streamed(body), max_bytes).await
        }
    }

    async fn bare(&self) -> Vec<String> {
        let mut body = ScriptedBody::new(self.steps.clone());
        if self.knows_end {
            frames(&mut body, self.reads).await
        } else {
            frames(&mut Streamed(body), self.reads).await
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// The reader sees what it would see without; and what is stored is what came, if it came whole.
    #[test]
    fn stored_if_whole_and_passed_on_in_any_case(case in case()) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let bare = case.bare().await;
            let (seen, told) = case.run_with(PLENTY).await;
            prop_assert_eq!(&seen, &bare);
            let expected = case.expected();
            let Some((data, trailers)) = expected else {
                prop_assert_eq!(told, []);
                return Ok(());
            };
            let [Seen::Whole { copy, age: Duration::ZERO }] = &told[..] else {
                return Err(TestCaseError::fail(format!("{told:?}")));
            };
            let (status, fields, read_data, read_trailers) = read(copy.clone()).await;
            prop_assert_eq!(status, 200);
            prop_assert_eq!(fields, case.response(()).headers().clone());
            prop_assert_eq!(read_data, data);
            let read_trailers = read_trailers.map(|read| {
                assert_eq!(read.len(), 1);
                let (name, value) = read.iter().next().unwrap();
                (name.to_string(), value.to_str().unwrap().to_owned())
            });
            let trailers = trailers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            prop_assert_eq!(read_trailers, trailers);

            // Exactly so much is taken, and not one byte less.
            let (_, told_at_cap) = case.run_with(copy.len()).await;
            prop_assert_eq!(&told_at_cap, &told);
            let (seen, told) = case.run_with(copy.len() - 1).await;
            prop_assert_eq!(told, [Seen::TooLarge]);
            prop_assert_eq!(seen, bare);
            Ok(())
        })?;
    }
}
