//! Names which part of an axis a slice takes, free of resolution.
//!
//! Even shares of few parts are fractions (`2/3` is the second of three); a single position of a
//! long axis is `one`; other ranges are only `head`, `middle` or `tail`, since their lengths may
//! follow the input's resolution.

/// Shares beyond this many parts are positions on a long axis.
const MOST_SHARES: u64 = 8;

/// The part that `start..start + len` is of `total`; `None` when it is everything.
pub(super) fn part(total: Option<u64>, start: u64, len: Option<u64>) -> Option<String> {
    match (total, len) {
        (Some(total), Some(len)) => known_part(total, start, len),
        (_, Some(1)) => Some("one".into()),
        (None, None) if start == 0 => None,
        _ => Some(if start == 0 { "head" } else { "tail" }.into()),
    }
}

fn known_part(total: u64, start: u64, len: u64) -> Option<String> {
    if len >= total {
        return None;
    }
    let shares = if len > 0 && total.is_multiple_of(len) && start.is_multiple_of(len) {
        total / len
    } else {
        0
    };
    if (2..=MOST_SHARES).contains(&shares) {
        return Some(format!("{}/{shares}", (start / len).saturating_add(1)));
    }
    Some(
        match (len, start) {
            (1, _) => "one",
            (_, 0) => "head",
            _ if start >= total - len => "tail",
            _ => "middle",
        }
        .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn even_shares_are_fractions_at_any_width() {
        assert_eq!(part(Some(3), 1, Some(1)).as_deref(), Some("2/3"));
        assert_eq!(part(Some(96), 32, Some(32)).as_deref(), Some("2/3"));
    }

    #[test]
    fn everything_is_no_part() {
        assert_eq!(part(Some(5), 0, Some(5)), None);
    }

    #[test]
    fn absurd_starts_do_not_overflow() {
        assert_eq!(part(Some(100), u64::MAX, Some(3)).as_deref(), Some("tail"));
        assert!(part(Some(2), u64::MAX, Some(1)).is_some());
    }

    #[test]
    fn positions_on_a_long_axis_do_not_tell_its_length() {
        assert_eq!(part(Some(197), 0, Some(1)), part(Some(577), 0, Some(1)));
        assert_eq!(part(Some(197), 1, Some(196)).as_deref(), Some("tail"));
    }
}
