//! A QR picture of characters.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// Black on white whatever the terminal's colours: two modules to a character, with the quiet zone scanners want. `None` when the
/// text is too long for a picture.
pub(crate) fn picture(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let picture = code.render::<Dense1x2>().quiet_zone(true).build();
    Some(picture.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_invite_fits_and_is_drawn_black_on_white() {
        let picture = super::picture(&format!("zerok://join?i={}", "a".repeat(300))).unwrap();
        let widths: Vec<usize> = picture.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]) && widths[0] < 100);
        assert!(picture.lines().all(|line| line.starts_with("\x1b[30;107m") && line.ends_with("\x1b[0m")));
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        assert_eq!(super::picture(&"a".repeat(5000)), None);
    }
}
