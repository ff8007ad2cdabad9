//! What depends on the time of day, in UTC: how busy an hour is, and how slow its traffic.

use super::Time;

const HOUR: Time = 3_600_000;
const HOURS_IN_DAY: Time = 24;
const HOURS_IN_WEEK: usize = 168;
/// 1970-01-01, day 0, was a Thursday; weekdays count from Sunday.
const FIRST_WEEKDAY: Time = 4;
const FRIDAY: Time = 5;

type Day = [f64; 24];

/// Busyness of each hour for one kind of arrival: Sunday to Thursday, then Friday and Saturday.
pub(super) type Week = [Day; 2];

pub(super) const RIDERS: Week = [
    [
        0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 2.5, 3.0, 2.0, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 2.8, 3.2, 2.5,
        1.5, 1.5, 1.5, 1.5,
    ],
    [
        2.0, 2.5, 3.0, 2.8, 2.2, 1.8, 1.5, 1.2, 1.0, 0.8, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4, 0.5, 2.8, 3.5, 3.0,
        2.5, 2.0, 1.8, 1.5,
    ],
];

pub(super) const DRIVERS: Week = [
    [
        0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 1.0, 1.5, 1.8, 1.6, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.7, 2.0, 1.8,
        1.3, 1.3, 1.3, 1.3,
    ],
    [
        0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.4, 1.2, 1.0, 0.9, 0.8, 0.7, 0.7, 0.8, 1.7, 2.2, 2.0,
        1.8, 1.6, 1.4, 1.2,
    ],
];

/// Speed as a share of free flow in Berlin, by hour.
const BERLIN: Day = [
    1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.45, 0.45, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.40, 0.40,
    0.40, 0.75, 0.75, 0.75, 0.75, 0.75,
];

fn hour_of_day(clock: Time) -> usize {
    usize::try_from(clock / HOUR % HOURS_IN_DAY).expect("an hour of 24")
}

/// How busy the hour at `clock` (ms since 1970, UTC) is.
pub(super) fn busyness(week: &Week, clock: Time) -> f64 {
    let weekday = (clock / (HOURS_IN_DAY * HOUR) + FIRST_WEEKDAY) % 7;
    week[usize::from(weekday >= FRIDAY)][hour_of_day(clock)]
}

/// The maximum of [`busyness`] in `[start, end)`.
pub(super) fn peak(week: &Week, start: Time, end: Time) -> f64 {
    let hours = (start / HOUR)..end.div_ceil(HOUR);
    hours.take(HOURS_IN_WEEK).map(|hour| busyness(week, hour * HOUR)).fold(0.0, f64::max)
}

/// Speed at `clock` as a share of free flow.
pub(super) fn berlin_traffic(clock: Time) -> f64 {
    BERLIN[hour_of_day(clock)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<const N: usize>(values: [f64; N], expected: [f64; N]) {
        assert_eq!(values.map(f64::to_bits), expected.map(f64::to_bits));
    }

    /// Runs of equal hours, as the contract writes them: .4 x 7 is seven hours of .4.
    fn spelled<const N: usize>(hours: [(f64, usize); N]) -> Day {
        let all: Vec<f64> =
            hours.into_iter().flat_map(|(value, times)| std::iter::repeat_n(value, times)).collect();
        all.try_into().expect("24 hours")
    }

    #[test]
    fn the_tables_are_the_contracts() {
        let quiet =
            [(0.4, 7), (2.5, 1), (3.0, 1), (2.0, 1), (1.2, 7), (2.8, 1), (3.2, 1), (2.5, 1), (1.5, 4)];
        same(RIDERS[0], spelled(quiet));
        let lively = [2.0, 2.5, 3.0, 2.8, 2.2, 1.8, 1.5, 1.2, 1.0, 0.8, 0.6, 0.5];
        let later = [0.4, 0.4, 0.4, 0.4, 0.5, 2.8, 3.5, 3.0, 2.5, 2.0, 1.8, 1.5];
        same(RIDERS[1], [lively, later].concat().try_into().unwrap());
        let quiet = [
            (0.6, 6),
            (1.0, 1),
            (1.5, 1),
            (1.8, 1),
            (1.6, 1),
            (1.2, 7),
            (1.7, 1),
            (2.0, 1),
            (1.8, 1),
            (1.3, 4),
        ];
        same(DRIVERS[0], spelled(quiet));
        let lively = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.4, 1.2, 1.0];
        let later = [0.9, 0.8, 0.7, 0.7, 0.8, 1.7, 2.2, 2.0, 1.8, 1.6, 1.4, 1.2];
        same(DRIVERS[1], [lively, later].concat().try_into().unwrap());
        same(BERLIN, spelled([(1.0, 7), (0.45, 2), (0.65, 7), (0.40, 3), (0.75, 5)]));
    }

    #[test]
    fn the_week_has_its_days() {
        // 1970-01-01 was a Thursday, the 2nd a Friday, the 3rd a Saturday, the 4th a Sunday.
        let at = |day: Time, hour: Time| busyness(&RIDERS, (day * 24 + hour) * HOUR);
        same([at(0, 0), at(1, 0), at(2, 0), at(3, 0)], [0.4, 2.0, 2.0, 0.4]);
        same([at(0, 18), at(1, 18), at(4, 8), at(8, 2)], [3.2, 3.5, 3.0, 3.0]);
    }

    #[test]
    fn the_peak_is_of_the_hours_that_are_touched() {
        let riders = [HOUR, 7 * HOUR, 7 * HOUR + 1].map(|end| peak(&RIDERS, 0, end));
        same(riders, [0.4, 0.4, 2.5]);
        same([peak(&DRIVERS, 0, 1000 * HOUR)], [2.2]);
    }

    #[test]
    fn traffic_follows_the_clock() {
        let hours = [0, 6, 7, 8, 9, 15, 16, 18, 19, 23, 24].map(|hour: Time| berlin_traffic(hour * HOUR));
        same(hours, [1.0, 1.0, 0.45, 0.45, 0.65, 0.65, 0.40, 0.40, 0.75, 0.75, 1.0]);
    }
}
