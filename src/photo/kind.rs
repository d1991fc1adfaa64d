//! Recognises files that are not supported pictures by their first bytes, to explain what to do about them.

/// Why a file that starts with `bytes` is not supported, and what to do about it; `None` if its kind is unknown.
pub fn other(bytes: &[u8]) -> Option<&'static str> {
    // ISO base media files start with a box `ftyp` that lists brands.
    if bytes.get(4..8) == Some(b"ftyp") {
        let brands = bytes.get(8..64.min(bytes.len())).unwrap_or_default();
        let has = |wanted: &[&[u8; 4]]| brands.chunks(4).any(|brand| wanted.iter().any(|w| brand == w.as_slice()));
        return Some(if has(&[b"avif", b"avis"]) {
            AVIF
        } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
            HEIC
        } else {
            "this is a video, not a picture; save a frame of it as JPEG"
        });
    }
    let known: [(&[u8], &str); 14] = [
        (b"GIF8", "this is a GIF picture, which usher does not read; convert it to PNG or JPEG first"),
        (b"II*\0", RAW_OR_TIFF),
        (b"MM\0*", RAW_OR_TIFF),
        (b"\xFF\x0A", "this is a JPEG XL picture, which usher does not read; convert it to JPEG first"),
        (b"\0\0\0\x0CJXL ", "this is a JPEG XL picture, which usher does not read; convert it to JPEG first"),
        (b"\0\0\0\x0CjP  ", "this is a JPEG 2000 picture, which usher does not read; convert it to JPEG first"),
        (b"%PDF", "this is a PDF document; save the photograph in it as JPEG"),
        (b"PK\x03\x04", "this is a ZIP archive or a document; unpack it first"),
        (b"\x1A\x45\xDF\xA3", "this is a video, not a picture; save a frame of it as JPEG"),
        (b"RIFF", "this is a video or a sound, not a picture"),
        (b"SQLite", "this is a database, not a picture"),
        (b"\xD0\xCF\x11\xE0", "this is a file of another program, not a picture (Windows leaves Thumbs.db in folders)"),
        (b"<!DOCTYPE", "this is a web page, not a picture: the download may have failed"),
        (b"<html", "this is a web page, not a picture: the download may have failed"),
    ];
    known.into_iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, why)| why)
}

const HEIC: &str = "this is a HEIC picture, a format of phones, which usher does not read; convert it to JPEG first (`heif-convert a.heic a.jpg`), \
     or let the phone save JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)";
const AVIF: &str =
    "this is an AVIF picture, which usher does not read; convert it to JPEG first (`heif-convert a.avif a.jpg`)";
const RAW_OR_TIFF: &str =
    "this is a TIFF picture or a camera's raw data, which usher does not read; convert it to JPEG first";

#[cfg(test)]
mod tests {
    use crate::photo::{PhotoError, decode};

    #[test]
    fn unsupported_kinds_are_recognised_by_their_bytes() {
        for (bytes, word) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1", "AVIF"),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
            (b"\0\0\0\x14ftypisom\0\0\x02\0", "video"),
            (b"GIF89a\x01\0\x01\0", "GIF"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"%PDF-1.7", "PDF"),
            (b"<!DOCTYPE html>", "web page"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(matches!(error, PhotoError::OtherKind(_)) && error.to_string().contains(word), "{error}");
        }
        assert!(matches!(decode(b"Dear reader"), Err(PhotoError::UnknownKind)));
    }
}
