//! Whole numbers are exact: decided by the digits that were sent, not by the double nearest to them.
//!
//! The case files have those of 32 bits; here are those of 64, which no double holds, and what holds for all.
#![allow(clippy::unwrap_used, missing_docs)]

use pinlake_dataset::{Definition, Limits, check};
use proptest::prelude::*;

/// The number that a record's value is read as; a record's key is its only column.
fn read(value: &str) -> Result<i64, String> {
    let text = "key = [\"n\"]\n[[column]]\nname = \"n\"\ntype = \"int64\"\nrequired = true\n";
    let definition = Definition::parse("thing.toml", text).unwrap();
    check(&definition, Limits::default(), format!("{{\"n\":{value}}}").as_bytes())
        .map(|key| key.parse().unwrap())
        .map_err(|rejection| rejection.reason)
}

#[test]
fn all_64_bits_are_kept() {
    let fraction = Err("is no int64: it has a fraction");
    let range = Err("is out of range for int64");
    for (value, expected) in [
        // 2^53 + 1, the first that no double holds.
        ("9007199254740993.0", Ok(9_007_199_254_740_993)),
        ("-9007199254740993.0", Ok(-9_007_199_254_740_993)),
        ("9007199254740993e0", Ok(9_007_199_254_740_993)),
        ("90071992547409.93e2", Ok(9_007_199_254_740_993)),
        ("900719925474099300E-2", Ok(9_007_199_254_740_993)),
        ("9223372036854775807.0", Ok(i64::MAX)),
        ("-9223372036854775808.0", Ok(i64::MIN)),
        ("-0.9223372036854775808e19", Ok(i64::MIN)),
        ("9e18", Ok(9_000_000_000_000_000_000)),
        ("9223372036854775808.0", range),
        ("-9223372036854775809.0", range),
        ("9223372036854775808", range),
        ("1e19", range),
        ("9007199254740993.5", fraction),
        ("9223372036854775806.99999999999999999999", fraction),
        // Both faults: that it is no whole number comes first.
        ("9223372036854775808.5", fraction),
    ] {
        let expected = expected.map_err(str::to_owned);
        assert_eq!(read(value), expected, "{value}");
        assert_eq!(read(&format!("\"{value}\"")), expected, "{value} as text");
    }
}

#[test]
fn length_costs_nothing() {
    let zeros = "0".repeat(500_000);
    for (value, expected) in [
        (format!("1{zeros}e-500000"), Ok(1)),
        (format!("0.{zeros}7e500001"), Ok(7)),
        (format!("7.{zeros}"), Ok(7)),
        (format!("\"{zeros}7\""), Ok(7)),
        (format!("7.{zeros}1"), Err("is no int64: it has a fraction")),
        (format!("7{zeros}"), Err("is out of range for int64")),
        (format!("7e{}", "9".repeat(500_000)), Err("is out of range for int64")),
        (format!("7e-1{zeros}"), Err("is no int64: it has a fraction")),
        (format!("7e-{zeros}"), Ok(7)),
    ] {
        assert_eq!(read(&value), expected.map_err(str::to_owned), "{:.20}…", value);
    }
}

/// A numeral of `digits` × 10^`power` with the point moved `places` to the left of the digits' end, which the exponent
/// makes good.
fn numeral(digits: &str, power: i64, places: usize) -> String {
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, decimals) = padded.split_at(padded.len() - places);
    let point = if places > 0 { "." } else { "" };
    let exponent = power + i64::try_from(places).unwrap();
    format!("{whole}{point}{decimals}e{exponent}")
}

/// Without the zeros that JSON does not take in front; text may have them.
fn is_json(numeral: &str) -> bool {
    let digits = numeral.trim_start_matches('-').as_bytes();
    digits[0] != b'0' || !digits[1].is_ascii_digit()
}

fn sent(numeral: &str) -> String {
    if is_json(numeral) {
        numeral.to_owned()
    } else {
        format!("\"{numeral}\"")
    }
}

proptest! {
    #[test]
    fn a_whole_number_comes_back_however_it_is_written(
        number in prop_oneof![any::<i64>(), -1000_i64..1000, Just(i64::MIN), Just(i64::MAX)],
        zeros in 0_usize..30,
        places in 0_usize..60,
    ) {
        let sign = if number < 0 { "-" } else { "" };
        let digits = format!("{}{}", number.unsigned_abs(), "0".repeat(zeros));
        let power = -i64::try_from(zeros).unwrap();
        let value = format!("{sign}{}", numeral(&digits, power, places));
        prop_assert_eq!(read(&sent(&value)), Ok(number), "{}", value);
        let plain = format!("{number}.{}", "0".repeat(zeros + 1));
        prop_assert_eq!(read(&plain), Ok(number), "{}", plain);
    }

    #[test]
    fn a_digit_behind_the_point_is_a_fraction(
        number in any::<i64>(),
        decimals in "[0-9]{0,30}[1-9]",
        zeros in 0_usize..30,
        places in 0_usize..90,
    ) {
        let fraction = Err("is no int64: it has a fraction".to_owned());
        let sign = if number < 0 { "-" } else { "" };
        let digits = format!("{}{decimals}{}", number.unsigned_abs(), "0".repeat(zeros));
        let power = -i64::try_from(decimals.len() + zeros).unwrap();
        let value = format!("{sign}{}", numeral(&digits, power, places));
        prop_assert_eq!(read(&sent(&value)), fraction.clone(), "{}", value);
        let plain = format!("{number}.{decimals}{}", "0".repeat(zeros));
        prop_assert_eq!(read(&plain), fraction, "{}", plain);
    }
}
