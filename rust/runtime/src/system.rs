//! What Linux can do and macOS cannot: the one module that asks which of them it is built for.
//!
//! All else that the engine asks of its system is POSIX's.

use std::fs;

use rustix::process::Pid;

/// Whether the memory of a process can be limited, because the system says what it holds.
pub(crate) const LIMITS_MEMORY: bool = cfg!(target_os = "linux");

/// Has this process end with its parent, which it would not notice in a model that never returns (Linux).
///
/// Elsewhere such a process outlives an engine that is killed, unless the engine's parent kills it.
pub(crate) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL)).expect("a valid signal");
    }
}

/// When memory is short, the system ends this child first, and neither the engine nor its worker (Linux).
pub(crate) fn end_first(child: u32) {
    let _ = fs::write(format!("/proc/{child}/oom_score_adj"), "1000");
}

/// Bytes that the processes of a group hold in memory; pages that several of them share count for each.
///
/// Linux only: elsewhere a request with a limit on memory is refused.
pub(crate) fn resident(group: Pid) -> u64 {
    let pages: u64 = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| pages_in(&stat, group))
        .sum();
    pages * rustix::param::page_size() as u64
}

/// The resident pages of a process, if it belongs to the group (proc(5): fields 5 and 24 of `stat`).
fn pages_in(stat: &str, group: Pid) -> Option<u64> {
    // The second field, the program's name in parentheses, may hold anything.
    let fields: Vec<_> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let member = fields.get(2)?.parse() == Ok(group.as_raw_nonzero().get());
    member.then(|| fields.get(21)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = "S 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 5000 12 99 0";
        let group = Pid::from_raw(77).unwrap();
        assert_eq!(pages_in(&format!("77 (a) b (c) {rest}"), group), Some(12));
        assert_eq!(pages_in(&format!("78 (x) {rest}"), Pid::from_raw(1).unwrap()), None);
        assert_eq!(pages_in("", group), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_some_memory() {
        let own = resident(rustix::process::getpgrp());
        assert!((1 << 20..1 << 40).contains(&own), "{own}");
    }
}
