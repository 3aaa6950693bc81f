//! The grammar of deadline headers, against oracles that share nothing with it.

use std::{cell::Cell, time::Duration};

use buttress_http::DeadlineHeader;
use http::{HeaderName, HeaderValue};
use proptest::{prelude::*, test_runner::TestRunner};

const GRPC: DeadlineHeader = DeadlineHeader::GRPC_TIMEOUT;
const MILLIS: DeadlineHeader = DeadlineHeader::REQUEST_TIMEOUT_MS;

fn parse(header: &DeadlineHeader, value: &[u8]) -> Option<Duration> {
    header.parse(&HeaderValue::from_bytes(value).expect("a valid header value"))
}

/// What a gRPC timeout says, in nanoseconds.
fn grpc_oracle(value: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(value).ok()?;
    let unit: u128 = match text.chars().last()? {
        'H' => 3_600_000_000_000,
        'M' => 60_000_000_000,
        'S' => 1_000_000_000,
        'm' => 1_000_000,
        'u' => 1_000,
        'n' => 1,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || number.len() > 8 {
        return None;
    }
    let step = |sum: u128, digit: char| Some(sum * 10 + u128::from(digit.to_digit(10)?));
    Some(number.chars().try_fold(0, step)? * unit)
}

/// What a number of milliseconds says, in nanoseconds.
fn millis_oracle(value: &[u8]) -> Option<u128> {
    const MOST: &str = "18446744073709551615";
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() || text.chars().any(|c| !"0123456789".contains(c)) {
        return None;
    }
    let number = text.trim_start_matches('0');
    if number.len() > MOST.len() || (number.len() == MOST.len() && number > MOST) {
        return None;
    }
    let millis = number.bytes().fold(0, |sum, byte| sum * 10 + u128::from(byte - b'0'));
    Some(millis * 1_000_000)
}

/// Values of both grammars, of almost those, and of any bytes that a header can carry.
///
/// Made of two draws, so that a hundred thousand are soon done.
fn values() -> impl Strategy<Value = Vec<u8>> {
    (any::<u128>(), any::<u64>()).prop_map(|(number, mut choice)| {
        let mut pick = |choices: u64| {
            let picked = choice % choices;
            choice /= choices;
            usize::try_from(picked).unwrap()
        };
        match pick(8) {
            0 | 1 => {
                let carried = |byte| if byte < 32 || byte == 127 { b'\t' } else { byte };
                number.to_le_bytes().into_iter().take(pick(13)).map(carried).collect()
            }
            2 => {
                let around = u128::from(u64::MAX) - 100 + number % 200;
                format!("{}{around}", ["", "0", "00"][pick(3)]).into_bytes()
            }
            _ => {
                let sign: &[u8] =
                    [&b""[..], b"", b"", b"", b"", b"+", b"-", b" ", b"\xff"][pick(9)];
                let units: [&[u8]; 16] = [
                    b"H",
                    b"M",
                    b"S",
                    b"m",
                    b"u",
                    b"n",
                    b"",
                    b"",
                    b"",
                    b"s",
                    b"ms",
                    b" S",
                    b"S ",
                    b".5S",
                    b"\t",
                    b"\xc2\xb5",
                ];
                let count = pick(11) + 11 * usize::from(pick(4) == 0);
                let digits = format!("{number:039}").into_bytes();
                [sign, &digits[39 - count..], units[pick(16)]].concat()
            }
        }
    })
}

/// Runs the grammar against its oracle, and sees to it that both answers came up.
fn agrees(header: &DeadlineHeader, oracle: fn(&[u8]) -> Option<u128>) -> [u32; 2] {
    let [valid, invalid] = [Cell::new(0), Cell::new(0)];
    let config = ProptestConfig { cases: 100_000, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&values(), |value| {
        let expected = oracle(&value);
        let count = if expected.is_some() { &valid } else { &invalid };
        count.set(count.get() + 1);
        prop_assert_eq!(parse(header, &value).map(|said| said.as_nanos()), expected);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    [valid.get(), invalid.get()]
}

#[test]
fn grpc_is_taken_to_the_letter() {
    let counts = agrees(&GRPC, grpc_oracle);
    assert!(counts.iter().all(|count| *count > 5_000), "{counts:?}");
}

#[test]
fn milliseconds_are_taken_to_the_letter() {
    let counts = agrees(&MILLIS, millis_oracle);
    assert!(counts.iter().all(|count| *count > 5_000), "{counts:?}");
}

/// Durations of every magnitude.
fn durations() -> impl Strategy<Value = Duration> {
    let secs = (any::<u64>(), 0..64_u32).prop_map(|(secs, shift)| secs >> shift);
    let nanos = (0..1_000_000_000_u32, 0..30_u32).prop_map(|(nanos, shift)| nanos >> shift);
    prop_oneof![
        (secs, nanos.clone()).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
        nanos.prop_map(|nanos| Duration::new(0, nanos)),
        Just(Duration::MAX),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// What is sent is never more than there is, less than one unit short of it, and never zero;
    /// and no finer unit would have had room for it.
    #[test]
    fn a_grpc_timeout_says_less_than_a_unit_too_little(given in durations()) {
        let Some(value) = GRPC.format(given) else {
            prop_assert!(given.is_zero());
            return Ok(());
        };
        let said = GRPC.parse(&value).expect("what is sent is valid").as_nanos();
        let (unit, number) = value.as_bytes().split_last().unwrap();
        let at = b"numSMH".iter().position(|letter| letter == unit).unwrap();
        let units: [u128; 6] =
            [1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000];
        prop_assert!(0 < said && said <= given.as_nanos());
        prop_assert!(number.len() <= 8 && number[0] != b'0');
        if number != b"99999999" || *unit != b'H' {
            prop_assert!(given.as_nanos() - said < units[at]);
        }
        if at > 0 {
            prop_assert!(given.as_nanos() / units[at - 1] > 99_999_999, "{value:?} of {given:?}");
        }
    }

    #[test]
    fn milliseconds_say_less_than_one_too_little(given in durations()) {
        let Some(value) = MILLIS.format(given) else {
            prop_assert!(given < Duration::from_millis(1));
            return Ok(());
        };
        let said = MILLIS.parse(&value).expect("what is sent is valid");
        prop_assert!(!said.is_zero() && said <= given);
        let lost = given.saturating_sub(said);
        prop_assert!(lost < Duration::from_millis(1) || value == "18446744073709551615");
    }
}

#[test]
fn formats_by_example() {
    let nanos = Duration::from_nanos;
    let day = Duration::from_secs(86_400);
    for (given, value) in [
        (nanos(1), "1n"),
        (nanos(99_999_999), "99999999n"),
        (nanos(100_000_000), "100000u"),
        (nanos(99_999_999_999), "99999999u"),
        (nanos(100_000_000_999), "100000m"),
        (Duration::from_secs(99_999), "99999000m"),
        (Duration::from_secs(100_000), "100000S"),
        (day * 1_158, "1667520M"),
        (day * 4_166_667, "99999999H"),
        (Duration::MAX, "99999999H"),
    ] {
        assert_eq!(GRPC.format(given).unwrap(), value, "{given:?}");
    }
    assert_eq!(GRPC.format(Duration::ZERO), None);

    let millis = Duration::from_millis;
    for (given, value) in [
        (millis(1), "1"),
        (nanos(1_999_999), "1"),
        (millis(u64::MAX), "18446744073709551615"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        assert_eq!(MILLIS.format(given).unwrap(), value, "{given:?}");
    }
    assert_eq!(MILLIS.format(nanos(999_999)), None);
}

#[test]
fn parses_by_example() {
    assert_eq!(parse(&GRPC, b"0n"), Some(Duration::ZERO), "nothing left is valid");
    assert_eq!(parse(&GRPC, b"00000001S"), Some(Duration::from_secs(1)));
    assert_eq!(parse(&GRPC, b"99999999H"), Some(Duration::from_secs(359_999_996_400)));
    for value in ["", "S", "1", "99999999", "000000001S", "1s", "1ms", "-1S", "+1S", " 1S", "1S "] {
        assert_eq!(parse(&GRPC, value.as_bytes()), None, "{value}");
    }
    assert_eq!(parse(&MILLIS, b"0"), Some(Duration::ZERO), "nothing left is valid");
    assert_eq!(parse(&MILLIS, b"007"), Some(Duration::from_millis(7)));
    assert_eq!(parse(&MILLIS, b"18446744073709551615"), Some(Duration::from_millis(u64::MAX)));
    for value in ["", "18446744073709551616", "-1", "+1", " 1", "1 ", "1.0", "1e3", "1m", "0x1"] {
        assert_eq!(parse(&MILLIS, value.as_bytes()), None, "{value}");
    }
    assert_eq!(parse(&MILLIS, "١".as_bytes()), None, "a digit, but not of ASCII");
}

#[test]
fn knows_its_names() {
    assert_eq!(GRPC.name(), "grpc-timeout");
    assert_eq!(MILLIS.name(), "x-request-timeout-ms");
    assert_eq!(DeadlineHeader::ENVOY_EXPECTED_TIMEOUT_MS.name(), "x-envoy-expected-rq-timeout-ms");
    let own = DeadlineHeader::millis(HeaderName::from_static("x-left"));
    assert_eq!(own.name(), "x-left");
    assert_eq!(parse(&own, b"250"), Some(Duration::from_millis(250)));
    for header in [own, DeadlineHeader::ENVOY_EXPECTED_TIMEOUT_MS] {
        assert_eq!(header.format(Duration::from_secs(2)).unwrap(), "2000");
    }
}
