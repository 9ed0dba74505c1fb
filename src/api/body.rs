//! Reading a request body: media types, compression and sizes.

use super::Config;
use super::asked;
use super::error::Failure;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use std::io::Read;
use std::time::Duration;

/// Largest window of a zstd body, 8 MiB: what every decoder must accept, and what bounds memory.
const ZSTD_WINDOW_LOG: u32 = 23;

/// A body of so many bytes is parsed in microseconds.
const LIGHT_BYTES: usize = 1 << 10;

/// What the headers say about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    media: Media,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Binary,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// A body as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A model in some format.
    Model(Vec<u8>),
    /// JSON that wraps a model, or names one.
    Wrapped(Vec<u8>),
}

/// Refused when netkin does not read the media type or the encoding.
impl<S: Send + Sync> FromRequestParts<S> for Framing {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self {
            media: media(&parts.headers)?,
            encoding: encoding(&parts.headers)?,
        })
    }
}

impl Framing {
    /// True when parsing the body costs next to nothing: then it need not run on the pool.
    pub(super) fn is_light(self, bytes: usize) -> bool {
        self.media == Media::Json && self.encoding == Encoding::Identity && bytes <= LIGHT_BYTES
    }

    /// Decompresses and tells a model from JSON of ours; runs on the pool unless the body is light.
    pub(super) fn open(self, bytes: Vec<u8>, largest: usize) -> Result<Sent, Failure> {
        let bytes = self.decompressed(bytes, largest)?;
        if bytes.is_empty() {
            return Err(Failure::bad_request(
                "empty_body",
                "The request has no body; send a model, or JSON with an `id`.",
            ));
        }
        if self.media == Media::Json && asked::is_wrapped(&bytes) {
            return Ok(Sent::Wrapped(bytes));
        }
        Ok(Sent::Model(bytes))
    }

    /// Decompresses a body that must be JSON of ours.
    pub(super) fn json(self, bytes: Vec<u8>, largest: usize) -> Result<Vec<u8>, Failure> {
        if self.media != Media::Json {
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Set Content-Type to application/json.",
            ));
        }
        self.decompressed(bytes, largest)
    }

    fn decompressed(self, bytes: Vec<u8>, largest: usize) -> Result<Vec<u8>, Failure> {
        match self.encoding {
            Encoding::Identity => Ok(bytes),
            Encoding::Gzip => bounded(flate2::read::MultiGzDecoder::new(&*bytes), largest),
            Encoding::Zstd => {
                let mut decoder =
                    zstd::Decoder::with_buffer(&*bytes).map_err(|error| bad_compression(&error))?;
                let windows = decoder.window_log_max(ZSTD_WINDOW_LOG);
                windows.map_err(|error| bad_compression(&error))?;
                bounded(decoder, largest)
            }
        }
    }
}

/// The body as sent, within the limits of size and time.
pub(super) async fn collect(body: Body, config: &Config) -> Result<Vec<u8>, Failure> {
    let read = axum::body::to_bytes(body, config.body_bytes);
    let timeout = Duration::from_millis(config.read_timeout_ms);
    let Ok(outcome) = tokio::time::timeout(timeout, read).await else {
        return Err(Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow_body",
            "The body did not arrive in time; send it again on a faster connection.",
        ));
    };
    match outcome {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_too_large(&error) => Err(too_large(config.body_bytes)),
        Err(_) => Err(Failure::bad_request(
            "broken_body",
            "The body ended early; send it again.",
        )),
    }
}

/// `axum::body::to_bytes` hides its limit error behind a source.
fn is_too_large(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().contains("length limit exceeded"))
}

fn too_large(largest: usize) -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!(
            "The body is larger than {largest} bytes; export the model without its weights, or send a raw graph."
        ),
    )
}

fn bounded(mut reader: impl Read, largest: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let most = largest as u64 + 1;
    let read = reader.by_ref().take(most).read_to_end(&mut bytes);
    read.map_err(|error| bad_compression(&error))?;
    if bytes.len() > largest {
        return Err(too_large(largest));
    }
    Ok(bytes)
}

fn bad_compression(error: &dyn std::fmt::Display) -> Failure {
    Failure::bad_request(
        "bad_compression",
        format!("The body is not compressed as Content-Encoding says ({error})."),
    )
}

fn media(headers: &HeaderMap) -> Result<Media, Failure> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Media::Binary);
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/octet-stream" | "application/vnd.onnx" => Ok(Media::Binary),
        "application/json" => Ok(Media::Json),
        _ => Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!(
                "`{essence}` is not read here; set Content-Type to application/octet-stream, application/vnd.onnx or application/json."
            ),
        )),
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    let value = headers.get(header::CONTENT_ENCODING);
    let text = value.map_or("", |value| value.to_str().unwrap_or("?"));
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "Content-Encoding must be gzip, zstd or identity.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn framing(media: Media, encoding: Encoding) -> Framing {
        Framing { media, encoding }
    }

    #[test]
    fn a_gzip_bomb_is_stopped_at_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        let bomb = encoder.finish().unwrap();
        let framing = framing(Media::Binary, Encoding::Gzip);
        let failure = framing.open(bomb.clone(), 1000).unwrap_err();
        assert_eq!(failure.code, "body_too_large");
        assert!(framing.open(bomb, 1 << 20).is_ok());
    }

    #[test]
    fn a_zstd_bomb_is_stopped_at_the_limit() {
        let bomb = zstd::encode_all(&vec![0; 1 << 20][..], 19).unwrap();
        assert!(bomb.len() < 1000);
        let framing = framing(Media::Binary, Encoding::Zstd);
        let refused = framing.open(bomb.clone(), 1000);
        assert_eq!(refused.unwrap_err().code, "body_too_large");
        assert!(framing.open(bomb, 1 << 20).is_ok());
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused_before_it_is_allocated() {
        let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(b"abc").unwrap();
        let body = encoder.finish().unwrap();
        let framing = framing(Media::Binary, Encoding::Zstd);
        let refused = framing.open(body, 1 << 20);
        assert_eq!(refused.unwrap_err().code, "bad_compression");
    }

    #[test]
    fn bodies_that_are_not_compressed_as_they_say_are_refused() {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(b"abcdefgh").unwrap();
        let gzip = encoder.finish().unwrap();
        let zstd = zstd::encode_all(&b"abcdefgh"[..], 1).unwrap();
        for (encoding, body) in [(Encoding::Gzip, gzip), (Encoding::Zstd, zstd)] {
            let framing = framing(Media::Binary, encoding);
            for end in 1..body.len() {
                let cut = framing.open(body[..end].to_vec(), 1000);
                assert_eq!(
                    cut.unwrap_err().code,
                    "bad_compression",
                    "{encoding:?} {end}"
                );
            }
            let plain = framing.open(b"abc".to_vec(), 1000);
            assert_eq!(plain.unwrap_err().code, "bad_compression");
        }
    }

    #[test]
    fn a_zstd_body_is_read() {
        let body = zstd::encode_all(&b"abc"[..], 1).unwrap();
        let framing = framing(Media::Binary, Encoding::Zstd);
        assert_eq!(
            framing.open(body, 1000).unwrap(),
            Sent::Model(b"abc".to_vec())
        );
    }
}
