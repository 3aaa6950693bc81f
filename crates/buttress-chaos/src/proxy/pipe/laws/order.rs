//! That no byte is lost or moved.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    SECOND, lossless,
    run::{Run, payload},
};
use crate::proxy::Toxic;

#[derive(Debug, Clone)]
enum Act {
    Feed(usize),
    /// Written meanwhile, as it is due.
    Pass(Duration),
    /// The writer is stuck meanwhile.
    Stall(Duration),
    Add(u8, Toxic),
    Change(u8, Toxic),
    Remove(u8),
    End,
}

fn act() -> impl Strategy<Value = Act> {
    let time = || (0_u64..200_000).prop_map(Duration::from_micros);
    prop_oneof![
        8 => prop_oneof![1_usize..20, 1_usize..20_000].prop_map(Act::Feed),
        4 => time().prop_map(Act::Pass),
        1 => time().prop_map(Act::Stall),
        2 => (0_u8..4, lossless()).prop_map(|(name, toxic)| Act::Add(name, toxic)),
        2 => (0_u8..4, lossless()).prop_map(|(name, toxic)| Act::Change(name, toxic)),
        2 => (0_u8..4).prop_map(Act::Remove),
        1 => Just(Act::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever toxics come, change and go while bytes are in them, and however small the buffer.
    #[test]
    fn no_byte_is_lost_or_moved(
        buffer in prop_oneof![1_usize..2_000, 1_usize..200_000],
        seed: u64,
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut run = Run::new(buffer, seed);
        let mut ended = false;
        for act in acts {
            match act {
                Act::Feed(length) if !ended => {
                    run.feed(length);
                    let held = run.fed - run.written_length();
                    prop_assert!(held <= buffer, "{} are held in {}", held, buffer);
                }
                Act::Feed(_) => {}
                Act::Pass(time) => run.pass(time),
                Act::Stall(time) => run.now += time,
                Act::Add(name, toxic) => drop(run.toxics.add(&name.to_string(), toxic)),
                Act::Change(name, toxic) => drop(run.toxics.change(&name.to_string(), toxic)),
                Act::Remove(name) => drop(run.toxics.remove(&name.to_string())),
                Act::End => {
                    if !ended {
                        run.pipe.end(run.now);
                    }
                    ended = true;
                }
            }
            run.set();
        }
        if !ended {
            run.pipe.end(run.now);
        }
        // What a blackhole holds it gives back when it goes; all others let go of it by themselves.
        for named in run.toxics.list() {
            if named.toxic.kind().name() == "blackhole" {
                run.toxics.remove(&named.name);
            }
        }
        run.set();
        run.pass(1_000_000 * SECOND);
        prop_assert_eq!(&run.ended, &None);
        prop_assert!(run.written() == payload(run.fed));
        prop_assert_eq!(run.finished.len(), 1);
        prop_assert!(run.out.last().is_none_or(|(at, _)| *at <= run.finished[0]));
    }
}
