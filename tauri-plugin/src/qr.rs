//! The picture of an invite: a QR code as a PNG in a data URL.
//!
//! A picture of pixels rather than of shapes: every web view shows it under `img-src data:`, and it can be saved or printed as it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use png::{BitDepth, ColorType, Compression, Encoder};
use qrcode::{Color, EcLevel, QrCode};

/// Pixels along a module's side: a camera reads it off a screen, and a page may still shrink it.
const SCALE: usize = 6;
/// Modules of white around it, which scanners want.
const QUIET: usize = 4;

/// A data URL that shows the text. `None` when it is too long for a QR code.
pub(crate) fn data_url(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let png = picture(&code).ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

/// One bit a pixel: white is one.
fn picture(code: &QrCode) -> Result<Vec<u8>, png::EncodingError> {
    let modules = code.width() + 2 * QUIET;
    let side = modules * SCALE;
    let dark = |at: usize| at.checked_sub(QUIET).filter(|at| *at < code.width());
    let mut pixels = vec![0u8; side.div_ceil(8) * side];
    for (y, row) in pixels.chunks_mut(side.div_ceil(8)).enumerate() {
        for x in 0..side {
            let module = dark(x / SCALE).zip(dark(y / SCALE));
            if module.is_none_or(|at| code[at] == Color::Light) {
                row[x / 8] |= 0x80 >> (x % 8);
            }
        }
    }
    let mut file = Vec::new();
    // Far below 2^32: the largest code has 177 modules.
    let side = u32::try_from(side).unwrap_or(u32::MAX);
    let mut encoder = Encoder::new(&mut file, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    encoder.set_compression(Compression::High);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a decoder that shares no line with the encoder.
    fn read_back(url: &str) -> String {
        let file = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let shown = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (shown.width as usize, shown.height as usize);
        let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
        let codes = seen.detect_grids();
        assert_eq!(codes.len(), 1, "one code in the picture");
        codes[0].decode().unwrap().1
    }

    #[test]
    fn the_picture_of_an_invite_says_its_url() {
        for length in [1, 40, 230, 700] {
            let url = format!("notes://join?i={}", "K7".repeat(length));
            assert_eq!(read_back(&data_url(&url).unwrap()), url);
        }
    }

    #[test]
    fn what_does_not_fit_is_no_picture() {
        assert_eq!(data_url(&"a".repeat(5000)), None);
    }
}
