//! The table, as text.

use core::fmt::Write;

use crate::look::{Row, Seen};

/// The lines of a table that are no processes: two above it, one of headings, and the one that a terminal's cursor needs.
const AROUND: usize = 4;

/// What a terminal has room for.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) lines: usize,
    pub(crate) columns: usize,
}

/// The table of what was seen: `count` processes at most, and no more than there is room for.
pub(crate) fn table(seen: &Seen, count: Option<usize>, room: Option<Room>) -> String {
    let fitting = room.map_or(usize::MAX, |room| room.lines.saturating_sub(AROUND));
    let shown = seen.rows.len().min(fitting).min(count.unwrap_or(usize::MAX));
    let mut lines = vec![
        format!("{} processes, {shown} shown, {} asked for", seen.rows.len(), seen.asked),
        match seen.cgroups {
            0 => "no cgroups but the root: none are mounted, or none can be seen from here".to_owned(),
            all => format!("{all} cgroups, {} with processes", seen.occupied),
        },
        line("PID", "USER ID", "AGE", "COMMAND", "RUN BY", "CGROUP"),
    ];
    lines.extend(seen.rows.iter().take(shown).map(|row| {
        let Row { pid, uid, age, comm, orchestrator, cgroup } = row;
        let uid = uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
        line(&pid.to_string(), &uid, &length(*age), comm, orchestrator, cgroup)
    }));
    let columns = room.map_or(usize::MAX, |room| room.columns);
    let mut text = String::new();
    for line in lines {
        text.extend(line.trim_end().chars().take(columns));
        text.push('\n');
    }
    text
}

fn line(pid: &str, uid: &str, age: &str, comm: &str, orchestrator: &str, cgroup: &str) -> String {
    let mut line = String::new();
    // To write into a string does not fail.
    let _ = write!(line, "{pid:>7} {uid:>10} {age:>5}  {comm:<15}  {orchestrator:<8}  {cgroup}");
    line
}

/// A time in the largest unit of which there are at least two.
fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
