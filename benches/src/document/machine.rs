//! What a run was made on and with.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::driver::placement::Cpus;
use crate::driver::table::machine;

/// The machine, its caches and compiler, the day, and how busy it was before the run, in a line each.
///
/// # Errors
/// /proc could not be read, or there is no rustc.
pub fn described(cpus: &Cpus) -> io::Result<String> {
    let rustc = Command::new("rustc").arg("--version").output()?;
    let rustc = String::from_utf8_lossy(&rustc.stdout).trim().to_owned();
    let load = fs::read_to_string("/proc/loadavg")?;
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let (machine, caches, date) = (machine(cpus)?, caches(), date(now.as_secs() / 86_400));
    let load = load.join(", ");
    Ok(format!(
        "- {machine}\n- caches: {caches}\n- {rustc}, `[profile.bench]` as in `Cargo.toml`, no `target-cpu`\n\
         - {date}; load averages before the run: {load}\n"
    ))
}

/// The caches of the first CPU, as the kernel tells them.
fn caches() -> String {
    let read = |index: usize, file: &str| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}");
        Some(fs::read_to_string(Path::new(&path)).ok()?.trim().to_owned())
    };
    let cache = |index| {
        let kind = match &*read(index, "type")? {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        Some(format!("L{}{kind} {}", read(index, "level")?, read(index, "size")?))
    };
    let all: Vec<String> = (0..).map_while(cache).collect();
    if all.is_empty() { "not told by the kernel".to_owned() } else { all.join(", ") }
}

/// The date of a day that is so many days behind the first of 1970, by counting.
fn date(mut days: u64) -> String {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        let known = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
            (20_818, "2026-12-31"),
        ];
        for (days, expected) in known {
            assert_eq!(date(days), expected);
        }
    }
}
