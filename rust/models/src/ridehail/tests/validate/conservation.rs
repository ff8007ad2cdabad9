//! Check 1: riders and money are conserved, over settings that together use every branch.

use super::*;

#[test]
#[ignore = "make validate"]
fn validate_01_conservation() {
    let (mut riders, mut money, mut spawned) = (0, 0.0_f64, 0);
    let all = varied();
    for (replicate, settings) in (0..).zip(&all) {
        let report = report(settings, replicate);
        spawned += report.spawned_riders;
        riders = riders.max((report.spawned_riders - report.total() - report.in_system()).abs());
        let difference = (report.fares - report.revenue - report.payouts).abs() / report.fares;
        // A run without fares has no relative difference and cannot be checked.
        money = if report.fares > 0.0 { money.max(difference) } else { f64::INFINITY };
    }
    let mut lines = Lines::of(1);
    let what = format!(
        "{spawned} riders spawned, less completed, abandoned, cancelled and in the system: worst difference"
    );
    lines.row(&what, riders as f64, "0", None, all.len(), Verdict::of(riders == 0 && spawned > 0));
    let what = "Fares less payouts and the platform's share, over fares: worst difference";
    lines.row(what, money, "<= 1e-9", None, all.len(), Verdict::of(money <= 1e-9));
    lines.end();
}
