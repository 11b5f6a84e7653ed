//! What this device is called within its group, unless the app says otherwise.

use zerok_core::limits::MAX_NAME;

/// The machine's own name where it has one that tells it apart, else the app's and the system's.
pub(crate) fn of_device(app: &str) -> String {
    machine().and_then(|name| tidy(&name)).unwrap_or_else(|| {
        let fallback = format!("{app} on {}", std::env::consts::OS);
        tidy(&fallback).unwrap_or_else(|| "device".to_owned())
    })
}

#[cfg(unix)]
fn machine() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn machine() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// Within the bounds of a name. Phones are all called `localhost`, which names nothing.
fn tidy(name: &str) -> Option<String> {
    let printable: String = name.chars().filter(|char| !char.is_control()).collect();
    let trimmed = printable.trim().trim_end_matches(".local");
    let end = (0..=trimmed.len().min(MAX_NAME)).rev().find(|end| trimmed.is_char_boundary(*end)).unwrap_or(0);
    let name = trimmed[..end].trim();
    (!name.is_empty() && name != "localhost").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_its_bound_and_never_splits_a_letter() {
        let name = tidy(&"ä".repeat(MAX_NAME)).unwrap();
        assert_eq!(name, "ä".repeat(MAX_NAME / 2));
    }

    #[test]
    fn names_that_tell_nothing_give_way_to_the_apps() {
        assert_eq!(tidy("localhost"), None);
        assert_eq!(tidy(" \n"), None);
        assert_eq!(tidy("desk.local").as_deref(), Some("desk"));
        assert!(!of_device("Notes").is_empty());
    }
}
