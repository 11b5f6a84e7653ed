//! What the operating system supplies when a user does not: a place for data and a name for the device.

use std::{env, ffi::OsString, path::PathBuf};

/// The usual place for an application's data of one user, `None` where the environment names none.
pub(crate) fn data_dir() -> Option<PathBuf> {
    base(&|name| env::var_os(name).filter(|value| !value.is_empty())).map(|base| base.join("zerok"))
}

fn base(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let home = |rest: &str| variable("HOME").map(|home| PathBuf::from(home).join(rest));
    if cfg!(windows) {
        variable("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_vendor = "apple") {
        home("Library/Application Support")
    } else {
        // The XDG rules: a relative path there is invalid and ignored.
        let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        data.or_else(|| home(".local/share"))
    }
}

/// The machine's name, as far as it can be learned without asking a library.
pub(crate) fn device_name() -> String {
    let variable = ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|name| env::var(name).ok());
    let name = variable.or_else(|| std::fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
    tidy(&name)
}

/// A name the group accepts.
fn tidy(name: &str) -> String {
    let mut name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    while name.len() > zerok_core::limits::MAX_NAME {
        name.pop();
    }
    if name.is_empty() { "device".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(unix, not(target_vendor = "apple")))]
    #[test]
    fn data_lies_where_xdg_says_or_below_home() {
        let with = |pairs: &'static [(&str, &str)]| {
            base(&move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()))
        };
        assert_eq!(with(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")]), Some("/x".into()));
        assert_eq!(with(&[("XDG_DATA_HOME", "x"), ("HOME", "/h")]), Some("/h/.local/share".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn any_host_name_becomes_a_device_name() {
        assert_eq!(tidy(" laptop\n"), "laptop");
        assert_eq!(tidy(""), "device");
        assert!(tidy(&"ü".repeat(200)).len() <= zerok_core::limits::MAX_NAME);
    }
}
