//! Parts as percentages, as the reports of several examples show them.

/// A part as a percentage, rounded down: what is not all is never shown as 100 %.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.1} %", (part * 1000.0).floor() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_down() {
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(percent(0.9999), "99.9 %");
        assert_eq!(percent(0.0), "0.0 %");
    }
}
